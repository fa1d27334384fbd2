"""The config's tables as definitions, and the shop's columns as the language's vocabulary."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from engine.config.load import Config
from engine.config.settings import Segment as SegmentSettings
from engine.errors import ConfigError
from engine.language.tree import Type
from engine.language.vocabulary import Fact, Source, Vocabulary
from engine.segments.definition import (
    Definitions,
    GroupDefinition,
    HoldoutDefinition,
    SegmentDefinition,
    SizeDefinition,
)
from engine.traits import TraitDefinition


class ShopColumn(Protocol):
    """A column as the shop describes it: `type` is a word of the language's types."""

    @property
    def type(self) -> str: ...
    @property
    def required(self) -> bool: ...
    @property
    def values(self) -> tuple[str, ...]: ...
    @property
    def exact(self) -> bool: ...


class ShopSource(Protocol):
    """A source as the shop describes it."""

    @property
    def columns(self) -> Mapping[str, ShopColumn]: ...
    @property
    def time(self) -> str: ...


def read_vocabulary(
    facts: Mapping[str, ShopColumn], sources: Mapping[str, ShopSource], currency: str = "EUR"
) -> Vocabulary:
    """What the shop's columns and sources are called, as the language sees them."""
    return Vocabulary(
        facts={name: _fact(column) for name, column in facts.items()},
        sources={
            name: Source(columns={key: _fact(column) for key, column in source.columns.items()}, time=source.time)
            for name, source in sources.items()
        },
        currency=currency,
    )


def read_definitions(config: Config) -> Definitions:
    """Everything that the config defines in the language. Raises ConfigError for a file of customers it cannot read."""
    settings = config.settings
    return Definitions(
        traits=tuple(
            TraitDefinition(
                name=name,
                value=one.value,
                title=_titles(one.title),
                sensitive=one.sensitive,
                legal_basis=one.legal_basis,
                place=config.place("traits", name),
            )
            for name, one in settings.traits.items()
        ),
        segments=tuple(_segment(name, one, config) for name, one in settings.segments.items()),
        groups=tuple(
            GroupDefinition(
                name=name,
                exclusive=tuple(one.exclusive),
                otherwise=one.otherwise,
                place=config.place("groups", name),
            )
            for name, one in settings.groups.items()
        ),
        recipes=config.recipes,
        reachable=settings.reachable,
        reachable_places={channel: config.place("reachable", channel) for channel in settings.reachable},
        consent_basis=tuple(settings.consent_basis),
        lang=settings.lang,
    )


def read_places(config: Config) -> dict[str, tuple[Decimal, Decimal]]:
    """The points of the config, as latitude and longitude in degrees."""
    return {name: (Decimal(str(one.lat)), Decimal(str(one.lon))) for name, one in config.settings.places.items()}


def _fact(column: ShopColumn) -> Fact:
    return Fact(type=Type(column.type), values=column.values, optional=not column.required, exact=column.exact)


def _titles(titles: Mapping[str, str] | None) -> dict[str, str]:
    return {str(lang): text for lang, text in (titles or {}).items()}


def _segment(name: str, one: SegmentSettings, config: Config) -> SegmentDefinition:
    place = config.place("segments", name)
    customers = None if one.customers is None else tuple(one.customers)
    if one.file is not None:
        customers = _customers(config.folder / one.file, place)
    return SegmentDefinition(
        name=name,
        where=one.where,
        recipe=one.recipe,
        parameters=dict(one.model_extra or {}),
        customers=customers,
        title=_titles(one.title),
        size=None if one.size is None else SizeDefinition(min=one.size.min, max=one.size.max),
        holdout=None if one.holdout is None else HoldoutDefinition(share=one.holdout.share, salt=one.holdout.salt),
        place=place,
    )


def _customers(path: Path, place: str) -> tuple[str, ...]:
    """The ids in a file: its column customer_id, else its first column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row and row[0].strip()]
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", place=place) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8", place=place, hint="save it as UTF-8") from None
    head = [cell.strip() for cell in rows[0]] if rows else []
    column = head.index("customer_id") if "customer_id" in head else 0
    body = rows[1:] if "customer_id" in head else rows
    return tuple(row[column].strip() for row in body if len(row) > column)
