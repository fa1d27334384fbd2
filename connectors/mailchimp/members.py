"""Looking contacts up: a handful one by one, many as a list; never a call a contact."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from http import HTTPStatus

from connectors.http import Http
from connectors.mailchimp import pages, wire
from connectors.types import Ref

_FEW = 25  # contacts asked for one by one; more are read as a list
_EVERYONE = {"include_cleaned": "true", "include_transactional": "true", "include_unsubscribed": "true"}


def where(ref: Ref) -> tuple[str, dict[str, str]]:
    """Where the members of an audience or of a segment are read; a segment leaves out the unsubscribed unless asked."""
    audience, _, segment = ref.partition("/")
    if segment:
        return f"/lists/{audience}/segments/{segment}/members", dict(_EVERYONE)
    return f"/lists/{audience}/members", {}


def some(http: Http, audience: str, ids: Collection[str], fields: Sequence[str]) -> Iterable[wire.Json]:
    """These contacts, by the cheaper way: a handful one by one; else everyone, the caller takes what it asked for."""
    return _few(http, audience, ids, fields) if len(ids) <= _FEW else everyone(http, audience, fields)


def _few(http: Http, audience: str, ids: Iterable[str], fields: Sequence[str]) -> Iterator[wire.Json]:
    for ref in ids:
        path, params = f"/lists/{audience}/members/{ref}", {"fields": ",".join(fields)}
        response = http("GET", path, params=params, accept=frozenset({HTTPStatus.NOT_FOUND}))
        if response.status != HTTPStatus.NOT_FOUND:
            yield wire.record(response.json())


def everyone(http: Http, audience: str, fields: Sequence[str], **params: str) -> Iterator[wire.Json]:
    """All contacts of the audience, with these of their fields."""
    names = ",".join([*(f"members.{name}" for name in fields), "total_items"])
    for part in pages.read(http, f"/lists/{audience}/members", "members", params={**params, "fields": names}):
        yield from part.items


def present(http: Http, ref: Ref) -> set[str]:
    """The subscriber ids in an audience or a segment."""
    path, params = where(ref)
    asked = {**params, "fields": "members.id,total_items"}
    return {entry["id"] for part in pages.read(http, path, "members", params=asked) for entry in part.items}


def standing(http: Http, ref: Ref, emails: Iterable[str]) -> dict[str, bool]:
    """By subscriber id: in the segment or not; absent when not a contact (any more)."""
    audience, _, segment = ref.partition("/")
    ids = {wire.subscriber(email) for email in emails}
    entries = list(some(http, audience, ids, ("id", "status", "tags_count", "tags")))
    is_listed = all(len(entry.get("tags", ())) == entry.get("tags_count", -1) for entry in entries)
    within = None if is_listed else present(http, ref)
    return {
        entry["id"]: entry["id"] in within
        if within is not None
        else any(str(tag.get("id")) == segment for tag in entry["tags"])
        for entry in entries
        if entry["id"] in ids and entry.get("status") not in wire.GONE
    }
