"""The laws of a list that is taken over: whoever was there stays, whoever comes with us goes with us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_lab import Opened, OwnLab, adopted, drift_of, laboratory, shops, stranger
from plan_lab import Crash, Frail, Fuse, Person, fragile, people, replace

from connectors.errors import Unavailable
from connectors.types import AddMember, Batch, Outcome, TargetKind
from engine.errors import ConfigError
from engine.ledger import Ledger
from engine.ledger.adoption import Held

ADDRESSES = [*(f"c{number}@shop.example" for number in range(6)), "other0@shop.example", "guest@else.example"]


def made_by_others(lab: OwnLab, addresses: set[str]) -> None:
    """Somebody made a list of our title, and put these people into it."""
    lab.store["lists"]["list-theirs"] = "c loyal"
    for address in sorted(addresses):
        stranger(lab, address, "c loyal", city="Lyon")


def inside(lab: OwnLab) -> set[str]:
    return {address for address, (_, _, lists) in lab.there().items() if "c loyal" in lists}


@settings(max_examples=25, deadline=None)
@given(st.sets(st.sampled_from(ADDRESSES)), st.lists(shops(), min_size=1, max_size=4))
def test_nobody_who_was_there_is_ever_taken_out_and_ours_come_and_go(
    there: set[str], rounds: list[list[Person]]
) -> None:
    with laboratory() as lab:
        made_by_others(lab, there)
        counts = adopted(lab, "loyal", rounds[0])
        assert lab.writes() == 0
        wanted = {
            str(one.address) for one in rounds[0] if one.is_reachable and not one.holdout and "loyal" in one.segments
        }
        gone = {str(one.address) for one in rounds[0] if one.consent == "unsubscribed"}
        assert counts == {"ours_there": len(wanted & there), "joins": len(wanted - there), "said_no": len(gone & there)}
        for who in [*rounds, []]:
            lab.carry(who)
            wanted = {
                str(one.address) for one in who if one.is_reachable and not one.holdout and "loyal" in one.segments
            }
            assert inside(lab) == there | wanted
            assert lab.plan(who).is_empty
        for run in reversed(lab.kept.runs()):
            lab.undo(run, rounds[-1])
            assert inside(lab) >= there
        assert {
            address: fields["city"] for address, (_, fields, _) in lab.there().items() if address in there
        } == dict.fromkeys(there, "Lyon")


def test_a_list_taken_over_has_no_drift_of_those_who_were_there() -> None:
    with laboratory() as lab:
        made_by_others(lab, {"c0@shop.example", "guest@else.example"})
        adopted(lab, "loyal", people(2))
        lab.carry(people(2))
        drift = drift_of(lab, people(2))
        assert drift.found == 0
        assert [(one.segment, one.ours, one.foreign) for one in drift.lists] == [("fresh", 2, 0), ("loyal", 1, 0)]


def test_an_adoption_that_dies_took_nothing_over(opened: Opened) -> None:
    point, died = 0, True
    while died:
        point += 1
        with opened() as lab:
            made_by_others(lab, {"c0@shop.example", "guest@else.example"})
            healthy, lab.ledger = lab.ledger, Ledger(fragile(lab.database, Fuse(at=point)), "client")
            died = False
            try:
                adopted(lab, "loyal", people(2))
            except Crash:
                died = True
            lab.ledger = healthy
            if not lab.ledger.targets.of("news"):
                adopted(lab, "loyal", people(2))
            lab.carry(people(2))
            lab.carry([])
            assert inside(lab) == {"c0@shop.example", "guest@else.example"}
    assert point > 1


def test_who_was_put_there_by_a_run_that_died_leaves_with_the_segment(opened: Opened) -> None:
    point, died = 0, True
    while died:
        point += 1
        with opened(segments=("loyal",)) as lab:
            made_by_others(lab, {"c0@shop.example", "guest@else.example"})
            adopted(lab, "loyal", people(3))
            died = lab.carry(people(3), fuse=Fuse(at=point)) is None
            lab.carry(people(3))
            assert inside(lab) == {"c0@shop.example", "c1@shop.example", "c2@shop.example", "guest@else.example"}
            lab.carry([])
            assert inside(lab) == {"c0@shop.example", "guest@else.example"}, point
    assert point > 1


class Unheard(Frail):
    """Its first addition to a list is carried, and not answered."""

    is_heard = False

    def push(self, batch: Batch) -> Iterator[Outcome]:
        told = list(super().push(batch))
        if isinstance(batch.changes[0], AddMember) and not self.is_heard:
            self.is_heard = True
            raise Unavailable("no answer", ambiguous=True)
        yield from told


def test_who_was_put_there_by_a_call_without_an_answer_leaves_with_the_segment() -> None:
    with laboratory(segments=("loyal",)) as lab:
        made_by_others(lab, {"c0@shop.example"})
        adopted(lab, "loyal", people(3))
        lab.push(lab.plan(people(3)), people(3), connector=Unheard(lab.connector(), Fuse()))
        assert inside(lab) == {"c0@shop.example", "c1@shop.example", "c2@shop.example"}
        lab.carry([])
        assert inside(lab) == {"c0@shop.example"}


def test_whom_others_put_there_since_the_adoption_are_theirs() -> None:
    with laboratory(segments=("loyal",)) as lab:
        made_by_others(lab, {"c0@shop.example"})
        adopted(lab, "loyal", people(2))
        stranger(lab, "c1@shop.example", "c loyal", city="Lyon")
        lab.carry(people(2))
        lab.carry([])
        assert inside(lab) == {"c0@shop.example", "c1@shop.example"}


def known_of(lab: OwnLab) -> object:
    """All that the ledger holds of the account."""
    return lab.ledger.targets.of("news"), lab.ledger.contacts.table("news").to_pylist()


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from(ADDRESSES)), shops())
def test_an_adoption_taken_back_leaves_the_ledger_as_it_was(there: set[str], who: list[Person]) -> None:
    with laboratory(segments=("fresh",)) as lab:
        made_by_others(lab, there)
        lab.carry(who)
        before, calls = known_of(lab), lab.writes()
        lab.segments = ("fresh", "loyal")
        adopted(lab, "loyal", who)
        known = lab.ledger.targets.of("news")[TargetKind.SEGMENT, "loyal"]
        assert lab.ledger.adoption.held("news", known) == Held(ours=0, theirs=len(there))
        lab.ledger.adoption.give_back("news", known)
        assert known_of(lab) == before
        assert lab.writes() == calls
        assert inside(lab) == there
        adopted(lab, "loyal", who)
        lab.carry(who)
        lab.carry([])
        assert inside(lab) == there


def test_an_adoption_whose_taking_back_dies_stands_whole_or_not_at_all(opened: Opened) -> None:
    fuse = Fuse(at=0)
    while fuse.count >= (fuse.at or 0):
        fuse = Fuse(at=(fuse.at or 0) + 1)
        with opened(segments=("loyal",)) as lab:
            made_by_others(lab, {"c0@shop.example", "guest@else.example"})
            before = known_of(lab)
            adopted(lab, "loyal", people(2))
            whole = known_of(lab)
            known = lab.ledger.targets.of("news")[TargetKind.SEGMENT, "loyal"]
            with suppress(Crash):
                Ledger(fragile(lab.database, fuse), "client").adoption.give_back("news", known)
            assert known_of(lab) in (before, whole)
    assert (fuse.at or 0) > 1


def test_who_said_no_to_the_shop_is_told_and_left_as_they_were() -> None:
    with laboratory() as lab:
        made_by_others(lab, {"c0@shop.example", "c1@shop.example"})
        who = [replace(people(1)[0], consent="unsubscribed"), *people(2)[1:]]
        assert adopted(lab, "loyal", who)["said_no"] == 1
        lab.carry(who)
        assert inside(lab) == {"c0@shop.example", "c1@shop.example"}
        assert lab.there()["c0@shop.example"] == ("subscribed", {"city": "Lyon"}, frozenset({"c loyal"}))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("absent", "has no list called"),
        ("ours", "is ours"),
        ("twice", "adopted already"),
        ("another's", "is that of news/fresh"),
    ],
)
def test_what_cannot_be_taken_over_is_told(how: str, words: str) -> None:
    with laboratory() as lab:
        if how == "ours":
            lab.carry(people(1))
        elif how != "absent":
            made_by_others(lab, set())
        if how == "twice":
            adopted(lab, "loyal", people(1))
        if how == "another's":
            lab.segments = ("fresh",)
            lab.carry(people(1))
            known = dict(lab.store["lists"])
            lab.store["lists"] = {ref: "c loyal" for ref, title in known.items() if title == "c fresh"}
            lab.segments = ("loyal",)
        with pytest.raises(ConfigError, match=words):
            adopted(lab, "loyal", people(1))
