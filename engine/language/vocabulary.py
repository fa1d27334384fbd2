"""The names that a definition may use, and their types: what the parser checks against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.language.tree import Test, Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One column or trait: its type, its closed list of values if it has one, and whether it may be missing."""

    type: Type
    values: tuple[str, ...] = ()
    optional: bool = True
    exact: bool = False  # ids: compared as they are; other text ignores case (rule 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What can be counted: rows of a customer with a time. `columns` may include columns joined from elsewhere.

    `where` is the client's own filter: rows that fail it are not rows of the source.
    """

    columns: Mapping[str, Fact]
    time: str = "happened_at"
    where: Test | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Everything that has a name for one client."""

    facts: Mapping[str, Fact]  # columns of customers (`consent_email` as `consent.email`) and named traits
    sources: Mapping[str, Source]
    segments: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset({"email"})
    places: frozenset[str] = frozenset()
    currency: str = "EUR"
