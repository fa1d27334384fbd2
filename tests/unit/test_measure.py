"""Rates and lifts, against small shops that were counted by hand, and the laws that hold for any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop_folder import Folder, folder_in

from engine.errors import ConfigError
from engine.measure import COUNTS, RATES, Arm, Lift, Verdict, as_of, fraction, lift, rates, wilson
from engine.tables import Database

SINCE, NOW = datetime(2017, 12, 1, tzinfo=UTC), datetime(2018, 1, 1, tzinfo=UTC)
EVENTS = """event_id,email,kind,happened_at,campaign,is_machine,destination
1,ann@x.com,send,2017-12-05T09:00Z,noel,,news
2,bob@x.com,send,2017-12-05T09:00Z,noel,,news
3,cat@x.com,send,2017-12-05T09:00Z,noel,,news
4,dan@x.com,send,2017-12-05T09:00Z,noel,,news
5,ann@x.com,delivered,2017-12-05T09:01Z,noel,,news
6,bob@x.com,delivered,2017-12-05T09:01Z,noel,,news
7,cat@x.com,delivered,2017-12-05T09:01Z,noel,,news
8,dan@x.com,bounce,2017-12-05T09:01Z,noel,,news
9,ann@x.com,open,2017-12-05T10:00Z,noel,,news
10,ann@x.com,open,2017-12-06T10:00Z,noel,,news
11,bob@x.com,open,2017-12-05T09:02Z,noel,true,news
12,ann@x.com,click,2017-12-06T10:01Z,noel,,news
13,cat@x.com,unsubscribe,2017-12-07T10:00Z,noel,,news
14,ann@x.com,send,2017-11-20T09:00Z,autumn,,news
15,ann@x.com,open,2017-12-02T09:00Z,autumn,,news
16,ann@x.com,send,2017-12-05T09:00Z,noel,,flows
17,bob@x.com,complaint,2017-12-08T09:00Z,noel,,flows
18,ann@x.com,open,2018-02-01T09:00Z,noel,,flows
19,ann@x.com,other,2017-12-05T09:00Z,quiet,,news
20,ann@x.com,send,2017-12-09T09:00Z,,,news
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    yield from folder_in(tmp_path)


@pytest.fixture
def shop(folder: Folder) -> Any:
    folder.customers(*(f"{name[0]},{name}@x.com" for name in ("ann", "bob", "cat", "dan")))
    folder.write("email_events.csv", EVENTS)
    return folder.open(now=NOW)


def rows(shop: Any, *, since: datetime = SINCE, now: datetime = NOW) -> dict[tuple[Any, Any], Mapping[str, Any]]:
    return {(row["destination"], row["campaign"]): row for row in rates(shop, since=since, now=now).to_pylist()}


def test_people_are_counted_once_a_campaign_and_machines_are_left_out(shop: Any) -> None:
    noel = rows(shop)["news", "noel"]
    assert [noel[count] for count in COUNTS] == [4, 3, 1, 1, 1, 0, 1]
    found = {rate: fraction(noel[rate]) for rate in RATES}
    quarter = Fraction(1, 4)
    assert found == {
        "delivery_rate": Fraction(3, 4), "open_rate": quarter, "click_rate": quarter,
        "unsubscribe_rate": quarter, "complaint_rate": 0, "bounce_rate": quarter,
    }  # fmt: skip


def test_a_campaign_that_was_sent_to_nobody_in_that_time_has_counts_and_no_rate(shop: Any) -> None:
    autumn = rows(shop)["news", "autumn"]
    assert (autumn["sent"], autumn["opened"]) == (0, 1)
    assert [autumn[rate] for rate in RATES] == [None] * len(RATES)
    before = rows(shop, since=datetime(2017, 11, 1, tzinfo=UTC))["news", "autumn"]
    assert fraction(before["open_rate"]) == 1


def test_deliveries_that_nobody_tells_are_unknown_and_not_zero(shop: Any) -> None:
    flows = rows(shop)["flows", "noel"]
    assert (flows["sent"], flows["delivered"], flows["delivery_rate"]) == (1, None, None)
    assert fraction(flows["open_rate"]) == 0


def test_whoever_was_not_among_the_sent_is_counted_and_in_no_rate(shop: Any) -> None:
    flows = rows(shop)["flows", "noel"]
    assert (flows["complained"], fraction(flows["complaint_rate"])) == (1, 0)


def test_a_campaign_of_unknown_acts_is_left_out_and_one_without_a_name_is_not(shop: Any) -> None:
    assert list(rows(shop)) == [("flows", "noel"), ("news", None), ("news", "autumn"), ("news", "noel")]


