"""Whom a push may write to: found by customer, in whatever order they are known and asked for."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.push.people import People

IDS = st.text("abé10", min_size=1, max_size=3)
ROWS = st.dictionaries(
    IDS, st.tuples(st.booleans(), st.booleans(), st.sampled_from(["subscribed", "unsubscribed", None])), max_size=12
)


def known(rows: dict[str, Any]) -> pa.Table:
    columns = {
        "customer_id": pa.array(list(rows), pa.string()),
        "email": pa.array([f"{key}@shop.example" if row[0] else None for key, row in rows.items()], pa.string()),
        "reachable_email": pa.array([row[1] for row in rows.values()], pa.bool_()),
        "consent_email": pa.array([row[2] for row in rows.values()], pa.string()),
    }
    return pa.table(columns)


@given(ROWS, st.lists(IDS, max_size=12))
@settings(deadline=None)
def test_each_customer_is_found_with_the_address_of_today_or_none(rows: dict[str, Any], asked: list[str]) -> None:
    found = People(known(rows)).today(pa.array(asked, pa.string()))
    assert found["email"].to_pylist() == [
        f"{key}@shop.example" if key in rows and rows[key][0] else "" for key in asked
    ]
    assert found["may"].to_pylist() == [
        key in rows and rows[key][1] and rows[key][2] != "unsubscribed" for key in asked
    ]
