"""What we read of an account: pages, lists, contacts, processes, files. Writes are in connector.py."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from connectors import errors
from connectors.brevo import wire
from connectors.brevo.spec import CONTACTS, FILES, OTHER, TYPES
from connectors.brevo.wire import Json
from connectors.http import Http, Response
from connectors.types import Ref, Target, ValueKind, normal

__all__ = ["FEW", "Reads", "Slice"]

FEW = 20  # contacts read one by one; more are found by paging
OVERLAP = 20  # records that a page of contacts repeats, so that deletions during a read hide nobody
PROCESS_PAGES = 10  # of fifty, looked through for a job
CAMPAIGN_PAGES = 5  # of a hundred, looked through for campaigns before they are asked for one by one
_GONE = frozenset({403, 404, 410})  # of a file whose link lived its time
_MISSING = frozenset({HTTPStatus.NOT_FOUND})
_BLOCKED = re.compile(r"authori[sz]ed_ips|unrecogni[sz]ed IP", re.IGNORECASE)
_BLOCKED_WORDS = (
    "brevo refuses calls from this machine's IP address, not the key: authorise the address, or switch the blocking "
    "of unknown addresses off, at https://app.brevo.com/security/authorised_ips"
)
_SENT: Mapping[str, str | int] = {
    "type": "classic",
    "status": "sent",
    "statistics": "globalStats",
    "excludeHtmlContent": "true",
}


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

    def get(self, path: str, *, rate: str = CONTACTS, params: Mapping[str, str | int] | None = None) -> Response | None:
        """What is there, or None."""
        answer = self.call("GET", path, rate=rate, params=params, accept=_MISSING)
        return answer if answer.status == HTTPStatus.OK else None

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
        """Pages until `count` is reached, or without one until an empty page, whatever their size.

        `rate` None: the family that the answers themselves tell.
        """
        family, last = rate or OTHER, False
        while not last:
            asked = {"limit": size, "offset": offset, "sort": "asc", **(params or {})}
            answer = self.call("GET", path, rate=family, params=asked)
            body = answer.json()
            total = body.get("count") if isinstance(body, dict) else None
            rows = [] if total == 0 else _rows(body, key)
            reached = offset + len(rows)
            last = not rows or (isinstance(total, int) and reached >= total)
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

    def inside(self, list_ref: Ref, people: Collection[str]) -> set[str]:
        """Those of a list: a few are asked for one by one."""
        if len(people) > FEW:
            return set(self.held(list_ref, people))
        rows = {email: self.contact(email) or {} for email in people}
        return {email for email, row in rows.items() if int(list_ref) in row.get("listIds", ())}

    def contact(self, email: str) -> Json | None:
        """One contact, or None."""
        answer = self.get(f"/contacts/{quote(email, safe='')}", params={"identifierType": "email_id"})
        return None if answer is None else answer.json()

    def titles(self, path: str, key: str, size: int = 50, rate: str = CONTACTS) -> dict[str, Ref]:
        """Names are not unique: the oldest of a name is ours."""
        found: dict[str, Ref] = {}
        for part in self.pages(path, key, size, rate=rate):
            for row in part.rows:
                found.setdefault(row["name"], str(row["id"]))
        return found

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
        for number, part in enumerate(self.recent_processes() if ids else (), 1):
            found |= {row["id"]: row for row in part.rows if row["id"] in ids}
            missing = ids - found.keys()
            if number == PROCESS_PAGES or not missing or (part.rows and part.rows[-1]["id"] < min(missing)):
                break
        return found

    def recent_processes(self) -> Iterator[Slice]:
        """Pages of processes, newest first."""
        return self.pages("/processes", "processes", 50, rate=OTHER, params={"sort": "desc"})

    def file(self, url: str) -> str | None:
        """A result file, kept on another host for a while; None when it is gone."""
        answer = self.call("GET", url, rate=FILES, accept=_GONE)
        return None if answer.status in _GONE else answer.body.decode("utf-8-sig", "replace")

    def campaigns(self, since: datetime, until: datetime) -> Iterator[Json]:
        """Campaigns sent within, with their totals."""
        params = {**_SENT, "startDate": wire.moment(since), "endDate": wire.moment(until)}
        for part in self.pages("/emailCampaigns", "campaigns", 100, rate=OTHER, params=params):
            yield from part.rows

    def statistics(self, campaigns: Collection[str]) -> dict[str, Json]:
        """The totals of campaigns by id: a hundred a call, then those that the list tells nothing of, one by one."""
        found: dict[str, Json] = {}
        pages = self.pages("/emailCampaigns", "campaigns", 100, rate=OTHER, params={**_SENT, "sort": "desc"})
        for number, part in enumerate(pages if campaigns else (), 1):
            found |= {str(row["id"]): told for row in part.rows if (told := _told(row)) and str(row["id"]) in campaigns}
            if number == CAMPAIGN_PAGES or len(found) == len(set(campaigns)):
                break
        for ref in sorted(set(campaigns) - found.keys()):
            answer = self.get(
                f"/emailCampaigns/{quote(ref, safe='')}", rate=OTHER, params={"statistics": "globalStats"}
            )
            found |= {ref: _told(answer.json())} if answer else {}
        return found

    def request_export(self, campaign: int, action: str) -> int:
        """Ask for the people of one campaign and action: the id of the process."""
        body = {
            "customContactFilter": {"actionForEmailCampaigns": action, "emailCampaignId": campaign},
            "exportAttributes": ["EMAIL"],
            "disableNotification": True,
        }
        return int(wire.part(self.call("POST", "/contacts/export", json=body).json(), "processId"))


def _rows(body: object, key: str) -> Sequence[Json]:
    if key == "collections" and isinstance(body, list):  # described as one object, shown wrapped (2026-11-22)
        return body
    rows: Sequence[Json] = wire.part(body, key)
    return rows


def _told(campaign: Json) -> Json:
    return (campaign.get("statistics") or {}).get("globalStats") or {}
