"""Refuse plans that frighten: each refusal names the destination, the reason, and the flag that overrides it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import GuardRefused

if TYPE_CHECKING:
    from engine.ledger import Ledger
    from engine.plan.plan import DestinationSummary, Plan, TargetSummary
    from engine.plan.survey import Survey

__all__ = ["Permits", "Refusal", "guard", "refuse"]

_OF_LISTS = {"removals", "emptied", "jump", "gone", "foreign"}
SMALL = 10  # members: below it, shares say nothing
SHRUNK = 0.5  # of the rows of the last run that the shop must still have


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """What a person allowed by flags: `force` and `recreate` hold "destination" or "destination/segment"."""

    force: frozenset[str] = frozenset()
    recreate: frozenset[str] = frozenset()
    is_approved: bool = False  # `push --yes`

    def forces(self, destination: str, segment: str | None = None) -> bool:
        """Whether the flag covers it."""
        return destination in self.force or (segment is not None and f"{destination}/{segment}" in self.force)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One reason not to push one destination."""

    destination: str
    kind: str  # removals, emptied, jump, older_shop, smaller_shop, account, gone, foreign, unapproved
    message: str
    flag: str
    target: str | None = None

    @property
    def lets_consent_pass(self) -> bool:
        """Only lists frighten: that people left still reaches the destination, since consent can only fall."""
        return self.kind in _OF_LISTS


def guard(plan: Plan, ledger: Ledger, surveys: Mapping[str, Survey], permits: Permits) -> list[Refusal]:
    """Every refusal that no permit lifts; destinations without one may be pushed."""
    found: list[Refusal] = []
    sizes = ledger.runs.last_sizes()
    for summary in plan.destinations:
        seen = surveys.get(summary.name)
        found += _account(summary, ledger, seen)
        found += _gone(seen, permits) if seen else ()
        found += _approval(plan, summary, ledger, permits)
        if not permits.forces(summary.name):
            found += _shop(plan, summary, ledger)
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
    about = f"{summary.name}: {target.leaves} of {target.before} members would leave '{target.title}'"
    if target.before and target.leaves and target.after == 0 and target.removable < 1:
        yield Refusal(
            destination=summary.name, target=target.name, kind="emptied", flag=flag,
            message=f"{about}, which would be empty",
        )  # fmt: skip
    elif target.before >= SMALL and target.leaves > target.removable * target.before:
        yield Refusal(
            destination=summary.name, target=target.name, kind="removals", flag=flag,
            message=f"{about}: more than {target.removable:.0%}",
        )  # fmt: skip


def _jump(summary: DestinationSummary, target: TargetSummary, sizes: Mapping[str, int]) -> Iterator[Refusal]:
    """R-GRD-02: the segment grew or shrank by more than its bound since the last run; small ones count as ten."""
    before = sizes.get(target.name)
    if target.jump is None or target.counts is None or before is None or not (target.joins or target.leaves):
        return
    now = target.counts.matched
    if abs(now - before) > target.jump * max(before, SMALL):
        message = f"{summary.name}: '{target.name}' has {now} customers, and the last run saw {before}: a jump of more than {target.jump:.0%}"
        yield Refusal(
            destination=summary.name, target=target.name, kind="jump", flag=f"--force {summary.name}/{target.name}", message=message,
        )  # fmt: skip


def _shop(plan: Plan, summary: DestinationSummary, ledger: Ledger) -> Iterator[Refusal]:
    last = ledger.runs.last_shop()
    if last is None or summary.changes == 0:
        return
    flag = f"--force {summary.name}"
    newest = plan.shop.newest
    if newest is not None and last.newest is not None and newest < last.newest:
        message = f"{summary.name}: the shop's data ends {newest:%Y-%m-%d %H:%M:%S}, and the last run saw {last.newest:%Y-%m-%d %H:%M:%S} (UTC)"
        yield Refusal(destination=summary.name, kind="older_shop", message=message, flag=flag)
    if plan.shop.rows is not None and last.rows and plan.shop.rows < SHRUNK * last.rows:
        message = f"{summary.name}: the shop has {plan.shop.rows} rows, and the last run saw {last.rows}"
        yield Refusal(destination=summary.name, kind="smaller_shop", message=message, flag=flag)


def _account(summary: DestinationSummary, ledger: Ledger, seen: Survey | None) -> Iterator[Refusal]:
    known = ledger.accounts.get(summary.name)
    now = seen.account.id if seen else summary.account
    if known is not None and now is not None and now != known:
        message = f"{summary.name}: the key opens account {now}, and until now it was {known}"
        flag = "give the other account a destination of its own name"
        yield Refusal(destination=summary.name, kind="account", message=message, flag=flag)


def _gone(seen: Survey, permits: Permits) -> Iterator[Refusal]:
    for name in seen.gone:
        key = f"{seen.destination}/{name}"
        if key not in permits.recreate:
            yield Refusal(
                destination=seen.destination, target=name, kind="gone", flag=f"--recreate {key}",
                message=f"{seen.destination}: the list of '{name}' is not there any more",
            )  # fmt: skip
    for name in seen.foreign:
        yield Refusal(
            destination=seen.destination, target=name, kind="foreign", flag=f"prefix of destinations.{seen.destination}",
            message=f"{seen.destination}: a list with the name of '{name}' exists there and is not ours",
        )  # fmt: skip


def _approval(plan: Plan, summary: DestinationSummary, ledger: Ledger, permits: Permits) -> Iterator[Refusal]:
    """The first push to an account needs a person's approval."""
    if permits.is_approved or ledger.accounts.get(summary.name) is not None or summary.changes == 0:
        return
    if summary.name in ledger.approvals.of(plan.checksum) or ledger.approvals.ever(summary.name):
        return
    yield Refusal(
        destination=summary.name, kind="unapproved", flag="push --yes, or plan --out FILE and approve FILE --by NAME",
        message=f"{summary.name}: the first push to this account needs an approval",
    )  # fmt: skip
