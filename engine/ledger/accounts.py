"""Which account each destination writes to, and its targets: what we created there, and the provider's ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from connectors.types import Ref, Target, TargetKind, ValueKind
from engine.ledger import schema
from engine.ledger.store import Store, upsert

__all__ = ["Accounts", "KnownTarget", "Targets", "record_row"]


class Accounts:
    """The identity of each destination's account, as first seen."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, destination: str) -> str | None:
        """The account's id, or None before the first push."""
        rows = self._store.rows(sa.select(schema.accounts).where(schema.accounts.c.destination == destination))
        return str(rows[0]["account"]) if rows else None

    def record(self, destination: str, account: str, *, name: str, connector: str, plan: str | None = None) -> None:
        """Keep it: a later change is the guard's business."""
        row = {"destination": destination, "account": account, "name": name, "connector": connector}
        with self._store.move(plan) as connection:
            upsert(connection, schema.accounts, [row])


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTarget:
    """A target as the ledger knows it; `ref` is None while its creation is under way, `was` its former names."""

    target: Target
    position: int
    ref: Ref | None
    is_owned: bool
    was: tuple[str, ...] = ()


class Targets:
    """Targets by destination; a position, once given, is never given again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.renamed: Mapping[str, Mapping[str, str]] = {}  # by destination: a segment's former name → its name now

    def of(self, destination: str) -> Mapping[tuple[TargetKind, str], KnownTarget]:
        """All targets of a destination, by kind and our name."""
        query = sa.select(schema.targets).where(schema.targets.c.destination == destination)
        found = {}
        for row in self._called(destination, self._store.rows(query)):
            value = ValueKind(row["value"]) if row["value"] else None
            target = Target(kind=TargetKind(row["kind"]), name=row["name"], title=row["title"], value=value)
            known = KnownTarget(
                target=target,
                position=row["position"],
                ref=row["ref"],
                is_owned=row["is_owned"],
                was=tuple((row["was"] or "").split()),
            )
            found[target.kind, target.name] = known
        return found

    def _called(self, destination: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The rows under the names that segments have now."""
        renamed = self.renamed.get(destination, {})
        names = {row["name"] for row in rows if row["kind"] == TargetKind.SEGMENT.value}
        for row in rows:
            name = renamed.get(row["name"])
            if row["kind"] == TargetKind.SEGMENT.value and name is not None and name not in names:
                yield {**row, "name": name, "was": _former(row)}
            else:
                yield row

    def rename(self) -> None:
        """Write down the names that segments have now, everywhere: with those on their way, and no change of a state."""
        columns, batches = schema.targets.c, schema.batches
        for destination, renamed in self.renamed.items():
            rows = self._store.rows(sa.select(schema.targets).where(columns.destination == destination))
            before = {row["name"]: row for row in rows if row["kind"] == TargetKind.SEGMENT.value}
            for old, new in renamed.items():
                if old not in before or new in before:
                    continue
                here = (
                    columns.destination == destination,
                    columns.kind == TargetKind.SEGMENT.value,
                    columns.name == old,
                )
                of_list = (
                    batches.c.destination == destination,
                    batches.c.target == old,
                    batches.c.kind.like("%Member"),
                )
                with self._store.write() as connection:
                    values = {"name": new, "was": _former(before[old])}
                    connection.execute(sa.update(schema.targets).where(*here).values(values))
                    connection.execute(sa.update(batches).where(*of_list).values(target=new))

    def destinations(self) -> list[str]:
        """Every destination that we have written to, those too that the config has no more."""
        query = sa.select(schema.targets.c.destination).distinct().order_by(schema.targets.c.destination)
        return [row["destination"] for row in self._store.rows(query)]

    def expect(self, destination: str, targets: Iterable[Target], *, is_owned: bool, plan: str | None = None) -> None:
        """Say, before the call, that these are about to be created (or adopted): ref unknown, position given."""
        known = self.of(destination)
        rows = []
        counts = {
            kind: 1 + max((at.position for at in known.values() if at.target.kind is kind), default=-1)
            for kind in TargetKind
        }
        for target in targets:
            before = known.get((target.kind, target.name))
            position = before.position if before else counts[target.kind]
            counts[target.kind] += 0 if before else 1
            rows.append(_row(destination, target, position=position, is_owned=is_owned))
        with self._store.move(plan) as connection:
            upsert(connection, schema.targets, rows)

    def renew(self, destination: str, target: Target, *, plan: str | None = None) -> None:
        """Expect it again under a new position: whoever was in the one that is gone is in the new one no more."""
        positions = [at.position for (kind, _), at in self.of(destination).items() if kind is target.kind]
        row = _row(destination, target, position=max(positions, default=-1) + 1, is_owned=True)
        refused = schema.rejections.c
        here = (refused.destination == destination, refused.target == target.name)
        with self._store.move(plan) as connection:
            upsert(connection, schema.targets, [row])
            connection.execute(sa.delete(schema.rejections).where(*here))  # they were refused by the one that is gone

    def record(self, destination: str, refs: Mapping[Target, Ref], *, plan: str | None = None) -> None:
        """Keep the provider's ids of expected targets."""
        columns = schema.targets.c
        with self._store.move(plan) as connection:
            for target, ref in refs.items():
                same = (columns.destination == destination, columns.kind == target.kind, columns.name == target.name)
                connection.execute(sa.update(schema.targets).where(*same).values(ref=ref))


def _former(row: Mapping[str, Any]) -> str:
    return " ".join([*(row["was"] or "").split(), row["name"]])


def record_row(connection: sa.Connection, destination: str, target: Target, *, position: int, ref: Ref) -> None:
    """A list that we did not create, within a transaction."""
    row = _row(destination, target, position=position, is_owned=False) | {"ref": ref}
    upsert(connection, schema.targets, [row])


def _row(destination: str, target: Target, *, position: int, is_owned: bool) -> dict[str, object]:
    return {
        "destination": destination,
        "kind": target.kind.value,
        "name": target.name,
        "title": target.title,
        "value": target.value.value if target.value else None,
        "position": position,
        "ref": None,
        "is_owned": is_owned,
    }
