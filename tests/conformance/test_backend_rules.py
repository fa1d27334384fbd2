"""The rules of the language, one by one, on every engine: each test carries its rule's number."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unicodedata import category, normalize

import pyarrow as pa
import pytest
from compute_shop import ToyShop, catalogue, members, run, trait
from sqlglot import exp

from engine.compute.backends import backend as words_of
from engine.compute.backends.protocol import Engine
from engine.compute.literals import fold
from engine.compute.spelling import relation

NOW = datetime.fromisoformat("2026-03-15T12:00")
TICK = timedelta(microseconds=1)


def people(database: Engine, **facts: dict[str, Any]) -> ToyShop:
    return ToyShop([{"customer_id": name, **values} for name, values in facts.items()], database=database)


def history(database: Engine, buying: list[dict[str, Any]], looking: list[dict[str, Any]] | None = None) -> ToyShop:
    """Customers a and b; rows are a's unless they say otherwise."""
    rows = [
        [{"customer_id": "a", "at": NOW - timedelta(days=1), **row} for row in one] for one in (buying, looking or [])
    ]
    return ToyShop([{"customer_id": "a"}, {"customer_id": "b"}], *rows, database=database)


def at(*moments: str, **more: Any) -> list[dict[str, Any]]:
    return [{"at": datetime.fromisoformat(moment), **more} for moment in moments]


def test_rule_01_every_flag_is_true_or_false_whatever_is_missing(database: Engine) -> None:
    shop = people(database, a={}, b={"city": "Lyon", "points": Decimal(3), "vip": True})
    texts = ["city = 'x'", "not city = 'x'", "points / 0 > 1", "vip", "not vip", "max(buys.n) < 3", "interests has 'x'"]
    found = run(shop, catalogue({f"s{index}": text for index, text in enumerate(texts)}), NOW)
    assert [found.table[f"segment:{name}"].null_count for name in found.segments] == [0] * len(texts)
    assert found.table["reachable_email"].null_count == 0


@pytest.mark.parametrize(
    "positive",
    ["city = 'Lyon'", "points < 9", "points between 0 and 9", "city in ('Lyon')", "city contains 'y'", "city starts with 'L'",
     "interests has 'tea'", "joined in last 9 years", "joined > 2000-01-01", "vip", "age < 99", "birthday in this year"],
)  # fmt: skip
def test_rules_02_and_03_the_missing_satisfy_no_positive_test_and_every_complement(
    database: Engine, positive: str
) -> None:
    known = {
        "city": "Lyon", "points": Decimal(3), "interests": ["tea"], "joined": NOW, "vip": True,
        "birth_date": datetime.fromisoformat("1990-05-05").date(),
    }  # fmt: skip
    shop = people(database, known=known, missing={})
    assert members(shop, positive, NOW) == {"known"}
    assert members(shop, f"not ({positive})", NOW) == {"missing"}


def test_rule_03_unequal_not_in_and_never_include_the_missing(database: Engine) -> None:
    shop = people(database, known={"city": "Lyon", "points": Decimal(3)}, missing={})
    for text in ("city != 'Paris'", "city not in ('Paris')", "points not between 8 and 9", "never(buys)"):
        assert members(shop, text, NOW) == {"known", "missing"}


def test_rule_05_counts_are_zero_without_rows_and_the_rest_unknown(database: Engine) -> None:
    shop = history(database, [])
    for zero in ("count(buys)", "sum(buys.n)", "distinct(buys.n)", "periods(buys by month, last 6 months)"):
        assert trait(shop, zero, NOW) == {"a": 0, "b": 0}
    for fn in ("avg", "min", "max", "first", "last"):
        assert trait(shop, f"{fn}(buys.n)", NOW) == {"a": None, "b": None}
    for text in ("share(buys where flag)", "avg_gap(buys)", "most_frequent(buys.word)"):
        assert trait(shop, text, NOW) == {"a": None, "b": None}


def test_rule_06_zero_and_false_are_values(database: Engine) -> None:
    shop = people(database, a={"points": Decimal(0), "vip": False}, b={})
    assert members(shop, "points is known and vip is known and points = 0 and vip = false", NOW) == {"a"}


