"""What is wrong with a definition: one message, a caret under the place, and the nearest valid choice.

Ids are stable: documentation, editors and tests rely on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.errors import DefinitionError, nearest

MESSAGES = {
    "empty": "The definition is empty",
    "too-long": "The definition is {length} characters long; at most {limit} are allowed",
    "too-deep": "The definition is nested {depth} levels deep; at most {limit} are allowed",
    "too-many": "{count} {what}; at most {limit} are allowed",
    "unexpected": "Unexpected {found}",
    "unfinished": "The definition ends too soon",
    "control-character": "A text holds a character that cannot be shown",
    "unknown-name": "Unknown trait '{name}'",
    "unknown-column": "'{name}' is not a column of {source}",
    "unknown-function": "Unknown function '{name}'",
    "unknown-source": "Unknown source '{name}'",
    "unknown-segment": "Unknown segment '{name}'",
    "unknown-place": "Unknown place '{name}'",
    "unknown-channel": "Unknown channel '{name}'",
    "unknown-value": "'{value}' is not a value of {name}",
    "not-a-test": "{what} is not a yes/no value",
    "not-a-value": "A yes/no test stands where a value is needed",
    "not-a-literal": "A list holds texts, numbers, amounts or dates only",
    "wrong-type": "{left} cannot be compared with {right}",
    "no-order": "{what} has no order",
    "wrong-arithmetic": "{left} {op} {right} has no meaning",
    "wrong-argument": "{function}() takes {wanted}, not {found}",
    "wrong-count": "{function}() takes {wanted}",
    "needs-column": "{function}() needs a column, for example {example}",
    "no-column": "{function}() counts rows and takes no column",
    "needs-where": "{function}() needs a where, for example {example}",
    "needs-by": "periods() needs a period, for example periods({source} by month, last 6 months)",
    "needs-window": "periods() needs a window with a beginning and an end",
    "only-periods": "'by' belongs to periods() only",
    "whole-number": "{number} is not a whole number above zero",
    "too-large": "{number} has too many digits; at most {limit} are kept",
    "too-far": "{text} reaches too far in time",
    "date-format": "Dates are written year-month-day, not {text}",
    "no-such-date": "There is no such date: {text}",
    "backwards": "The window ends before it begins",
    "backwards-range": "The range ends before it begins",
    "no-fixed-length": "A {unit} has no fixed length",
    "not-a-date": "{what} is not a date",
    "anniversary-window": "A birthday has no year, so this window says nothing about it",
    "anniversary-test": "A birthday is compared with a window only",
    "every-year": "'every' comes back each year, so it is no single stretch of time",
    "out-of-range": "{part}() is a whole number from {low} to {high}",
    "not-a-list": "{what} is not a list",
    "list-test": "{what} is a list",
    "not-a-text": "{what} is not a text",
    "blank-text": "A blank text is unknown, so nothing can equal it",
    "consent-negated": "Consent cannot be negated: a missing answer would count as consent",
    "currency": "Amounts are in {currency}, not {found}",
    "row-only": "{what} is about the customer; a where is about one row",
    "bucket": "bucket() is compared with a number from 0 to 100 only",
    "percent": "{number}% is not a share between 0 and 100",
    "not-shared": "'{name}' is a column of {source} but not of {other}",
    "no-position": "The customers have no position: lat and lon are missing",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong: `at` is the offset of the first wrong character in `text`, which is the whole definition."""

    id: str
    message: str
    hint: str | None
    at: int
    text: str

    def render(self, prefix: str = "") -> str:
        """The message, the line with a caret, and the hint; `prefix` is like `ciblage.toml:42: segments.vip: `."""
        line, column = _line(self.text, self.at)
        parts = [f"{prefix}{self.message}"]
        if line.strip():
            parts += [f"  {line}", f"  {' ' * column}^"]
        if self.hint:
            parts.append(f"  hint: {self.hint}")
        return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake and whose it is: `place` is `ciblage.toml:42`, `owner` is `segments.vip`."""

    place: str
    owner: str
    mistake: Mistake

    def render(self) -> str:
        """The message with its place, as a person reads it."""
        where = f"{self.place}: " if self.place else ""
        return self.mistake.render(f"{where}{self.owner}: ")

    @property
    def order(self) -> tuple[str, int]:
        """Where it stands in the files."""
        file, _, line = self.place.rpartition(":")
        return (file, int(line)) if line.isdigit() else (self.place, 0)


def refuse(findings: Sequence[Finding]) -> None:
    """Raises DefinitionError with every mistake, in the order of the files; nothing when there is none."""
    if not findings:
        return
    ordered = sorted(findings, key=lambda finding: finding.order)
    count = len(ordered)
    message = "1 definition is wrong" if count == 1 else f"{count} definitions are wrong"
    shown = "\n".join(finding.render() for finding in ordered)
    place = ordered[0].place or None
    raise DefinitionError(f"{message}\n{shown}", place=place, mistakes=[finding.render() for finding in ordered])


class LanguageError(DefinitionError):
    """One definition is wrong: `mistake` says how. The catalogue gathers them and raises all at once."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.message, hint=mistake.hint, mistakes=(mistake.render(),))
        self.mistake = mistake


class Wrong(Exception):
    """Raised while a tree is checked; the parser adds the text and makes it a LanguageError."""

    def __init__(self, name: str, at: int, hint: str | None = None, /, **holes: object) -> None:
        super().__init__(name)
        self.name = name
        self.at = at
        self.hint = hint
        self.holes = holes

    def in_text(self, text: str) -> Mistake:
        """The mistake with its message spelled out."""
        hint = _COMMENT if text[: self.at].rstrip().endswith("--") else self.hint
        return Mistake(self.name, MESSAGES[self.name].format(**self.holes), hint, self.at, text)


def suggest(name: str, known: Iterable[str], what: str) -> str | None:
    """The nearest of the known names, and all of them where they are few."""
    names = sorted(known)
    best = nearest(name.lower(), names)
    listed = f"{what}: {', '.join(names)}" if 0 < len(names) <= _FEW else None
    if best is None:
        return listed
    return f"did you mean '{best}'?" + (f" {listed}" if listed else "")


def list_names(names: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


_FEW = 8
_COMMENT = "a comment starts with #"
_WIDTH = 100


def _line(text: str, at: int) -> tuple[str, int]:
    """The line of the text around an offset, cut to a screen's width, and the caret's column in it."""
    at = min(at, len(text))
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = re.sub(r"[^\S ]|[\x00-\x1f\x7f-\x9f]", " ", text[start : end if end >= 0 else len(text)])
    column = at - start
    if len(line) > _WIDTH:
        left = max(0, min(column - _WIDTH // 2, len(line) - _WIDTH))
        clipped = line[left : left + _WIDTH]
        line = ("…" if left else "") + clipped + ("…" if left + _WIDTH < len(text[start:]) else "")
        column = column - left + bool(left)
    else:
        kept = line.lstrip()
        column -= len(line) - len(kept)
        line = kept.rstrip()
    return line, max(column, 0)
