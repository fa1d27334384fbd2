"""What a plan says of itself is so: people add up, values that are not ours are told, examples are nobody's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_lab import Lab, Person, people

from connectors.errors import ConnectorError, Unavailable
from connectors.http import Request, Response
from connectors.types import Fitted, Left, Ref, Suppression
from engine.ledger.suppressions import KnownSuppression
from engine.plan.destination import MergeTag
from engine.plan.effects import side_effects
from engine.plan.file import load, save
from engine.plan.overwriting import FEW, Budget, Spent
from engine.plan.plan import Plan
from engine.plan.samples import SHARED, Sample, masked, samples
from engine.plan.spool import Rows
from engine.plan.summary import DestinationSummary
from engine.plan.survey import survey


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


PEOPLE = st.lists(
    st.builds(
        lambda segments, consent, held, has_address: (segments, consent, held, has_address),
        st.sampled_from([frozenset(), frozenset({"loyal"}), frozenset({"fresh"}), frozenset({"loyal", "fresh"})]),
        st.sampled_from(["subscribed", "pending", "unsubscribed"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
)


@given(who=PEOPLE, left=st.sets(st.integers(0, 11)))
@settings(max_examples=40, deadline=None)
def test_everybody_who_matches_goes_there_or_is_told_why_not(
    who: list[tuple[frozenset[str], str, bool, bool]], left: set[int]
) -> None:
    lab = Lab()
    those = [
        Person(f"c{place}", segments, consent=consent, holdout=held, email="" if has_address else None)
        for place, (segments, consent, held, has_address) in enumerate(who)
    ]
    found = [
        KnownSuppression(
            suppression=Suppression(email=f"c{place}@shop.example", left=Left.UNSUBSCRIBED, at=lab.now),
            customer_id=None,
            first_seen=lab.now,
        )
        for place in left
    ]
    lab.ledger.suppressions.record(lab.name, found)
    [summary] = lab.plan(those).destinations
    assert summary.matched == sum(bool(one.segments) for one in those)
    assert summary.matched == sum(summary.by_basis.values()) + sum(summary.blocked.values()) + summary.held_out
    lab.close()


def test_who_leaves_a_list_is_told_by_why(lab: Lab) -> None:
    lab.round(people(6))
    after = [
        Person("c0", frozenset({"loyal"})),  # out of fresh alone
        Person("c1"),
        Person("c2", frozenset({"loyal", "fresh"}), consent="unsubscribed"),
        Person("c3", frozenset({"loyal", "fresh"}), consent="pending"),
        Person("c4", frozenset({"loyal", "fresh"}), email="new@shop.example"),
    ]
    [summary] = lab.plan(after).destinations
    assert summary.leaving == {"address": 2, "consent": 2, "gone": 2, "segment": 3, "unreachable": 2}
    assert summary.suppressed == 1
    assert sum(summary.leaving.values()) == sum(target.leaves for target in summary.targets)


def test_a_first_mail_is_one_a_person_however_many_destinations_they_come_to(lab: Lab) -> None:
    lab.round(people(2))
    lab.name = "other"
    assert lab.plan(people(5)).first_mails == 3, "two are known at another destination"
    assert lab.plan(people(2)).first_mails == 0
    assert lab.plan(people(5)).destinations[0].contacts_new == 5


# values that are not ours


class Held:
    """Somebody else's values, told of so many people a call, and how often they were asked for."""

    def __init__(self, held: Mapping[str, Mapping[Ref, Fitted]] | None, a_call: int = 100) -> None:
        self.held, self.a_call, self.asked = held, a_call, 0

    def __call__(self, addresses: Sequence[str], most: int) -> Mapping[str, Mapping[Ref, Fitted]]:
        self.asked += 1
        if self.held is None:
            raise Unavailable("away", ambiguous=False)
        if len(addresses) > most * self.a_call:
            raise Spent("more calls than that")
        return {address: self.held[address] for address in addresses if address in self.held}


def found(lab: Lab, who: Sequence[Person], **values: object) -> None:
    """They were there before us, in the provider's own account."""
    for one in who:
        lab.store["contacts"][one.address] = {
            "ref": f"r-{one.id}",
            "status": "subscribed",
            "fields": dict(values),
            "lists": [],
        }