def test_rule_07_text_ignores_case_and_ids_do_not(database: Engine) -> None:
    shop = people(database, a={"city": "ÉVRY", "code": "X1"}, b={"city": "évry", "code": "x1"})
    assert members(shop, "city = 'Évry'", NOW) == {"a", "b"}
    assert members(shop, "city ends with 'VRY'", NOW) == {"a", "b"}
    assert members(shop, "code = 'x1'", NOW) == {"b"}
    assert members(shop, "code starts with 'X'", NOW) == {"a"}


def test_rule_08_a_where_is_about_one_row_and_two_aggregates_may_use_two(database: Engine) -> None:
    shop = history(database, [{"word": "tea", "n": Decimal(1)}, {"word": "soap", "n": Decimal(9)}])
    assert members(shop, "did(buys where word = 'tea' and n > 5)", NOW) == set()
    assert members(shop, "did(buys where word = 'tea') and did(buys where n > 5)", NOW) == {"a"}


def test_rule_09_future_rows_do_not_count_unless_the_window_names_the_future(database: Engine) -> None:
    shop = history(database, [{"at": NOW}, {"at": NOW + TICK}, {"at": NOW + timedelta(days=2)}])
    assert trait(shop, "count(buys)", NOW)["a"] == 1
    assert trait(shop, "count(buys, this month)", NOW)["a"] == 1
    assert trait(shop, "count(buys, since 2026-01-01)", NOW)["a"] == 1
    assert trait(shop, "count(buys, next 7 days)", NOW)["a"] == 3
    assert trait(shop, "count(buys, since 1 hour from now)", NOW)["a"] == 1


def test_rule_10_a_date_is_a_whole_local_day(database: Engine) -> None:
    day = datetime.fromisoformat("2026-03-09T23:00")  # midnight of the 10th in Paris
    moments = {
        "before": day - TICK,
        "first": day,
        "last": day + timedelta(days=1) - TICK,
        "after": day + timedelta(days=1),
    }
    shop = people(database, **{name: {"joined": moment} for name, moment in moments.items()})
    wanted = {
        "joined = 2026-03-10": {"first", "last"}, "joined <= 2026-03-10": {"before", "first", "last"},
        "joined < 2026-03-10": {"before"}, "joined > 2026-03-10": {"after"},
        "joined >= 2026-03-10": {"first", "last", "after"}, "joined between 2026-03-10 and 2026-03-10": {"first", "last"},
        "joined in between 2026-03-10 and 2026-03-10": {"first", "last"}, "joined in 2026-03-10": {"first", "last"},
        "joined != 2026-03-10": {"before", "after"},
    }  # fmt: skip
    for text, names in wanted.items():
        assert members(shop, text, NOW, "Europe/Paris") == names, text


def test_rule_11_last_days_start_at_local_midnight_and_last_hours_are_exactly_so_long(database: Engine) -> None:
    midnight = datetime.fromisoformat("2026-03-07T23:00")  # of the 8th in Paris
    shop = history(
        database, [{"at": midnight - TICK}, {"at": midnight}, {"at": NOW - timedelta(hours=24)}, {"at": NOW}]
    )
    assert trait(shop, "count(buys, last 7 days)", NOW, "Europe/Paris")["a"] == 3
    assert trait(shop, "count(buys, last 1 week)", NOW, "Europe/Paris")["a"] == 3
    assert trait(shop, "count(buys, last 24 hours)", NOW, "Europe/Paris")["a"] == 2
    assert trait(shop, "count(buys, last 1439 minutes)", NOW, "Europe/Paris")["a"] == 1


def test_rule_12_next_days_on_dates_include_today_and_on_instants_start_now(database: Engine) -> None:
    day = NOW.date()
    shop = history(database, [])
    dated = people(
        database,
        today={"birth_date": day},
        last={"birth_date": day + timedelta(days=6)},
        out={"birth_date": day + timedelta(days=7)},
    )
    assert members(dated, "birth_date in next 7 days", NOW) == {"today", "last"}
    shop = people(database, past={"joined": NOW - TICK}, now={"joined": NOW}, later={"joined": NOW + timedelta(days=2)})
    assert members(shop, "joined in next 7 days", NOW) == {"now", "later"}


def test_rule_13_months_clamp_and_weeks_start_as_the_client_says(database: Engine) -> None:
    shop = history(database, at("2026-02-28T00:00", "2026-02-27T23:59"))
    assert trait(shop, "count(buys, last 1 month)", datetime.fromisoformat("2026-03-31T10:00"))["a"] == 1
    sunday = history(database, at("2026-03-15T08:00", "2026-03-14T08:00"))
    assert trait(sunday, "count(buys, this week)", NOW)["a"] == 2
    assert trait(sunday, "count(buys, this week)", NOW, week_starts="sunday")["a"] == 1


