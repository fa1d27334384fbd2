"""Ours ⇄ Mailchimp's JSON: pure functions, no calls."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import quote

import orjson

from connectors import outcomes, types
from connectors.errors import UnexpectedResponse
from connectors.http import mask
from connectors.types import Change, Consent, ContactChange, Left, Outcome, Reason, normal

Json: TypeAlias = Mapping[str, Any]

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
GONE = frozenset({"archived"})

_DAY = 86_400.0
# ERROR_GENERIC and 400 name no cause but in words; what no pattern knows (a translated text) stays OTHER.
_CAUSES: tuple[tuple[re.Pattern[str], Reason, float | None], ...] = tuple(
    (re.compile(words, re.IGNORECASE), reason, wait)
    for words, reason, wait in (
        ("already a list member|member exists", Reason.EXISTS, None),
        ("compliance state", Reason.SUPPRESSED, None),
        ("permanently deleted|forgotten email", Reason.ERASED, None),
        ("fake or invalid", Reason.REFUSED_ADDRESS, None),
        ("signed up to a lot of lists", Reason.TRY_LATER, _DAY),
        ("valid email address|syntax of the email|provide a valid email", Reason.INVALID_ADDRESS, None),
        ("merge fields were invalid", Reason.INVALID_VALUE, None),
    )
)
_ITEM = re.compile(r"\bitem:(\d+)\b")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


def _text(body: Json) -> str:
    return orjson.dumps(body).decode()


def subscriber(address: str) -> str:
    """The member's id in paths: MD5 of the trimmed, lower-cased address."""
    return hashlib.md5(normal(address).encode(), usedforsecurity=False).hexdigest()


def moment(text: object) -> datetime | None:
    """An instant, UTC; None for a blank or unreadable one."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def stamp(at: datetime) -> str:
    """An instant as Mailchimp's filters read it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def record(answer: object, *names: str) -> Json:
    """A JSON object that holds these. Raises UnexpectedResponse."""
    missing = [name for name in names if name not in answer] if isinstance(answer, dict) else names
    if missing or not isinstance(answer, dict):
        raise UnexpectedResponse(f"mailchimp: the answer is no object with {', '.join(missing) or 'anything in it'}")
    return answer


def items(answer: object, name: str) -> Sequence[Json]:
    """The records of an answer. Raises UnexpectedResponse where there are none of that name."""
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise UnexpectedResponse(f"mailchimp: the answer has no list '{name}'")
    return found


def member(change: types.AddContact) -> Json:
    """A new member; the status is the person's own explicit consent."""
    body = {"email_address": change.profile.email, "status": STATUS[change.status]}
    return {**body, "merge_fields": dict(change.traits)} if change.traits else body


def operation(ref: types.Ref, change: Change, url: str = "") -> Json:
    """One call of a /batches job: a PATCH of a member, which cannot create, or a new promo code.

    A PATCH holds fields or the fall to unsubscribed, never both, never another status. `url`: where a code is redeemed.
    """
    if isinstance(change, types.AddCode):
        code = {
            "id": change.code,
            "code": change.code,
            "redemption_url": url.replace("{code}", quote(change.code, safe="")),
        }
        return {
            "method": "POST",
            "path": f"{rule(ref)}/promo-codes",
            "operation_id": change.id,
            "body": _text({**code, "enabled": True}),
        }
    return {
        "method": "PATCH",
        "path": f"/lists/{ref}/members/{subscriber(change.profile.email)}",
        "operation_id": change.id,
        "params": {"skip_merge_validation": "true"},
        "body": _patch(change),
    }


def _patch(change: ContactChange) -> str:
    if isinstance(change, types.SetTraits):
        return _text({"merge_fields": dict(change.traits)})
    if isinstance(change, types.ClearTraits):
        return _text({"merge_fields": dict.fromkeys(change.fields, "")})
    if isinstance(change, types.Suppress):
        return '{"status":"unsubscribed"}'
    raise TypeError(type(change).__name__)


