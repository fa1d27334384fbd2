"""`status`: what a scheduler asks in the morning. How each command ended last, and what each destination waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.client import Client
    from engine.ledger.lock import Holder
    from engine.ledger.runs import Run

__all__ = ["DestinationState", "HeldBack", "LastRun", "Read", "RunRow", "Status", "status"]

_LATEST = 10  # runs shown one by one
_LOOKED_AT = 500  # runs among which the beginning of a good time is looked for
_CARRYING = frozenset({"push", "run"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One command of the history: `exit` None: it is under way, or died."""

    id: int
    command: str
    now: datetime
    started_at: datetime
    ended_at: datetime | None
    exit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """How one command ended last."""

    command: str
    run: int
    now: datetime
    exit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """Why the guard let nothing pass, in English and as the client reads it, and the flag, or the approval, that it waits for.

    `way`: the same as `flag`, as the client reads it.
    """

    kind: str
    target: str | None
    message: str
    said: str
    flag: str
    way: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """How far one stream of a destination is read: its saved place is of this moment, and so many hours old."""

    stream: str
    at: datetime | None
    hours: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationState:
    """What the ledger knows of one destination.

    `fine_since`: the first of the runs that all went well up to the last one; None where the last did not, or there is
    none; `fine_at`: the last that went well. `unproven`: lists whose new count could not be read yet. `error`: why the
    last run could not go on there. `awaits`: "approval" where a person must agree first.
    """

    name: str
    connector: str
    account: str | None
    contacts: int
    lists: int
    in_flight: int
    rejected: int
    suppressed: int
    fine_since: datetime | None = None
    fine_at: datetime | None = None
    pending: int = 0
    unproven: int = 0
    error: str | None = None
    held_back: Sequence[HeldBack] = ()
    awaits: str | None = None
    reads: Sequence[Read] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The last runs, where each destination stands, and what waits for somebody.

    `codes_waiting`: minted, and not confirmed by the shop yet; `ledger_bytes`: None where it cannot be told.
    """

    runs: Sequence[RunRow]
    commands: Sequence[LastRun]
    destinations: Sequence[DestinationState]
    codes_waiting: int = 0
    ledger_bytes: int | None = None
    holder: Holder | None = None


def status(client: Client) -> Status:
    """What the ledger remembers; nobody is called."""
    ledger, zone = client.ledger, client.settings.zone
    runs = ledger.runs.last(_LOOKED_AT)
    codes = ledger.codes.counts().values()
    newest = {run.command: run for run in reversed(runs)}
    return Status(
        runs=[
            RunRow(
                id=one.id, command=one.command, now=one.now.astimezone(zone), started_at=one.started_at,
                ended_at=one.ended_at, exit=one.exit,
            )
            for one in runs[:_LATEST]
        ],
        commands=[
            LastRun(command=name, run=one.id, now=one.now.astimezone(zone), exit=one.exit)
            for name, one in sorted(newest.items(), key=lambda item: -item[1].id)
        ],
        destinations=[_destination(client, name, runs) for name in client.settings.destinations],
        codes_waiting=sum(states.get(state, 0) for states in codes for state in ("reserved", "exported")),
        ledger_bytes=ledger.size(),
        holder=ledger.holder(),
    )  # fmt: skip


def _destination(client: Client, name: str, runs: Sequence[Run]) -> DestinationState:
    from connectors.types import TargetKind

    ledger, zone = client.ledger, client.settings.zone
    lists = [at for (kind, _), at in ledger.targets.of(name).items() if kind is TargetKind.SEGMENT and at.ref]
    ends = [(run, *found) for run in runs if (found := _end(run, name)) is not None]
    good = list(_streak(ends))
    fine_at = next((run.now for run, trouble, _ in ends if not trouble), None)
    last = ends[0][2] if ends else {}
    held = [one for one in last.get("refusals", ()) if one["destination"] == name]
    is_waiting = name in ledger.holds.of() or any(one["kind"] in {"unapproved", "undone"} for one in held)
    carried = _of(last, name) or {}
    on_its_way = ledger.sending.of(name)
    return DestinationState(
        name=name,
        connector=client.settings.destinations[name].connector,
        account=ledger.accounts.get(name),
        contacts=ledger.contacts.count(name),
        lists=len(lists),
        in_flight=len(on_its_way),
        rejected=len(ledger.rejections.of(name)),
        suppressed=len(ledger.suppressions.addresses(name)),
        fine_since=good[-1].now.astimezone(zone) if good else None,
        fine_at=None if fine_at is None else fine_at.astimezone(zone),
        pending=sum(1 for one in on_its_way if one.is_pending),
        unproven=int(last.get("unproven", {}).get(name, 0)),
        error=last.get("unreachable", {}).get(name) or carried.get("error"),
        held_back=[
            HeldBack(
                kind=one["kind"], target=one["target"], message=one["message"], flag=one["flag"],
                said=one.get("said", {}).get(client.lang, one["message"]),
                way=one.get("ways", {}).get(client.lang, one["flag"]),
            )
            for one in held
        ],
        awaits="approval" if is_waiting else None,
        reads=list(_reads(client, name)),
    )  # fmt: skip


def _end(run: Run, name: str) -> tuple[bool, Mapping[str, Any]] | None:
    """Whether something kept this run from ending well at a destination, and its summary; None where it did not come so far."""
    told = run.summary
    if run.command not in _CARRYING or "destinations" not in told:
        return None
    refused = any(one["destination"] == name for one in told.get("refusals", ()))
    carried = _of(told, name)
    if carried is None:
        return (True, told) if refused or name in told.get("unreachable", {}) else None
    return bool(refused or carried["error"] or carried["stopped"] or name in told.get("unreachable", {})), told


def _of(told: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return next((one for one in told.get("destinations", ()) if one["destination"] == name), None)


def _streak(ends: Sequence[tuple[Run, bool, Mapping[str, Any]]]) -> Iterator[Run]:
    """The last runs, newest first, up to one that did not end well."""
    for run, is_trouble, _ in ends:
        if is_trouble:
            return
        yield run


def _reads(client: Client, name: str) -> Iterator[Read]:
    for stream, at in sorted(client.ledger.cursors.of(name).items()):
        hours = None if at is None else round((client.now - at).total_seconds() / 3600, 1)
        yield Read(stream=stream, at=None if at is None else at.astimezone(client.settings.zone), hours=hours)
