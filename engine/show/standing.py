"""What went wrong, and where things stand, as people read it: `status` and `rejected`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from engine import look
from engine.show.screen import heading, table
from engine.show.views import spoken, stacked, view
from engine.words import moment, number, say

if TYPE_CHECKING:
    from collections.abc import Iterator

_STALE = 36.0  # hours after which the age of what was read is worth a colour
_MEGABYTE = 1_000_000


@view.register
def _(result: look.Status, lang: str) -> RenderableType:
    return stacked(_status(result, lang))


def _status(result: look.Status, lang: str) -> Iterator[RenderableType]:
    if result.holder:
        who = result.holder
        since = f"{who.since:%Y-%m-%d %H:%M:%S} UTC"
        yield Text(say("status.holder", lang, who=who.who, pid=who.pid, host=who.host, since=since), style="yellow")
    titles = ["", "status.contacts", "status.lists", "status.in_flight", "status.rejected", "status.suppressed"]
    rows = [
        (
            one.name,
            *(number(count, lang) for count in (one.contacts, one.lists, one.in_flight, one.rejected, one.suppressed)),
        )
        for one in result.destinations
    ]
    yield table([(say(title, lang) if title else "", bool(title)) for title in titles], rows)
    yield Text()
    for one in result.destinations:
        yield from _destination(one, lang)
    if result.codes_waiting:
        yield Text(say("status.codes_waiting", lang, count=result.codes_waiting), style="yellow")
    yield Text()
    if not result.commands:
        yield Text(say("status.no_runs", lang))
        return
    columns = [("status.command", False), ("status.run", True), ("status.when", False), ("status.exit", False)]
    told = [(one.command, str(one.run), moment(one.now, lang), _exit(one.exit, lang)) for one in result.commands]
    yield table([(say(key, lang), is_number) for key, is_number in columns], told)
    if result.ledger_bytes:
        size = number(round(result.ledger_bytes / _MEGABYTE, 1), lang)  # type: ignore[arg-type]  # Babel takes floats too
        yield Text(say("status.size", lang, size=size), style="dim")


def _exit(code: int | None, lang: str) -> str:
    if code is None:
        return say("status.unended", lang)
    return f"{code}  {say(f'fleet.exit_{code}', lang)}"


def indented(text: str, style: str = "") -> RenderableType:
    """A line below another one, and all of what it wraps to."""
    return Padding(Text(text, style=style), (0, 0, 0, 2), expand=False)


def _destination(one: look.DestinationState, lang: str) -> Iterator[RenderableType]:
    """One line a destination that is fine, and a line more for each thing that is not."""
    if one.fine_since:
        yield Text(f"✓ {say('status.fine', lang, name=one.name, since=moment(one.fine_since, lang))}", style="green")
    elif one.fine_at:
        yield Text(f"✗ {say('status.not_fine', lang, name=one.name, at=moment(one.fine_at, lang))}", style="red")
    else:
        yield Text(f"… {say('status.never', lang, name=one.name)}", style="yellow")
    if one.error:
        yield indented(spoken(one.error))
    for held in one.held_back:
        yield indented(held.said)
        yield indented(say("guard.flag", lang, flag=held.way), "dim")
    if one.awaits == "approval":
        yield indented(say("status.awaits", lang), "yellow")
    for key, count in (("pending", one.pending), ("unproven", one.unproven), ("refused", one.rejected)):
        if count:
            yield indented(say(f"status.{key}", lang, count=count))
    old = [read for read in one.reads if read.hours is not None and read.hours > _STALE]
    for read in old:
        days = number(round((read.hours or 0) / 24), lang)
        yield indented(say("status.stale", lang, what=say(f"status.{read.stream}", lang), days=days), "yellow")


@view.register
def _(result: look.Rejected, lang: str) -> RenderableType:
    return stacked(_rejected(result, lang))


def _rejected(result: look.Rejected, lang: str) -> Iterator[RenderableType]:
    if not result.total:
        yield Text(say("rejected.none", lang))
        return
    yield heading(say("rejected.total", lang, count=result.total))
    for group in result.groups:
        yield Text()
        reason = say(f"reasons.{group.reason.value}", lang)
        yield Text(say("rejected.group", lang, name=group.destination, reason=reason), style="bold")
        counts = {"changes": number(group.changes, lang), "people": number(group.customers, lang)}
        yield indented(say("rejected.counted", lang, since=moment(group.since, lang), **counts))
        if group.words:
            yield indented(say("rejected.words", lang, words=spoken(group.words)), "dim")
        yield indented(f"→ {group.advice}", "cyan")
    yield Text()
    yield from _one_by_one(result, lang)


def _one_by_one(result: look.Rejected, lang: str) -> Iterator[RenderableType]:
    keys = ("customer", "destination", "change", "since", "again")
    rows = [
        (
            one.customer_id or "–",
            one.destination,
            say(f"changes.{one.kind}", lang) + (f" {one.target}" if one.kind.endswith("Member") else ""),
            moment(one.at, lang),
            moment(one.not_before, lang) if one.not_before else say("rejected.when_changed", lang),
        )
        for one in result.rows
    ]
    yield table([(say(f"rejected.{key}", lang), False) for key in keys], rows)
    if len(result.rows) < result.total:
        yield Text(say("rejected.more", lang, count=result.total - len(result.rows)), style="dim")
