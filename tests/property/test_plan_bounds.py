"""Guards besides those of lists: each lets a plan just below its bound pass, refuses one just above, and names the one flag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_lab import NOW, Lab, Person, people

from engine.ledger.runs import ENDED, ENDS, SIZES, Run
from engine.offers import Decision, Policy, Standing
from engine.plan.counting import NEW_AT_ONCE
from engine.plan.destination import Destination
from engine.plan.guard import FORCED, Permits, Refusal, guard
from engine.plan.plan import Plan, ShopFacts
from engine.plan.survey import survey

SHOP = ShopFacts(newest=NOW, rows=100, fingerprint="f")


@dataclass
class Bounded(Lab):
    """Two newcomers at once, and an offer of four codes or twenty euros."""

    most: int | None = 2

    @property
    def destination(self) -> Destination:
        everything = {"loyal": 1.0, "fresh": 1.0}
        return replace(super().destination, new_contacts=self.most, removable=everything)

    def ran(self, *, ends: dict[str, str] | None = None, shop: ShopFacts = SHOP) -> None:
        run = Run(command="run", started_at=NOW, now=NOW, config_hash="h", summary={})
        facts = {"rows": shop.rows, "newest": shop.newest, "fingerprint": shop.fingerprint}
        summary = {ENDS: {self.name: ENDED} if ends is None else ends}
        self.ledger.runs.end(self.ledger.runs.begin(run), summary=summary, exit_code=0, shop=facts)

    def guarded(self, made: Plan, *force: str) -> list[Refusal]:
        seen = survey(self.destination, self.connector(), self.ledger)
        permits = Permits(force=frozenset(force), is_approved=True)
        return guard(made, self.ledger, {self.name: seen}, permits)


@pytest.fixture
def lab() -> Iterator[Bounded]:
    made = Bounded()
    yield made
    made.close()


def kinds(found: Sequence[Refusal]) -> list[str]:
    return [one.kind for one in found]


def assert_one_flag_lifts_it(lab: Bounded, made: Plan, kind: str) -> None:
    """The refusal's own flag lifts it; the flags of all others do not; the destination's lifts everything."""
    [refusal] = lab.guarded(made)
    assert refusal.kind == kind
    word, _, what = refusal.flag.partition(" ")
    assert word == "--force"
    assert lab.guarded(made, what) == []
    assert lab.guarded(made, lab.name) == []
    others = {f"{lab.name}/{one}" for one in (*FORCED, "loyal", "fresh", "offers.thanks")} - {what}
    assert kinds(lab.guarded(made, *others)) == [kind]
    assert lab.guarded(made, f"other/{what.partition('/')[2]}") != []


def test_more_newcomers_than_allowed_wait_for_somebody(lab: Bounded) -> None:
    lab.round(people(3))
    lab.ran()
    assert lab.guarded(lab.plan(people(5), shop=SHOP)) == []
    assert_one_flag_lifts_it(lab, lab.plan(people(6), shop=SHOP), "new_contacts")
    [refusal] = lab.guarded(lab.plan(people(6), shop=SHOP))
    assert refusal.message == "news: 3 contacts would come there for the first time: more than 2 at once"
    assert refusal.lets_consent_pass


@given(there=st.integers(1, 8), more=st.integers(0, 8), most=st.integers(0, 8))
@settings(max_examples=25, deadline=None)
def test_newcomers_are_refused_exactly_above_the_bound(there: int, more: int, most: int) -> None:
    lab = Bounded(most=most)
    lab.round(people(there))
    lab.ran()
    found = lab.guarded(lab.plan(people(there + more), shop=SHOP))
    assert kinds(found) == (["new_contacts"] if more > most else [])
    lab.close()


def test_the_first_load_is_let_pass_until_it_has_come_to_its_end(lab: Bounded) -> None:
    assert lab.guarded(lab.plan(people(9), shop=SHOP)) == []
    lab.round(people(3))
    lab.ran(ends={"another": ENDED})
    assert lab.guarded(lab.plan(people(9), shop=SHOP)) == [], "stopped before its end"
    lab.ran()
    assert kinds(lab.guarded(lab.plan(people(9), shop=SHOP))) == ["new_contacts"]


def test_without_a_number_a_thousand_or_a_tenth_of_those_there_may_come(lab: Bounded) -> None:
    lab.most = None
    assert lab.plan(people(3)).destinations[0].most_new == NEW_AT_ONCE
    lab.most = 0
    assert lab.plan(people(3)).destinations[0].most_new == 0


@pytest.mark.parametrize(
    ("shop", "kind"),
    [
        (replace(SHOP, newest=NOW - timedelta(microseconds=1)), "older_shop"),
        (replace(SHOP, rows=49), "smaller_shop"),
    ],
)
def test_a_shop_older_or_far_smaller_is_refused_by_its_own_flag(lab: Bounded, shop: ShopFacts, kind: str) -> None:
    lab.round(people(3))
    lab.ran()
    assert lab.guarded(lab.plan(people(4), shop=replace(SHOP, rows=50))) == []
    assert_one_flag_lifts_it(lab, lab.plan(people(4), shop=shop), kind)


@dataclass
class Guarded(Lab):
    """One list with the guards that every list has, and a jump of half."""

    segments: tuple[str, ...] = ("loyal",)

    @property
    def destination(self) -> Destination:
        return replace(super().destination, jumps={"loyal": 0.5})


@pytest.mark.parametrize(
    ("there", "below", "above", "kind"),
    [(10, 7, 6, "removals"), (20, 14, 13, "removals"), (9, 1, 0, "emptied"), (1, 1, 0, "emptied")],
)
def test_a_list_loses_up_to_its_share_and_never_everybody_unasked(
    there: int, below: int, above: int, kind: str
) -> None:
    lab = Guarded()
    lab.round(people(there))
    assert_list_guard(lab, people(below), people(above), kind)
    lab.close()


@pytest.mark.parametrize(("seen", "below", "above"), [(20, 30, 31), (4, 9, 10)])
def test_a_segment_grows_up_to_its_jump_and_no_further_unasked(seen: int, below: int, above: int) -> None:
    lab = Guarded()
    run = Run(command="run", started_at=NOW, now=NOW, config_hash="h", summary={})
    lab.ledger.runs.end(lab.ledger.runs.begin(run), summary={SIZES: {"loyal": seen}}, exit_code=0)
    assert_list_guard(lab, people(below), people(above), "jump")
    lab.close()


def assert_list_guard(lab: Lab, below: list[Person], above: list[Person], kind: str) -> None:
    def found(who: list[Person], *force: str) -> list[str]:
        permits = Permits(force=frozenset(force), is_approved=True)
        return kinds(guard(lab.plan(who), lab.ledger, {}, permits))

    assert found(below) == []
    assert found(above) == [kind]
    assert found(above, "news/loyal") == []
    assert found(above, "news") == []
    assert found(above, *(f"news/{one}" for one in (*FORCED, "fresh", "offers.thanks")), "other/loyal") == [kind]


def offer(codes: int | None = None, money: str | None = None) -> Policy:
    end = datetime(2028, 1, 1, tzinfo=NOW.tzinfo)
    return Policy(
        name="thanks", segment="loyal", prefix="", value="5", minimum=None, percent=None, amount=Decimal(5),
        valid_until=end, cooled_since=None, most_codes=codes, most_money=None if money is None else Decimal(money),
    )  # fmt: skip


def issues(who: Sequence[Person], policy: Policy) -> Decision:
    count = len(who)
    budget = {"most_codes": policy.most_codes, "most_money": policy.most_money}
    standing = Standing(offer="thanks", codes=0, cost=Decimal(0), **budget)
    table = pa.table(
        {
            "offer": ["thanks"] * count,
            "customer_id": [one.id for one in who],
            "cost": pa.array([Decimal("5.0000")] * count, pa.decimal128(18, 4)),
        }
    )
    return Decision(issues=table, standings=(standing,))


@pytest.mark.parametrize(
    ("policy", "kind"), [(offer(codes=4), "budget_codes"), (offer(money="20"), "budget_money")], ids=["codes", "money"]
)
def test_an_offer_issues_up_to_its_budget_and_not_a_code_more(lab: Bounded, policy: Policy, kind: str) -> None:
    who = people(5)
    lab.round(who)
    below, above = (lab.plan(who, issues=issues(who[:count], policy)) for count in (4, 5))
    assert lab.guarded(below) == []
    assert_one_flag_lifts_it(lab, above, kind)
    [refusal] = lab.guarded(above)
    assert (refusal.target, refusal.flag) == ("offers.thanks", "--force news/offers.thanks")
    assert ("5 codes" if kind == "budget_codes" else "€25") in refusal.message
    assert ("5 codes" if kind == "budget_codes" else "25 €") in refusal.told("fr")


def test_an_offer_that_nothing_here_carries_is_no_matter_of_this_destination(lab: Bounded) -> None:
    lab.tags = lab.tags[:1]
    who = people(5)
    lab.round(who)
    assert lab.guarded(lab.plan(who, issues=issues(who, offer(codes=4)))) == []