def rule(ref: types.Ref) -> str:
    """The path of a pool, whose ref is "store/rule"."""
    store, _, name = ref.partition("/")
    return f"/ecommerce/stores/{quote(store, safe='')}/promo-rules/{quote(name, safe='')}"


def discount(worth: types.Worth | None) -> Json:
    """What a promo rule says of its codes' worth: free shipping is a fixed amount of the shipping."""
    if worth is None:
        return {"type": "fixed", "target": "total", "amount": 0.0}
    if worth.percent is not None:
        return {"type": "percentage", "target": "total", "amount": float(worth.percent)}
    return {"type": "fixed", "target": "total" if worth.amount else "shipping", "amount": float(worth.amount or 0)}


def added(changes: Sequence[types.AddContact], answer: Json) -> tuple[list[Outcome], dict[str, list[ContactChange]]]:
    """The outcomes that the answer tells, and the changes that it does not mention, by address."""
    waiting = outcomes.by_address(changes)
    found: list[Outcome] = []
    for entry in items(answer, "new_members"):
        for place, change in enumerate(waiting.pop(normal(str(entry.get("email_address"))), ())):
            took = place == 0 and not _lost(change, entry)
            found.append(outcomes.applied(change, _ref(change, entry)) if took else exists(change, entry))
    for entry in items(answer, "errors"):
        email = normal(str(entry.get("email_address")))
        found += [refused(change, entry) for change in waiting.pop(email, ())]
    return found, waiting


def _ref(change: ContactChange, entry: Json) -> types.Ref:
    return str(entry.get("id") or subscriber(change.profile.email))


def exists(change: ContactChange, entry: Json | None = None) -> Outcome:
    """An existing contact: nothing was written."""
    return outcomes.noop(change, Reason.EXISTS, ref=_ref(change, entry or {}))


def refused(change: ContactChange, entry: Json) -> Outcome:
    """Why batch add refused a record: by code, then by field, then by words."""
    words, field = mask(str(entry.get("field_message") or entry.get("error") or "")), str(entry.get("field") or "")
    if entry.get("error_code") == "ERROR_CONTACT_EXISTS":
        return exists(change)
    if field and field.lower() not in {"email", "email_address", "email address"}:
        return outcomes.rejected(change, Reason.INVALID_VALUE, f"{field}: {words}")
    reason, wait = _cause(str(entry.get("error") or ""), Reason.OTHER)
    return exists(change) if reason is Reason.EXISTS else outcomes.rejected(change, reason, words, wait=wait)


def _cause(text: str, unknown: Reason) -> tuple[Reason, float | None]:
    found = ((reason, wait) for pattern, reason, wait in _CAUSES if pattern.search(text))
    return next(found, (unknown, None))


def _lost(change: Change, entry: Json) -> set[str]:
    """Fields that we wrote and the member does not show so: Mailchimp drops unknown merge tags in silence.

    Whether an empty text clears a date or a number is unverified (2026-11-22): one that still shows a value is not clear.
    """
    shown = entry.get("merge_fields")
    if not isinstance(shown, dict):
        return set()
    if isinstance(change, types.ClearTraits):
        return {tag for tag in change.fields if shown.get(tag) not in ("", None)}
    written: Mapping[str, object] = getattr(change, "traits", {})
    return set() if written.keys() <= shown.keys() else written.keys() - shown.keys()


def results(archive: bytes) -> Iterator[Json]:
    """Every operation's result of a job: all files of the tar.gz, whatever their order."""
    try:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as files:
            for entry in files:
                content = files.extractfile(entry) if entry.isfile() else None
                yield from orjson.loads(content.read()) if content else ()
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise UnexpectedResponse(f"mailchimp: a job's result archive is unreadable ({type(error).__name__})") from None


