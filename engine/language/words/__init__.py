"""A definition as a sentence that a marketer reads, with its dates resolved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from engine.language.tree import Node


def in_words(
    node: Node,
    lang: str,
    now: datetime,
    zone: ZoneInfo,
    *,
    titles: Mapping[str, str] | None = None,
    week_starts: str = "monday",
) -> str:
    """The test or value in words (`en` or `fr`); dates are local to the zone, from an aware `now`.

    `titles` names traits and segments (`segment NAME` where a trait has the same name); others go by their own name.
    """
    from engine.language.tree import Test
    from engine.language.words.dates import Dates
    from engine.language.words.english import ENGLISH
    from engine.language.words.french import FRENCH
    from engine.language.words.sentences import sentence
    from engine.language.words.subjects import Speaker, subject

    lexicon = {"en": ENGLISH, "fr": FRENCH}[lang]
    dates = Dates(lexicon=lexicon, now=now, zone=zone, week_starts=week_starts)
    speaker = Speaker(lexicon=lexicon, dates=dates, titles=titles or {}, test=sentence)
    return sentence(node, speaker) if isinstance(node, Test) else subject(node, speaker)
