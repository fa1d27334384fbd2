"""What we hold of a campaign beside what its provider reports: a read that lost people shows here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.types import EventKind

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.base import ReadsTotals
    from engine.engagement.parts import Parts

__all__ = ["Compared", "Difference", "compare"]

MOST = 100  # campaigns, the newest: reports are asked for within small quotas (Klaviyo 225 a day, 2026-07-15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """People that we hold for a campaign and a kind, and those that the provider reports."""

    campaign: str
    kind: EventKind
    ours: int
    theirs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One destination's campaigns: how many were compared, where both sides differ, or why they could not be."""

    destination: str
    campaigns: int = 0
    differences: Sequence[Difference] = ()
    error: str | None = None


def compare(destination: str, connector: ReadsTotals, parts: Parts, *, since: datetime) -> Compared:
    """Compare the newest campaigns with an event since then. Raises connectors.errors."""
    ours = _people(destination, parts, since)
    theirs = connector.totals(list(ours))
    found = tuple(
        Difference(campaign=campaign, kind=kind, ours=ours[campaign].get(kind, 0), theirs=count)
        for campaign in sorted(ours.keys() & theirs.keys())
        for kind, count in theirs[campaign].items()
        if ours[campaign].get(kind, 0) != count
    )
    return Compared(destination=destination, campaigns=len(theirs), differences=found)


def _people(destination: str, parts: Parts, since: datetime) -> dict[str, Mapping[EventKind, int]]:
    """Distinct addresses by campaign and kind, the campaigns with the newest events first."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = ["campaign", "kind", "email", "happened_at"]
    tables = [pq.read_table(path, columns=columns) for path in parts.of(destination)]
    if not tables:
        return {}
    events = pa.concat_tables(tables)
    events = events.filter(pc.is_valid(events["campaign"]))
    newest = events.group_by("campaign").aggregate([("happened_at", "max")])
    newest = newest.filter(pc.greater_equal(newest["happened_at_max"], pa.scalar(since.replace(tzinfo=None))))
    order = [("happened_at_max", "descending"), ("campaign", "ascending")]
    chosen = newest.sort_by(order)["campaign"].slice(0, MOST)
    events = events.filter(pc.is_in(events["campaign"], value_set=chosen.combine_chunks()))
    counted = events.group_by(["campaign", "kind"]).aggregate([("email", "count_distinct")]).to_pylist()
    people: dict[str, dict[EventKind, int]] = {campaign: {} for campaign in chosen.to_pylist()}
    for row in counted:
        people[row["campaign"]][EventKind(row["kind"])] = row["email_count_distinct"]
    return dict(people)
