"""Effective consent in plain Python, person by person: the oracle for what the engine computes in columns."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Act", "Event", "Person", "Row", "persons"]

_RESTRICTIVE = ("unsubscribed", "never", "pending", "subscribed")
_WEAKEST = ("b2b", "existing_customer", "consent")  # of acts of one moment, the one that allows least
_ACTS = frozenset({"unsubscribed", "complaint", "other"})  # what a person does; the others say something of an address


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the shop's customers, its address normal; consent for mail and, without a time, for text messages."""

    id: str
    email: str | None
    state: str = "never"
    at: datetime | None = None
    basis: str | None = None
    sms: str = "never"
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A line of a provider's suppression list as the ledger keeps it, of an address and, where known, of a customer."""

    email: str
    left: str
    destination: str = "news"
    id: str | None = None
    at: datetime | None = None
    first_seen: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a person did with a mail, or a mail with a person."""

    email: str
    kind: str
    at: datetime
    hard: bool = False
    destination: str = "news"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person as everything together says."""

    email: str | None
    state: str
    at: datetime | None
    basis: str | None
    sms: str
    source: str | None
    has_complained: bool
    has_bounced: bool

    def is_reachable(self, bases: Collection[str] = ("consent",)) -> bool:
        """As `[reachable]` says by default."""
        may = self.state == "subscribed" and self.basis in bases and self.email is not None
        return may and not self.has_complained and not self.has_bounced


def persons(
    rows: Sequence[Row], acts: Iterable[Act] = (), events: Iterable[Event] = (), *, now: datetime
) -> Mapping[str, Person]:
    """By the smallest id of each person."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.email or f"\x00{row.id}", []).append(row)
    known_acts, known_events = list(acts), list(events)
    return {min(row.id for row in group): _person(group, known_acts, known_events, now) for group in groups.values()}


def _person(group: Sequence[Row], acts: Sequence[Act], events: Sequence[Event], now: datetime) -> Person:
    ids, email = {row.id for row in group}, group[0].email
    state = min((row.state for row in group), key=_RESTRICTIVE.index)
    mine = [row for row in group if row.state == state]
    newest = min(
        mine, key=lambda row: (-row.at.timestamp() if row.at else math.inf, _WEAKEST.index(row.basis or "consent"))
    )
    lists = [act for act in acts if act.id in ids or (email is not None and act.email == email)]
    sent = [event for event in events if event.email == email]
    mails = [event for event in sent if event.at <= now]
    leaving = [(_since(act, now), act.destination) for act in lists if act.left in _ACTS]
    leaving += [(min(event.at, now), event.destination) for event in sent if event.kind in {"complaint", "unsubscribe"}]
    left, by = max(leaving, default=(None, None))
    at, source = newest.at, newest.source
    basis = newest.basis or ("consent" if state in {"subscribed", "pending"} else None)
    if left is not None and not (state != "unsubscribed" and at is not None and left < at <= now):
        if not (state == "unsubscribed" and at is not None and at > left):
            at, source = left, by
        state = "unsubscribed"
    return Person(
        email=email,
        state=state,
        at=at,
        basis=basis,
        sms=min((row.sms for row in group), key=_RESTRICTIVE.index),
        source=source,
        has_complained=any(event.kind == "complaint" for event in mails)
        or any(act.left == "complaint" for act in lists),
        has_bounced=any(event.kind == "bounce" and event.hard for event in mails)
        or any(act.left == "bounced" for act in lists),
    )


def _since(act: Act, now: datetime) -> datetime:
    """When it counts from: without a time from its first sight; whatever clock is ahead, what is known counts by now."""
    found = act.at or act.first_seen
    assert found is not None, "the ledger always knows when it saw it"
    return min(found, now)
