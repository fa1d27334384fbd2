"""What each command answers with `--json` fits a published schema, which the types of its results make."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import typer
from answers import COMMANDS, FOLDER, file_of, misfits, schema_of
from jsonschema import Draft202012Validator

from engine.cli import app

NAMES = [*COMMANDS, "error"]


def commands_with_json(group: Any, before: str = "") -> set[str]:
    """The commands that have `--json`, by their words."""
    found = set()
    for name, command in group.commands.items():
        words = f"{before}{name}"
        if any("--json" in one.opts for one in command.params):
            found.add(words)
        if hasattr(command, "commands"):
            found |= commands_with_json(command, f"{words} ")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_the_one_that_the_types_make(name: str) -> None:
    text = json.dumps(schema_of(name), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN") == "write":
        file_of(name).write_text(text, "utf-8")
    assert file_of(name).read_text("utf-8") == text, "renew it: GOLDEN=write pytest tests/unit/test_answers.py"
    Draft202012Validator.check_schema(json.loads(text))


def test_every_command_with_json_has_a_schema_and_every_schema_a_command() -> None:
    assert commands_with_json(typer.main.get_command(app)) == {name.removesuffix(" --all") for name in COMMANDS}
    assert {path.stem for path in FOLDER.glob("*.json")} == {file_of(name).stem for name in NAMES}


def document(**more: Any) -> str:
    result = {"counts": {}, "customers": 3, "reachable": {}, "blocked": {}, "set_aside": [["a.csv", 2, "is odd", 1]], "merged": 0, "destinations": []}  # fmt: skip
    told = {"command": "check", "client": "x", "now": "2026-11-20T09:00:00+00:00", "warnings": []}
    return json.dumps({**told, "result": {**result, **more}})


def test_what_the_schema_describes_fits() -> None:
    assert misfits(document()) == []
    assert misfits(document(destinations=[dict.fromkeys(("account", "account_name", "error", "words")) | {"name": "a", "connector": "b", "is_unauthorized": False}])) == []  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [
        {"more": 1},
        {"customers": "3"},
        {"destinations": [{}]},
        {"counts": {"a": None}},
        {"set_aside": [["a.csv", 2, "is odd"]]},
        {"set_aside": [["a.csv", 2, "is odd", 1, 1]]},
    ],
    ids=str,
)
def test_another_field_or_kind_of_value_does_not_fit(more: dict[str, Any]) -> None:
    assert misfits(document(**more))


def test_a_command_without_a_schema_is_told_of() -> None:
    [told] = misfits('{"command": "dance"}')
    assert "COMMANDS" in told


def test_an_error_has_four_parts_and_a_kind_that_is_known() -> None:
    body = {"kind": "config", "message": "m", "place": None, "hint": None}
    assert misfits(json.dumps({"command": "plan", "error": body})) == []
    assert misfits(json.dumps({"error": {**body, "kind": "usage"}})) == []
    assert misfits(json.dumps({"error": {**body, "kind": "odd"}}))
    assert misfits(json.dumps({"error": {**body, "traceback": "x"}}))
    assert misfits(json.dumps({"error": {"kind": "config"}}))
