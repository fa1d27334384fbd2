"""What we read of an account: pages, lists, contacts, processes, files. Writes are in connector.py."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from connectors import errors
from connectors.brevo import wire
from connectors.types import Ref, TargetKind, ValueKind, normal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from connectors.brevo.wire import Json
    from connectors.http import Http, Response
    from connectors.types import Target

__all__ = ["CONTACTS", "FILES", "LISTED", "OTHER", "Reads", "Slice"]

CONTACTS, OTHER, FILES = "contacts", "other", "files"  # families of calls: /contacts/…, all else, files elsewhere
LISTED = frozenset({TargetKind.CONTACTS, TargetKind.SEGMENT})
OVERLAP = 20  # records that a page of contacts repeats, so that deletions during a read hide nobody
PROCESS_PAGE = 50
PROCESS_PAGES = 10  # looked through for a job before it is asked for by its id
_GONE = frozenset({403, 404, 410})  # of a file whose link lived its time
_BLOCKED = re.compile(r"authori[sz]ed_ips|unrecogni[sz]ed IP", re.IGNORECASE)
_BLOCKED_WORDS = (
    "brevo refuses calls from this machine's IP address, not the key: authorise the address, or switch the blocking "
    "of unknown addresses off, at https://app.brevo.com/security/authorised_ips"
)


@dataclass(frozen=True, slots=True)
class Slice:
    """One page; `offset` is where the next one begins."""

    rows: Sequence[Json]
    offset: int
    last: bool


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

    def pages(
        self,
        path: str,
        key: str,
        size: int,
        *,
        rate: str | None = CONTACTS,
        offset: int = 0,
        overlap: int = 0,
        params: Mapping[str, str | int] | None = None,
    ) -> Iterator[Slice]:
        """Pages until `count` is reached, whatever their size; `rate` None: the family that the answers themselves tell."""
        family, last = rate or OTHER, False
        while not last:
            asked = {"limit": size, "offset": offset, "sort": "asc", **(params or {})}
            answer = self.call("GET", path, rate=family, params=asked)
            body = answer.json()
            total = body.get("count") if isinstance(body, dict) else None
            rows = [] if total == 0 else wire.part(body, key)
            reached = offset + len(rows)
            last = not rows or (reached >= total if isinstance(total, int) else len(rows) < size)
            offset = reached if last or len(rows) <= overlap else reached - overlap
            if rate is None and wire.is_fast(answer.headers):
                family = CONTACTS
            yield Slice(rows, offset, last)

    def contacts(
        self, path: str, size: int, *, offset: int = 0, params: Mapping[str, str | int] | None = None
    ) -> Iterator[Slice]:
        """Pages of contacts, each contact once. Whether bare /contacts is slow is not documented: answers tell."""
        rate = None if path == "/contacts" else CONTACTS
        before: set[object] = set()
        for part in self.pages(path, "contacts", size, rate=rate, offset=offset, overlap=OVERLAP, params=params):
            yield Slice([row for row in part.rows if row["id"] not in before], part.offset, part.last)
            before = {row["id"] for row in part.rows}

    def held(self, list_ref: Ref, among: Collection[str]) -> dict[str, Json]:
        """Those of a list, by address; reads no further than needed."""
        found: dict[str, Json] = {}
        for part in self.contacts(f"/contacts/lists/{list_ref}/contacts", 500):
            by_address = ((normal(row.get("email") or ""), row) for row in part.rows)
            found |= {email: row for email, row in by_address if email in among}
            if len(found) == len(among):
                break
        return found

    def contact(self, email: str) -> Json | None:
        """One contact, or None."""
        path = f"/contacts/{quote(email, safe='')}"
        answer = self.call("GET", path, params={"identifierType": "email_id"}, accept=frozenset({HTTPStatus.NOT_FOUND}))
        found: Json | None = answer.json() if answer.status == HTTPStatus.OK else None
        return found

    def titles(self, path: str, key: str) -> dict[str, Ref]:
        """Names are not unique: the oldest of a name is ours."""
        found: dict[str, Ref] = {}
        for part in self.pages(path, key, 50):
            for row in part.rows:
                found.setdefault(row["name"], str(row["id"]))
        return found

    def folder(self, name: str) -> Ref | None:
        """Our folder's id."""
        return self.titles("/contacts/folders", "folders").get(name)

    def lists(self, folder: Ref | None) -> dict[str, Ref]:
        """The lists of a folder, by name."""
        return self.titles(f"/contacts/folders/{folder}/lists", "lists") if folder else {}

    def attributes(self, targets: Sequence[Target]) -> dict[Target, Ref]:
        """Those attributes that exist. Raises SettingsError where one of another type has the name."""
        rows = wire.part(self.call("GET", "/contacts/attributes").json(), "attributes")
        known = {row["name"]: (row.get("category"), row.get("type")) for row in rows}
        found = {target: target.title for target in targets if target.title in known}
        for target in found:
            wanted, there = wire.TYPES[target.value or ValueKind.TEXT], known[target.title]
            if there != ("normal", wanted):
                message = (
                    f"brevo: the account has an attribute {target.title} of type {there[1] or there[0]}, merge tag "
                    f"'{target.name}' needs {wanted}: give the merge tag another name"
                )
                raise errors.SettingsError(message)
        return found

    def processes(self, ids: Collection[int]) -> dict[int, Json]:
        """Processes by id, fifty a call; one that is in no page is asked for by itself."""
        found: dict[int, Json] = {}
        offset = 0
        for _ in range(PROCESS_PAGES if ids else 0):
            rows = self.recent_processes(offset)
            found |= {row["id"]: row for row in rows if row["id"] in ids}
            offset += len(rows)
            missing = ids - found.keys()
            if not missing or len(rows) < PROCESS_PAGE or rows[-1]["id"] < min(missing):
                break
        for ref in sorted(ids - found.keys()):
            answer = self.call("GET", f"/processes/{ref}", rate=OTHER, accept=frozenset({HTTPStatus.NOT_FOUND}))
            if answer.status == HTTPStatus.OK:
                found[ref] = answer.json()
        return found

    def recent_processes(self, offset: int = 0) -> Sequence[Json]:
        """A page of processes, newest first."""
        params = {"limit": PROCESS_PAGE, "offset": offset, "sort": "desc"}
        rows: Sequence[Json] = wire.part(self.call("GET", "/processes", params=params, rate=OTHER).json(), "processes")
        return rows

    def file(self, url: str) -> str | None:
        """A result file, kept on another host for a while; None when it is gone."""
        answer = self.call("GET", url, rate=FILES, accept=_GONE)
        return None if answer.status in _GONE else answer.body.decode("utf-8-sig", "replace")

    def campaigns(self, since: datetime, until: datetime) -> Iterator[Json]:
        """Campaigns sent within, with their totals."""
        params: dict[str, str | int] = {
            "type": "classic",
            "status": "sent",
            "statistics": "globalStats",
            "startDate": wire.moment(since),
            "endDate": wire.moment(until),
            "excludeHtmlContent": "true",
        }
        for part in self.pages("/emailCampaigns", "campaigns", 100, rate=OTHER, params=params):
            yield from part.rows

    def request_export(self, campaign: int, action: str) -> int:
        """Ask for the people of one campaign and action: the id of the process."""
        body = {
            "customContactFilter": {"actionForEmailCampaigns": action, "emailCampaignId": campaign},
            "exportAttributes": ["EMAIL"],
            "disableNotification": True,
        }
        return wire.process_id(self.call("POST", "/contacts/export", json=body).json())
