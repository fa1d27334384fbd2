"""A representative few of the segments as a person writes them in pandas."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import by_hand
import pandas as pd

from engine.tables import Database

COLUMNS = {
    "customers": "customer_id, gender",
    "orders": "customer_id, ordered_at, CAST(total AS DOUBLE) AS total, is_purchase",
    "order_lines": "customer_id, ordered_at, CAST(quantity AS DOUBLE) AS quantity, category, is_purchase",
    "views": "customer_id, happened_at, category",
}
_LOADED: dict[str, Any] = {}


def load(database: Database) -> dict[str, Any]:
    """The frames, once."""
    for table, columns in COLUMNS.items():
        if table not in _LOADED:
            _LOADED[table] = database.query(f"SELECT {columns} FROM {table}").to_pandas()
    return _LOADED


@cache
def _at(name: str) -> pd.Timestamp:
    return pd.Timestamp(by_hand.boundaries()[name].split("'")[1])


def _since(frame: pd.DataFrame, at: str) -> pd.DataFrame:
    return frame[frame.is_purchase & (frame.ordered_at >= _at(at)) & (frame.ordered_at <= _at("now"))]


def _loyal_items(tables: dict[str, Any]) -> int:
    return int((_since(tables["order_lines"], "m6").groupby("customer_id").quantity.sum() >= 6).sum())


def _big_spenders(tables: dict[str, Any]) -> int:
    return int((_since(tables["orders"], "m12").groupby("customer_id").total.sum().round(4) >= 500).sum())


def _frequent_buyers(tables: dict[str, Any]) -> int:
    return int((_since(tables["orders"], "m12").groupby("customer_id").size() >= 4).sum())


def _inactive_buyers(tables: dict[str, Any]) -> int:
    orders = tables["orders"]
    return int((orders[orders.is_purchase].groupby("customer_id").ordered_at.max() < _at("m6")).sum())


def _browsing_category(tables: dict[str, Any]) -> int:
    views = tables["views"]
    views = views[(views.happened_at >= _at("d30")) & (views.category.str.lower() == "category 3")]
    return int((views.groupby("customer_id").size() >= 3).sum())


def _gender_is(tables: dict[str, Any]) -> int:
    return int((tables["customers"].gender == "female").sum())


SUBSET: dict[str, Callable[[dict[str, Any]], int]] = {
    "loyal_items": _loyal_items,
    "big_spenders": _big_spenders,
    "frequent_buyers": _frequent_buyers,
    "inactive_buyers": _inactive_buyers,
    "browsing_category": _browsing_category,
    "gender_is": _gender_is,
}
