"""A lab whose provider is a dictionary: what an author of a connector writes beside the suite."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.http import Http, Request, Response
from connectors.memory import Memory
from connectors.memory.connector import MemorySettings
from connectors.memory.dictionary import Dictionary, signature
from connectors.memory.events import KINDS
from connectors.testing import FAULTS
from connectors.types import EventKind, normal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from connectors.types import Change, Fitted, Ref

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


class Weather(Dictionary):
    """The dictionary behind a wire that breaks on demand."""

    fault: str | None = None
    on_reads = False

    def handle(self, request: Request) -> Response:
        if self.fault is None or (request.method == "GET") is not self.on_reads:
            return super().handle(request)
        name = self.fault
        if not self.on_reads:
            self.fault = None
        if name in REFUSALS:
            self.calls.append((request, Response(*REFUSALS[name])))
            return Response(*REFUSALS[name])
        if name == "reset_before":
            self.calls.append((request, Response(0)))
            raise ConnectionResetError
        if name == "bad_record":
            return self._but_one(request)
        return AFTER[name](self, super().handle(request))

    def _but_one(self, request: Request) -> Response:
        """The first record is refused: at once, or by the job that was accepted."""
        body = json.loads(request.body)
        if request.url.endswith("/import"):
            body["records"][0]["fields"]["unknown to all"] = "x"
            return super().handle(replace(request, body=json.dumps(body).encode()))
        first = body["records"].pop(0) if body.get("records") else None
        answer = super().handle(replace(request, body=json.dumps(body).encode()))
        told = answer.json()
        if first and "results" in told:
            told["results"].append({"key": first.get("email", first.get("code")), "error": "invalid"})
        return replace(answer, body=json.dumps(told).encode())


REFUSALS: Mapping[str, tuple[int, Mapping[str, str], bytes]] = {
    "throttled": (429, {"retry-after": "7"}, b'{"error": "slow down"}'),
    "bodiless": (403, {}, b""),
    "page": (403, {"content-type": "text/html"}, b"<html>Just a moment</html>"),
    "error": (500, {}, b'{"error": "sorry, kit.1@example.com"}'),
    "bad_gateway": (502, {}, b"<html>bad gateway</html>"),
    "unavailable": (503, {}, b""),
    "timeout": (524, {}, b"<html>a timeout occurred</html>"),
}


def broken_off(_: Weather, __: Response) -> Response:
    raise ConnectionResetError


def late(_: Weather, __: Response) -> Response:
    raise TimeoutError


def cut_short(_: Weather, answer: Response) -> Response:
    return Response(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def endless(provider: Weather, answer: Response) -> Response:
    for job in provider.store["jobs"].values():
        job["asked"] = -1_000
    return answer


def failing(provider: Weather, answer: Response) -> Response:
    for job in provider.store["jobs"].values():
        if job["results"] is None:
            job["results"] = [{"key": record["email"], "error": "failed"} for record in job["records"]]
    return answer


AFTER: Mapping[str, Callable[[Weather, Response], Response]] = {
    "reset_after": broken_off,
    "slow": late,
    "truncated": cut_short,
    "endless": endless,
    "failing": failing,
}


class MemoryLab:
    """A fresh dictionary, and a connector (or a broken copy of it) that writes to it."""

    secrets = (KEY,)
    statuses = STATUSES
    domain = "example.com"
    faults = FAULTS
    signed = ("body", "time")

    def __init__(self, connector: type[Memory] = Memory) -> None:
        self.provider = Weather({}, KEY)
        self.time = datetime(2018, 1, 1, tzinfo=UTC)
        self._class = connector
        self.connector = self.reopen()
        self.enforced: Collection[type[Change]] = frozenset(self.connector.spec.carries)

    def reopen(self) -> Memory:
        settings = MemorySettings(store=self.provider, api_key=KEY)
        http = Http(settings.base_url, settings.headers(), handler=self.provider, clock=self)
        return self._class(settings, http)

    # the clock of `http`

    def utc(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    # the lab

    def now(self) -> datetime:
        return self.time

    def calls(self) -> Sequence[Line]:
        return [Line(sent.method, urlsplit(sent.url).path, sent.body) for sent, _ in self.provider.calls]

    def truth(self) -> Mapping[str, Kept]:
        return {
            email: Kept(row["status"], row["fields"], frozenset(row["lists"]), row["ref"])
            for email, row in self.provider.store["contacts"].items()
            if row["status"] != "erased"
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
        contacts[normal(email)] = {
            "ref": f"seed-{len(contacts)}",
            "spelled": email,
            "status": status,
            "fields": dict(fields),
            "lists": list(lists),
        }

    # its abilities

    def fault(self, name: str | None, *, reads: bool = False) -> None:
        self.provider.fault, self.provider.on_reads = name, reads

    def shorten(self, size: int) -> None:
        self.provider.most = size

    def codes(self) -> Mapping[Ref, Sequence[str]]:
        held = self.provider.store["codes"]
        return {pool: [code for code, at in held.items() if at == pool] for pool in self.provider.store["pools"]}

    def mail(self, list_ref: Ref, subject: str) -> str:
        for email, contact in self.truth().items():
            if list_ref in contact.lists and contact.mailable:
                self._write("sent", email, subject, self.time)
        return subject

    def react(self, campaign: str, email: str, kind: EventKind, at: datetime, *, url: str | None = None) -> None:
        name = next(name for name, ours in KINDS.items() if ours is kind)
        self._write(name, email, campaign, at, url)

    def surprise(self, campaign: str, email: str, at: datetime) -> None:
        self._write("forwarded", email, campaign, at)

    def posted(self) -> Sequence[tuple[Mapping[str, str], bytes]]:
        rows = [row | {"key": key} for key, row in self.provider.store["events"].items()]
        posts = [(str(self.time.timestamp()), json.dumps([row]).encode()) for row in rows]
        return [
            ({"x-memory-time": moment, "x-memory-signature": signature(KEY, moment, body)}, body)
            for moment, body in posts
        ]

    def _write(self, name: str, email: str, campaign: str, at: datetime, url: str | None = None) -> None:
        events = self.provider.store["events"]
        row = {"type": name, "email": email, "campaign": campaign, "at": at.isoformat(), "url": url}
        events[f"event-{len(events)}"] = row