def looked(lab: Lab, who: Sequence[Person], held: Held) -> DestinationSummary:
    surveys = {lab.name: survey(lab.destination, lab.connector(), lab.ledger)}
    return lab.plan(who, surveys=surveys, reads={lab.name: held}).destinations[0]


def told(summary: DestinationSummary) -> dict[str, tuple[int, int, int, int]]:
    return {tag: (one.contacts, one.newcomers, one.looked, one.other) for tag, one in summary.overwritten.items()}


def theirs(lab: Lab, who: Sequence[Person], first_name: str) -> Held:
    """Their account holds this first name for them, in a field that is there."""
    lab.store["fields"]["f1"] = "first_name"
    for one in who:
        fields = {"f1": first_name}
        lab.store["contacts"][one.address] = {
            "ref": f"r-{one.id}",
            "status": "subscribed",
            "fields": fields,
            "lists": [],
        }
    [ref] = survey(lab.destination, lab.connector(), lab.ledger).fields.values()
    return Held({one.address or "": {ref: first_name} for one in who})


def test_r_grd_07_values_of_people_who_turn_out_to_be_there_are_looked_at_before_they_are_written_over(
    lab: Lab,
) -> None:
    who = people(4)
    held = theirs(lab, who[:3], "Their own")
    assert told(looked(lab, who, held)) == {"first_name": (0, 4, 4, 3), "orders": (0, 4, 4, 0)}
    assert held.asked == 1
    lab.round(who)
    assert looked(lab, who, held).overwritten == {}


def test_r_grd_07_a_value_like_ours_is_no_loss_and_a_failed_read_tells_nothing(lab: Lab) -> None:
    who = people(2)
    assert told(looked(lab, who, theirs(lab, who, "Anna")))["first_name"] == (0, 2, 2, 0)
    assert told(looked(lab, who, Held(None)))["first_name"] == (0, 2, 0, 0)


def test_r_grd_07_people_found_there_whom_we_never_wrote_are_counted(lab: Lab) -> None:
    who = people(3)
    theirs(lab, who, "Their own")
    tags, lab.tags = lab.tags, ()
    lab.round(who)
    lab.tags = tags
    held = theirs(lab, who, "Their own")
    assert told(looked(lab, who, held)) == {"first_name": (3, 0, 3, 3), "orders": (3, 0, 3, 0)}


