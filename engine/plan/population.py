"""Who belongs at a destination: member, reachable, not held out, not blocked there; and why the others do not."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.types import Consent
from engine.errors import EngineError

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.plan.columns import Present
    from engine.plan.destination import Destination

__all__ = ["Population", "SegmentCount", "populate"]

_NEEDED = ("customer_id", "email", "reachable_email", "basis", "consent_email")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentCount:
    """One segment at one destination, in people: matched = reachable + not reachable; `sent` is who is left."""

    matched: int
    reachable: int
    held_out: int
    blocked: int
    sent: int
    by_basis: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """`people`: the rows of those who belong there, of what it is told of them; `members` by segment, aligned with it.

    `left_addresses`, `left_customers`: whose effective consent is an explicit no; `reachable`: addresses that may be mailed.
    """

    people: pa.Table
    members: Mapping[str, pa.Array[Any]]
    counts: Mapping[str, SegmentCount]
    blocked: Mapping[str, int]  # would belong there, by why not: not reachable, suppressed there, gone there
    held_out: int
    left_addresses: pa.Array[Any]
    left_customers: pa.Array[Any]
    reachable: pa.Array[Any]
    known_customers: pa.Array[Any]
    known_emails: pa.Array[Any]  # aligned with known_customers
    matched: int = 0  # people of any of its segments: those who belong there, the blocked and the held out


def populate(destination: Destination, people: pa.Table, here: Present) -> Population:
    """Decide for every customer; `people` is the computed membership, one row a customer."""
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = [name for name in _NEEDED if name not in people.column_names]
    if missing:
        raise EngineError(f"the computed membership lacks {', '.join(missing)}")
    people = _once(people)
    said_no = pc.fill_null(pc.equal(people["consent_email"], Consent.UNSUBSCRIBED.value), False)
    may = pc.and_(pc.fill_null(people["reachable_email"], False), pc.is_valid(people["email"]))
    may = pc.and_not(may, said_no)
    gone = here.table["address"].filter(pc.equal(here.table["state"], "left")).combine_chunks()
    is_suppressed = pc.is_in(people["email"], value_set=here.told)
    is_gone = pc.and_not(pc.is_in(people["email"], value_set=gone), is_suppressed)
    is_free = pc.invert(pc.or_(is_suppressed, is_gone))
    belongs: dict[str, Any] = {}
    counts: dict[str, SegmentCount] = {}
    nobody = pa.chunked_array([pa.repeat(pa.scalar(value=False), len(people))])
    matched_any, asked_any = nobody, nobody
    for name in destination.segments:
        matched = pc.fill_null(people[f"segment:{name}"], False)
        held = pc.fill_null(people[f"holdout:{name}"], False) if f"holdout:{name}" in people.column_names else nobody
        held = pc.and_(matched, held)
        asked = pc.and_not(matched, held)
        belongs[name] = pc.and_(pc.and_(asked, may), is_free)
        counts[name] = _count(people, matched=matched, may=may, held=held, asked=asked, sent=belongs[name])
        matched_any, asked_any = pc.or_(matched_any, matched), pc.or_(asked_any, asked)
    everyone = functools.reduce(pc.or_, belongs.values(), nobody)
    asked_may = pc.and_(asked_any, may)
    blocked = {
        "not_reachable": _sum(pc.and_not(matched_any, may)),
        "suppressed_there": _sum(pc.and_(asked_may, is_suppressed)),
        "gone_there": _sum(pc.and_(asked_may, is_gone)),
    }
    leavers = people.select(["customer_id", "email"]).filter(said_no)
    return Population(
        people=people.select(_columns(destination, people)).filter(everyone).combine_chunks(),
        members={name: column.filter(everyone).combine_chunks() for name, column in belongs.items()},
        counts=counts,
        matched=_sum(matched_any),
        blocked={why: count for why, count in blocked.items() if count},
        held_out=_sum(pc.and_not(pc.and_(matched_any, may), asked_any)),
        left_addresses=leavers["email"].drop_null().combine_chunks(),
        left_customers=leavers["customer_id"].combine_chunks(),
        reachable=people["email"].filter(may).combine_chunks(),
        known_customers=people["customer_id"].combine_chunks(),
        known_emails=people["email"].combine_chunks(),
    )


def _columns(destination: Destination, people: pa.Table) -> list[str]:
    """What a destination is told of somebody: the others may be many, and are not copied."""
    told = {*_NEEDED, *(f"trait:{tag.trait}" for tag in destination.merge_tags if tag.trait)}
    return [name for name in people.column_names if name in told]


def _count(people: pa.Table, *, matched: Any, may: Any, held: Any, asked: Any, sent: Any) -> SegmentCount:  # noqa: ANN401 - Arrow's columns carry no type
    import pyarrow.compute as pc

    bases = pc.value_counts(pc.fill_null(people["basis"], "none").filter(sent)).to_pylist()
    return SegmentCount(
        matched=_sum(matched),
        reachable=_sum(pc.and_(matched, may)),
        held_out=_sum(pc.and_(held, may)),
        blocked=_sum(pc.and_not(pc.and_(asked, may), sent)),
        sent=_sum(sent),
        by_basis={pair["values"]: pair["counts"] for pair in sorted(bases, key=lambda pair: str(pair["values"]))},
    )


def _once(people: pa.Table) -> pa.Table:
    """One row an address: identity has merged customers before; were two left, the smallest id would stand."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = people["email"].drop_null()
    if pc.count_distinct(known).as_py() == len(known):
        return people
    people = people.sort_by("customer_id")
    first = pc.index_in(people["email"], value_set=known.combine_chunks().unique())
    numbered = people.append_column("_row", pa.array(range(len(people)), pa.int64())).append_column("_at", first)
    firsts = numbered.group_by("_at", use_threads=False).aggregate([("_row", "min")])
    keep = pc.or_(
        pc.is_null(people["email"]), pc.is_in(numbered["_row"], value_set=firsts["_row_min"].combine_chunks())
    )
    return people.filter(keep)


def _sum(column: Any) -> int:  # noqa: ANN401 - Arrow's columns carry no type
    import pyarrow.compute as pc

    return int(pc.sum(column).as_py() or 0)
