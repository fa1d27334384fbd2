"""THE contract: one account at one provider. Prose and laws: docs/connector-spec.md; the kit: connectors/testing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol, runtime_checkable

from connectors.http import Http, Rate
from connectors.types import (
    Account,
    Batch,
    Change,
    Cursor,
    EngagementEvent,
    EventKind,
    Fitted,
    Job,
    Outcome,
    Page,
    Precision,
    Profile,
    Reason,
    Ref,
    Suppression,
    Target,
    ValueKind,
)  # fmt: skip


class Settings(Protocol):
    """What opens the account: built from the destination's keys in the config; secrets never show in `repr`."""

    @property
    def base_url(self) -> str: ...
    def headers(self) -> Mapping[str, str]: ...  # the credentials; `http` sends them to base_url's host alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    items: int  # changes in one call
    bytes: int | None = None  # size of one call's body
    names: str = ".{1,100}"  # what our list, field or pool names must look like there
    each: int = 200  # bytes of a change in the body beyond its own values: envelope, quotes, escapes
    after: frozenset[type[Change]] = frozenset()  # kinds that must be acknowledged for the contact first


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    type: str  # the provider's own type name
    max_bytes: int | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    length: int  # of a field's name there
    upper: bool = False  # names are A-Z 0-9 _; otherwise a-z 0-9 _
    reserved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    name: str
    version: str  # of the connector: a rejected change is tried again under a new one
    settings: Callable[..., Settings]  # keyword arguments = the destination's own keys in the config
    carries: Mapping[type[Change], Limit]  # a kind that is absent is unsupported, found at plan time
    fields: Mapping[ValueKind, Field]  # a value kind that is absent is unsupported
    fit: Callable[[ValueKind, object], Fitted | Reason]  # pure: our value as the provider takes it, or why not
    field_names: Names
    max_fields: int | None = None
    rates: Mapping[str, tuple[Rate, ...]] = field(default_factory=dict)  # per endpoint family, every window
    share: Mapping[str, float] = field(default_factory=dict)  # of a family's windows that we use (default 0.8)
    in_flight: int = 1  # calls at the same time
    poll_after: tuple[float, ...] = (2.0, 5.0, 15.0, 30.0, 60.0)  # seconds between polls of a job; the last repeats
    reports: Mapping[EventKind, Precision] = field(default_factory=dict)  # engagement it can bring back, how exactly


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


def cut(changes: Iterable[Change], limit: Limit) -> Iterator[tuple[Change, ...]]:
    """The changes in order, in batches that one call may hold; one that is too big by itself travels alone."""
    batch: list[Change] = []
    size = 0
    for change in changes:
        weight = limit.each + _size(change) if limit.bytes else 0
        if batch and (len(batch) >= limit.items or (limit.bytes and size + weight > limit.bytes)):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(change)
        size += weight
    if batch:
        yield tuple(batch)


def _size(change: Change) -> int:
    """Bytes of a change's own values as JSON."""
    values: list[object] = [getattr(change, name, None) for name in ("fields", "code")]
    values.append(dict(getattr(change, "traits", {})))
    values.append(getattr(getattr(change, "profile", None), "email", None))
    return len(json.dumps(values, ensure_ascii=False).encode())
