"""What cannot run here, run elsewhere: not those engines, but a second reader of every word that they are told.

BigQuery's and Snowflake's SQL is read by sqlglot, written again for DuckDB and run there. Databricks' runs on Spark as it
is, in a session whose zone is not UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from compute_shop import ToyShop, run
from constructs import apart
from drawing import NUMBERS, WORDS
from engines import Engines
from sqlglot import exp

from engine.compute.backends.protocol import Engine

NOW = datetime.fromisoformat("2026-03-15T12:00")
ZONE = "Europe/Paris"
PEOPLE, ROWS = 60, 400


class Elsewhere:
    """An engine that is told another's SQL."""

    def __init__(self, name: str, engine: Engine, translate: Callable[[str], str] = str) -> None:
        self.name, self._engine, self._translate = name, engine, translate
        self.columns, self.unregister, self.close = engine.columns, engine.unregister, engine.close

    def query(self, sql: str) -> pa.Table:
        return self._engine.query(self._translate(sql))

    def keep(self, table: str, sql: str) -> None:
        self._engine.keep(table, self._translate(sql))

    def register(self, table: str, data: pa.Table) -> None:
        self._engine.register(table, data)


def from_bigquery(sql: str) -> str:
    """For DuckDB, with what sqlglot leaves as it is: the width of NUMERIC, Sunday as 1, LIMIT inside ARRAY_AGG."""
    query = sqlglot.parse_one(sql, dialect="bigquery")
    for array in query.find_all(exp.ArrayAgg):
        array.set("this", array.this.this)
    for kind in list(query.find_all(exp.DataType)):
        if kind.this in (exp.DType.DECIMAL, exp.DType.BIGDECIMAL):
            kind.replace(exp.DataType.build("DECIMAL(38, 9)" if kind.this == exp.DType.DECIMAL else "DECIMAL(38, 18)"))
    for part in list(query.find_all(exp.Extract)):
        if part.name == "DAYOFWEEK":
            part.replace(exp.paren(exp.Add(this=part.copy(), expression=exp.Literal.number(1))))
    return query.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)


def from_snowflake(sql: str) -> str:
    query = sqlglot.parse_one(sql, dialect="snowflake")
    return query.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)


@contextmanager
def bigquery(engines: Engines) -> Iterator[Elsewhere]:
    yield Elsewhere("bigquery", engines["duckdb"], from_bigquery)


@contextmanager
def snowflake(engines: Engines) -> Iterator[Elsewhere]:
    yield Elsewhere("snowflake", engines["duckdb"], from_snowflake)


@contextmanager
def databricks(engines: Engines) -> Iterator[Elsewhere]:
    spark: Any = engines["spark"]
    spark.execute("SET TIME ZONE 'America/New_York'")
    yield Elsewhere("databricks", spark)
    spark.execute("SET TIME ZONE 'UTC'")


PLACES: Mapping[str, Any] = {"bigquery": bigquery, "snowflake": snowflake, "databricks": databricks}


def shop(database: Engine | Elsewhere) -> ToyShop:
    """The same people and rows each time, dense in ties, unknowns and the ends of windows."""
    dice = Random(7)  # noqa: S311 - data, not secrets

    def maybe(*values: Any) -> Any:
        return dice.choice([*values, None])

    def moment() -> datetime:
        back = timedelta(
            days=dice.choice([0, 1, 2, 3, 7, 29, 30, 31, 90, 182, 365, 700]), hours=dice.choice([0, 1, 5, 23])
        )
        return NOW - back + dice.choice([-1, 0, 0, 1]) * timedelta(microseconds=1)

    def row() -> dict[str, Any]:
        return {
            "customer_id": f"c{dice.randrange(PEOPLE - 5)}", "keep": dice.random() > 0.2, "at": moment(), "n": maybe(*NUMBERS),
            "m": maybe(*NUMBERS), "word": maybe(*WORDS), "ref": maybe(*WORDS), "flag": maybe(True, False),
            "due": maybe(moment()), "day": maybe(moment().date()),
        }  # fmt: skip

    people = [
        {
            "customer_id": f"c{index}", "city": maybe(*WORDS), "code": maybe(*WORDS, "A"), "points": maybe(*NUMBERS),
            "vip": maybe(True, False), "birth_date": maybe(date(1960 + index, 1 + index % 12, 1 + index % 28)), "joined": maybe(moment()), "lat": maybe(45.1, 48.8), "lon": maybe(4.1, 2.3),
            "interests": maybe(["a"], ["b", "c"], ["d", "A"]), "consent_email_at": maybe(moment()),
        }
        for index in range(PEOPLE)
    ]  # fmt: skip
    return ToyShop(people, [row() for _ in range(ROWS)], [row() for _ in range(ROWS)], database=database)


@pytest.mark.parametrize("name", PLACES)
def test_a_second_reader_of_its_words_finds_the_same_people(engines: Engines, name: str) -> None:
    expected = run(shop(engines["duckdb"]), apart(), NOW, ZONE).table
    with PLACES[name](engines) as place:
        found = run(shop(place), apart(), NOW, ZONE).table
    assert found.column_names == expected.column_names
    differ = [one for one in expected.column_names if found[one].to_pylist() != expected[one].to_pylist()]
    assert differ == []


def test_the_shop_is_not_one_where_everybody_or_nobody_is_a_member(engines: Engines) -> None:
    found = run(shop(engines["duckdb"]), apart(), NOW, ZONE)
    sizes = {name: found.members(name).num_rows for name in found.segments}
    assert sum(0 < size < PEOPLE for size in sizes.values()) > len(sizes) / 2
