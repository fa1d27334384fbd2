"""Changes on their way: written before a batch leaves, settled by its outcomes, found again after a crash."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import sqlalchemy as sa

from connectors.types import Left, Outcome, Reason, Ref, State, TargetKind
from engine.ledger import codes, contacts, packing, schema
from engine.ledger.accounts import KnownTarget
from engine.ledger.outcomes import Sending, known_after
from engine.ledger.store import Store, among, upsert, upsert_columns

__all__ = ["Settlement", "Travelling"]

_TARGET_KINDS = {
    "AddMember": TargetKind.SEGMENT,
    "RemoveMember": TargetKind.SEGMENT,
    "AddCode": TargetKind.POOL,
}
_FAMILIES = {kind: family.value for kind, family in _TARGET_KINDS.items()}
_EVERYONE = TargetKind.CONTACTS.value
_FINAL = frozenset({State.APPLIED, State.NOOP, State.REJECTED})
_THERE = frozenset({State.APPLIED, State.NOOP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How outcomes are kept: when, by which connector version, for which plan, with the destination's targets."""

    destination: str
    at: datetime
    version: str
    targets: Mapping[tuple[TargetKind, str], KnownTarget]
    plan: str | None = None
    code_tags: Mapping[str, str] = field(default_factory=dict)  # merge tags that carry a code: tag → offer

    def known(self, kind: str) -> dict[str, KnownTarget]:
        """The targets that a kind of change speaks of, by name."""
        family = _TARGET_KINDS.get(kind, TargetKind.FIELD)
        return {name: known for (group, name), known in self.targets.items() if group is family}


class Travelling:
    """Changes between `sending` and their final outcome."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, destination: str, changes: Sequence[Sending], *, at: datetime, plan: str | None = None) -> None:
        """Commit that these are about to leave."""
        columns = _columns(destination, changes, at, plan)
        with self._store.move(plan) as connection:
            upsert_columns(connection, schema.sending, columns)

    def wait(self, destination: str, jobs: Mapping[str, Ref], *, plan: str | None = None) -> None:
        """Commit that these changes, by id, wait for a provider's job."""
        carried: dict[Ref | None, list[str]] = {}
        for key, ref in jobs.items():
            carried.setdefault(ref, []).append(key)
        self._mark(destination, carried, "pending", plan)

    def lose(self, destination: str, change_ids: Sequence[str], *, plan: str | None = None) -> None:
        """Commit that the job of these changes told us nothing in time: they are `sending` again."""
        self._mark(destination, {None: list(change_ids)} if change_ids else {}, "sending", plan)

    def settle(self, settlement: Settlement, results: Sequence[tuple[Sending, Outcome]]) -> None:
        """Commit final outcomes: what is acknowledged, what was rejected; PENDING ones are not for here."""
        final = [(change, outcome) for change, outcome in results if outcome.state in _FINAL]
        if not final:
            return
        with self._store.move(settlement.plan) as connection:
            _acknowledge(connection, settlement, final)
            _reject(connection, settlement, final)
            _suppress(connection, settlement, final)
            _carry_codes(connection, settlement, final)
            _forget(connection, settlement.destination, [change.change_id for change, _ in final])

    def withdraw(self, destination: str, change_ids: Sequence[str], *, plan: str | None = None) -> None:
        """Forget changes that certainly did not take effect: the next plan has them again."""
        if change_ids:
            with self._store.move(plan) as connection:
                _forget(connection, destination, change_ids)

    def drop(self, destination: str, changes: Sequence[Sending], settlement: Settlement) -> None:
        """Forget changes whose effect is unknown and no longer wanted, and the field values they may have written."""
        touched = [change for change in changes if change.kind in {"SetTraits", "ClearTraits"}]
        with self._store.move(settlement.plan) as connection:
            before = contacts.read(connection, destination, sorted({change.address for change in touched}))
            known = settlement.known("SetTraits")
            for change in touched:
                if (contact := before.get(change.address)) is not None:
                    unsure = {known[name].position for name in change.fields if name in known}
                    kept = {place: text for place, text in contact.fields.items() if place not in unsure}
                    before[change.address] = replace(contact, packed=packing.pack_fields(kept))
            contacts.write(connection, destination, list(before.values()))
            _forget(connection, destination, [change.change_id for change in changes])

    def of(self, destination: str) -> list[Sending]:
        """Everything on its way to a destination, oldest job first."""
        columns = schema.sending.c
        query = (
            sa.select(schema.sending)
            .where(columns.destination == destination)
            .order_by(columns.started_at, columns.change_id)
        )
        return [_sending(row) for row in self._store.rows(query)]

    def _mark(self, destination: str, carried: Mapping[Ref | None, list[str]], state: str, plan: str | None) -> None:
        """Which job has which changes now, and what state that is."""
        columns = schema.sending.c
        if not carried:
            return
        with self._store.move(plan) as connection:
            for job, keys in carried.items():
                for is_one in among(connection, columns.change_id, keys):
                    update = sa.update(schema.sending).where(columns.destination == destination, is_one)
                    connection.execute(update.values(job=job, state=state))


