"""What becomes of a ledger whose disk is full, whose file is held, read-only or damaged: nothing half-done, in plain words, mended by a rerun."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.types import Outcome, State, Target, TargetKind
from engine.errors import ConfigError, EngineError
from engine.ledger import Ledger, schema
from engine.ledger.outcomes import Sending
from engine.ledger.sending import Settlement
from engine.ledger.store import LedgerUnavailable, Store, connect

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
LOYAL = Target(kind=TargetKind.SEGMENT, name="loyal", title="Loyal")
PEOPLE = 400


def changes() -> list[Sending]:
    return [
        Sending(
            change_id=f"{number:024x}", content_hash=f"{number:032x}", kind="AddContact", target="contacts",
            customer_id=f"c{number}", address=f"person{number}@shop.example", fields={"name": '"Zoé"'}, status="subscribed",
        )
        for number in range(PEOPLE)
    ]  # fmt: skip


def carried(store: Store) -> None:
    """A push, as the ledger sees it: each step is skipped that is done already."""
    ledger = Ledger(store, "c")
    if not ledger.targets.of("news"):
        ledger.targets.expect("news", [LOYAL], is_owned=True)
    if not ledger.contacts.count("news"):
        if not (left := ledger.sending.of("news")):
            ledger.sending.begin("news", changes(), at=NOW)
            left = changes()
        settlement = Settlement(destination="news", at=NOW, version="1", targets=ledger.targets.of("news"))
        done = [(change, Outcome(id=change.change_id, state=State.APPLIED)) for change in left]
        ledger.sending.settle(settlement, done)


def contents(url: str) -> dict[str, Any]:
    """Every row, numbers of versions and batches aside."""
    with connect(url, "c", is_readonly=True) as store, store.read() as connection:
        tables = {name: table for name, table in schema.metadata.tables.items() if name != "batches"}
        found = {name: connection.execute(sa.select(table)).fetchall() for name, table in tables.items()}
        found["on its way"] = len(Ledger(store, "c").sending.of("news"))  # type: ignore[assignment]  # a count beside rows
        return found


def told(error: EngineError) -> str:
    """Its words; they hold no address and none of the driver's."""
    words = f"{error} {error.hint} {error.__cause__}"
    assert "@" not in words
    assert "INSERT" not in words
    assert error.exit_code == 2
    assert error.__suppress_context__
    return words


def test_a_disk_that_fills_up_anywhere_costs_one_step_and_a_rerun_ends_right(tmp_path: Path) -> None:
    whole = f"sqlite:///{tmp_path}/whole.sqlite"
    with connect(whole, "c") as store:
        carried(store)
    with closing(sqlite3.connect(tmp_path / "whole.sqlite")) as raw:
        pages = raw.execute("PRAGMA page_count").fetchone()[0]
    empty = _empty_pages(tmp_path)
    failures = 0
    for room in range(empty, pages + 1):
        url = f"sqlite:///{tmp_path}/{room}.sqlite"
        Ledger.open(url, "c").close()
        if (error := _attempted(url, room)) is not None:
            assert "the disk is full" in told(error)
            failures += 1
            assert contents(url)["contacts"] == []
            assert contents(url)["on its way"] in (0, PEOPLE), "all of a batch, or nothing"
        with connect(url, "c") as store:  # room was made
            carried(store)
        assert contents(url) == contents(whole)
    assert failures > 5


def _attempted(url: str, room: int) -> LedgerUnavailable | None:
    """A push on a disk that holds so many pages: what it says where it needs more."""
    with connect(url, "c") as store:
        sa.event.listen(store.engine, "checkout", lambda raw, *_: raw.execute(f"PRAGMA max_page_count = {room}"))
        try:
            carried(store)
        except LedgerUnavailable as error:
            return error
    return None


def _empty_pages(folder: Path) -> int:
    Ledger.open(f"sqlite:///{folder}/empty.sqlite", "c").close()
    with closing(sqlite3.connect(folder / "empty.sqlite")) as raw:
        return int(raw.execute("PRAGMA page_count").fetchone()[0])


