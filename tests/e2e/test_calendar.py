"""R-SEG-34 through the command line: the shipped recipes of hours, weekdays and seasons, in the shop's own time."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli import app

NOW = "2026-03-20T09:00Z"
# UTC; Paris is an hour ahead: a buys on Saturday evenings, b on a Monday morning, c in two Decembers, d in an earlier one
ORDERS = {
    "a": ["2026-01-10T17:00", "2026-01-17T21:59"],
    "b": ["2026-01-12T08:00", "2026-01-11T23:30"],
    "c": ["2024-12-01T09:00", "2025-12-23T23:30"],
    "d": ["2023-12-24T22:59", "2026-02-03T09:00"],
}
CONFIG = """client = "maison-lin"
timezone = "Europe/Paris"
include = ["library:ecommerce"]

[segments.evenings]
recipe = "evening_buyers"
[segments.weekends]
recipe = "weekend_buyers"
[segments.mondays]
recipe = "weekend_buyers"
days = ["monday"]
share = "100%"
[segments.faithful]
recipe = "season_buyers"
from = "12-01"
to = "12-24"
[segments.only]
recipe = "season_only"
from = "12-01"
to = "12-24"
[segments.lapsed]
recipe = "season_lapsed"
from = "12-01"
to = "12-24"
[segments.in_season]
where = "today in every 03-01 to 03-20"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    people = "".join(f"{one},{one}@example.com,subscribed\n" for one in ORDERS)
    (data / "customers.csv").write_text(f"customer_id,email,consent_email\n{people}", "utf-8")
    rows = [f"{one}{n},{one},{at}Z,10\n" for one, moments in ORDERS.items() for n, at in enumerate(moments)]
    (data / "orders.csv").write_text(f"order_id,customer_id,ordered_at,total\n{''.join(rows)}", "utf-8")
    (tmp_path / "ciblage.toml").write_text(CONFIG, "utf-8")
    return tmp_path / "ciblage.toml"


@pytest.mark.parametrize(
    ("segment", "members"),
    {"evenings": "a", "weekends": "a", "mondays": "b", "faithful": "c", "only": "c", "lapsed": "d", "in_season": "abcd"}.items(),
)  # fmt: skip
def test_r_seg_34_the_shipped_recipes_have_the_members_counted_by_hand(
    config: Path, segment: str, members: str
) -> None:
    done = CliRunner().invoke(app, ["members", segment, "--config", str(config), "--now", NOW], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "".join(row["customer_id"] for row in csv.DictReader(done.output.splitlines())) == members
