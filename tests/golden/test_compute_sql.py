"""The SQL of ten segments on DuckDB: a difference is the review. `CIBLAGE_GOLDEN=write` renews the files."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from compute_shop import SOURCES, catalogue

from engine.compute import sql

FOLDER = Path(__file__).parent / "compute"
NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
SEGMENTS = {
    "loyal": "sum(buys.n, last 6 months) >= 6",
    "abandoned": "did(looks, last 24 hours, then no buys)",
    "viewed_not_bought": "did(looks, last 7 days, then no buys same ref)",
    "bought_after": "did(looks where word = 'Nike', last 30 days, then buys within 3 days)",
    "big_basket": "avg(buys.m, last 12 months) >= 80",
    "favourite": "most_frequent(buys.word, last 12 months) = 'shoes'",
    "inactive": "count(buys) > 0 and never(buys, last 6 months)",
    "birthday": "birthday in next 7 days",
    "champions": "quintile(last(buys.at)) >= 4 and top 10% by sum(buys.m) among (count(buys) > 0)",
    "unequal": "city != 'Paris' and not (points > 3 or interests has any ('yoga', 'trail')) and bucket('x') < 10",
}


@pytest.mark.parametrize("name", [*SEGMENTS])
def test_a_segments_sql_is_the_one_that_was_reviewed(name: str) -> None:
    found = sql(catalogue({name: SEGMENTS[name]}), NOW, ZoneInfo("Europe/Paris"), sources=SOURCES) + "\n"
    path = FOLDER / f"{name}.sql"
    if os.environ.get("CIBLAGE_GOLDEN") == "write":
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def test_there_is_no_file_without_a_segment() -> None:
    assert {path.stem for path in FOLDER.glob("*.sql")} == set(SEGMENTS)
