"""Ours ⇄ Mailchimp's JSON: pure functions, no calls."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeAlias, cast

from connectors.errors import UnexpectedResponse
from connectors.http import mask
from connectors.types import (
    AddContact,
    Batch,
    ClearTraits,
    Consent,
    ContactChange,
    Left,
    Outcome,
    Reason,
    SetTraits,
    State,
    Suppress,
    normal,
)

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
_CAUSES: tuple[tuple[re.Pattern[str], Reason, float | None], ...] = (
    (re.compile(r"already a list member|member exists", re.IGNORECASE), Reason.EXISTS, None),
    (re.compile(r"compliance state", re.IGNORECASE), Reason.SUPPRESSED, None),
    (re.compile(r"permanently deleted|forgotten email", re.IGNORECASE), Reason.ERASED, None),
    (re.compile(r"fake or invalid", re.IGNORECASE), Reason.REFUSED_ADDRESS, None),
    (re.compile(r"signed up to a lot of lists", re.IGNORECASE), Reason.TRY_LATER, _DAY),
    (
        re.compile(r"valid email address|syntax of the email|provide a valid email", re.IGNORECASE),
        Reason.INVALID_ADDRESS,
        None,
    ),
    (re.compile(r"merge fields were invalid", re.IGNORECASE), Reason.INVALID_VALUE, None),
)
_ITEM = re.compile(r"\bitem:(\d+)\b")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one record was refused, and Mailchimp's words for it (masked)."""

    reason: Reason
    words: str
    wait: float | None = None


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


def items(answer: object, key: str) -> Sequence[Json]:
    """The records of an answer. Raises UnexpectedResponse where there are none of that name."""
    found = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise UnexpectedResponse(f"mailchimp: the answer has no list '{key}'")
    return found


def contacts(batch: Batch) -> list[ContactChange]:
    """The changes of a batch, all of which are of a contact."""
    return [cast("ContactChange", change) for change in batch.changes]


def by_address(changes: Sequence[ContactChange]) -> dict[str, list[ContactChange]]:
    """Changes by normal address, in order: an address may come twice in a batch."""
    found: dict[str, list[ContactChange]] = {}
    for change in changes:
        found.setdefault(normal(change.profile.email), []).append(change)
    return found


# contacts
def member(change: AddContact) -> Json:
    """A new member; the status is the person's own explicit consent."""
    body = {"email_address": change.profile.email, "status": STATUS[change.status]}
    return body | ({"merge_fields": dict(change.traits)} if change.traits else {})


def added(changes: Sequence[AddContact], answer: Json) -> tuple[list[Outcome], dict[str, list[ContactChange]]]:
    """The outcomes that the answer tells, and the changes that it does not mention, by address."""
    waiting = by_address(changes)
    outcomes: list[Outcome] = []
    for entry in items(answer, "new_members"):
        for place, change in enumerate(waiting.pop(normal(str(entry.get("email_address"))), ())):
            took = place == 0 and not _missing(change, entry)
            outcomes.append(_applied(change, entry) if took else exists(change, entry))
    for entry in items(answer, "errors"):
        failure = refusal(entry)
        outcomes += [
            exists(change) if failure.reason is Reason.EXISTS else rejected(change, failure)
            for change in waiting.pop(normal(str(entry.get("email_address"))), ())
        ]
    return outcomes, waiting


def refusal(entry: Json) -> Failure:
    """Why a record of a batch was refused: by code, then by field, then by words."""
    words = mask(str(entry.get("field_message") or entry.get("error") or ""))
    if entry.get("error_code") == "ERROR_CONTACT_EXISTS":
        return Failure(Reason.EXISTS, words)
    field = str(entry.get("field") or "")
    if field and field.lower() not in {"email", "email_address", "email address"}:
        return Failure(Reason.INVALID_VALUE, f"{field}: {words}")
    return _cause(words, str(entry.get("error") or ""))


def _cause(words: str, text: str, fallback: Reason = Reason.OTHER) -> Failure:
    for pattern, reason, wait in _CAUSES:
        if pattern.search(text):
            return Failure(reason, words, wait)
    return Failure(fallback, words)


def _missing(change: ContactChange, entry: Json) -> set[str]:
    """Fields that we wrote and the member does not show: Mailchimp drops unknown merge tags in silence."""
    shown = entry.get("merge_fields")
    written = change.traits if isinstance(change, (AddContact, SetTraits)) else {}
    return set(written) - set(shown) if isinstance(shown, dict) else set()


# operations of a /batches job
def operation(audience: str, change: ContactChange) -> Json:
    """A PATCH, which cannot create: fields or the fall to unsubscribed, never both, never another status."""
    if isinstance(change, Suppress):
        body: Json = {"status": "unsubscribed"}
    elif isinstance(change, ClearTraits):
        body = {"merge_fields": dict.fromkeys(change.fields, "")}
    elif isinstance(change, SetTraits):
        body = {"merge_fields": dict(change.traits)}
    else:
        raise TypeError(type(change).__name__)
    return {
        "method": "PATCH",
        "path": f"/lists/{audience}/members/{subscriber(change.profile.email)}",
        "operation_id": change.id,
        "params": {"skip_merge_validation": "true"},
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }


