"""Whoever only looks needs no key of a destination: what calls one says which is missing, before anything is done."""

from __future__ import annotations

import pytest
from round_lab import KEYS, Lab, told

LOOKING = (
    ("segments",), ("segments", "--sql"), ("members", "tea"), ("traits",), ("explain", "tea"), ("explain", "loyal", "--customer", "c05"),
    ("status",), ("history",), ("rejected",), ("codes",), ("codes", "refused"), ("person", "c05"), ("report",),
)  # fmt: skip
CALLING = (
    ("check",), ("plan",), ("push",), ("pull",), ("run",), ("drift",), ("undo", "1"), ("adopt", "flows/loyal"), ("erase", "c05@example.com"),
)  # fmt: skip


def locked(lab: Lab) -> Lab:
    """The client where nobody put the keys."""
    for name in KEYS:
        (lab.folder / "secrets" / name).unlink()
    return lab


def named(command: tuple[str, ...]) -> str:
    return "_".join(command[:2])


@pytest.mark.parametrize("command", LOOKING, ids=named)
def test_what_only_looks_works_without_keys_and_says_which_are_missing(begun: Lab, command: tuple[str, ...]) -> None:
    said = locked(begun).ciblage(*command, json=True)
    assert said.exit_code == 0, said
    warnings = said.document["warnings"]
    lines = begun.config.read_text("utf-8").splitlines()
    for name in KEYS:
        [place] = [number for number, line in enumerate(lines, 1) if name in line]
        [warning] = [one for one in warnings if name in one]
        assert warning.startswith(f"{begun.config}:{place}: ")


def test_the_warning_stands_beside_what_was_asked_for_and_not_in_it(begun: Lab) -> None:
    before = begun.ciblage("members", "tea")
    said = locked(begun).ciblage("members", "tea")
    assert (said.exit_code, said.out) == (0, before.out)
    assert before.err == ""
    assert [line[0] for line in said.err.splitlines()] == ["!"] * len(KEYS)


def test_a_saved_plan_is_read_and_approved_where_no_key_is(begun: Lab) -> None:
    begun.shop.change(3, category="soap")
    begun.stock()
    file = begun.folder / "plan.parquet"
    begun.done("plan", "--out", file)
    locked(begun)
    assert begun.done("plan", "--from", file)["plan"]["destinations"]
    assert begun.done("approve", file, "--by", "Lin")["by"] == "Lin"


@pytest.mark.parametrize("command", CALLING, ids=named)
def test_what_calls_a_destination_is_refused_with_every_missing_key(begun: Lab, command: tuple[str, ...]) -> None:
    locked(begun)
    with begun.calls() as calls:
        error = told(begun, *command, exit_code=2, kind="config", says=tuple(KEYS))
    assert calls == []
    line = int(error["place"].rpartition(":")[2])
    assert "${MAILCHIMP_KEY}" in begun.config.read_text("utf-8").splitlines()[line - 1]
