"""Views of what moves: plans, pushes, pulls, whole rounds."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from engine import run
from engine.offers import Confirmed
from engine.show.erasing import erasure_lines
from engine.show.screen import heading, table
from engine.show.views import pairs, stacked, view
from engine.words import amount, number, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.engagement.totals import Compared
    from engine.plan.estimate import Estimate
    from engine.plan.guard import Refusal
    from engine.plan.plan import Plan
    from engine.plan.summary import DestinationSummary
    from engine.push.result import Result
    from engine.push.verifying import Proof

__all__ = ["plan_lines", "push_lines"]

_MINUTES = 180.0  # seconds from which time is told in minutes
_REASONS = 2  # of a destination; --json tells all
_KINDS = ("AddContact", "SetTraits", "ClearTraits", "AddMember", "RemoveMember", "Suppress")
_CODES = "AddCode"  # shown where there are any: few clients have pools


@view.register
def _(result: run.Planned, lang: str) -> RenderableType:
    return stacked(_planned(result, lang))


def _planned(result: run.Planned, lang: str) -> Iterator[RenderableType]:
    yield from plan_lines(result, lang)
    yield Text(say("plan.checksum", lang, checksum=result.plan.checksum))
    if result.file:
        yield Text(say("plan.file", lang, file=result.file))
    for warning in result.warnings:
        yield Text(f"! {warning}", style="yellow")


def plan_lines(result: run.Planned, lang: str) -> Iterator[RenderableType]:
    """Each destination's difference, codes and their cost, and what the guard says."""
    for summary in result.plan.destinations:
        yield from _destination(summary, lang)
        yield Text()
    yield from _codes(result.plan, lang)
    resubscribed = sum(one.resubscriptions for one in result.plan.destinations)
    yield Text(say("plan.resubscriptions", lang, count=resubscribed), style="green" if not resubscribed else "bold red")
    yield from refusals(result.refusals, lang)
    yield from _unreachable(result.unreachable.items(), lang)


def _cost(cost: Estimate, lang: str) -> str:
    """Calls, polls and time: minutes where seconds would be many."""
    unit, each = ("s", 1) if cost.seconds_most < _MINUTES else ("min", 60)
    least, most = (math.ceil(seconds / each) for seconds in (cost.seconds, cost.seconds_most))
    about = {"time": f"{_span(least, most, lang)} {unit}", "polls": _span(cost.polls, cost.polls_most, lang)}
    return say("plan.calls_polls" if cost.polls_most else "plan.calls", lang, count=cost.calls, **about)


def _span(least: int, most: int, lang: str) -> str:
    return number(least, lang) if least == most else f"{number(least, lang)}–{number(most, lang)}"


def _destination(summary: DestinationSummary, lang: str) -> Iterator[RenderableType]:
    calls = _cost(summary.estimate, lang)
    yield Text.assemble((summary.name, "bold"), f" ({summary.connector})  ", (calls, "dim"))
    rows = [
        (f"  {one.title}{' *' if one.is_new else ''}", *(number(count, lang) for count in (one.before, one.joins, one.leaves, one.after)))
        for one in summary.targets
    ]  # fmt: skip
    keys = ("plan.list", "plan.before", "plan.in", "plan.out", "plan.after")
    yield table([(say(key, lang), key != "plan.list") for key in keys], rows)
    if summary.lists_created or summary.fields_created:
        yield Text(
            "  " + say("plan.created", lang, lists=len(summary.lists_created), fields=len(summary.fields_created))
        )
    yield Text(
        "  "
        + say(
            "plan.contacts", lang, new=number(summary.contacts_new, lang), before=number(summary.contacts_before, lang)
        )
    )
    facts = [
        ("plan.values", sum(summary.values.values())),
        ("plan.cleared", sum(summary.cleared.values())),
        ("plan.suppressed", summary.suppressed),
        ("plan.held_out", summary.held_out),
        ("plan.withheld", summary.withheld),
        ("plan.on_its_way", summary.on_its_way),
    ]
    told = ", ".join(say(key, lang, count=count) for key, count in facts if count)
    if told:
        yield Text(f"  {told}")
    for pool in summary.pools:
        counts = {name: number(getattr(pool, name), lang) for name in ("before", "joins", "waiting")}
        yield Text("  " + say("plan.pool", lang, title=f"{pool.title}{' *' if pool.is_new else ''}", **counts))
    for tag, reasons in summary.unfit.items():
        yield Text("  " + say("plan.unfit", lang, tag=tag, reasons=pairs(reasons, "reasons", lang)), style="yellow")
    if summary.blocked:
        yield Text("  " + say("plan.blocked", lang, reasons=pairs(summary.blocked, "plan", lang)))


