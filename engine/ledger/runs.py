"""What happened: runs, approvals, and what was rejected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connectors.types import Reason
from engine.ledger import schema
from engine.ledger.store import Store, chunks, upsert

__all__ = ["ENDED", "ENDS", "SIZES", "Approval", "Approvals", "Hold", "Holds", "Rejection", "Rejections", "Run", "Runs"]


SIZES = "sizes"  # of segments, in a run's summary
ENDS = "ends"  # the same, by destination: how its push ended,
ENDED = "done"  # where it came to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command that changed something, or tried: `newest` and `rows` describe the shop that it read.

    `plan`: the checksum of what it began to carry; `ended_at` is None where it died.
    """

    command: str
    started_at: datetime
    now: datetime
    config_hash: str
    fingerprint: str | None = None
    newest: datetime | None = None
    rows: int | None = None
    summary: Mapping[str, Any]
    exit: int | None = None
    id: int = 0
    ended_at: datetime | None = None
    plan: str | None = None


class Runs:
    """The history."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, run: Run) -> int:
        """Write down that a run has begun; returns its id."""
        row = {
            "command": run.command, "started_at": run.started_at, "now": run.now, "config_hash": run.config_hash,
            "fingerprint": run.fingerprint, "newest": run.newest, "rows": run.rows,
            "summary": json.dumps(run.summary, ensure_ascii=False, default=str), "exit": run.exit,
        }  # fmt: skip
        with self._store.write() as connection:
            key = connection.execute(sa.insert(schema.runs), row).inserted_primary_key
        return int(key[0]) if key else 0

    def carries(self, run_id: int, plan: str) -> None:
        """Write down, before the first change leaves, which plan a run carries."""
        with self._store.write() as connection:
            connection.execute(sa.update(schema.runs).where(schema.runs.c.id == run_id).values(plan=plan))

    def end(
        self,
        run_id: int,
        *,
        summary: Mapping[str, Any],
        exit_code: int,
        shop: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Write down how and when it ended; `shop` may give fingerprint, newest and rows, once they are known."""
        told = json.dumps(summary, ensure_ascii=False, default=str)
        values = {"summary": told, "exit": exit_code, "ended_at": at, **(shop or {})}
        with self._store.write() as connection:
            connection.execute(sa.update(schema.runs).where(schema.runs.c.id == run_id).values(values))

    def last(self, count: int = 20, *, command: str | None = None) -> list[Run]:
        """The latest runs, newest first."""
        query = sa.select(schema.runs).order_by(schema.runs.c.id.desc()).limit(count)
        if command is not None:
            query = query.where(schema.runs.c.command == command)
        return [_run(row) for row in self._store.rows(query)]

    def get(self, run_id: int) -> Run | None:
        """One run, or None where there is none of that number."""
        rows = self._store.rows(sa.select(schema.runs).where(schema.runs.c.id == run_id))
        return _run(rows[0]) if rows else None

    def carrying(self) -> list[Run]:
        """All runs that carried a plan, oldest first."""
        query = sa.select(schema.runs).where(schema.runs.c.plan.is_not(None)).order_by(schema.runs.c.id)
        return [_run(row) for row in self._store.rows(query)]

    def last_shop(self) -> Run | None:
        """The latest run that read the shop and ended well (exit 0 or 1): what the guard compares with."""
        columns = schema.runs.c
        good = (columns.rows.is_not(None), columns.exit.in_((0, 1)))
        rows = self._store.rows(sa.select(schema.runs).where(*good).order_by(columns.id.desc()).limit(1))
        return _run(rows[0]) if rows else None

    def last_sizes(self) -> Mapping[str, int]:
        """The sizes of segments, in customers, as the latest run that the guard let pass wrote them down."""
        columns = schema.runs.c
        told = columns.summary.contains(f'"{SIZES}": {{', autoescape=True)
        rows = self._store.rows(sa.select(schema.runs).where(told).order_by(columns.id.desc()).limit(1))
        return dict(_run(rows[0]).summary[SIZES]) if rows else {}

    def has_ended(self, destination: str, *, plan: str | None = None) -> bool:
        """Whether any push to it (of this plan) came to its end: what follows is no first load."""
        told = schema.runs.c.summary.contains(f'"{destination}": "{ENDED}"', autoescape=True)
        if plan is not None:
            told = sa.and_(told, schema.runs.c.plan == plan)
        return bool(self._store.rows(sa.select(schema.runs.c.id).where(told).limit(1)))


