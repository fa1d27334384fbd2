"""A push that is killed without warning, at some request, is ended by the next one: the same end as if nothing had happened."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from round_lab import Lab, contact, laboratory, writes

from connectors.http import Request, Response
from connectors.sandbox import Faults

OBJECTING = "c04@example.com"  # a member of segments who left each platform long ago


@dataclass
class Death(Faults):
    """Kills the process when its nth write arrives, before that is carried out or just after: nobody hears the answer."""

    at: int
    is_lost: bool
    process: subprocess.Popen[str] | None = None
    count: int = 0

    def next(self, provider: str, request: Request) -> Response | None:
        if self.process is None or request.method in {"GET", "HEAD"}:
            return None
        self.count += 1
        if self.count < self.at:
            return None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30)
        return Response(503) if self.is_lost else None


def prepare(lab: Lab) -> None:
    for provider in lab.sandbox.providers:
        lab.seed(provider, contact(OBJECTING, "unsubscribed"))
    lab.later(hours=1)
    lab.done("pull")


def finish(lab: Lab) -> dict[str, Any]:
    """The push, the codes and what is left; then the truth, codes by their owner only."""
    lab.done("push", "--yes")
    lab.confirm()
    lab.done("push")
    with lab.calls() as calls:
        lab.done("run")
    assert writes(calls) == []
    return {
        provider: {email: (*one[:2], nameless(one[2]), one[3]) for email, one in people.items()}
        for provider, people in lab.truth().items()
    }


def nameless(fields: dict[str, Any]) -> dict[str, Any]:
    """Codes are random: only that there is one can be compared."""
    return {name: "a code" if name.upper() == "CODE" and value else value for name, value in fields.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with laboratory(tmp_path_factory.mktemp("undisturbed")) as lab:
        prepare(lab)
        return finish(lab)


def die(lab: Lab, death: Death) -> None:
    """A first push that is killed."""
    lab.sandbox.world.faults = death
    with lab.sandbox.lock:
        death.process = lab.process("push", "--yes")
    out, err = death.process.communicate(timeout=60)
    assert death.process.returncode == -signal.SIGKILL, (out, err)
    death.process = None


@pytest.mark.parametrize(("at", "is_lost"), [(2, False), (11, True), (19, False), (24, True), (29, False)])
def test_a_push_killed_at_any_request_is_ended_by_the_next_one(
    undisturbed: dict[str, Any], tmp_path: Path, at: int, *, is_lost: bool
) -> None:
    with laboratory(tmp_path) as lab:
        prepare(lab)
        die(lab, Death(at, is_lost))
        assert finish(lab) == undisturbed
        assert not any(people[OBJECTING].mailable for people in map(lab.there, lab.sandbox.providers))
        codes: dict[str, set[object]] = {}
        for provider in lab.sandbox.providers:
            for email in lab.there(provider):
                if code := lab.values(provider, email).get("code"):
                    codes.setdefault(email, set()).add(code)
        assert {len(given) for given in codes.values()} == {1}, "one code a person, the same everywhere"
        assert lab.done("codes")["counts"] == {"thanks": {"pushed": len(codes)}}


def test_codes_minted_by_a_push_that_was_killed_are_exported_by_the_next_one(tmp_path: Path) -> None:
    with laboratory(tmp_path) as lab:
        prepare(lab)
        die(lab, Death(1, is_lost=True))
        lab.done("push", "--yes")
        assert (tmp_path / "state" / "codes.csv").exists()
