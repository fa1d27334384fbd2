"""A lab whose provider is a dictionary: what an author of a connector writes beside the suite."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.http import Http, SystemClock
from connectors.memory import Memory
from connectors.memory.connector import MemorySettings
from connectors.memory.dictionary import Dictionary
from connectors.memory.events import KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from connectors.types import EventKind, Fitted, Ref

KEY = "memory-secret-key"
STATUSES = ("subscribed", "unsubscribed", "pending", "cleaned", "archived", "never", "suppressed", "complained")
NOTHING: Mapping[str, Fitted] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Kept:
    """One contact of the dictionary."""

    status: str
    fields: Mapping[str, Fitted]
    lists: Collection[Ref]
    ref: Ref

    @property
    def mailable(self) -> bool:
        return self.status == "subscribed"


@dataclass(frozen=True, slots=True)
class Line:
    """One call of the log."""

    method: str
    path: str
    body: bytes

    @property
    def size(self) -> int:
        return len(self.body)

    @property
    def is_read(self) -> bool:
        return self.method == "GET"


class MemoryLab:
    """A fresh dictionary, and a connector (or a broken copy of it) that writes to it."""

    secrets = (KEY,)
    statuses = STATUSES
    domain = "example.com"

    def __init__(self, connector: type[Memory] = Memory) -> None:
        self.provider = Dictionary({}, KEY)
        self.time = datetime(2018, 1, 1, tzinfo=UTC)
        settings = MemorySettings(store=self.provider, api_key=KEY)
        http = Http(settings.base_url, settings.headers(), handler=self.provider, clock=SystemClock())
        self.connector = connector(settings, http)

    def now(self) -> datetime:
        return self.time

    def calls(self) -> Sequence[Line]:
        return [Line(sent.method, urlsplit(sent.url).path, sent.body) for sent, _ in self.provider.calls]

    def truth(self) -> Mapping[str, Kept]:
        return {
            email: Kept(row["status"], row["fields"], frozenset(row["lists"]), row["ref"])
            for email, row in self.provider.store["contacts"].items()
        }

    def lists(self) -> Mapping[Ref, str]:
        return dict(self.provider.store["lists"])

    def settle(self) -> None:
        self.time += timedelta(minutes=1)

    def seed(
        self,
        email: str,
        *,
        status: str = "subscribed",
        fields: Mapping[str, Fitted] = NOTHING,
        lists: Collection[Ref] = (),
    ) -> None:
        contacts = self.provider.store["contacts"]
        contacts[email] = {
            "ref": f"seed-{len(contacts)}",
            "status": status,
            "fields": dict(fields),
            "lists": list(lists),
        }

    def mail(self, list_ref: Ref, subject: str) -> str:
        for email, contact in self.truth().items():
            if list_ref in contact.lists and contact.mailable:
                self._write("sent", email, subject, self.time)
        return subject

    def react(self, campaign: str, email: str, kind: EventKind, at: datetime, *, url: str | None = None) -> None:
        name = next(name for name, ours in KINDS.items() if ours is kind)
        self._write(name, email, campaign, at, url)

    def _write(self, name: str, email: str, campaign: str, at: datetime, url: str | None = None) -> None:
        events = self.provider.store["events"]
        row = {"type": name, "email": email, "campaign": campaign, "at": at.isoformat(), "url": url}
        events[f"event-{len(events)}"] = row
