"""What the emulated providers share: one settable clock, chance, rate windows, and the words for a contact's truth."""

from __future__ import annotations

import heapq
import itertools
import json
import math
import random
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import parse_qsl, urlsplit

from connectors.http import Clock, Request, Response, SystemClock
from connectors.pace import Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.types import EventKind, Fitted

__all__ = [
    "STATUSES",
    "Call",
    "Contact",
    "Faults",
    "Job",
    "Provider",
    "Shows",
    "Windows",
    "World",
    "answered",
    "check_options",
    "json_response",
]

START = datetime(2018, 1, 1, 9, tzinfo=UTC)
STATUSES = (
    "subscribed", "unsubscribed", "pending", "cleaned", "archived", "transactional", "never", "suppressed", "complained",
)  # fmt: skip


@dataclass(slots=True)
class Contact:
    """The truth about one contact, in neutral words, for the kit, the demo and the page.

    `status`: one of STATUSES.
    `fields` by the name people see there, `lists` by the provider's ids; `mailable`: a campaign would reach them.
    """

    email: str
    status: str = "subscribed"
    fields: dict[str, Fitted] = field(default_factory=dict)
    lists: set[str] = field(default_factory=set)
    ref: str = ""
    mailable: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the sandbox saw it; `size` is the body's bytes and `seconds` the sandbox's work.

    `status` 0: no answer came; `fault`: what was asked to go wrong with it.
    """

    at: datetime
    provider: str
    method: str
    path: str
    query: str
    size: int
    status: int
    body: bytes = b""
    seconds: float = 0.0
    fault: str = ""

    @property
    def is_read(self) -> bool:
        """A call that cannot change anything."""
        return self.method in {"GET", "HEAD"}


class Provider(Protocol):
    """One emulated provider: its API behind `handle`, and the truth behind the API."""

    prefix: str  # "/brevo/v3"
    name: str  # "brevo"

    def __init__(self, world: World, options: Mapping[str, str]) -> None: ...
    def handle(self, request: Request, path: str, query: Mapping[str, str]) -> Response:
        """Answer one call; `path` comes without the prefix."""

    def contacts(self) -> dict[str, Contact]:
        """Everyone, by normal address."""

    def lists(self) -> dict[str, str]:
        """Lists or segments: the provider's id → title."""

    def seed(self, contact: Contact) -> None:
        """Put a contact in a state, as if its history had made it so."""

    def drop(self, list_ref: str) -> None:
        """A list is deleted by hand: its people stay."""

    def mail(self, list_ref: str, subject: str) -> str:
        """Send a campaign to a list's mailable contacts; returns the campaign's id."""

    def react(
        self,
        campaign: str,
        email: str,
        kind: EventKind,
        at: datetime,
        *,
        url: str | None = None,
        is_machine: bool = False,
    ) -> None:
        """A reader's act; it changes the contact's status as the provider would."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something that a provider works on; `done` and `failed` are records of `total`."""

    ref: str
    kind: str
    at: datetime | None  # when it began, where the provider keeps it
    status: str
    total: int = 0
    done: int = 0
    failed: int = 0


@runtime_checkable
class Shows(Protocol):
    """What a provider can show of itself beside contacts and lists."""

    def fields(self) -> dict[str, str]:
        """Merge tags by name → the provider's own type; those that hold a value, where it has no schema."""

    def codes(self) -> dict[str, list[str]]:
        """Its own pools of discount codes: the ref of each → what it holds, each code as often as it is there."""

    def jobs(self) -> list[Job]:
        """What it works on and has worked on, in order."""


class Faults:
    """Nothing goes wrong; what goes wrong on demand overrides it (`faults.FaultBook`, or a test's own)."""

    def next(self, provider: str, request: Request) -> Response | None:
        """The faulty answer to this request, or None when it is to be served."""
        _ = provider, request
        return None

    def serve(self, provider: Provider, request: Request) -> Response:
        """Let the provider answer. Raises ConnectionError or TimeoutError: no answer comes."""
        return answered(provider, request)

    def changing(self) -> None:
        """Something that waited for its time is about to happen."""

    def refuses(self, provider: str, fault: str, record: str) -> bool:
        """The provider is to refuse this record (an address, an operation's path), good as it is."""
        _ = provider, fault, record
        return False

    def dated(self, provider: str, at: datetime) -> datetime:
        """The time that the provider gives to an event of `at`."""
        _ = provider
        return at

    def holds(self) -> bool:
        """What is now put off will never happen."""
        return False


def answered(provider: Provider, request: Request) -> Response:
    """The provider's own answer to a request that its prefix names."""
    parts = urlsplit(request.url)
    path = parts.path.removeprefix(provider.prefix) or "/"
    return provider.handle(request, path, dict(parse_qsl(parts.query, keep_blank_values=True)))


