"""What a connector declares of itself: what it carries and how much per call, its fields, its windows, its settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Protocol

import orjson

from connectors.pace import Rate
from connectors.types import (
    AddContact,
    AddMember,
    Change,
    EventKind,
    Fitted,
    Precision,
    Reason,
    RemoveMember,
    SetTraits,
    Suppress,
    TargetKind,
    ValueKind,
)  # fmt: skip

__all__ = ["Field", "Limit", "Names", "Settings", "Spec", "cut"]


_BARE = len('[null, null, {}, ""]')  # without values of its own
_BESIDE = len("null, null, ")  # what traits and an address have beside them
_BARE_KINDS = (AddMember, RemoveMember, Suppress)
_TRAITED = (AddContact, SetTraits)
_TOGETHER = 500  # changes that are weighed at once: one by one they take four times as long
_CREATES: Mapping[TargetKind, int] = MappingProxyType({TargetKind.SEGMENT: 1, TargetKind.FIELD: 1, TargetKind.POOL: 1})


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
    rate: str = "default"  # the family of `rates` that the call belongs to
    is_job: bool = False  # accepted at first: a job tells later
    few: tuple[int, int] | None = None  # up to so many changes go at once, without a job, in calls of so many


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
    creates: Mapping[TargetKind, int] = field(default_factory=lambda: _CREATES)  # calls that make one target
    poll_after: tuple[float, ...] = (2.0, 5.0, 15.0, 30.0, 60.0)  # seconds between polls of a job; the last repeats
    reports: Mapping[EventKind, Precision] = field(default_factory=dict)  # engagement it can bring back, how exactly


def cut(changes: Iterable[Change], limit: Limit) -> Iterator[tuple[Change, ...]]:
    """The changes in order, in batches that one call may hold; one that is too big by itself travels alone."""
    batch: list[Change] = []
    size = 0
    items, most, each = limit.items, limit.bytes or math.inf, limit.each
    stream = iter(changes)
    while some := list(islice(stream, min(items, _TOGETHER))):
        weight = each * len(some) + _together(some) if limit.bytes else 0
        if len(batch) + len(some) <= items and size + weight <= most:
            batch += some
            size += weight
            continue
        for change in some:
            weight = each + _size(change) if limit.bytes else 0
            if batch and (len(batch) >= items or size + weight > most):
                yield tuple(batch)
                batch, size = [], 0
            batch.append(change)
            size += weight
    if batch:
        yield tuple(batch)


def _together(changes: Sequence[Change]) -> int:
    """The sum of their sizes; of one kind, as they are in a call, they are looked at at once."""
    bare = [change.profile.email for change in changes if isinstance(change, _BARE_KINDS)]
    if len(bare) == len(changes):
        return len("".join(bare).encode()) + _BARE * len(bare)
    told = [(one.traits, one.profile.email) for one in changes if isinstance(one, _TRAITED) and one.traits]
    if len(told) == len(changes):
        blanks = 2 * sum([len(traits) for traits, _ in told])
        listed = orjson.dumps(told, default=dict)  # with brackets of its own, and a comma after each but the last
        return len(listed) - len(told) - 1 + blanks + _BESIDE * len(told)
    return sum(map(_size, changes))


def _size(change: Change) -> int:
    """Bytes of a change's own values as JSON: `[fields, code, traits, email]`, a blank after each comma and colon."""
    email = getattr(getattr(change, "profile", None), "email", None)
    traits = getattr(change, "traits", None)
    if traits:
        return len(orjson.dumps((traits, email), default=dict)) + 2 * len(traits) + _BESIDE
    fields = getattr(change, "fields", None)
    if fields or email is None:
        blanks = len(fields) if fields else 1
        return len(orjson.dumps((fields, getattr(change, "code", None), {}, email))) + blanks + 2
    return len(email.encode()) + _BARE
