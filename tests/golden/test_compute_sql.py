"""The SQL of ten segments on every backend: a difference is the review. `GOLDEN=write` renews the files.

`GOLDEN=write pytest tests/golden/test_compute_sql.py -k duckdb` renews one backend's.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from compute_shop import SOURCES, catalogue

from engine.compute import sql
from engine.compute.backends import BACKENDS

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
@pytest.mark.parametrize("backend", [*BACKENDS])
def test_a_segments_sql_is_the_one_that_was_reviewed(backend: str, name: str) -> None:
    zone = ZoneInfo("Europe/Paris")
    found = sql(catalogue({name: SEGMENTS[name]}), NOW, zone, sources=SOURCES, backend=backend) + "\n"
    path = FOLDER / backend / f"{name}.sql"
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def test_there_is_no_file_without_a_segment_and_a_backend() -> None:
    found = {path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.sql")}
    assert found == {f"{backend}/{name}" for backend in BACKENDS for name in SEGMENTS}