class World:
    """One settable clock, a seeded generator and the jobs that wait for their time.

    The clock runs at `speed` sandbox seconds a real second (0: only when advanced). `base_url` is where the sandbox
    answers, for absolute links; `archive_url` the same place under another host name, for links to result files.
    """

    def __init__(
        self,
        now: datetime = START,
        *,
        speed: float = 0.0,
        seed: int = 1,
        strict_addresses: bool = False,
        faults: Faults | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.random = random.Random(seed)
        self.strict_addresses = strict_addresses
        self.faults = faults or Faults()
        self.base_url = "http://sandbox.test"
        self.archive_url = "http://archive.test"
        self._speed = speed
        self._clock: Clock = clock or SystemClock()
        self._order = itertools.count()
        self._waiting: list[tuple[datetime, int, Callable[[], None]]] = []
        self._at: datetime | None = None  # while an effect runs: its own time
        self.set(now)

    def now(self) -> datetime:
        """Sandbox time, UTC; within an effect of `later`, the time at which it was due."""
        if self._at is not None:
            return self._at
        if not self._speed:
            return self._base
        return self._base + timedelta(seconds=(self._clock.monotonic() - self._since) * self._speed)

    def set(self, now: datetime) -> None:
        """Make it `now` (aware); what became due on the way happens."""
        self._base = now.astimezone(UTC)
        self._since = self._clock.monotonic() if self._speed else 0.0
        self.settle()

    def advance(self, seconds: float) -> None:
        """Let sandbox time pass."""
        self.set(self.now() + timedelta(seconds=seconds))

    def later(self, seconds: float, effect: Callable[[], None]) -> None:
        """Let `effect` happen that much later, at the first call or advance that finds it due, in order of time."""
        if self.faults.holds():
            return
        heapq.heappush(self._waiting, (self.now() + timedelta(seconds=seconds), next(self._order), effect))

    def settle(self) -> None:
        """Let everything that is due happen; the core calls it before each request."""
        while self._at is None and self._waiting and self._waiting[0][0] <= self.now():
            due, _, effect = heapq.heappop(self._waiting)
            self._at = due
            try:
                self.faults.changing()
                effect()
            finally:
                self._at = None

    def finish(self) -> None:
        """Advance to the last thing that waits, so that every job is done."""
        while self._waiting:
            self.set(max(self.now(), self._waiting[0][0]))


class Windows:
    """A provider's own rate limits on sandbox time: every window of a family must have room."""

    def __init__(self, world: World, rates: Mapping[str, Sequence[Rate]]) -> None:
        self._world = world
        self._rates = rates
        self._calls: dict[str, deque[float]] = {}

    def take(self, family: str) -> float:
        """Count a call and return 0, or return the seconds until one is allowed (a refused call is not counted)."""
        now = self._world.now().timestamp()
        calls = self._recent(family, now)
        wait = 0.0
        for rate in self._rates.get(family, ()):
            first = self._first(calls, rate, now)
            if len(calls) - first >= rate.calls:
                wait = max(wait, calls[len(calls) - rate.calls] + rate.seconds - now)
        if wait <= 0:
            calls.append(now)
        return wait

    def remaining(self, family: str) -> tuple[Rate, int, int] | None:
        """The tightest window, the calls left in it and the whole seconds until it has more; None without windows."""
        now = self._world.now().timestamp()
        calls = self._recent(family, now)
        states = []
        for rate in self._rates.get(family, ()):
            first = self._first(calls, rate, now)
            reset = math.ceil(calls[first] + rate.seconds - now) if first < len(calls) else 0
            states.append((rate, max(0, rate.calls - len(calls) + first), reset))
        return min(states, key=lambda state: state[1] / state[0].calls, default=None)

    def _recent(self, family: str, now: float) -> deque[float]:
        calls = self._calls.setdefault(family, deque())
        longest = max((rate.seconds for rate in self._rates.get(family, ())), default=0.0)
        while calls and calls[0] <= now - longest:
            calls.popleft()
        return calls

    @staticmethod
    def _first(calls: deque[float], rate: Rate, now: float) -> int:
        """The index of the first call within the window, looking back no further than it can hold."""
        first = len(calls)
        while first and calls[first - 1] > now - rate.seconds and len(calls) - first <= rate.calls:
            first -= 1
        return first


def json_response(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with a JSON body (none when `body` is None); header names are lower-cased."""
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    if body is None:
        return Response(status, sent, b"")
    sent.setdefault("content-type", "application/json")
    return Response(status, sent, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


def check_options(provider: str, options: Mapping[str, str], known: Mapping[str, Sequence[str]]) -> None:
    """Refuse a reading that a provider's emulation does not have. Raises ValueError with those that it has."""
    for name, value in options.items():
        if name in known and value not in known[name]:
            raise ValueError(f"{provider}.{name} is one of {', '.join(known[name])}")
