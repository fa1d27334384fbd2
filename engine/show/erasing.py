"""Views of what is held of a person, and of what became of an erasure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from engine import look
from engine.erasure import Erasure, Trace
from engine.show.screen import heading, table
from engine.show.views import stacked, view
from engine.words import knows, moment, number, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

__all__ = ["erasure_lines"]

_STYLES = {"failed": "bold red", "waiting": "yellow", "pending": "yellow", "by_hand": "yellow"}


@view.register
def _(result: Trace, lang: str) -> RenderableType:
    return stacked(_trace(result, lang))


def _trace(result: Trace, lang: str) -> Iterator[RenderableType]:
    yield heading(say("erase.held", lang))
    facts = {"addresses": result.addresses, "customers": result.customers, "events": result.events, **result.ledger}
    yield _counts(facts, lang)
    yield Text(say("erase.asked", lang, names=", ".join(result.destinations) or "–"))
    yield Text(say("erase.would", lang), style="yellow")


@view.register
def _(result: Erasure, lang: str) -> RenderableType:
    return stacked(_erasure(result, lang))


def _erasure(result: Erasure, lang: str) -> Iterator[RenderableType]:
    yield heading(say("erase.done" if result.is_done else "erase.begun", lang, erasure=result.erasure))
    events = result.facts.get("engagement", {}).get("events", 0)
    yield _counts({"events": events, **result.facts.get("ledger", {})}, lang)
    yield from _destinations(result, lang)
    yield Text(say("erase.receipt", lang, file=result.receipt), overflow="fold")
    yield Text(say("erase.shop", lang), style="yellow")


@view.register
def _(result: look.Held, lang: str) -> RenderableType:
    return stacked(_held(result, lang))


def _held(result: look.Held, lang: str) -> Iterator[RenderableType]:
    yield heading(say("erase.held", lang))
    yield Text(", ".join([*result.customers, *result.addresses]), overflow="fold")
    yield Text()
    columns = [(say(f"person.{word}", lang), False) for word in ("channel", "state", "since", "source", "basis")]
    yield table(
        columns,
        [
            (one.channel, _state(one.state, lang), _when(one.since, lang), one.source or "", one.basis or "")
            for one in result.consent
        ],
    )
    if result.history:
        yield Text()
        columns = [(say(f"person.{word}", lang), False) for word in ("source", "what", "since", "seen", "origin")]
        yield table(
            columns,
            [
                (one.source, one.what, _when(one.at, lang), _when(one.first_seen, lang), one.origin)
                for one in result.history
            ],
        )
    yield Text()
    facts = {f"tables.{name}": len(rows) for name, rows in result.shop.items() if name != "codes"}
    facts |= {"events": len(result.events), "codes_held": len(result.codes), "plans": len(result.plans)}
    facts |= {f"→ {name}": len(one["contacts"]) for name, one in result.destinations.items()}
    yield _counts(facts, lang)
    yield Text(say("person.file", lang, file=result.file) if result.file else say("person.more", lang))


def _state(state: str, lang: str) -> str:
    key = f"person.{state}"
    return say(key, lang) if knows(key) else state


def _when(at: datetime | None, lang: str) -> str:
    return "" if at is None else moment(at, lang)


def erasure_lines(result: Erasure, lang: str) -> Iterator[RenderableType]:
    """An erasure that went on in a run."""
    yield Text(say("erase.done" if result.is_done else "erase.begun", lang, erasure=result.erasure))
    yield from _destinations(result, lang)


def _destinations(result: Erasure, lang: str) -> Iterator[RenderableType]:
    for name, state in result.destinations.items():
        words = say(f"erase.state_{state}", lang, name=name)
        why = f" ({result.why[name]})" if name in result.why else ""
        yield Text(f"{words}{why}", style=_STYLES.get(state, "green"))


def _counts(facts: Mapping[str, int], lang: str) -> RenderableType:
    named = {name: _named(name, lang) for name in facts}
    columns = [(say("erase.what", lang), False), (say("erase.rows", lang), True)]
    return table(columns, [(named[name], number(count, lang)) for name, count in facts.items()])


def _named(name: str, lang: str) -> str:
    key = name if name.startswith("tables.") else f"erase.{name}"
    return say(key, lang) if knows(key) else name.removeprefix("tables.")
