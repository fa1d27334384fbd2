"""`explain` on the screen: the definition, what it stands on, and the conditions with what decided."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from engine.show.screen import heading
from engine.words import amount, day, moment, number, say, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from engine import look

__all__ = ["explained", "findings", "said"]

_INDENT = 4
_SPANS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def explained(result: look.Explained, lang: str) -> Iterator[RenderableType]:
    """The definition, then the customer where one was asked about."""
    yield heading(result.title)
    yield Text(result.words)
    if result.text:
        yield Text(result.text, style="dim")
    yield from _about(result, lang)
    if result.customer is not None:
        yield Text()
        if result.asked is not None:
            yield Text(say("explain.merged", lang, asked=result.asked, customer=result.customer))
        key = "explain.is_in" if result.is_member else "explain.is_out"
        yield Text(say(key, lang, customer=result.customer))
        yield from findings(result, lang)
        yield from _beyond(result, lang)
    if result.sql is not None:
        yield Text()


def _beyond(result: look.Explained, lang: str) -> Iterator[RenderableType]:
    """What keeps a member from being sent anywhere."""
    if result.is_member and result.is_held_out:
        yield Text(say("explain.held_out", lang, customer=result.customer), style="yellow")
    if result.is_member and result.is_reachable is False:
        yield Text(say("explain.unreachable", lang, customer=result.customer), style="yellow")


def _about(result: look.Explained, lang: str) -> Iterator[RenderableType]:
    """Where it is from, what comes before it in its group, and what it stands on."""
    if result.description:
        yield Text()
        yield Text(result.description)
    if result.recipe:
        yield Text(say("explain.recipe", lang, recipe=result.recipe, id=result.requirement or "–"), style="dim")
    if result.place:
        yield Text(say("explain.place", lang, place=result.place), style="dim")
    if result.after:
        yield Text(say("explain.after", lang, titles=", ".join(result.after)))
    if result.stands_on:
        yield Text()
        yield heading(say("explain.stands_on", lang))
    for one in result.stands_on:
        title = say(f"explain.{one.kind}", lang, title=one.title)
        yield Padding(Text.assemble((title, "bold"), say("explain.colon", lang), one.words), (0, 0, 0, 2), expand=False)
        if one.text:
            yield Padding(Text(one.text, style="dim"), (0, 0, 0, _INDENT), expand=False)


def findings(result: look.Explained, lang: str) -> Iterator[RenderableType]:
    """Each condition, whether it holds, the value looked at, and an arrow at what decided where not all of it did."""
    leaves = list(_leaves(result.findings))
    is_marked = not all(one.decides for one in leaves)
    yield from _conditions(result.findings, lang, result.currency, is_marked=is_marked, depth=0)
    if is_marked:
        yield Text(say("explain.decided", lang), style="dim")


def _leaves(conditions: Sequence[look.Condition]) -> Iterator[look.Condition]:
    for one in conditions:
        yield from _leaves(one.parts) if one.parts else (one,)


def _conditions(
    conditions: Sequence[look.Condition], lang: str, currency: str, *, is_marked: bool, depth: int
) -> Iterator[RenderableType]:
    for one in conditions:
        value = "" if one.kind is None else f"  ({_valued(one, lang, currency)})"
        is_group = bool(one.parts) and one.refers_to is None
        words = say(f"explain.{one.how}", lang) if is_group else f"{one.words}{value}"
        arrow = "→" if is_marked and one.decides and not one.parts else " "
        style = "" if one.decides or not is_marked else "dim"
        yield _hanging(f"{arrow} {'✓' if one.holds else '✗'}", Text(words, style=style), depth)
        if is_group or one.decides:  # why a reference that decided nothing holds is nobody's question
            yield from _conditions(one.parts, lang, currency, is_marked=is_marked, depth=depth + 1)


def _hanging(mark: str, text: Text, depth: int) -> RenderableType:
    """A line whose continuation stands under its own text."""
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(no_wrap=True)
    line.add_column()
    line.add_row(mark, text)
    return Padding(line, (0, 0, 0, _INDENT * depth), expand=False)


def _valued(one: look.Condition, lang: str, currency: str) -> str:
    """The value that a condition looked at, as people write it."""
    value = one.value
    if value is None:
        return say("explain.unknown", lang)
    if one.kind == "money" and currency:
        return amount(Decimal(str(value)), currency, lang)
    if one.kind == "percent":
        return share(Decimal(str(value)), lang)
    return _span(Decimal(str(value)), lang) if one.kind == "duration" else said(value, lang)


def _span(seconds: Decimal, lang: str) -> str:
    """`12.5 days`: in the largest unit of which there is one."""
    from babel.units import format_unit

    unit, length = next((one for one in _SPANS if abs(seconds) >= one[1]), _SPANS[-1])
    return format_unit((seconds / length).quantize(Decimal("0.1")).normalize(), f"duration-{unit}", locale=lang)


def said(value: Any, lang: str) -> str:  # noqa: ANN401 - any cell of a table
    """A value as people write it in this language."""
    if isinstance(value, bool):
        return say("units.yes" if value else "units.no", lang)
    if isinstance(value, (int, Decimal, float)):
        return number(Decimal(str(value)), lang)
    if isinstance(value, datetime):
        return moment(value, lang)
    if isinstance(value, date):
        return day(value, lang)
    if isinstance(value, (list, tuple)):
        return ", ".join(said(item, lang) for item in value)
    return "–" if value is None else str(value)
