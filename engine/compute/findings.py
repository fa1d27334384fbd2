"""Why a customer is in a segment, or not: each condition, whether it holds, and its value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from engine.compute.bounds import Calendar
from engine.compute.membership import Shop, stand_on
from engine.compute.query import Ground, checks
from engine.compute.steps import Query
from engine.errors import ConfigError
from engine.language import tree
from engine.language.printer import to_text
from engine.language.tree import Type
from engine.segments import Catalogue

_LITERALS = (
    tree.Number,
    tree.Amount,
    tree.Duration,
    tree.Text,
    tree.Truth,
    tree.Day,
    tree.Moment,
    tree.Today,
    tree.Now,
    tree.Shifted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One condition as the language prints it, whether it holds, and the value that decided (None: unknown, or none)."""

    text: str
    holds: bool
    value: object = None
    node: tree.Test


def explain(
    shop: Shop,
    catalogue: Catalogue,
    segment: str,
    customer_id: str,
    *,
    now: datetime,
    zone: ZoneInfo,
    week_starts: str = "monday",
    leap_day: str = "feb28",
) -> list[Finding]:
    """The segment's conditions for one customer, in the order of the text, then its priority in a group.

    Instants are naive UTC. Raises ConfigError for a customer that the shop does not have.
    """
    ground = stand_on(shop, Calendar(now, zone, week_starts=week_starts, leap_day=leap_day))
    conditions = [*_leaves(catalogue.segments[segment].node), *_priorities(catalogue, segment)]
    measures = [_measure(one) for one in conditions]
    values = [one for one in measures if one is not None]
    row = _row(checks(catalogue, ground, [*conditions, *values], customer_id), ground, customer_id)
    found, rest = row[: len(conditions)], iter(row[len(conditions) :])
    return [
        Finding(text=to_text(node), holds=bool(holds), value=None if measure is None else next(rest), node=node)
        for node, holds, measure in zip(conditions, found, measures, strict=True)
    ]


def _row(query: Query, ground: Ground, customer: str) -> list[object]:
    table = ground.run(query)
    if table.num_rows == 0:
        raise ConfigError(f"there is no customer {customer}", hint="see `ciblage members SEGMENT`")
    return [column[0].as_py() for column in table.columns[1:]]


def _leaves(node: tree.Test) -> Iterator[tree.Test]:
    if isinstance(node, tree.And | tree.Or):
        for item in node.items:
            yield from _leaves(item)
    elif isinstance(node, tree.Not) and isinstance(node.item, tree.And | tree.Or | tree.Not):
        yield from _leaves(node.item)
    else:
        yield node


def _priorities(catalogue: Catalogue, segment: str) -> Iterator[tree.Test]:
    for group in catalogue.groups.values():
        if segment in group.exclusive:
            for earlier in group.exclusive[: group.exclusive.index(segment)]:
                yield tree.Not(tree.InSegment(earlier))


def _measure(node: tree.Test) -> tree.Value | None:
    """The value that a condition looks at."""
    match node:
        case tree.Not(item):
            return _measure(item)
        case tree.Compare(_, left, right):
            found = right if isinstance(left, _LITERALS) else left
        case tree.Between(of) | tree.OneOf(of) | tree.InWindow(of) | tree.Known(of) | tree.Has(_, of) | tree.Yes(of):
            found = of
        case tree.TextTest(_, of) | tree.Top(_, of):
            found = of
        case tree.Did(rows, window):
            return tree.Aggregate("count", rows, None, window, Type.NUMBER)
        case _:
            return None
    if isinstance(found, tree.Anniversary):
        return found.of
    return None if isinstance(found, (tree.Bucket, *_LITERALS)) else found
