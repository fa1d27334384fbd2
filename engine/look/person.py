"""All that is held of one person (R-GRD-08): the shop's rows, consent and how it came about, every destination, mails."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError
from engine.files import whole

if TYPE_CHECKING:
    from pathlib import Path

    from engine.client import Client
    from engine.erasure import Person

__all__ = ["ConsentAct", "ConsentState", "Held", "person"]

_ACTS = frozenset({"unsubscribed", "complaint", "other"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentState:
    """What segments and plans read: one line a channel, with when and by whom it came about."""

    channel: str
    state: str
    since: datetime | None = None
    source: str | None = None
    basis: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentAct:
    """One thing known that touches consent: where, what, when, and when we first saw it. `counts`: as the person's own act."""

    source: str
    what: str
    at: datetime | None = None
    first_seen: datetime | None = None
    origin: str = "provider"
    counts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One person. `shop` by table, `destinations` by name; `computed`: traits and segments; rows are as they are kept."""

    customers: Sequence[str]
    addresses: Sequence[str]
    consent: Sequence[ConsentState]
    history: Sequence[ConsentAct]
    shop: Mapping[str, Sequence[Mapping[str, Any]]]
    computed: Mapping[str, Any]
    destinations: Mapping[str, Mapping[str, Any]]
    codes: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    plans: Sequence[int]
    file: Path | None = None


def person(client: Client, who: str, out: Path | None = None) -> Held:
    """Look one person up by customer_id or address; with `out` all of it goes to a file of mode 0600. Raises ConfigError."""
    found, zone = _found(client, who), client.settings.zone
    rows = client.shop.rows_of(found.ids[0]) if found.ids else {}
    suppressions = _mine(client.ledger.suppressions.table().to_pylist(), found)
    events = client.parts.of_people(found.addresses)
    if not found.ids and not suppressions and not events:
        raise ConfigError(
            "nothing is held of this person", place="CUSTOMER|EMAIL", hint="a customer_id, or a whole address"
        )
    held = Held(
        customers=found.ids,
        addresses=found.addresses,
        consent=[
            replace(one, since=_here(one.since, zone)) for one in _states(next(iter(rows.get("customers", ())), {}))
        ],
        history=[
            replace(one, at=_here(one.at, zone), first_seen=_here(one.first_seen, zone))
            for one in [*_told(suppressions), *_acted(events)]
        ],
        shop=rows,
        computed=_computed(client, found.ids),
        destinations=_destinations(client, found),
        codes=[row for row in client.ledger.codes.table().to_pylist() if row["customer_id"] in found.ids],
        events=events,
        plans=_plans(client, found.ids),
        file=out,
    )
    if out is not None:
        _write(out, held)
    return held


def _here(at: datetime | None, zone: tzinfo) -> datetime | None:
    """The client's own time; at rest instants are UTC and do not say so."""
    return None if at is None else (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(zone)


def _found(client: Client, who: str) -> Person:
    from engine.client.erasing import find_person
    from engine.erasure import Person

    if "@" in who:
        return find_person(client, who)
    aliases = dict(zip(*(client.aliases[name].to_pylist() for name in ("customer_id", "canonical")), strict=True))
    own = aliases.get(who, who)
    row = _row(client, own)
    if row is None:
        raise ConfigError("there is no such customer", place="CUSTOMER|EMAIL", hint="see `ciblage members SEGMENT`")
    if row["email"]:
        return find_person(client, row["email"])
    return Person((), (own, *sorted(key for key, canonical in aliases.items() if canonical == own)))


def _row(client: Client, customer: str) -> dict[str, Any] | None:
    import pyarrow.compute as pc

    people = client.membership.table
    found: list[dict[str, Any]] = people.filter(pc.equal(people["customer_id"], customer)).to_pylist()
    return found[0] if found else None


def _mine(rows: Sequence[dict[str, Any]], found: Person) -> list[dict[str, Any]]:
    return [row for row in rows if row["address"] in found.addresses or row["customer_id"] in found.ids]


def _states(customer: Mapping[str, Any]) -> list[ConsentState]:
    if not customer:
        return []
    mail = ConsentState(
        channel="email",
        state=customer["consent_email"],
        since=customer["consent_email_at"],
        source=customer["consent_email_source"],
        basis=customer["consent_email_basis"],
    )
    return [mail, ConsentState(channel="sms", state=customer["consent_sms"] or "never")]


def _told(suppressions: Sequence[Mapping[str, Any]]) -> list[ConsentAct]:
    return [
        ConsentAct(
            source=row["destination"], what=row["left"], at=row["at"], first_seen=row["first_seen"],
            origin=row["origin"], counts=row["left"] in _ACTS,
        )
        for row in suppressions
    ]  # fmt: skip


def _acted(events: Sequence[Mapping[str, Any]]) -> list[ConsentAct]:
    kinds = {"unsubscribe", "complaint", "bounce"}
    return [
        ConsentAct(
            source=row["destination"], what=row["kind"], at=row["happened_at"], origin="event", counts=row["kind"] != "bounce"
        )
        for row in events
        if row["kind"] in kinds
    ]  # fmt: skip


def _computed(client: Client, ids: Sequence[str]) -> dict[str, Any]:
    row = _row(client, ids[0]) if ids else None
    return {name: value for name, value in (row or {}).items() if ":" in name or name.startswith("reachable")}


def _destinations(client: Client, found: Person) -> dict[str, dict[str, Any]]:
    """What each destination has of them, as far as the ledger knows: titles of lists, values by field."""
    from connectors.types import TargetKind

    ledger, told = client.ledger, {}
    for name in client.settings.destinations:
        targets = ledger.targets.of(name)
        lists = {at.position: at.target.title for (kind, _), at in targets.items() if kind is TargetKind.SEGMENT}
        fields = {at.position: at.target.title for (kind, _), at in targets.items() if kind is TargetKind.FIELD}
        contacts = [
            {
                "address": one.address,
                "state": one.state.value,
                "ref": one.ref,
                "lists": sorted(lists[place] for place in one.members | one.foreign_members if place in lists),
                "values": {fields[place]: json.loads(text) for place, text in one.fields.items() if place in fields},
            }
            for one in ledger.contacts.of(name, found.addresses).values()
        ]
        refused = [
            {"kind": one.kind, "reason": one.reason.value, "at": one.at, "address": one.address}
            for one in ledger.rejections.of(name)
            if one.address in found.addresses
        ]
        under_way = [
            {"kind": one.kind, "since": one.started_at, "address": one.address}
            for one in ledger.sending.of(name)
            if one.address in found.addresses
        ]
        told[name] = {"contacts": contacts, "rejections": refused, "on_their_way": under_way}
    return {name: one for name, one in told.items() if any(one.values())}


def _plans(client: Client, ids: Sequence[str]) -> list[int]:
    """Runs whose kept plan names them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from engine.history import kept_plans

    kept, wanted = kept_plans(client), pa.array(ids, pa.string())
    return [
        run
        for run in kept.runs()
        if any(
            pc.any(pc.is_in(part["customer_id"].cast(pa.string()), value_set=wanted)).as_py()
            for part in kept.of(run).stored.tables()
        )
    ]


def _write(path: Path, held: Held) -> None:
    told = {name: value for name, value in asdict(held).items() if name != "file"}
    with whole(path, is_text=True) as file:
        json.dump(told, file, ensure_ascii=False, indent=2, default=_said)


def _said(value: object) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)
