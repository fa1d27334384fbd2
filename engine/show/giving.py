"""The view of an adoption that is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from engine import upkeep
from engine.show.screen import heading
from engine.show.views import stacked, view
from engine.words import say

if TYPE_CHECKING:
    from collections.abc import Iterator


@view.register
def _(result: upkeep.GivenBack, lang: str) -> RenderableType:
    return stacked(_given_back(result, lang))


def _given_back(result: upkeep.GivenBack, lang: str) -> Iterator[RenderableType]:
    name = f"{result.destination}/{result.segment}"
    key = "adopt.given" if result.is_given else "adopt.would_give"
    yield heading(say(key, lang, title=result.title, name=name))
    yield Text(say("adopt.stay", lang, count=result.theirs))
    if not result.is_given:
        yield Text(say("undo.carry", lang, run=result.run))
