"""Parts of a document on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from engine.show.blocks import Block, Command, Grid, Note, Part, Tone
from engine.show.screen import command, table

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["lines", "note"]

_STYLES = {Tone.PLAIN: "", Tone.QUIET: "dim", Tone.GOOD: "green", Tone.WARN: "yellow", Tone.BAD: "red"}
_MARKS = {Tone.PLAIN: "", Tone.QUIET: "", Tone.GOOD: "✓ ", Tone.WARN: "! ", Tone.BAD: "✗ "}
_INDENT = 2


def lines(part: Part) -> Iterator[RenderableType]:
    """A part with what stands under it; what is folded stays so: documents and --json have it."""
    if part.is_folded:
        return
    yield Text.assemble((part.title, "bold"), "  " if part.about else "", (part.about, "dim"))
    for block in part.blocks:
        if isinstance(block, Command):
            yield command(block.text)
            continue
        for shown in _shown(block):
            yield Padding(shown, (0, 0, 0, _INDENT), expand=False)


def note(said: Note) -> Text:
    """A line with its mark, since colours are not everybody's."""
    return Text(_MARKS[said.tone] + said.text, style=_STYLES[said.tone])


def _shown(block: Block) -> Iterator[RenderableType]:
    match block:
        case Part():
            yield from lines(block)
        case Note():
            yield note(block)
        case Grid():
            if block.rows:
                yield table(block.columns, block.rows)
