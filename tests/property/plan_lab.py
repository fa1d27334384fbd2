"""A shop of a few people, a destination in memory and a ledger, to try plan and push against."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from dying import Crash, Fuse
from hand_clock import HandClock

from connectors import registry
from connectors.memory import Memory
from connectors.memory.dictionary import Dictionary
from connectors.types import Account, Batch, Job, Outcome, Page, Profile, Ref, Target, ValueKind
from engine.ledger import Ledger
from engine.ledger.store import Store, connect
from engine.plan.destination import Destination, MergeTag
from engine.plan.plan import Plan, plan
from engine.push.push import push
from engine.push.result import Result
from engine.push.trip import Carrier, Limits

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
KEY = "memory-key"
TAGS = (
    MergeTag(name="first_name", trait="first_name"),
    MergeTag(name="orders", trait="orders", kind=ValueKind.NUMBER),
    MergeTag(name="code", offer="thanks"),
)


@dataclass(frozen=True)
class Person:
    """One customer: in which segments, and whether they may be written to."""

    id: str
    segments: frozenset[str] = frozenset()
    consent: str = "subscribed"
    email: str | None = ""
    name: str | None = "Anna"
    orders: int | None = 1
    holdout: bool = False

    @property
    def address(self) -> str | None:
        return f"{self.id}@shop.example" if self.email == "" else self.email

    @property
    def is_reachable(self) -> bool:
        return self.consent == "subscribed" and self.address is not None


def table(people: Sequence[Person], segments: Sequence[str]) -> pa.Table:
    text = pa.string()
    columns: dict[str, Any] = {
        "customer_id": pa.array([one.id for one in people], text),
        "email": pa.array([one.address for one in people], text),
        "reachable_email": pa.array([one.is_reachable for one in people], pa.bool_()),
        "basis": pa.array(["consent" if one.consent == "subscribed" else None for one in people], text),
        "consent_email": pa.array([one.consent for one in people], text),
        "trait:first_name": pa.array([one.name for one in people], text),
        "trait:orders": pa.array([one.orders for one in people], pa.int64()),
    }
    for name in segments:
        columns[f"segment:{name}"] = pa.array([name in one.segments for one in people], pa.bool_())
        columns[f"holdout:{name}"] = pa.array([one.holdout for one in people], pa.bool_())
    return pa.table(columns)


class FragileStore(Store):
    """A store that may die before and after each commit."""

    fuse: Fuse

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        self.fuse.tick()
        with super().write() as connection:
            yield connection
        self.fuse.tick()


def fragile(store: Store, fuse: Fuse) -> FragileStore:
    """The same database, which may die."""
    frail = FragileStore(store.engine, is_readonly=False, is_shared=True)
    frail.fuse = fuse
    return frail


class Frail:
    """A connector that may die before and after each call, and between outcomes."""

    def __init__(self, inner: Memory, fuse: Fuse) -> None:
        self.inner = inner
        self.spec = inner.spec
        self._fuse = fuse

    def check(self) -> Account:
        return self.inner.check()

    def find(self, targets: Sequence[Target]) -> Mapping[Target, Ref]:
        return self._around(lambda: self.inner.find(targets))

    def create(self, targets: Sequence[Target]) -> Mapping[Target, Ref]:
        return self._around(lambda: self.inner.create(targets))

    def push(self, batch: Batch) -> Iterator[Outcome]:
        yield from self._around(lambda: list(self.inner.push(batch)))

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        yield from self._around(lambda: list(self.inner.poll(jobs)))

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        return self.inner.members(target, ref)

    def count(self, target: Target, ref: Ref) -> int:
        return self.inner.count(target, ref)

    def _around(self, call: Callable[[], Any]) -> Any:
        self._fuse.tick()
        answer = call()
        self._fuse.tick()
        return answer


@dataclass
class Lab:
    """One client with one destination in memory."""

    segments: tuple[str, ...] = ("loyal", "fresh")
    tags: tuple[MergeTag, ...] = TAGS
    store: dict[str, Any] = field(default_factory=dict)
    clock: HandClock = field(default_factory=lambda: HandClock(NOW))
    name: str = "news"
    now: datetime = NOW
    url: str = "sqlite://"
    client: str = "client"

    def __post_init__(self) -> None:
        self.dictionary = Dictionary(self.store, KEY)
        self.database = connect(self.url, self.client)
        self.ledger = Ledger(self.database, "client")

    @property
    def destination(self) -> Destination:
        return Destination(
            name=self.name,
            connector="memory",
            spec=Memory.spec,
            segments=self.segments,
            merge_tags=self.tags,
            prefix="c",
        )

    def connector(self) -> Memory:
        options = {"store": self.dictionary, "api_key": KEY}
        built = registry.build("memory", options, handler=self.dictionary, clock=self.clock)
        assert isinstance(built, Memory)
        return built

    def plan(self, people: Sequence[Person], **more: Any) -> Plan:
        wide = table(people, [*self.segments, "loyal", "fresh"])
        more = {"accounts": {self.name: "memory"}, "config_hash": "h", "now": self.now} | more
        return plan([self.destination], wide, self.ledger, **more)

    def push(self, plan_: Plan, people: Sequence[Person], *, connector: Any = None, **more: Any) -> Result:
        carrier = Carrier(self.destination, connector or self.connector())
        wide = table(people, [*self.segments, "loyal", "fresh"])
        return push(plan_, [carrier], self.ledger, wide, clock=self.clock, now=self.now, **more)[0]

    def round(self, people: Sequence[Person], **more: Any) -> Result:
        return self.push(self.plan(people), people, **more)

    def run_until_crash(self, people: Sequence[Person], fuse: Fuse) -> None:
        """A whole round in which the process may die."""
        healthy, self.ledger = self.ledger, Ledger(fragile(self.database, fuse), "client")
        try:
            self.round(people, connector=Frail(self.connector(), fuse))
        finally:
            self.ledger = healthy

    def writes(self) -> int:
        return sum(request.method != "GET" for request, _ in self.dictionary.calls)

    def there(self) -> dict[str, tuple[str, dict[str, Any], frozenset[str]]]:
        """The provider's truth: status, fields and lists by title, of every contact."""
        titles = self.store["lists"]
        return {
            address: (one["status"], dict(one["fields"]), frozenset(titles[ref] for ref in one["lists"]))
            for address, one in self.store["contacts"].items()
        }

    def close(self) -> None:
        self.ledger.close()


def people(count: int, **more: Any) -> list[Person]:
    """People who are in both segments."""
    return [Person(f"c{number}", frozenset({"loyal", "fresh"}), **more) for number in range(count)]


__all__ = ["KEY", "NOW", "Crash", "Frail", "Fuse", "Lab", "Limits", "Person", "fragile", "people", "replace", "table"]
