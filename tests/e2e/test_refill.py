"""R-SEG-28 through the command line: those whose last purchase of a product is due again."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from engine.cli import app

CONFIG = """client = "maison-lin"
include = ["library:ecommerce"]
[segments.refill]
recipe = "refill"
product = "P1"
"""
ORDERS = """order_id,customer_id,ordered_at,total
o1,due,2026-02-18T10:00Z,10
o2,again,2026-02-18T10:00Z,10
o3,again,2026-03-10T10:00Z,10
o4,early,2026-03-10T10:00Z,10
o5,other,2026-02-18T10:00Z,10
"""
LINES = "order_id,product_id,quantity\no1,P1,1\no2,P1,1\no3,P1,1\no4,P1,1\no5,P2,1\n"


def test_r_seg_28_a_refill_is_for_those_who_have_not_bought_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    people = "".join(f"{one},{one}@example.com\n" for one in ("due", "again", "early", "other"))
    (data / "customers.csv").write_text(f"customer_id,email\n{people}", "utf-8")
    (data / "orders.csv").write_text(ORDERS, "utf-8")
    (data / "order_lines.csv").write_text(LINES, "utf-8")
    config = tmp_path / "ciblage.toml"
    config.write_text(CONFIG, "utf-8")
    command = ["members", "refill", "--config", str(config), "--now", "2026-03-20T09:00Z"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.output.split() == ["customer_id", "due"]
