"""Every construct of the language in every backend's words, without running any: one statement, read back as it was meant.

Engines that run here prove the rest in tests/conformance; for BigQuery, Snowflake and Databricks this is all there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlglot
from compute_shop import SOURCES, catalogue
from constructs import TESTS, everything
from recipe_lab import library_catalogue
from sqlglot import exp

from engine.compute.backends import BACKENDS, backend
from engine.compute.backends.protocol import OPERATIONS
from engine.compute.bounds import Calendar
from engine.compute.literals import fold, nfc
from engine.compute.query import Ground, membership
from engine.errors import UnsupportedByBackend
from engine.language import tree
from engine.language.tree import Type
from engine.segments import Catalogue
from engine.shop import schema

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
CALENDAR = Calendar(NOW, ZoneInfo("Asia/Shanghai"))  # a zone of few changes: each is a branch to read back
UNTESTED = ("bigquery", "snowflake", "databricks")
MEGABYTE = 1_000_000
COLUMNS = 10_000

HOSTILE = (
    "'; DROP TABLE x; --",
    "x' OR '1'='1",
    'a"b',
    "a`b",
    "\\",
    "\\'",
    "\\\\'",
    "''",
    "'",
    "/* */",
    "a\nb",
    "%_",
    "é\t\u2028",
    "${x} {y}",
)
MARK = "zqhostile"


@cache
def library() -> Catalogue:
    return library_catalogue()


def sources(definitions: Catalogue) -> dict[str, schema.Source]:
    """Those of the schema, and what the recipes ask for beyond it."""
    found = {**SOURCES, **schema.sources(schema.TABLES)}
    for name, one in definitions.vocabulary.sources.items():
        columns = {column: schema.Column(type=fact.type) for column, fact in one.columns.items()}
        found.setdefault(name, schema.Source(table=name, time=one.time, columns=columns))
    return found


def query(definitions: Catalogue, name: str, calendar: Calendar = CALENDAR, **more: schema.Source) -> exp.Select:
    known = {**sources(definitions), **more}
    ground = Ground(sources=known, columns=frozenset(), calendar=calendar, backend=backend(name))
    return membership(definitions, ground).whole()


# what sqlglot cannot read back, though the engine takes it: there the backend suite is the proof
UNREAD = {
    ("clickhouse", "if(points > 1, points, age) > default(points, 0)"): "CAST to a type that the statement computes"
}


def read(text: str, name: str) -> exp.Expr:
    """The one statement of a text, in a backend's own dialect: nothing given up on, and the same when written again."""
    dialect = backend(name).dialect
    [found] = sqlglot.parse(text, dialect=dialect)
    assert isinstance(found, exp.Select)
    assert not list(found.find_all(exp.Command))
    again = found.sql(dialect=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE)
    assert sqlglot.parse_one(again, dialect=dialect) == found
    return found


def nodes(node: Any) -> Iterator[Any]:
    """A definition's nodes, itself first."""
    if is_dataclass(node):
        yield node
        for one in fields(node):
            yield from nodes(getattr(node, one.name))
    elif isinstance(node, tuple):
        for one in node:
            yield from nodes(one)


def test_the_definitions_hold_every_kind_of_node_window_and_aggregate() -> None:
    built = everything()
    found = [one for segment in built.segments.values() for one in nodes(segment.node)]
    found += [one for trait in built.traits.values() for one in nodes(trait.node)]
    kinds = {one for one in vars(tree).values() if is_dataclass(one) and one.__name__ in tree.__all__}
    assert {kind.__name__ for kind in kinds - {type(one) for one in found}} == set()
    functions = {one.fn for one in found if isinstance(one, tree.Aggregate)}
    assert functions == {"count", "sum", "avg", "min", "max", "first", "last", "distinct", "periods", "share", "avg_gap", "most_frequent"}  # fmt: skip


