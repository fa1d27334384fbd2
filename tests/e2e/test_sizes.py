"""R-GRD-01: a segment that is smaller or larger than its config expects is told before anything is sent, and with what was."""

from __future__ import annotations

import pytest
from round_lab import Lab

TITLE = 'title = { en = "Loyal customers", fr = "Clients fidèles" }'
BOUNDS = [
    ("{ min = 1000 }", "Loyal customers: {count} people, and the config expects 1,000 or more"),
    ('{ max = "10%" }', "Loyal customers: {count} people, and the config expects 6 at most"),
]


def sized(lab: Lab, size: str) -> int:
    """The client with bounds for its loyal customers; how many they are."""
    lab.edit(TITLE, f"{TITLE}\nsize = {size}")
    return sum(one.is_in("loyal") for one in lab.shop.customers.values())


@pytest.mark.parametrize(("size", "says"), BOUNDS)
def test_a_size_out_of_its_bounds_is_told_by_segments_plan_push_and_run(begun: Lab, size: str, says: str) -> None:
    told = says.format(count=sized(begun, size))
    begun.later(hours=5)
    rows = {one["name"]: one for one in begun.done("segments")["rows"]}
    assert (rows["loyal"]["warning"], rows["loyal"]["why"]) == ("size", told)
    assert [name for name, one in rows.items() if one["why"]] == ["loyal"]
    assert told in begun.ciblage("plan", json=True).document["warnings"]
    for command in ("segments", "plan", "push", "run"):
        assert " ".join(begun.ciblage(command).out.split()).count(f"! {told}") == 1, command


def test_within_its_bounds_nothing_is_said(begun: Lab) -> None:
    sized(begun, '{ min = 3, max = "90%" }')
    for command in ("segments", "plan", "run"):
        assert "the config expects" not in begun.ciblage(command).out


def test_a_segment_that_goes_nowhere_is_told_by_segments_alone(begun: Lab) -> None:
    begun.edit('["loyal", "tea", "lc_active"]', '["tea", "lc_active"]')
    begun.edit('["loyal", "lc_new"]', '["lc_new"]')
    sized(begun, "{ min = 1000 }")
    assert "the config expects" in begun.ciblage("segments").out
    assert "the config expects" not in begun.ciblage("plan").out
