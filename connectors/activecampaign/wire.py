"""Pure functions: our changes as contacts of an import, its refusals as ours, our values as its fields take them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from connectors import errors, fitting
from connectors.outcomes import noop, rejected
from connectors.types import AddContact, Consent, ContactChange, Fitted, Outcome, Reason, Ref, ValueKind

Json: TypeAlias = dict[str, Any]
MOST = 255  # bytes of a value: longer ones may be cut (unconfirmed)
TYPES = dict.fromkeys(ValueKind, "text") | {ValueKind.DATE: "date", ValueKind.INSTANT: "datetime"}


# a field is never a number or a yes
fit = fitting.fitter({ValueKind.NUMBER: fitting.digits, ValueKind.BOOLEAN: fitting.words("yes", "no")}, max_bytes=MOST)


def fields(change: ContactChange) -> Mapping[Ref, Fitted]:
    """The fields that a change writes; an empty value clears."""
    cleared: Mapping[Ref, Fitted] = dict.fromkeys(getattr(change, "fields", ()), "")
    return getattr(change, "traits", None) or cleared


def settled(change: ContactChange, ref: Ref | None, known: Collection[Ref]) -> Outcome | None:
    """What no import may carry, since it creates whoever is unknown and ignores what is; None: it may."""
    if not fields(change).keys() <= set(known):
        return rejected(change, Reason.UNKNOWN_FIELD, "a field is not in the account")
    if not isinstance(change, AddContact):
        return None if ref else rejected(change, Reason.GONE, "not a contact of the account")
    if change.status is not Consent.SUBSCRIBED:
        return rejected(change, Reason.OTHER, "an import can only subscribe: only people who opted in are created")
    return noop(change, Reason.EXISTS, ref=ref) if ref else None


def contact(email: str, changes: Iterable[ContactChange], about: Json) -> Json:
    """One contact of an import; whether automations are excluded here or beside the contacts is unconfirmed."""
    values = {ref: value for change in changes for ref, value in fields(change).items()}
    rows = {"fields": [{"id": int(ref), "value": value} for ref, value in values.items()]} if values else {}
    return {"email": email, "exclude_automations": True, **about, **rows}


def refusal(error: errors.InvalidRequest, people: Mapping[str, Sequence[ContactChange]]) -> errors.ConnectorError:
    """Why an import was refused: too many of them a minute (a 400, not a 429), or some of its contacts, by place."""
    body = error.body if isinstance(error.body, dict) else {}
    reasons = body.get("failureReasons") or []
    if "rate limit" in str(body.get("message")).lower() or "per minute" in str(reasons):
        return errors.RateLimited(str(error), wait=60.0, status=error.status, request_id=error.request_id)
    places = {int(row.get("contact", -1)): str(row.get("failureReason")) for row in reasons if isinstance(row, dict)}
    for email, words in zip(_named([*places], [*people]), places.values(), strict=False):
        reason = Reason.INVALID_ADDRESS if "email" in words.lower() else Reason.INVALID_VALUE
        error.culprits |= dict.fromkeys((change.id for change in people[email]), reason)
    return error


def _named(places: Sequence[int], people: Sequence[str]) -> list[str]:
    """Whom the places mean, where that is certain: whether the first is 0 or 1 is not documented."""
    readings = [[at - first for at in places] for first in (0, 1)]
    possible = [[people[at] for at in found] for found in readings if {*found} <= {*range(len(people))}]
    return possible[0] if len(possible) == 1 else []
