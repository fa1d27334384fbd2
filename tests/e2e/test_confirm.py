"""`codes confirm FILE` with codes that nobody knows: the others are taken, the lines are told, and a schedule hears of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from round_lab import Lab


@pytest.fixture
def exported(fresh: Lab) -> list[str]:
    """The lines of the file that the shop is given."""
    fresh.done("pull")
    fresh.done("push", "--yes")
    return (fresh.folder / "state" / "codes.csv").read_text("utf-8").splitlines()


def back(lab: Lab, *lines: str) -> Path:
    file = lab.folder / "back.csv"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def test_codes_that_nobody_knows_end_with_1_and_the_others_are_confirmed(fresh: Lab, exported: list[str]) -> None:
    head, *codes = exported
    file = back(fresh, head, codes[0], "NOBODYS1,,", *codes[1:], "NOBODYS2,,")
    said = fresh.ciblage("codes", "confirm", file, json=True)
    assert said.exit_code == 1
    assert (said.result["moved"], said.result["unknown"]) == (len(codes), 2)
    assert said.result["lines"] == [{"line": 3, "why": "unknown"}, {"line": len(codes) + 3, "why": "unknown"}]
    assert fresh.done("codes")["counts"] == {"thanks": {"confirmed": len(codes)}}
    last = fresh.done("history")["runs"][0]
    assert (last["command"], last["exit_code"]) == ("codes confirm", 1)


def test_the_screen_tells_how_many_and_where_and_never_the_codes(fresh: Lab, exported: list[str]) -> None:
    said = fresh.ciblage("codes", "confirm", back(fresh, *exported, "NOBODYS1,,"))
    assert said.exit_code == 1
    assert "1 code was never issued for this client" in said.out
    assert f"line {len(exported) + 1}: not a code of this client" in said.out
    assert "NOBODYS" not in said.out + said.err


def test_lines_that_say_nothing_new_end_with_0(fresh: Lab, exported: list[str]) -> None:
    head, *codes = exported
    file = back(fresh, head, *codes, codes[0], ",,")
    found = fresh.done("codes", "confirm", file)
    assert (found["repeated"], found["empty"], found["unknown"]) == (1, 1, 0)
    assert fresh.done("codes", "confirm", file)["known"] == len(codes)
