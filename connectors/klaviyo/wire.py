"""Klaviyo's words and ours: pure functions, no call. Facts: klaviyo/openapi revision 2026-07-15, read 2026-11-22."""

from __future__ import annotations

import json
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from connectors.errors import InvalidRequest, UnexpectedResponse
from connectors.fitting import fitter
from connectors.http import Response, mask
from connectors.types import (
    AddCode, AddContact, Change, ClearTraits, ContactChange, Fitted, Left, Reason, Ref, SetTraits, Suppression, normal,
)  # fmt: skip

Document: TypeAlias = Mapping[str, Any]
"""One JSON:API document, or a part of one."""
Groups: TypeAlias = Sequence[Sequence[Change]]
"""Changes of one address or code together, in the order in which a body names them."""

REVISION = "2026-07-15"
MEDIA = "application/vnd.api+json"
NAMED = frozenset({"first_name", "last_name", "organization", "title"})
"""A profile's own fields that a merge tag of the same name goes to: templates read `{{ first_name }}` from there."""
IMPORT_BYTES = 4_600_000  # of the documented 5 MB: what rudder-server's production connector sends at most
PROFILE_BYTES = 100_000  # "100KB per profile", read as the smaller unit
VALUE_BYTES = 99_000  # of one value, so that a profile holds it with its name and address
PAGE = 100  # the most that profiles, list members and import errors give; asked for, since the default is 20
FILTER_BYTES = 6_000  # of one encoded any(): lines of 8 KB are where servers start to refuse

_LEFT = {
    "HARD_BOUNCE": Left.BOUNCED,
    "INVALID_EMAIL": Left.BOUNCED,
    "SPAM_COMPLAINT": Left.COMPLAINT,
    "SPAM_REPORT": Left.COMPLAINT,  # the subscribe operation's name of the same
    "UNSUBSCRIBE": Left.UNSUBSCRIBED,
    "USER_SUPPRESSED": Left.OTHER,  # by hand, or by our Suppress
}
_INDEX = re.compile(r"/data/attributes/(?:profiles|coupon-codes)/data/(\d+)(/.*)?")
_BAD_IDS = re.compile(r"Invalid profile IDs?:\s*(.+)")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

fit = fitter({}, max_bytes=VALUE_BYTES)  # properties have the type that the JSON value has


# addresses of calls


def path(route: str, **params: str | int) -> str:
    """A route with its query; spaces as %20. `_` in a name opens a bracket: `page_size` is page[size]."""
    named = {_bracketed(name): value for name, value in params.items()}
    return f"{route}?{urlencode(named, quote_via=quote)}" if named else route


def _bracketed(name: str) -> str:
    head, _, tail = name.replace("additional_fields", "additional-fields").partition("_")
    return f"{head}[{tail}]" if tail else head