def results(archive: bytes) -> Iterator[Json]:
    """Every operation's result of a job: all files of the tar.gz, whatever their order."""
    try:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as files:
            for entry in files:
                content = files.extractfile(entry) if entry.isfile() else None
                yield from json.load(content) if content else ()
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise UnexpectedResponse(f"mailchimp: a job's result archive is unreadable ({type(error).__name__})") from None


def settled(change: ContactChange, result: Json) -> Outcome:
    """What one operation of a finished job did."""
    status, body = int(result.get("status_code", 0)), _parsed(result.get("response"))
    if status // 100 == 2:  # noqa: PLR2004 - HTTP's own number
        return _written(change, body)
    if status == HTTPStatus.NOT_FOUND:
        return rejected(change, Failure(Reason.GONE, _words(body)))
    if status in _PASSING:
        return rejected(change, Failure(Reason.TRY_LATER, _words(body), 60.0))
    fields = [str(error.get("field")) for error in body.get("errors") or () if isinstance(error, dict)]
    fallback = Reason.INVALID_VALUE if any(fields) else Reason.OTHER
    return rejected(change, _cause(_words(body), _text(body), fallback))


def _written(change: ContactChange, body: Json) -> Outcome:
    if body.get("status") in GONE:
        return rejected(change, Failure(Reason.GONE, "the contact is archived"))
    if isinstance(change, Suppress) and body.get("status") not in {None, "unsubscribed", "cleaned"}:
        return rejected(change, Failure(Reason.OTHER, f"the status stayed {body.get('status')}"))
    if missing := _missing(change, body):
        return rejected(change, Failure(Reason.UNKNOWN_FIELD, f"no merge field {', '.join(sorted(missing))}"))
    return _applied(change, body)


def _parsed(response: object) -> Json:
    try:
        body = json.loads(response) if isinstance(response, str) and response else response
    except ValueError:
        return {"detail": response}
    return body if isinstance(body, dict) else {}


def _text(body: Json) -> str:
    errors = [error for error in body.get("errors") or () if isinstance(error, dict)]
    told = (f"{error.get('field')}: {error.get('message')}" for error in errors)
    return " ".join([str(body.get("title") or ""), str(body.get("detail") or ""), *told]).strip()


def _words(body: Json) -> str:
    return mask(_text(body))[:300]


# segments
def moved(
    changes: Sequence[ContactChange], answer: Json, key: str
) -> tuple[list[Outcome], dict[str, list[ContactChange]], dict[str, str]]:
    """The outcomes of the members that were moved; the other changes by address, and the words said of them."""
    waiting = by_address(changes)
    outcomes = [
        _applied(change, entry)
        for entry in items(answer, key)
        for change in waiting.pop(normal(str(entry.get("email_address"))), ())
    ]
    words = {
        normal(str(address)): mask(str(error.get("error") or ""))
        for error in items(answer, "errors")
        for address in error.get("email_addresses") or ()
    }
    return outcomes, waiting, words


# outcomes
def _applied(change: ContactChange, entry: Json) -> Outcome:
    return Outcome(id=change.id, state=State.APPLIED, ref=entry.get("id") or subscriber(change.profile.email))


def exists(change: ContactChange, entry: Json | None = None) -> Outcome:
    """An existing contact: nothing was written."""
    ref = (entry or {}).get("id") or subscriber(change.profile.email)
    return Outcome(id=change.id, state=State.NOOP, reason=Reason.EXISTS, ref=ref)


def rejected(change: ContactChange, failure: Failure) -> Outcome:
    """One change refused."""
    return Outcome(
        id=change.id, state=State.REJECTED, reason=failure.reason, words=failure.words or None, wait=failure.wait
    )


def culprits(body: object, changes: Sequence[ContactChange]) -> dict[str, Reason]:
    """The changes that a refused call names ("members.item:3.status" is the fourth record we sent)."""
    errors = body.get("errors") if isinstance(body, dict) else None
    found: dict[str, Reason] = {}
    for error in errors or ():
        place = _ITEM.search(str(error.get("field"))) if isinstance(error, dict) else None
        if place and int(place[1]) < len(changes):
            reason = Reason.INVALID_ADDRESS if "email_address" in str(error.get("field")) else Reason.INVALID_VALUE
            found[changes[int(place[1])].id] = reason
    return found


def recalled(change: ContactChange, entry: Json) -> Outcome:
    """What a contact that changed since the write says of it: ours when it holds every value that we sent."""
    shown = entry.get("merge_fields") or {}
    sent = change.traits if isinstance(change, AddContact) else {}
    is_ours = all(str(shown.get(tag)) == str(value) for tag, value in sent.items())
    return _applied(change, entry) if is_ours else exists(change, entry)


def record(answer: object) -> Json:
    """A JSON object. Raises UnexpectedResponse."""
    if not isinstance(answer, dict):
        raise UnexpectedResponse("mailchimp: the answer is not a JSON object")
    return answer


def field(answer: object, name: str) -> object:
    """One value of a JSON object. Raises UnexpectedResponse where it is absent."""
    found = record(answer).get(name)
    if found is None:
        raise UnexpectedResponse(f"mailchimp: the answer has no '{name}'")
    return found
