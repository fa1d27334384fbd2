"""What we read of an account: pages, lists, contacts, processes, files. Writes are in connector.py."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import islice
from typing import Any, TypeAlias
from urllib.parse import quote

from connectors import errors
from connectors.brevo import wire
from connectors.brevo.spec import CONTACTS, FILES, OTHER, TYPES
from connectors.brevo.wire import Json
from connectors.http import Http, Response
from connectors.types import Ref, Target, ValueKind, normal

__all__ = ["Reads", "Slice"]

Slice: TypeAlias = tuple[Sequence[Json], int, bool]
"""One page: rows, where the next one begins, and whether it is the last."""

FEW = 20  # contacts read one by one; more are found by paging
OVERLAP = 20  # records that a page of contacts repeats, so that deletions during a read hide nobody
PROCESS_PAGES = 10  # of fifty, looked through for a job
CAMPAIGN_PAGES = 5  # of a hundred, looked through for campaigns before they are asked for one by one
_GONE = frozenset({403, 404, 410})  # of a file whose link lived its time
_STATISTICS: Json = {"statistics": "globalStats"}
_SENT: Json = {"type": "classic", "status": "sent", "excludeHtmlContent": "true"} | _STATISTICS
_BLOCKED = re.compile(r"authori[sz]ed_ips|unrecogni[sz]ed IP", re.IGNORECASE)
_BLOCKED_WORDS = (
    "brevo refuses calls from this machine's IP address, not the key: authorise the address, or switch the blocking "
    "of unknown addresses off, at https://app.brevo.com/security/authorised_ips"
)


class Reads:
    """Reads of one account."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def call(self, method: str, path: str, *, rate: str = CONTACTS, **options: Any) -> Response:  # noqa: ANN401 - Http's own keywords, passed on
        """One call; a blocked machine is told from a refused key."""
        try:
            return self._http(method, path, rate=rate, **options)
        except errors.Unauthorized as error:
            if not _BLOCKED.search(str(error)):
                raise
            blocked = errors.Unauthorized(_BLOCKED_WORDS, status=error.status, request_id=error.request_id)
            raise blocked from None

    def get(self, path: str, *, rate: str = CONTACTS, params: Json | None = None) -> Response | None:
        """What is there, or None."""
        answer = self.call("GET", path, rate=rate, params=params, accept=frozenset({HTTPStatus.NOT_FOUND}))
        return answer if answer.status == HTTPStatus.OK else None

    def pages(
        self, path: str, key: str, size: int, *, rate: str = CONTACTS, offset: int = 0, params: Json | None = None
    ) -> Iterator[Slice]:
        """Pages until `count` is reached, or without one until an empty page, whatever their size; each row once.

        Whether a bare /contacts is in the slow window is not documented (2026-11-22): the answers themselves tell.
        """
        overlap, is_bare = OVERLAP if key == "contacts" else 0, path == "/contacts"
        rate, last, before = OTHER if is_bare else rate, False, set[object]()
        while not last:
            asked = {"limit": size, "offset": offset, "sort": "asc", **(params or {})}
            answer = self.call("GET", path, rate=rate, params=asked)
            body = answer.json()
            if key == "collections" and isinstance(body, list):
                body = {key: body}  # described as one object, shown wrapped and bare (2026-11-22)
            total = body.get("count") if isinstance(body, dict) else None
            rows = [] if total == 0 else wire.part(body, key)
            reached = offset + len(rows)
            last = not rows or (isinstance(total, int) and reached >= total)
            offset = reached if last or len(rows) <= overlap else reached - overlap
            rate = CONTACTS if is_bare and wire.is_fast(answer.headers) else rate
            yield [row for row in rows if row["id"] not in before], offset, last
            before = {row["id"] for row in rows}

    def people(self, among: AbstractSet[str], list_ref: Ref | None = None) -> dict[str, Json]:
        """Contacts by address, of a list where one is named: a few one by one, more by as many pages."""
        path, size = (f"/contacts/lists/{list_ref}/contacts", 500) if list_ref else ("/contacts", 1000)
        found: dict[str, Json] = {}
        for rows, _, last in islice(self.pages(path, "contacts", size), len(among) if len(among) > FEW else 0):
            found |= {email: row for row in rows if (email := normal(row.get("email") or "")) in among}
            if last or len(found) == len(among):
                return found
        for email in among - found.keys():
            answer = self.get(f"/contacts/{quote(email, safe='')}?identifierType=email_id")
            if answer and (list_ref is None or int(list_ref) in wire.part(answer.json(), "listIds")):
                found[email] = answer.json()
        return found

    def titles(self, path: str, key: str, size: int = 50, rate: str = CONTACTS) -> dict[str, Ref]:
        """Names are not unique: the oldest of a name is ours."""
        pages = self.pages(path, key, size, rate=rate)
        return {row["name"]: str(row["id"]) for row in reversed([row for rows, _, _ in pages for row in rows])}

    def attributes(self, targets: Sequence[Target]) -> dict[Target, Ref]:
        """Those attributes that exist. Raises SettingsError where one of another type has the name."""
        rows = wire.part(self.call("GET", "/contacts/attributes").json(), "attributes")
        known = {row["name"]: (row.get("category"), row.get("type")) for row in rows}
        found = {target: target.title for target in targets if target.title in known}
        for target in found:
            wanted, there = TYPES[target.value or ValueKind.TEXT], known[target.title]
            if there != ("normal", wanted):
                message = (
                    f"brevo: the account has an attribute {target.title} of type {there[1] or there[0]}, merge tag "
                    f"'{target.name}' needs {wanted}: give the merge tag another name"
                )
                raise errors.SettingsError(message)
        return found

    def coupons(self, collection: Ref) -> tuple[int, datetime | None] | None:
        """How many codes a collection has ever held, and Brevo's own time of saying so; None when it is gone."""
        answer = self.get(f"/couponCollections/{collection}", rate=OTHER)
        if answer is None:
            return None
        body, date = answer.json(), answer.headers.get("date")
        about = body[0] if isinstance(body, list) and body else body  # its examples wrap it (2026-11-22)
        return int(wire.part(about, "totalCoupons")), parsedate_to_datetime(date) if date else None

    def processes(self, ids: Collection[int]) -> dict[int, Json]:
        """Processes by id, newest first and fifty a call; never a call a process: the window has 100 calls an hour."""
        found: dict[int, Json] = {}
        for number, (rows, _, _) in enumerate(self.recent_processes() if ids else (), 1):
            found |= {row["id"]: row for row in rows if row["id"] in ids}
            missing = ids - found.keys()
            if number == PROCESS_PAGES or not missing or (rows and rows[-1]["id"] < min(missing)):
                break
        return found

    def recent_processes(self) -> Iterator[Slice]:
        """Pages of processes, newest first."""
        return self.pages("/processes", "processes", 50, rate=OTHER, params={"sort": "desc"})

    def file(self, url: str) -> str | None:
        """A result file, kept on another host for a while; None when it is gone."""
        answer = self.call("GET", url, rate=FILES, accept=_GONE)
        return None if answer.status in _GONE else answer.body.decode("utf-8-sig", "replace")

    def campaigns(self, **params: str) -> Iterator[Sequence[Json]]:
        """Pages of the campaigns that were sent, with their totals."""
        pages = self.pages("/emailCampaigns", "campaigns", 100, rate=OTHER, params=_SENT | params)
        return (rows for rows, _, _ in pages)

    def statistics(self, campaigns: Collection[str]) -> dict[str, Json]:
        """The totals of campaigns by id: a hundred a call, then those that the list tells nothing of, one by one."""
        found: dict[str, Json] = {}
        wanted = set(campaigns)
        for number, rows in enumerate(self.campaigns(sort="desc") if wanted else (), 1):
            found |= {ref: told for row in rows if (ref := str(row["id"])) in wanted and (told := wire.totals(row))}
            if number == CAMPAIGN_PAGES or len(found) == len(wanted):
                break
        for ref in sorted(wanted - found.keys()):
            answer = self.get(f"/emailCampaigns/{quote(ref, safe='')}", rate=OTHER, params=_STATISTICS)
            found |= {ref: wire.totals(answer.json())} if answer else {}
        return found
