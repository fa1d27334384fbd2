"""A segment, a group and the catalogue that holds all of them, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from engine.language.tree import Bucket, Compare, Number, Test
from engine.language.vocabulary import Vocabulary
from engine.traits import Trait

_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """A share of the base, as a fraction, kept out of every destination; the salt alone decides who."""

    share: Decimal
    salt: str

    def test(self) -> Test:
        """True for those who are held out (rule 18)."""
        return Compare("<", Bucket(self.salt), Number(self.share * _PERCENT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Bounds of a segment: people, or a fraction of the base; None is unbounded."""

    least: Decimal | None = None
    most: Decimal | None = None
    least_is_share: bool = False
    most_is_share: bool = False

    def fits(self, count: int, base: int) -> bool:
        """Whether a count of members out of a base lies within the bounds."""
        least, most = self.people(base)
        return least <= count and (most is None or count <= most)

    def people(self, base: int) -> tuple[Decimal, Decimal | None]:
        """Both bounds in people out of a base."""
        least = (self.least or Decimal(0)) * (base if self.least_is_share else 1)
        return least, None if self.most is None else self.most * (base if self.most_is_share else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Who: `node` decides, before any consent gate. `text` is canonical; `recipe` and `requirement` say where it is from."""

    name: str
    node: Test
    text: str
    title: str
    titles: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    size: Size | None = None
    holdout: Holdout | None = None
    recipe: str | None = None
    requirement: str | None = None
    is_static: bool = False
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Segments of which a customer is in exactly one: the first that matches, or `otherwise`."""

    name: str
    exclusive: tuple[str, ...]
    otherwise: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything that is computed for one client. Segments are in an order in which each follows those that it needs."""

    traits: Mapping[str, Trait]
    segments: Mapping[str, Segment]
    groups: Mapping[str, Group]
    reachable: Mapping[str, Test]
    vocabulary: Vocabulary
    consent_basis: tuple[str, ...] = ("consent",)
    places: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
