"""The first rows of a shop's file: what a consent column says, and how its dates are written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from engine.starter.names import names, plain

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Dates", "consents", "dates", "samples"]

_PEEK = 1000  # rows looked at
_ENOUGH = 0.9  # of the values that a form must fit: one odd row in a thousand says nothing of the others
_DAY_FIRST = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y")
_MONTH_FIRST = ("%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d", "%m/%d/%y", "%d/%m/%y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_ISO = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z")


@dataclass(frozen=True, slots=True)
class Dates:
    """Forms as the mapping wants them (none: ISO 8601); columns that could be read with day and month the other way round.

    `unread`: by column, a value that no form fits.
    """

    forms: Sequence[str] = ()
    ambiguous: Sequence[str] = ()
    unread: Mapping[str, str] | None = None


def samples(path: Path, columns: Collection[str]) -> dict[str, list[str]]:
    """What stands in these columns of the first rows of a delimited file, blanks left out; nothing for other files."""
    if path.suffix not in {".csv", ".tsv"}:
        return {}
    from engine.shop.delimited import read_layout, records

    layout = read_layout(path)
    places = {name: at for at, name in enumerate(layout.header) if name in columns}
    rows = [row.fields for row in islice(records(path, layout.mark), 1, _PEEK)]
    return {
        name: [value for row in rows if len(row) > at and (value := row[at].strip())] for name, at in places.items()
    }


def consents(said: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """What a consent column's own words mean, and those that nobody knows: their rows are set aside."""
    from engine.shop.schema import CONSENT

    words = sorted(set(said))
    meant = {word: state for state, others in names()["yes"].items() for word in others}
    found = {word: meant[plain(word)] for word in words if plain(word) in meant}
    unknown = [word for word in words if word not in found and word.lower() not in CONSENT]
    return {word: state for word, state in found.items() if word != state}, unknown


def dates(columns: Mapping[str, Sequence[str]], *, is_month_first: bool = False) -> Dates:
    """How the dates of one table are written; where only some are not ISO 8601, its forms stand beside theirs."""
    found = {name: _forms(values, is_month_first=is_month_first) for name, values in columns.items() if values}
    others = {name: forms for name, forms in found.items() if forms}
    unread = {name: columns[name][0] for name, forms in found.items() if forms is None}
    if not others:
        return Dates(unread=unread)
    iso = [form for name, forms in found.items() if forms == () for form in _used(columns[name], _ISO)]
    forms = list(dict.fromkeys([form for some in others.values() for form in some or ()] + iso))
    ambiguous = [name for name in others if _is_ambiguous(columns[name], is_month_first=is_month_first)]
    return Dates(forms, ambiguous, unread)


def _forms(values: Sequence[str], *, is_month_first: bool) -> tuple[str, ...] | None:
    """None: nobody knows; empty: ISO 8601."""
    distinct = list(dict.fromkeys(values))
    if sum(map(_is_iso, distinct)) >= _ENOUGH * len(distinct):
        return ()
    for day in _MONTH_FIRST if is_month_first else _DAY_FIRST:
        if used := _used(distinct, [day + time for time in _TIMES]):
            return used
    return None


def _used(values: Sequence[str], forms: Sequence[str]) -> tuple[str, ...]:
    """Those of the forms that together fit the values, the commonest first; none where they do not."""
    counts = dict.fromkeys(forms, 0)
    missed = 0
    for value in values:
        form = next((form for form in forms if _is(value, form)), None)
        if form is not None:
            counts[form] += 1
        elif (missed := missed + 1) > (1 - _ENOUGH) * len(values):
            return ()
    return tuple(sorted((form for form in forms if counts[form]), key=lambda form: -counts[form]))


def _is_ambiguous(values: Sequence[str], *, is_month_first: bool) -> bool:
    """Whether the other order of day and month fits as well."""
    there = _forms(values, is_month_first=is_month_first)
    back = _forms(values, is_month_first=not is_month_first)
    return there != back


def _is_iso(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return value.endswith(" UTC") and _is_iso(value.removesuffix(" UTC"))
    return True


def _is(value: str, form: str) -> bool:
    try:
        datetime.strptime(value, form)  # noqa: DTZ007 - only whether it fits
    except ValueError:
        return False
    return True
