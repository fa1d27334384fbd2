"""Laws of the query: whatever a user types, in definitions, parameters, places, files or data, is a value or a quoted name, or is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import sqlglot
from hostile_lab import MARK, NASTY, quoted
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from recipe_lab import RECIPES, TRAITS, neutral
from sqlglot import exp
from sqlglot.tokens import TokenType

from engine.compute import sql
from engine.compute.backends import BACKENDS
from engine.config import load
from engine.errors import ConfigError, DefinitionError
from engine.language.vocabulary import Fact, Vocabulary
from engine.segments import Catalogue, Definitions, SegmentDefinition, SplitDefinition, build_catalogue
from engine.segments.definition import HoldoutDefinition, SourceDefinition
from engine.traits import TraitDefinition

NOW, PARIS = datetime(2018, 1, 1, 12, tzinfo=UTC), ZoneInfo("Europe/Paris")
HOSTILE = st.builds(
    lambda before, after: f"{before}{MARK}{after}", *[st.sampled_from(NASTY) | st.text(max_size=12)] * 2
)
PLAIN = re.compile(r"[a-z][a-z0-9_]*")
CALM = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
QUOTED = {TokenType.STRING, TokenType.IDENTIFIER, TokenType.RAW_STRING, TokenType.NATIONAL_STRING}
PLACES = {"lyon": (Decimal("45.76"), Decimal("4.84"))}
# where a text stands in a definition: {} is the text between quotes, {#} as it is
WRITTEN = [
    "city = {}", "city != {}", "city in ({}, 'b')", "city not in ({})", "city contains {}", "city starts with {}", "city ends with {}", "customer_id = {}",
    "interests has {}", "interests has all ({}, 'x')", "did(order_lines where product_id = {} or brand = {})", "never(email_clicks where url contains {})",
    "most_frequent(order_lines.category where brand = {}, last 3 months) = {}", "first(orders.channel) = {}", "default(city, {}) = {}",
    "if(age > 3, {}, 'x') = {}", "bucket({}) < 50", "did(views where url = {}, last 7 days, then no order_lines where brand = {} same product_id)",
    "top 10% by count(orders where coupon = {}) among (city = {})", "quintile(count(orders where coupon = {})) = 5",
    "count(orders, last 3 days) > 1 # {#}", "city = 'x' # {#}\n and age > 3",
]  # fmt: skip


def statements(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """The catalogue's query on every backend, also on those that cannot run here."""
    for name in BACKENDS:
        yield name, sql(catalogue, NOW, PARIS, backend=name)


def check(catalogue: Catalogue) -> None:
    """One SELECT; the user's text only between quotes; nothing that is a comment."""
    from engine.compute.backends import backend

    for name, text in statements(catalogue):
        dialect = backend(name).dialect
        [statement] = sqlglot.parse(text, dialect=dialect)
        assert isinstance(statement, exp.Select), name
        assert not [
            one
            for one in statement.walk()
            if isinstance(one, exp.Command | exp.DDL | exp.DML) and not isinstance(one, exp.Query)
        ]
        for token in sqlglot.tokenize(text, dialect=dialect):
            assert not token.comments, (name, token)
            assert MARK not in token.text.lower() or token.token_type in QUOTED, (name, token)


@dataclass(frozen=True, slots=True)
class Written:
    """Definitions of one client, all from a user's hand."""

    words: Vocabulary = field(default_factory=neutral)

    def catalogue(self, **parts: object) -> Catalogue | None:
        """The catalogue, or None where it was refused with words."""
        try:
            return build_catalogue(Definitions(**parts), self.words, PLACES)  # type: ignore[arg-type]  # parts are named
        except DefinitionError:
            return None


@given(HOSTILE, st.sampled_from(WRITTEN))
@CALM
@example("'; DROP TABLE customers; --zqx", "city = {}")
@example("zqx\\", "city contains {}")
@example("zqx\\'; DROP TABLE customers; --", "did(order_lines where product_id = {} or brand = {})")
def test_a_text_of_a_definition_is_a_literal(text: str, where: str) -> None:
    definition = where.replace("{#}", text.replace("\n", " ")).replace("{}", quoted(text))
    found = Written().catalogue(segments=(SegmentDefinition(name="s", where=definition),))
    if found is not None:
        check(found)


@given(HOSTILE, st.sampled_from([*RECIPES]))
@settings(CALM, max_examples=15)
def test_a_parameter_of_a_recipe_is_a_literal(text: str, recipe: str) -> None:
    holes: Mapping[str, Mapping[str, object]] = RECIPES[recipe].get("parameters", {})
    assume(any(hole["type"] in {"text", "texts", "name", "date", "amount"} for hole in holes.values()))
    given_ = {name: [text, "x"] if hole["type"] == "texts" else text for name, hole in holes.items()}
    traits = tuple(TraitDefinition(name=name, value=value) for name, value in TRAITS.items())
    for name, value in given_.items():  # one hole at a time takes the text, so that the others do not hide what it does
        one = {name: value, **{other: _fits(holes[other]) for other in given_ if other != name}}
        segment = SegmentDefinition(name="s", recipe=recipe, parameters=one)
        found = Written().catalogue(segments=(segment,), traits=traits, recipes=RECIPES)
        if found is not None:
            check(found)


def _fits(hole: Mapping[str, object]) -> object:
    plain = {
        "text": "a",
        "texts": ["a"],
        "name": "lyon",
        "date": "2026-01-01",
        "month_day": "12-01",
        "amount": 5,
        "percent": "5%",
        "unit": "days",
    }
    return hole.get("default", plain.get(str(hole["type"]), 3))


@given(HOSTILE)
@CALM
def test_names_titles_salts_and_members_are_quoted_whatever_they_are(text: str) -> None:
    words = neutral()
    facts = {
        **words.facts,
        text: Fact(type=words.facts["city"].type),
    }  # a list or a column named so in the shop's files
    salt = HoldoutDefinition(share=Decimal("0.1"), salt=text)
    found = Written(Vocabulary(facts=facts, sources=words.sources)).catalogue(
        segments=(
            SegmentDefinition(name=text, where="age > 3", title={"en": text, "fr": text}, holdout=salt),
            SegmentDefinition(name="listed", customers=(text, "x")),
        ),
        splits=(SplitDefinition(name="a", salt=text, arms={"b": "0% to 50%"}, title={"en": text}),),
        sources=(SourceDefinition(name="orders", where=f"coupon = {quoted(text)}"),),
        reachable={"email": f"consent.email = 'subscribed' and city = {quoted(text)}"},
    )
    if found is not None:
        check(found)


@given(HOSTILE, st.sampled_from(["segments", "traits", "places", "groups", "splits", "sources", "offers"]))
@CALM
def test_a_name_in_the_config_is_a_plain_one_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str, table: str
) -> None:
    assume(all(one.isprintable() for one in text) and "\\" not in text and not PLAIN.fullmatch(text))
    values = {"segments": '"age > 3"', "traits": '"age"', "places": "{ lat = 1, lon = 2 }", "groups": '{ exclusive = ["s"] }', "splits": '{ salt = "x", arms = { a = "0% to 50%" } }', "sources": '{ table = "x" }', "offers": '{ segment = "s", percent = "5%" }'}  # fmt: skip
    key = text.replace('"', '\\"')
    file = tmp_path_factory.mktemp("c") / "ciblage.toml"
    file.write_text(f'client = "a"\n{table}."{key}" = {values[table]}\n', "utf-8")
    with pytest.raises(ConfigError):
        load(file, {})
