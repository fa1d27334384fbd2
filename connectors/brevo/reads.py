"""What several parts of the connector read: pages, people, processes, files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from urllib.parse import quote

from connectors.answers import Json, inner, oldest, record, rows
from connectors.brevo import wire
from connectors.brevo.spec import CONTACTS, FILES, OTHER
from connectors.http import Http
from connectors.sweeps import Place, Slice, among, offsets
from connectors.types import Ref

FEW = 20  # contacts read one by one; more are found by paging
OVERLAP = 20  # records that a page of contacts repeats, so that deletions during a read hide nobody
_GONE = frozenset({403, 404, 410})  # of a file whose link lived its time


def pages(
    http: Http, path: str, key: str, size: int, *, rate: str = CONTACTS, start: Place | None = None, **params: str
) -> Iterator[Slice]:
    """Pages of a collection; of contacts they overlap.

    Whether a bare /contacts is in the slow window is not documented (2026-11-22): the answers themselves tell.
    """
    is_bare = path == "/contacts"
    family = OTHER if is_bare else rate

    def ask(offset: int) -> tuple[Sequence[Json], int | None]:
        nonlocal family
        answer = http("GET", path, params={"limit": size, "offset": offset, "sort": "asc", **params}, rate=family)
        if is_bare and wire.is_fast(answer.headers):
            family = CONTACTS
        body = answer.json()
        if key == "collections" and isinstance(body, list):
            body = {key: body}  # described as one object, shown wrapped and bare (2026-11-22)
        total = inner(body, "count")
        return () if total == 0 else rows(body, key), total

    return offsets(ask, start=int(start or 0), overlap=OVERLAP if key == "contacts" else 0)


def people(http: Http, wanted: Collection[str], list_ref: Ref | None = None) -> dict[str, Json]:
    """Contacts by address, of a list where one is named."""
    path, size = (f"/contacts/lists/{list_ref}/contacts", 500) if list_ref else ("/contacts", 1000)

    def one(email: str) -> Json | None:
        answer = http.look(f"/contacts/{quote(email, safe='')}?identifierType=email_id")
        found = answer and record(answer.json(), "listIds")
        return found if found and (list_ref is None or int(list_ref) in found["listIds"]) else None

    return among(wanted, one, pages(http, path, "contacts", size), wire.address, few=FEW)


def titles(http: Http, path: str, key: str, size: int = 50, rate: str = CONTACTS) -> Mapping[str, Ref]:
    """Ids by name; names are not unique: the oldest is ours."""
    return oldest(row for page in pages(http, path, key, size, rate=rate) for row in page.rows)


def attributes(http: Http) -> dict[str, str]:
    """Types of the attributes by name; one of another category is of none that is ours."""
    answer = http("GET", "/contacts/attributes").json()
    found = rows(answer, "attributes", holding=frozenset({"name", "category"}))
    return {row["name"]: row["type"] if row["category"] == "normal" else row["category"] for row in found}


def recent(http: Http) -> Iterator[Slice]:
    """Pages of processes, newest first."""
    return pages(http, "/processes", "processes", 50, rate=OTHER, sort="desc")


def processes(http: Http, ids: Collection[int]) -> dict[int, Json]:
    """Processes by id, fifty a call; never a call a process: the window has 100 calls an hour."""
    found: dict[int, Json] = {}
    for page in recent(http) if ids else ():
        found |= {row["id"]: row for row in page.rows if row["id"] in ids}
        if page.rows and page.rows[-1]["id"] <= min(ids):
            break
    return found


def file(http: Http, url: str) -> str | None:
    """A result file, kept on another host for a while; None when it is gone."""
    answer = http("GET", url, rate=FILES, accept=_GONE)
    return None if answer.status in _GONE else answer.body.decode("utf-8-sig", "replace")