def test_a_ledger_that_cannot_be_made_is_not_half_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/l.sqlite"
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
    script = limit + (
        "from engine.errors import EngineError\nfrom engine.ledger import Ledger\n"
        "try:\n    Ledger.open(sys.argv[1], 'c')\nexcept EngineError as error:\n"
        "    print(f'{type(error).__name__} {error.exit_code} {error}')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, url], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("ConfigError 2 the ledger cannot be used")
    with connect(url, "c", is_readonly=True) as store:
        assert store.path is None, "nothing is there: an empty one in memory is read"
    with connect(url, "c") as store:
        carried(store)
    assert contents(url)["on its way"] == 0


HOLDING = """
import sqlite3, sys
raw = sqlite3.connect(sys.argv[1], isolation_level=None)
raw.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def test_another_program_that_writes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    url = f"sqlite:///{path}"
    Ledger.open(url, "c").close()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with connect(url, "c", patience=0.01) as store:
            with pytest.raises(LedgerUnavailable, match="another program is writing") as caught:
                carried(store)
            words = told(caught.value)
            if Path("/proc").is_dir():
                assert f"process {other.pid}, python" in words
            assert Ledger(store, "c").contacts.count("news") == 0, "reading goes on"
            other.kill()
            other.wait()
            carried(store)
            assert Ledger(store, "c").contacts.count("news") == PEOPLE


@pytest.mark.parametrize("damage", ["header", "middle", "cut", "another kind"])
def test_a_damaged_file_is_told_and_a_copy_mends_it(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "l.sqlite"
    url = f"sqlite:///{path}"
    with connect(url, "c") as store:
        carried(store)
    copy = tmp_path / "copy"
    shutil.copy(path, copy)
    size = path.stat().st_size
    with path.open("r+b") as file:
        if damage == "header":
            file.write(b"\x00" * 100)
        elif damage == "middle":
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
        elif damage == "cut":
            file.truncate(size // 2)
        else:
            file.truncate(0)
            file.write(b"customer_id,email\nc1,someone@shop.example\n" * 200)
    for is_readonly in (True, False):
        with pytest.raises(EngineError) as caught:
            _read_and_written(url, is_readonly=is_readonly)
        words = told(caught.value)
        assert "damaged" in words or "no database" in words
        assert ".recover" in words
    shutil.copy(copy, path)
    with connect(url, "c") as store:
        assert Ledger(store, "c").contacts.count("news") == PEOPLE


def _read_and_written(url: str, *, is_readonly: bool) -> None:
    with connect(url, "c", is_readonly=is_readonly) as store:
        Ledger(store, "c").contacts.table("news")
        Ledger(store, "c").sending.begin("news", changes(), at=NOW)


FENCED = """
import os, sys
from engine.errors import EngineError
from engine.ledger import Ledger, upgrade
from engine.ledger.store import connect
import sqlalchemy.dialects.sqlite
if os.getuid() == 0:
    os.setuid(65534)
try:
    with connect(sys.argv[1], "c") as store:
        Ledger(store, "c").cursors.save("news", "events", "7")
    print("written")
except EngineError as error:
    print(f"{type(error).__name__} {error.exit_code} {error} | {error.hint}")
"""


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="ciblage-shelf-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_that_may_not_be_written_is_told(shelf: Path, *, is_there: bool) -> None:
    path = shelf / "l.sqlite"
    if is_there:
        Ledger.open(f"sqlite:///{path}", "c").close()
        path.chmod(0o444)
    before = sorted((one.name, one.read_bytes()) for one in shelf.iterdir())
    shelf.chmod(0o555)
    words = [sys.executable, "-c", FENCED, f"sqlite:///{path}"]
    done = subprocess.run(
        words, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    )
    assert done.stdout.startswith("ConfigError 2 the ledger cannot be "), done
    assert "may we write there" in done.stdout or "must be writable" in done.stdout
    assert sorted((one.name, one.read_bytes()) for one in shelf.iterdir()) == before
    shelf.chmod(0o755)
    path.touch()
    path.chmod(0o644)
    with connect(f"sqlite:///{path}", "c") as store:
        carried(store)


def test_a_new_ledger_is_for_its_owners_eyes(tmp_path: Path) -> None:
    path = tmp_path / "state" / "l.sqlite"
    with connect(f"sqlite:///{path}", "c") as store:
        carried(store)
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_place_that_is_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    with pytest.raises(ConfigError) as caught:
        Ledger.open(f"sqlite:///{tmp_path}/state/l.sqlite", "c")
    assert "may we write there" in told(caught.value)
