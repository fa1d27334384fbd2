"""What `receive` says while it runs: a line a delivery, to stderr; never an address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from engine.show.screen import console
from engine.show.views import pairs
from engine.words import say

if TYPE_CHECKING:
    from datetime import datetime

    from engine.engagement.receiving import Received

__all__ = ["listening", "received"]


def listening(url: str, names: Sequence[str], lang: str) -> None:
    """Where each destination's provider may deliver."""
    screen = console(stderr=True)
    screen.print(Text(say("receive.listens", lang), style="bold"))
    for name in names:
        screen.print(Text(say("receive.at", lang, name=name, url=f"{url}/{name}")), soft_wrap=True)


def received(told: Received, at: datetime, lang: str) -> None:
    """One delivery."""
    words = [pairs(told.events, "events", lang)] if told.events else []
    words += [say("receive.left", lang, count=told.suppressions)] if told.suppressions else []
    what = "; ".join(words) or say("receive.known", lang)
    console(stderr=True).print(
        Text(say("receive.got", lang, time=f"{at:%Y-%m-%d %H:%M:%S}Z", name=told.destination, what=what))
    )