@pytest.mark.parametrize(("leap_day", "on", "wanted"), [("feb28", "2023-02-28", True), ("mar1", "2023-02-28", False), ("mar1", "2023-03-01", True), ("feb28", "2024-02-28", False), ("mar1", "2024-02-29", True)])  # fmt: skip
def test_rule_14_born_on_29_february(database: Engine, leap_day: str, on: str, *, wanted: bool) -> None:
    shop = people(database, leap={"birth_date": datetime.fromisoformat("2000-02-29").date()})
    now = datetime.fromisoformat(f"{on}T12:00")
    assert (members(shop, "birthday in today", now, leap_day=leap_day) == {"leap"}) is wanted
    assert trait(shop, "age", now, leap_day=leap_day)["leap"] == now.year - 2000 - (
        not wanted and on < f"{now.year}-02-29"
    )


def test_rule_14_birthday_windows_cross_the_years_end(database: Engine) -> None:
    born = {
        f"b{month:02}{day:02}": {"birth_date": date(1980, month, day)}
        for month, day in [(12, 27), (12, 28), (12, 31), (1, 3), (1, 4)]
    }
    shop = people(database, **born)
    assert members(shop, "birthday in next 7 days", datetime.fromisoformat("2025-12-28T09:00")) == {
        "b1228",
        "b1231",
        "b0103",
    }


def test_rule_15_first_and_last_look_at_known_values_and_ties_go_to_the_larger_row(database: Engine) -> None:
    same = NOW - timedelta(days=3)
    shop = history(
        database,
        [
            {"at": same, "word": "one"},
            {"at": same, "word": "two"},
            {"at": NOW, "word": None},
            {"at": NOW + TICK, "word": "late"},
        ],
    )
    assert trait(shop, "first(buys.word)", NOW)["a"] == "two"
    assert trait(shop, "last(buys.word)", NOW)["a"] == "two"


def test_rule_15_most_frequent_is_the_most_counted_then_the_newest_then_the_first_of_the_alphabet(
    database: Engine,
) -> None:
    old, new = NOW - timedelta(days=9), NOW - timedelta(days=2)
    rows = [{"at": old, "word": "Tea"}, {"at": old, "word": "tea"}, {"at": new, "word": "soap"}]
    assert trait(history(database, rows), "most_frequent(buys.word)", NOW)["a"].lower() == "tea"
    assert trait(history(database, rows[1:]), "most_frequent(buys.word)", NOW)["a"] == "soap"
    tied = [{"at": new, "word": "soap"}, {"at": new, "word": "linen"}, {"at": new, "word": None}]
    assert trait(history(database, tied), "most_frequent(buys.word)", NOW)["a"] == "linen"


def test_rule_16_equal_values_share_a_rank_and_the_unknown_have_none(database: Engine) -> None:
    shop = people(database, **{f"c{index}": {"points": value} for index, value in enumerate([1, 1, 2, 3, None])})
    assert trait(shop, "quintile(points)", NOW) == {"c0": 3, "c1": 3, "c2": 4, "c3": 5, "c4": None}
    assert trait(shop, "decile(points, points < 3)", NOW) == {"c0": 7, "c1": 7, "c2": 10, "c3": None, "c4": None}
    assert trait(people(database, a={"points": 7}, b={"points": 7}), "quintile(points)", NOW) == {"a": 5, "b": 5}


def test_rule_16_the_top_keeps_everyone_tied_at_the_edge(database: Engine) -> None:
    shop = people(database, **{f"c{index}": {"points": value} for index, value in enumerate([9, 9, 5, 4, None])})
    assert members(shop, "top 10% by points", NOW) == {"c0", "c1"}
    assert members(shop, "bottom 25% by points", NOW) == {"c3"}
    assert members(shop, "top 50% by points among (points < 9)", NOW) == {"c2"}
    assert members(shop, "top 100% by points", NOW) == {"c0", "c1", "c2", "c3"}


