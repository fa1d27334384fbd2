"""Effective consent, held against plain rules: any rows, acts, sources, times and merges, for mail and text messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from consent_reference import Act, Event, Person, Row, persons
from consent_shop import Customer, Opener
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from plan_lab import NOW as LAB_NOW
from plan_lab import Lab, people, replace

from connectors.types import EngagementEvent, EventKind, Left, Outcome, Reason, State
from engine.client.inputs import neutral_suppressions
from engine.engagement.parts import Parts
from engine.ledger import Ledger
from engine.ledger.outcomes import Sending
from engine.ledger.sending import Settlement
from engine.ledger.suppressions import KnownSuppression, Suppression
from engine.shop import Overlays

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
EMAILS = ("anna@shop.example", "ben@shop.example", "cleo@shop.example")
STATES = ("subscribed", "pending", "unsubscribed", "never")
times = st.sampled_from([NOW + timedelta(hours=hours) for hours in (-900, -48, -3, -2, -1, 0, 1, 30)])
may_be = st.one_of(st.none(), times)
addresses = st.sampled_from(EMAILS)
shops = st.lists(
    st.builds(
        Row,
        id=st.sampled_from([f"c{number}" for number in range(6)]),
        email=st.one_of(st.none(), addresses),
        state=st.sampled_from(STATES),
        at=may_be,
        basis=st.sampled_from([None, "consent", "existing_customer", "b2b"]),
        sms=st.sampled_from(STATES),
        source=st.sampled_from([None, "checkout", "footer"]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row.id,
)
acts = st.lists(
    st.builds(
        Act,
        email=addresses,
        left=st.sampled_from([left.value for left in Left]),
        destination=st.sampled_from(["news", "flows"]),
        id=st.sampled_from([None, "c0", "c1", "c2"]),
        at=may_be,
        first_seen=times,
    ),
    max_size=4,
    unique_by=lambda act: (act.destination, act.email),
)
events = st.lists(
    st.builds(
        Event,
        email=addresses,
        kind=st.sampled_from(["complaint", "unsubscribe", "bounce", "open"]),
        at=times,
        hard=st.booleans(),
        destination=st.sampled_from(["news", "flows"]),
    ),
    max_size=3,
)


@cache
def opener() -> Opener:
    return Opener()


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    yield
    opener().database.close()
    opener.cache_clear()


def computed(
    shop: Sequence[Row], said: Sequence[Act], told: Sequence[Event], now: datetime = NOW
) -> dict[str, dict[str, object]]:
    """What the engine makes of it, by the person's id."""
    with TemporaryDirectory() as folder, Ledger.open("sqlite://", "client") as ledger:
        parts = Parts(Path(folder))
        for act in said:
            known = KnownSuppression(
                suppression=Suppression(email=act.email, left=Left(act.left), at=act.at),
                customer_id=act.id,
                first_seen=act.first_seen or now,
            )
            ledger.suppressions.record(act.destination, [known])
        for number, one in enumerate(told):
            event = EngagementEvent(
                id=str(number), kind=EventKind(one.kind), email=one.email, happened_at=one.at, hard=one.hard
            )
            parts.keep(one.destination, str(number), [event])
        suppressions = neutral_suppressions(ledger.suppressions.table())
        people = opener().open(
            [Customer(row) for row in shop], Overlays(suppressions=suppressions, email_events=parts.paths()), now
        )
        return {row["customer_id"]: row for row in people.to_pylist()}


def as_told(row: dict[str, object]) -> tuple[object, ...]:
    at = row["consent_email_at"]
    when = at.replace(tzinfo=UTC) if isinstance(at, datetime) else None
    return row["consent_email"], when, row["consent_email_source"], row["consent_sms"], row["reachable_email"]


def as_said(person: Person) -> tuple[object, ...]:
    return person.state, person.at, person.source, person.sms, person.is_reachable()


ASKED = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes too long to look for a smaller one
)


@ASKED
@given(shop=shops, said=acts, told=events, now=st.sampled_from([NOW, NOW, NOW - timedelta(hours=50)]))
def test_the_engine_and_plain_rules_agree(shop: list[Row], said: list[Act], told: list[Event], now: datetime) -> None:
    """Also where the clock has gone back."""
    found = computed(shop, said, told, now)
    expected = persons(shop, said, told, now=now)
    assert {key: as_told(row) for key, row in found.items()} == {key: as_said(one) for key, one in expected.items()}


@settings(ASKED, max_examples=40)
@given(shop=shops, said=acts, told=events, more=acts)
def test_another_refusal_never_lets_anybody_be_written_to(
    shop: list[Row], said: list[Act], told: list[Event], more: list[Act]
) -> None:
    before = {key for key, row in computed(shop, said, told).items() if row["reachable_email"]}
    known = {(act.destination, act.email) for act in said}
    added = [*said, *(act for act in more if (act.destination, act.email) not in known)]
    assert {key for key, row in computed(shop, added, told).items() if row["reachable_email"]} <= before


