"""Ledgers of earlier versions: brought up to date they hold what they held, and are what a new one is; killed, they are one or the other."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from homes import poured

from connectors.types import Reason, TargetKind, ValueKind
from engine.errors import ConfigError, Locked
from engine.ledger import Ledger, lock, schema
from engine.ledger.codes import Code, CodeState
from engine.ledger.contacts import ContactState
from engine.ledger.store import LedgerError, connect
from engine.ledger.upgrade import upgrade

NUMBERS = count()
KINDS = [(kind, version) for kind in ("sqlite", "postgresql") for version in (1, 2)]
T = datetime(2026, 11, 20, 8, 30, 15, 250_000, UTC)
HOUR = timedelta(hours=1)
GONE = {"sending"}  # tables whose rows live on in another form
NEW = str(schema.SCHEMA_VERSION)


def named(one: tuple[str, int]) -> str:
    return f"{one[0]} {one[1]}"


@pytest.fixture(params=KINDS, ids=named)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    kind, version = request.param
    place = request.getfixturevalue("postgres") if kind == "postgresql" else str(tmp_path)
    return poured(version, place, f"old{next(NUMBERS)}")


def engine_of(url: str) -> sa.Engine:
    return sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg") if url.startswith("p") else url)


def rows_of(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, as the database says it."""
    engine = engine_of(url)
    with engine.connect() as connection:
        rows = {
            name: [dict(row) for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"').mappings()]
            for name in sa.inspect(connection).get_table_names()
            if not name.startswith("sqlite_")
        }
    engine.dispose()
    return rows


def differences(url: str) -> list[Any]:
    """What Alembic finds between the tables that are there and those of this version."""
    engine = engine_of(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found: list[Any] = compare_metadata(context, schema.metadata)
    engine.dispose()
    return found


def kept(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return all(after[name] == value for name, value in before.items())


def test_an_old_ledger_becomes_what_a_new_one_is(old: str) -> None:
    assert differences(old) != []
    Ledger.open(old, "maison-lin").close()
    assert differences(old) == []
    with connect(old, "maison-lin") as store:
        assert store.schema_version() == schema.SCHEMA_VERSION


def test_in_a_file_the_tables_are_made_as_those_of_a_new_one(tmp_path: Path) -> None:
    Ledger.open(f"sqlite:///{tmp_path}/new.sqlite", "c").close()
    Ledger.open(poured(1, str(tmp_path), "old"), "c").close()
    made = []
    for name in ("new", "old"):
        with closing(sqlite3.connect(tmp_path / f"{name}.sqlite")) as raw:
            tables = {row[1]: (row[4], row[5]) for row in raw.execute("PRAGMA table_list") if row[2] == "table"}
            indexes = set(raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"))
            counted = set(raw.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'"))
            made.append((tables, indexes, counted))
    assert made[0] == made[1]  # without a rowid, strict, partial indexes and numbers that never return


def test_every_row_is_there_as_it_was(old: str) -> None:
    before = rows_of(old)
    Ledger.open(old, "maison-lin").close()
    after = rows_of(old)
    assert len(before) == 13
    for name in before.keys() - GONE:
        assert before[name] != [], name
        for row in before[name]:
            wanted = {**row, "value": NEW} if row.get("key") == "schema_version" else row
            assert any(kept(wanted, found) for found in after[name]), (name, row)
        assert len(after[name]) == len(before[name])


def test_every_row_means_what_it_meant(old: str) -> None:
    with Ledger.open(old, "maison-lin") as ledger:
        holder = ledger.holder()
        assert holder == lock.Holder("run", "old-host", 4711, T)
        assert ledger.accounts.get("newsletter") == "acc-1"
        targets = ledger.targets.of("newsletter")
        assert (targets[TargetKind.SEGMENT, "loyal"].ref, targets[TargetKind.SEGMENT, "loyal"].is_owned) == ("r1", True)
        assert targets[TargetKind.SEGMENT, "tea"].target.title == "maison-lin L'heure du thé"
        assert targets[TargetKind.FIELD, "spent"].target.value is ValueKind.NUMBER
        contacts = ledger.contacts.of("newsletter", [f"c{number}@example.com" for number in (1, 2, 3)])
        first, second, third = (contacts[f"c{number}@example.com"] for number in (1, 2, 3))
        assert (first.members, first.fields, first.ref) == (frozenset({0, 1}), {0: '"Zoé"', 1: "12.5"}, "m1")
        assert (second.state, second.foreign_members, second.fields) == (ContactState.FOUND, frozenset({1}), {1: "7"})
        assert third.state is ContactState.LEFT
        assert ledger.contacts.table("flows").to_pylist()[0]["address"] == "o'hara@example.com"
        assert ledger.contacts.of("flows", ["o'hara@example.com"])["o'hara@example.com"].members == frozenset({64})
        assert [one.reason for one in ledger.rejections.of()] == [Reason.INVALID_ADDRESS, Reason.TRY_LATER]
        assert ledger.rejections.held("newsletter", "1", T) == {"ab", "cd"}
        assert ledger.rejections.held("newsletter", "1", T + HOUR) == {"ab"}
        left = {row["address"]: row for row in ledger.suppressions.table("newsletter").to_pylist()}
        assert (left["c5@example.com"]["left"], left["c5@example.com"]["at"]) == ("complaint", T - HOUR)
        assert (left["nobody@example.com"]["at"], left["nobody@example.com"]["origin"]) == (None, "ours")
        assert ledger.cursors.get("newsletter", "events") == '{"page": 7}'
        assert ledger.runs.last_sizes() == {"loyal": 12}
        shop = ledger.runs.last_shop()
        assert shop is not None
        assert (shop.rows, shop.newest) == (3_000_000_000, T - HOUR)
        assert ledger.approvals.of("p1") == {"newsletter"}
        assert ledger.version() == 41
        assert ledger.is_current(40, "p1")


def test_what_was_on_its_way_is_on_its_way(old: str) -> None:
    with Ledger.open(old, "maison-lin") as ledger:
        found = {change.change_id.lstrip("0"): change for change in ledger.sending.of("newsletter")}
        assert {key: change.kind for key, change in found.items()} == {
            "1": "AddContact", "2": "AddContact", "3": "SetTraits", "4": "SetTraits", "5": "AddMember",
            "6": "RemoveMember", "7": "Suppress",
        }  # fmt: skip
        first = found["1"]
        assert (first.fields, first.status, first.defaults) == (
            {"first_name": '"Zoé"', "spent": "12.5"}, "subscribed", frozenset({"spent"}),
        )  # fmt: skip
        assert (first.content_hash, first.customer_id, first.address) == (f"{1:032x}", "c1", "c1@example.com")
        assert (found["3"].job, found["3"].is_pending, found["3"].fields) == (
            "job-1",
            True,
            {"first_name": '"O\'Hara"'},
        )
        assert (found["4"].job, found["5"].target, found["6"].plan) == ("job-2", "loyal", None)
        assert {change.started_at for change in found.values()} == {T}
        assert not found["7"].is_pending


def test_codes_live_on_and_keep_their_laws(old: str) -> None:
    with Ledger.open(old, "maison-lin") as ledger:
        codes = {row["code"]: row for row in ledger.codes.table().to_pylist()}
        assert (codes["THANKS5"]["state"], codes["THANKS5"]["order_id"]) == ("redeemed", "o'5")
        assert codes["THANKS1"]["expires_at"] == T + timedelta(days=30)
        assert ledger.codes.advance(["thanks2"], CodeState.CONFIRMED, at=T) == 1
        again = Code(code_id="n", offer="thanks", customer_id="c1", code="NEW", issued_at=T)
        nobodys = Code(code_id="n", offer="thanks", customer_id=None, code="NEW", issued_at=T)
        twice = Code(code_id="n", offer="thanks", customer_id="c99", code="THANKS7", issued_at=T)
        for wrong in (again, nobodys, twice):
            with pytest.raises(LedgerError):
                ledger.codes.reserve([wrong])
        run = ledger.runs.last(1)[0]
        assert run.id == 2


def test_a_file_is_copied_before_for_its_owners_eyes(tmp_path: Path) -> None:
    url = poured(2, str(tmp_path), "old")
    before = rows_of(url)
    Ledger.open(url, "c").close()
    copy = tmp_path / "old.sqlite.v2.bak"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert rows_of(f"sqlite:///{copy}") == before
    Ledger.open(url, "c").close()
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix in {".bak", ".part"}) == [copy.name]


def test_where_no_copy_can_be_made_nothing_changes(tmp_path: Path) -> None:
    url = poured(2, str(tmp_path), "old")
    before = rows_of(url)
    (tmp_path / "old.sqlite.v2.bak").mkdir()
    with pytest.raises(ConfigError, match="cannot be copied") as caught:
        Ledger.open(url, "c")
    assert caught.value.exit_code == 2
    assert rows_of(url) == before
    (tmp_path / "old.sqlite.v2.bak").rmdir()
    Ledger.open(url, "c").close()
    assert differences(url) == []


def test_reading_an_old_ledger_says_what_to_do_and_changes_nothing(old: str) -> None:
    before = rows_of(old)
    with pytest.raises(ConfigError, match="older ciblage") as caught:
        Ledger.open(old, "c", is_readonly=True)
    assert "ciblage pull" in str(caught.value.hint)
    assert rows_of(old) == before


def test_a_ledger_is_left_as_it_is_while_a_run_is_on(old: str) -> None:
    from engine.ledger.opening import open_engine, parse
    from engine.ledger.store import Store

    before = rows_of(old)
    engine = open_engine(parse(old, "ledger.url"), "c", is_readonly=False, patience=1)
    store = Store(engine, is_readonly=False, is_shared=False, client="c")
    with lock.held(store) as is_held:
        assert is_held
        with pytest.raises(Locked):
            Ledger.open(old, "c")
    store.close()
    assert rows_of(old) == before
    Ledger.open(old, "c").close()


def test_alembic_is_not_imported_where_there_is_nothing_to_do(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom engine.ledger import Ledger\nLedger.open(sys.argv[1], 'c').close()\n"
        "print('alembic' in sys.modules)\n"
    )
    old = poured(2, str(tmp_path), "old")
    said = [
        subprocess.run([sys.executable, "-c", script, url], check=True, capture_output=True, text=True).stdout
        for url in (f"sqlite:///{tmp_path}/new.sqlite", old, old)
    ]
    assert said == ["False\n", "True\n", "False\n"]


def test_who_comes_second_finds_it_done(old: str) -> None:
    Ledger.open(old, "c").close()
    after = rows_of(old)
    with connect(old, "c") as store:
        upgrade(store)
    assert rows_of(old) == after


@pytest.mark.parametrize("stride", [1, 4], ids=["in a file", "on a server"])
def test_killed_at_any_step_it_is_the_old_ledger_or_the_new_one(
    stride: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = str(tmp_path) if stride == 1 else request.getfixturevalue("postgres")
    old = poured(1, place, f"old{next(NUMBERS)}")
    before = rows_of(old)
    Ledger.open(old, "client").close()
    after = rows_of(old)
    script = Path(__file__).parents[1] / "killed_upgrade.py"
    words = [sys.executable, str(script), place, str(stride)]
    killed = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    assert len(killed) > 30 // stride
    ends = []
    for url in killed:
        found = rows_of(url)
        assert found in (before, after)
        ends.append(found == after)
        Ledger.open(url, "client").close()
        assert rows_of(url) == after
    assert ends == sorted(ends)  # the old one up to the commit, the new one from there on
    assert not ends[0]