def test_r_grd_07_everyone_is_looked_at_where_the_provider_tells_of_many_at_once(lab: Lab) -> None:
    who = people(FEW * 6 + 1)
    held = theirs(lab, who[1::2], "Their own")
    assert told(looked(lab, who, held))["first_name"] == (0, len(who), len(who), len(who) // 2)
    assert held.asked == 1


def test_r_grd_07_only_a_few_are_looked_at_spread_over_all_where_more_would_take_too_many_calls(lab: Lab) -> None:
    who = people(FEW * 6 + 1)
    held = Held({}, a_call=1)
    assert set(told(looked(lab, who, held)).values()) == {(0, len(who), FEW, 0)}
    assert held.asked == 2


def test_r_grd_07_looking_never_makes_more_calls_than_it_is_worth() -> None:
    class Endless:
        def __init__(self) -> None:
            self.calls = 0

        def handle(self, request: Request) -> Response:
            del request
            self.calls += 1
            return Response(200, {}, b"{}")

    endless = Endless()
    budget = Budget(endless, 3)
    ask = Request("GET", "https://provider.example/contacts", {}, b"")
    for _ in range(3):
        budget.handle(ask)
    with pytest.raises(ConnectorError, match="more calls"):
        budget.handle(ask)
    assert endless.calls == 3


def test_r_grd_07_what_we_created_and_wrote_is_ours(lab: Lab) -> None:
    lab.round(people(3))
    held = Held({})
    summary = looked(lab, people(3, name="Béa"), held)
    assert summary.values["first_name"] == 3
    assert summary.overwritten == {}
    assert held.asked == 0


def test_r_grd_07_a_field_that_was_there_before_us_may_hold_values_of_others_at_our_own_contacts(lab: Lab) -> None:
    lab.tags = lab.tags[:1]
    lab.round(people(3))
    lab.store["fields"] = {**lab.store["fields"], "orders": "number"}
    lab.tags = (*lab.tags, MergeTag(name="orders", trait="orders", kind=Lab().tags[1].kind))
    surveys = {lab.name: survey(lab.destination, lab.connector(), lab.ledger)}
    if "orders" not in surveys[lab.name].fields:
        surveys[lab.name] = replace(surveys[lab.name], fields={**surveys[lab.name].fields, "orders": "orders"})
    summary = lab.plan(people(3), surveys=surveys).destinations[0]
    assert summary.overwritten["orders"].contacts == 3
    assert summary.fields_created == ()


# examples


@given(value=st.text(min_size=2, max_size=40), is_shared=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_value_of_few_people_is_never_shown(value: str, *, is_shared: bool) -> None:
    told = masked(json.dumps(value, ensure_ascii=False), is_shared=is_shared)
    assert told is not None
    if not is_shared:
        assert len(told) <= 6
        assert told.endswith("…")
    assert len(told) <= 30


@pytest.mark.parametrize(
    ("scalar", "told"),
    [
        ('"Anna"', "A…"), ('"1987-04-12"', "1987-…"), ("165", "≈200"), ("48.8566", "≈50"), ("0", "0"), ("true", "true"),
        ('""', "…"), ('"anna@example.com"', "a…"), (None, None),
    ],
)  # fmt: skip
def test_a_value_of_one_person_keeps_its_first_letter_its_year_or_one_digit(
    scalar: str | None, told: str | None
) -> None:
    assert masked(scalar, is_shared=False) == told


def test_what_many_share_is_shown_but_never_an_address() -> None:
    assert masked('"tea"', is_shared=True) == "tea"
    assert masked('"write to anna@example.com"', is_shared=True) == "write to …@…"
    assert masked('"' + "x" * 50 + '"', is_shared=True) == "x" * 29 + "…"


@pytest.mark.parametrize("count", [SHARED - 1, SHARED])
def test_examples_show_a_pair_that_enough_people_share_and_mask_every_other(lab: Lab, count: int) -> None:
    lab.round(people(count))
    [summary] = lab.plan(people(count, name="Béatrice")).destinations
    shown = Sample("Anna", "Béatrice", count) if count >= SHARED else Sample("A…", "B…", count)
    assert summary.samples["first_name"] == (shown,)


def test_a_code_and_what_is_sensitive_are_nobodys_example(lab: Lab) -> None:
    assert [tag.name for tag in lab.tags if tag.is_private] == ["code"]
    assert MergeTag(name="diet", trait="diet", is_sensitive=True).is_private
    lab.round(people(SHARED))
    made = lab.plan(people(SHARED, name="Béa", orders=5))
    assert samples(made.stored.chosen(destination=lab.name), private={"first_name"}).keys() == {"orders"}


# side effects


def test_the_five_side_effects_follow_from_the_plan(lab: Lab, tmp_path: Path) -> None:
    made = lab.plan(people(3))
    effects = side_effects(made)
    assert effects.billable == {"news": 3}
    assert [(one.destination, one.title, one.people) for one in effects.flows] == [
        ("news", "c loyal", 3),
        ("news", "c fresh", 3),
    ]
    assert effects.first_mails == 3
    assert (effects.codes, effects.at_risk, effects.unpriced) == (0, 0, {})
    assert effects.created["news"].lists == ("c loyal", "c fresh")
    assert set(effects.created["news"].fields) == {"first_name", "orders", "code"}
    save(made, tmp_path / "plan.parquet")
    assert side_effects(load(tmp_path / "plan.parquet")) == effects


def test_a_plan_with_nothing_to_do_has_no_side_effect(lab: Lab) -> None:
    lab.round(people(3))
    effects = side_effects(lab.plan(people(3)))
    assert (effects.billable, effects.flows, effects.first_mails, effects.created) == ({}, (), 0, {})


def test_a_list_that_is_there_and_not_ours_is_shown_and_not_among_what_is_created(lab: Lab) -> None:
    lab.store["lists"]["theirs"] = "c loyal"
    surveys = {lab.name: survey(lab.destination, lab.connector(), lab.ledger)}
    made: Plan = lab.plan(people(2), surveys=surveys)
    [summary] = made.destinations
    assert summary.foreign == ("loyal",)
    assert summary.lists_created == ("c fresh",)


def test_a_chunked_table_of_rows_gives_the_same_examples(lab: Lab) -> None:
    lab.round(people(SHARED))
    stored = lab.plan(people(SHARED, name="Béa")).stored
    table = stored.table()
    halves = Rows.of([table.slice(0, 3), table.slice(3)])
    assert samples(halves, private=()) == samples(stored, private=()) != {}
