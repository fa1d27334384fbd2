"""Reading engagement: campaigns whose figures moved → exports, requested and collected without ever sleeping.

The cursor is the whole state: what was counted, what is to be asked for, which exports run and how far each file
was read. While exports run, an empty page that is not the last says "come back later".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from connectors.brevo.events import ACTIONS, exported
from connectors.brevo.reads import Reads
from connectors.brevo.wire import Json, export_rows, instant, moment, part, totals
from connectors.errors import InvalidRequest
from connectors.types import Cursor, EngagementEvent, Page

__all__ = ["Reading"]

WINDOW = timedelta(days=30)  # people read old mails: campaigns of this long are looked at again
FIRST = timedelta(days=180)  # older statistics are not in the list of campaigns (GET /emailCampaigns, 2026-11-22)
AT_ONCE = 50  # exports in flight: as many as one page of processes shows
ROWS = 5000  # people of a file per page
ATTEMPTS = 2  # times that an export is asked for
PATIENCE = 20  # empty looks at running exports before this reading ends unfinished


@dataclass(slots=True)
class Export:
    """One campaign's people of one action: asked for when `process` is set, read up to `rows`."""

    campaign: int
    sent: str
    action: str
    figures: list[int] | None
    process: int | None = None
    rows: int = 0
    attempts: int = 0


class Reading:
    """One pull; `seen` are the figures, by campaign and action, whose people were read."""

    def __init__(self, account: Reads, since: Cursor | None, now: datetime) -> None:
        kept: Json = json.loads(since) if since else {}
        self._account, self._now = account, now
        self._pulled: str = kept.get("pulled", "")
        self._seen: dict[str, dict[str, list[int]]] = kept.get("seen", {})
        self._exports = [Export(**export) for export in kept.get("exports", ())]

    def _page(self, found: list[EngagementEvent], *, last: bool = False) -> Page[EngagementEvent]:
        kept = {"pulled": self._pulled, "seen": self._seen, "exports": [asdict(export) for export in self._exports]}
        return Page(found, json.dumps(kept, separators=(",", ":"), ensure_ascii=False), last)

    def pages(self) -> Iterator[Page[EngagementEvent]]:
        """What earlier readings left first, then what moved since; ends early when exports take too long."""
        idle = 0
        while idle <= PATIENCE:
            if not self._exports and self._pulled == moment(self._now):
                yield self._page([], last=True)
                return
            if not self._exports:
                self._look()
            if self._request():
                yield self._page([])
            idle += 1
            for page in self._collect():
                idle = 0
                yield page
            if idle and self._exports:
                yield self._page([])

    def _look(self) -> None:
        since = self._now - FIRST
        if self._pulled:
            since = max(since, min(self._now - WINDOW, instant(self._pulled) - timedelta(days=1)))
        known, self._seen = self._seen, {}
        self._pulled = moment(self._now)
        for rows in self._account.campaigns(startDate=moment(since), endDate=self._pulled):
            for campaign in rows:
                key = str(campaign["id"])
                self._seen[key] = known.get(key, {})
                self._exports += _moved(campaign, self._seen[key])

    def _request(self) -> bool:
        """Ask for what fits in; True when something was asked for."""
        waiting = [export for export in self._exports if export.process is None]
        for export in waiting[: AT_ONCE - (len(self._exports) - len(waiting))]:
            asked = {"actionForEmailCampaigns": export.action, "emailCampaignId": export.campaign}
            body = {"customContactFilter": asked, "exportAttributes": ["EMAIL"], "disableNotification": True}
            try:
                export.process = int(
                    part(self._account.call("POST", "/contacts/export", json=body).json(), "processId")
                )
            except InvalidRequest:  # the campaign is gone: its figures stay unread, and it is not asked for again now
                self._exports.remove(export)
        return any(export.process is not None for export in waiting)

    def _collect(self) -> Iterator[Page[EngagementEvent]]:
        running = {export.process: export for export in self._exports if export.process is not None}
        for ref, process in self._account.processes(running.keys()).items():
            status, url = process.get("status"), process.get("export_url")
            text = self._account.file(url) if status == "completed" and url else None
            if text is not None:
                yield from self._read(running[ref], text)
            elif status in {"completed", "failed", "cancelled"}:
                self._again(running[ref])

    def _read(self, export: Export, text: str) -> Iterator[Page[EngagementEvent]]:
        rows, sent_at = export_rows(text), instant(export.sent)
        while export in self._exports:
            some = rows[export.rows : export.rows + ROWS]
            export.rows += len(some)
            if export.rows >= len(rows):
                self._exports.remove(export)
                if export.figures is not None:
                    self._seen[str(export.campaign)][export.action] = export.figures
            told = (exported(export.action, export.campaign, sent_at, email, row) for email, row in some)
            yield self._page([event for events in told for event in events])

    def _again(self, export: Export) -> None:
        """Its file failed or is gone (links live for a while only): ask once more, then leave it to the next pull."""
        export.process, export.rows, export.attempts = None, 0, export.attempts + 1
        if export.attempts >= ATTEMPTS:
            self._exports.remove(export)


def _moved(campaign: Json, seen: Mapping[str, list[int]]) -> Iterator[Export]:
    """The exports that a campaign needs: figures that are missing are unknown, never zero."""
    told = totals(campaign)
    sent = campaign.get("sentDate") or campaign.get("scheduledAt") or campaign["createdAt"]
    for action, about in ACTIONS.items():
        known = all(isinstance(told.get(name), int) for name in about.figures)
        figures = [told[name] for name in about.figures] if known else None
        if figures is None or figures != seen.get(action, [0] * len(figures)):
            yield Export(campaign["id"], sent, action, figures)
