"""R-SEG-22, 23, 28 and 35 through the command line: recipes that need more than orders, counted by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli import app

FILES = {
    "customers": "customer_id,email\n" + "".join(f"{one},{one}@example.com\n" for one in "abcd"),
    "products": "product_id,name,complements,upgrade_of\nMACHINE,Machine,CAPS,\nCAPS,Capsules,,\nPRO,Machine pro,CAPS,MACHINE\n",
    "orders": "order_id,customer_id,ordered_at,total,delivered_at\no1,a,2026-10-01,10,2026-10-05\no2,b,2026-10-01,10,2026-11-13\no3,c,2026-10-01,10,\n",
    "order_lines": "order_id,product_id,quantity\no1,MACHINE,1\no1,CAPS,2\no2,MACHINE,1\no3,MACHINE,1\no3,PRO,1\n",
    "friends": "friend,of,joined_at\nd,a,2026-01-01\n",
    "contest": "customer_id,happened_at\nb,2026-11-01\nb,2024-11-01\n",
    "nps": "customer_id,happened_at,score\na,2026-01-01,3\na,2026-06-01,9\nb,2026-06-01,6\n",
}
CONFIG = """client = "maison-lin"
include = ["library:ecommerce/selling", "library:ecommerce/feedback"]

[sources.referred]
table = "friends"
customer = "friend"
time = "joined_at"

[sources.contest]
table = "contest"

[sources.nps]
table = "nps"
columns = { score = "number" }

[segments]
needs_caps = { recipe = "no_complement", product = "CAPS" }
needs_pro = { recipe = "no_upgrade", product = "MACHINE" }
friends = { recipe = "referred" }
week_old = { recipe = "after_product_delivery", product = "MACHINE" }
played = { recipe = "took_part", source = "contest" }
played_twice = { recipe = "took_part", source = "contest", times = 2 }
detractors = { recipe = "answered_score", source = "nps" }
promoters = { recipe = "answered_score", source = "nps", from = 9, to = 10 }
"""
MEMBERS = {
    "needs_caps": "bc", "needs_pro": "ab", "friends": "d", "week_old": "b", "played": "b", "played_twice": "", "detractors": "b", "promoters": "a",
}  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "data").mkdir()
    for name, text in FILES.items():
        (folder / "data" / f"{name}.csv").write_text(text, "utf-8")
    (folder / "ciblage.toml").write_text(CONFIG, "utf-8")
    return folder / "ciblage.toml"


@pytest.mark.parametrize("segment", MEMBERS)
def test_a_recipe_counts_whom_a_person_would(shop: Path, segment: str) -> None:
    done = CliRunner().invoke(app, ["members", segment, "--config", str(shop), "--now", "2026-11-20T09:00Z"])
    assert done.exit_code == 0, done.output
    found = [row["customer_id"] for row in csv.DictReader(done.stdout.splitlines())]
    assert "".join(found) == MEMBERS[segment]
