"""The shipped recipes as data, and segments made of them over the neutral shop, for the tests."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from language_lab import VOCABULARY

import engine.segments
from engine.language.tree import Type
from engine.language.vocabulary import Fact, Source, Vocabulary
from engine.segments import Catalogue, Definitions, GroupDefinition, SegmentDefinition, build_catalogue
from engine.shop import schema
from engine.traits import TraitDefinition

SHELF = Path(engine.segments.__file__).parent / "library" / "ecommerce"
FILES: dict[str, dict[str, Any]] = {
    file.stem: tomllib.loads(file.read_text("utf-8")) for file in sorted(SHELF.glob("*.toml"))
}
TRAITS: dict[str, str] = {name: text for one in FILES.values() for name, text in one.get("traits", {}).items()}
RECIPES: dict[str, Any] = {name: recipe for one in FILES.values() for name, recipe in one["recipes"].items()}
LIBRARY = {"traits": TRAITS, "recipes": RECIPES}
BARE = replace(
    VOCABULARY,
    facts={name: one for name, one in VOCABULARY.facts.items() if name not in TRAITS},
    segments=frozenset(),
)
PLACES = {"lyon": (Decimal("45.76"), Decimal("4.84"))}
# what a recipe cannot guess: by the name of its hole, else by its type
GIVEN: dict[str, Any] = {
    "list": "topics", "question": "occupation", "fact": "phone", "source": "surveys",
    "text": "x", "texts": ["a", "b''c"], "name": "lyon", "date": "2026-01-01", "whole": 3, "number": 3, "amount": "10 EUR",
    "percent": "5%", "unit": "days",
}  # fmt: skip


def neutral() -> Vocabulary:
    """What every shop has, and the sources of its own that recipes ask for."""
    columns = schema.facts(schema.TABLES["customers"], schema.LISTS)
    own = {"score": Fact(type=Type.NUMBER)}
    return Vocabulary(
        facts={name: _fact(column) for name, column in columns.items()},
        sources={
            **{
                name: Source(columns={column: _fact(kind) for column, kind in source.columns.items()}, time=source.time)
                for name, source in schema.sources(schema.TABLES).items()
            },
            "reviews": Source(columns=own),
            "surveys": Source(columns=own),
            "referred": Source(columns={}),
        },
    )


def _fact(column: schema.Column) -> Fact:
    return Fact(type=Type(column.type), values=column.values, exact=column.exact, optional=not column.required)


def given(name: str) -> dict[str, Any]:
    """What fits the holes of a shipped recipe that have no default."""
    holes: Mapping[str, Any] = RECIPES[name].get("parameters", {})
    return {key: GIVEN.get(key, GIVEN[hole["type"]]) for key, hole in holes.items() if "default" not in hole}


def library_segment(recipe: str, name: str | None = None, **parameters: object) -> SegmentDefinition:
    """A shipped recipe as a segment, of the same name where none is given."""
    return SegmentDefinition(name=name or recipe, recipe=recipe, parameters={**given(recipe), **parameters})


def library_catalogue(*segments: SegmentDefinition, groups: tuple[GroupDefinition, ...] = ()) -> Catalogue:
    """These segments, or every shipped recipe as one, with the library's traits."""
    traits = tuple(TraitDefinition(name=name, value=value) for name, value in TRAITS.items())
    chosen = segments or tuple(library_segment(name) for name in RECIPES)
    definitions = Definitions(traits=traits, segments=chosen, groups=groups, recipes=RECIPES)
    return build_catalogue(definitions, neutral(), PLACES)
