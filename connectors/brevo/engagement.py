"""Reading engagement: campaigns whose figures moved → exports, requested and collected without ever sleeping.

The cursor is the whole state: what was counted, what is to be asked for, which exports run and how far each file
was read. While exports run, an empty page that is not the last says "come back later".
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from urllib.parse import quote

from connectors.answers import Json, figures, inner, instant
from connectors.brevo import reads
from connectors.brevo.events import ACTIONS, TOTALS, exported
from connectors.brevo.spec import OTHER
from connectors.brevo.wire import export_rows, moment
from connectors.errors import InvalidRequest, UnexpectedResponse
from connectors.http import Http
from connectors.sweeps import Slice
from connectors.types import Cursor, EngagementEvent, EventKind, Page

WINDOW = timedelta(days=30)  # people read old mails: campaigns of this long are looked at again
FIRST = timedelta(days=180)  # older statistics are not in the list of campaigns (GET /emailCampaigns, 2026-11-22)
CAMPAIGN_PAGES = 5  # of a hundred, looked through for campaigns before they are asked for one by one
AT_ONCE = 50  # exports in flight: as many as one page of processes shows
ROWS = 5000  # people of a file per page
PATIENCE = 20  # empty looks at running exports before this reading ends unfinished
_STATISTICS = {"statistics": "globalStats"}
_SENT = {"type": "classic", "status": "sent", "excludeHtmlContent": "true"} | _STATISTICS
_TIMES = ("sentDate", "scheduledAt", "createdAt")


@dataclass(slots=True)
class Export:
    """One campaign's people of one action: asked for when `process` is set, read up to `rows`."""

    campaign: int
    sent: str
    action: str
    figure: int | None
    process: int | None = None
    rows: int = 0


class Reading:
    """One pull; `seen` are the figures, by campaign and action, whose people were read."""

    def __init__(self, http: Http, since: Cursor | None, now: datetime) -> None:
        kept = json.loads(since) if since else {}
        self._http, self._now = http, now
        self._pulled: str = kept.get("pulled", "")
        self._seen: dict[str, dict[str, int]] = kept.get("seen", {})
        self._exports = [Export(**export) for export in kept.get("running", ())]
        self._earlier = {export.process for export in self._exports} - {None}

    def _page(self, *found: EngagementEvent, last: bool = False) -> Page[EngagementEvent]:
        kept = {"pulled": self._pulled, "seen": self._seen, "running": [asdict(export) for export in self._exports]}
        return Page(found, json.dumps(kept, separators=(",", ":"), ensure_ascii=False), last)

    def pages(self) -> Iterator[Page[EngagementEvent]]:
        """What earlier readings left first, then what moved since; ends early when exports take too long."""
        idle = 0
        while self._exports or self._pulled != moment(self._now):
            if idle > PATIENCE:
                return
            if not self._exports:
                self._look()
            if self._ask():
                yield self._page()
            idle += 1
            for page in self._collect():
                idle = 0
                yield page
            if idle and self._exports:
                yield self._page()
        yield self._page(last=True)

    def _look(self) -> None:
        since, pulled = self._now - FIRST, instant(self._pulled)
        if pulled:
            since = max(since, min(self._now - WINDOW, pulled - timedelta(days=1)))
        known, self._seen, self._pulled = self._seen, {}, moment(self._now)
        for page in campaigns(self._http, startDate=moment(since), endDate=self._pulled):
            for campaign in page.rows:
                key = str(campaign["id"])
                self._seen[key] = known.get(key, {})
                self._exports += _moved(campaign, self._seen[key])

    def _ask(self) -> bool:
        """Ask for what fits in; True when something was asked for."""
        waiting = [export for export in self._exports if export.process is None]
        for export in waiting[: AT_ONCE - (len(self._exports) - len(waiting))]:
            asked = {"actionForEmailCampaigns": export.action, "emailCampaignId": export.campaign}
            body = {"customContactFilter": asked, "exportAttributes": ["EMAIL"], "disableNotification": True}
            try:
                export.process = int(self._http("POST", "/contacts/export", json=body).part("processId"))
            except InvalidRequest:  # the campaign is gone: its figures stay unread, and it is not asked for again now
                self._exports.remove(export)
        return any(export.process is not None for export in waiting)

    def _collect(self) -> Iterator[Page[EngagementEvent]]:
        running = {export.process: export for export in self._exports if export.process is not None}
        found = reads.processes(self._http, running.keys())
        forgotten = self._earlier - found.keys()  # by Brevo, since an earlier reading: their figures stay unread
        self._exports = [export for export in self._exports if export.process not in forgotten]
        for ref, process in found.items():
            status, url = process.get("status"), process.get("export_url")
            text = reads.file(self._http, url) if status == "completed" and url else None
            if text is not None:
                yield from self._read(running[ref], text)
            elif status in {"completed", "failed", "cancelled"}:  # or its file is gone: its figure stays unread
                self._exports.remove(running[ref])

    def _read(self, export: Export, text: str) -> Iterator[Page[EngagementEvent]]:
        rows, sent_at = export_rows(text), datetime.fromisoformat(export.sent)
        while export in self._exports:
            some = rows[export.rows : export.rows + ROWS]
            export.rows += len(some)
            if export.rows >= len(rows):
                self._exports.remove(export)
                if export.figure is not None:
                    self._seen[str(export.campaign)][export.action] = export.figure
            told = (exported(export.action, export.campaign, sent_at, email, row) for email, row in some)
            yield self._page(*(event for events in told for event in events))


def _moved(campaign: Json, seen: Mapping[str, int]) -> Iterator[Export]:
    """The exports that a campaign needs: figures that are missing are unknown, never zero."""
    sent = next(filter(None, map(instant, map(campaign.get, _TIMES))), None)
    if sent is None:
        raise UnexpectedResponse(f"campaign {campaign['id']} does not tell when it was sent")
    known = figures(_told(campaign), {action: about.figures for action, about in ACTIONS.items()})
    for action in ACTIONS:
        if action not in known or known[action] != seen.get(action, 0):
            yield Export(campaign["id"], sent.isoformat(), action, known.get(action))


def campaigns(http: Http, **params: str) -> Iterator[Slice]:
    """Pages of the campaigns that were sent, with their totals."""
    return reads.pages(http, "/emailCampaigns", "campaigns", 100, rate=OTHER, **_SENT, **params)


def totals(http: Http, refs: Collection[str]) -> dict[str, Mapping[EventKind, int]]:
    """Figures of campaigns by id: a hundred a call, then those that the list tells nothing of, one by one."""
    found: dict[str, Json] = {}
    for page in islice(campaigns(http, sort="desc"), CAMPAIGN_PAGES if refs else 0):
        found |= {ref: _told(row) for row in page.rows if (ref := str(row["id"])) in refs and _told(row)}
        if len(found) == len(set(refs)):
            break
    for ref in sorted(set(refs) - found.keys()):
        answer = http.look(f"/emailCampaigns/{quote(ref, safe='')}", rate=OTHER, params=_STATISTICS)
        found |= {ref: _told(answer.json())} if answer else {}
    return {ref: figures(told, TOTALS) for ref, told in found.items()}


def _told(campaign: Json) -> Json:
    """The figures of a campaign, where it tells any."""
    return inner(campaign, "statistics", "globalStats") or {}