def test_a_later_act_does_not_count_yet(shop: Any) -> None:
    assert rows(shop)["flows", "noel"]["opened"] == 0
    assert rows(shop, now=datetime(2018, 3, 1, tzinfo=UTC))["flows", "noel"]["opened"] == 1


def test_without_events_there_is_an_empty_table_of_the_same_columns(folder: Folder, shop: Any) -> None:
    (folder.path / "email_events.csv").unlink()
    empty = rates(folder.open(now=NOW), since=SINCE, now=NOW)
    assert empty.num_rows == 0
    assert empty.schema == rates(shop, since=SINCE, now=NOW).schema
    assert empty.column_names == ["destination", "campaign", *COUNTS, *RATES]
    assert {str(empty.schema.field(count).type) for count in COUNTS} == {"int64"}


_FLAGS = tuple(COUNTS.values())
_EVENT = st.fixed_dictionaries(
    {
        "destination": st.sampled_from(["news", "flows"]),
        "campaign": st.sampled_from(["a", "b", None]),
        "customer_id": st.sampled_from("123"),
        "happened_at": st.datetimes(datetime(2017, 11, 30), datetime(2018, 1, 2)),  # noqa: DTZ001 - naive UTC at rest
        "flag": st.sampled_from(_FLAGS),
    }
)


@settings(max_examples=50, deadline=None)
@given(st.lists(_EVENT, max_size=30))
def test_a_rate_is_between_nobody_and_all_and_a_repeated_event_changes_nothing(events: list[dict[str, Any]]) -> None:
    with Database() as database:
        once = reckon(database, events)
        assert reckon(database, events * 2).equals(once)
    for row in once.to_pylist():
        for rate, count in RATES.items():
            share = fraction(row[rate])
            assert (share is None) == (row["sent"] == 0 or row[count] is None)
            if share is not None:
                assert 0 <= share <= 1
                assert share * row["sent"] <= row[count]


def reckon(database: Database, events: list[dict[str, Any]]) -> pa.Table:
    schema = pa.schema(
        [("destination", pa.string()), ("campaign", pa.string()), ("customer_id", pa.string()), ("happened_at", pa.timestamp("us"))]
        + [(flag, pa.bool_()) for flag in _FLAGS]
    )  # fmt: skip
    given = [{**event, **{flag: flag == event["flag"] for flag in _FLAGS}} for event in events]
    database.register("email_events", pa.Table.from_pylist(given, schema=schema))
    try:
        return rates(SimpleNamespace(database=database), since=SINCE, now=NOW)
    finally:
        database.unregister("email_events")


# holdouts

ORDERS = """order_id,customer_id,ordered_at,total,refunded,status
1,a,2017-12-05,20.00,,paid
2,a,2017-12-06,10.00,4.50,paid
3,b,2017-12-07,30.00,30.00,paid
4,c,2017-12-08,9.99,,paid
5,c,2017-11-08,500.00,,paid
6,d,2017-12-08,70.00,,cancelled
7,e,2017-12-09,80.00,,paid
"""


def membership(members: str, held: str, unreachable: str = "") -> pa.Table:
    ids = list("abcde")
    return pa.table(
        {
            "customer_id": ids,
            "reachable_email": [one not in unreachable for one in ids],
            "segment:loyal": [one in members for one in ids],
            "holdout:loyal": [one in held for one in ids],
            "segment:other": [True] * len(ids),
        }
    )


@pytest.fixture
def buyers(folder: Folder) -> Any:
    folder.customers(*(f"{name},{name}@x.com" for name in "abcde"))
    folder.write("orders.csv", ORDERS)
    return folder.open(now=NOW)


def test_purchases_are_counted_by_arm_net_of_refunds(buyers: Any) -> None:
    found = lift(buyers, membership("abcd", "cd"), "loyal", since=SINCE, now=NOW)
    assert found.treated == Arm(people=2, buyers=1, revenue=Decimal("25.5"))
    assert found.held_out == Arm(people=2, buyers=1, revenue=Decimal("9.99"))
    assert found.treated.conversion == Fraction(1, 2)
    assert found.held_out.revenue_per_person == Fraction(999, 200)
    assert found.difference == 0


def test_only_members_who_could_be_written_to_are_compared(buyers: Any) -> None:
    found = lift(buyers, membership("abc", "ce", unreachable="a"), "loyal", since=SINCE, now=NOW)
    assert found.treated == Arm(people=1, buyers=0, revenue=Decimal(0))
    assert found.held_out == Arm(people=1, buyers=1, revenue=Decimal("9.99"))