ANNA = EMAILS[0]
YES = Row(id="c1", email=ANNA, state="subscribed", at=NOW - timedelta(hours=5), basis="consent", source="footer")
LEFT = Act(email=ANNA, left="unsubscribed", at=NOW - timedelta(hours=9), first_seen=NOW - timedelta(hours=8))


@pytest.mark.parametrize(
    ("row", "act", "state"),
    [
        (YES, LEFT, "subscribed"),
        (YES, Act(email=ANNA, left="unsubscribed", at=NOW - timedelta(hours=4), first_seen=NOW), "unsubscribed"),
        (YES, Act(email=ANNA, left="unsubscribed", first_seen=NOW - timedelta(hours=4)), "unsubscribed"),
        (YES, Act(email=ANNA, left="unsubscribed", first_seen=NOW - timedelta(hours=6)), "subscribed"),
        (Row(id="c1", email=ANNA, state="subscribed", basis="consent"), LEFT, "unsubscribed"),
        (Row(id="c1", email=ANNA, state="subscribed", at=NOW + timedelta(hours=1), basis="consent"), LEFT, "unsubscribed"),
        (YES, Act(email=ANNA, left="archived", first_seen=NOW), "subscribed"),
        (YES, Act(email="old@shop.example", left="unsubscribed", id="c1", first_seen=NOW), "unsubscribed"),
    ],
    ids=[
        "a later yes with its time lifts", "an earlier yes does not", "no time counts from when it was first seen",
        "and lifts after that", "a yes without a time lifts nothing", "nor one of the future",
        "an archived contact is no refusal", "a refusal follows the customer to a new address",
    ],
)  # fmt: skip
def test_the_newest_explicit_act_wins(row: Row, act: Act, state: str) -> None:
    assert computed([row], [act], [])["c1"]["consent_email"] == state


def test_a_complaint_is_lifted_as_consent_and_still_not_written_to_by_default() -> None:
    act = Act(email=ANNA, left="complaint", at=NOW - timedelta(hours=9), first_seen=NOW - timedelta(hours=8))
    found = computed([YES], [act], [])["c1"]
    assert found["consent_email"] == "subscribed", "for a [reachable] that leaves out never(email_complaints)"
    assert found["reachable_email"] is False


def test_who_has_left_is_told_with_when_and_where() -> None:
    act = Act(email=ANNA, left="unsubscribed", destination="flows", at=NOW - timedelta(hours=2), first_seen=NOW)
    assert as_told(computed([YES], [act], [])["c1"])[:3] == (
        "unsubscribed", NOW - timedelta(hours=2), "flows",
    )  # fmt: skip


@pytest.mark.parametrize(("hours", "origin"), [(0, "ours"), (20, "ours"), (30, "provider"), (None, "ours")])
def test_a_suppress_of_ours_reads_back_as_ours_and_a_later_departure_as_the_persons(
    hours: int | None, origin: str
) -> None:
    at = None if hours is None else NOW + timedelta(hours=hours)
    with Ledger.open("sqlite://", "client") as ledger:
        ours = KnownSuppression(
            suppression=Suppression(email=ANNA, left=Left.UNSUBSCRIBED, at=NOW),
            customer_id="c1",
            first_seen=NOW,
            origin="ours",
        )
        ledger.suppressions.record("news", [ours])
        read = Suppression(email=ANNA, left=Left.UNSUBSCRIBED, at=at)
        later = KnownSuppression(suppression=read, customer_id=None, first_seen=NOW + timedelta(days=9))
        ledger.suppressions.record("news", [later])
        (row,) = ledger.suppressions.table("news").to_pylist()
        assert row["origin"] == origin
        assert row["at"] == (NOW if origin == "ours" else at)
        assert row["first_seen"] == NOW
        assert row["customer_id"] == "c1"


def test_a_departure_that_was_refused_is_told_again_by_every_run() -> None:
    lab = Lab()
    there = people(2)
    lab.round(there)
    left = [replace(there[0], consent="unsubscribed"), there[1]]
    made = lab.plan(left)
    (row,) = [one for one in made.rows.to_pylist() if one["kind"] == "Suppress"]
    told = Sending(
        change_id=row["change_id"], content_hash=row["content_hash"], kind="Suppress", target="contacts",
        customer_id=there[0].id, address=str(there[0].address),
    )  # fmt: skip
    settlement = Settlement(destination=lab.name, at=LAB_NOW, version="1", targets=lab.ledger.targets.of(lab.name))
    refused = Outcome(id=told.change_id, state=State.REJECTED, reason=Reason.UNKNOWN_TARGET)
    lab.ledger.sending.settle(settlement, [(told, refused)])
    assert lab.ledger.rejections.held(lab.name, "1", LAB_NOW) == {row["content_hash"]}
    assert [one["kind"] for one in lab.plan(left).rows.to_pylist() if one["kind"] == "Suppress"] == ["Suppress"]
    lab.round(left)
    assert lab.there()[str(there[0].address)][0] == "unsubscribed"
    lab.close()
