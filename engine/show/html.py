"""A page as one self-contained HTML file: no script, nothing fetched, readable by a screen reader, printable."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from engine.show.blocks import BOUND, Block, Command, Grid, Note, Page, Part, Tone

__all__ = ["html"]

_MARKS = {Tone.PLAIN: "", Tone.QUIET: "", Tone.GOOD: "✓ ", Tone.WARN: "! ", Tone.BAD: "✗ "}
_VERBATIM = {"pre", "style"}
_NOTHING_ELSE = "default-src 'none'; style-src 'unsafe-inline'"  # a browser fetches and runs nothing for this page


def html(page: Page) -> str:
    """The whole file. The tree is built, never pasted: a title cannot become markup."""
    root = Element("html", lang=page.lang)
    _head(SubElement(root, "head"), page)
    main = SubElement(SubElement(root, "body"), "main")
    _text(main, "h1", page.title)
    _facts(SubElement(main, "dl"), page.facts)
    for part in page.parts:
        _part(main, part, 2)
    indent(root, " ")
    return "<!DOCTYPE html>\n" + tostring(root, "unicode", "html") + "\n"


def _head(head: Element, page: Page) -> None:
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _NOTHING_ELSE})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    SubElement(head, "meta", name="referrer", content="no-referrer")
    _text(head, "title", page.title)
    _text(head, "style", (files("engine.show") / "page.css").read_text("utf-8"))


def _facts(parent: Element, facts: Sequence[tuple[str, str]]) -> None:
    for name, value in facts:
        pair = SubElement(parent, "div")
        _text(pair, "dt", name)
        _text(pair, "dd", value)


def _part(parent: Element, part: Part, level: int) -> None:
    if part.is_folded:
        inner = SubElement(parent, "details")
        _text(inner, "summary", part.title)
    else:
        inner = SubElement(parent, "section")
        title = _text(inner, f"h{level}", part.title)
        if part.about:
            title.text = f"{part.title} "
            _text(title, "small", part.about)
    for block in part.blocks:
        _block(inner, block, level, part.title)


def _block(parent: Element, block: Block, level: int, title: str) -> None:
    match block:
        case Part():
            _part(parent, block, level + 1)
        case Note():
            _text(parent, "p", _MARKS[block.tone] + block.text).set("class", block.tone.value)
        case Command():
            _text(parent, "pre", block.text)
        case Grid():
            _grid(parent, block, title)


def _grid(parent: Element, grid: Grid, title: str) -> None:
    """Wide tables scroll by themselves, by keyboard too."""
    if not grid.rows:
        return
    frame = SubElement(parent, "div", {"class": "wide", "role": "region", "tabindex": "0", "aria-label": title})
    table = SubElement(frame, "table")
    if grid.columns[-1][1] and not grid.is_titled:
        table.set("class", "short")
    if grid.is_titled:
        row = SubElement(SubElement(table, "thead"), "tr")
        for name, is_number in grid.columns:
            cell = _text(row, "th" if name else "td", name)
            if name:
                cell.set("scope", "col")
            _aligned(cell, is_number=is_number)
    body = SubElement(table, "tbody")
    for cells in grid.rows:
        row = SubElement(body, "tr")
        for place, (text, (_, is_number)) in enumerate(zip(cells, grid.columns, strict=True)):
            if place == 0 and text:
                _text(row, "th", text).set("scope", "row")
            else:
                _aligned(_text(row, "td", text), is_number=is_number)


def _aligned(cell: Element, *, is_number: bool) -> None:
    if is_number:
        cell.set("class", "number")


def _text(parent: Element, tag: str, text: str) -> Element:
    made = SubElement(parent, tag)
    made.text, *more = [text] if tag in _VERBATIM else BOUND.sub("\u00a0", text).split("\n")
    for line in more:
        SubElement(made, "br").tail = line
    return made
