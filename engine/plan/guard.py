"""Refuse plans that frighten: each refusal names the destination, the reason, and the flag that overrides it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.errors import GuardRefused
from engine.plan.rows import UNDO
from engine.words import amount, knows, number, say, share

if TYPE_CHECKING:
    from engine.ledger import Ledger
    from engine.plan.plan import Plan
    from engine.plan.summary import DestinationSummary, IssueSummary, TargetSummary
    from engine.plan.survey import Survey

__all__ = ["FORCED", "Permits", "Refusal", "guard", "refuse"]

FORCED = ("guard.older_shop", "guard.smaller_shop", "guard.new_contacts")
"""What `--force DESTINATION/…` names besides segments and offers.NAME."""
_LET_CONSENT_PASS = {
    "undone",
    "removals",
    "emptied",
    "jump",
    "gone",
    "foreign",
    "new_contacts",
    "budget_codes",
    "budget_money",
}
SMALL = 10  # members: below it, shares say nothing
SHRUNK = 0.5  # of the rows of the last run that the shop must still have


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """What a person allowed by flags: `force` and `recreate` hold "destination" or "destination/what"."""

    force: frozenset[str] = frozenset()
    recreate: frozenset[str] = frozenset()
    is_approved: bool = False  # `push --yes`

    def forces(self, destination: str, what: str) -> bool:
        """Whether a flag covers it: the destination as a whole, or this (a segment, offers.NAME, one of FORCED)."""
        return destination in self.force or f"{destination}/{what}" in self.force


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One reason not to push one destination; `facts` are what its sentence in the catalogue (`guard.KIND`) tells.

    `flag`: what overrides it, in English; `way` says the same to people.
    """

    destination: str
    kind: str  # removals, emptied, jump, older_shop, smaller_shop, new_contacts, budget_codes, budget_money, account, gone, foreign, unapproved, undone
    flag: str
    target: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def lets_consent_pass(self) -> bool:
        """Lists, newcomers or codes frighten: that people left still reaches the destination, since consent can only fall."""
        return self.kind in _LET_CONSENT_PASS

    @property
    def message(self) -> str:
        """What it is, in English, as errors are."""
        return self.told("en")

    def told(self, lang: str) -> str:
        """What it is, for the marketer."""
        return say(
            f"guard.{self.kind}",
            lang,
            destination=self.destination,
            **{name: _said(fact, lang) for name, fact in self.facts.items()},
        )

    def way(self, lang: str) -> str:
        """What to do to go on: a flag as it is typed, anything else in the marketer's words."""
        kind = f"ways.{'pool' if self.kind == 'foreign' and str(self.target).startswith('offers.') else self.kind}"
        if not knows(kind):
            return self.flag
        return say(kind, lang, destination=self.destination, target=self.target)

    def document(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "destination": self.destination, "kind": self.kind, "target": self.target, "message": self.message, "flag": self.flag,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a sentence."""

    value: Decimal
    currency: str


def _said(fact: object, lang: str) -> str:
    if isinstance(fact, float):
        return share(fact, lang)
    if isinstance(fact, Money):
        return amount(fact.value, fact.currency, lang)
    if isinstance(fact, datetime):
        return f"{fact:%Y-%m-%d %H:%M:%S} UTC"
    return number(fact, lang) if isinstance(fact, int) else str(fact)


def guard(plan: Plan, ledger: Ledger, surveys: Mapping[str, Survey], permits: Permits) -> list[Refusal]:
    """Every refusal that no permit lifts; destinations without one may be pushed."""
    found: list[Refusal] = []
    sizes = ledger.runs.last_sizes()
    for summary in plan.destinations:
        seen = surveys.get(summary.name)
        found += _account(summary, ledger, seen)
        found += _gone(summary, seen, permits)
        found += _approval(plan, summary, ledger, permits)
        found += _held(plan, summary, ledger, permits)
        if ledger.runs.has_ended(summary.name, plan=plan.checksum):
            continue  # it was carried to its end: nothing is left in it that could frighten
        found += [
            one for one in _shop(plan, summary, ledger) if not permits.forces(one.destination, f"guard.{one.kind}")
        ]
        if not permits.forces(summary.name, "guard.new_contacts"):
            found += _new_contacts(summary, ledger)
        for issue in plan.issues:
            if issue.offer in summary.offers and not permits.forces(summary.name, f"offers.{issue.offer}"):
                found += _budget(plan, summary, issue)
        for target in summary.targets:
            if not permits.forces(summary.name, target.name):
                found += [*_removals(summary, target), *_jump(summary, target, sizes)]
    return found


def refuse(refusals: Sequence[Refusal]) -> None:
    """Raise GuardRefused when there is any refusal; the hint names every flag."""
    if not refusals:
        return
    first = refusals[0]
    more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
    flags = list(dict.fromkeys(refusal.flag for refusal in refusals))
    raise GuardRefused(first.message + more, place=f"destinations.{first.destination}", hint=" ".join(flags))


def _removals(summary: DestinationSummary, target: TargetSummary) -> Iterator[Refusal]:
    flag = f"--force {summary.name}/{target.name}"
    facts = {"leaves": target.leaves, "before": target.before, "title": target.title, "share": float(target.removable)}
    if target.before and target.leaves and target.after == 0 and target.removable < 1:
        yield Refusal(destination=summary.name, target=target.name, kind="emptied", flag=flag, facts=facts)
    elif target.before >= SMALL and target.leaves > target.removable * target.before:
        yield Refusal(destination=summary.name, target=target.name, kind="removals", flag=flag, facts=facts)


def _jump(summary: DestinationSummary, target: TargetSummary, sizes: Mapping[str, int]) -> Iterator[Refusal]:
    """R-GRD-02: the segment grew or shrank by more than its bound since the last run; small ones count as ten."""
    before = sizes.get(target.name)
    if target.jump is None or target.counts is None or before is None or not (target.joins or target.leaves):
        return
    now = target.counts.matched
    if abs(now - before) > target.jump * max(before, SMALL):
        flag = f"--force {summary.name}/{target.name}"
        facts = {"name": target.name, "now": now, "before": before, "share": float(target.jump)}
        yield Refusal(destination=summary.name, target=target.name, kind="jump", flag=flag, facts=facts)


def _new_contacts(summary: DestinationSummary, ledger: Ledger) -> Iterator[Refusal]:
    """More first-time contacts than any ordinary day brings; the first load, which a person approved, is let pass to its end."""
    if summary.most_new is None or summary.contacts_new <= summary.most_new or not ledger.runs.has_ended(summary.name):
        return
    flag = f"--force {summary.name}/guard.new_contacts"
    facts = {"new": summary.contacts_new, "most": summary.most_new}
    yield Refusal(destination=summary.name, kind="new_contacts", flag=flag, facts=facts)


def _budget(plan: Plan, summary: DestinationSummary, issue: IssueSummary) -> Iterator[Refusal]:
    """An offer that would issue more than it may, in codes or in money."""
    flag = f"--force {summary.name}/offers.{issue.offer}"
    codes, money = issue.issued + issue.codes, (issue.spent or 0) + (issue.highest_cost or 0)
    facts: dict[str, object] = {"offer": issue.offer}
    if issue.most_codes is not None and codes > issue.most_codes:
        facts |= {"now": codes, "most": issue.most_codes}
        yield Refusal(
            destination=summary.name, kind="budget_codes", target=f"offers.{issue.offer}", flag=flag, facts=facts
        )
    elif issue.most_money is not None and money > issue.most_money:
        facts |= {"now": Money(Decimal(money), plan.currency), "most": Money(issue.most_money, plan.currency)}
        yield Refusal(
            destination=summary.name, kind="budget_money", target=f"offers.{issue.offer}", flag=flag, facts=facts
        )


def _shop(plan: Plan, summary: DestinationSummary, ledger: Ledger) -> Iterator[Refusal]:
    last = ledger.runs.last_shop()
    if last is None or summary.changes == 0:
        return
    flag = f"--force {summary.name}/guard"
    newest = plan.shop.newest
    if newest is not None and last.newest is not None and newest < last.newest:
        facts: Mapping[str, object] = {"newest": newest, "before": last.newest}
        yield Refusal(destination=summary.name, kind="older_shop", flag=f"{flag}.older_shop", facts=facts)
    if plan.shop.rows is not None and last.rows and plan.shop.rows < SHRUNK * last.rows:
        facts = {"rows": plan.shop.rows, "before": last.rows}
        yield Refusal(destination=summary.name, kind="smaller_shop", flag=f"{flag}.smaller_shop", facts=facts)


def _account(summary: DestinationSummary, ledger: Ledger, seen: Survey | None) -> Iterator[Refusal]:
    known = ledger.accounts.get(summary.name)
    now = seen.account.id if seen else summary.account
    if known is not None and now is not None and now != known:
        flag = "give the other account a destination of its own name"
        yield Refusal(destination=summary.name, kind="account", flag=flag, facts={"now": now, "before": known})


def _gone(summary: DestinationSummary, seen: Survey | None, permits: Permits) -> Iterator[Refusal]:
    """Lists of ours that are gone, and lists of somebody else's under our names, as seen now or when the plan was made."""
    for name in seen.gone if seen else summary.gone:
        key = f"{summary.name}/{name}"
        if key not in permits.recreate:
            facts = {"name": name}
            yield Refusal(destination=summary.name, target=name, kind="gone", flag=f"--recreate {key}", facts=facts)
    for name in seen.foreign if seen else summary.foreign:
        other = f"another prefix in destinations.{summary.name}"
        flag = other if name.startswith("offers.") else f"ciblage adopt {summary.name}/{name} | {other}"
        yield Refusal(destination=summary.name, target=name, kind="foreign", flag=flag, facts={"name": name})


def _approval(plan: Plan, summary: DestinationSummary, ledger: Ledger, permits: Permits) -> Iterator[Refusal]:
    """The first push to an account needs a person's approval."""
    if permits.is_approved or ledger.accounts.get(summary.name) is not None or summary.changes == 0:
        return
    if summary.name in ledger.approvals.of(plan.checksum) or ledger.approvals.ever(summary.name):
        return
    flag = "approve FILE --by NAME | push --yes"
    yield Refusal(destination=summary.name, kind="unapproved", flag=flag)


def _held(plan: Plan, summary: DestinationSummary, ledger: Ledger, permits: Permits) -> Iterator[Refusal]:
    """Where a run was taken back the next one would do it again: a person approves that first."""
    held = ledger.holds.of().get(summary.name)
    if held is None or permits.is_approved or summary.changes == 0:
        return
    if _takes_back(plan, summary) or summary.name in ledger.approvals.of(plan.checksum):
        return
    facts = {"run": held.run}
    yield Refusal(destination=summary.name, kind="undone", flag="push --plan FILE, approved | push --yes", facts=facts)


def _takes_back(plan: Plan, summary: DestinationSummary) -> bool:
    import pyarrow.compute as pc

    return any(UNDO in pc.unique(chunk).to_pylist() for chunk in plan.of(summary.name)["why"].chunks)
