"""A client's report: one page, on the screen, as Markdown, or as one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from engine.errors import ConfigError
from engine.look.reporting import Report
from engine.show.blocks import Block, Grid, Note, Page, Part, Tone
from engine.show.html import html
from engine.show.markdown import markdown
from engine.show.screen import heading, table
from engine.show.terminal import lines
from engine.show.views import opened, view
from engine.words import amount, day, number, say, share

if TYPE_CHECKING:
    from engine.look.reporting import Audience, Campaign, LiftShown

__all__ = ["check_form", "page", "written"]

_FORMS: Mapping[str, Callable[[Page], str]] = {".md": markdown, ".html": html}
_KINDS = ("AddContact", "SetTraits", "AddMember", "RemoveMember", "Suppress")
_LEFT = ("unsubscribed", "complaint", "bounced", "archived", "other")
_MARKS = {"higher": Tone.GOOD, "lower": Tone.BAD, "no_difference": Tone.PLAIN, "not_enough_data": Tone.QUIET}


def check_form(file: Path | None) -> None:
    """Refuse a name whose form nobody knows, before any work is done. Raises ConfigError."""
    if file is not None and file.suffix.lower() not in _FORMS:
        message = f"a report ends in {' or '.join(_FORMS)}, and this is {file.name}"
        raise ConfigError(message, place="--out", hint="--json prints the report as JSON")


def written(result: Report, file: Path | None) -> Report:
    """The report, and in this file too if there is one. Raises ConfigError when it cannot be written."""
    check_form(file)
    if file is None:
        return result
    with opened(file) as sink:
        sink.write(_FORMS[file.suffix.lower()](page(result)).encode())
    return replace(result, file=file)


@view.register
def _(result: Report, lang: str) -> RenderableType:
    del lang  # the report has its own
    if result.file is not None:
        return Text(say("report.written", result.lang, file=result.file))
    shown = page(result)
    parts = [piece for part in shown.parts for piece in (Text(), *lines(part))]
    return Group(heading(shown.title), table([("", False), ("", False)], shown.facts), *parts)


def page(result: Report) -> Page:
    """The whole report in its language."""
    lang = result.lang
    facts = [
        (say("report.time", lang), say("report.from_to", lang, since=day(result.since, lang), until=day(result.until, lang))),
        (say("report.runs", lang), number(result.runs, lang)),
    ]  # fmt: skip
    if result.held_back:
        facts.append((say("report.held_back", lang), number(result.held_back, lang)))
    parts = [
        ("audiences", _audiences(result)), ("carried", _carried(result)), ("departed", _departed(result)),
        ("campaigns", _campaigns(result)), ("codes", _codes(result)), ("lift", _lifts(result)), ("refused", _refused(result)),
    ]  # fmt: skip
    if not result.is_measured:
        parts = [part for part in parts if part[0] not in {"campaigns", "codes", "lift"}]
    return Page(
        lang=lang,
        title=say("report.title", lang, client=result.client),
        facts=facts,
        parts=[Part(say(f"report.{name}", lang), blocks) for name, blocks in parts],
    )


def _titled(lang: str, *keys: str, numbers: bool = True) -> list[tuple[str, bool]]:
    """Columns: the first is a name, the others are numbers."""
    return [(say(key, lang) if key else "", numbers and place > 0) for place, key in enumerate(keys)]


def _nothing(lang: str, key: str) -> list[Block]:
    return [Note(say(f"report.{key}", lang), Tone.QUIET)]


def _audiences(result: Report) -> list[Block]:
    lang = result.lang
    keys = (
        "segments.segment",
        "report.before",
        "report.now",
        "report.moved",
        "segments.reachable",
        "segments.held_out",
    )
    return [Grid(_titled(lang, *keys), [_audience(one, lang) for one in result.audiences])]


def _audience(one: Audience, lang: str) -> Sequence[str]:
    moved = None if one.before is None else one.now - one.before
    return (
        one.title,
        "–" if one.before is None else number(one.before, lang),
        number(one.now, lang),
        "–" if moved is None else signed(moved, lang),
        number(one.reachable, lang),
        number(one.held_out, lang) if one.held_out else "–",
    )


def signed(count: int, lang: str) -> str:
    """`+3`, `-3` or `0`."""
    return f"{'+' if count > 0 else '-' if count < 0 else ''}{number(abs(count), lang)}"


def _carried(result: Report) -> list[Block]:
    lang = result.lang
    rows = [
        (one.destination, *(number(one.changes.get(kind, 0), lang) for kind in _KINDS), number(one.rejected, lang))
        for one in result.carried
    ]
    columns = [*_titled(lang, "", *(f"push.{kind}" for kind in _KINDS)), (say("status.rejected", lang), True)]
    return [Grid(columns, rows)]


def _departed(result: Report) -> list[Block]:
    lang = result.lang
    if not any(one.left for one in result.departed):
        return _nothing(lang, "nobody_left")
    rows = [(one.destination, *(number(one.left.get(why, 0), lang) for why in _LEFT)) for one in result.departed]
    return [
        Grid(_titled(lang, "", *(f"left.{why}" for why in _LEFT)), rows),
        Note(say("report.told_all", lang), Tone.QUIET),
    ]


def _campaigns(result: Report) -> list[Block]:
    lang = result.lang
    if not result.campaigns:
        return _nothing(lang, "no_campaigns")
    keys = ("report.campaign", "events.send", "events.open", "", "events.click", "", "events.unsubscribe")
    blocks: list[Block] = [Grid(_titled(lang, *keys), [_campaign(one, lang) for one in result.campaigns])]
    coarse = sorted({one.destination for one in result.campaigns if one.destination and one.precision == "campaign"})
    if coarse:
        blocks.append(Note(say("report.coarse", lang, names=", ".join(coarse)), Tone.QUIET))
    return [*blocks, Note(say("report.machines", lang), Tone.QUIET)]


def _campaign(one: Campaign, lang: str) -> Sequence[str]:
    name = f"{one.destination or '–'} · {one.campaign or say('report.no_campaign', lang)}"
    rates = ["–" if rate is None else share(rate, lang) for rate in (one.open_rate, one.click_rate)]
    counts = [number(count, lang) for count in (one.sent, one.opened, one.clicked, one.unsubscribed)]
    return (name, counts[0], counts[1], rates[0], counts[2], rates[1], counts[3])


def _codes(result: Report) -> list[Block]:
    lang = result.lang
    if not result.codes:
        return _nothing(lang, "no_codes")
    rows = [
        (
            one.offer,
            *(number(count, lang) for count in (one.issued, one.sent, one.redeemed)),
            amount(one.revenue, result.currency, lang),
            "–" if one.discount is None else amount(one.discount, result.currency, lang),
        )
        for one in result.codes
    ]
    keys = ("report.offer", "codes.reserved", "codes.pushed", "codes.redeemed", "report.revenue", "report.discount")
    return [Grid(_titled(lang, *keys), rows)]


def _lifts(result: Report) -> list[Block]:
    lang = result.lang
    if not result.lifts:
        return _nothing(lang, "no_holdout")
    counted = say("report.lift_counts", lang, since=day(result.lift_since, lang), until=day(result.until, lang))
    warned = [] if result.campaigns else [Note(say("report.lift_without_mails", lang), Tone.WARN)]
    return [Note(counted, Tone.QUIET), *warned, *(Part(one.title, _lift(one, result)) for one in result.lifts)]


def _lift(one: LiftShown, result: Report) -> list[Block]:
    lang = result.lang
    arms = [
        (say(f"report.{arm}", lang), *_arm(*figures, result))
        for arm, figures in (
            ("treated", (one.treated, one.treated_buyers, one.treated_revenue)),
            ("kept_out", (one.held_out, one.held_out_buyers, one.held_out_revenue)),
        )
    ]
    grid = Grid(_titled(lang, "", "report.people", "report.buyers", "report.share", "report.each"), arms)
    said = say(f"report.{one.verdict}", lang)
    if one.difference is not None and one.low is not None and one.high is not None and one.verdict != "not_enough_data":
        points = [f"{signed(round(value * 100), lang)}" for value in (one.difference, one.low, one.high)]
        said = f"{said} {say('report.interval', lang, difference=points[0], low=points[1], high=points[2])}"
    return [grid, Note(said, _MARKS[one.verdict])]


def _arm(people: int, buyers: int, revenue: Decimal, result: Report) -> Sequence[str]:
    lang = result.lang
    rates = ("–", "–")
    if people:
        rates = (share(buyers / people, lang), amount(round(revenue / people, 2), result.currency, lang))
    return (number(people, lang), number(buyers, lang), *rates)


def _refused(result: Report) -> list[Block]:
    lang = result.lang
    if not result.refused:
        return _nothing(lang, "none_refused")
    rows = [
        (one.destination, say(f"reasons.{one.reason.value}", lang), number(one.changes, lang), one.advice)
        for one in result.refused
    ]
    columns = [
        ("", False),
        (say("report.why", lang), False),
        (say("report.changes", lang), True),
        (say("report.advice", lang), False),
    ]
    return [Grid(columns, rows)]
