"""THE contract: one account at one provider. Prose and laws: docs/connector-spec.md; the kit: connectors/testing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Protocol, runtime_checkable

from connectors.http import Http
from connectors.spec import Settings, Spec
from connectors.types import (
    Account, Batch, Cursor, EngagementEvent, EventKind, Fitted, Job, Outcome, Page, Profile, Ref, State, Suppression,
    Target,
)  # fmt: skip


class Connector(Protocol):
    """One account, built as `cls(settings, http)`. Never sleeps, retries, threads or keeps state."""

    spec: ClassVar[Spec]

    def __init__(self, settings: Settings, http: Http) -> None: ...
    def check(self) -> Account: ...  # prove that the settings work
    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]: ...  # reads only; missing ones are absent
    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]: ...  # finds first: twice creates once
    def push(self, batch: Batch) -> Iterator[Outcome]: ...  # one outcome per change, in any order; twice is harmless


# abilities: each optional
@runtime_checkable
class Resolves(Protocol):
    def resolve(self, profiles: Sequence[Profile]) -> Mapping[str, Ref]: ...  # by address; unknown ones are absent


@runtime_checkable
class ReadsMembers(Protocol):
    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]: ...
    def count(self, target: Target, ref: Ref) -> int: ...  # the provider's own figure


@runtime_checkable
class ReadsTraits(Protocol):
    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]: ...  # by address, field ref


@runtime_checkable
class RunsJobs(Protocol):
    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]: ...  # nothing for a job that still runs


@runtime_checkable
class Recalls(Protocol):
    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]: ...  # what an ambiguous write did; reads


@runtime_checkable
class PullsEngagement(Protocol):
    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]: ...


@runtime_checkable
class ReadsSuppressions(Protocol):
    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]: ...


@runtime_checkable
class ReadsTotals(Protocol):
    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[EventKind, int]]: ...  # people, as reported


@runtime_checkable
class ReceivesEvents(Protocol):
    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]: ...  # signed


@runtime_checkable
class Erases(Protocol):
    def erase(self, profile: Profile) -> State: ...  # for good; NOOP: not there, PENDING: the provider works on it
