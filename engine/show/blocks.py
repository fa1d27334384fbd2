"""What a document consists of, whatever it is written in: parts with titles, tables, notes and commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["BOUND", "Block", "Command", "Grid", "Note", "Page", "Part", "Tone"]


BOUND = re.compile(r"(?<=«) | (?=[»:;?!%€])")  # French keeps these on one line


class Tone(StrEnum):
    """What a line is to its reader."""

    PLAIN = "plain"
    QUIET = "quiet"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Note:
    """A line of text."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Command:
    """What to type."""

    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: each column has a title and says whether it holds numbers.

    The first cell of a row is its name; a cell may have several lines.
    """

    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str]]

    @property
    def is_titled(self) -> bool:
        """Whether any column has a title."""
        return any(title for title, _ in self.columns)


@dataclass(frozen=True, slots=True)
class Part:
    """A title with what stands under it; one that `is_folded` is for whoever wants to know more, and opens on demand."""

    title: str
    blocks: Sequence[Block]
    about: str = ""  # beside the title
    is_folded: bool = False


Block = Note | Command | Grid | Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole document: its language, its title, what it is about in pairs of name and value, and its parts."""

    lang: str
    title: str
    facts: Sequence[tuple[str, str]] = ()
    parts: Sequence[Part] = field(default=())
