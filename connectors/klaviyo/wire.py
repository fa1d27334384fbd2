"""Klaviyo's words and ours: pure functions, no call. Facts: klaviyo/openapi revision 2026-07-15, read 2026-11-22."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from http import HTTPStatus
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from connectors.errors import InvalidRequest, UnexpectedResponse
from connectors.http import Rate, Response, mask
from connectors.types import AddContact, ClearTraits, Fitted, Left, Reason, SetTraits, Suppression, ValueKind, normal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connectors.types import ContactChange, Ref

Document: TypeAlias = "Mapping[str, Any]"
"""One JSON:API document, or a part of one."""

REVISION = "2026-07-15"
MEDIA = "application/vnd.api+json"
NAMED = ("first_name", "last_name", "organization", "title")
"""A profile's own fields that a merge tag of the same name goes to: templates read `{{ first_name }}` from there."""
IMPORT_BYTES = 4_600_000  # of the documented 5 MB: what rudder-server's production connector sends at most
PROFILE_BYTES = 100_000  # "100KB per profile", read as the smaller unit
PAGE = 100  # the most that profiles, list members and import errors give; asked for, since the default is 20
FILTER_BYTES = 6_000  # of one encoded any(): lines of 8 KB are where servers start to refuse

_XS = (Rate(1, 1), Rate(15, 60))
_M, _L = (Rate(10, 1), Rate(150, 60)), (Rate(75, 1), Rate(700, 60))  # L: 750 in the description, 700 in the guide
_XL = (Rate(350, 1), Rate(3500, 60))
RATES: Mapping[str, tuple[Rate, ...]] = {
    "accounts": _XS, "lists": _L, "list-create": (*_M, Rate(150, 86_400)), "list-count": _XS, "list-profiles": _L,
    "list-members": _L, "list-remove": _M, "import": _M, "import-job": _M, "import-jobs": _M, "import-errors": _M,
    "profiles": _L, "suppress": _L, "suppress-job": _L, "metrics": _M, "events": _XL,
}  # fmt: skip
SDK_FAMILIES = {
    ("GET", "accounts"): "accounts", ("GET", "lists"): "lists", ("POST", "lists"): "list-create",
    ("GET", "metrics"): "metrics",
}  # fmt: skip

_LEFT = {
    "HARD_BOUNCE": Left.BOUNCED,
    "INVALID_EMAIL": Left.BOUNCED,
    "SPAM_COMPLAINT": Left.COMPLAINT,
    "SPAM_REPORT": Left.COMPLAINT,  # the subscribe operation's name of the same
    "UNSUBSCRIBE": Left.UNSUBSCRIBED,
    "USER_SUPPRESSED": Left.OTHER,  # by hand, or by our Suppress
}
_INDEX = re.compile(r"^/data/attributes/profiles/data/(\d+)(/.*)?$")
_BAD_IDS = re.compile(r"Invalid profile IDs?:\s*(.+)")


def fit(kind: ValueKind, value: object) -> Fitted | Reason:
    """Our value as a custom property, or why it cannot be one: properties have the type that the JSON value has."""
    if kind in {ValueKind.TEXT, ValueKind.URL}:
        return _text(value)
    if kind is ValueKind.NUMBER:
        return _number(value)
    if kind is ValueKind.BOOLEAN:
        return value if isinstance(value, bool) else Reason.INVALID_VALUE
    if kind is ValueKind.INSTANT and isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if kind is ValueKind.DATE and isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return Reason.INVALID_VALUE


def _text(value: object) -> Fitted | Reason:
    if not isinstance(value, str):
        return Reason.INVALID_VALUE
    text = unicodedata.normalize("NFC", value)
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        return Reason.INVALID_VALUE
    return Reason.TOO_LONG if len(text.encode()) > PROFILE_BYTES else text


def _number(value: object) -> Fitted | Reason:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return Reason.INVALID_VALUE
    return int(value) if value == int(value) else float(value)


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
    return f"greater-or-equal({name},{instant.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')})"


