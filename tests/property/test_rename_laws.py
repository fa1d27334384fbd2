"""A segment that has another name now goes on where it was: nobody leaves, nothing is made."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from own_lab import OwnLab, laboratory, shops
from plan_lab import Crash, Frail, Fuse, Person, fragile, people, replace

from engine.ledger import Ledger

NAMES = {"news": {"fresh": "newcomers"}}


def renamed(lab: OwnLab, who: Sequence[Person]) -> list[Person]:
    """The config says it; the people are the same."""
    lab.segments = tuple("newcomers" if name == "fresh" else name for name in lab.segments)
    lab.ledger.call(NAMES)
    return called(who)


def called(who: Sequence[Person]) -> list[Person]:
    return [
        replace(one, segments=frozenset("newcomers" if name == "fresh" else name for name in one.segments))
        for one in who
    ]


@settings(max_examples=20, deadline=None)
@given(st.lists(shops(), min_size=1, max_size=2), shops())
def test_a_renamed_segment_plans_what_it_would_have_planned_under_its_old_name(
    rounds: list[list[Person]], last: list[Person]
) -> None:
    with laboratory() as lab, laboratory() as same:
        for who in rounds:
            lab.carry(who)
            same.carry(who)
        now = renamed(lab, last)
        made, wanted = lab.plan(now), same.plan(last)
        told = [
            (row["kind"], "fresh" if row["target"] == "newcomers" else row["target"], row["customer_id"])
            for row in made.rows.to_pylist()
        ]
        assert sorted(told) == sorted(
            (row["kind"], row["target"], row["customer_id"]) for row in wanted.rows.to_pylist()
        )
        if lab.store["lists"]:
            assert made.destinations[0].lists_created == ()
        lab.ledger.targets.rename()
        lab.round(now)
        same.round(last)
        assert lab.there() == same.there() or not rounds[0]
        assert lab.plan(now).is_empty


def test_a_rename_changes_nothing_there_and_writes_nothing_before_it_is_carried() -> None:
    with laboratory() as lab:
        who = people(3)
        lab.carry(who)
        there, version, lists = lab.there(), lab.ledger.version(), dict(lab.store["lists"])
        now = renamed(lab, who)
        assert lab.plan(now).is_empty
        assert lab.ledger.version() == version
        lab.ledger.targets.rename()
        lab.ledger.targets.rename()
        assert lab.ledger.version() == version, "a plan that was read before is still good"
        lab.round(now)
        assert (lab.there(), lab.store["lists"]) == (there, lists)
        lab.ledger.call({})
        assert lab.plan(now).is_empty


def test_a_run_before_the_rename_is_taken_back_after_it() -> None:
    with laboratory() as lab:
        who = people(2)
        lab.carry(who)
        before = lab.there()
        more = [*who, *people(4)[2:]]
        lab.carry(more)
        now = renamed(lab, more)
        lab.ledger.targets.rename()
        lab.undo(2, now)
        lists = {address: held for address, (_, _, held) in lab.there().items() if held}
        assert lists == {address: held for address, (_, _, held) in before.items()}


def test_what_was_on_its_way_when_the_name_changed_arrives_once() -> None:
    point, died = 0, True
    while died:
        point += 3
        with laboratory() as lab:
            who = people(3)
            died = False
            fuse = Fuse(at=point)
            healthy, lab.ledger = lab.ledger, Ledger(fragile(lab.database, fuse), "client")
            try:
                lab.round(who, connector=Frail(lab.connector(), fuse))
            except Crash:
                died = True
            finally:
                lab.ledger = healthy
            if not any(title == "c fresh" for title in lab.store["lists"].values()):
                continue
            now = renamed(lab, who)
            lab.plan(now)
            lab.ledger.targets.rename()
            lab.round(now)
            lab.round(now)
            titles = set(lab.store["lists"].values())
            assert all(lists <= titles and len(lists) == 2 for _, _, lists in lab.there().values()), f"crash at {point}"
            assert lab.plan(now).is_empty, f"crash at {point}"
            assert "c newcomers" not in titles or "c fresh" not in titles, f"crash at {point}"