@pytest.mark.parametrize("name", BACKENDS)
def test_every_operation_is_spelled_or_named_as_a_gap(name: str) -> None:
    words = backend(name)
    assert set(words.spellings) | set(words.unsupported) == set(OPERATIONS)
    assert words.name == name


def test_what_no_suite_runs_says_so() -> None:
    assert {name for name in BACKENDS if backend(name).untested} == set(UNTESTED)


@pytest.mark.parametrize("text", TESTS)
@pytest.mark.parametrize("name", BACKENDS)
def test_a_construct_is_one_statement_that_reads_back(name: str, text: str) -> None:
    written = backend(name).text(query(catalogue({"other": "vip", "it": text}), name))
    if (name, text) in UNREAD:
        with pytest.raises(sqlglot.ParseError):
            read(written, name)
    else:
        read(written, name)


@pytest.mark.parametrize("of", ["constructs", "library"])
@pytest.mark.parametrize("name", BACKENDS)
def test_all_of_them_together_are_one_statement_with_every_name_quoted(name: str, of: str) -> None:
    unread = tuple(text for found, text in UNREAD if found == name)
    words, whole = backend(name), query(library() if of == "library" else everything(unread), name)
    text = words.text(whole)
    assert text == words.rewrite(whole.copy()).sql(dialect=words.dialect, unsupported_level=sqlglot.ErrorLevel.RAISE)
    found = read(text, name)
    unquoted = {one.name for one in found.find_all(exp.Identifier) if not one.args.get("quoted")}
    assert unquoted == set()
    assert found.named_selects == whole.named_selects


@pytest.mark.parametrize("name", ["bigquery", "snowflake"])
def test_the_whole_library_is_within_the_limits_of_a_statement(name: str) -> None:
    whole = query(library(), name, Calendar(NOW, ZoneInfo("Europe/Paris")))
    assert len(backend(name).text(whole).encode()) < MEGABYTE
    assert max(len(one.selects) for one in whole.find_all(exp.Select)) < COLUMNS


# what the user types is never SQL


def hostile(text: str) -> str:
    return f"{MARK}{text}{MARK}"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", BACKENDS)
def test_hostile_text_stays_inside_a_string_and_means_itself(name: str, text: str) -> None:
    given, city, code = hostile(text), tree.Trait("city", Type.TEXT), tree.Trait("code", Type.TEXT)
    segments: dict[str, str | tree.Test] = {
        "equal": tree.Compare("=", city, tree.Text(given)),
        "exact": tree.Compare("!=", code, tree.Text(given)),
        "part": tree.TextTest("contains", city, given),
        "start": tree.TextTest("starts", code, given),
        "listed": tree.OneOf(city, (tree.Text(given), tree.Text("x"))),
        "has": tree.Has("any", tree.Trait("interests", Type.LIST), (given,)),
        "salted": tree.Compare("<", tree.Bucket(given), tree.Number(Decimal(10))),
        "row": tree.Did(tree.Rows("buys", tree.Compare("=", tree.Column("word", Type.TEXT), tree.Text(given)))),
    }
    written = backend(name).text(query(catalogue(segments), name))
    assert MARK not in _outside(written, name)
    found = read(written, name)
    texts = {one.this for one in found.find_all(exp.Literal) if one.is_string and MARK in one.this}
    assert texts == {fold(given), nfc(given)}


@pytest.mark.parametrize("text", [one for one in HOSTILE if "\n" not in one])
@pytest.mark.parametrize("name", BACKENDS)
def test_hostile_names_of_tables_and_columns_stay_inside_their_quotes(name: str, text: str) -> None:
    given = hostile(text)
    odd = schema.Source(table=given, time=given, keep=given, columns={given: schema.Column(type="text")})
    known = catalogue({"it": "count(buys) > 0"})
    facts = {**known.vocabulary.facts, given: replace(known.vocabulary.facts["city"])}
    segments = {
        "it": known.segments["it"],
        "fact": replace(known.segments["it"], node=tree.Known(tree.Trait(given, Type.TEXT))),
        "favourite": replace(known.segments["it"], node=_favourite(given)),
    }
    definitions = replace(known, segments=segments, vocabulary=replace(known.vocabulary, facts=facts))
    written = backend(name).text(query(definitions, name, buys=odd))
    assert MARK not in _outside(written, name)
    found = read(written, name)
    meant = (
        given.replace("\\", "\\\\") if name == "bigquery" else given
    )  # sqlglot leaves the escapes of its names as they are
    assert meant in {one.name for one in found.find_all(exp.Table)}
    assert meant in {one.name for one in found.find_all(exp.Column)}


