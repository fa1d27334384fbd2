"""Klaviyo's words and ours: pure functions, no call. Facts: klaviyo/openapi revision 2026-07-15, read 2026-11-22."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from string import ascii_letters, digits
from typing import TypeAlias
from urllib.parse import urlsplit

from connectors import answers, outcomes
from connectors.answers import Json, Row, inner, instant, scalars, stamp
from connectors.errors import InvalidRequest
from connectors.http import mask
from connectors.types import AddCode, Change, ClearTraits, ContactChange, Fitted, Left, Reason, Ref, Suppression, normal

Query: TypeAlias = Mapping[str, str | int]
"""Parameters of a call's address, by Klaviyo's names: `page[size]`."""

NAMED = frozenset({"first_name", "last_name", "organization", "title"})
"""A profile's own fields that a merge tag of the same name goes to: templates read `{{ first_name }}` from there."""
PAGE = 100  # the most that profiles, list members and import errors give; asked for, since the default is 20
_ID = frozenset({"id"})
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
_PLAIN = f"{ascii_letters}{digits}_.-~".encode()
_AROUND = len("%22%22%2C")  # quotes and a comma


def clause(operator: str, name: str, value: str | datetime | Sequence[str]) -> str:
    """One condition of a filter: texts are quoted, instants are not. `greater-than` would lose those of the same second."""
    return f"{operator}({name},{stamp(value) if isinstance(value, datetime) else _quoted(value)})"


def _quoted(value: str | Sequence[str]) -> str:
    if not isinstance(value, str):
        return f"[{','.join(map(_quoted, value))}]"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def chunks(texts: Sequence[str], most: int = PAGE) -> Iterator[Sequence[str]]:
    """Addresses or ids for one any() each: a hundred, fewer when they are long."""
    for start in range(0, len(texts), most):
        chunk = texts[start : start + most]
        raw = "".join(chunk).encode()
        odd = len(raw.translate(None, _PLAIN))  # each may need six bytes: escaped, then encoded
        size = len(raw) + 5 * odd + _AROUND * len(chunk)
        if size > _FILTER_BYTES and most > 1:
            yield from chunks(chunk, most // 2)
        else:
            yield chunk


def coupon(title: str) -> Ref:
    """The coupon's id, which templates name ({% coupon_code 'ID' %}): the title, or one like it that no quote can end."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,50}", title):
        return title
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return f"{re.sub('[^A-Za-z0-9]+', '_', plain).strip('_')[:40]}_{zlib.crc32(title.encode()):08x}"


# answers: a resource is read as one object, its attributes beside its id


def row(resource: Json) -> Row:
    """A resource's attributes with its id and what it is related to."""
    return Row(resource.get("attributes") or {}, id=resource["id"], related=resource.get("relationships"))


def rows(page: object, key: str = "data") -> list[Row]:
    """The resources of a page. Raises UnexpectedResponse when it is none, or one has no id."""
    return [row(resource) for resource in answers.objects(page, key, holding=_ID)]


def following(page: Json) -> str | None:
    """The route of the next page, of whatever host the answer thinks to be; None for the last."""
    link = urlsplit(inner(page, "links", "next") or "")
    return f"/{link.path.partition('/api/')[2]}?{link.query}" if link.query else None


def email(profile: Json) -> str:
    """A profile's address in the normal form; empty for one without."""
    return normal(str(profile.get("email") or ""))


def traits(profile: Json) -> dict[Ref, Fitted]:
    """A profile's custom properties that are scalars, and the named fields that a merge tag may be."""
    named = {name: profile.get(name) for name in NAMED}
    return scalars({**(profile.get("properties") or {}), **named}, blank=True)


def suppressions(profile: Json) -> list[Suppression]:
    """Why Klaviyo does not mail a profile, one entry a reason."""
    told = inner(profile, "subscriptions", "email", "marketing", "suppression") or ()
    reasons = ((_LEFT.get(entry.get("reason"), Left.OTHER), instant(entry.get("timestamp"))) for entry in told)
    who = email(profile)
    return [Suppression(email=who, left=left, at=at, ref=profile["id"]) for left, at in reasons if who]


# bodies


def body(kind: str, inside: Mapping[str, object], **more: object) -> Json:
    """A document that asks for something."""
    return {"data": {"type": kind, **more, "attributes": inside}}


def profile(changes: Sequence[ContactChange]) -> Json:
    """One profile of a job, which may name an address only once: the address and our values, of which the later wins.

    Never another identifier, never a consent. A property is cleared by `unset`, a named field by null (2026-07-15).
    """
    values: dict[Ref, Fitted | None] = {}
    for change in changes:
        values.update(dict.fromkeys(change.fields) if isinstance(change, ClearTraits) else outcomes.values(change))
    inside: dict[str, object] = {"email": changes[0].profile.email}
    told: dict[str, object] = {"type": "profile", "attributes": inside}
    if not values:
        return told
    for name in NAMED & values.keys():
        value = values.pop(name)
        inside[name] = None if value is None else str(value)
    if None in values.values():
        told["meta"] = {"patch_properties": {"unset": [name for name, value in values.items() if value is None]}}
        values = {name: value for name, value in values.items() if value is not None}
    if values:
        inside["properties"] = values
    return told


def code(change: AddCode, ref: Ref) -> Json:
    """One code of a coupon; Klaviyo lets one without an end live for a year."""
    end = {"expires_at": stamp(change.expires)} if change.expires else {}
    related = {"coupon": {"data": {"type": "coupon", "id": ref}}}
    return {"type": "coupon-code", "attributes": {"unique_code": change.code, **end}, "relationships": related}


# refusals


def problems(error: InvalidRequest) -> list[tuple[str, str]]:
    """What a refused call complains of: the place in the body, and Klaviyo's words."""
    told = inner(error.body, "errors") or ()
    return [(str(inner(one, "source", "pointer")), str(inner(one, "detail"))) for one in told]


def culprits(error: InvalidRequest, sent: Sequence[Sequence[Change]]) -> dict[str, Reason]:
    """The changes that a refused call names, by the index in the body that was sent; all when the list or coupon is gone."""
    told = problems(error)
    if error.status == HTTPStatus.NOT_FOUND or any(_TARGET.fullmatch(place) for place, _ in told):
        return {change.id: Reason.UNKNOWN_TARGET for changes in sent for change in changes}
    named = ((_INDEX.fullmatch(place), words) for place, words in told)
    return outcomes.culprits(((int(at[1]), _reason(at[2] or "", words)) for at, words in named if at), sent)


def bad_ids(error: InvalidRequest) -> set[Ref]:
    """The profile ids that a refused membership call names in its text."""
    texts = (_BAD_IDS.search(words) for _, words in problems(error))
    return {name for match in texts if match for name in re.findall(r"[\w-]+", match[1])}


def import_error(told: Json) -> tuple[str, tuple[Reason, str]]:
    """Whom an import error names (by the payload that it repeats, never by index; empty for nobody), and why."""
    payload = told.get("original_payload") or {}
    words = mask(f"{told.get('title') or ''} {told.get('detail') or ''}".strip())
    reason = _reason(str(inner(told, "source", "pointer")), words)
    return email(payload) or email(payload.get("attributes") or {}), (reason, words)


def _reason(place: str, words: str) -> Reason:
    if "email" in place.lower() or "email" in words.lower():
        return Reason.INVALID_ADDRESS
    return Reason.INVALID_VALUE if "properties" in place else Reason.OTHER