def test_an_empty_arm_is_a_normal_answer(buyers: Any) -> None:
    found = lift(buyers, membership("ab", ""), "loyal", since=SINCE, now=NOW)
    assert (found.held_out.conversion, found.held_out.interval, found.difference, found.interval) == (None,) * 4
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert lift(buyers, membership("", ""), "loyal", since=SINCE, now=NOW).verdict is Verdict.NOT_ENOUGH_DATA


def test_a_segment_without_a_holdout_is_refused(buyers: Any) -> None:
    with pytest.raises(ConfigError, match="'other' has no holdout") as caught:
        lift(buyers, membership("ab", ""), "other", since=SINCE, now=NOW)
    assert caught.value.hint is not None


def test_who_left_since_is_counted_as_somebody_whom_the_mails_reached(folder: Folder) -> None:
    head = "customer_id,email,consent_email,consent_email_at"
    states = ("subscribed,2017-01-01", "unsubscribed,2017-12-09", "unsubscribed,2017-11-30", "unsubscribed,", "never,")
    rows = [f"{name},{name}@x.com,{state}" for name, state in zip("abcde", states, strict=True)]
    folder.write("customers.csv", "\n".join([head, *rows]) + "\n")
    shop = folder.open(now=NOW)
    with as_of(shop, SINCE):
        then = dict(shop.database.rows("SELECT customer_id, consent_email FROM customers"))
    assert then == {"a": "subscribed", "b": "subscribed", "c": "unsubscribed", "d": "unsubscribed", "e": "never"}
    assert shop.database.scalar("SELECT consent_email FROM customers WHERE customer_id = 'b'") == "unsubscribed"


def compared(treated: tuple[int, int], held_out: tuple[int, int]) -> Lift:
    arms = [Arm(people=people, buyers=bought, revenue=Decimal(bought)) for bought, people in (treated, held_out)]
    return Lift(segment="loyal", since=SINCE, now=NOW, treated=arms[0], held_out=arms[1])


def test_the_published_intervals_are_reproduced() -> None:
    """Wilson: 81 of 263 (Newcombe 1998, Stat Med 17:857); the difference: 56/70 and 48/80 (the same, 17:873)."""
    one = wilson(81, 263)
    assert one is not None
    assert (round(one.low, 4), round(one.high, 4)) == (0.2553, 0.3662)
    two = compared((56, 70), (48, 80)).interval
    assert two is not None
    assert (round(two.low, 4), round(two.high, 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize(
    ("treated", "held_out", "verdict"),
    [
        ((120, 1000), (80, 1000), Verdict.HIGHER),
        ((80, 1000), (120, 1000), Verdict.LOWER),
        ((100, 1000), (100, 1000), Verdict.NO_DIFFERENCE),
        ((900, 9000), (10, 100), Verdict.NO_DIFFERENCE),
        ((5, 10), (0, 10), Verdict.NOT_ENOUGH_DATA),  # 2.5 buyers expected in each arm
        ((0, 1000), (0, 1000), Verdict.NOT_ENOUGH_DATA),
        ((9000, 9000), (99, 100), Verdict.NOT_ENOUGH_DATA),
    ],
)
def test_a_difference_is_said_only_where_the_figures_show_it(
    treated: tuple[int, int], held_out: tuple[int, int], verdict: Verdict
) -> None:
    assert compared(treated, held_out).verdict is verdict


_ARM = st.integers(1, 5000).flatmap(lambda people: st.tuples(st.integers(0, people), st.just(people)))


@given(_ARM)
def test_an_interval_holds_its_share_and_narrows_with_people(arm: tuple[int, int]) -> None:
    hits, people = arm
    few, many = wilson(hits, people), wilson(10 * hits, 10 * people)
    assert few is not None
    assert many is not None
    assert 0 <= few.low <= hits / people <= few.high <= 1
    assert many.high - many.low < few.high - few.low


@given(_ARM)
def test_those_who_bought_and_those_who_did_not_mirror_each_other(arm: tuple[int, int]) -> None:
    hits, people = arm
    ours, theirs = wilson(hits, people), wilson(people - hits, people)
    assert ours is not None
    assert theirs is not None
    assert ours.low == pytest.approx(1 - theirs.high, abs=1e-12)


@given(_ARM, _ARM)
def test_changing_the_arms_turns_the_answer_around(one: tuple[int, int], two: tuple[int, int]) -> None:
    here, there = compared(one, two), compared(two, one)
    assert here.difference is not None
    assert here.interval is not None
    assert there.interval is not None
    assert here.interval.low <= here.difference <= here.interval.high
    assert here.interval.low == pytest.approx(-there.interval.high, abs=1e-12)
    turned = {Verdict.HIGHER: Verdict.LOWER, Verdict.LOWER: Verdict.HIGHER}
    assert there.verdict is turned.get(here.verdict, here.verdict)
