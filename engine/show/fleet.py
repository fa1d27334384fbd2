"""Views of a night: a line as each client ends, and the table of all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from engine.fleet import Ended, Night
from engine.show.screen import console, table
from engine.show.views import stacked, view
from engine.words import number, say

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ended"]

_LONGEST = 200  # characters of a reason; --json tells all
_STYLES = {0: "green", 1: "yellow", 6: "yellow"}


def ended(one: Ended) -> None:
    """A line on stderr, after what the client's own process said there."""
    sys.stderr.write(one.said)
    style = _STYLES.get(one.exit_code, "red")
    told = f"{one.turn}/{one.clients} {one.client}: {one.exit_code} ({one.seconds:.0f} s)"
    console(stderr=True).print(Text(f"{told} {one.why}".strip(), style=style), soft_wrap=True)


@view.register
def _(result: Night, lang: str) -> RenderableType:
    return stacked(_night(result, lang))


def _night(night: Night, lang: str) -> Iterator[RenderableType]:
    titles = ("client", "end", "changes", "refused", "seconds")
    columns = [(say(f"fleet.{name}", lang), name in titles[2:]) for name in titles]
    yield table(columns, [_row(one, lang) for one in night.clients])
    for why, clients in _reasons(night).items():
        told = why if len(why) <= _LONGEST else f"{why[:_LONGEST]}…"
        yield Text(f"✗ {', '.join(clients)}: {told}", style="red")
    for warning in night.warnings:
        yield Text(f"! {warning}", style="yellow")
    good = sum(one.exit_code in {0, 1} for one in night.clients)
    count = number(len(night.clients), lang)
    yield Text(say("fleet.total", lang, count=good, clients=count))


def _reasons(night: Night) -> dict[str, list[str]]:
    """Clients by what went wrong: a first night says the same of forty."""
    found: dict[str, list[str]] = {}
    for one in night.clients:
        if one.why:
            found.setdefault(one.why, []).append(one.client)
    return found


def _row(one: Ended, lang: str) -> tuple[str, ...]:
    how = say(f"fleet.exit_{one.exit_code}", lang) if one.starts else say("fleet.waits", lang)
    counts = (number(one.changes, lang), number(one.rejected, lang), f"{one.seconds:.0f}")
    return (one.client, f"{one.exit_code} {how}", *counts)
