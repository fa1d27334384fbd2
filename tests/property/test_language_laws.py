"""Laws of the segment language: text, tree and JSON say the same, and nothing typed gets past the parser."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from language_lab import SOURCES, TESTS, VOCABULARY, examples

from engine.errors import DefinitionError
from engine.language import tree
from engine.language.document import from_document, to_document
from engine.language.mistakes import LanguageError, Mistake
from engine.language.parser import parse_test, parse_value
from engine.language.printer import to_text
from engine.language.walk import walk
from engine.language.words import in_words

NOW, PARIS = datetime(2028, 2, 29, 23, 30, tzinfo=UTC), ZoneInfo("Europe/Paris")
CALM = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
WORDS = [
    "and", "or", "not", "in", "between", "did(", "never(", "count(", "orders", "order_lines", "city", "age", "(", ")", ",",
    "'", "''", "''''", ";", "--", "/*", "#", "=", "!=", "<", ">=", "last", "6", "months", "segment", "where", "then", "no",
    "top", "10", "%", "by", "is", "known", "EUR", "2026-02-30", "2026", "birthday", "next", "drop", "table", "select", "é", "\n",
    "\x00", "\u202e", "'x'", "has", "any", "reachable(email)", "quintile(", "within", "km", "of", "lyon", "-", "+", "*", "/",
]  # fmt: skip


def parsed(text: str) -> tuple[tree.Test | None, Mistake | None]:
    try:
        return parse_test(text, VOCABULARY), None
    except LanguageError as error:
        return None, error.mistake


def decoded(document: object) -> tuple[object, str | None]:
    try:
        return from_document(document), None
    except DefinitionError as error:
        return None, str(error)


def within_limits(test: tree.Test) -> str:
    text = to_text(test)
    assume(len(text) <= 2000)
    return text


@given(TESTS)
@CALM
def test_a_printed_tree_parses_to_itself(test: tree.Test) -> None:
    assert parse_test(within_limits(test), VOCABULARY) == test


@given(TESTS)
@CALM
def test_printing_is_canonical(test: tree.Test) -> None:
    text = within_limits(test)
    assert to_text(parse_test(text, VOCABULARY)) == text


@given(TESTS)
@CALM
def test_a_tree_survives_json(test: tree.Test) -> None:
    assert from_document(json.loads(json.dumps(to_document(test)))) == test


@given(TESTS, st.sampled_from(["en", "fr"]))
@CALM
def test_every_definition_can_be_said(test: tree.Test, lang: str) -> None:
    said = in_words(test, lang, NOW, PARIS)
    assert said
    assert not re.search(r"\{[a-z_]+\}", re.sub(r"[“«].*?[”»]", "", said))


@given(st.text(max_size=80) | st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
@settings(max_examples=400, deadline=None)
@example("'" * 2000)
@example("(" * 50 + "age > 3" + ")" * 50)
@example("not " * 400 + "is_vip")
@example("age > " + "9" * 1500)
@example("city = 'Robert''); DROP TABLE customers;--'")
@example("x" * 5000)
@example("count(orders, last 99999999999 years) > 1")
@example("1 + " * 450 + "1 = 1")
def test_a_hostile_text_is_a_mistake_or_a_tree_of_known_names(text: str) -> None:
    test, mistake = parsed(text)
    if test is None:
        assert mistake is not None
        assert 0 <= mistake.at <= max(len(text), 2000)
        assert mistake.message in mistake.render("ciblage.toml:1: segments.x: ")
        return
    for node in walk(test):
        if isinstance(node, tree.Rows):
            assert node.source in SOURCES
        if isinstance(node, tree.Trait):
            assert node.name in {*VOCABULARY.facts, "age"}


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Co", "Cn", "Cf"]), min_size=1, max_size=60).filter(str.strip)
)
@CALM
def test_a_text_stays_one_literal_whatever_it_holds(text: str) -> None:
    assume(text.isprintable())
    test = parse_test(f"city = '{text.replace(chr(39), chr(39) * 2)}'", VOCABULARY)
    assert isinstance(test, tree.Compare)
    assert test.right == tree.Text(text)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["is", "op", "left", "items", "name", "of"]), inner | st.sampled_from(["And", "Not", "Compare", "InSegment"]), max_size=4), max_leaves=8))  # fmt: skip
@CALM
def test_a_strange_document_is_refused_with_words(document: object) -> None:
    node, refusal = decoded(document)
    assert to_document(node) if refusal is None else "node" in refusal or "is not" in refusal


def test_the_worked_examples_round_trip() -> None:
    found = examples()
    assert len(found) >= 58
    for text in found:
        node = parse_value(text, VOCABULARY) if text.startswith(("quintile", "10 *")) else parse_test(text, VOCABULARY)
        printed = to_text(node)
        assert printed == text
        assert from_document(to_document(node)) == node


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_worked_examples_can_be_said(lang: str) -> None:
    for text in examples():
        said = in_words(parse_value(text, VOCABULARY), lang, NOW, PARIS)
        assert said
        assert "{" not in said
