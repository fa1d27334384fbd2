"""Pure functions: our changes as contacts of an import, its refusals as ours, our values as its fields take them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from connectors import errors, fitting
from connectors.answers import Json, inner
from connectors.outcomes import culprits, noop, rejected, values
from connectors.types import AddContact, Consent, ContactChange, Outcome, Reason, Ref, ValueKind

MOST = 255  # bytes of a value: longer ones may be cut (unconfirmed)
TYPES = dict.fromkeys(ValueKind, "text") | {ValueKind.DATE: "date", ValueKind.INSTANT: "datetime"}
# a field is never a number or a yes
fit = fitting.fitter({ValueKind.NUMBER: fitting.digits, ValueKind.BOOLEAN: fitting.words("yes", "no")}, max_bytes=MOST)


def settled(change: ContactChange, ref: Ref | None, known: Collection[Ref]) -> Outcome | None:
    """What no import may carry, since it creates whoever is unknown and ignores what is; None: it may."""
    if not values(change).keys() <= set(known):
        return rejected(change, Reason.UNKNOWN_FIELD, "a field is not in the account")
    if not isinstance(change, AddContact):
        return None if ref else rejected(change, Reason.GONE, "not a contact of the account")
    if change.status is not Consent.SUBSCRIBED:
        return rejected(change, Reason.OTHER, "an import can only subscribe: only people who opted in are created")
    return noop(change, Reason.EXISTS, ref=ref) if ref else None


def contact(email: str, changes: Iterable[ContactChange], about: Json) -> Json:
    """One contact of an import; whether automations are excluded here or beside the contacts is unconfirmed."""
    written = {ref: value for change in changes for ref, value in values(change).items()}
    rows = {"fields": [{"id": int(ref), "value": value} for ref, value in written.items()]} if written else {}
    return {"email": email, "exclude_automations": True, **about, **rows}


def refusal(error: errors.InvalidRequest, people: Mapping[str, Sequence[ContactChange]]) -> errors.ConnectorError:
    """Why an import was refused: too many of them a minute (a 400, not a 429), or some of its contacts, by place."""
    told = inner(error.body, "failureReasons") or []
    if "rate limit" in str(inner(error.body, "message")).lower() or "per minute" in str(told):
        return errors.RateLimited(str(error), wait=60.0, status=error.status, request_id=error.request_id)
    places = {int(row.get("contact", -1)): str(row.get("failureReason")) for row in told if isinstance(row, dict)}
    ours = [place - first for first in _firsts(places, len(people)) for place in places]
    reasons = [
        Reason.INVALID_ADDRESS if "email" in words.lower() else Reason.INVALID_VALUE for words in places.values()
    ]
    error.culprits |= culprits(zip(ours, reasons, strict=False), [*people.values()])
    return error


def _firsts(places: Collection[int], count: int) -> list[int]:
    """The number of the first contact, 0 or 1, where only one of them fits: which it is is not documented."""
    possible = [first for first in (0, 1) if {place - first for place in places} <= {*range(count)}]
    return possible if len(possible) == 1 else []
