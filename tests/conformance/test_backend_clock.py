"""Hours, weekdays, months and seasons (rules 26 and 27), from the text to the members, in the client's own time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from compute_shop import ToyShop, members, trait
from hypothesis import given, settings
from hypothesis import strategies as st
from language_lab import MONTH_DAYS, VOCABULARY

from engine.compute.backends.protocol import Engine
from engine.compute.bounds import Calendar
from engine.language import tree
from engine.language.document import from_document, to_document
from engine.language.mistakes import LanguageError
from engine.language.parser import parse_test
from engine.language.printer import to_text
from engine.language.words.dates import Dates
from engine.language.words.english import ENGLISH

NOW = datetime.fromisoformat("2026-03-15T12:00")
TICK = timedelta(microseconds=1)


def shop(database: Engine, *moments: str, tick: bool = False) -> ToyShop:
    """One customer a moment (UTC): c0 bought at the first, c1 at the second…; `tick` moves each a tick earlier."""
    rows: list[dict[str, Any]] = [
        {"customer_id": f"c{index}", "at": datetime.fromisoformat(one) - TICK * tick}
        for index, one in enumerate(moments)
    ]
    return ToyShop([{"customer_id": f"c{index}"} for index in range(len(moments) + 1)], rows, database=database)


# rule 26: hour, weekday and month are those of the local wall clock


def test_rule_26_an_hour_is_local_and_whole(database: Engine) -> None:
    bought = "did(buys where hour(at) between 18 and 22)"
    assert members(shop(database, "2026-01-10T17:00", "2026-01-10T22:00"), bought, NOW, "Europe/Paris") == {"c0"}
    early = shop(database, "2026-01-10T17:00", "2026-01-10T22:00", tick=True)
    assert members(early, bought, NOW, "Europe/Paris") == {"c1"}
    assert members(shop(database, "2026-07-10T16:00"), bought, datetime.fromisoformat("2026-08-01"), "Europe/Paris") == {"c0"}  # fmt: skip


def test_rule_26_the_hour_that_comes_twice_is_one_hour_and_the_skipped_one_never_comes(database: Engine) -> None:
    autumn, spring = datetime.fromisoformat("2026-11-01"), datetime.fromisoformat("2026-04-01")
    twice = shop(database, "2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30")
    assert members(twice, "did(buys where hour(at) = 2)", autumn, "Europe/Paris") == {"c0", "c1"}
    skipped = shop(database, "2026-03-29T00:59:59", "2026-03-29T01:00")
    assert members(skipped, "did(buys where hour(at) = 2)", spring, "Europe/Paris") == set()
    assert members(skipped, "did(buys where hour(at) = 3)", spring, "Europe/Paris") == {"c1"}
    assert members(shop(database, "2026-01-01T18:45"), "did(buys where hour(at) = 0)", NOW, "Asia/Kolkata") == {"c0"}


def test_rule_26_a_weekday_and_a_month_begin_at_local_midnight(database: Engine) -> None:
    found = shop(database, "2026-01-16T23:00", "2026-01-31T23:00", "2026-01-18T23:00")
    weekend = "did(buys where weekday(at) in ('saturday', 'sunday'))"
    assert members(found, weekend, NOW, "Europe/Paris") == {"c0", "c1"}
    assert members(found, weekend, NOW, "UTC") == {"c1", "c2"}
    assert members(found, "did(buys where month(at) = 2)", NOW, "Europe/Paris") == {"c1"}
    assert members(found, "did(buys where month(at) = 2)", NOW, "UTC") == set()


def test_rule_26_of_the_unknown_is_unknown(database: Engine) -> None:
    found = ToyShop([{"customer_id": "a", "birth_date": date(1990, 12, 24)}, {"customer_id": "b"}], database=database)
    assert members(found, "month(birth_date) = 12", NOW) == {"a"}
    assert members(found, "month(birth_date) != 12", NOW) == {"b"}
    assert members(found, "weekday(last(buys.at)) is unknown", NOW) == {"a", "b"}
    assert members(found, "hour(joined) not between 3 and 9", NOW) == {"a", "b"}


def test_rule_26_they_are_values_like_any(database: Engine) -> None:
    found = shop(database, "2026-01-17T08:10", "2026-02-02T22:05")
    assert trait(found, "weekday(last(buys.at))", NOW, "Europe/Paris") == {"c0": "saturday", "c1": "monday", "c2": None}
    assert trait(found, "hour(last(buys.at))", NOW, "Europe/Paris") == {"c0": 9, "c1": 23, "c2": None}
    assert members(found, "hour(last(buys.at)) + 1 = 24", NOW, "Europe/Paris") == {"c1"}
    assert members(found, "share(buys where hour(at) >= 18) >= 50%", NOW, "Europe/Paris") == {"c1"}


def test_rule_26_the_month_of_the_birthday_is_that_of_the_birth() -> None:
    assert to_text(parse_test("month(birthday) = 12", VOCABULARY)) == "month(birth_date) = 12"


def test_a_column_may_be_called_month_or_hour(database: Engine) -> None:
    for text in ("weekday = 3", "month > 1", "hour(a) = 3", "every = 1", "to = 2"):
        with pytest.raises(LanguageError) as caught:
            parse_test(text, VOCABULARY)
        assert caught.value.mistake.id == "unknown-name"


# rule 27: every MM-DD to MM-DD


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("every 12-01 to 12-24", {"c1", "c2"}), ("every 12-24 to 12-24", {"c2"}), ("every 12-25 to 01-05", {"c3", "c4"}),
        ("every 12-25 to 11-30", {"c0", "c3", "c4"}), ("every 02-29 to 02-29", set()),
    ],
)  # fmt: skip
def test_rule_27_a_season_holds_its_first_and_last_local_day(database: Engine, text: str, expected: set[str]) -> None:
    # the last tick of November, the first of December, the last of the 24th, the first of the 25th, 1 January
    found = shop(
        database, "2024-11-30T22:59:59.999999", "2025-11-30T23:00", "2025-12-24T22:59:59.999999", "2022-12-24T23:00", "2026-01-01T12:00",
    )  # fmt: skip
    assert members(found, f"did(buys where at in {text})", NOW, "Europe/Paris") == expected
    everyone = {"c0", "c1", "c2", "c3", "c4"}
    assert members(found, f"did(buys where at not in {text})", NOW, "Europe/Paris") == everyone - expected


def test_rule_27_a_segment_can_be_in_season_or_not(database: Engine) -> None:
    found = shop(database)
    for today, expected in (("2025-12-19T23:00", {"c0"}), ("2026-01-05T22:59", {"c0"}), ("2026-01-05T23:00", set())):
        now = datetime.fromisoformat(today)
        assert members(found, "today in every 12-20 to 01-05", now, "Europe/Paris") == expected


@pytest.mark.parametrize(
    ("today", "text", "low", "high"),
    [
        ("2026-12-24", "12-01 to 12-24", "2025-12-01", "2025-12-24"), ("2026-12-25", "12-01 to 12-24", "2026-12-01", "2026-12-24"),
        ("2026-01-05", "12-20 to 01-05", "2024-12-20", "2025-01-05"), ("2026-01-06", "12-20 to 01-05", "2025-12-20", "2026-01-05"),
        ("2026-03-15", "02-29 to 02-29", "2024-02-29", "2024-02-29"), ("2026-03-15", "02-20 to 02-29", "2026-02-20", "2026-02-28"),
        ("2026-03-15", "02-29 to 03-05", "2026-03-01", "2026-03-05"), ("2028-03-15", "02-29 to 03-05", "2028-02-29", "2028-03-05"),
    ],
)  # fmt: skip
def test_rule_27_the_previous_season_is_the_latest_that_is_over(today: str, text: str, low: str, high: str) -> None:
    window = parse_test(f"birth_date in previous {text}", VOCABULARY)
    assert isinstance(window, tree.InWindow)
    calendar = Calendar(datetime.fromisoformat(f"{today}T12:00").replace(tzinfo=UTC), ZoneInfo("Europe/Paris"))
    found = calendar.days(window.window)
    assert (found.low, found.high) == (date.fromisoformat(low), date.fromisoformat(high) + timedelta(days=1))


@given(st.datetimes(datetime.fromisoformat("1897-01-01"), datetime.fromisoformat("2105-01-01")), MONTH_DAYS, MONTH_DAYS)
@settings(max_examples=200, deadline=None)
def test_rule_27_the_words_tell_the_days_that_are_computed(
    now: datetime, start: tree.MonthDay, end: tree.MonthDay
) -> None:
    season, zone = tree.Season(start, end, previous=True), ZoneInfo("America/New_York")
    found = Calendar(now.replace(tzinfo=UTC), zone).days(season)
    low, high = Dates(lexicon=ENGLISH, now=now.replace(tzinfo=UTC), zone=zone).latest(season)
    assert (found.low, found.high) == (low, high + timedelta(days=1))


def test_rule_27_the_previous_season_bounds_rows_anywhere(database: Engine) -> None:
    found = shop(database, "2025-11-23T23:00", "2025-12-24T22:59:59", "2024-12-01T12:00")
    assert members(found, "did(buys, previous 11-24 to 12-24)", NOW, "Europe/Paris") == {"c0", "c1"}
    lapsed = "did(buys where at in every 11-24 to 12-24) and never(buys, previous 11-24 to 12-24)"
    assert members(found, lapsed, NOW, "Europe/Paris") == {"c2"}
    assert members(found, "periods(buys by week, previous 11-24 to 12-24) = 1", NOW, "Europe/Paris") == {"c0", "c1"}


@pytest.mark.parametrize("text", ["created_at in every 12-01 to 12-24", "hour(created_at) = 3", "did(orders, previous 01-07 to 02-03)"])  # fmt: skip
def test_r_seg_34_the_tree_survives_json(text: str) -> None:
    node = parse_test(text, VOCABULARY)
    assert from_document(to_document(node)) == node
    assert to_text(node) == text
