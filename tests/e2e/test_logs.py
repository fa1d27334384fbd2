"""What a program reads of a run: lines of JSON on stderr, asked for by an option or by the environment; otherwise silence."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from round_lab import Lab, Said
from typer.testing import CliRunner

from engine.cli import app


def lines(said: Said) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.err.splitlines()]


def calls(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in told if one["event"] == "call"]


def test_a_run_tells_every_stage_and_every_call_and_whose_it_is(begun: Lab) -> None:
    begun.shop.change(12, orders=4)
    begun.stock()
    begun.later(hours=5)
    with begun.calls() as arrived:
        said = begun.ciblage("run", "--log", "json", json=True)
    assert said.exit_code == 0
    told = lines(said)
    events = [one["event"] for one in told if one["event"] != "call"]
    assert events[0] == "command.begin"
    assert events[-1] == "command.end"
    order = [
        "command.begin",
        "run.begin",
        "pull.destination",
        "plan.destination",
        "push.destination",
        "run.end",
        "command.end",
    ]
    assert [one for one in dict.fromkeys(events) if one in order] == order
    assert {one["client"] for one in told[1:]} == {"maison-lin"}
    within = told[events.index("run.begin") : -1]
    [run] = begun.done("status")["runs"][:1]
    assert {one["run"] for one in within if one["event"] != "command.begin"} == {run["id"]}
    assert told[-1]["exit"] == 0
    assert [datetime.fromisoformat(one["at"]).tzinfo is not None for one in told] == [True] * len(told)
    assert len(calls(told)) == len(arrived)
    assert {one["destination"] for one in calls(told)} == {"newsletter", "flows", "mailing"}
    for one in calls(told):
        assert one.keys() >= {"method", "path", "status", "ms", "attempt", "request_id"}
    pushed = {one["destination"]: one for one in told if one["event"] == "push.destination"}
    assert pushed["newsletter"]["applied"]["AddMember"] >= 1


def test_the_environment_asks_for_it_too_and_otherwise_nothing_is_said(
    begun: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert begun.ciblage("status", json=True).err == ""
    monkeypatch.setenv("CIBLAGE_LOG", "json")
    assert [one["event"] for one in lines(begun.ciblage("status", json=True))] == ["command.begin", "command.end"]
    assert [one["event"] for one in lines(begun.ciblage("codes", json=True))] == ["command.begin", "command.end"]
    monkeypatch.delenv("CIBLAGE_LOG")
    assert begun.ciblage("status", json=True).err == ""


def test_of_a_folder_every_client_logs_with_its_own_name(begun: Lab) -> None:
    begun.later(hours=5)
    words = ["run", "--all", str(begun.folder.parent), "--now", begun.now.isoformat(), "--log", "json", "--json"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert {(one["command"], one.get("client")) for one in told if one["event"] == "command.end"} == {
        ("run", "maison-lin"),
        ("run --all", None),
    }


def test_another_kind_of_log_is_refused(begun: Lab) -> None:
    said = begun.ciblage("status", "--log", "xml")
    assert said.exit_code == 2
    assert "--log" in said.err


def test_an_error_is_a_line_with_its_kind(begun: Lab) -> None:
    said = begun.ciblage("members", "loyl", "--log", "json", json=True)
    assert said.exit_code == 2
    [error] = [one for one in lines(said) if one["event"] == "error"]
    assert (error["kind"], error["command"]) == (said.error["kind"], "members")
    assert lines(said)[-1]["exit"] == 2


def test_what_the_guard_refuses_is_a_line(begun: Lab) -> None:
    for number in range(1, 40):
        begun.shop.change(number, orders=0)
    begun.stock()
    begun.later(hours=5)
    said = begun.ciblage("run", "--log", "json", json=True)
    assert said.exit_code == 3
    refused = [one for one in lines(said) if one["event"] == "guard.refused"]
    assert {one["destination"] for one in refused} == {"newsletter", "flows", "mailing"}
    assert all(one["flag"].startswith("--force") for one in refused)


def test_a_call_that_fails_is_told_with_its_attempt_and_nobody_s_name(begun: Lab) -> None:
    begun.tell("POST", "/sandbox/faults", {"fault": "503", "provider": "klaviyo", "times": 2, "when": "read"})
    said = begun.ciblage("run", "--log", "json", json=True)
    tried = [one for one in calls(lines(said)) if one["destination"] == "flows"][:3]
    assert [(one["attempt"], one["status"] or 0) for one in tried] == [(1, 503), (2, 503), (3, 200)]
    assert len({one["path"] for one in tried}) == 1
