"""What a plan changes at one destination, as parts of a document: its lists, its changes with examples, its people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.show.blocks import Block, Grid, Note, Part, Tone
from engine.show.views import pairs
from engine.words import number, say

if TYPE_CHECKING:
    from engine.plan.estimate import Estimate
    from engine.plan.samples import Sample
    from engine.plan.summary import DestinationSummary, Overwritten

__all__ = ["difference"]

_MINUTES = 180.0  # seconds from which time is told in minutes
_NONE = "–"
_EXAMPLES = 2  # of one merge tag in a row

Row = tuple[str, str, str]


def difference(summary: DestinationSummary, lang: str, *, is_brief: bool = False) -> Part:
    """One destination; a brief one, as a terminal shows it, has its people in a line and no folded part."""
    about = f"({summary.connector}) {_cost(summary.estimate, lang)}"
    blocks = [_lists(summary, lang), _changes(summary, lang)]
    if is_brief:
        people = [_people_line(summary, lang)] if summary.matched else []
        found: Sequence[Block] = [*blocks, *people, *_notes(summary, lang)]
    else:
        found = [*blocks, *_notes(summary, lang), _people(summary, lang), _by_list(summary, lang)]
    return Part(summary.name, found, about)


def _cost(cost: Estimate, lang: str) -> str:
    """Calls, polls and time: minutes where seconds would be many."""
    unit, each = ("s", 1) if cost.seconds_most < _MINUTES else ("min", 60)
    least, most = (math.ceil(seconds / each) for seconds in (cost.seconds, cost.seconds_most))
    about = {"time": f"{_span(least, most, lang)} {unit}", "polls": _span(cost.polls, cost.polls_most, lang)}
    return say("plan.calls_polls" if cost.polls_most else "plan.calls", lang, count=cost.calls, **about)


def _span(least: int, most: int, lang: str) -> str:
    return number(least, lang) if least == most else f"{number(least, lang)}–{number(most, lang)}"


def _lists(summary: DestinationSummary, lang: str) -> Grid:
    named = "list_new" if any(one.is_new for one in summary.targets) else "list"
    keys = (named, "before", "in", "out", "after")
    rows = [
        (f"{one.title}{' *' if one.is_new else ''}", *_numbers(lang, one.before, one.joins, one.leaves, one.after))
        for one in summary.targets
    ]
    return Grid([(say(f"plan.{key}", lang), key != named) for key in keys], rows)


def _changes(summary: DestinationSummary, lang: str) -> Grid:
    """A line a kind of change, the ones to look at twice last."""
    columns = [(say(f"plan.{key}", lang), key == "people") for key in ("change", "people", "example")]
    rows = [*_contacts(summary, lang), *_values(summary, lang), *_codes(summary, lang), *_warnings(summary, lang)]
    return Grid(columns, rows)


def _contacts(summary: DestinationSummary, lang: str) -> Iterator[Row]:
    if summary.contacts_new:
        before = number(summary.contacts_before, lang)
        known = say("plan.known", lang, count=before) if summary.contacts_before else ""
        yield "+ " + say("plan.new", lang), number(summary.contacts_new, lang), known


def _values(summary: DestinationSummary, lang: str) -> Iterator[Row]:
    for mark, key, counts in (("~", "plan.changed", summary.values), ("–", "plan.emptied", summary.cleared)):
        for tag, count in counts.items():
            if tag in summary.code_tags:
                continue  # told by offer
            shown = [one for one in summary.samples.get(tag, ()) if (one.after is None) == (mark == "–")]
            yield f"{mark} {say(key, lang, tag=tag)}", number(count, lang), _examples(shown, lang)


def _examples(found: Sequence[Sample], lang: str) -> str:
    """`soap → tea (12)`: how many is told where there are several."""
    return ", ".join(_example(one, lang) for one in found[:_EXAMPLES])


def _example(one: Sample, lang: str) -> str:
    many = f" ({number(one.people, lang)})" if one.people > 1 else ""
    return f"{one.before or _NONE} → {one.after or _NONE}{many}"


def _codes(summary: DestinationSummary, lang: str) -> Iterator[Row]:
    for mark, key, counts in (
        ("+", "plan.code_sent", summary.codes_sent),
        ("–", "plan.code_cleared", summary.codes_cleared),
    ):
        for offer, count in counts.items():
            yield f"{mark} {say(key, lang, offer=offer)}", number(count, lang), ""


def _warnings(summary: DestinationSummary, lang: str) -> Iterator[Row]:
    if summary.suppressed:
        yield "× " + say("plan.departures", lang), number(summary.suppressed, lang), say("plan.departures_why", lang)
    for tag, one in summary.overwritten.items():
        if one.contacts or one.other:
            yield (
                "! " + say("plan.overwritten", lang, tag=tag),
                number(one.contacts + one.newcomers, lang),
                _known(one, lang),
            )


def _known(one: Overwritten, lang: str) -> str:
    """What the destination says of the values that would go."""
    if not one.looked:
        return say("plan.unread", lang)
    return say("plan.looked", lang, looked=number(one.looked, lang), other=number(one.other, lang))


def _people_line(summary: DestinationSummary, lang: str) -> Note:
    parts = [f"{number(count, lang)} {words}" for words, count in _people_counts(summary, lang)]
    return Note(say("plan.people_line", lang, matched=number(summary.matched, lang), parts=", ".join(parts)))


def _people(summary: DestinationSummary, lang: str) -> Part:
    rows = [(say("plan.matched", lang), number(summary.matched, lang))]
    rows += [(words, number(count, lang)) for words, count in _people_counts(summary, lang)]
    return Part(say("plan.everybody", lang), [Grid([("", False), ("", True)], rows)])


def _people_counts(summary: DestinationSummary, lang: str) -> Iterator[tuple[str, int]]:
    """Those who belong there by basis, then the others by why not: together they are all who match."""
    for basis, count in summary.by_basis.items():
        yield say("plan.goes_there", lang, basis=say(f"bases.{basis}", lang)), count
    for why, count in summary.blocked.items():
        yield say(f"plan.{why}", lang), count
    if summary.held_out:
        yield say("plan.held_out", lang), summary.held_out


def _by_list(summary: DestinationSummary, lang: str) -> Part:
    keys = ("list", "matched", "reachable", "held_out", "blocked_there", "sent")
    rows = [
        (one.title, *_numbers(lang, at.matched, at.reachable, at.held_out, at.blocked, at.sent))
        for one in summary.targets
        if (at := one.counts) is not None
    ]
    columns = [(say(f"plan.{key}", lang), key != "list") for key in keys]
    return Part(say("plan.by_list", lang), [Grid(columns, rows)], is_folded=True)


def _notes(summary: DestinationSummary, lang: str) -> Iterator[Note]:
    if summary.leaving:
        whys = pairs(summary.leaving, "leaving", lang)
        yield Note(say("plan.leaving", lang, reasons=whys))
    for pool in summary.pools:
        counts = {name: number(getattr(pool, name), lang) for name in ("before", "joins", "waiting")}
        yield Note(say("plan.pool", lang, title=f"{pool.title}{' *' if pool.is_new else ''}", **counts))
    for key, count in (("plan.withheld", summary.withheld), ("plan.on_its_way", summary.on_its_way)):
        if count:
            yield Note(say(key, lang, count=count))
    for tag, reasons in summary.unfit.items():
        yield Note(say("plan.unfit", lang, tag=tag, reasons=pairs(reasons, "reasons", lang)), Tone.WARN)


def _numbers(lang: str, *counts: int) -> tuple[str, ...]:
    return tuple(number(count, lang) for count in counts)
