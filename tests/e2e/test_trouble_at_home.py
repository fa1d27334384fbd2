"""What can go wrong on our own machine: no room, no right to write, a signal, a clock that goes back. Told, and made good by the next run."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from round_lab import Lab, told, writes

from connectors.http import Request, Response
from connectors.sandbox import Faults
from engine.files import half
from engine.ledger import Ledger

FULL = Path("/dev/full")  # every write to it fails as on a full disk
FORBIDDEN = Path("/sys/ciblage")  # nobody may make a file there, the superuser neither

on_linux = pytest.mark.skipif(not FULL.exists() or not FORBIDDEN.parent.is_dir(), reason="Linux has these files")
troubles = pytest.mark.parametrize(
    ("place", "says"), [(FULL, "there is no room to write it"), (FORBIDDEN, "we may not write it")]
)


@on_linux
@troubles
def test_codes_that_could_not_be_exported_are_exported_by_the_next_push(fresh: Lab, place: Path, says: str) -> None:
    fresh.done("pull")
    exported = fresh.folder / "state" / "codes.csv"
    half(exported).symlink_to(place)
    said = fresh.ciblage("push", "--yes", json=True)
    assert said.exit_code == 2, said
    assert says in said.error["message"]
    assert said.error["kind"] == "file"
    assert not exported.exists()
    half(exported).unlink()
    fresh.later(hours=1)
    with fresh.calls() as calls:
        fresh.done("push")
    assert writes(calls) == [], "what had been sent stands"
    codes = fresh.done("codes")["counts"]["thanks"]
    assert codes == {"exported": exported.read_text("utf-8").count("\n") - 1}


@on_linux
@pytest.mark.parametrize("place", [FULL, FORBIDDEN])
def test_a_plan_that_could_not_be_written_is_told(begun: Lab, place: Path) -> None:
    file = begun.folder / "plan.parquet"
    draft = half(file)
    draft.symlink_to(place)
    told(begun, "plan", "--out", file, exit_code=2, says=())
    assert not file.exists()
    draft.unlink()
    begun.done("plan", "--out", file)


@on_linux
@troubles
def test_events_that_could_not_be_kept_are_read_again(begun: Lab, place: Path, says: str, tmp_path: Path) -> None:
    begun.tell("POST", "/sandbox/readers", {"until": (begun.now + timedelta(days=2)).isoformat(), "seed": 3})
    begun.later(hours=3)
    parts = begun.folder / "state" / "engagement"
    parts.parent.mkdir(exist_ok=True)
    parts.symlink_to(tmp_path / "nowhere" if place == FULL else place)
    said = begun.ciblage("pull", json=True)
    assert said.exit_code == 2, said
    assert said.error["kind"] == "file"
    parts.unlink()
    begun.later(hours=1)
    pulled = begun.done("pull")
    assert sum(sum(one["events"].values()) for one in pulled["destinations"]) > 0
    assert list(parts.glob("*.parquet"))
    assert not list(parts.glob(".*.half"))


def test_a_state_folder_that_is_a_file_is_told_before_anybody_is_called(fresh: Lab) -> None:
    (fresh.folder / "state").write_text("not a folder", "utf-8")
    with fresh.calls() as calls:
        said = fresh.ciblage("run", json=True)
    assert said.exit_code == 2, said
    assert "the ledger cannot be opened" in said.error["message"]
    assert said.error["place"] == "ledger.url"
    assert calls == []


@dataclass
class Signalled(Faults):
    """Sends a signal when a call of this sort arrives, once."""

    number: signal.Signals
    is_read: bool
    process: subprocess.Popen[str] | None = None

    def next(self, provider: str, request: Request) -> Response | None:
        if self.process is not None and self.is_read == (request.method in {"GET", "HEAD"}):
            self.process.send_signal(self.number)
            self.process = None
        return None


@pytest.mark.parametrize(
    ("command", "number", "code", "is_read"),
    [
        ("run", signal.SIGINT, 130, False),
        ("pull", signal.SIGTERM, 143, True),
        ("pull", signal.SIGINT, 130, True),
        ("run", signal.SIGTERM, 143, True),
    ],
)
def test_a_signal_ends_a_command_as_it_says_and_the_next_run_goes_on(
    begun: Lab, command: str, number: signal.Signals, code: int, *, is_read: bool
) -> None:
    for one in (2, 3, 4, 13):
        begun.shop.change(one, name="Renamed")
    begun.stock()
    begun.later(hours=3)
    sending = Signalled(number, is_read)
    begun.sandbox.world.faults = sending
    with begun.sandbox.lock:
        process = sending.process = begun.process(command)
    _, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "Traceback" not in err
    begun.sandbox.world.faults = Faults()
    begun.later(hours=1)
    with Ledger.open(
        f"sqlite:///{begun.folder / 'state' / 'maison-lin.sqlite'}", "maison-lin", is_readonly=True
    ) as ledger:
        assert ledger.runs.last(1)[0].exit == code
    begun.done("run")
    assert begun.values("brevo", "c02@example.com")["first_name"] == "Renamed"
    with begun.calls() as calls:
        begun.done("run")
    assert writes(calls) == []


def test_a_clock_that_went_far_back_is_stopped_by_the_guard(begun: Lab) -> None:
    begun.later(hours=3)
    begun.done("run")
    now, begun.now = begun.now, begun.now - timedelta(days=400)
    with begun.calls() as calls:
        said = begun.ciblage("run", json=True)
    assert said.exit_code == 3, said
    kinds = {one["kind"] for one in said.result["planned"]["refusals"]}
    assert kinds & {"older_shop", "smaller_shop", "emptied"}, (
        "what is known is later than that: nobody has bought anything yet"
    )
    assert writes(calls) == []
    begun.now = now
    begun.later(hours=1)
    begun.done("run")


def test_a_clock_that_went_back_a_little_changes_nothing(begun: Lab) -> None:
    begun.later(hours=3)
    begun.done("run")
    before = begun.truth()
    begun.now -= timedelta(minutes=20)
    with begun.calls() as calls:
        begun.done("run")
    assert writes(calls) == []
    assert begun.truth() == before
