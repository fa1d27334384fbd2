"""The laws of drift: exactly what others changed is shown, and a repair leaves nothing of it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from own_lab import Opened, OwnLab, drift_of, laboratory, repaired, shops, stranger
from plan_lab import Fuse, Person, people, replace

from connectors.types import Left, Suppression
from engine.ledger.suppressions import KnownSuppression
from engine.ownership.drifting import Drift, ListState

Names = dict[str, set[str]]


def lost(drift: Drift) -> Names:
    """Addresses that others took out, by segment."""
    return {one.segment: set(one.lost.to_pylist()) for one in drift.lists if one.missing}


def foreign(drift: Drift) -> dict[str, int]:
    return {one.segment: one.foreign for one in drift.lists if one.foreign}


def values(drift: Drift) -> Names:
    return {one.tag: set(one.addresses.to_pylist()) for one in drift.values if one.changed}


@settings(max_examples=25, deadline=None)
@given(st.lists(shops(), min_size=1, max_size=3))
def test_where_nobody_else_wrote_there_is_no_drift(rounds: list[list[Person]]) -> None:
    with laboratory() as lab:
        for who in rounds:
            lab.carry(who)
        drift = drift_of(lab, rounds[-1])
        assert drift.found == 0
        assert (lost(drift), foreign(drift), values(drift)) == ({}, {}, {})


def _meddle(lab: OwnLab, data: st.DataObject) -> tuple[Names, dict[str, int], Names, set[str]]:
    """Others take people out, put people in, change and empty values, delete contacts; returns what they did to ours."""
    refs = {title.removeprefix("c "): ref for ref, title in lab.store["lists"].items()}
    contacts = lab.store["contacts"]
    out: Names = {}
    put: dict[str, int] = {}
    written: Names = {}
    for address in sorted(contacts):
        for segment, ref in refs.items():
            is_in = ref in contacts[address]["lists"]
            if data.draw(st.booleans(), label=f"{address} {segment}"):
                contacts[address]["lists"] = [one for one in contacts[address]["lists"] if one != ref] + [ref] * (
                    not is_in
                )
                if is_in:
                    out.setdefault(segment, set()).add(address)
                else:
                    put[segment] = put.get(segment, 0) + 1
        for tag in sorted(contacts[address]["fields"]):
            value = data.draw(st.sampled_from(["keep", "other", None]), label=f"{address} {tag}")
            if value != "keep":
                contacts[address]["fields"] = {
                    name: one for name, one in (contacts[address]["fields"] | {tag: value}).items() if one is not None
                }
                written.setdefault(tag, set()).add(address)
    gone = {address for address in sorted(contacts) if data.draw(st.integers(0, 9), label=f"{address} gone") == 0}
    return out, put, written, gone


@settings(max_examples=25, deadline=None)
@given(st.lists(shops(("subscribed",)), min_size=1, max_size=2), st.data())
def test_drift_is_what_others_changed_and_after_a_repair_there_is_none(
    rounds: list[list[Person]], data: st.DataObject
) -> None:
    with laboratory() as lab:
        for who in rounds:
            lab.carry(who)
        if not lab.store["lists"]:
            return
        out, put, written, _ = _meddle(lab, data)
        drift = drift_of(lab, rounds[-1])
        assert lost(drift) == out
        assert foreign(drift) == put
        assert values(drift) == written
        there = {address: lists for address, (_, _, lists) in lab.there().items()}
        repaired(lab, rounds[-1], drift)
        after = drift_of(lab, rounds[-1])
        assert after.found == 0
        assert foreign(after) == put
        assert all(lab.there()[address][2] >= there[address] for address in there), "nobody is taken out"
        assert lab.round(rounds[-1]).error is None
        wanted = {str(one.address): one for one in rounds[-1] if one.is_reachable and not one.holdout and one.segments}
        for address, one in wanted.items():
            assert lab.there()[address][2] >= {f"c {segment}" for segment in one.segments}


def _changed_by_others(lab: OwnLab) -> list[Person]:
    """One is taken out of both lists, one has another value, one is deleted."""
    who = people(4)
    lab.carry(who)
    contacts = lab.store["contacts"]
    contacts["c0@shop.example"]["lists"] = []
    contacts["c1@shop.example"]["fields"]["first_name"] = "Somebody"
    del contacts["c2@shop.example"]
    return who


def test_a_repair_that_dies_anywhere_is_ended_by_the_next_one(opened: Opened) -> None:
    with opened() as lab:
        who = _changed_by_others(lab)
        repaired(lab, who, drift_of(lab, who))
        wanted = lab.there()
        assert lab.plan(who).is_empty
    fuse = Fuse(at=0)
    while fuse.count >= (fuse.at or 0):
        fuse = Fuse(at=(fuse.at or 0) + 2)
        with opened() as lab:
            who = _changed_by_others(lab)
            repaired(lab, who, drift_of(lab, who), fuse=fuse)
            repaired(lab, who, drift_of(lab, who))
            lab.carry(who)
            assert lab.there() == wanted, f"crash at boundary {fuse.at}"
            assert lab.plan(who).is_empty
            assert drift_of(lab, who).found == 0
    assert (fuse.at or 0) > 10


def test_who_is_gone_is_told_and_never_made_again() -> None:
    with laboratory() as lab:
        lab.carry(people(3))
        del lab.store["contacts"]["c1@shop.example"]
        drift = drift_of(lab, people(3))
        assert (drift.gone, drift.found) == (1, 1)
        assert [(one.segment, one.missing, one.gone) for one in drift.lists] == [("fresh", 0, 1), ("loyal", 0, 1)]
        repaired(lab, people(3), drift)
        lab.round(people(3))
        assert set(lab.there()) == {"c0@shop.example", "c2@shop.example"}
        assert drift_of(lab, people(3)).found == 0


def test_who_left_there_is_no_drift_and_is_not_put_back() -> None:
    with laboratory() as lab:
        lab.carry(people(2))
        lab.store["contacts"]["c0@shop.example"].update(status="unsubscribed", lists=[])
        told = Suppression(email="c0@shop.example", left=Left.UNSUBSCRIBED)
        lab.ledger.suppressions.record(
            "news", [KnownSuppression(suppression=told, customer_id="c0", first_seen=lab.now)]
        )
        drift = drift_of(lab, people(2))
        assert drift.found == 0
        assert [(one.segment, one.suppressed) for one in drift.lists] == [("fresh", 1), ("loyal", 1)]
        assert repaired(lab, people(2), drift).is_empty


def test_who_may_not_be_written_to_any_more_is_not_put_back() -> None:
    with laboratory() as lab:
        lab.carry(people(2))
        for contact in lab.store["contacts"].values():
            contact["lists"] = []
        now = [replace(people(2)[0], consent="never"), people(2)[1]]
        drift = drift_of(lab, now)
        repaired(lab, now, drift)
        lists = {address: held for address, (_, _, held) in lab.there().items()}
        assert lists == {"c0@shop.example": frozenset(), "c1@shop.example": frozenset({"c loyal", "c fresh"})}
        assert drift_of(lab, now).found == 0


def test_a_list_that_is_gone_or_renamed_is_told() -> None:
    with laboratory() as lab:
        lab.carry(people(2))
        loyal, fresh = (
            next(ref for ref, title in lab.store["lists"].items() if title == f"c {name}")
            for name in ("loyal", "fresh")
        )
        lab.store["lists"][loyal] = "Best friends"
        del lab.store["lists"][fresh]
        states = {one.segment: one.state for one in drift_of(lab, people(2)).lists}
        assert states == {"loyal": ListState.RENAMED, "fresh": ListState.GONE}


def test_what_was_written_moments_ago_is_unproven_and_no_drift() -> None:
    with laboratory() as lab:
        who = people(2)
        made = lab.plan(who)
        lab.carry(who, made=made)
        for contact in lab.store["contacts"].values():
            contact.update(lists=[], fields={})
        drift = drift_of(lab, who, recent=[made.of("news")])
        assert drift.found == 0
        assert [(one.segment, one.unproven) for one in drift.lists] == [("fresh", 2), ("loyal", 2)]
        assert {one.tag: one.unproven for one in drift.values} == {"first_name": 2, "orders": 2}


def test_a_list_that_was_not_read_to_its_end_proves_nothing() -> None:
    with laboratory() as lab:
        lab.carry(people(3))
        drift = drift_of(lab, people(3), most=1)
        assert [(one.segment, one.missing, one.unproven) for one in drift.lists] == [("fresh", 0, 2), ("loyal", 0, 2)]


def test_a_value_that_holds_an_address_is_in_no_plan_and_no_sample() -> None:
    with laboratory() as lab:
        who = people(1)
        lab.carry(who)
        lab.store["contacts"]["c0@shop.example"]["fields"]["first_name"] = "someone@else.example"
        drift = drift_of(lab, who)
        assert values(drift) == {"first_name": {"c0@shop.example"}}
        assert "@" not in str([one.samples for one in drift.values])
        made = repaired(lab, who, drift)
        assert "@" not in str(made.rows.to_pylist())
        assert lab.there()["c0@shop.example"][1]["first_name"] == "Anna"


def test_a_stranger_in_the_account_is_nobodys_drift() -> None:
    with laboratory() as lab:
        lab.carry(people(1))
        stranger(lab, "guest@else.example", first_name="Guest")
        drift = drift_of(lab, people(1))
        assert drift.found == 0
        assert foreign(drift) == {}