def settled(change: Change, result: Json) -> Outcome:
    """What one operation of a finished job did; any 2xx is a success, 204 too."""
    status, body = int(result.get("status_code", 0)), _parsed(result.get("response"))
    if status // 100 == 2:  # noqa: PLR2004 - HTTP's own number
        return _written(change, body)
    text = _words(body)
    words = mask(text)[:300]
    if status == HTTPStatus.NOT_FOUND:
        reason = Reason.UNKNOWN_TARGET if isinstance(change, types.AddCode) else Reason.GONE
        return outcomes.rejected(change, reason, words)
    if status in _PASSING:
        return outcomes.rejected(change, Reason.TRY_LATER, words, wait=60.0)
    is_named = any(error.get("field") for error in _errors(body))
    reason, wait = _cause(text, Reason.INVALID_VALUE if is_named else Reason.OTHER)
    return outcomes.rejected(change, reason, words, wait=wait)


def _written(change: Change, body: Json) -> Outcome:
    if isinstance(change, types.AddCode):
        return outcomes.applied(change)
    status = body.get("status")
    if status in GONE:
        return outcomes.rejected(change, Reason.GONE, "the contact is archived")
    if isinstance(change, types.Suppress) and status not in {None, "unsubscribed", "cleaned"}:
        return outcomes.rejected(change, Reason.OTHER, f"the status stayed {status}")
    if lost := _lost(change, body):
        is_clear = isinstance(change, types.ClearTraits)
        reason, what = (Reason.OTHER, "still a value in") if is_clear else (Reason.UNKNOWN_FIELD, "no merge field")
        return outcomes.rejected(change, reason, f"{what} {', '.join(sorted(lost))}")
    return outcomes.applied(change, _ref(change, body))


def _parsed(response: object) -> Json:
    try:
        body = orjson.loads(response) if isinstance(response, str) and response else response
    except ValueError:
        return {"detail": response}
    return body if isinstance(body, dict) else {}


def _errors(body: object) -> list[Json]:
    found = body.get("errors") if isinstance(body, dict) else None
    return [error for error in found or () if isinstance(error, dict)]


def _words(body: Json) -> str:
    told = (f"{error.get('field')}: {error.get('message')}" for error in _errors(body))
    return " ".join([str(body.get("title") or ""), str(body.get("detail") or ""), *told]).strip()


def moved(
    changes: Sequence[ContactChange], answer: Json, key: str
) -> tuple[list[Outcome], dict[str, list[ContactChange]], dict[str, str]]:
    """The outcomes of the members that were moved; the other changes by address, and the words said of them."""
    waiting = outcomes.by_address(changes)
    found = [
        outcomes.applied(change, _ref(change, entry))
        for entry in items(answer, key)
        for change in waiting.pop(normal(str(entry.get("email_address"))), ())
    ]
    words = {
        normal(str(address)): mask(str(error.get("error") or ""))
        for error in items(answer, "errors")
        for address in error.get("email_addresses") or ()
    }
    return found, waiting, words


def culprits(body: object, changes: Sequence[ContactChange]) -> dict[str, Reason]:
    """The changes that a refused call names ("members.item:3.status" is the fourth record we sent)."""
    found: dict[str, Reason] = {}
    for field in (str(error.get("field")) for error in _errors(body)):
        place = _ITEM.search(field)
        if place and int(place[1]) < len(changes):
            reason = Reason.INVALID_ADDRESS if "email_address" in field else Reason.INVALID_VALUE
            found[changes[int(place[1])].id] = reason
    return found


def recalled(change: ContactChange, entry: Json) -> Outcome:
    """What a contact that changed since the write says of it: ours when it holds every value that we sent."""
    shown, sent = entry.get("merge_fields") or {}, change.traits if isinstance(change, types.AddContact) else {}
    is_ours = all(str(shown.get(tag)) == str(value) for tag, value in sent.items())
    return outcomes.applied(change, _ref(change, entry)) if is_ours else exists(change, entry)
