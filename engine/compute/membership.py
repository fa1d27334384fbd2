"""Who belongs where: one run's answer, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from engine.compute.backends import backend as words
from engine.compute.backends.protocol import Engine
from engine.compute.bounds import Calendar
from engine.compute.query import Ground, membership
from engine.segments import Catalogue
from engine.shop import schema

if TYPE_CHECKING:
    import pyarrow as pa


class Shop(Protocol):
    """What is computed over: the shop's tables and the sources over them."""

    @property
    def database(self) -> Engine:
        """Where every neutral table is, typed."""
        ...

    def sources(self) -> Mapping[str, schema.Source]:
        """What can be counted."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """One row a customer, sorted by customer_id as text.

    `table`: customer_id, email, consent_email, basis (text), `reachable_CHANNEL` (bool), and `segment:NAME` (bool, before
    any consent gate), `holdout:NAME` (bool, where the segment has a holdout), `trait:NAME` (typed; instants naive UTC).
    No boolean is ever NULL.
    """

    table: pa.Table
    now: datetime

    @property
    def segments(self) -> tuple[str, ...]:
        """The names of the segments."""
        return self._names("segment:")

    @property
    def traits(self) -> tuple[str, ...]:
        """The names of the traits."""
        return self._names("trait:")

    def members(self, segment: str, *, reachable: str | None = None) -> pa.Table:
        """The rows of a segment's members; `reachable` keeps those who may be contacted through that channel."""
        import pyarrow.compute as pc

        wanted = self.table[f"segment:{segment}"]
        if reachable is not None:
            wanted = pc.and_(wanted, self.table[f"reachable_{reachable}"])
        return self.table.filter(wanted)

    def _names(self, prefix: str) -> tuple[str, ...]:
        return tuple(name.removeprefix(prefix) for name in self.table.column_names if name.startswith(prefix))


def compute(
    shop: Shop,
    catalogue: Catalogue,
    now: datetime,
    zone: ZoneInfo,
    *,
    week_starts: str = "monday",
    leap_day: str = "feb28",
    also: Iterable[str] = (),
) -> Membership:
    """All segments and traits of a catalogue for all customers, in one query; `also` names further facts to bring along."""
    calendar = Calendar(now, zone, week_starts=week_starts, leap_day=leap_day)
    ground = stand_on(shop, calendar)
    return Membership(table=ground.run(membership(catalogue, ground, also)), now=now)


def sql(
    catalogue: Catalogue,
    now: datetime,
    zone: ZoneInfo,
    *,
    sources: Mapping[str, schema.Source] | None = None,
    backend: str = "duckdb",
    week_starts: str = "monday",
    leap_day: str = "feb28",
) -> str:
    """The same query as text in a backend's words, for people to read."""
    calendar = Calendar(now, zone, week_starts=week_starts, leap_day=leap_day)
    known = schema.sources(schema.TABLES) if sources is None else sources
    ground = Ground(sources=known, columns=frozenset(), calendar=calendar, backend=words(backend))
    return ground.backend.text(membership(catalogue, ground).whole(), pretty=True)


def stand_on(shop: Shop, calendar: Calendar) -> Ground:
    """The shop's own database as the place of a query."""
    engine = shop.database
    return Ground(
        sources=shop.sources(),
        columns=frozenset(engine.columns("customers")),
        calendar=calendar,
        backend=words(engine.name),
        engine=engine,
    )
