"""Klaviyo's words and ours: pure functions, no call. Facts: klaviyo/openapi revision 2026-07-15, read 2026-11-22."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from string import ascii_letters, digits
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit

import orjson

from connectors.errors import InvalidRequest, UnexpectedResponse
from connectors.fitting import fitter
from connectors.http import mask
from connectors.types import (
    AddCode, AddContact, Change, ClearTraits, ContactChange, Fitted, Left, Reason, Ref, SetTraits, Suppression, normal,
)  # fmt: skip

Document: TypeAlias = Mapping[str, Any]
"""One JSON:API document, or a part of one."""
Query: TypeAlias = Mapping[str, str | int]
"""Parameters of a call's address, by Klaviyo's names: `page[size]`."""
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
_FILTER_BYTES = 6_000  # of one encoded any(): lines of 8 KB are where servers start to refuse

_LEFT = {
    "HARD_BOUNCE": Left.BOUNCED,
    "INVALID_EMAIL": Left.BOUNCED,
    "SPAM_COMPLAINT": Left.COMPLAINT,
    "SPAM_REPORT": Left.COMPLAINT,  # the subscribe operation's name of the same
    "UNSUBSCRIBE": Left.UNSUBSCRIBED,
    "USER_SUPPRESSED": Left.OTHER,  # by hand, or by our Suppress
}
_INDEX = re.compile(r"/data/attributes/(?:profiles|coupon-codes)/data/(\d+)(/.*)?")
_TARGET = re.compile(r"/data/relationships/list.*|/data/attributes/coupon-codes/data/\d+/relationships/coupon.*")
_BAD_IDS = re.compile(r"Invalid profile IDs?:\s*(.+)")

_VALUED = (AddContact, SetTraits)
_PLAIN = frozenset(f"{ascii_letters}{digits}_.-~")
_PLAIN_BYTES = "".join(_PLAIN).encode()

fit = fitter({}, max_bytes=VALUE_BYTES)  # properties have the type that the JSON value has


def path(route: str, query: Query) -> str:
    """A route with its query; spaces as %20."""
    cells = [f"{_encoded(name)}={_encoded(str(value))}" for name, value in query.items()]
    return f"{route}?{'&'.join(cells)}" if cells else route


def _encoded(text: str) -> str:
    """As urllib quotes it, at a small part of the cost where it is ASCII: a filter names a hundred addresses."""
    if not text.isascii():
        return quote(text, safe="")
    for letter in sorted(set(text) - _PLAIN, key="%".__ne__):  # the sign itself first
        text = text.replace(letter, f"%{ord(letter):02X}")
    return text


def clause(operator: str, name: str, value: str | datetime | Sequence[str]) -> str:
    """One condition of a filter: texts are quoted, instants are not. `greater-than` would lose those of the same second."""
    if isinstance(value, datetime):
        return f"{operator}({name},{_stamp(value)})"
    if isinstance(value, str):
        return f"{operator}({name},{_quoted(value)})"
    return f"{operator}({name},[{','.join(map(_quoted, value))}])"


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Addresses or ids for one any() each: a hundred, fewer when they are long."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        raw = f"{_quoted(text)},".encode()
        cost = len(raw) + 2 * len(raw.translate(None, _PLAIN_BYTES))  # three bytes for each that must be encoded
        if chunk and (len(chunk) == PAGE or size + cost > _FILTER_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += cost
    if chunk:
        yield chunk


def coupon(title: str) -> Ref:
    """The coupon's id, which templates name ({% coupon_code 'ID' %}): the title, or one like it that no quote can end."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,50}", title):
        return title
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return f"{re.sub('[^A-Za-z0-9]+', '_', plain).strip('_')[:40]}_{zlib.crc32(title.encode()):08x}"


# answers


def resource(answer: object) -> Document:
    """The one resource of an answer. Raises UnexpectedResponse: a job that was accepted without an id is lost."""
    found = answer.get("data") if isinstance(answer, dict) else None
    if isinstance(found, dict) and found.get("id"):
        return found
    raise UnexpectedResponse("the answer is no JSON:API resource with an id")


def items(answer: object) -> Sequence[Document]:
    """The resources of a collection. Raises UnexpectedResponse when it is none, or one has no id."""
    found = answer.get("data") if isinstance(answer, dict) else None
    if isinstance(found, list) and all(isinstance(item, dict) and "id" in item for item in found):
        return found
    raise UnexpectedResponse("the answer is no JSON:API collection")


def cursor(page: Document) -> str | None:
    """The cursor of the next page; a report's has another name."""
    link = (page.get("links") or {}).get("next")
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
    reasons = ((_LEFT.get(entry.get("reason"), Left.OTHER), instant(entry.get("timestamp"))) for entry in told)
    who = email(item)
    return [Suppression(email=who, left=left, at=at, ref=item["id"]) for left, at in reasons if who]


