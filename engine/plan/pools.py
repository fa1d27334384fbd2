"""Codes that the shop confirmed and that go into a provider's own pools; the plan holds no code, only whose change it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.types import AddCode, TargetKind
from engine.ledger.codes import LIVE, CodeState
from engine.plan import rows
from engine.plan.changes import Changes

if TYPE_CHECKING:
    import pyarrow as pa

    from connectors.types import Target
    from engine.ledger import Ledger
    from engine.plan.destination import Destination

__all__ = ["Filling", "PoolSummary", "fill", "pool_summaries"]

Column = Any  # an Arrow array; Arrow ships no types


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSummary:
    """One pool of ours: codes there that can still be used, codes that join now, and those that wait for the shop."""

    name: str
    title: str
    is_new: bool
    before: int
    joins: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What goes into the pools of one destination. `codes`: the text of each, aligned with its change's `hashes`."""

    table: pa.Table
    hashes: Column
    codes: Column
    live: pa.Table
    withheld: int = 0


def fill(
    destination: Destination, ledger: Ledger, *, now: datetime, under_way: Collection[str], held: Collection[str]
) -> Filling:
    """The confirmed codes of its pools that are not there yet; `under_way`: ids of codes that left already."""
    import pyarrow as pa
    import pyarrow.compute as pc

    live = ledger.codes.table(states=LIVE, offers=destination.pools) if destination.pools else None
    nothing = pa.array([], pa.string())
    if live is None:
        return Filling(table=rows.empty(), hashes=nothing, codes=nothing, live=pa.table({}))
    live = live.filter(pc.equal(live["destination"], destination.name))
    usable = live.filter(pc.equal(live["state"], CodeState.CONFIRMED.value))
    usable = usable.filter(pc.fill_null(pc.greater(usable["expires_at"], now), True))
    usable = usable.filter(pc.invert(pc.is_in(usable["code_id"], value_set=pa.array(sorted(under_way), pa.string()))))
    tables, hashes, codes = [], [nothing], [nothing]
    for offer in destination.pools:
        mine = usable.filter(pc.equal(usable["offer"], offer)).combine_chunks()
        ids = _array(mine["code_id"])
        change = Changes(destination.name, AddCode.__name__, offer, ids, pa.nulls(len(ids), pa.string()), why="offer")
        digests = change.hashes()
        kept = pc.invert(pc.is_in(digests, value_set=pa.array(sorted(held), pa.string())))
        tables.append(change.rows(digests, kept))
        hashes.append(digests)
        codes.append(_array(mine["code"]))
    table = pa.concat_tables(tables)
    every = pa.concat_arrays(hashes)
    return Filling(
        table=table, hashes=every, codes=pa.concat_arrays(codes), live=live, withheld=len(every) - len(table)
    )


def pool_summaries(
    destination: Destination,
    named: Mapping[tuple[TargetKind, str], Target],
    known: Collection[tuple[TargetKind, str]],
    filling: Filling,
) -> tuple[PoolSummary, ...]:
    """Each pool of the config, counted; `known`: targets that the ledger knows."""
    if not destination.pools:
        return ()
    live = _counted(filling.live, "offer", "state")
    joins = _counted(rows.unpacked(filling.table), "target")
    waiting = (CodeState.RESERVED.value, CodeState.EXPORTED.value)
    return tuple(
        PoolSummary(
            name=offer,
            title=named[TargetKind.POOL, offer].title,
            is_new=(TargetKind.POOL, offer) not in known,
            before=live.get((offer, CodeState.PUSHED.value), 0),
            joins=joins.get((offer,), 0),
            waiting=sum(live.get((offer, state), 0) for state in waiting),
        )
        for offer in destination.pools
    )


def _counted(table: pa.Table, *keys: str) -> dict[tuple[str, ...], int]:
    """How many rows, by the values of these columns."""
    counted = table.select(keys).append_column("one", table[keys[0]]).group_by(list(keys)).aggregate([("one", "count")])
    return {tuple(row[key] for key in keys): row["one_count"] for row in counted.to_pylist()}


def _array(column: Any) -> Column:  # noqa: ANN401 - Arrow's columns carry no type
    return column.combine_chunks()
