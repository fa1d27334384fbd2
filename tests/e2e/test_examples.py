"""The example shops have the members that were counted by hand."""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.cli import app

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SHOPS = sorted(path.parent.name for path in EXAMPLES.glob("*/expected.json"))
EXPECTED: dict[str, dict[str, Any]] = {
    shop: json.loads((EXAMPLES / shop / "expected.json").read_text("utf-8")) for shop in SHOPS
}


def ciblage(shop: str, *words: str) -> str:
    where = ["--config", str(EXAMPLES / shop / "ciblage.toml"), "--now", EXPECTED[shop]["now"]]
    done = CliRunner().invoke(app, [*words, *where], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize(("shop", "segment"), [(shop, name) for shop in SHOPS for name in EXPECTED[shop]["members"]])
def test_a_segment_has_the_members_that_were_counted_by_hand(shop: str, segment: str) -> None:
    found = [row["customer_id"] for row in rows(ciblage(shop, "members", segment))]
    assert found == sorted(EXPECTED[shop]["members"][segment])


@pytest.mark.parametrize(("shop", "segment"), [(shop, name) for shop in SHOPS for name in EXPECTED[shop]["reachable"]])
def test_only_those_who_may_be_contacted_are_told_with_their_address(shop: str, segment: str) -> None:
    found = {row["customer_id"]: row["email"] for row in rows(ciblage(shop, "members", segment, "--reachable"))}
    assert found == EXPECTED[shop]["reachable"][segment]


@pytest.mark.parametrize("shop", SHOPS)
def test_every_segment_of_an_example_was_counted(shop: str) -> None:
    told = json.loads(ciblage(shop, "segments", "--json"))["result"]["rows"]
    assert {row["name"]: row["matched"] for row in told} == {
        name: len(ids) for name, ids in EXPECTED[shop]["members"].items()
    }


def test_bad_rows_are_told_with_their_line() -> None:
    told = json.loads(ciblage("hostile", "check", "--json"))["result"]
    assert sorted([file, line, count] for file, line, _, count in told["set_aside"]) == EXPECTED["hostile"]["set_aside"]


def test_looking_leaves_nothing_behind() -> None:
    before = sorted(EXAMPLES.rglob("*"))
    ciblage("tea", "segments")
    assert sorted(EXAMPLES.rglob("*")) == before


def commands() -> list[str]:
    block = re.search(r"```sh\n(.*?)```", (EXAMPLES / "README.md").read_text("utf-8"), re.DOTALL)
    assert block is not None
    return block.group(1).splitlines()


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_readme_run(command: str) -> None:
    program, *words = shlex.split(command)
    script = Path(sys.executable).parent / program
    done = subprocess.run([script, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
