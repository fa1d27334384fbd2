"""Ours ⇄ Mailchimp's JSON: pure functions, no calls."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import quote

import orjson

from connectors import outcomes, types
from connectors.answers import Json, inner, objects
from connectors.errors import UnexpectedResponse
from connectors.http import mask
from connectors.types import AddCode, AddContact, Change, Consent, ContactChange, Left, Outcome, Reason, Ref, normal

Waiting: TypeAlias = dict[str, list[ContactChange]]
"""Changes by address, as long as an answer says nothing of them."""

# 'pending' is absent on purpose: writing it mails a confirmation request.
STATUS: Mapping[Consent, str] = {
    Consent.SUBSCRIBED: "subscribed",
    Consent.UNSUBSCRIBED: "unsubscribed",
    Consent.NEVER: "transactional",
}
LEFT: Mapping[str, Left] = {
    "unsubscribed": Left.UNSUBSCRIBED,
    "cleaned": Left.BOUNCED,
    "archived": Left.ARCHIVED,
    "pending": Left.PENDING,
}
GONE = "archived"

_DAY = 86_400.0
# ERROR_GENERIC and 400 name no cause but in words; what no pattern knows (a translated text) stays OTHER.
_CAUSES: Mapping[str, Reason] = {
    "already a list member|member exists": Reason.EXISTS,
    "compliance state": Reason.SUPPRESSED,
    "permanently deleted|forgotten email": Reason.ERASED,
    "fake or invalid": Reason.REFUSED_ADDRESS,
    "signed up to a lot of lists": Reason.TRY_LATER,
    "valid email address|syntax of the email|provide a valid email": Reason.INVALID_ADDRESS,
    "merge fields were invalid": Reason.INVALID_VALUE,
}
_ADDRESS_FIELDS = frozenset({"email", "email_address", "email address"})
_EMPTY = ("", None)
_FALL = {"status": "unsubscribed"}
_FALLEN = frozenset({None, "unsubscribed", "cleaned"})
_UNCHECKED = {"skip_merge_validation": "true"}
_ITEM = re.compile(r"\bitem:(\d+)\b(.*)")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


def subscriber(address: str) -> str:
    """The member's id in paths: MD5 of the trimmed, lower-cased address."""
    return hashlib.md5(normal(address).encode(), usedforsecurity=False).hexdigest()


def pool(ref: Ref) -> str:
    """The path of a pool, whose ref is "store/rule"."""
    store, _, rule = ref.partition("/")
    return f"/ecommerce/stores/{quote(store, safe='')}/promo-rules/{quote(rule, safe='')}"


# bodies
def member(change: AddContact) -> Json:
    """A new member; the status is the person's own explicit consent."""
    body = {"email_address": change.profile.email, "status": STATUS[change.status]}
    return {**body, "merge_fields": dict(change.traits)} if change.traits else body


def operation(ref: Ref, change: Change, url: str = "") -> Json:
    """One call of a /batches job: a PATCH of a member, which cannot create, or a new promo code.

    A PATCH holds fields or the fall to unsubscribed, never both, never another status. `url`: where a code is redeemed.
    """
    if isinstance(change, AddCode):
        at = url.replace("{code}", quote(change.code, safe=""))
        method, path, params = "POST", f"{pool(ref)}/promo-codes", {}
        body: Json = {"id": change.code, "code": change.code, "redemption_url": at, "enabled": True}
    else:
        member = change.profile.ref or subscriber(change.profile.email)
        method, path, params = "PATCH", f"/lists/{ref}/members/{member}", _UNCHECKED
        body = _FALL if isinstance(change, types.Suppress) else {"merge_fields": dict(outcomes.values(change))}
    text = orjson.dumps(body).decode()
    return {"method": method, "path": path, "params": params, "operation_id": change.id, "body": text}


def discount(worth: types.Worth | None) -> dict[str, object]:
    """What a promo rule says of its codes' worth: free shipping is a fixed amount of the shipping."""
    if worth is None:
        return {"type": "fixed", "target": "total", "amount": 0.0}
    if worth.percent is not None:
        return {"type": "percentage", "target": "total", "amount": float(worth.percent)}
    return {"type": "fixed", "target": "total" if worth.amount else "shipping", "amount": float(worth.amount or 0)}


# answers
def done(change: ContactChange, entry: Json) -> Outcome:
    """Applied, with the member's id."""
    return outcomes.applied(change, str(entry.get("id") or subscriber(change.profile.email)))


def exists(change: ContactChange, entry: Json) -> Outcome:
    """An existing contact: nothing was written."""
    return outcomes.noop(change, Reason.EXISTS, ref=str(entry.get("id") or subscriber(change.profile.email)))


def told(answer: object, name: str) -> Iterator[tuple[str, Json]]:
    """The records of that name in an answer, with their addresses. Raises UnexpectedResponse where it has no such list."""
    for entry in objects(answer, name):
        yield normal(str(entry.get("email_address"))), entry


def added(waiting: Waiting, answer: object) -> Iterator[Outcome]:
    """The outcomes that a batch add tells; whom it tells of leaves `waiting`."""
    for email, entry in told(answer, "new_members"):
        for place, change in enumerate(waiting.pop(email, ())):
            is_made = place == 0 and not _lost(change, entry)
            yield done(change, entry) if is_made else exists(change, entry)
    for email, entry in told(answer, "errors"):
        yield from (refused(change, entry) for change in waiting.pop(email, ()))


