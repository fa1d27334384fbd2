"""One destination as the plan sees it: which segments and merge tags go there, under which names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING

from connectors import registry
from connectors.spec import Names, Spec
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    Change,
    ClearTraits,
    RemoveMember,
    SetTraits,
    Suppress,
    Target,
    TargetKind,
    ValueKind,
    Worth,
)
from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.ledger.accounts import KnownTarget

__all__ = [
    "CONTACTS",
    "KINDS",
    "REMOVABLE",
    "Destination",
    "MergeTag",
    "OnLeave",
    "WhenUnknown",
    "check",
    "check_pools",
    "fit_name",
    "flag_name",
    "targets",
]

CONTACTS = "contacts"
REMOVABLE = 0.3
"""Share of a target's members that may leave at once where the segment does not say."""
KINDS: Mapping[str, type[Change]] = {
    kind.__name__: kind for kind in (Suppress, AddContact, SetTraits, ClearTraits, AddMember, RemoveMember, AddCode)
}
"""Kinds of change in the order in which they are carried; what consent asks for comes before all of them."""


class WhenUnknown(StrEnum):
    """What an unknown value does to what the destination has."""

    KEEP = "keep"
    CLEAR = "clear"
    DEFAULT = "default"


class OnLeave(StrEnum):
    """What happens to a value when the contact has left the last segment."""

    KEEP = "keep"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeTag:
    """One merge tag: a trait's value, or a part of the customer's live code of an offer."""

    name: str
    trait: str | None = None
    offer: str | None = None
    field: str = "code"  # of an offer: code, expires, value, minimum
    kind: ValueKind = ValueKind.TEXT
    when_unknown: WhenUnknown = WhenUnknown.KEEP
    default: object = None  # with WhenUnknown.DEFAULT
    on_leave: OnLeave = OnLeave.KEEP
    is_sensitive: bool = False  # no value of it is ever shown as an example

    @property
    def is_private(self) -> bool:
        """A code is money, and what is sensitive is nobody's example."""
        return self.is_sensitive or (self.offer is not None and self.field == "code")

    @property
    def is_cleared_when_unknown(self) -> bool:
        """A code that ended is never left standing."""
        return self.offer is not None or self.when_unknown is WhenUnknown.CLEAR

    @property
    def is_cleared_on_leave(self) -> bool:
        """Leaving the last segment clears code tags; other tags when asked."""
        return self.offer is not None or self.on_leave is OnLeave.CLEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One account at one provider, as the config describes it. `titles` are what people see there, by segment."""

    name: str
    connector: str
    spec: Spec
    segments: tuple[str, ...]
    titles: Mapping[str, str] = field(default_factory=dict)
    merge_tags: tuple[MergeTag, ...] = ()
    pools: tuple[str, ...] = ()  # offers whose codes its provider hands out
    worths: Mapping[str, Worth] = field(default_factory=dict)  # of their codes, by offer
    prefix: str = ""
    currency: str = "EUR"  # of amounts in codes
    zone: tzinfo = UTC  # the client's: it decides days
    removable: Mapping[str, float] = field(default_factory=dict)  # by segment: share of members that may leave at once
    jumps: Mapping[str, float] = field(default_factory=dict)  # by segment: how much its size may change from run to run
    new_contacts: int | None = None  # that may come in one plan; None: the guard's own measure

    def title(self, name: str) -> str:
        """What a target of ours is called there: the prefix, then the title."""
        text = self.titles.get(name, name)
        joint = " " if self.prefix[-1:].isalnum() else ""
        return f"{self.prefix}{joint}{text}"


Known = Mapping[tuple[TargetKind, str], "KnownTarget"]


def targets(destination: Destination, known: Known) -> dict[tuple[TargetKind, str], Target]:
    """Everything that we write to there, by kind and our name.

    What the ledger knows keeps its title and its fitted name for good; the rest is named now.
    """
    found = {(TargetKind.CONTACTS, CONTACTS): _target(TargetKind.CONTACTS, CONTACTS, destination.title(CONTACTS))}
    for name in destination.segments:
        found[TargetKind.SEGMENT, name] = _target(TargetKind.SEGMENT, name, destination.title(name))
    taken = [at.target.title for (kind, _), at in known.items() if kind is TargetKind.FIELD]
    for tag in destination.merge_tags:
        before = known.get((TargetKind.FIELD, tag.name))
        title = before.target.title if before else fit_name(destination.spec.field_names, tag.name, taken)
        taken.append(title)
        found[TargetKind.FIELD, tag.name] = _target(TargetKind.FIELD, tag.name, title, tag.kind)
    found = {key: known[key].target if key in known else target for key, target in found.items()}
    for offer in destination.pools:
        before = known.get((TargetKind.POOL, offer))
        pool = before.target if before else _target(TargetKind.POOL, offer, _pool_name(destination, offer))
        found[TargetKind.POOL, offer] = replace(pool, worth=destination.worths.get(offer))
    return found


def _target(kind: TargetKind, name: str, title: str, value: ValueKind | None = None) -> Target:
    return Target(kind=kind, name=name, title=title, value=value)


def fit_name(names: Names, name: str, taken: Iterable[str]) -> str:
    """The name of a field as this provider takes it: its letters, its length, free and not reserved there."""
    plain = re.sub(r"[^a-z0-9_]", "_", name.lower())
    plain = plain.upper() if names.upper else plain
    used = {*taken, *names.reserved}
    fitted, number = plain[: names.length], 2
    while fitted in used:
        end = str(number)
        fitted, number = plain[: names.length - len(end)] + end, number + 1
    return fitted


def _pool_name(destination: Destination, offer: str) -> str:
    """`prefix-offer` in letters that templates and addresses take; the offer alone where that is too long there."""
    plain = unicodedata.normalize("NFKD", destination.prefix).encode("ascii", "ignore").decode()
    prefix = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-")
    whole = f"{prefix}-{offer}" if prefix else offer
    limit = destination.spec.carries.get(AddCode)
    return whole if limit is None or re.fullmatch(limit.names, whole) else offer


def flag_name(kind: TargetKind, name: str) -> str:
    """What a flag and the guard call a target of ours: a segment by its name, a pool as `offers.NAME`."""
    return f"offers.{name}" if kind is TargetKind.POOL else name


def check(destination: Destination, known: Known) -> None:
    """Refuse, before anything is read or sent, what this connector cannot carry. Raises ConfigError."""
    place = f"destinations.{destination.name}"
    spec = destination.spec
    needed: list[type[Change]] = [AddContact, AddMember, RemoveMember]
    needed += [SetTraits] if destination.merge_tags else []
    if any(tag.is_cleared_when_unknown or tag.is_cleared_on_leave for tag in destination.merge_tags):
        needed.append(ClearTraits)
    for kind in needed:
        if kind not in spec.carries:
            raise ConfigError(f"the connector {spec.name} does not carry {kind.__name__}", place=place)
    check_pools(destination, known)
    for tag in destination.merge_tags:
        if tag.kind not in spec.fields:
            raise ConfigError(
                f"{spec.name} has no field for a {tag.kind.value}", place=f"merge_tags.{tag.name}", hint=_fields(spec)
            )
    if spec.max_fields is not None and len(destination.merge_tags) > spec.max_fields:
        message = f"{len(destination.merge_tags)} merge tags, and {spec.name} holds {spec.max_fields}"
        raise ConfigError(message, place=place, hint="give this destination fewer merge_tags of its own")
    _check_titles(
        destination, [target for (kind, _), target in targets(destination, known).items() if kind is TargetKind.SEGMENT]
    )


def check_pools(destination: Destination, known: Known) -> None:
    """Refuse pools that its provider does not have. Raises ConfigError."""
    spec = destination.spec
    for offer in destination.pools:
        place = f"offers.{offer}.pool"
        if AddCode not in spec.carries:
            message = f"{destination.name} has no pool of codes: the connector {spec.name} does not carry AddCode"
            raise ConfigError(message, place=place, hint=f"these do: {', '.join(_shelves())}; or write segment")
        name = targets(destination, known)[TargetKind.POOL, offer].title
        if not re.fullmatch(spec.carries[AddCode].names, name):
            message = f"'{name}' cannot be the name of a pool at {spec.name} ({spec.carries[AddCode].names})"
            raise ConfigError(message, place=place, hint="give the offer a shorter name")


def _shelves() -> list[str]:
    """The installed connectors whose provider has pools; one that is broken is not asked for."""
    found = []
    for name in registry.names():
        with suppress(ImportError, AttributeError):
            found += [name] if AddCode in registry.load(name).spec.carries else []
    return found


def _fields(spec: Spec) -> str:
    return f"it takes {', '.join(sorted(kind.value for kind in spec.fields))}"


def _check_titles(destination: Destination, segments: Sequence[Target]) -> None:
    pattern = destination.spec.carries[AddMember].names
    seen: dict[str, str] = {}
    for target in segments:
        place = f"segments.{target.name}"
        if not re.fullmatch(pattern, target.title):
            message = f"'{target.title}' cannot be the name of a list at {destination.spec.name} ({pattern})"
            raise ConfigError(message, place=place, hint="give the segment a shorter title")
        if target.title in seen:
            message = f"{destination.name}: '{target.title}' is the title of {seen[target.title]} too"
            raise ConfigError(message, place=place, hint="titles must differ within a destination")
        seen[target.title] = target.name
