"""The whole language in few definitions over the toy shop: each kind of node, each window, each aggregate."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from compute_shop import catalogue

from engine.language import tree
from engine.segments import Catalogue

TESTS = (
    "true",
    "vip and not vip or false",
    "code = 'A' and city = 'Nike'",
    "city != code",
    "city in ('a', 'b') and city not in ('c')",
    "city contains 'a' and city starts with 'b' and city ends with 'c' and code contains 'D'",
    "points between 1 and 2.5 and points not between -3 and -1.00005",
    "points in (1, 2.5, -3)",
    "points = 123456789012345678 or points < 0.00000000001",
    "age >= 18 and age is known and city is unknown",
    "(points + 1) * 2 - 0.5 / points > 3 EUR",
    "if(points > 1, points, age) > default(points, 0)",
    "days_since(joined) > 3 and days_since(birth_date) >= 1",
    "hour(joined) in (9, 10) and weekday(joined) in ('saturday', 'sunday') and month(birth_date) = 2",
    "hour(last(buys.due)) = 3",
    "birthday in next 7 days and birthday not in this month",
    "birthday = today and anniversary(joined) in this week",
    "bucket('x') < 33.3 and bucket('y') between 10 and 20",
    "within 10.5 km of lyon",
    "interests has 'a' and interests has all ('b', 'c') and interests has none ('d')",
    "in segment other",
    "reachable(email)",
    "joined = 2026-01-01 and joined <= 2026-02-01T10:00 and joined > today and joined < now",
    "joined > 3 days ago or joined < 2 hours from now",
    "birth_date < 2000-02-29 and birth_date = birth_date and joined > consent.email_at",
    "joined in last 3 months and joined in next 3 hours and joined in this week and joined in previous quarter",
    "joined in since 2026-01-01 and joined in before 2026-01-01 and joined in between 2026-01-01 and today",
    "joined in 2025 and joined in 2025-07 and joined in 2026-01-01 and birth_date in every 12-20 to 01-05 and joined in previous 06-21 to 09-22",
    "count(buys) = 0 and count(all_buys where flag and word = 'x', last 30 days) >= 1",
    "sum(buys.n) > 1.5 and avg(buys.m, last 12 months) >= 80.5 and avg(buys.m) / 2 > 1",
    "min(buys.at) < 3 days ago and max(buys.day) = today",
    "distinct(buys.word) > 1 and distinct(buys.n where n > 1) > 1",
    "first(buys.word) = 'a' and last(buys.word, last 9 days) = 'b' and last(buys.at) > today",
    "most_frequent(buys.word, last 12 months) = 'shoes' and most_frequent(buys.ref) = 'r'",
    "share(buys where flag) > 50% and avg_gap(buys) < 10 days",
    "periods(buys by month at least 2, last 6 months) >= 3 and periods(buys by 2 weeks, last 6 months) >= 3",
    "did(buys, last 3 days) and never(looks where word contains 'x')",
    "did(buys, then looks) and did(buys, then no looks) and did(buys, then no buys)",
    "did(buys, last 30 days, then looks same word) and did(buys, then no looks same n)",
    "did(buys, then looks within 3 days) and did(buys, then no looks within 1 month)",
    "did(buys, then buys same ref within 3 hours) and did(buys, then no buys same day within 1 year)",
    "quintile(points) = 5 and decile(count(buys)) > 1 and percentile(joined, vip) > 99",
    "top 10% by sum(buys.m) and bottom 33.3% by points among (count(buys) > 0)",
    "count(buys where hour(at) >= 9 and weekday(at) = 'monday' and days_since(due) > 1 and day in 2025) > 0",
)
VALUES = (
    "points", "city", "joined", "birth_date", "vip", "age / 2", "avg(buys.m)", "sum(buys.n)", "last(buys.due)", "first(buys.word)", "last(buys.n)",
    "most_frequent(buys.word)", "most_frequent(looks.ref, last 90 days)", "avg_gap(buys)", "share(buys where flag)", "distinct(buys.word)",
    "periods(buys by month, last 6 months)", "quintile(points)", "percentile(joined)", "decile(sum(buys.m))", "days_since(joined)", "hour(joined)",
    "weekday(joined)", "month(birth_date)", "default(points, 0) + 1.5",
)  # fmt: skip


@cache
def everything(but: tuple[str, ...] = ()) -> Catalogue:
    segments = {f"s{index}": text for index, text in enumerate(TESTS) if text not in but}
    traits = {f"t{index}": text for index, text in enumerate(VALUES)}
    return catalogue({"other": "vip", **segments}, traits, groups={"life": ("other", "s1", "s2")}, reachable="vip")


@cache
def apart() -> Catalogue:
    """The same, each part of a conjunction a segment of its own."""
    whole = everything()
    parts = [(name, one, one.node) for name, one in whole.segments.items()]
    segments = {
        f"{name}_{index}": replace(one, name=f"{name}_{index}", node=item)
        for name, one, node in parts
        for index, item in enumerate(node.items if isinstance(node, tree.And) else (node,))
    }
    return replace(whole, segments={"other": whole.segments["other"], **segments}, groups={})
