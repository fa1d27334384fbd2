"""The same few of the segments as a person writes them in Polars."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import by_hand
import polars as pl
from frames import COLUMNS

from engine.tables import Database

_LOADED: dict[str, pl.LazyFrame] = {}


def load(database: Database) -> dict[str, pl.LazyFrame]:
    """The frames, once."""
    for table, columns in COLUMNS.items():
        if table not in _LOADED:
            found: Any = pl.from_arrow(database.query(f"SELECT {columns} FROM {table}"))
            _LOADED[table] = found.lazy()
    return _LOADED


@cache
def _at(name: str) -> datetime:
    return datetime.fromisoformat(by_hand.boundaries()[name].split("'")[1])


def _since(frame: pl.LazyFrame, at: str) -> pl.LazyFrame:
    return frame.filter(pl.col("is_purchase"), pl.col("ordered_at") >= _at(at), pl.col("ordered_at") <= _at("now"))


def _having(frame: pl.LazyFrame, measure: pl.Expr, test: pl.Expr) -> int:
    found: Any = frame.group_by("customer_id").agg(measure.alias("x")).filter(test).select(pl.len()).collect()
    return int(found.item())


measured = pl.col("x")
SUBSET: dict[str, Callable[[dict[str, pl.LazyFrame]], int]] = {
    "loyal_items": lambda tables: _having(_since(tables["order_lines"], "m6"), pl.col("quantity").sum(), measured >= 6),
    "big_spenders": lambda tables: _having(
        _since(tables["orders"], "m12"), pl.col("total").sum().round(4), measured >= 500
    ),
    "frequent_buyers": lambda tables: _having(_since(tables["orders"], "m12"), pl.len(), measured >= 4),
    "inactive_buyers": lambda tables: _having(
        tables["orders"].filter("is_purchase"), pl.col("ordered_at").max(), measured < _at("m6")
    ),
    "browsing_category": lambda tables: _having(
        tables["views"].filter(
            pl.col("happened_at") >= _at("d30"), pl.col("category").str.to_lowercase() == "category 3"
        ),
        pl.len(),
        measured >= 3,
    ),
    "gender_is": lambda tables: int(
        tables["customers"].filter(pl.col("gender") == "female").select(pl.len()).collect().item()
    ),
}
