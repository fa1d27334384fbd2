"""Campaigns and what readers do with them, as Klaviyo's events."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.sandbox.klaviyo.state import Account, Event, Person
from connectors.types import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

_OWN = "Klaviyo"
METRICS: Mapping[str, tuple[str, str]] = {
    "RESQ6t": ("Received Email", _OWN),
    "UBXdYV": ("Opened Email", _OWN),
    "SxR9Kt": ("Clicked Email", _OWN),
    "WnFbqr": ("Bounced Email", _OWN),
    "TspamM": ("Marked Email as Spam", _OWN),
    "XunsbE": ("Unsubscribed from Email Marketing", _OWN),
    "YdropE": ("Dropped Email", _OWN),
    "ZsmsRc": ("Received SMS", _OWN),
    "PlaceO": ("Placed Order", "Shopify"),
    "CustoM": ("Opened Email", "API"),  # a shop's own metric of the same name
}
_METRIC_OF = {
    EventKind.SEND: "RESQ6t",
    EventKind.OPEN: "UBXdYV",
    EventKind.CLICK: "SxR9Kt",
    EventKind.BOUNCE: "WnFbqr",
    EventKind.COMPLAINT: "TspamM",
    EventKind.UNSUBSCRIBE: "XunsbE",
    EventKind.OTHER: "YdropE",
}


@dataclass(frozen=True, slots=True)
class Act:
    """What a reader does, and when."""

    kind: EventKind
    at: datetime
    url: str | None = None
    is_machine: bool = False


def open_account(account: Account) -> None:
    """Every metric of a new account is there, empty."""
    account.events = {metric: [] for metric in METRICS}


def mail(account: Account, list_ref: str, subject: str) -> str:
    """Send a campaign to a list's mailable members; returns its id. Its message has another, which events name."""
    campaign = account.ulid()
    account.campaigns[campaign] = subject
    account.messages[campaign] = account.ulid()
    for ref in account.lists[list_ref].joined:
        person = account.people[ref]
        if person.is_mailable:
            _record(account, campaign, person, Act(EventKind.SEND, account.world.now()))
    return campaign


def react(account: Account, campaign: str, email: str, act: Act) -> Event:
    """Record a reader's act, and stop mailing those who left."""
    person = account.person(email)
    if person is None:
        raise KeyError(email)
    event = _record(account, campaign, person, replace(act, at=account.world.faults.dated("klaviyo", act.at)))
    reason = _LEFT.get(act.kind)
    if reason:
        account.suppress(person, reason, act.at)
    return event


_LEFT = {
    EventKind.UNSUBSCRIBE: "UNSUBSCRIBE",
    EventKind.COMPLAINT: "SPAM_COMPLAINT",
    EventKind.BOUNCE: "HARD_BOUNCE",
}


def _record(account: Account, campaign: str, person: Person, act: Act) -> Event:
    at, message = act.at, account.messages.get(campaign, campaign)
    told: dict[str, Any] = {
        "Subject": account.campaigns.get(campaign, ""),
        "Campaign Name": account.campaigns.get(campaign, ""),
        "$message": message,
        "$flow": None,
        "$event_id": f"{message}:{person.id}:{int(at.timestamp())}",
        "Email Domain": person.email.partition("@")[2],
    }
    if act.kind is EventKind.CLICK:
        told["URL"] = act.url
    if act.kind is EventKind.BOUNCE:
        told["Bounce Type"] = "Hard"
    if act.kind is EventKind.OPEN:
        told["machine_open"] = act.is_machine
    elif act.is_machine:
        told["Bot Click"] = True
    name = str(uuid.UUID(int=account.world.random.getrandbits(128), version=4))
    metric = _METRIC_OF.get(act.kind, "YdropE")
    event = Event(name, metric, person.id, at, told)
    account.events[metric].append(event)
    return event