def quoted(text: str) -> str:
    """A string of a filter."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def equals(name: str, text: str) -> str:
    """A filter on one exact value."""
    return f"equals({name},{quoted(text)})"


def any_of(name: str, texts: Sequence[str]) -> str:
    """A filter on several exact values."""
    return f"any({name},[{','.join(map(quoted, texts))}])"


def since(name: str, instant: datetime) -> str:
    """A filter on instants from this one on: `greater-than` would lose those of the same second."""
    return f"greater-or-equal({name},{stamp(instant)})"


def stamp(at: datetime) -> str:
    """An instant, UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Addresses or ids for one any() each: a hundred, fewer when they are long."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        cost = len(quote(quoted(text) + ",", safe=""))
        if chunk and (len(chunk) == PAGE or size + cost > FILTER_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += cost
    if chunk:
        yield chunk


def coupon(title: str) -> Ref:
    """The coupon's id, which templates name ({% coupon_code 'ID' %}): the title, or one like it that quotes cannot end."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,50}", title):
        return title
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return f"{re.sub('[^A-Za-z0-9]+', '_', plain).strip('_')[:40]}_{zlib.crc32(title.encode()):08x}"


# answers


def document(response: Response) -> Document:
    """The answer's document. Raises UnexpectedResponse when it is none."""
    body = response.json()
    if isinstance(body, dict) and "data" in body:
        return body
    raise UnexpectedResponse("the answer is no JSON:API document", status=response.status)


def resource(response: Response) -> Document:
    """The answer's one resource. Raises UnexpectedResponse: a job that was accepted without an id is lost."""
    found = document(response)["data"]
    if isinstance(found, dict) and found.get("id"):
        return found
    raise UnexpectedResponse("the answer is no resource with an id", status=response.status)


def items(part: Document) -> Sequence[Document]:
    """The resources of a collection. Raises UnexpectedResponse when one has no id."""
    data = part["data"]
    if isinstance(data, list) and all(isinstance(item, dict) and "id" in item for item in data):
        return data
    raise UnexpectedResponse("the answer is no JSON:API collection")


def cursor(part: Document) -> str | None:
    """The cursor of the next page; the SDK's own parser knows https links only (25.0.0)."""
    link = (part.get("links") or {}).get("next")
    query = dict(parse_qsl(urlsplit(link).query)) if link else {}
    return query.get("page[cursor]") or query.get("page_cursor")


def attributes(item: Document) -> Document:
    """A resource's attributes."""
    found = item.get("attributes")
    return found if isinstance(found, dict) else {}


def email(item: Document) -> str:
    """A profile's address in the normal form; empty for one without."""
    return normal(str(attributes(item).get("email") or ""))


def instant(text: object) -> datetime | None:
    """An instant of theirs, UTC; one without offset is UTC."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)


def traits(item: Document) -> dict[Ref, Fitted]:
    """A profile's custom properties that are scalars, and the named fields that a merge tag may be."""
    found = attributes(item)
    values = {**(found.get("properties") or {}), **{name: found.get(name) for name in NAMED}}
    return {key: value for key, value in values.items() if isinstance(value, str | int | float | bool)}


def suppressions(item: Document) -> list[Suppression]:
    """Why Klaviyo does not mail a profile, one entry a reason."""
    channels = attributes(item).get("subscriptions") or {}
    told = ((channels.get("email") or {}).get("marketing") or {}).get("suppression") or ()
    who = email(item)
    return [
        Suppression(
            email=who,
            left=_LEFT.get(entry.get("reason"), Left.OTHER),
            at=instant(entry.get("timestamp")),
            ref=item["id"],
        )
        for entry in told
        if who
    ]


# bodies of jobs


def profile(changes: Sequence[ContactChange]) -> bytes:
    """One profile of an import, which may name an address only once: the address and our values, of which the later wins.

    Never another identifier, never a consent. A property is cleared by `unset`, a named field by null (2026-07-15).
    """
    values: dict[str, Fitted | None] = {}
    for change in changes:
        if isinstance(change, AddContact | SetTraits):
            values.update(change.traits)
        elif isinstance(change, ClearTraits):
            values.update(dict.fromkeys(change.fields))
    inner: dict[str, object] = {"email": changes[0].profile.email}
    for name in NAMED & values.keys():
        value = values.pop(name)
        inner[name] = None if value is None else str(value)
    if properties := {name: value for name, value in values.items() if value is not None}:
        inner["properties"] = properties
    told: dict[str, object] = {"type": "profile", "attributes": inner}
    if unset := [name for name, value in values.items() if value is None]:
        told["meta"] = {"patch_properties": {"unset": unset}}
    return _encode(told).encode()


def imports(
    sized: Iterable[tuple[Sequence[ContactChange], bytes]], list_ref: Ref | None
) -> Iterator[tuple[Groups, bytes]]:
    """Bodies of import jobs, each within the size, with the changes that each carries in order."""
    head = '{"data":{"type":"profile-bulk-import-job",'
    if list_ref is not None:
        head += f'"relationships":{_encode({"lists": {"data": [{"type": "list", "id": list_ref}]}})},'
    start, end = (head + '"attributes":{"profiles":{"data":[').encode(), b"]}}}}"
    room = IMPORT_BYTES - len(start) - len(end)
    groups: list[Sequence[ContactChange]] = []
    bodies: list[bytes] = []
    for changes, body in sized:
        if bodies and len(body) + 1 > room:
            yield groups, start + b",".join(bodies) + end
            room += sum(map(len, bodies)) + len(bodies)
            groups, bodies = [], []
        groups.append(changes)
        bodies.append(body)
        room -= len(body) + 1
    if bodies:
        yield groups, start + b",".join(bodies) + end


def suppression(emails: Iterable[str]) -> bytes:
    """The body of a bulk suppression; no list is named, so that lists stay as they are."""
    profiles = [{"type": "profile", "attributes": {"email": email}} for email in emails]
    return _job("profile-suppression-bulk-create-job", {"profiles": {"data": profiles}})


def codes(changes: Iterable[AddCode], ref: Ref) -> bytes:
    """The body of a job that puts codes into a coupon; Klaviyo lets a code without an end live for a year."""
    related = {"coupon": {"data": {"type": "coupon", "id": ref}}}
    told = []
    for change in changes:
        inner = {"unique_code": change.code} | ({"expires_at": stamp(change.expires)} if change.expires else {})
        told.append({"type": "coupon-code", "attributes": inner, "relationships": related})
    return _job("coupon-code-bulk-create-job", {"coupon-codes": {"data": told}})


def _job(kind: str, inner: Document) -> bytes:
    return _encode({"data": {"type": kind, "attributes": inner}}).encode()


# refusals


def import_error(item: Document) -> tuple[str, tuple[Reason, str]]:
    """Whom an import error names (by the payload that it repeats, never by index; empty for nobody), and why."""
    found = attributes(item)
    payload = found.get("original_payload") or {}
    words = mask(f"{found.get('title') or ''} {found.get('detail') or ''}".strip())
    reason = _reason(_pointer(found), words)
    return normal(payload.get("email") or email(payload)), (reason, words)


def culprits(error: InvalidRequest, sent: Groups) -> dict[str, Reason]:
    """The changes that a refused call names: pointers hold the index in the body that was sent."""
    found: dict[str, Reason] = {}
    for problem in _problems(error):
        match = _INDEX.fullmatch(_pointer(problem))
        if match and int(match[1]) < len(sent):
            reason = _reason(match[2] or "", problem.get("detail") or "")
            found |= {change.id: reason for change in sent[int(match[1])]}
    return found


def bad_ids(error: InvalidRequest) -> set[Ref]:
    """The profile ids that a refused membership call names in its text."""
    texts = (_BAD_IDS.search(problem.get("detail") or "") for problem in _problems(error))
    return {name for match in texts if match for name in re.findall(r"[\w-]+", match[1])}


def is_target_gone(error: InvalidRequest) -> bool:
    """Whether a refused call names the list or the coupon, not a person or a code."""
    named = re.compile(r"/data/relationships/list.*|/data/attributes/coupon-codes/data/\d+/relationships/coupon.*")
    return error.status == 404 or any(named.fullmatch(_pointer(problem)) for problem in _problems(error))  # noqa: PLR2004 - HTTP's own number


def is_page_too_large(error: InvalidRequest) -> bool:
    """Whether a refused read names the page size."""
    return any((problem.get("source") or {}).get("parameter") == "page[size]" for problem in _problems(error))


def _problems(error: InvalidRequest) -> list[Document]:
    found = error.body.get("errors") if isinstance(error.body, dict) else None
    return [problem for problem in found if isinstance(problem, dict)] if isinstance(found, list) else []


def _pointer(problem: Document) -> str:
    return (problem.get("source") or {}).get("pointer") or ""


def _reason(pointer: str, words: str) -> Reason:
    if "email" in pointer.lower() or "email" in words.lower():
        return Reason.INVALID_ADDRESS
    return Reason.INVALID_VALUE if "properties" in pointer else Reason.OTHER