def test_rule_17_then_accepts_the_same_instant_unless_both_are_the_same_rows(database: Engine) -> None:
    shop = history(database, [{}], [{}])
    assert members(shop, "did(looks, then buys)", NOW) == {"a"}
    assert members(shop, "did(looks, then no buys)", NOW) == set()
    assert members(shop, "did(buys, then buys)", NOW) == set()
    assert members(shop, "did(buys, then no buys)", NOW) == {"a"}
    twice = history(database, at("2026-03-01T00:00", "2026-03-01T00:01"))
    assert members(twice, "did(buys, then buys)", NOW) == {"a"}
    assert members(twice, "did(buys, then buys within 59 seconds)", NOW) == set()
    assert members(twice, "did(buys, then buys within 1 minute)", NOW) == {"a"}


def test_rule_17_one_unanswered_row_is_enough_for_then_no(database: Engine) -> None:
    shop = history(database, at("2026-03-05T00:00"), at("2026-03-01T00:00", "2026-03-10T00:00"))
    assert members(shop, "did(looks, then no buys)", NOW) == {"a"}
    assert members(shop, "did(looks, before 2026-03-04, then no buys)", NOW) == set()
    assert members(shop, "never(looks, then no buys)", NOW) == {"b"}


def test_rule_17_no_answer_within_a_time_is_known_only_when_that_time_has_passed(database: Engine) -> None:
    shop = history(database, [], [{"at": NOW - timedelta(days=2)}])
    assert members(shop, "did(looks, then no buys within 2 days)", NOW) == {"a"}
    assert members(shop, "did(looks, then no buys within 3 days)", NOW) == set()
    assert members(shop, "did(looks, then no buys within 1 month)", NOW + timedelta(days=40)) == {"a"}


def test_rule_17_same_compares_a_known_value(database: Engine) -> None:
    looks = [{"word": "Tea", "at": NOW - timedelta(days=3)}, {"word": None, "at": NOW - timedelta(days=2)}]
    shop = history(database, [{"word": "tea"}, {"word": None}], looks)
    assert members(shop, "did(looks, then buys same word)", NOW) == {"a"}
    assert members(shop, "did(looks, then no buys same word)", NOW) == set()
    assert members(history(database, [{"word": None}], looks), "did(looks, then no buys same word)", NOW) == {"a"}


def test_rule_18_buckets_are_the_first_digits_of_the_md5_of_salt_and_id(database: Engine) -> None:
    shop = people(database, **{f"c{index}": {} for index in range(200)})
    for op, limit in [("<", "10"), (">=", "10"), ("<", "33.3"), ("<=", "0"), ("<", "100"), (">", "99.9")]:
        wanted = {
            one for one in (f"c{index}" for index in range(200)) if OPERATORS[op](bucket("s", one), Decimal(limit))
        }
        assert members(shop, f"bucket('s') {op} {limit}", NOW) == wanted


def bucket(salt: str, customer: str) -> Decimal:
    return Decimal(int(hashlib.md5(f"{salt}:{customer}".encode()).hexdigest()[:8], 16)) * 100 / 2**32  # noqa: S324 - the rule's own hash


OPERATORS = {"<": Decimal.__lt__, "<=": Decimal.__le__, ">": Decimal.__gt__, ">=": Decimal.__ge__}


def test_rule_22_sums_are_exact_and_an_average_is_compared_without_dividing(database: Engine) -> None:
    shop = history(database, [{"m": Decimal("0.1")}] * 3)
    assert members(shop, "sum(buys.m) = 0.3", NOW) == {"a"}
    thirds = history(database, [{"m": Decimal(10)}, {"m": Decimal(0)}, {"m": Decimal(0)}])
    assert members(thirds, "avg(buys.m) >= 3.33333333333333333", NOW) == {"a"}
    assert members(thirds, "avg(buys.m) = 3.33333333333333333", NOW) == set()
    assert members(thirds, "avg(buys.m) * 3 = 10", NOW) == {"a"}
    big = history(database, [{"m": Decimal("99999999999999.9999")}] * 2)
    assert trait(big, "sum(buys.m)", NOW)["a"] == Decimal("199999999999999.9998")


def test_rule_22_division_by_zero_is_unknown(database: Engine) -> None:
    shop = people(database, a={"points": Decimal(0)}, b={"points": Decimal(4)})
    assert trait(shop, "8 / points", NOW) == {"a": None, "b": 2.0}
    assert members(shop, "8 / points is unknown", NOW) == {"a"}


