"""Reading engagement: campaigns whose figures moved → exports, requested and collected without ever sleeping.

The cursor is the whole state: what was counted, what is to be asked for, which exports run and how far each file
was read. While exports run, an empty page that is not the last says "come back later".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.brevo.events import ACTIONS, events
from connectors.brevo.wire import export_rows, instant, moment
from connectors.errors import InvalidRequest
from connectors.types import Cursor, EngagementEvent, Page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from connectors.brevo.reads import Reads
    from connectors.brevo.wire import Json

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


@dataclass(slots=True)
class State:
    """The cursor's content; `seen` are the figures, by campaign and action, whose people were read."""

    pulled: str = ""
    seen: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    exports: list[Export] = field(default_factory=list)

    @classmethod
    def load(cls, cursor: Cursor | None) -> State:
        """The state that a cursor holds."""
        if cursor is None:
            return cls()
        kept = json.loads(cursor)
        return cls(kept["pulled"], kept["seen"], [Export(**export) for export in kept["exports"]])

    def cursor(self) -> Cursor:
        """The state as a cursor."""
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False)


class Reading:
    """One pull."""

    def __init__(self, account: Reads, since: Cursor | None, now: datetime) -> None:
        self._account = account
        self._state = State.load(since)
        self._now = now

    def pages(self) -> Iterator[Page[EngagementEvent]]:
        """What earlier readings left first, then what moved since; ends early when exports take too long."""
        while self._state.exports or self._state.pulled != moment(self._now):
            if not self._state.exports:
                self._look()
            idle = 0
            while self._state.exports:
                if self._request():
                    yield Page([], self._state.cursor())
                collected = False
                for page in self._collect():
                    collected = True
                    yield page
                idle = 0 if collected else idle + 1
                if idle > PATIENCE:
                    return
                if not collected and self._state.exports:
                    yield Page([], self._state.cursor())
        yield Page([], self._state.cursor(), last=True)

    def _look(self) -> None:
        state = self._state
        since = self._now - FIRST
        if state.pulled:
            since = max(since, min(self._now - WINDOW, instant(state.pulled) - timedelta(days=1)))
        known, state.seen = state.seen, {}
        for campaign in self._account.campaigns(since, self._now):
            key = str(campaign["id"])
            state.seen[key] = known.get(key, {})
            state.exports += _moved(campaign, state.seen[key])
        state.pulled = moment(self._now)

    def _request(self) -> bool:
        """Ask for what fits in; True when something was asked for."""
        waiting = [export for export in self._state.exports if export.process is None]
        for export in waiting[: AT_ONCE - (len(self._state.exports) - len(waiting))]:
            try:
                export.process = self._account.request_export(export.campaign, export.action)
            except InvalidRequest:  # the campaign is gone: its figures stay unread, and it is not asked for again now
                self._state.exports.remove(export)
        return any(export.process is not None for export in waiting)

    def _collect(self) -> Iterator[Page[EngagementEvent]]:
        running = {export.process: export for export in self._state.exports if export.process is not None}
        if not running:
            return
        for ref, process in self._account.processes(running.keys()).items():
            status, url = process.get("status"), process.get("export_url")
            if status == "completed" and url:
                yield from self._read(running[ref], url)
            elif status in {"completed", "failed", "cancelled"}:
                self._again(running[ref])

    def _read(self, export: Export, url: str) -> Iterator[Page[EngagementEvent]]:
        text = self._account.file(url)
        if text is None:
            self._again(export)
            return
        rows, sent_at = export_rows(text)[export.rows :], instant(export.sent)
        while True:
            part, rows = rows[:ROWS], rows[ROWS:]
            found = [
                event for email, row in part for event in events(export.action, export.campaign, sent_at, email, row)
            ]
            export.rows += len(part)
            if not rows:
                self._finish(export)
            yield Page(found, self._state.cursor())
            if not rows:
                return

    def _finish(self, export: Export) -> None:
        self._state.exports.remove(export)
        if export.figures is not None:
            self._state.seen[str(export.campaign)][export.action] = export.figures

    def _again(self, export: Export) -> None:
        """Its file failed or is gone (links live for a while only): ask once more, then leave it to the next pull."""
        export.process, export.rows, export.attempts = None, 0, export.attempts + 1
        if export.attempts >= ATTEMPTS:
            self._state.exports.remove(export)


def _moved(campaign: Json, seen: Mapping[str, list[int]]) -> Iterator[Export]:
    """The exports that a campaign needs: figures that are missing are unknown, never zero."""
    totals = (campaign.get("statistics") or {}).get("globalStats") or {}
    sent = campaign.get("sentDate") or campaign.get("scheduledAt") or campaign["createdAt"]
    for action, about in ACTIONS.items():
        known = all(isinstance(totals.get(name), int) for name in about.figures)
        figures = [totals[name] for name in about.figures] if known else None
        if figures is None or figures != seen.get(action, [0] * len(figures)):
            yield Export(campaign["id"], sent, action, figures)
