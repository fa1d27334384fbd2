"""Every exit code of the command line: a story that ends with it, and which one says how mixed results ended."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from leaks import KEYS, Process
from round_lab import Lab

from connectors.errors import SettingsError, Unauthorized
from connectors.http import Request, Response
from connectors.sandbox import Faults
from connectors.types import Reason
from engine.errors import WrongSetting
from engine.ledger import Ledger
from engine.plan.guard import Refusal
from engine.push.result import Rejected, Result
from engine.results import ORDER, PulledAll, Pushed

MEANING = {
    0: "done", 1: "finished, with new rejections", 2: "usage or config", 3: "guard refused", 4: "destination unreachable or unauthorised",
    5: "another run holds the lock", 6: "stopped by time, more to do", 70: "internal error", 130: "interrupted", 143: "terminated",
}  # fmt: skip


def renamed(lab: Lab) -> None:
    for number in (2, 3, 4, 12, 13):
        lab.shop.change(number, name="Renamed", orders=4)
    lab.stock()
    lab.later(hours=5)


def done(lab: Lab) -> int:
    renamed(lab)
    return lab.ciblage("run").exit_code


def rejections(lab: Lab) -> int:
    renamed(lab)
    lab.tell("POST", "/sandbox/faults", {"fault": "bad-record", "provider": "brevo", "times": 1})
    return lab.ciblage("run").exit_code


def usage(lab: Lab) -> int:
    assert lab.ciblage("members", "loyl").exit_code == 2
    assert lab.ciblage("run", "--max-minutes", "soon").exit_code == 2
    return lab.ciblage("dance").exit_code


def guard(lab: Lab) -> int:
    for number in range(1, 40):
        lab.shop.change(number, orders=0)
    lab.stock()
    lab.later(hours=5)
    return lab.ciblage("run").exit_code


def unauthorised(lab: Lab) -> int:
    lab.later(hours=5)
    lab.tell("POST", "/sandbox/faults", {"fault": "key-expired", "provider": "brevo", "times": None})
    return lab.ciblage("run").exit_code


def locked(lab: Lab) -> int:
    lab.later(hours=5)
    with (
        Ledger.open(f"sqlite:///{lab.folder / 'state' / 'maison-lin.sqlite'}", "maison-lin") as ledger,
        ledger.lock(who="run", since=datetime(2026, 11, 20, tzinfo=UTC)),
    ):
        return lab.ciblage("run").exit_code


def out_of_time(lab: Lab) -> int:
    renamed(lab)
    return lab.ciblage("run", "--max-minutes", "0").exit_code


def defect(lab: Lab) -> int:
    """A stranger's connector breaks, with a key and an address in its words."""
    place = lab.folder / "stranger"
    (place / "stranger-1.dist-info").mkdir(parents=True)
    (place / "stranger-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: stranger\nVersion: 1\n", "utf-8"
    )
    (place / "stranger-1.dist-info" / "entry_points.txt").write_text(
        "[ciblage.connectors]\nstranger = stranger:Stranger\n", "utf-8"
    )
    (place / "stranger.py").write_text(
        "from connectors.memory import Memory\nclass Stranger(Memory):\n    def check(self):\n"
        "        raise RuntimeError(self._settings.api_key + ' of ' + 'c04' + '@' + 'example.com')\n",
        "utf-8",
    )
    with lab.config.open("a", encoding="utf-8") as file:
        file.write(
            '\n[destinations.odd]\nconnector = "stranger"\napi_key = "${KLAVIYO_KEY}"\nbase_url = "http://127.0.0.1:9"\nstore = "store.json"\nsegments = ["tea"]\n'
        )
    program = Path(sys.executable).with_name("ciblage")
    with Process(
        [program, "check", "--config", str(lab.config), "--now", lab.now.isoformat()],
        env={**os.environ, "PYTHONPATH": f"{place}:{os.environ.get('PYTHONPATH', '')}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        _, err = process.communicate(timeout=120)
    assert "internal error: RuntimeError: … of …@…" in err
    assert KEYS["KLAVIYO_KEY"] not in err
    return process.returncode


@dataclass
class Signalled(Faults):
    number: signal.Signals
    process: subprocess.Popen[str] | None = None

    def next(self, provider: str, request: Request) -> Response | None:
        if self.process is not None and request.method not in {"GET", "HEAD"}:
            self.process.send_signal(self.number)
            self.process = None
        return None


def signalled(number: signal.Signals) -> Callable[[Lab], int]:
    def story(lab: Lab) -> int:
        renamed(lab)
        sending = Signalled(number)
        lab.sandbox.world.faults = sending
        before = signal.signal(number, signal.default_int_handler)  # what is ignored here, its child would ignore too
        try:
            with lab.sandbox.lock:
                process = sending.process = lab.process("run")
        finally:
            signal.signal(number, before)
        process.communicate(timeout=120)
        return process.returncode

    return story


STORIES: dict[int, Callable[[Lab], int]] = {
    0: done, 1: rejections, 2: usage, 3: guard, 4: unauthorised, 5: locked, 6: out_of_time, 70: defect,
    130: signalled(signal.SIGINT), 143: signalled(signal.SIGTERM),
}  # fmt: skip


@pytest.mark.parametrize("code", MEANING, ids=lambda code: f"{code}_{MEANING[code].replace(' ', '_')}")
def test_a_story_ends_with_its_exit_code(begun: Lab, code: int) -> None:
    assert STORIES[code](begun) == code


def test_refusals_rejections_and_an_outage_at_once_end_with_the_worst(begun: Lab) -> None:
    for number in range(1, 40):
        begun.shop.change(number, orders=0)
    begun.shop.change(71, orders=4)
    begun.stock()
    begun.later(hours=5)
    flags = ("--force", "mailing")
    begun.tell("POST", "/sandbox/faults", {"fault": "bad-record", "provider": "brevo", "times": 1})
    begun.tell("POST", "/sandbox/faults", {"fault": "key-expired", "provider": "klaviyo", "times": None})
    said = begun.ciblage("run", *flags, json=True)
    pushed = {one["destination"]: one for one in said.result["pushed"]["results"]}
    assert pushed["mailing"]["rejected"]
    assert {one["destination"] for one in said.result["planned"]["refusals"]} >= {"newsletter"}
    assert said.exit_code == 4
    begun.tell("DELETE", "/sandbox/faults")
    begun.sandbox.faults.clear()


TROUBLES = {
    4: {"unreachable": {"a": "no answer"}}, 3: {"refusals": [Refusal(destination="b", kind="emptied", flag="--force b")]},
    6: {"results": [Result("c", stopped="time")]},
    1: {"results": [Result("d", rejected=[Rejected(kind="AddMember", target="t", customer_id="c1", reason=Reason.OTHER, words=None)])]},
    2: {"unreachable": {"e": WrongSetting("wrong")}}, 143: {"is_terminated": True},
}  # fmt: skip


@pytest.mark.parametrize(
    "codes", [both for size in (1, 2, 3) for both in itertools.combinations(TROUBLES, size)], ids=str
)
def test_of_mixed_results_the_first_in_the_order_says_how_it_ended(codes: tuple[int, ...]) -> None:
    made = Pushed(
        results=[one for code in codes for one in TROUBLES[code].get("results", ())],  # type: ignore[attr-defined]  # a table
        proofs=[],
        refusals=[one for code in codes for one in TROUBLES[code].get("refusals", ())],  # type: ignore[attr-defined]  # a table
        unreachable={name: why for code in codes for name, why in TROUBLES[code].get("unreachable", {}).items()},  # type: ignore[attr-defined]  # a table
        is_terminated=143 in codes,
    )
    assert made.exit_code == next(code for code in ORDER if code in codes)


def test_errors_of_destinations_count_as_unreachable_or_as_wrong_settings() -> None:
    away = Result("a", error=Unauthorized("401", status=401))
    wrong = Result("b", error=SettingsError("no such audience"))
    assert Pushed(results=[away], proofs=[]).exit_code == 4
    assert Pushed(results=[away, wrong], proofs=[]).exit_code == 2


def test_a_round_ends_with_the_worst_of_its_pull_and_its_push() -> None:
    from engine.engagement import Pulled
    from engine.results import Round

    pulled = PulledAll(destinations=[Pulled(destination="a", error="no answer")])
    planned = None
    for push, code in (
        (Pushed(results=[], proofs=[], unreachable={"b": WrongSetting("x")}), 2),
        (Pushed(results=[], proofs=[]), 4),
    ):
        assert Round(pulled=pulled, planned=planned, pushed=push).exit_code == code  # type: ignore[arg-type]  # not looked at
