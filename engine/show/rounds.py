"""Views of what moves: plans, pushes, pulls, whole rounds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from engine import run
from engine.show.blocks import Note, Tone
from engine.show.differences import difference
from engine.show.erasing import erasure_lines
from engine.show.planning import agreement, effects, issues, objections, refused
from engine.show.screen import heading, table
from engine.show.terminal import lines, note
from engine.show.views import pairs, spoken, stacked, view
from engine.words import number, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.engagement.totals import Compared
    from engine.plan.guard import Refusal
    from engine.push.result import Result
    from engine.push.verifying import Proof

__all__ = ["plan_lines", "push_lines"]

_REASONS = 2  # of a destination; documents and --json tell all
_KINDS = ("AddContact", "SetTraits", "ClearTraits", "AddMember", "RemoveMember", "Suppress")
_CODES = "AddCode"  # shown where there are any: few clients have pools


@view.register
def _(result: run.Planned, lang: str) -> RenderableType:
    return stacked(_planned(result, lang))


def _planned(result: run.Planned, lang: str) -> Iterator[RenderableType]:
    yield from plan_lines(result, lang)
    if result.plan.destinations:
        yield Text()
        yield Text(say("plan.checksum", lang, checksum=result.plan.checksum))
        yield from lines(agreement(result, lang, is_typed=True))
    for file in result.documents:
        yield Text(say("plan.written", lang, file=file))


def plan_lines(result: run.Planned, lang: str) -> Iterator[RenderableType]:
    """Each destination's difference, codes and their cost, what it sets off, and what speaks against it."""
    plan = result.plan
    found = [
        *(difference(one, lang, is_brief=True) for one in plan.destinations),
        *issues(plan, lang),
        *([effects(plan, lang)] if plan.destinations else []),
        *objections(result, lang, most=_REASONS),
    ]
    if not plan.destinations:
        yield note(Note(say("plan.nowhere", lang), Tone.WARN))
    for place, part in enumerate(found):
        yield from [Text()] if place else []
        yield from lines(part)


def refusals(found: Sequence[Refusal], lang: str) -> Iterator[RenderableType]:
    """What the guard refuses at each destination, the first reasons in words, and the flags that override them."""
    yield from (note(one) for one in refused(found, lang, most=_REASONS))


def _unreachable(found: object, lang: str) -> Iterator[RenderableType]:
    for name, why in found:  # type: ignore[attr-defined]  # items of a mapping
        yield Text("✗ " + say("plan.unreachable", lang, name=name, why=spoken(str(why))), style="red")


@view.register
def _(result: run.Pushed, lang: str) -> RenderableType:
    return stacked(push_lines(result, lang))


def push_lines(result: run.Pushed, lang: str) -> Iterator[RenderableType]:
    """What each destination carried, what it refused, and what reading back proves."""
    yield from (Text(f"! {warning}", style="yellow") for warning in result.warnings)
    is_pooled = any(one.applied[_CODES] + one.noop[_CODES] for one in result.results)
    kinds = (*_KINDS, _CODES) if is_pooled else _KINDS
    columns = [("", False), *((say(f"push.{kind}", lang), True) for kind in kinds), (say("push.calls", lang), True)]
    if result.results:
        yield table(columns, [_carried(one, kinds, lang) for one in result.results])
    for one in result.results:
        yield from _trouble(one, lang)
    yield from refusals(result.refusals, lang)
    yield from _unreachable(result.unreachable.items(), lang)
    yield from _proofs(result.proofs, lang)
    if result.results and not (result.refusals or result.unreachable or any(map(_is_busy, result.results))):
        yield Text(say("push.nothing", lang), style="green")
    if result.exported and not (result.minted or result.renewed):
        yield Text(say("push.exported", lang, file=result.exported))
    for fate in ("minted", "renewed"):
        if count := getattr(result, fate):
            yield Text(say(f"push.{fate}", lang, count=count, file=result.exported))


def _carried(one: Result, kinds: Sequence[str], lang: str) -> tuple[str, ...]:
    counts = [one.applied[kind] + one.noop[kind] for kind in kinds]
    return (one.name, *(number(count, lang) if count else "–" for count in counts), number(one.calls, lang))


def _is_busy(one: Result) -> bool:
    """Whether there was anything to do."""
    counts = (*one.applied.values(), *one.noop.values(), *one.withheld.values(), *one.settled.values())
    return bool(any(counts) or one.rejected or one.pending or one.error or one.stopped)


def _trouble(one: Result, lang: str) -> Iterator[RenderableType]:
    if one.error:
        yield Text(f"✗ {one.name}: {spoken(str(one.error))}", style="red")
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
        counts = {"lists": lists, "values": len(found) - lists}
        what = ", ".join(say(f"push.read_{kind}", lang, count=count) for kind, count in counts.items() if count)
        yield Text(say(f"push.{verdict}", lang, what=what), style=style)


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
    for fate in ("unsent", "by_another", "merged"):
        if count := getattr(result, fate):
            yield Text("! " + say(f"pull.codes_{fate}", lang, count=count), style="yellow")
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
