"""Further columns of a file: under which name they are kept, and of which type, found from all their values.

What the values of some rows say (a Summary) adds up, so that rows which were read before need not be read again.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from engine.shop.schema import Column
from engine.shop.values import Reading
from engine.tables import Database, text

Summary: TypeAlias = tuple[int, bool | None, bool | None, bool | None, bool | None, bool | None]
"""Known values, and whether all of them are: plain numbers, numbers, dates, moments, true or false (None: no value)."""

_PLAIN = r"^-?(0|[1-9]\d{0,13})(\.\d{1,4})?$"
_WIDE = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$"
_DATE = r"^[1-9]\d{3}-\d{2}-\d{2}$"
_MOMENT = r"^[1-9]\d{3}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*$"
_KINDS = (
    Column(type="number"),
    Column(type="number", precise=True),
    Column(type="date"),
    Column(type="instant"),
    Column(type="boolean"),
)
_TEXT = Column(type="text")


def slug(header: str) -> str:
    """Spell a foreign column's name as the language does: lower_snake, without accents."""
    plain = unicodedata.normalize("NFKD", header).encode("ascii", "ignore").decode().lower()
    word = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return f"c_{word}" if not word or word[0].isdigit() else word


def native(duck: str) -> Column:
    """The type of a column that its file has typed."""
    for start, kind in (("TIMESTAMP", "instant"), ("DATE", "date"), ("BOOLEAN", "boolean"), ("VARCHAR", "text")):
        if duck.startswith(start):
            return Column(type=kind)
    if duck.startswith("DECIMAL") or duck.endswith("INT") or duck in {"INTEGER", "UINTEGER"}:
        return Column(type="number")
    return Column(type="number", precise=True) if duck in ("DOUBLE", "FLOAT", "REAL") else _TEXT


def common(kinds: Iterable[Column]) -> Column:
    """The type of a column that has these types in different files."""
    found = set(kinds)
    if len(found) == 1:
        return found.pop()
    return Column(type="number", precise=True) if {kind.type for kind in found} == {"number"} else _TEXT


def question(reading: Reading) -> str:
    """What is asked of all values of a column, as six aggregates over `{v}`."""
    number = f"replace({{v}}, {text(reading.decimal)}, '.')"
    moment = replace(reading, column=Column(type="instant")).parsed("{v}")
    plain, wide, date, written = (text(form) for form in (_PLAIN, _WIDE, _DATE, _MOMENT))
    return (
        f"count({{v}}), bool_and(regexp_matches({number}, {plain})), bool_and(regexp_matches({number}, {wide})),"
        f" bool_and(regexp_matches({{v}}, {date}) AND TRY_CAST({{v}} AS DATE) IS NOT NULL) FILTER ({{v}} IS NOT NULL),"
        f" bool_and(regexp_matches({{v}}, {written}) AND {moment} IS NOT NULL) FILTER ({{v}} IS NOT NULL),"
        " bool_and(lower({v}) IN ('true', 'false'))"
    )


def asked(reading: Reading) -> str:
    """A key of everything that a column's summary depends on but its values."""
    return hashlib.blake2b(f"{question(reading)}{reading.cleaned}".encode(), digest_size=16).hexdigest()


def summarise(database: Database, relation: str, readings: Mapping[str, Reading]) -> dict[str, Summary]:
    """Ask all values of some columns in one pass."""
    if not readings:
        return {}
    parts = ", ".join(question(reading).replace("{v}", f"v{i}") for i, reading in enumerate(readings.values()))
    cleaned = ", ".join(f"{reading.cleaned} AS v{i}" for i, reading in enumerate(readings.values()))
    row = database.rows(f"SELECT {parts} FROM (SELECT {cleaned} FROM {relation})")[0]
    return {column: _summary(row[6 * i : 6 * i + 6]) for i, column in enumerate(readings)}


def _summary(cells: Iterable[object]) -> Summary:
    count, *facts = cells
    plain, wide, date, moment, truth = (None if fact is None else bool(fact) for fact in facts)
    return (int(str(count)), plain, wide, date, moment, truth)


def merged(summaries: Iterable[Summary]) -> Summary:
    """Add up what the values of several groups of rows say."""
    found = list(summaries)
    facts = [[fact for fact in column if fact is not None] for column in zip(*(one[1:] for one in found), strict=True)]
    return _summary([sum(one[0] for one in found), *(all(column) if column else None for column in facts)])


def kind_of(summary: Summary) -> Column:
    """The narrowest type that all values have; text where there are none."""
    count, *facts = summary
    return next((kind for holds, kind in zip(facts, _KINDS, strict=True) if holds and count), _TEXT)
