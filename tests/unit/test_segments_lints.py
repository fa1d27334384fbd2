"""What is allowed but probably not meant: each lint says what, where and why, and keeps quiet about the rest."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_segments_catalogue import catalogue, segment, trait

from engine.segments import GroupDefinition, SegmentDefinition
from engine.segments.ranges import Range

EMPTY = [
    ("false", "`false` holds for nobody"),
    ("not true", "`not true` holds for nobody"),
    ("age < 20 and age > 30", "`age < 20` and `age > 30` never hold together"),
    ("age < 20 and city = 'Lyon' and 20 <= age", "`age < 20` and `20 <= age` never hold together"),
    ("age between 34 and 25", "`age between 34 and 25` never holds"),
    ("age < 0", "`age < 0` never holds"),
    ("count(orders) < 0", "`count(orders) < 0` never holds"),
    ("rfm >= 6", "`rfm >= 6` never holds"),
    ("share(orders where discount > 0) > 80", "never holds"),
    ("bucket('x') < 10 and bucket('x') >= 10", "`bucket('x') < 10` and `bucket('x') >= 10` never hold together"),
    ("income < 10 EUR and income = 20 EUR", "never hold together"),
    ("avg_gap(orders) < 1 day and avg_gap(orders) > 24 hours", "never hold together"),
    ("did(orders, last 1 day) and never(orders, last 2 days)", "never hold together"),
    ("did(orders, last 30 days) and never(orders)", "never hold together"),
    ("did(orders where discount > 0, last 1 month) and count(orders, last 1 year) = 0", "never hold together"),
    ("count(orders, last 6 months) >= 4 and count(orders, last 12 months) < 4", "never hold together"),
    ("city = 'Lyon' and city in ('Paris', 'Bron')", "never hold together"),
    ("city = 'Lyon' and city is unknown", "never hold together"),
    ("city = 'Lyon' and city != 'Lyon'", "never hold together"),
    ("is_vip and not is_vip", "`is_vip` and `not is_vip` never hold together"),
    ("in segment other and not in segment other", "never hold together"),
    ("birth_date < 1990-01-01 and birth_date >= 1990-01-02", "never hold together"),
    ("created_at in 2026-03 and created_at in 2025", "never hold together"),
    ("last(orders.ordered_at) in last 30 days and last(orders.ordered_at) < 6 months ago", "never hold together"),
    ("did(orders where status = 'a' and status = 'b')", "never hold together"),
    ("(age < 3 and age > 4) or false", "`age < 3` and `age > 4` never hold together"),
    ("in segment nobody and is_vip", "nobody is in the segment 'nobody'"),
    ("in segment first and in segment second", "never hold together"),
]
FULL = [
    "true", "age < 20 or age > 30", "age >= 20 and age <= 20", "age between 20 and 30 and age between 30 and 40", "rfm >= 5",
    "did(orders, last 2 days) and never(orders, last 1 day)", "did(orders) and never(orders where discount > 0)",
    "did(orders where discount > 0) and never(views)", "count(orders, last 12 months) >= 4 and count(orders, last 6 months) < 4",
    "city = 'Lyon' and city in ('lyon', 'Bron')", "is_vip and not city = 'x' and city is known",
    "birth_date <= 1990-01-01 and birth_date >= 1990-01-01", "created_at in 2026-03 and created_at in 2026",
    "last(orders.ordered_at) < 30 days ago and last(orders.ordered_at) in last 31 days", "never(orders where 1 = 2)",
    "did(orders, last 5 weeks) and never(orders, last 1 month)", "count(orders) >= 0",
    "first(orders.ordered_at) in last 1 month and last(orders.ordered_at) < 2 years ago", "did(orders, then no views) and did(views)",
    "max(orders.total) < 3 and min(orders.total) > 4", "in segment first and in segment other", "bucket('a') < 10 and bucket('b') >= 10",
]  # fmt: skip


def warnings(text: str, **more: object) -> list[str]:
    built = catalogue(
        segment("it", text, 7), segment("other", "is_vip"), segment("nobody", "false"), segment("first", "city = 'a'"), segment("second", "city = 'b'"),
        traits=(trait("rfm", "quintile(count(orders))"),), groups=(GroupDefinition(name="g", exclusive=("first", "second")),), **more,
    )  # fmt: skip
    return [one for one in built.warnings if "segments.it:" in one]


@pytest.mark.parametrize(("text", "said"), EMPTY)
def test_a_segment_that_is_always_empty_is_told_with_the_reason(text: str, said: str) -> None:
    [found] = [one for one in warnings(text) if "always empty" in one]
    assert found.startswith("ciblage.toml:7: segments.it: always empty: ")
    assert said in found


@pytest.mark.parametrize("text", FULL)
def test_a_segment_that_somebody_can_be_in_is_not_called_empty(text: str) -> None:
    assert [one for one in warnings(text) if "empty" in one] == []


@given(*[st.tuples(st.none() | st.integers(0, 4), st.none() | st.integers(0, 4), st.booleans(), st.booleans())] * 2)
@settings(max_examples=300)
def test_two_ranges_meet_where_both_hold(
    one: tuple[int | None, int | None, bool, bool], other: tuple[int | None, int | None, bool, bool]
) -> None:
    def holds(at: Decimal, found: Range) -> bool:
        above = found.low is None or at > found.low or (at == found.low and not found.low_open)
        return above and (found.high is None or at < found.high or (at == found.high and not found.high_open))

    def made(low: int | None, high: int | None, *, low_open: bool, high_open: bool) -> Range:
        ends = [None if end is None else Decimal(end) for end in (low, high)]
        return Range(low=ends[0], high=ends[1], low_open=low_open, high_open=high_open)

    mine, theirs = (made(*part[:2], low_open=part[2], high_open=part[3]) for part in (one, other))
    points = [Decimal(n) / 2 for n in range(-1, 10)]
    both = [at for at in points if holds(at, mine) and holds(at, theirs)]
    assert [at for at in points if holds(at, mine.meet(theirs))] == both
    assert mine.meet(theirs).is_empty == (not both)


def grouped(*texts: str) -> tuple[str, ...]:
    names = [f"s{index}" for index in range(len(texts))]
    segments = [segment(name, text, index) for index, (name, text) in enumerate(zip(names, texts, strict=True))]
    return catalogue(*segments, groups=(GroupDefinition(name="g", exclusive=tuple(names)),)).warnings


@pytest.mark.parametrize(
    "texts",
    [
        ("did(orders, last 6 months)", "did(orders, last 3 months)"), ("age >= 18", "is_vip and age between 25 and 34"), ("is_vip", "is_vip"),
        ("true", "city = 'x'"),
    ],
)  # fmt: skip
def test_a_segment_of_which_everybody_is_in_an_earlier_one_of_its_group_is_always_empty(texts: tuple[str, str]) -> None:
    [found] = grouped(*texts)
    assert (
        found
        == "ciblage.toml:1: segments.s1: always empty: whoever it means is in 's0', which comes first in the group"
    )


def test_a_narrower_segment_may_come_first_in_its_group() -> None:
    assert grouped("did(orders, last 3 months)", "did(orders, last 6 months)", "did(orders)", "true") == ()


@pytest.mark.parametrize(
    ("bands", "said"),
    [
        (("age between 18 and 25", "age between 25 and 34"), "segments.s1: those aged 25 are in 's0' too; age bands hold both their ends"),
        (("age between 18 and 30", "age between 25 and 34"), "those aged 25 to 30 are in 's0' too"),
        (("age <= 25 and age >= 18", "age > 26 and age < 35"), "segments.s1: those aged 26 are neither in 's0' nor in 's1'"),
        (("age between 25 and 34", "age between 18 and 22"), "segments.s0: those aged 23 to 24 are neither in 's1' nor in 's0'"),
        (("age >= 18 and age < 25", "age >= 25"), None), (("age between 18 and 24", "age between 25 and 34"), None),
        (("age >= 18", "age >= 60"), None), (("age between 18 and 25", "age between 60 and 99"), None),
        (("age between 18 and 25", "age between 25 and 34 and is_vip"), None), (("age between 18 and 40", "age between 20 and 30"), None),
    ],
)  # fmt: skip
def test_r_seg_01_age_bands_that_overlap_or_leave_a_gap_are_told(bands: tuple[str, ...], said: str | None) -> None:
    found = catalogue(*(segment(f"s{index}", text) for index, text in enumerate(bands))).warnings
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_r_seg_01_a_wide_gap_within_a_group_is_told_too() -> None:
    [found] = grouped("age between 18 and 25", "age between 60 and 99")
    assert "those aged 26 to 59 are neither in 's0' nor in 's1'" in found


def test_segments_that_reach_no_destination_are_told_in_one_sentence() -> None:
    segments = (
        segment("sent", "in segment part and is_vip"), segment("part", "age > 3"), segment("alone", "is_vip"),
        segment("a", "age > 60"), segment("b", "age > 70"), SegmentDefinition(name="listed", customers=("c1",)),
    )  # fmt: skip
    group = GroupDefinition(name="g", exclusive=("b", "a"), otherwise="rest")
    assert catalogue(*segments, groups=(group,)).warnings == ()
    told = catalogue(*segments, groups=(group,), used=frozenset({"sent", "a"})).warnings
    assert told == ("no destination uses the segments alone (ciblage.toml:1), listed",)
    assert catalogue(*segments[:3], used=frozenset({"sent"})).warnings == (
        "no destination uses the segment alone (ciblage.toml:1)",
    )