def test_rule_23_every_letter_folds_alike_here_and_in_the_engine(database: Engine) -> None:
    letters = [chr(code) for code in range(1, 0x110000) if category(chr(code)) not in ("Cs", "Cn")]
    words = [one for one in letters if normalize("NFC", one) == one] + ["ΟΔΟΣ ΟΔΟΣ.", "İSTANBUL", "STRASSE straße"]
    database.register("words", pa.table({"word": words}))
    word = exp.column("word", quoted=True)
    query = exp.select(word, exp.alias_(exp.Lower(this=word.copy()), "folded", quoted=True)).from_(relation("words"))
    found = database.query(words_of(database.name).text(query))
    database.unregister("words")
    assert found.num_rows == len(words)
    assert [
        one
        for one, folded in zip(*(column.to_pylist() for column in found.columns), strict=True)
        if fold(one) != folded
    ] == []


def test_rule_24_gaps_shares_days_and_periods(database: Engine) -> None:
    shop = history(
        database,
        at("2026-01-01T00:00", "2026-01-31T00:00", "2026-03-02T12:00", flag=True) + at("2026-03-03T00:00", flag=False),
    )
    assert trait(shop, "avg_gap(buys where flag)", NOW)["a"] == 60.5 * 86400 / 2
    assert members(shop, "avg_gap(buys where flag) <= 31 days", NOW) == {"a"}
    assert trait(shop, "share(buys where flag)", NOW)["a"] == 0.75
    assert members(shop, "share(buys where flag) >= 75%", NOW) == {"a"}
    assert trait(shop, "periods(buys by month, last 6 months)", NOW)["a"] == 2
    assert trait(shop, "periods(buys by month at least 2, last 6 months)", NOW)["a"] == 2
    assert trait(shop, "days_since(last(buys.at))", NOW)["a"] == 12
    assert trait(shop, "days_since(last(buys.at)) * 1000000000", NOW)["a"] == 12_000_000_000
    assert trait(shop, "default(max(buys.n), 7)", NOW) == {"a": 7, "b": 7}


def test_rule_24_more_periods_than_a_number_has_bits_are_counted_one_by_one(database: Engine) -> None:
    days = (0, 60, 61, 62, 63, 99, 100)  # either side of where sixty-two days are full
    twice = [NOW - timedelta(days=100 - day, hours=hour) for day in days for hour in (0, 1)]
    shop = history(database, [{"at": moment} for moment in twice])
    assert trait(shop, "periods(buys by day, last 100 days)", NOW) == {"a": len(days), "b": 0}
    assert trait(shop, "periods(buys by day, last 100 days) * 1000000000", NOW)["a"] == len(days) * 1_000_000_000


def test_rule_05_recent_rows_and_rows_of_a_kind_are_counted_beside_each_other(database: Engine) -> None:
    old, new = NOW - timedelta(days=400), NOW - timedelta(days=2)
    rows = [
        {"at": old, "word": "x", "n": Decimal(1)}, {"at": old, "word": "y", "n": Decimal(2)},
        {"at": new, "word": "x", "n": Decimal(4)}, {"at": new, "n": None},
        {"customer_id": "b", "at": new, "n": Decimal(8)},
    ]  # fmt: skip
    texts = {
        "kind": "count(buys where word = 'x')", "late": "sum(buys.n, last 7 days)", "known": "avg(buys.n, last 7 days)",
        "both": "sum(buys.n where word = 'x', last 7 days)", "rows": "count(buys, last 7 days)",
    }  # fmt: skip
    found = run(history(database, rows), catalogue({}, traits=texts), NOW).table
    kept = {name: found[f"trait:{name}"].to_pylist() for name in texts}
    assert kept == {"kind": [2, 0], "late": [4, 8], "known": [4, 8], "both": [4, 0], "rows": [2, 1]}


def test_rule_24_days_since_counts_local_midnights(database: Engine) -> None:
    shop = people(database, a={"joined": datetime.fromisoformat("2026-03-13T23:30")})
    assert trait(shop, "days_since(joined)", NOW, "UTC")["a"] == 2
    assert trait(shop, "days_since(joined)", NOW, "Europe/Paris")["a"] == 1


def test_rule_24_an_anniversary_of_an_instant_is_that_of_its_local_day(database: Engine) -> None:
    shop = people(database, a={"joined": datetime.fromisoformat("2020-03-14T23:30")})
    assert members(shop, "anniversary(joined) in today", NOW, "Europe/Paris") == {"a"}
    assert members(shop, "anniversary(joined) in today", NOW, "UTC") == set()