def _codes(plan: Plan, lang: str) -> Iterator[RenderableType]:
    pools = {pool.name for one in plan.destinations for pool in one.pools}
    for issue in plan.issues:
        if issue.highest_cost is None:
            yield Text(say("plan.codes_unknown", lang, count=issue.codes, offer=issue.offer))
            continue
        cost = amount(issue.highest_cost, plan.currency, lang)
        key = "plan.codes_pool" if issue.offer in pools else "plan.codes"
        yield Text(say(key, lang, count=issue.codes, offer=issue.offer, cost=cost))


def refusals(found: Sequence[Refusal], lang: str) -> Iterator[RenderableType]:
    """What the guard refuses at each destination, the first reasons in words, and the flags that override them."""
    for name in dict.fromkeys(one.destination for one in found):
        mine = [one for one in found if one.destination == name]
        for one in mine[:_REASONS]:
            is_waiting = one.kind == "unapproved"
            yield Text(f"{'…' if is_waiting else '✗'} {one.told(lang)}", style="yellow" if is_waiting else "red")
        if len(mine) > _REASONS:
            yield Text("  " + say("guard.more", lang, count=len(mine) - _REASONS))
        flags = " ".join(dict.fromkeys(one.flag for one in mine))
        yield Text("  " + say("guard.flag", lang, flag=flags), style="dim")


def _unreachable(found: object, lang: str) -> Iterator[RenderableType]:
    for name, why in found:  # type: ignore[attr-defined]  # items of a mapping
        yield Text(f"✗ {say('push.unreachable', lang, name=name)}: {why}", style="red")


@view.register
def _(result: run.Pushed, lang: str) -> RenderableType:
    return stacked(push_lines(result, lang))


def push_lines(result: run.Pushed, lang: str) -> Iterator[RenderableType]:
    """What each destination carried, what it refused, and what reading back proves."""
    is_pooled = any(one.applied[_CODES] + one.noop[_CODES] for one in result.results)
    kinds = (*_KINDS, _CODES) if is_pooled else _KINDS
    columns = [("", False), *((say(f"push.{kind}", lang), True) for kind in kinds), (say("push.calls", lang), True)]
    yield table(columns, [_carried(one, kinds, lang) for one in result.results])
    for one in result.results:
        yield from _trouble(one, lang)
    yield from refusals(result.refusals, lang)
    yield from _unreachable(result.unreachable.items(), lang)
    yield from _proofs(result.proofs, lang)
    if result.exported and not result.minted:
        yield Text(say("push.exported", lang, file=result.exported))
    if result.minted:
        yield Text(say("push.minted", lang, count=result.minted, file=result.exported))


def _carried(one: Result, kinds: Sequence[str], lang: str) -> tuple[str, ...]:
    counts = [one.applied[kind] + one.noop[kind] for kind in kinds]
    return (one.name, *(number(count, lang) if count else "–" for count in counts), number(one.calls, lang))


def _trouble(one: Result, lang: str) -> Iterator[RenderableType]:
    if one.error:
        yield Text(f"✗ {one.name}: {one.error}", style="red")
    if one.stopped:
        yield Text(f"… {say('push.stopped', lang, name=one.name)}", style="yellow")
    for (reason, words), count in Counter((bad.reason.value, bad.words) for bad in one.rejected).most_common(5):
        told = f"{say(f'reasons.{reason}', lang)}{f' ({words})' if words else ''}"
        yield Text(say("push.rejected", lang, count=count, name=one.name, reason=told), style="yellow")
    if one.withheld:
        yield Text(say("push.withheld", lang, name=one.name, reasons=pairs(one.withheld, "withheld", lang)))
    if one.pending:
        yield Text(say("push.pending", lang, count=one.pending, name=one.name))
    if settled := sum(one.settled.values()):
        yield Text(say("push.settled", lang, count=settled, name=one.name))