def chunks(emails: Iterable[str]) -> Iterator[list[str]]:
    """Addresses for one any() each: a hundred, fewer when they are long."""
    chunk: list[str] = []
    size = 0
    for email in emails:
        cost = len(quote(quoted(email) + ",", safe=""))
        if chunk and (len(chunk) == PAGE or size + cost > FILTER_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(email)
        size += cost
    if chunk:
        yield chunk


# answers


def document(response: Response) -> Document:
    """The answer's document. Raises UnexpectedResponse when it is none."""
    body = response.json()
    if isinstance(body, dict) and "data" in body:
        return body
    raise UnexpectedResponse("the answer is no JSON:API document", status=response.status)


def items(part: Document) -> Sequence[Document]:
    """The resources of a collection. Raises UnexpectedResponse when one has no id."""
    data = part["data"]
    if isinstance(data, list) and all(isinstance(item, dict) and "id" in item for item in data):
        return data
    raise UnexpectedResponse("the answer is no JSON:API collection")


def cursor(part: Document) -> str | None:
    """The cursor of the next page; the SDK's own parser knows https links only (25.0.0)."""
    link = (part.get("links") or {}).get("next")
    return parse_qs(urlsplit(link).query).get("page[cursor]", [None])[0] if link else None


def attributes(item: Document) -> Document:
    """A resource's attributes."""
    found = item.get("attributes")
    return found if isinstance(found, dict) else {}


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
    email = attributes(item).get("email")
    if not email:
        return []
    return [
        Suppression(
            email=normal(email),
            left=_LEFT.get(entry.get("reason"), Left.OTHER),
            at=instant(entry.get("timestamp")),
            ref=item["id"],
        )
        for entry in _marketing(item).get("suppression") or ()
    ]


def _marketing(item: Document) -> Document:
    channels = attributes(item).get("subscriptions") or {}
    found = (channels.get("email") or {}).get("marketing")
    return found if isinstance(found, dict) else {}


# the bulk import


@dataclass(slots=True)
class Entry:
    """One profile of an import, and the changes that it carries: an address may stand in a job only once."""

    email: str
    ids: list[str] = field(default_factory=list)
    properties: dict[Ref, Fitted] = field(default_factory=dict)
    unset: list[Ref] = field(default_factory=list)

    def body(self) -> bytes:
        """The profile as it is sent: the address and our values; never another identifier, never a consent."""
        inner: dict[str, object] = {"email": self.email}
        inner |= {name: str(value) for name, value in self.properties.items() if name in NAMED}
        inner |= dict.fromkeys([name for name in self.unset if name in NAMED])  # null clears (API, 2026-07-15)
        properties = {name: value for name, value in self.properties.items() if name not in NAMED}
        if properties:
            inner["properties"] = properties
        profile: dict[str, object] = {"type": "profile", "attributes": inner}
        if unset := [name for name in self.unset if name not in NAMED]:
            profile["meta"] = {"patch_properties": {"unset": unset}}
        return json.dumps(profile, ensure_ascii=False, separators=(",", ":")).encode()


def entries(changes: Iterable[ContactChange]) -> list[Entry]:
    """The changes as profiles, in order of first appearance; the later value wins within one address."""
    found: dict[str, Entry] = {}
    for change in changes:
        email = change.profile.email
        entry = found.get(email)
        if entry is None:
            entry = found[email] = Entry(email)
        entry.ids.append(change.id)
        if isinstance(change, AddContact | SetTraits):
            entry.properties.update(change.traits)
        elif isinstance(change, ClearTraits):
            entry.unset.extend(name for name in change.fields if name not in entry.unset)
    return list(found.values())


def imports(sized: Sequence[tuple[Entry, bytes]], list_ref: Ref | None) -> Iterator[tuple[list[Entry], bytes]]:
    """Bodies of import jobs, each within the size, with the profiles that each carries in order."""
    head = b'{"data":{"type":"profile-bulk-import-job","attributes":{"profiles":{"data":['
    tail = b"]}}" + _relationships(list_ref) + b"}}"
    room = IMPORT_BYTES - len(head) - len(tail)
    ends = [0, *accumulate(len(body) + 1 for _, body in sized)]
    cuts = [0]
    for place in range(1, len(ends)):
        if ends[place] - ends[cuts[-1]] > room:
            cuts.append(place - 1)
    for start, stop in pairwise([*cuts, len(sized)] if sized else []):
        part = sized[start:stop]
        yield [entry for entry, _ in part], head + b",".join(body for _, body in part) + tail


def _relationships(list_ref: Ref | None) -> bytes:
    if list_ref is None:
        return b""
    lists = {"lists": {"data": [{"type": "list", "id": list_ref}]}}
    return b',"relationships":' + json.dumps(lists, separators=(",", ":")).encode()


def suppression(sent: Iterable[Entry]) -> Document:
    """The body of a bulk suppression; no list is named, so that lists stay as they are."""
    profiles = [{"type": "profile", "attributes": {"email": entry.email}} for entry in sent]
    return {"data": {"type": "profile-suppression-bulk-create-job", "attributes": {"profiles": {"data": profiles}}}}


def job(response: Response) -> Ref:
    """The id of the job that a write became. Raises UnexpectedResponse: accepted without one is lost."""
    found = document(response)["data"]
    if isinstance(found, dict) and found.get("id"):
        return str(found["id"])
    raise UnexpectedResponse("the accepted job has no id", status=response.status)


def import_error(item: Document) -> tuple[str | None, Reason, str]:
    """Whom an import error names (by the payload that it repeats, never by index), why, and Klaviyo's words."""
    found = attributes(item)
    payload = found.get("original_payload") or {}
    email = payload.get("email") or (payload.get("attributes") or {}).get("email")
    words = mask(f"{found.get('title') or ''} {found.get('detail') or ''}".strip())
    pointer = (found.get("source") or {}).get("pointer") or ""
    return normal(email) if email else None, _reason(pointer, words), words


# refusals


def culprits(error: InvalidRequest, sent: Sequence[Entry]) -> dict[str, Reason]:
    """The changes that a refused call names: pointers hold the index in the body that was sent."""
    found: dict[str, Reason] = {}
    for problem in _problems(error):
        pointer = (problem.get("source") or {}).get("pointer") or ""
        match = _INDEX.match(pointer)
        if match and int(match[1]) < len(sent):
            reason = _reason(match[2] or "", problem.get("detail") or "")
            found |= dict.fromkeys(sent[int(match[1])].ids, reason)
    return found


def bad_ids(error: InvalidRequest) -> set[Ref]:
    """The profile ids that a refused membership call names in its text."""
    texts = (_BAD_IDS.search(problem.get("detail") or "") for problem in _problems(error))
    return {name for match in texts if match for name in re.findall(r"[\w-]+", match[1])}


def is_list_gone(error: InvalidRequest) -> bool:
    """Whether a refused call names the list, not a person."""
    pointers = ((problem.get("source") or {}).get("pointer") or "" for problem in _problems(error))
    return error.status == HTTPStatus.NOT_FOUND or any(
        pointer.startswith("/data/relationships/list") for pointer in pointers
    )


def is_page_too_large(error: InvalidRequest) -> bool:
    """Whether a refused read names the page size."""
    return any((problem.get("source") or {}).get("parameter") == "page[size]" for problem in _problems(error))


def _problems(error: InvalidRequest) -> list[Document]:
    body = error.body
    found = body.get("errors") if isinstance(body, dict) else None
    return [problem for problem in found if isinstance(problem, dict)] if isinstance(found, list) else []


def _reason(pointer: str, words: str) -> Reason:
    if "email" in pointer.lower() or "email" in words.lower():
        return Reason.INVALID_ADDRESS
    return Reason.INVALID_VALUE if "properties" in pointer else Reason.OTHER
