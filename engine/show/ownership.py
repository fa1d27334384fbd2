"""Views of what happened and of what is ours: history, a run taken back, what others changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from engine import upkeep
from engine.ownership.drifting import ListState
from engine.ownership.story import History, Told
from engine.show.rounds import plan_lines, push_lines
from engine.show.screen import heading, table
from engine.show.views import pairs, stacked, view
from engine.words import knows, moment, number, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from engine.ownership.drifting import Drift, ValueDrift
    from engine.ownership.site import Undone
    from engine.ownership.story import Did

_FEW = 8  # the same where they stand in a table
_CHECKSUM = 12  # digits that tell plans and configs apart on the screen


@view.register
def _(result: History, lang: str) -> RenderableType:
    columns = [("history.run", True), ("history.command", False), ("history.started", False), ("history.ended", False),
               ("history.exit", True), ("history.changes", True), ("history.plan", False)]  # fmt: skip
    rows = [
        (
            str(one.id), one.command, moment(one.started_at, lang), _ended(one, lang),
            "–" if one.exit_code is None else str(one.exit_code),
            number(one.changes, lang) if one.destinations else "–",
            f"{(one.plan or '–')[:_FEW]}{' ×' if one.has_changed and not one.is_kept else ''}",
        )
        for one in result.runs
    ]  # fmt: skip
    return table([(say(key, lang), is_number) for key, is_number in columns], rows)


def _told_at(at: datetime, lang: str) -> str:
    return f"{moment(at, lang)} {at:%Z}"


def _ended(one: Told, lang: str) -> str:
    if one.ended_at is None:
        return say("history.died", lang)
    return f"{one.ended_at:%H:%M}"


@view.register
def _(result: Told, lang: str) -> RenderableType:
    return stacked(_told(result, lang))


def _told(one: Told, lang: str) -> Iterator[RenderableType]:
    yield heading(say("history.one", lang, run=one.id, command=one.command))
    facts = [
        ("started", _told_at(one.started_at, lang)),
        ("ended", say("history.died", lang) if one.ended_at is None else _told_at(one.ended_at, lang)),
        ("now", _told_at(one.now, lang)),
        ("exit", "–" if one.exit_code is None else str(one.exit_code)),
        ("config", one.config_hash[:_CHECKSUM]),
        ("plan", one.plan or "–"),
        ("data", "–" if one.fingerprint is None else one.fingerprint[:_CHECKSUM]),
        ("newest", "–" if one.newest is None else _told_at(one.newest, lang)),
        ("rows", "–" if one.rows is None else number(one.rows, lang)),
    ]
    yield table([("", False), ("", False)], [(say(f"history.{key}", lang), text) for key, text in facts])
    for agreed in one.approved:
        yield Text(say("history.approved", lang, name=agreed.destination, by=agreed.by, at=_told_at(agreed.at, lang)))
    if one.by:
        yield Text(say("approve.done", lang, by=one.by, names=(one.plan or "")[:_CHECKSUM]))
    if one.undoes:
        yield Text(say("history.undoes", lang, run=one.undoes))
    for did in one.destinations:
        yield Text()
        yield Text(did.destination, style="bold")
        yield from _did(did, lang)
    if one.has_changed:
        yield Text()
        key = "history.undoable" if one.is_kept else "history.pruned"
        yield Text(say(key, lang, run=one.id), style="dim")


def _did(did: Did, lang: str) -> Iterator[RenderableType]:
    done = [
        (say(f"push.{kind}", lang) if knows(f"push.{kind}") else kind, number(count, lang))
        for kind, count in {**did.noop, **did.applied}.items()
    ]
    if done:
        yield Text("  " + ", ".join(f"{word} {count}" for word, count in done))
    else:
        yield Text("  " + say("history.nothing", lang), style="dim")
    if did.rejected:
        yield Text("  " + say("history.rejected", lang, reasons=pairs(did.rejected, "reasons", lang)), style="yellow")
    if did.withheld:
        yield Text(
            "  " + say("push.withheld", lang, name=did.destination, reasons=pairs(did.withheld, "withheld", lang))
        )
    if did.error:
        yield Text(f"  ✗ {did.error}", style="red")
    if did.stopped:
        yield Text("  … " + say("push.stopped", lang, name=did.destination), style="yellow")


@view.register
def _(result: upkeep.Adopted, lang: str) -> RenderableType:
    return stacked(_adopted(result, lang))


def _adopted(result: upkeep.Adopted, lang: str) -> Iterator[RenderableType]:
    if result.why is not None:
        yield Text(f"✗ {result.destination}: {result.why}", style="red")
        return
    name = f"{result.destination}/{result.segment}"
    yield heading(say("adopt.taken" if result.is_taken else "adopt.would", lang, title=result.title, name=name))
    yield Text(say("adopt.there", lang, count=result.there))
    yield Text(say("adopt.joins", lang, count=result.joins, ours=number(result.ours_there, lang)))
    if result.said_no:
        yield Text(say("adopt.said_no", lang, count=result.said_no), style="yellow")
    if not result.is_taken:
        yield Text(say("adopt.carry", lang, name=name))


@view.register
def _(result: upkeep.Drifted, lang: str) -> RenderableType:
    return stacked(_drifted(result, lang))


def _drifted(result: upkeep.Drifted, lang: str) -> Iterator[RenderableType]:
    for one in result.destinations:
        yield Text(one.destination, style="bold")
        yield from _drift(one, lang)
        yield Text()
    if result.pushed is not None:
        yield from push_lines(result.pushed, lang)
    elif result.planned is not None:
        yield from plan_lines(result.planned, lang)
        yield Text(say("plan.checksum", lang, checksum=result.planned.plan.checksum))
        if result.planned.file:
            yield Text(say("plan.written", lang, file=result.planned.file))
        yield Text(say("drift.carry", lang))
    elif any(one.found for one in result.destinations):
        yield Text(say("drift.repair", lang))


def _drift(one: Drift, lang: str) -> Iterator[RenderableType]:
    if one.why is not None:
        yield Text(f"  {one.why}", style="red")
        return
    if one.other_account is not None:
        yield Text("  " + say("drift.account", lang, account=one.other_account), style="red")
        return
    words = ("list", "ours", "there", "missing", "gone", "suppressed", "foreign", "unproven")
    rows = [
        (
            f"  {found.title}",
            number(found.ours, lang),
            "–" if found.there is None else number(found.there, lang),
            *(number(count, lang) if (count := getattr(found, word)) else "–" for word in words[3:]),
        )
        for found in one.lists
    ]
    if rows:
        yield table([(say(f"drift.{word}", lang), word != "list") for word in words], rows)
    for found in one.lists:
        if found.state is not ListState.THERE:
            key = "gone_list" if found.state is ListState.GONE else found.state.value
            yield Text("  " + say(f"drift.{key}", lang, title=found.title), style="yellow")
    for value in one.values:
        yield from _value(value, lang)
    if one.looked is None:
        yield Text("  " + say("drift.no_values", lang), style="dim")
    if not one.found and all(found.state is not ListState.UNREAD for found in one.lists):
        yield Text("  " + say("drift.nothing", lang), style="green")


def _value(value: ValueDrift, lang: str) -> Iterator[RenderableType]:
    if value.changed:
        yield Text("  " + say("drift.changed", lang, count=value.changed, tag=value.tag), style="yellow")
    for sample in value.samples:
        before, after = (text or say("drift.empty", lang) for text in (sample.before, sample.after))
        yield Text(f"    {before} → {after}  ({number(sample.people, lang)})", style="dim")
    if value.unproven:
        yield Text("  " + say("drift.value_unproven", lang, count=value.unproven, tag=value.tag), style="dim")


@view.register
def _(result: upkeep.TakenBack, lang: str) -> RenderableType:
    return stacked(_taken_back(result, lang))


def _taken_back(result: upkeep.TakenBack, lang: str) -> Iterator[RenderableType]:
    yield heading(say("undo.title", lang, run=result.run, command=result.command))
    if result.pushed is None:
        yield from plan_lines(result.planned, lang)
    else:
        yield from push_lines(result.pushed, lang)
    for one in result.undone:
        yield Text()
        yield Text(one.destination, style="bold")
        yield from _undone(one, lang)
    yield Text()
    if result.withdrawn:
        yield Text(say("undo.withdrawn", lang, count=result.withdrawn, exported=number(result.exported, lang)))
    if result.given:
        yield Text(say("undo.given", lang, count=result.given), style="yellow")
    if result.pushed is None:
        yield Text(say("plan.checksum", lang, checksum=result.planned.plan.checksum))
        if result.planned.file:
            yield Text(say("plan.written", lang, file=result.planned.file))
        yield Text(say("undo.carry", lang, run=result.run))
    yield Text(say("undo.again", lang), style="yellow")


def _undone(one: Undone, lang: str) -> Iterator[RenderableType]:
    """What goes back there; then what cannot."""
    if one.why is not None:
        yield Text("  " + (say("undo.config", lang) if one.why == "config" else one.why), style="yellow")
        return
    named = ("removed", "returned", "restored", "cleared")
    for key in named:
        if counts := _some(getattr(one, key)):
            yield Text("  " + say(f"undo.{key}", lang, counts=_counted(counts, lang)))
    for key in ("created", "mailed", "suppressed", "pooled", "unreachable", "absent"):
        if count := getattr(one, key):
            yield Text("  " + say(f"undo.{key}", lang, count=count), style="dim")
    for key in ("changed", "unknown", "gone"):
        if counts := _some(getattr(one, key)):
            yield Text("  " + say(f"undo.{key}", lang, counts=_counted(counts, lang)), style="yellow")
    for run, count in sorted(one.superseded.items()):
        if count:
            yield Text("  " + say("undo.superseded", lang, count=count, run=run), style="yellow")


def _some(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _counted(counts: Mapping[str, int], lang: str) -> str:
    return ", ".join(f"{name} {number(count, lang)}" for name, count in counts.items())