def refused(change: ContactChange, entry: Json) -> Outcome:
    """Why batch add refused a record: by code, then by field, then by words."""
    words, field = str(entry.get("field_message") or entry.get("error") or ""), str(entry.get("field") or "")
    if entry.get("error_code") == "ERROR_CONTACT_EXISTS":
        return exists(change, {})
    if field and field.lower() not in _ADDRESS_FIELDS:
        return outcomes.rejected(change, Reason.INVALID_VALUE, f"{field}: {mask(words)}")
    reason = _cause(str(entry.get("error") or ""), Reason.OTHER)
    return exists(change, {}) if reason is Reason.EXISTS else _rejected(change, reason, words)


def _cause(text: str, unknown: Reason) -> Reason:
    return next((cause for words, cause in _CAUSES.items() if re.search(words, text, re.IGNORECASE)), unknown)


def _rejected(change: Change, reason: Reason, words: str) -> Outcome:
    return outcomes.rejected(change, reason, mask(words)[:300], wait=_DAY if reason is Reason.TRY_LATER else None)


def _lost(change: ContactChange, entry: Json) -> list[str]:
    """Fields that we wrote and the member does not show so: Mailchimp drops unknown merge tags in silence.

    Whether an empty text clears a date or a number is unverified (2026-11-22): one that still shows a value is not clear.
    """
    shown = entry.get("merge_fields")
    if not isinstance(shown, dict):
        return []
    written = outcomes.values(change)
    if written.keys() <= shown.keys() and "" not in written.values():
        return []
    return [tag for tag, text in written.items() if (shown.get(tag) not in _EMPTY if text == "" else tag not in shown)]


def moved(waiting: Waiting, answer: object, name: str) -> Iterator[Outcome]:
    """The outcomes of the members that were moved; they leave `waiting`."""
    return (done(change, entry) for email, entry in told(answer, name) for change in waiting.pop(email, ()))


def unmoved(answer: object) -> dict[str, str]:
    """What is said of the others, by address."""
    said = [(error, mask(str(error.get("error") or ""))) for error in objects(answer, "errors")]
    return {normal(str(email)): words for error, words in said for email in error.get("email_addresses") or ()}


def culprits(body: object, changes: Sequence[Change]) -> dict[str, Reason]:
    """The changes that a refused call names ("members.item:3.status" is the fourth record we sent)."""
    places = [_ITEM.search(str(error.get("field"))) for error in _errors(body)]
    named = [(int(place[1]), place[2]) for place in places if place]
    reasons = [(at, Reason.INVALID_ADDRESS if "email_address" in what else Reason.INVALID_VALUE) for at, what in named]
    return outcomes.culprits(reasons, [[change] for change in changes])


# results of a job
def results(archive: bytes) -> Iterator[Json]:
    """Every operation's result of a job: all files of the tar.gz, whatever their order."""
    try:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as files:
            for entry in files:
                content = files.extractfile(entry) if entry.isfile() else None
                yield from objects(orjson.loads(content.read())) if content else ()
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise UnexpectedResponse(f"a job's result archive is unreadable ({type(error).__name__})") from None


def settled(change: Change, result: Json) -> Outcome:
    """What one operation of a finished job did; any 2xx is a success, 204 too."""
    status, body = int(result.get("status_code", 0)), _parsed(result.get("response"))
    if status // 100 == 2:  # noqa: PLR2004 - HTTP's own number
        return outcomes.applied(change) if isinstance(change, AddCode) else _patched(change, body)
    errors = _errors(body)
    named = [f"{error.get('field')}: {error.get('message')}" for error in errors]
    text = " ".join(str(words) for words in (body.get("title"), body.get("detail"), *named) if words)
    if status == HTTPStatus.NOT_FOUND:
        return _rejected(change, Reason.UNKNOWN_TARGET if isinstance(change, AddCode) else Reason.GONE, text)
    if status in _PASSING:
        return outcomes.rejected(change, Reason.TRY_LATER, mask(text)[:300], wait=60.0)
    unknown = Reason.INVALID_VALUE if any(error.get("field") for error in errors) else Reason.OTHER
    return _rejected(change, _cause(text, unknown), text)


def _patched(change: ContactChange, member: Json) -> Outcome:
    status = member.get("status")
    if status == GONE:
        return outcomes.rejected(change, Reason.GONE, "the contact is archived")
    if isinstance(change, types.Suppress) and status not in _FALLEN:
        return outcomes.rejected(change, Reason.OTHER, f"the status stayed {status}")
    if not (lost := _lost(change, member)):
        return done(change, member)
    is_clear = outcomes.values(change)[lost[0]] == ""
    reason, what = (Reason.OTHER, "still a value in") if is_clear else (Reason.UNKNOWN_FIELD, "no merge field")
    return outcomes.rejected(change, reason, f"{what} {', '.join(lost)}")


def _parsed(response: Any) -> Json:  # noqa: ANN401 - what stands for an answer: JSON as text, or what is no JSON
    try:
        body = orjson.loads(response)
    except ValueError:
        return {"detail": response}
    return body if isinstance(body, dict) else {}


def _errors(body: object) -> list[Json]:
    return [error for error in inner(body, "errors") or () if isinstance(error, dict)]
