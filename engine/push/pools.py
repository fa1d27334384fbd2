"""Codes on their way into a provider's pool: those of the plan that the shop still takes, and that are not there yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from connectors.types import AddCode
from engine.ledger.codes import CodeState
from engine.ledger.outcomes import Sending
from engine.ledger.packing import scalar
from engine.plan.rows import ID_LENGTH, PART, content_hash

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.push.trip import Trip

__all__ = ["KIND", "pool_groups", "usable"]

KIND = AddCode.__name__


def pool_groups(trip: Trip, table: pa.Table) -> Iterator[tuple[str, str, Iterator[list[Sending]]]]:
    """Kind, pool and the changes in parts; the plan holds no code: it is the one in the ledger that gives its hash."""
    import pyarrow.compute as pc

    for pool in table["target"].unique().to_pylist():
        asked = table.filter(pc.equal(table["target"], pool))["content_hash"].to_pylist()
        yield KIND, pool, _parts(trip, pool, asked)


def usable(trip: Trip, pool: str) -> Mapping[str, Mapping[str, Any]]:
    """The codes of a pool of the config, by id, that the shop confirmed and that are neither there nor over."""
    if pool not in trip.carrier.destination.pools:
        return {}
    rows = trip.ledger.codes.table(states=[CodeState.CONFIRMED], offers=[pool]).to_pylist()
    return {
        row["code_id"]: row
        for row in rows
        if row["destination"] == trip.name and (row["expires_at"] is None or row["expires_at"] > trip.now)
    }


def _parts(trip: Trip, pool: str, asked: Sequence[str]) -> Iterator[list[Sending]]:
    """Codes that already travel are not sent beside themselves: an interrupted push may be carried again."""
    under_way = {change.address for change in trip.ledger.sending.of(trip.name) if change.kind == KIND}
    rows = {key: row for key, row in usable(trip, pool).items() if key not in under_way}
    ready = {content_hash(trip.name, KIND, pool, key, {}): row for key, row in rows.items()}
    changes = [_change(pool, digest, ready[digest]) for digest in asked if digest in ready]
    if gone := len(asked) - len(changes):
        trip.result.withheld["done"] += gone
        trip.done += gone
    stream = iter(changes)
    while part := list(islice(stream, PART)):
        yield part


def _change(pool: str, digest: str, row: Mapping[str, Any]) -> Sending:
    fields = {"code": scalar(row["code"])}
    if row["expires_at"] is not None:
        fields["expires"] = scalar(row["expires_at"].isoformat())
    return Sending(
        change_id=digest[:ID_LENGTH],
        content_hash=digest,
        kind=KIND,
        target=pool,
        customer_id="",
        address=row["code_id"],
        fields=fields,
    )
