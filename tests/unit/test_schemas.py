"""The published JSON Schemas are up to date (`GOLDEN=write` renews them), and say yes and no where the reader does."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from language_lab import TESTS, VOCABULARY, examples
from recipe_lab import FILES, LIBRARY, library_catalogue

from engine.config.schema import config_schema
from engine.language import tree
from engine.language.document import from_document, to_document
from engine.language.parser import parse_test, parse_value
from engine.language.schema import tree_schema

ROOT = Path(__file__).parents[2]
SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "engine/config/schema.json": config_schema,
    "engine/language/tree.schema.json": tree_schema,
}
CONFIG = {"client": "x", "segments": {"a": "count(orders) > 0"}}


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((ROOT / name).read_text("utf-8")))


def fits(document: object, name: str) -> list[str]:
    return [error.message for error in validator(name).iter_errors(document)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_published_schema_is_the_one_that_the_code_makes(name: str) -> None:
    text = json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN") == "write":
        (ROOT / name).write_text(text, "utf-8")
    assert (ROOT / name).read_text("utf-8") == text
    Draft202012Validator.check_schema(json.loads(text))


# the tree


@pytest.mark.parametrize("name", LIBRARY["recipes"])
def test_every_shipped_recipe_is_a_tree_that_fits_the_schema(name: str) -> None:
    document = json.loads(json.dumps(to_document(recipes()[name])))
    assert fits(document, "engine/language/tree.schema.json") == []
    assert from_document(document) == recipes()[name]


@cache
def recipes() -> dict[str, tree.Test]:
    return {name: one.node for name, one in library_catalogue().segments.items()}


def test_the_worked_examples_and_the_shipped_traits_fit_the_schema() -> None:
    nodes = [parse_value(text, VOCABULARY) for text in [*examples(), *LIBRARY["traits"].values()]]
    assert [fits(to_document(node), "engine/language/tree.schema.json") for node in nodes] == [[]] * len(nodes)


@given(TESTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_any_tree_fits_the_schema(test: tree.Test) -> None:
    assert fits(to_document(test), "engine/language/tree.schema.json") == []


def test_every_node_has_a_definition() -> None:
    defined = set(validator("engine/language/tree.schema.json").schema["$defs"])
    assert defined >= {name for name in tree.__all__ if hasattr(getattr(tree, name), "__dataclass_fields__")}


@pytest.mark.parametrize(
    ("path", "value"),
    [(("op",), "<>"), (("left", "fn"), "median"), (("left", "rows", "source"), 3), (("right", "value"), 6), (("left", "window", "unit"), "decade"), (("extra",), 1)],
)  # fmt: skip
def test_a_tree_that_cannot_be_read_does_not_fit(path: tuple[str, ...], value: object) -> None:
    document = json.loads(json.dumps(to_document(parse_test("sum(order_lines.quantity, last 6 months) >= 6", VOCABULARY))))  # fmt: skip
    assert fits(document, "engine/language/tree.schema.json") == []
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert fits(document, "engine/language/tree.schema.json")


# the config


def test_the_example_config_names_the_schema_and_fits_it() -> None:
    text = (ROOT / "config.example.toml").read_text("utf-8")
    first = text.splitlines()[0]
    assert first == "#:schema engine/config/schema.json"
    assert fits(tomllib.loads(text), "engine/config/schema.json") == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/ciblage.toml")), ids=lambda path: path.parent.name)
def test_the_example_shops_fit_the_schema(path: Path) -> None:
    assert fits(tomllib.loads(path.read_text("utf-8")), "engine/config/schema.json") == []


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_library_fits_the_schema(name: str) -> None:
    assert fits({**CONFIG, **FILES[name]}, "engine/config/schema.json") == []


@pytest.mark.parametrize(
    "more",
    [
        {"traits": {"t": {"value": "count(orders)", "sensitive": "health"}}}, {"offers": {"o": {"segment": "a", "percent": "10%", "valid": "30 days"}}},
        {"offers": {"o": {"segment": "a", "amount": "5 EUR", "minimum": 60}}}, {"segments": {"b": {"recipe": "loyal", "items": 6, "title": "Loyal"}}},
        {"segments": {"b": {"where": "true", "holdout": {"share": 0.1, "salt": "x"}, "title": {"fr": "Tous"}}}},
        {"sources": {"reviews": {"table": "reviews", "time": "written_at", "where": "stars > 3", "columns": {"stars": "number"}}}},
        {"destinations": {"d": {"connector": "brevo", "segments": ["a"], "api_key": "${KEY}", "folder": "x"}}},
        {"recipes": {"r": {"where": "age > {n}", "parameters": {"n": {"type": "whole", "default": 3}}}}},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_reader_takes_fits(more: dict[str, Any]) -> None:
    assert fits({**CONFIG, **more}, "engine/config/schema.json") == []


@pytest.mark.parametrize(
    "more",
    [
        {"curency": "EUR"}, {"client": "Not A Name"}, {"lang": "de"}, {"segments": {"Big": "true"}}, {"segments": {"b": {"where": "true", "recipe": "x"}}},
        {"segments": {"b": {"title": "x"}}}, {"offers": {"o": {"segment": "a"}}}, {"offers": {"o": {"segment": "a", "percent": "ten"}}},
        {"offers": {"o": {"segment": "a", "percent": "10%", "valid": "30 fortnights"}}}, {"traits": {"t": {"valeu": "1"}}}, {"destinations": {"d": {"connector": "brevo", "segments": []}}},
        {"merge_tags": {"m": {"trait": "a", "offer": "b"}}}, {"segments": {"b": {"where": "true", "title": {"de": "x"}}}},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_reader_refuses_does_not_fit(more: dict[str, Any]) -> None:
    assert fits({**CONFIG, **more}, "engine/config/schema.json")