def _run(row: Mapping[str, Any]) -> Run:
    return Run(**{**row, "summary": json.loads(row["summary"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who approved a plan for a destination, and when."""

    plan: str
    destination: str
    by: str
    at: datetime


class Approvals:
    """Who approved which plan, for which destinations."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, checksum: str, destinations: Sequence[str], *, by: str, at: datetime) -> None:
        """Keep an approval; approving twice keeps the last."""
        rows = [{"plan": checksum, "destination": name, "by": by, "at": at} for name in destinations]
        with self._store.write() as connection:
            upsert(connection, schema.approvals, rows)

    def of(self, checksum: str) -> frozenset[str]:
        """The destinations for which this plan was approved."""
        columns = schema.approvals.c
        return frozenset(
            row["destination"] for row in self._store.rows(sa.select(schema.approvals).where(columns.plan == checksum))
        )

    def by(self, checksum: str) -> list[Approval]:
        """Who approved this plan, by destination."""
        columns = schema.approvals.c
        query = sa.select(schema.approvals).where(columns.plan == checksum).order_by(columns.destination)
        return [Approval(**row) for row in self._store.rows(query)]

    def ever(self, destination: str) -> bool:
        """Whether any plan for this destination was approved."""
        query = sa.select(schema.approvals).where(schema.approvals.c.destination == destination).limit(1)
        return bool(self._store.rows(query))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A destination where a run was undone: nothing more is pushed there until a person has approved a plan."""

    destination: str
    run: int
    at: datetime


class Holds:
    """Destinations that wait for a person."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self) -> dict[str, Hold]:
        """All of them, by destination."""
        return {row["destination"]: Hold(**row) for row in self._store.rows(sa.select(schema.holds))}

    def put(self, destinations: Sequence[str], *, run: int, at: datetime) -> None:
        """Hold these; the last undo stands."""
        rows = [{"destination": name, "run": run, "at": at} for name in destinations]
        with self._store.write() as connection:
            upsert(connection, schema.holds, rows)

    def lift(self, destinations: Sequence[str]) -> None:
        """A person has agreed to what comes next there."""
        with self._store.write() as connection:
            for part in chunks(destinations):
                connection.execute(sa.delete(schema.holds).where(schema.holds.c.destination.in_(part)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A change that a destination refused; it is not sent again until it, or the connector, changes."""

    destination: str
    content_hash: str
    kind: str
    target: str
    customer_id: str
    address: str
    connector_version: str
    reason: Reason
    words: str | None
    not_before: datetime | None
    at: datetime

    def holds(self, version: str, now: datetime) -> bool:
        """Whether the same change is still withheld under this connector version."""
        if self.connector_version != version:
            return False
        return self.not_before is None or now < self.not_before


class Rejections:
    """Rejected changes by content."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, destination: str | None = None) -> list[Rejection]:
        """All of a destination, or of all, oldest first."""
        columns = schema.rejections.c
        query = sa.select(schema.rejections).order_by(columns.at, columns.destination, columns.content_hash)
        if destination is not None:
            query = query.where(columns.destination == destination)
        return [Rejection(**{**row, "reason": Reason(row["reason"])}) for row in self._store.rows(query)]

    def held(self, destination: str, version: str, now: datetime) -> frozenset[str]:
        """Content hashes that are withheld."""
        return frozenset(known.content_hash for known in self.of(destination) if known.holds(version, now))

    def forgive(self, destination: str | None = None, reasons: Iterable[Reason] = tuple(Reason)) -> int:
        """Let everything, or what these say, be sent once more (`rejected --retry`); returns how many."""
        columns = schema.rejections.c
        statement = sa.delete(schema.rejections).where(columns.reason.in_([one.value for one in reasons]))
        if destination is not None:
            statement = statement.where(columns.destination == destination)
        with self._store.write() as connection:
            return connection.execute(statement).rowcount
