"""The laws of taking a run back, tried on a destination in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from own_lab import Opened, OwnLab, laboratory, shops, stranger
from plan_lab import Fuse, Person, people, replace

There = Mapping[str, tuple[str, dict[str, Any], frozenset[str]]]

BOTH = frozenset({"loyal", "fresh"})
OURS = frozenset({"first_name", "orders", "code"})
REACHABLE = ("subscribed",)


def differing(before: There, after: There) -> set[str]:
    """Contacts that are not as they were; of those that came, the ones that still have something of ours."""
    nothing: list[object] = [{}, frozenset()]
    return {
        address
        for address, (status, *rest) in after.items()
        if (rest != nothing if address not in before else (status, *rest) != before[address])
    }


def reachable(who: Sequence[Person]) -> set[str]:
    return {str(one.address) for one in who if one.is_reachable}


@settings(max_examples=15, deadline=None)
@given(rounds=st.lists(shops(), min_size=1, max_size=3), has_strangers=st.booleans())
def test_a_run_and_its_undo_leave_what_stood_before_but_for_what_is_listed(
    rounds: list[list[Person]], *, has_strangers: bool
) -> None:
    with laboratory() as lab:
        if has_strangers:
            stranger(lab, "c0@shop.example", first_name="Theirs", city="Lyon")
            stranger(lab, "c1@shop.example")
        for who in rounds[:-1]:
            lab.carry(who)
        before = lab.there()
        lab.carry(rounds[-1])
        carried = lab.there()
        undone = lab.undo(lab.run, rounds[-1]) if lab.kept.runs()[-1:] == [lab.run] else None
        after = lab.there()
        assert set(after) == set(carried), "nobody is deleted, nobody created"
        assert all(after[address][0] == carried[address][0] for address in after), "no status moves"
        left = {address for address in differing(before, after) if before.get(address, ("",))[0] == after[address][0]}
        if undone is None:
            assert left == set()
        elif not undone.unreachable and not undone.unknown.total():
            assert left == set(), "what differs is listed"
        for address in left:
            held = before.get(address, ("", {}, frozenset()))
            kept = {name: value for name, value in after[address][1].items() if name not in OURS}
            assert kept == {name: value for name, value in held[1].items() if name not in OURS}
            if address in reachable(rounds[-1]):
                assert after[address][2] == held[2]


@settings(max_examples=12, deadline=None)
@given(st.lists(shops(), min_size=1, max_size=3))
def test_undoing_twice_is_undoing_once(rounds: list[list[Person]]) -> None:
    with laboratory() as lab:
        for who in rounds:
            lab.carry(who)
        for run in lab.kept.runs()[-1:]:
            lab.undo(run, rounds[-1])
            assert lab.undoing(run, rounds[-1])[0].is_empty
            assert lab.plan(rounds[-1]).config_hash == "h"


@settings(max_examples=12, deadline=None)
@given(st.lists(shops(REACHABLE), min_size=1, max_size=3))
def test_an_undo_can_be_undone(rounds: list[list[Person]]) -> None:
    with laboratory() as lab:
        for who in rounds:
            lab.carry(who)
        carried = lab.there()
        if lab.kept.runs()[-1:] != [len(rounds)]:
            return
        undone = lab.undo(len(rounds), rounds[-1])
        again = lab.undo(lab.run, rounds[-1]) if lab.kept.runs()[-1] > len(rounds) else undone
        after = lab.there()
        wrong = {address for address in after if after[address] != carried[address]}
        assert wrong <= {address for address in wrong if address not in reachable(rounds[-1])}
        assert not wrong or undone.unreachable + again.unreachable


def _effects(there: There) -> dict[tuple[str, str], object]:
    """Everything that a run may write, one by one: a list of somebody, a field of somebody."""
    found: dict[tuple[str, str], object] = {}
    for address, (_, fields, lists) in there.items():
        found |= {(address, f"list {title}"): True for title in lists}
        found |= {(address, f"field {name}"): value for name, value in fields.items()}
    return found


@settings(max_examples=15, deadline=None)
@given(st.lists(shops(REACHABLE), min_size=2, max_size=5), st.data())
def test_an_older_run_is_taken_back_only_where_it_had_the_last_word(
    rounds: list[list[Person]], data: st.DataObject
) -> None:
    with laboratory() as lab:
        states: list[dict[tuple[str, str], object]] = [{}]
        for who in rounds:
            lab.carry(who)
            states.append(_effects(lab.there()))
        if not lab.kept.runs():
            return
        run = data.draw(st.sampled_from(lab.kept.runs()))
        everyone = [replace(one, consent="subscribed") for one in rounds[-1]]
        undone = lab.undo(run, everyone)
        wanted = dict(states[-1])
        for key in {key for state in states for key in state}:
            words = [
                number for number in range(1, len(states)) if states[number].get(key) != states[number - 1].get(key)
            ]
            if words and words[-1] == run:
                wanted.pop(key, None)
                wanted |= {key: states[run - 1][key]} if key in states[run - 1] else {}
        after = _effects(lab.there())
        wrong = {key for key in wanted.keys() | after.keys() if wanted.get(key) != after.get(key)}
        unreachable = {key for key in wrong if key[0] not in reachable(everyone)}
        assert wrong <= unreachable
        assert not wrong or undone.unreachable


def _story(lab: OwnLab) -> list[Person]:
    first = people(4)
    lab.carry(first)
    second = [
        replace(first[0], name="Bo", segments=frozenset({"loyal"})),
        replace(first[1], segments=frozenset()),
        first[2],
        replace(first[3], orders=9),
        Person("d", BOTH),
    ]
    lab.carry(second)
    return second


def test_an_undo_that_dies_anywhere_is_ended_by_the_next_one(opened: Opened) -> None:
    with opened() as lab:
        lab.undo(2, _story(lab))
        wanted = lab.there()
    point, died = 0, True
    while died:
        point += 3
        with opened() as lab:
            who = _story(lab)
            made, _ = lab.undoing(2, who)
            died = lab.carry(who, fuse=Fuse(at=point), made=made) is None
            lab.undo(2, who)
            assert lab.there() == wanted, f"crash at boundary {point}"
            assert lab.undoing(2, who)[0].is_empty
    assert point > 20


def test_a_run_that_died_is_taken_back_whole() -> None:
    point, died = 0, True
    while died:
        point += 3
        with laboratory() as lab:
            first = people(3)
            lab.carry(first)
            before = lab.there()
            second = [
                replace(first[0], segments=frozenset()),
                replace(first[1], name="Bo"),
                first[2],
                Person("d", BOTH),
            ]
            died = lab.carry(second, fuse=Fuse(at=point)) is None
            lab.undo(2, second)
            after = lab.there()
            assert not differing(before, after), f"crash at boundary {point}"
            assert lab.ledger.sending.of("news") == []
    assert point > 20


def test_who_left_in_between_is_not_put_back() -> None:
    with laboratory() as lab:
        who = people(2)
        lab.carry(who)
        gone = [replace(one, segments=frozenset()) for one in who]
        lab.carry(gone)
        undone = lab.undo(2, [replace(gone[0], consent="unsubscribed"), gone[1]])
        assert (undone.unreachable, undone.returned.total()) == (2, 2)
        assert lab.there()["c0@shop.example"][2] == frozenset()
        assert lab.there()["c1@shop.example"][2] == {"c loyal", "c fresh"}


def test_people_who_were_there_before_us_stay_through_an_undo() -> None:
    with laboratory() as lab:
        lab.carry(people(1))
        stranger(lab, "guest@else.example", "c loyal", first_name="Guest")
        lab.carry(people(3))
        lab.undo(2, people(3))
        lab.undo(1, people(3))
        there = lab.there()
        assert there.pop("guest@else.example") == ("subscribed", {"first_name": "Guest"}, frozenset({"c loyal"}))
        assert all(lists == frozenset() for _, _, lists in there.values())


def test_a_kept_plan_holds_no_address_and_is_its_owners_alone() -> None:
    with laboratory() as lab:
        lab.carry(people(3))
        path = lab.kept.path(1)
        assert "@" not in str(lab.kept.of(1).rows.to_pylist()) + str(lab.kept.of(1).document())
        assert path.stat().st_mode & 0o777 == 0o600
        assert lab.folder.stat().st_mode & 0o077 == 0
