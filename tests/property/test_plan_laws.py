"""The laws of plan and push, tried on a destination in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plan_lab import Crash, Frail, Fuse, Lab, Limits, Person, people, replace

from connectors import errors
from connectors.types import Batch, Outcome, Reason, State
from engine.plan.destination import MergeTag, WhenUnknown
from engine.push.trip import Carrier
from engine.push.verifying import Verdict, verify

BOTH = frozenset({"loyal", "fresh"})


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


def kinds(lab: Lab, who: Sequence[Person]) -> list[tuple[str, str, str]]:
    rows = lab.plan(who).rows.select(["kind", "target", "customer_id"]).to_pylist()
    return sorted({(row["kind"], row["target"], row["customer_id"]) for row in rows})


def _people() -> st.SearchStrategy[list[Person]]:
    def person(number: int) -> st.SearchStrategy[Person]:
        return st.builds(
            Person,
            id=st.just(f"c{number}"),
            segments=st.frozensets(st.sampled_from(["loyal", "fresh"])),
            consent=st.sampled_from(["subscribed", "subscribed", "never", "unsubscribed"]),
            email=st.sampled_from(["", "", "", f"other{number}@shop.example", None]),
            name=st.sampled_from([None, "Anna", "Zoë", '"', ""]),
            orders=st.sampled_from([None, 0, 7]),
            holdout=st.sampled_from([False, False, True]),
        )

    def some(numbers: frozenset[int]) -> st.SearchStrategy[list[Person]]:
        return st.tuples(*(person(number) for number in sorted(numbers))).map(list)

    return st.frozensets(st.integers(0, 5), max_size=5).flatmap(some)


def expected(who: Sequence[Person], gone: frozenset[str]) -> Mapping[str, frozenset[str]]:
    """Lists by address, from the definition: member, reachable, not held out, not blocked there."""
    return {
        str(one.address): frozenset(f"c {name}" for name in one.segments)
        for one in who
        if one.is_reachable and not one.holdout and one.segments and one.address not in gone
    }


@settings(max_examples=40, deadline=None)
@given(st.lists(_people(), min_size=1, max_size=4))
def test_every_round_ends_where_the_definition_says_and_a_second_plan_is_empty(rounds: list[list[Person]]) -> None:
    lab = Lab()
    left: frozenset[str] = frozenset()
    for who in rounds:
        before = {address: status for address, (status, _, _) in lab.there().items()} if lab.store["lists"] else {}
        lab.round(who)
        there = lab.there()
        left |= {address for address, (status, _, _) in there.items() if status == "unsubscribed"}
        lists = {address: held for address, (_, _, held) in there.items() if held}
        assert lists == expected(who, left)
        assert lab.plan(who).is_empty
        writes = lab.writes()
        lab.round(who)
        assert lab.writes() == writes
        risen = [at for at, status in before.items() if status == "unsubscribed" and there[at][0] != "unsubscribed"]
        assert not risen
    lab.close()


def _story() -> list[list[Person]]:
    first = [*people(3), Person("n", BOTH, consent="never")]
    second = [
        replace(first[0], name="Bo", segments=frozenset({"loyal"})),
        replace(first[1], consent="unsubscribed"),
        replace(first[2], email="new@shop.example"),
        Person("d", frozenset({"fresh"}), name=None),
    ]
    return [first, second]


def _undisturbed() -> tuple[dict[str, object], int]:
    lab = Lab()
    fuse = Fuse()
    lab.round(_story()[0])
    lab.run_until_crash(_story()[1], fuse)
    there = dict(lab.there())
    lab.close()
    return there, fuse.count


def _boundaries() -> int:
    return _undisturbed()[1]


@pytest.mark.parametrize("round_", [0, 1])
def test_a_crash_at_any_boundary_and_another_run_end_in_the_same_state(round_: int) -> None:
    point, blown = 0, True
    wanted = Lab()
    for who in _story()[: round_ + 1]:
        wanted.round(who)
    while blown:
        point += 1
        lab = Lab()
        for who in _story()[:round_]:
            lab.round(who)
        blown = False
        try:
            lab.run_until_crash(_story()[round_], Fuse(at=point))
        except Crash:
            blown = True
        lab.round(_story()[round_])
        assert lab.there() == wanted.there(), f"crash at boundary {point}"
        assert lab.plan(_story()[round_]).is_empty, f"crash at boundary {point}"
        assert lab.ledger.sending.of("news") == []
        lab.close()
    wanted.close()
    assert point > 20


def test_nobody_who_left_is_added_after_a_crash(lab: Lab) -> None:
    first, _ = _story()
    gone = [replace(one, consent="unsubscribed") for one in first]
    point, blown = 0, True
    while blown:
        point += 1
        lab = Lab()
        blown = False
        try:
            lab.run_until_crash(first, Fuse(at=point))
        except Crash:
            blown = True
        if not blown:
            break
        before = lab.there()
        lab.round(gone)
        for address, (status, _, lists) in lab.there().items():
            assert not lists, f"{address} is an orphan member, crash at {point}"
            assert address not in before or status == "unsubscribed", f"crash at {point}"
        lab.close()
    assert point > 20


def test_a_reviewed_plan_resumes_after_its_own_interruption() -> None:
    wanted = Lab()
    wanted.round(_story()[0])
    point, blown = 0, True
    while blown:
        point += 1
        lab = Lab()
        reviewed = lab.plan(_story()[0])
        from plan_lab import fragile

        from engine.ledger import Ledger

        fuse = Fuse(at=point)
        healthy, lab.ledger = lab.ledger, Ledger(fragile(lab.database, fuse), "client")
        blown = False
        try:
            lab.push(reviewed, _story()[0], connector=Frail(lab.connector(), fuse))
        except Crash:
            blown = True
        lab.ledger = healthy
        lab.push(reviewed, _story()[0])
        assert lab.there() == wanted.there(), f"crash at boundary {point}"
        lab.close()
    wanted.close()


def test_one_bad_record_costs_one_and_is_not_sent_again(lab: Lab) -> None:
    who = [*people(4), Person("bad", BOTH, email="not-an-address")]
    result = lab.round(who)
    assert [(one.customer_id, one.reason) for one in result.rejected] == [("bad", Reason.INVALID_ADDRESS)]
    assert result.applied == {"AddContact": 4, "AddMember": 8}
    assert result.withheld == {"contact": 2}
    writes = lab.writes()
    again = lab.round(who)
    assert lab.writes() == writes
    assert again.rejected == []
    assert lab.plan(who).destinations[0].withheld == 1
    healed = [*who[:4], replace(who[4], email="bad@shop.example")]
    assert lab.round(healed).applied == {"AddContact": 1, "AddMember": 2}


def test_people_who_were_there_before_us_stay(lab: Lab) -> None:
    who = people(2)
    lab.round(who)
    ref = next(ref for ref, title in lab.store["lists"].items() if title == "c loyal")
    lab.store["contacts"]["foreign@shop.example"] = {"ref": "f", "status": "subscribed", "fields": {}, "lists": [ref]}
    lab.round([replace(one, segments=frozenset()) for one in who])
    assert lab.there()["foreign@shop.example"][2] == frozenset({"c loyal"})
    assert all(not lists for address, (_, _, lists) in lab.there().items() if address != "foreign@shop.example")


def test_leaving_keeps_the_contact_and_its_values(lab: Lab) -> None:
    who = people(1)
    lab.round(who)
    lab.round([])
    assert lab.there() == {"c0@shop.example": ("subscribed", {"first_name": "Anna", "orders": 1}, frozenset())}


def test_an_existing_contact_keeps_its_status_and_gets_its_traits(lab: Lab) -> None:
    lab.store["contacts"]["c0@shop.example"] = {"ref": "f", "status": "pending", "fields": {"x": 1}, "lists": []}
    result = lab.round(people(1))
    assert lab.there()["c0@shop.example"] == (
        "pending",
        {"x": 1, "first_name": "Anna", "orders": 1},
        frozenset({"c loyal", "c fresh"}),
    )
    assert result.applied == {"SetTraits": 1, "AddMember": 2}
    assert lab.plan(people(1)).is_empty


def test_an_unknown_never_overwrites_a_value_that_is_not_ours(lab: Lab) -> None:
    lab.tags = (MergeTag(name="first_name", trait="first_name", when_unknown=WhenUnknown.DEFAULT, default="friend"),)
    lab.store["contacts"]["c0@shop.example"] = {
        "ref": "f", "status": "subscribed", "fields": {"first_name": "Theirs"}, "lists": [],
    }  # fmt: skip
    who = [Person("c0", BOTH, name=None), Person("c1", BOTH, name=None)]
    lab.round(who)
    there = lab.there()
    assert there["c0@shop.example"][1] == {"first_name": "Theirs"}
    assert there["c1@shop.example"][1] == {"first_name": "friend"}
    assert lab.plan(who).is_empty


def test_keep_leaves_a_value_when_it_becomes_unknown_and_clear_empties_it(lab: Lab) -> None:
    lab.tags = (
        MergeTag(name="first_name", trait="first_name"),
        MergeTag(name="orders", trait="orders", when_unknown=WhenUnknown.CLEAR),
    )
    lab.round(people(1))
    lab.round(people(1, name=None, orders=None))
    assert lab.there()["c0@shop.example"][1] == {"first_name": "Anna"}


def test_consent_that_fell_since_the_plan_withholds(lab: Lab) -> None:
    who = people(2)
    reviewed = lab.plan(who)
    result = lab.push(reviewed, [who[0], replace(who[1], consent="unsubscribed")])
    assert set(lab.there()) == {"c0@shop.example"}
    assert result.withheld == {"consent": 3}


def test_an_address_that_changed_since_the_plan_is_withheld(lab: Lab) -> None:
    who = people(2)
    result = lab.push(lab.plan(who), [who[0], replace(who[1], email="moved@shop.example")])
    assert set(lab.there()) == {"c0@shop.example"}
    assert result.withheld == {"address": 3}


def test_a_new_address_leaves_with_the_old_and_joins_with_the_new(lab: Lab) -> None:
    who = people(1)
    lab.round(who)
    lab.round([replace(who[0], email="new@shop.example")])
    lists = {address: held for address, (_, _, held) in lab.there().items()}
    assert lists == {"c0@shop.example": frozenset(), "new@shop.example": frozenset({"c loyal", "c fresh"})}


def test_a_suppressed_person_is_blocked_and_not_written_to(lab: Lab) -> None:
    from connectors.types import Left, Suppression
    from engine.ledger.suppressions import KnownSuppression

    told = Suppression(email="c0@shop.example", left=Left.COMPLAINT)
    lab.ledger.suppressions.record("news", [KnownSuppression(suppression=told, customer_id="c0", first_seen=lab.now)])
    summary = lab.plan(people(2)).destinations[0]
    assert summary.blocked == {"suppressed_there": 1}
    lab.round(people(2))
    assert set(lab.there()) == {"c1@shop.example"}


def test_the_count_there_proves_the_push(lab: Lab) -> None:
    result = lab.round(people(3))
    carrier = Carrier(lab.destination, lab.connector())
    proofs = verify(result, carrier, lab.ledger)
    assert [(proof.segment, proof.found, proof.verdict) for proof in proofs] == [
        ("fresh", 3, Verdict.PROVEN), ("loyal", 3, Verdict.PROVEN), (None, 3, Verdict.PROVEN),
    ]  # fmt: skip
    for contact in lab.store["contacts"].values():
        contact["lists"] = []
    assert {proof.verdict for proof in verify(result, carrier, lab.ledger)[:2]} == {Verdict.UNPROVEN}


class Angry(Frail):
    """A connector whose calls fail as told, one error a call, before or after they have had their effect."""

    def __init__(self, lab: Lab, troubles: list[Exception | None], *, is_after: bool = False) -> None:
        super().__init__(lab.connector(), Fuse())
        self.troubles = troubles
        self.sizes: list[int] = []
        self._is_after = is_after

    def push(self, batch: Batch) -> Iterator[Outcome]:
        self.sizes.append(len(batch.changes))
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None and not self._is_after:
            raise trouble
        outcomes = list(self.inner.push(batch))
        if trouble is not None:
            raise trouble
        yield from outcomes


PASSING = [
    errors.RateLimited("slow down", wait=30.0),
    errors.Unavailable("no answer", ambiguous=False),
    errors.Unavailable("no answer", ambiguous=True),
]


@pytest.mark.parametrize("trouble", PASSING, ids=["limited", "down", "ambiguous"])
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_passing_trouble_is_waited_out(lab: Lab, trouble: Exception, *, is_after: bool) -> None:
    result = lab.round(people(3), connector=Angry(lab, [trouble, None, None, trouble], is_after=is_after))
    assert result.error is None
    assert all(lists == {"c loyal", "c fresh"} for _, _, lists in lab.there().values())
    assert lab.plan(people(3)).is_empty
    assert lab.clock.seconds > 0


def test_a_refused_key_stops_the_destination_and_leaves_nothing_on_its_way(lab: Lab) -> None:
    result = lab.round(people(3), connector=Angry(lab, [errors.Unauthorized("no")]))
    assert result.is_unauthorized
    assert lab.ledger.sending.of("news") == []
    assert lab.plan(people(3)).destinations[0].contacts_new == 3


class Picky(Frail):
    """Refuses any call that carries the poison, naming it or not."""

    def __init__(self, lab: Lab, *, names: bool) -> None:
        super().__init__(lab.connector(), Fuse())
        self.names = names
        self.calls = 0

    def push(self, batch: Batch) -> Iterator[Outcome]:
        self.calls += 1
        poison = [change.id for change in batch.changes if change.profile.email.startswith("c3@")]
        if poison:
            culprits = dict.fromkeys(poison, Reason.INVALID_VALUE) if self.names else {}
            raise errors.InvalidRequest("400 bad c3@shop.example", culprits=culprits)
        yield from self.inner.push(batch)


@pytest.mark.parametrize("names", [True, False])
def test_a_culprit_is_rejected_and_the_rest_goes_on(lab: Lab, *, names: bool) -> None:
    picky = Picky(lab, names=names)
    result = lab.round(people(16), connector=picky)
    assert [(one.kind, one.customer_id) for one in result.rejected] == [("AddContact", "c3")]
    assert result.rejected[0].reason is (Reason.INVALID_VALUE if names else Reason.OTHER)
    assert "c3@" not in str(result.rejected[0].words)
    assert len(lab.there()) == 15
    assert picky.calls <= (4 if names else 12)


class Silent(Frail):
    """Forgets one outcome, or tells one twice, or tells about a stranger."""

    def __init__(self, lab: Lab, how: str) -> None:
        super().__init__(lab.connector(), Fuse())
        self.how = how

    def push(self, batch: Batch) -> Iterator[Outcome]:
        outcomes = list(self.inner.push(batch))
        extra = {"silent": outcomes[1:], "twice": [*outcomes, outcomes[0]]}
        stranger = [*outcomes, Outcome(id="stranger", state=State.APPLIED)]
        yield from extra.get(self.how, stranger)


@pytest.mark.parametrize("how", ["silent", "twice", "stranger"])
def test_a_broken_contract_is_an_error_and_never_success(lab: Lab, how: str) -> None:
    result = lab.round(people(2), connector=Silent(lab, how))
    assert isinstance(result.error, errors.UnexpectedResponse)
    lab.round(people(2))
    assert all(lists == {"c loyal", "c fresh"} for _, _, lists in lab.there().values())
    assert lab.plan(people(2)).is_empty


def test_out_of_time_stops_at_a_safe_point_and_the_next_run_ends_it(lab: Lab) -> None:
    stopped = lab.round(people(2), limits=Limits(is_stopped=lambda: bool(lab.store["contacts"])))
    assert stopped.stopped == "signal"
    lab.round(people(2))
    assert lab.plan(people(2)).is_empty
    assert all(lists == {"c loyal", "c fresh"} for _, _, lists in lab.there().values())


def test_a_job_beyond_its_deadline_stays_pending_and_is_asked_again(lab: Lab) -> None:
    result = lab.round(people(2), limits=Limits(job_deadline=0.0))
    assert result.pending == 2
    assert result.withheld == {"contact": 4}
    summary = lab.plan(people(2)).destinations[0]
    assert (summary.on_its_way, summary.contacts_new) == (2, 0)
    lab.round(people(2))
    assert all(lists == {"c loyal", "c fresh"} for _, _, lists in lab.there().values())


def test_plan_writes_nothing(lab: Lab) -> None:
    lab.round(people(2))
    version, calls = lab.ledger.version(), len(lab.dictionary.calls)
    lab.plan(people(5))
    assert (lab.ledger.version(), len(lab.dictionary.calls)) == (version, calls)


def test_the_same_plan_has_the_same_checksum_and_ids(lab: Lab) -> None:
    one, two = lab.plan(people(5)), lab.plan(list(reversed(people(5))))
    assert one.checksum == two.checksum
    assert one.rows.equals(two.rows)


def test_a_plan_is_refused_when_the_ledger_moved(lab: Lab) -> None:
    from engine.errors import StalePlan

    old = lab.plan(people(2))
    lab.round(people(1))
    with pytest.raises(StalePlan):
        lab.push(old, people(2))


def test_a_dropped_segment_loses_our_members_and_keeps_its_list(lab: Lab) -> None:
    lab.round(people(2))
    lab.segments = ("loyal",)
    assert kinds(lab, people(2)) == [("RemoveMember", "fresh", "c0"), ("RemoveMember", "fresh", "c1")]
    lab.round(people(2))
    assert sorted(lab.store["lists"].values()) == ["c fresh", "c loyal"]
    assert lab.plan(people(2)).is_empty


def test_a_plan_holds_no_address(lab: Lab) -> None:
    lab.round(people(2))
    plan = lab.plan([*people(4), Person("z", BOTH, email="someone@else.example")])
    assert "@" not in str(plan.rows.to_pylist()) + str(plan.document())


def test_changes_whose_rows_lie_in_two_parts_are_whole(lab: Lab) -> None:
    who = [Person(f"c{number:05}", frozenset({"loyal"})) for number in range(3400)]
    assert len(lab.plan(who).rows) > 10_000
    result = lab.round(who)
    assert result.applied == {"AddContact": 3400, "AddMember": 3400}
    assert result.withheld == {}
    assert lab.plan(who).is_empty


def _one(key: str, *segments: str, consent: str = "subscribed", email: str = "") -> Person:
    return Person(key, frozenset(segments), consent=consent, email=email, name=None, orders=None)


AGAIN = "other4@shop.example"  # said no, and yes again before anybody was told: the push of the no had died
CHANGED_MINDS = (
    [
        ([_one("c0"), _one("c1"), _one("c2"), _one("c3", "loyal"), _one("c4")], 2),
        ([_one("c0", "loyal", "fresh"), _one("c4", "loyal", "fresh", email=AGAIN)], 49),
        ([_one("c0"), _one("c1"), _one("c2"), _one("c4", consent="unsubscribed"), _one("c5")], 2),
    ],
    [_one("c0"), _one("c1"), _one("c4", "loyal", "fresh", email=AGAIN)],
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_people(), st.integers(1, 60)), min_size=1, max_size=3), _people())
@example(*CHANGED_MINDS)
def test_whatever_crashes_and_changes_between_the_last_run_is_right(
    rounds: list[tuple[list[Person], int]], last: list[Person]
) -> None:
    lab = Lab()
    left: frozenset[str] = frozenset()
    for who, point in rounds:
        try:
            lab.run_until_crash(who, Fuse(at=point))
        except Crash:
            pass
        else:
            assert lab.plan(who).is_empty
        left |= {address for address, (status, _, _) in lab.there().items() if status == "unsubscribed"}
    lab.round(last)
    there = lab.there()
    left |= {address for address, (status, _, _) in there.items() if status == "unsubscribed"}
    assert {address: held for address, (_, _, held) in there.items() if held} == expected(last, left)
    assert all(there[address][0] == "unsubscribed" for address in left)
    assert lab.plan(last).is_empty
    assert lab.ledger.sending.of("news") == []
    wrong = {str(one.address) for one in last if one.consent == "unsubscribed" and one.address in there}
    assert all(there[address][0] == "unsubscribed" for address in wrong)
    for one in last:
        if one.address in expected(last, left) and one.name:
            assert there[str(one.address)][1]["first_name"] == one.name
    lab.close()
