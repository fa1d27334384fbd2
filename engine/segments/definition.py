"""What the config says about segments, before it is checked; every `place` is like `ciblage.toml:42`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from engine.traits import TraitDefinition

Titles = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldoutDefinition:
    """A share of a segment, as a fraction, kept out of every destination."""

    share: Decimal
    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeDefinition:
    """Bounds of a segment: people, or a share of the base (`40%`)."""

    min: int | str | None = None
    max: int | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDefinition:
    """A segment: exactly one of `where`, `recipe`, `customers` (ids; those of a file are read by the config's reader)."""

    name: str
    where: str | None = None
    recipe: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    customers: tuple[str, ...] | None = None
    title: Titles = field(default_factory=dict)
    size: SizeDefinition | None = None
    holdout: HoldoutDefinition | None = None
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDefinition:
    """Segments of which a customer is in exactly one: the first that matches, or `otherwise`."""

    name: str
    exclusive: tuple[str, ...]
    otherwise: str | None = None
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitDefinition:
    """Everyone, or those of `among`, drawn into arms: each a stretch of the draw, `0% to 40%`; `places` by arm."""

    name: str
    salt: str
    arms: Mapping[str, str]
    among: str | None = None
    title: Titles = field(default_factory=dict)
    place: str = ""
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDefinition:
    """The client's own filter of a source, in the language, over its columns."""

    name: str
    where: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDefinition:
    """A merge tag that carries a trait to a destination; `owner` is where the config says it."""

    owner: str
    trait: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDefinition:
    """Whom an offer means: the segments that decide it, and the stated reason where there is one."""

    name: str
    segments: tuple[str, ...]
    reason: str | None = None
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """Everything of one client that the language checks together; `recipes` as TOML holds them.

    `used` are the segments that destinations and offers name; None where there are no destinations yet.
    """

    sources: tuple[SourceDefinition, ...] = ()
    traits: tuple[TraitDefinition, ...] = ()
    segments: tuple[SegmentDefinition, ...] = ()
    groups: tuple[GroupDefinition, ...] = ()
    splits: tuple[SplitDefinition, ...] = ()
    tags: tuple[TagDefinition, ...] = ()
    offers: tuple[OfferDefinition, ...] = ()
    recipes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    reachable: Mapping[str, str] = field(default_factory=dict)
    reachable_places: Mapping[str, str] = field(default_factory=dict)
    consent_basis: tuple[str, ...] = ("consent",)
    lang: str = "en"
    used: frozenset[str] | None = None