def _proofs(proofs: Sequence[Proof], lang: str) -> Iterator[RenderableType]:
    for verdict, style in (("proven", "green"), ("unproven", "yellow"), ("different", "red")):
        found = [proof for proof in proofs if proof.verdict.value == verdict]
        if not found:
            continue
        lists = sum(1 for proof in found if proof.segment)
        yield Text(say(f"push.{verdict}", lang, lists=lists, pages=len(found) - lists), style=style)


@view.register
def _(result: run.PulledAll, lang: str) -> RenderableType:
    return stacked(pull_lines(result, lang))


def pull_lines(result: run.PulledAll, lang: str) -> Iterator[RenderableType]:
    """Events and departures by destination."""
    kinds = ("send", "open", "click", "bounce", "unsubscribe", "complaint")
    columns = [("", False), *((say(f"events.{kind}", lang), True) for kind in kinds), (say("pull.left", lang), True)]
    rows = [
        (one.destination, *(number(one.events.get(kind, 0), lang) for kind in kinds), number(one.suppressions, lang))
        for one in result.destinations
        if not one.error
    ]
    yield table(columns, rows)
    yield from _unreachable(result.failed.items(), lang)
    if result.redeemed or result.expired:
        yield Text(
            say("pull.codes", lang, redeemed=number(result.redeemed, lang), expired=number(result.expired, lang))
        )
    for erasure in result.erasures:
        yield from erasure_lines(erasure, lang)
    for one in result.totals:
        yield from _totals(one, lang)


def _totals(one: Compared, lang: str) -> Iterator[RenderableType]:
    """The campaigns of a destination, and where its report says otherwise."""
    yield Text()
    if one.error:
        yield Text(say("pull.unreported", lang, name=one.destination, error=one.error), style="yellow")
        return
    count, differing = number(one.campaigns, lang), len({found.campaign for found in one.differences})
    if not differing:
        yield Text(say("pull.agrees", lang, name=one.destination, count=count), style="green")
        return
    yield Text(say("pull.differs", lang, name=one.destination, count=count, differing=differing), style="yellow")
    titles = [
        (say(f"pull.{word}", lang), word in {"ours", "theirs"}) for word in ("campaign", "what", "ours", "theirs")
    ]
    rows = [
        (found.campaign, say(f"events.{found.kind.value}", lang), number(found.ours, lang), number(found.theirs, lang))
        for found in one.differences
    ]
    yield table(titles, rows)


@view.register
def _(result: run.Round, lang: str) -> RenderableType:
    return stacked(_round(result, lang))


def _round(result: run.Round, lang: str) -> Iterator[RenderableType]:
    yield heading(say("run.pulled", lang))
    yield from pull_lines(result.pulled, lang)
    yield Text()
    yield heading(say("run.planned", lang))
    yield from plan_lines(run.Planned(plan=result.planned.plan), lang)
    yield Text()
    yield heading(say("run.pushed", lang))
    yield from push_lines(result.pushed, lang)


@view.register
def _(result: run.Approved, lang: str) -> RenderableType:
    return Text(say("approve.done", lang, by=result.by, names=", ".join(result.destinations)))


@view.register
def _(result: run.Retried, lang: str) -> RenderableType:
    return Text(say("rejected.retried", lang, count=result.changes))


@view.register
def _(result: run.Exported, lang: str) -> RenderableType:
    return Text(say("codes.written", lang, count=result.codes, file=result.file))


@view.register
def _(result: Confirmed, lang: str) -> RenderableType:
    return Text(
        say(
            "codes.taken",
            lang,
            count=result.moved,
            known=number(result.known, lang),
            unknown=number(result.unknown, lang),
        )
    )
