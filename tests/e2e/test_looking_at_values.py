"""R-GRD-07 on the wire: a plan for people counts every value not ours that would be written over, in few calls."""

from __future__ import annotations

import pytest
from round_lab import PROVIDERS, SEGMENTS, Lab, contact

from engine.plan.overwriting import CALLS, FEW


@pytest.mark.parametrize(
    ("name", "tag", "theirs"),
    [
        ("newsletter", "first_name", {"FIRST_NAME": "Theirs"}),
        ("flows", "favourite", {"favourite": "theirs"}),
        (
            "mailing",
            "first_name",
            None,
        ),  # an account without such a field: everybody is looked at, and nothing would go
    ],
)
def test_every_value_that_is_not_ours_is_counted_at_every_provider(
    fresh: Lab, name: str, tag: str, theirs: dict[str, str] | None
) -> None:
    people = [contact(one.address, fields=theirs or {}) for one in fresh.shop.customers.values()]
    fresh.seed(PROVIDERS[name], *people)
    fresh.done("pull")
    with fresh.calls() as calls:
        planned = fresh.done("plan")
    [told] = [one for one in planned["plan"]["destinations"] if one["name"] == name]
    one = told["overwritten"][tag]
    going = len(set().union(*(fresh.shop.expected(segment) for segment in SEGMENTS[name])))
    assert FEW < one["looked"] <= going
    assert one["other"] == (one["looked"] if theirs else 0)
    assert len([call for call in calls if call.provider == PROVIDERS[name]]) < CALLS