def _favourite(column: str) -> tree.Test:
    favourite = tree.Aggregate("most_frequent", tree.Rows("buys"), column, None, Type.TEXT)
    return tree.Compare("=", favourite, tree.Text("x"))


# the dialects' own lexical rules, written down apart from sqlglot's
_BACKSLASHED, _DOUBLED = r"'(?:[^'\\]|\\.)*'", r"'(?:[^']|'')*'"
_STRINGS = {"duckdb": _DOUBLED, "postgres": _DOUBLED}
_NAMES = {
    "bigquery": r"`(?:[^`\\]|\\.)*`",
    "clickhouse": r'"(?:[^"\\]|\\.|"")*"',
    "databricks": r"`(?:[^`]|``)*`",
    "spark": r"`(?:[^`]|``)*`",
}


def _outside(written: str, name: str) -> str:
    """What is left of a statement without its strings and quoted names."""
    strings, names = _STRINGS.get(name, _BACKSLASHED), _NAMES.get(name, r'"(?:[^"]|"")*"')
    left = re.sub(f"{strings}|{names}", " ", written, flags=re.DOTALL)
    assert re.search(r"""['"`;\\]|--|/\*""", left) is None, left
    return left


def test_a_statement_without_its_strings_and_names_has_nothing_of_them() -> None:
    assert _outside(r"SELECT `a\`b`, 'c\'d' FROM e", "bigquery").split() == ["SELECT", ",", "FROM", "e"]
    assert _outside("SELECT \"a\"\"b\", 'c''d' FROM e", "duckdb").split() == ["SELECT", ",", "FROM", "e"]


# what a dialect must not be told


def test_an_operation_without_words_is_refused_with_its_name() -> None:
    bare = replace(backend("duckdb"), name="bare", spellings={})
    ground = Ground(sources=SOURCES, columns=frozenset(), calendar=CALENDAR, backend=bare)
    with pytest.raises(UnsupportedByBackend, match=r"bare cannot compute contains\(text, part\)"):
        membership(catalogue({"it": "city contains 'x'"}), ground)


def test_bigquery_s_decimals_are_exact() -> None:
    """A literal with a point is FLOAT64 there, and would make one of the NUMERIC beside it (rule 22)."""
    text = "points in (0.1, 3) and points > 0.00000000001"
    written = backend("bigquery").text(query(catalogue({"it": text}), "bigquery"))
    assert "IN (CAST('0.1' AS NUMERIC), 3)" in written
    assert "> CAST('0.00000000001' AS BIGNUMERIC)" in written


@pytest.mark.parametrize(
    ("name", "kind"), [("bigquery", "DATETIME"), ("snowflake", "TIMESTAMPNTZ"), ("databricks", "TIMESTAMP_NTZ")]
)
def test_instants_are_of_the_type_without_a_zone(name: str, kind: str) -> None:
    written = backend(name).text(query(everything(), name))
    assert set(re.findall(r"AS ((?:DATETIME|TIMESTAMP)\w*)\)", written)) == {kind}


@pytest.mark.parametrize("name", BACKENDS)
def test_no_table_of_a_shop_can_have_the_name_of_a_step(name: str) -> None:
    ground = Ground(sources=SOURCES, columns=frozenset(), calendar=CALENDAR, backend=backend(name))
    steps = membership(everything(), ground).steps
    assert len(steps) > 10
    assert [step for step, _ in steps if not step.startswith("_")] == []
