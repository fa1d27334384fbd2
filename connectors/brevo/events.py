"""Brevo's words for engagement as ours: exports of a campaign's people, its totals, and what webhooks tell."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors import webhooks
from connectors.answers import Json, rows
from connectors.types import EngagementEvent, EventKind, Precision, normal

USER = "ciblage"  # of an address that holds the secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What an export of these people says of each; `figures` are the campaign's counts that grow with it."""

    kinds: tuple[EventKind, ...]
    figures: tuple[str, ...]
    hard: bool | None = None


# Openers include automatic opens (Apple MPP): the export does not tell them apart. There is no export of those who
# complained; they are among `unsubscribed` ("blacklisted via any means"). POST /contacts/export, 2026-11-22.
ACTIONS: Mapping[str, Action] = {
    "openers": Action(kinds=(EventKind.SEND, EventKind.DELIVERED, EventKind.OPEN), figures=("uniqueViews",)),
    "nonOpeners": Action(kinds=(EventKind.SEND, EventKind.DELIVERED), figures=("delivered",)),
    "clickers": Action(kinds=(EventKind.CLICK,), figures=("uniqueClicks",)),
    "unsubscribed": Action(kinds=(EventKind.UNSUBSCRIBE,), figures=("unsubscriptions", "complaints")),
    "hardBounces": Action(kinds=(EventKind.SEND, EventKind.BOUNCE), figures=("hardBounces",), hard=True),
    "softBounces": Action(kinds=(EventKind.SEND, EventKind.BOUNCE), figures=("softBounces",), hard=False),
}

# globalStats, in people: `uniqueClicks` are people and `clickers` all their clicks (GET /emailCampaigns, 2026-11-22).
TOTALS: Mapping[EventKind, tuple[str, ...]] = {
    EventKind.SEND: ("sent",),
    EventKind.DELIVERED: ("delivered",),
    EventKind.OPEN: ("uniqueViews",),
    EventKind.CLICK: ("uniqueClicks",),
    EventKind.BOUNCE: ("hardBounces", "softBounces"),
    EventKind.COMPLAINT: ("complaints",),
    EventKind.UNSUBSCRIBE: ("unsubscriptions",),
}

# Names as they arrive: not those that one subscribes to (developers.brevo.com/docs/marketing-webhooks, 2026-11-22).
_RECEIVED: Mapping[str, tuple[EventKind, bool | None]] = {
    "delivered": (EventKind.DELIVERED, None),
    "opened": (EventKind.OPEN, None),
    "proxy_open": (EventKind.OPEN, None),
    "click": (EventKind.CLICK, None),
    "hard_bounce": (EventKind.BOUNCE, True),
    "soft_bounce": (EventKind.BOUNCE, False),
    "spam": (EventKind.COMPLAINT, None),
    "unsubscribe": (EventKind.UNSUBSCRIBE, None),
}
_TIMES: Mapping[str, int] = {"ts_epoch": 1000, "ts_event": 1, "ts": 1}  # a second's units (docs; django-anymail)
_LAST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_REPEATED = frozenset({"click", "proxy_open"})  # told each time; a pull knows the rest of them once a campaign


def exported(
    action: str, campaign: int, sent_at: datetime, email: str, row: Sequence[str]
) -> Iterator[EngagementEvent]:
    """What one row of an export says: the campaign's send time stands in for the time of each act."""
    about = ACTIONS[action]
    for kind in about.kinds:
        hard = about.hard if kind is EventKind.BOUNCE else None
        yield EngagementEvent(
            id=_id(campaign, kind, hard, email),
            kind=kind,
            email=email,
            happened_at=sent_at,
            campaign=str(campaign),
            hard=hard,
            precision=Precision.CAMPAIGN,
            raw=json.dumps({"action": action, "campaign": campaign, "row": row}, ensure_ascii=False),
        )


def prove(headers: Mapping[str, str], secret: str) -> None:
    """Brevo signs nothing: the secret comes as a bearer token, or in the webhook's URL as the password of `ciblage`.

    Nothing tells when a delivery was made; one that is repeated brings the same ids. Raises as webhooks.prove_secret.
    """
    scheme, _, word = headers.get("authorization", "").partition(" ")
    basic = base64.b64encode(f"{USER}:{secret}".encode()).decode()
    wanted = f"basic {basic}" if scheme.lower() == "basic" else f"bearer {secret}"
    hint = 'create the webhook with "auth": {"type": "bearer", "token": <the same>}'
    webhooks.prove_secret(secret and wanted, f"{scheme.lower()} {word.strip()}", hint=hint)


def received(body: bytes, now: datetime) -> Sequence[EngagementEvent]:
    """The events of one delivery: an object, an array, or {"events": […]}; who is named by no address did nothing."""
    told = webhooks.json(body)
    found = rows(told.get("events", [told]) if isinstance(told, dict) else told, holding=frozenset())
    return [_event(row, email, now) for row in found for email in _people(row.get("email"))]


def _event(row: Json, address: str, now: datetime) -> EngagementEvent:
    name, email, campaign = str(row.get("event")), normal(address), row.get("camp_id")
    kind, hard = _RECEIVED.get(name, (EventKind.OTHER, None))
    url = next((told for told in map(row.get, ("URL", "url", "link")) if isinstance(told, str)), None)
    is_once = name in _RECEIVED and name not in _REPEATED and campaign is not None
    apart = () if is_once else (name, *map(row.get, _TIMES), url)
    return EngagementEvent(
        id=_id(campaign, kind, hard, email, *apart),
        kind=kind,
        email=email,
        happened_at=_at(row, now),
        campaign=None if campaign is None else str(campaign),
        url=url,
        is_machine=name == "proxy_open",
        hard=hard,
        raw=json.dumps(row, ensure_ascii=False),
    )


def _people(told: object) -> list[str]:
    """Whom a row is about: one address, or several; a contact with only a phone has none."""
    return [one for one in (told if isinstance(told, list) else [told]) if isinstance(one, str) and "@" in one]


def _at(row: Json, now: datetime) -> datetime:
    """When it happened, by the time that can be trusted most; the dates that stand beside are of other zones."""
    for name, unit in _TIMES.items():
        told = row.get(name)
        if isinstance(told, (int, float)) and 0 < told / unit < _LAST:
            return datetime.fromtimestamp(told / unit, UTC)
    return now


def _id(campaign: object, kind: EventKind, hard: bool | None, email: str, *apart: object) -> str:  # noqa: FBT001 - a fact, not a switch
    key = "|".join(str(part) for part in (campaign, kind, hard, email, *apart))
    return f"brevo:{hashlib.sha256(key.encode()).hexdigest()[:32]}"
