"""A page as Markdown of GitHub's kind: tables, and folded parts as `<details>`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import chain

from engine.show.blocks import Block, Command, Grid, Note, Page, Part, Tone

__all__ = ["markdown"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#$])")
_MARKS = {Tone.PLAIN: "", Tone.QUIET: "", Tone.GOOD: "✅ ", Tone.WARN: "⚠️ ", Tone.BAD: "❌ "}


def markdown(page: Page) -> str:
    """The whole page; what it shows of others' words is escaped, so that a title stays a title."""
    facts = Grid([("", False), ("", False)], list(page.facts))
    lines = chain([f"# {_plain(page.title)}", ""], _block(facts, 1), *(_part(one, 2) for one in page.parts))
    return "\n".join(lines).rstrip() + "\n"


def _part(part: Part, level: int) -> Iterator[str]:
    inner = chain.from_iterable(_block(block, level) for block in part.blocks)
    about = f" <sub>{_plain(part.about)}</sub>" if part.about else ""
    if part.is_folded:
        yield from [
            f"<details><summary>{escape(part.title)}</summary>",
            "",
            *inner,
            "</details>",
            "",
        ]  # HTML until the blank line
        return
    yield from [f"{'#' * level} {_plain(part.title)}{about}", "", *inner]


def _block(block: Block, level: int) -> Iterator[str]:
    match block:
        case Part():
            yield from _part(block, level + 1)
        case Note():
            yield from [f"{_MARKS[block.tone]}{_plain(block.text)}", ""]
        case Command():
            yield from ["```sh", block.text, "```", ""]
        case Grid():
            yield from _grid(block)


def _grid(grid: Grid) -> Iterator[str]:
    if not grid.rows:
        return
    yield _line([title for title, _ in grid.columns])
    yield "|" + "|".join(" ---: " if is_number else " --- " for _, is_number in grid.columns) + "|"
    yield from (_line(row) for row in grid.rows)
    yield ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell) for cell in cells) + " |"


def _plain(text: str) -> str:
    """Text that no reader of Markdown takes for markup, nor for somebody's name on GitHub."""
    return _SPECIAL.sub(r"\\\1", text).replace("@", "&#64;").replace("\n", "<br>")