def _acknowledge(connection: sa.Connection, settlement: Settlement, final: Sequence[tuple[Sending, Outcome]]) -> None:
    known = {kind: settlement.known(kind) for kind in {change.kind for change, _ in final}}
    before = contacts.read(connection, settlement.destination, list({change.address for change, _ in final}))
    after: dict[str, contacts.Contact] = {}
    for change, outcome in final:
        contact = after.get(change.address) or before.get(change.address)
        updated = known_after(contact, change, outcome, known[change.kind])
        if updated is not None and updated != contact:
            after[change.address] = updated
    contacts.write(connection, settlement.destination, list(after.values()))


def _reject(connection: sa.Connection, settlement: Settlement, final: Sequence[tuple[Sending, Outcome]]) -> None:
    done = [change.content_hash for change, outcome in final if outcome.state is not State.REJECTED]
    columns = schema.rejections.c
    here = columns.destination == settlement.destination
    if connection.scalar(sa.select(sa.func.count()).select_from(schema.rejections).where(here)):
        for is_one in among(connection, columns.content_hash, done):
            connection.execute(sa.delete(schema.rejections).where(here, is_one))
    refused = [(change, outcome) for change, outcome in final if outcome.state is State.REJECTED]
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
        "words": outcome.words,
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
    """A code that arrived is pushed; a code that ended and whose tag is empty now is cleared."""
    arrived = [change for change, outcome in final if change.kind == "AddCode" and outcome.state in _THERE]
    pushed = [str(packing.value(change.fields["code"])) for change in arrived]
    cleared: list[tuple[str, str]] = []
    for change, outcome in final if settlement.code_tags else ():
        is_new = change.kind != "AddContact" or outcome.state is not State.NOOP
        if change.kind == "AddCode" or outcome.state is State.REJECTED or not is_new:
            continue
        for tag in change.fields.keys() & settlement.code_tags.keys():
            if change.kind == "ClearTraits":
                cleared.append((settlement.code_tags[tag], change.customer_id))
            else:
                pushed.append(str(packing.value(change.fields[tag])))
    codes.advance(connection, pushed, codes.CodeState.PUSHED, at=settlement.at)
    codes.clear(connection, cleared, at=settlement.at)


def _forget(connection: sa.Connection, destination: str, change_ids: Sequence[str]) -> None:
    columns = schema.sending.c
    for is_one in among(connection, columns.change_id, change_ids):
        connection.execute(sa.delete(schema.sending).where(columns.destination == destination, is_one))


def _columns(destination: str, changes: Sequence[Sending], at: datetime, plan: str | None) -> dict[str, list[Any]]:
    count = len(changes)
    return {
        "destination": [destination] * count,
        "change_id": [change.change_id for change in changes],
        "content_hash": [change.content_hash for change in changes],
        "kind": [change.kind for change in changes],
        "target_kind": [_FAMILIES.get(change.kind, _EVERYONE) for change in changes],
        "target": [change.target for change in changes],
        "customer_id": [change.customer_id for change in changes],
        "address": [change.address for change in changes],
        "payload": [_packed(change) for change in changes],
        "state": ["pending" if change.is_pending else "sending" for change in changes],
        "job": [change.job for change in changes],
        "started_at": [at] * count,
        "plan": [plan] * count,
    }


def _packed(change: Sending) -> str:
    """Status, defaults, then names and JSON scalars in turn: neither a name nor a scalar holds the separator."""
    cells = [change.status or "", ",".join(sorted(change.defaults)) if change.defaults else ""]
    return (
        packing.SEPARATOR.join(chain(cells, *change.fields.items())) if change.fields else packing.SEPARATOR.join(cells)
    )


def _unpacked(payload: str) -> tuple[str | None, frozenset[str], dict[str, str]]:
    if payload.startswith("{"):  # as older ledgers hold it
        found = json.loads(payload)
        return found["status"], frozenset(found["defaults"]), found["fields"]
    status, defaults, *cells = payload.split(packing.SEPARATOR)
    named = frozenset(defaults.split(",")) if defaults else frozenset()
    return status or None, named, dict(zip(cells[::2], cells[1::2], strict=True))


def _sending(row: Mapping[str, Any]) -> Sending:
    status, defaults, fields = _unpacked(row["payload"])
    return Sending(
        change_id=row["change_id"],
        content_hash=row["content_hash"],
        kind=row["kind"],
        target=row["target"],
        customer_id=row["customer_id"],
        address=row["address"],
        fields=fields,
        defaults=defaults,
        status=status,
        job=row["job"],
        started_at=row["started_at"],
        plan=row["plan"],
        is_pending=row["state"] == "pending",
    )