# bodies


def body(kind: str, inner: Document, **more: object) -> bytes:
    """A document that asks for something."""
    return orjson.dumps({"data": {"type": kind, **more, "attributes": inner}})


def profile(changes: Sequence[ContactChange]) -> bytes:
    """One profile of an import, which may name an address only once: the address and our values, of which the later wins.

    Never another identifier, never a consent. A property is cleared by `unset`, a named field by null (2026-07-15).
    """
    values: dict[str, Fitted | None] = {}
    for change in changes:
        if isinstance(change, _VALUED):
            values.update(change.traits)
        elif isinstance(change, ClearTraits):
            values.update(dict.fromkeys(change.fields))
    inner: dict[str, object] = {"email": changes[0].profile.email}
    if not values:
        return orjson.dumps({"type": "profile", "attributes": inner})
    for name in NAMED & values.keys():
        value = values.pop(name)
        inner[name] = None if value is None else str(value)
    if properties := {name: value for name, value in values.items() if value is not None}:
        inner["properties"] = properties
    told: dict[str, object] = {"type": "profile", "attributes": inner}
    if unset := [name for name, value in values.items() if value is None]:
        told["meta"] = {"patch_properties": {"unset": unset}}
    return orjson.dumps(told)


def imports(
    sized: Iterable[tuple[Sequence[ContactChange], bytes]], list_ref: Ref | None
) -> Iterator[tuple[Groups, bytes]]:
    """Bodies of import jobs, each within the size, with the changes that each carries in order."""
    lists = {"relationships": {"lists": {"data": [{"type": "list", "id": list_ref}]}}} if list_ref else {}
    start, end = body("profile-bulk-import-job", {"profiles": {"data": ["|"]}}, **lists).split(b'"|"')
    empty = len(start) + len(end)
    groups: list[Sequence[ContactChange]] = []
    bodies: list[bytes] = []
    size = empty
    for changes, one in sized:
        if bodies and size + len(one) + 1 > IMPORT_BYTES:
            yield groups, start + b",".join(bodies) + end
            groups, bodies, size = [], [], empty
        groups.append(changes)
        bodies.append(one)
        size += len(one) + 1
    if bodies:
        yield groups, start + b",".join(bodies) + end


def code(change: AddCode, ref: Ref) -> Document:
    """One code of a coupon; Klaviyo lets one without an end live for a year."""
    end = {"expires_at": _stamp(change.expires)} if change.expires else {}
    related = {"coupon": {"data": {"type": "coupon", "id": ref}}}
    return {"type": "coupon-code", "attributes": {"unique_code": change.code, **end}, "relationships": related}


# refusals


def problems(error: InvalidRequest) -> list[tuple[str, str]]:
    """What a refused call complains of: the place in the body or the parameter's name, and Klaviyo's words."""
    found = error.body.get("errors") if isinstance(error.body, dict) else None
    told = [problem for problem in found if isinstance(problem, dict)] if isinstance(found, list) else []
    sources = [problem.get("source") or {} for problem in told]
    places = [source.get("pointer") or source.get("parameter") or "" for source in sources]
    return [(place, str(problem.get("detail") or "")) for place, problem in zip(places, told, strict=True)]


def culprits(error: InvalidRequest, sent: Groups) -> dict[str, Reason]:
    """The changes that a refused call names: places hold the index in the body that was sent."""
    found: dict[str, Reason] = {}
    for place, words in problems(error):
        match = _INDEX.fullmatch(place)
        if match and int(match[1]) < len(sent):
            found |= {change.id: _reason(match[2] or "", words) for change in sent[int(match[1])]}
    return found


def bad_ids(error: InvalidRequest) -> set[Ref]:
    """The profile ids that a refused membership call names in its text."""
    texts = (_BAD_IDS.search(words) for _, words in problems(error))
    return {name for match in texts if match for name in re.findall(r"[\w-]+", match[1])}


def is_target_gone(error: InvalidRequest) -> bool:
    """Whether a refused call names the list or the coupon, not a person or a code."""
    return error.status == 404 or any(_TARGET.fullmatch(place) for place, _ in problems(error))  # noqa: PLR2004 - HTTP's own number


def import_error(item: Document) -> tuple[str, tuple[Reason, str]]:
    """Whom an import error names (by the payload that it repeats, never by index; empty for nobody), and why."""
    found = attributes(item)
    payload = found.get("original_payload") or {}
    words = mask(f"{found.get('title') or ''} {found.get('detail') or ''}".strip())
    reason = _reason((found.get("source") or {}).get("pointer") or "", words)
    return normal(payload.get("email") or email(payload)), (reason, words)


def _reason(place: str, words: str) -> Reason:
    if "email" in place.lower() or "email" in words.lower():
        return Reason.INVALID_ADDRESS
    return Reason.INVALID_VALUE if "properties" in place else Reason.OTHER
