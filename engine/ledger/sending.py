"""Changes on their way: written before a batch leaves, settled by its outcomes, found again after a crash."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from connectors.types import Left, Outcome, Reason, Ref, State, TargetKind
from engine.ledger import batches, codes, contacts, packing, schema
from engine.ledger.accounts import KnownTarget
from engine.ledger.outcomes import Known, Sending, known_after
from engine.ledger.store import Store, among, keepable, upsert

__all__ = ["Settlement", "Travelling"]

_TARGET_KINDS = {
    "AddMember": TargetKind.SEGMENT,
    "RemoveMember": TargetKind.SEGMENT,
    "AddCode": TargetKind.POOL,
}
_THERE = frozenset({State.APPLIED, State.NOOP})
_PENDING, _REJECTED = State.PENDING, State.REJECTED  # looked up once, not once a change


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How outcomes are kept: when, by which connector version, for which plan, with the destination's targets."""

    destination: str
    at: datetime
    version: str
    targets: Mapping[tuple[TargetKind, str], KnownTarget]
    plan: str | None = None
    code_tags: Mapping[str, str] = field(default_factory=dict)  # merge tags that carry a code: tag → offer

    def known(self, kind: str) -> Known:
        """The targets that a kind of change speaks of, by name."""
        family = _TARGET_KINDS.get(kind, TargetKind.FIELD)
        return Known({name: known for (group, name), known in self.targets.items() if group is family})


