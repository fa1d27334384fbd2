"""A client's own sources, through the command line: a table of the shop's own, or a neutral one read in another way."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli import app

NOW = "2026-11-20T09:00Z"
FILES = {
    "customers": "customer_id,email,consent_email\na,a@example.com,subscribed\nb,b@example.com,subscribed\nc,c@example.com,subscribed\n",
    "reviews": "review_id,customer_id,written_at,stars,text,tested\n"
    "r1,a,2026-11-01,5,great,no\nr2,a,2026-11-02,4,good,no\nr3,a,2026-11-03,1,test,yes\nr4,b,2020-01-01,5,old,no\nr5,c,2026-11-19,2,meh,\n",
    "orders": "order_id,customer_id,ordered_at,total,status,channel,delivered_at\n"
    "o1,a,2026-10-01,10,paid,web,2026-11-15\no2,b,2026-10-01,20,cancelled,web,\no3,c,2026-10-01,30,paid,shop,2026-10-02\n",
}
CONFIG = """client = "maison-lin"
timezone = "Europe/Paris"

[sources.reviews]
table = "reviews"
time = "written_at"
where = "default(tested, 'no') != 'yes'"
columns = { tested = "text" }

[sources.orders]
table = "orders"
where = "status != 'test' and channel = 'web'"

[sources.deliveries]
table = "orders"
time = "delivered_at"

[segments]
fans = "count(reviews where stars >= 4, last 30 days) >= 2"
reviewers = "count(reviews, last 30 days) = 2"
tests = "did(reviews where tested = 'yes')"
ever = "did(reviews)"
silent = "never(reviews, last 30 days)"
online = "did(orders)"
purchases = "count(all_orders) > 0 and sum(orders.total) >= 20"
delivered = "did(deliveries, last 14 days)"
then_reviewed = "did(orders, then reviews)"
mean = "avg(reviews.stars) = 4.5"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for name, text in FILES.items():
        (tmp_path / "data" / f"{name}.csv").write_text(text, "utf-8")
    (tmp_path / "ciblage.toml").write_text(CONFIG, "utf-8")
    return tmp_path / "ciblage.toml"


def ciblage(config: Path, *words: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, [*words, "--config", str(config), "--now", NOW], catch_exceptions=False)
    assert done.exit_code == exit_code, done.output
    return done.output


@pytest.mark.parametrize(
    ("segment", "members"),
    {
        "fans": "a", "reviewers": "a", "tests": "", "ever": "abc", "silent": "b", "online": "ab", "purchases": "b", "delivered": "a",
        "then_reviewed": "a", "mean": "a",
    }.items(),
)  # fmt: skip
def test_r_seg_35_rows_count_where_the_clients_own_filter_holds(shop: Path, segment: str, members: str) -> None:
    found = [row["customer_id"] for row in csv.DictReader(ciblage(shop, "members", segment).splitlines())]
    assert "".join(found) == members


def test_the_filter_is_in_the_sql_and_in_what_decided(shop: Path) -> None:
    assert "'yes'" in ciblage(shop, "segments", "--sql")
    told = json.loads(ciblage(shop, "explain", "reviewers", "--customer", "a", "--json"))["result"]
    assert told["is_member"] is True
    assert "2" in str(told["findings"])


def change(config: Path, old: str, new: str) -> Path:
    text = config.read_text("utf-8")
    assert old in text
    config.write_text(text.replace(old, new), "utf-8")
    return config


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("!= 'yes'\"", "= 'yes' and strs > 3\"", ["ciblage.toml:7: sources.reviews", "'strs' is not a column of", "did you mean 'stars'?"]),
        ("!= 'yes'\"", "= 'yes' and did(orders)\"", ["ciblage.toml:7: sources.reviews", "a where is about one row"]),
        ('"delivered_at"', '"deliverd_at"', ["'deliverd_at' is no time of orders", "did you mean 'delivered_at'?", "sources.deliveries"]),
        ('table = "orders"\ntime', 'table = "products"\ntime', ["the rows of products have no time", "cart_adds"]),
        ('table = "orders"\nwhere', 'table = "reviews"\nwhere', ["'orders' has a meaning already", "[shop.mapping.orders]"]),
        ('table = "orders"\nwhere', 'table = "orders"\ncolumns = { total = "text" }\nwhere', ["'total' of orders is money, not text"]),
        ('table = "orders"\nwhere', 'table = "orders"\ncustomer = "channel"\nwhere', ["orders is counted by customer_id"]),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_counted_is_told_with_its_place(
    shop: Path, old: str, new: str, said: list[str]
) -> None:
    told = ciblage(change(shop, old, new), "segments", exit_code=2)
    flat = " ".join(told.replace("│", " ").split())
    assert all(word in flat for word in said), told
