"""Examples of what changes, by merge tag: the commonest pairs of before and after, masked so that they are nobody's."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from connectors.http import mask
from connectors.types import ClearTraits, SetTraits
from engine.ledger.packing import value
from engine.plan import rows

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.plan.spool import Rows

__all__ = ["SHARED", "Sample", "masked", "samples"]

SHARED = 10
"""People who must have the same before and after for it to be shown as it is: it tells nothing of any one of them."""
_EACH = 3  # examples of a merge tag
_LOOKED_AT = 100_000  # rows, the first ones: examples need no more
_LONGEST = 30  # characters of a value that is shown
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Sample:
    """One value before and after, as it may be shown; None: no value. `people` have it, of those looked at."""

    before: str | None
    after: str | None
    people: int


def samples(stored: Rows, private: Collection[str]) -> dict[str, tuple[Sample, ...]]:
    """The commonest changes of each merge tag in a destination's rows; none of `private` tags."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [_first(stored.chosen(kind=kind.__name__)) for kind in (SetTraits, ClearTraits)]
    found: dict[str, tuple[Sample, ...]] = {}
    looked = pa.concat_tables(parts)
    if not len(looked):
        return found
    names = ["field", "before", "after"]
    pairs = rows.unpacked(looked).select(names)
    counted = pairs.group_by(names, use_threads=False).aggregate([([], "count_all")])
    counted = counted.sort_by([("count_all", "descending"), *((name, "ascending") for name in names)])
    for tag in sorted(set(pc.unique(counted["field"]).to_pylist()) - set(private)):
        found[tag] = _shown(counted.filter(pc.equal(counted["field"], tag)).slice(0, _EACH).to_pylist())
    return found


def _first(stored: Rows) -> pa.Table:
    """The first rows, as many as are looked at."""
    import pyarrow as pa

    found, count = [rows.empty()], 0
    for table in stored.tables():
        found.append(table.slice(0, _LOOKED_AT - count))
        count += len(table)
        if count >= _LOOKED_AT:
            break
    return pa.concat_tables(found)


def _shown(pairs: Sequence[dict[str, object]]) -> tuple[Sample, ...]:
    """Masked ones that look the same are one example; its people are not told."""
    told: dict[tuple[str | None, str | None], int] = {}
    for pair in pairs:
        count = int(str(pair["count_all"]))
        is_shared = count >= SHARED
        ends = (masked(pair["before"], is_shared=is_shared), masked(pair["after"], is_shared=is_shared))
        told[ends] = told.get(ends, 0) + count
    return tuple(Sample(before, after, people) for (before, after), people in told.items())


def masked(scalar: object, *, is_shared: bool) -> str | None:
    """A JSON scalar as an example: a value of few people keeps its first letter, its year or its first digit."""
    if scalar is None:
        return None
    found = value(str(scalar))
    if isinstance(found, bool):
        return str(found).lower()
    text = str(found)
    if is_shared:
        text = mask(text)
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    if isinstance(found, str):
        return f"{text[:4]}-…" if _DAY.match(text) else f"{text[:1]}…"
    return _about(Decimal(text))


def _about(number: Decimal) -> str:
    """One digit of it: `≈200` of 165."""
    if not number:
        return "0"
    return f"≈{number.quantize(Decimal(1).scaleb(number.adjusted())):f}"
