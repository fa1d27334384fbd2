"""Views of codes: by offer and state, with money and dates; who gets none; and what the shop's file brought."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from engine import look, run
from engine.offers import Confirmed
from engine.show.screen import heading, table
from engine.show.views import pairs, stacked, view
from engine.words import amount, day, number, say

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

_STATES = ("reserved", "exported", "confirmed", "pushed", "redeemed", "expired", "cleared")
_INSTANT = timedelta(microseconds=1)  # a code that ends at midnight is good on the day before
_LINES = 10  # bad lines of a file that are shown; --json tells more
_BAD = ("unknown", "over", "undated", "repeated", "empty")


@view.register
def _(result: look.CodesByState, lang: str) -> RenderableType:
    return stacked(_codes(result, lang))


def _codes(result: look.CodesByState, lang: str) -> Iterator[RenderableType]:
    columns = [("", False), *((say(f"codes.{state}", lang), True) for state in _STATES)]
    yield table(
        columns,
        [
            (offer, *(number(counts.get(state, 0), lang) for state in _STATES))
            for offer, counts in result.counts.items()
        ],
    )
    for one in result.offers:
        if one.issued:
            yield Text()
            yield heading(one.offer)
            yield from (Text(f"  {line}") for line in _offer(one, result.currency, lang))


def _offer(one: look.OfferCodes, currency: str, lang: str) -> Iterator[str]:
    risk = say("codes.unknown_money", lang) if one.at_risk is None else amount(one.at_risk, currency, lang)
    live = sum(one.states.get(state, 0) for state in _STATES[:4])
    yield say("codes.at_risk", lang, count=live, money=risk)
    used = {"count": one.redeemed, "issued": number(one.issued, lang), "others": number(one.by_another, lang)}
    yield say("codes.used_by_others" if one.by_another else "codes.used", lang, **used)
    if one.first_issued and one.last_issued:
        first, last = (day(moment.date(), lang) for moment in (one.first_issued, one.last_issued))
        yield say("codes.issued_on" if first == last else "codes.issued", lang, first=first, last=last)
    if one.next_end and one.last_end:
        first, last = (day((moment - _INSTANT).date(), lang) for moment in (one.next_end, one.last_end))
        yield say("codes.ends_on" if first == last else "codes.ends", lang, first=first, last=last)
    if one.renewing:
        yield say("codes.renewing", lang, count=one.renewing)
    if one.budget_codes is not None:
        yield say("codes.budget", lang, issued=number(one.issued, lang), most=number(one.budget_codes, lang))
    if one.reason is not None:
        yield say("codes.reason", lang, reason=one.reason)
    if one.budget_money is not None:
        yield say("codes.budget_money", lang, most=amount(one.budget_money, currency, lang))


@view.register
def _(result: look.RefusedCodes, lang: str) -> RenderableType:
    return stacked(_refused(result, lang))


def _refused(result: look.RefusedCodes, lang: str) -> Iterator[RenderableType]:
    if result.customer is not None:
        for one in result.rows:
            yield Text(say(f"refusal.{one.reason}", lang, offer=one.offer, customer=one.customer_id))
        return
    for offer, reasons in result.counts.items():
        told = pairs(reasons, "refused", lang) if reasons else say("refusal.nobody", lang)
        yield Text(f"{offer}: {told}" if lang == "en" else f"{offer} : {told}")
    if result.rows:
        yield Text()
        titles = [(say("codes.customer", lang), False), ("", False), (say("codes.why", lang), False)]
        yield table(titles, [(one.customer_id, one.offer, say(f"refused.{one.reason}", lang)) for one in result.rows])
    if result.left_out:
        yield Text(say("refusal.more", lang, count=result.left_out), style="dim")


@view.register
def _(result: run.Exported, lang: str) -> RenderableType:
    if not result.codes:
        return Text(say("codes.none_waiting", lang))
    return Text(say("codes.written", lang, count=result.codes, file=result.file))


@view.register
def _(result: Confirmed, lang: str) -> RenderableType:
    return stacked(_confirmed(result, lang))


def _confirmed(result: Confirmed, lang: str) -> Iterator[RenderableType]:
    yield Text(say("codes.taken", lang, count=result.moved), style="green" if result.moved else "")
    if result.renewed:
        yield Text(say("codes.renewed", lang, count=result.renewed), style="green")
    if result.known:
        yield Text(say("codes.known", lang, count=result.known))
    for why in _BAD:
        if count := getattr(result, why):
            yield Text("! " + say(f"codes.bad_{why}", lang, count=count), style="yellow")
    shown = result.lines[:_LINES]
    for one in shown:
        yield Text("  " + say("codes.line", lang, line=one.line, why=say(f"codes.line_{one.why}", lang)))
    bad = Counter({why: getattr(result, why) for why in _BAD}).total()
    if bad > len(shown) > 0:
        yield Text("  " + say("codes.more_lines", lang, count=bad - len(shown)), style="dim")