class Travelling:
    """Changes between `sending` and their final outcome."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[str, _Open] = {}
        self.renamed: Mapping[str, Mapping[str, str]] = {}  # by destination: a segment's former name → its name now

    def begin(self, destination: str, *batches: Sequence[Sending], at: datetime, plan: str | None = None) -> None:
        """Commit that these are about to leave; those of a batch are kept together, as they are expected to end."""
        with self._moving(destination, plan) as rows:
            rows.take([change.change_id for batch in batches for change in batch])  # sent anew: once is enough
            for batch in batches:
                for (kind, target), same in groupby(batch, key=attrgetter("kind", "target")):
                    rows.add(_About(destination, kind, target, "sending", None, plan, at), list(same))

    def wait(self, destination: str, jobs: Mapping[str, Ref], *, plan: str | None = None) -> None:
        """Commit that these changes, by id, wait for a provider's job."""
        carried: dict[Ref | None, list[str]] = {}
        for key, ref in jobs.items():
            carried.setdefault(ref, []).append(key)
        self._mark(destination, carried, "pending", plan)

    def lose(self, destination: str, change_ids: Sequence[str], *, plan: str | None = None) -> None:
        """Commit that the job of these changes told us nothing in time: they are `sending` again."""
        self._mark(destination, {None: list(change_ids)} if change_ids else {}, "sending", plan)

    def settle(
        self,
        settlement: Settlement,
        results: Sequence[tuple[Sending, Outcome]],
        *,
        known: dict[str, contacts.Contact | None] | None = None,
    ) -> None:
        """Commit final outcomes: what is acknowledged, what was rejected; PENDING ones are not for here.

        `known`: contacts as the ledger has them (None: it has none), which is kept so; the others are read.
        """
        final = [pair for pair in results if pair[1].state is not _PENDING]
        if not final:
            return
        seen = {} if known is None else known
        targets = {kind: settlement.known(kind) for kind in {change.kind for change, _ in final}}
        after: dict[str, contacts.Contact] = {}
        with self._moving(settlement.destination, settlement.plan) as rows:
            after = _acknowledge(rows.connection, settlement.destination, final, targets, seen)
            _reject(rows.connection, settlement, final)
            if "Suppress" in targets:
                _suppress(rows.connection, settlement, final)
            if settlement.code_tags or "AddCode" in targets:
                _carry_codes(rows.connection, settlement, final)
            rows.take([change.change_id for change, _ in final])
        seen.update(after)

    def withdraw(self, destination: str, change_ids: Sequence[str], *, plan: str | None = None) -> None:
        """Forget changes that certainly did not take effect: the next plan has them again."""
        if change_ids:
            with self._moving(destination, plan) as rows:
                rows.take(change_ids)

    def drop(self, destination: str, changes: Sequence[Sending], settlement: Settlement) -> None:
        """Forget changes whose effect is unknown and no longer wanted, and the field values they may have written."""
        touched = [change for change in changes if change.kind in {"SetTraits", "ClearTraits"}]
        with self._moving(destination, settlement.plan) as rows:
            before = contacts.read(rows.connection, destination, sorted({change.address for change in touched}))
            known = settlement.known("SetTraits")
            for change in touched:
                if (contact := before.get(change.address)) is not None:
                    unsure = {known[name].position for name in change.fields if name in known}
                    kept = {place: text for place, text in contact.fields.items() if place not in unsure}
                    before[change.address] = contact._replace(packed=packing.pack_fields(kept))
            contacts.write(rows.connection, destination, list(before.values()))
            rows.take([change.change_id for change in changes])

    def of(self, destination: str) -> list[Sending]:
        """Everything on its way to a destination, what left first before the rest."""
        columns = schema.batches.c
        query = sa.select(schema.batches).where(columns.destination == destination)
        rows = self._store.rows(query.order_by(columns.started_at, columns.id))
        return [change for row in rows for change in batches.unpack(self._called(row))]

    def _called(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """A batch of a list under the name that its segment has now."""
        new = self.renamed.get(row["destination"], {}).get(row["target"]) if row["kind"].endswith("Member") else None
        return row if new is None else {**row, "target": new}

    def _mark(self, destination: str, carried: Mapping[Ref | None, list[str]], state: str, plan: str | None) -> None:
        """Which job has which changes now, and what state that is."""
        if not carried:
            return
        with self._moving(destination, plan) as rows:
            for job, keys in carried.items():
                rows.mark(keys, state, job)

    @contextmanager
    def _moving(self, destination: str, plan: str | None) -> Iterator[_Rows]:
        """A transaction with the rows of a destination; what is remembered of them is what it left."""
        remembered = self._open.pop(destination, None) or _Open()  # gone, should the transaction fail
        with self._store.move(plan) as connection:
            yield _Rows(connection, destination, remembered)
        self._open[destination] = remembered


class _About(NamedTuple):
    """What the changes of a row share."""

    destination: str
    kind: str
    target: str
    state: str
    job: str | None
    plan: str | None
    started_at: datetime


class _Open:
    """The changes of the rows that this process wrote or read: a row's own never change, so they are read once."""

    def __init__(self) -> None:
        self.changes: dict[int, dict[str, Sending]] = {}

    def keep(self, row: int, changes: Sequence[Sending]) -> None:
        self.changes[row] = {change.change_id: change for change in changes}


class _Rows:
    """The rows of a destination within a transaction; another process may have changed them since the last one."""

    def __init__(self, connection: sa.Connection, destination: str, remembered: _Open) -> None:
        self.connection = connection
        self._remembered = remembered
        columns = schema.batches.c
        shared = [columns[name] for name in _About._fields]
        found = connection.execute(sa.select(columns.id, *shared).where(columns.destination == destination)).all()
        self._about = {row: _About(*about) for row, *about in found}
        for row in remembered.changes.keys() - self._about.keys():
            del remembered.changes[row]
        for row in sorted(self._about.keys() - remembered.changes.keys()):
            whole = connection.execute(sa.select(schema.batches).where(columns.id == row)).mappings().one()
            remembered.keep(row, batches.unpack({str(name): value for name, value in whole.items()}))

    def add(self, about: _About, changes: Sequence[Sending]) -> None:
        """Write some changes as one row."""
        values = {**about._asdict(), "changes": batches.pack(changes)}
        done = self.connection.execute(sa.insert(schema.batches).values(values))
        (row,) = done.inserted_primary_key or (0,)
        self._about[row] = about
        self._remembered.keep(row, changes)

    def take(self, change_ids: Iterable[str]) -> None:
        """Remove changes; those beside them are written anew."""
        for row, keys in self._holding(change_ids).items():
            about, changes = self._about[row], self._remembered.changes[row]
            self._remove(row)
            if len(keys) < len(changes):
                self.add(about, [change for key, change in changes.items() if key not in keys])

    def mark(self, change_ids: Iterable[str], state: str, job: Ref | None) -> None:
        """Say of changes what became of them; those beside them stay as they were."""
        columns = schema.batches.c
        for row, keys in self._holding(change_ids).items():
            about, changes = self._about[row], self._remembered.changes[row]
            if len(keys) == len(changes):
                update = sa.update(schema.batches).where(columns.id == row)
                self.connection.execute(update.values(state=state, job=job))
                self._about[row] = about._replace(state=state, job=job)
                continue
            self._remove(row)
            self.add(about, [change for key, change in changes.items() if key not in keys])
            self.add(about._replace(state=state, job=job), [changes[key] for key in changes if key in keys])

    def _holding(self, change_ids: Iterable[str]) -> Mapping[int, AbstractSet[str]]:
        """The rows that hold these changes, with those of them that each holds."""
        wanted, rows = set(change_ids), self._remembered.changes
        found: dict[int, AbstractSet[str]] = {
            row: changes.keys() for row, changes in rows.items() if changes.keys() <= wanted
        }
        if sum(map(len, found.values())) < len(wanted):  # a change is in one row alone: most calls have them all by now
            others = ((row, changes.keys()) for row, changes in rows.items() if row not in found)
            found |= {row: keys & wanted for row, keys in others if not wanted.isdisjoint(keys)}
        return found

    def _remove(self, row: int) -> None:
        self.connection.execute(sa.delete(schema.batches).where(schema.batches.c.id == row))
        del self._remembered.changes[row]
        del self._about[row]


def _acknowledge(
    connection: sa.Connection,
    destination: str,
    final: Sequence[tuple[Sending, Outcome]],
    targets: Mapping[str, Known],
    known: dict[str, contacts.Contact | None],
) -> dict[str, contacts.Contact]:
    """Write what the outcomes say of contacts; returns those that are another by now, and keeps in `known` what it read.

    `targets`: by kind of change.
    """
    unread = list({change.address for change, _ in final if change.address not in known})
    known |= {**dict.fromkeys(unread), **contacts.read(connection, destination, unread)}
    after: dict[str, contacts.Contact] = {}
    for change, outcome in final:
        address = change.address
        contact = after[address] if address in after else known[address]
        updated = known_after(contact, change, outcome, targets[change.kind])
        if updated is not None and updated != contact:
            after[address] = updated
    pairs = [(known[address], contact) for address, contact in after.items()]
    contacts.change(connection, destination, pairs)
    return after


def _reject(connection: sa.Connection, settlement: Settlement, final: Sequence[tuple[Sending, Outcome]]) -> None:
    columns = schema.rejections.c
    here = columns.destination == settlement.destination
    if connection.scalar(sa.select(sa.func.count()).select_from(schema.rejections).where(here)):
        done = [change.content_hash for change, outcome in final if outcome.state is not _REJECTED]
        for is_one in among(connection, columns.content_hash, done):
            connection.execute(sa.delete(schema.rejections).where(here, is_one))
    refused = [(change, outcome) for change, outcome in final if outcome.state is _REJECTED]
    upsert(connection, schema.rejections, [_rejection(settlement, change, outcome) for change, outcome in refused])


def _rejection(settlement: Settlement, change: Sending, outcome: Outcome) -> dict[str, Any]:
    is_passing = outcome.reason is Reason.TRY_LATER or outcome.wait is not None
    wait = timedelta(seconds=outcome.wait or 0.0) if is_passing else None
    return {
        "destination": settlement.destination,
        "content_hash": change.content_hash,
        "kind": change.kind,
        "target": change.target,
        "customer_id": change.customer_id,
        "address": change.address,
        "connector_version": settlement.version,
        "reason": (outcome.reason or "other"),
        "words": keepable(outcome.words),
        "not_before": settlement.at + wait if wait is not None else None,
        "at": settlement.at,
    }


def _suppress(connection: sa.Connection, settlement: Settlement, final: Sequence[tuple[Sending, Outcome]]) -> None:
    """What we told the destination ourselves: a read-back of it keeps this time and this origin."""
    told = [
        change
        for change, outcome in final
        if change.kind == "Suppress" and outcome.state is not State.REJECTED and outcome.reason is not Reason.GONE
    ]
    rows = [
        {
            "destination": settlement.destination,
            "address": change.address,
            "customer_id": change.customer_id,
            "left": Left.UNSUBSCRIBED.value,
            "at": settlement.at,
            "first_seen": settlement.at,
            "origin": "ours",
        }
        for change in told
    ]
    upsert(connection, schema.suppressions, rows)


def _carry_codes(connection: sa.Connection, settlement: Settlement, final: Sequence[tuple[Sending, Outcome]]) -> None:
    """A code that arrived is pushed."""
    arrived = [change for change, outcome in final if change.kind == "AddCode" and outcome.state in _THERE]
    pushed = [str(packing.value(change.fields["code"])) for change in arrived]
    for change, outcome in final if settlement.code_tags else ():
        is_new = change.kind != "AddContact" or outcome.state is not State.NOOP
        if change.kind in {"AddCode", "ClearTraits"} or outcome.state is State.REJECTED or not is_new:
            continue
        tags = change.fields.keys() & settlement.code_tags.keys()
        pushed += [str(packing.value(change.fields[tag])) for tag in tags]
    codes.advance(connection, pushed, codes.CodeState.PUSHED, at=settlement.at)
