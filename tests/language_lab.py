"""A shop's vocabulary, and random definitions over it, for the tests of the language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from engine.language import tree
from engine.language.scope import WEEKDAYS
from engine.language.tree import Type, Unit
from engine.language.vocabulary import Fact, Source, Vocabulary

SHARED = Path(__file__).parents[1].parent / "shared"
CONSENT = ("subscribed", "pending", "unsubscribed", "never")


def fact(kind: str, *values: str, optional: bool = True) -> Fact:
    return Fact(type=Type(kind), values=values, optional=optional)


def facts(**kinds: str) -> dict[str, Fact]:
    """`text="city region"`: the names of each type."""
    return {name: fact(kind) for kind, names in kinds.items() for name in names.split()}


FACTS = {
    **facts(
        text="customer_id email first_name phone city region country postcode occupation education household climate_zone density "
        "language timezone utm_source utm_campaign loyalty_tier pref_frequency company_sector consent.email_basis",
        number="company_size loyalty_points lat lon lead_score rfm_r rfm_f rfm_m",
        money="income predicted_clv",
        date="birth_date",
        instant="created_at consent.email_at loyalty_points_expire_at",
        boolean="is_vip consent.tracking",
        list="interests values pref_content",
    ),
    "gender": fact("text", "female", "male", "other"),
    "consent.email": fact("text", *CONSENT, optional=False),
}
ORDER = facts(text="order_id status coupon channel", money="total discount", instant="ordered_at delivered_at")
LINE = facts(
    text="product_id brand category colour complements upgrade_of",
    money="price discount",
    number="quantity",
    instant="ordered_at delivered_at",
)
EVENT = facts(text="event_id brand product_id campaign", boolean="hard", instant="happened_at")
SOURCES = {
    "orders": Source(columns=ORDER, time="ordered_at"),
    "all_orders": Source(columns=ORDER, time="ordered_at"),
    "order_lines": Source(columns=LINE, time="ordered_at"),
    "cart_adds": Source(columns=facts(text="product_id brand category", number="quantity")),
    "views": Source(columns={**facts(text="product_id category"), "kind": fact("text", "page", "product", "download")}),
    "searches": Source(columns=facts(text="term")),
    "sessions": Source(columns=facts(text="device os browser", number="duration_s")),
    "referrals": Source(columns=facts(text="status")),
    "codes": Source(columns=facts(text="offer state", instant="expires_at redeemed_at"), time="issued_at"),
    "reviews": Source(columns=facts(number="score")),
    **{
        f"email_{kind}": Source(columns=EVENT)
        for kind in ["sends", "deliveries", "opens", "opens_all", "clicks", "bounces", "complaints", "unsubscribes"]
    },
}
VOCABULARY = Vocabulary(
    facts=FACTS,
    sources=SOURCES,
    segments=frozenset({"engaged_90", "holdout", "lc_lost"}),
    places=frozenset({"lyon"}),
)


def examples() -> list[str]:
    """The definitions of LANGUAGE.md's worked examples; skips where the document is absent."""
    text = (shared("LANGUAGE.md")).read_text("utf-8")
    section = text.split("## 5.")[1].split("## 6.")[0]
    cells = [line.rsplit(" | ", 1)[1] for line in section.splitlines() if re.match(r"\| \d", line)]
    found = [one for cell in cells for one in re.findall(r"`([^`]+)`", cell)]
    return [one for one in found if one != "CASE" and not one.startswith("[")]


def peer_cases() -> Iterator[dict[str, Any]]:
    """The peers' cases that have a definition; skips where the file is absent."""
    for line in shared("cases/peer-cases.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        if case["expr"]:
            yield case


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the checkout")
    return path


# random definitions, as the parser would build them

WHOLE = st.integers(1, 400)
CALENDAR = [Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.QUARTER, Unit.YEAR]
CLOCK = [Unit.SECOND, Unit.MINUTE, Unit.HOUR]
SHORT = st.integers(1, 40)
TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=12).filter(
    lambda text: bool(text.strip()) and text.isprintable()
)
DAYS = st.builds(tree.Day, st.dates(date(1900, 1, 1), date(2100, 1, 1)))
LOCAL = st.datetimes(datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2100-01-01"))
MOMENTS = st.builds(tree.Moment, LOCAL) | st.builds(tree.Moment, LOCAL.map(lambda one: one.replace(tzinfo=UTC)))
SHIFTED = st.builds(tree.Shifted, SHORT.flatmap(lambda n: st.sampled_from([n, -n])), st.sampled_from(list(Unit)))
POINTS = DAYS | MOMENTS | st.just(tree.Today()) | st.just(tree.Now()) | SHIFTED
UNITS = st.sampled_from(list(Unit))
MONTH_DAYS = st.dates(date(2024, 1, 1), date(2024, 12, 31)).map(lambda day: tree.MonthDay(day.month, day.day))
WINDOWS = st.one_of(
    st.builds(tree.Last, SHORT, UNITS),
    st.builds(tree.Next, SHORT, UNITS),
    st.builds(tree.This, UNITS),
    st.builds(tree.Previous, UNITS),
    st.builds(tree.Since, POINTS),
    st.builds(tree.Before, POINTS),
    st.builds(tree.On, POINTS),
    st.builds(tree.Year, st.integers(1800, 2200)),
    st.builds(tree.Month, st.integers(1800, 2200), st.integers(1, 12)),
    st.builds(tree.Season, MONTH_DAYS, MONTH_DAYS, st.just(True)),
    st.builds(tree.Span, st.just(tree.Day(date(2000, 1, 1))), DAYS.filter(lambda one: one.day.year > 2000)),
)
DECIMALS = st.decimals(-99_999, 99_999, places=2, allow_nan=False, allow_infinity=False).map(lambda one: one + 0)
NUMBERS = st.builds(tree.Number, DECIMALS) | st.builds(tree.Number, DECIMALS.map(lambda one: one / 100), st.just(True))
AMOUNTS = st.builds(tree.Amount, DECIMALS, st.just("EUR"))
SOURCE_NAMES = st.sampled_from(sorted(SOURCES))


def columns(source: str, *kinds: Type) -> list[str]:
    return [name for name, one in SOURCES[source].columns.items() if one.type in kinds]


def row_tests(source: str) -> st.SearchStrategy[tree.Test]:
    """Tests of one row."""
    known = [tree.Column(name, one.type) for name, one in SOURCES[source].columns.items()]
    texts = [one for one in known if one.type is Type.TEXT and not SOURCES[source].columns[one.name].values]
    options: list[st.SearchStrategy[Any]] = [st.builds(tree.Known, st.sampled_from(known), st.booleans())]
    if texts:
        options.append(
            st.builds(tree.Compare, st.sampled_from(["=", "!="]), st.sampled_from(texts), st.builds(tree.Text, TEXTS))
        )
        options.append(
            st.builds(tree.TextTest, st.sampled_from(["contains", "starts", "ends"]), st.sampled_from(texts), TEXTS)
        )
    numbers = [one for one in known if one.type in {Type.NUMBER, Type.MONEY}]
    if numbers:
        options.append(st.builds(tree.Compare, st.sampled_from(["<", ">="]), st.sampled_from(numbers), NUMBERS))
    one: st.SearchStrategy[tree.Test] = st.one_of(options)
    return one | st.builds(tree.Not, one) | chains(one)


def chains(one: st.SearchStrategy[tree.Test]) -> st.SearchStrategy[tree.Test]:
    """Flat conjunctions and disjunctions."""
    plain = one.filter(lambda test: not isinstance(test, tree.And | tree.Or))
    items = st.lists(plain, min_size=2, max_size=3).map(tuple)
    conjunction = st.builds(tree.And, items)
    return conjunction | st.builds(tree.Or, items) | st.builds(tree.Or, st.tuples(plain, conjunction))


def rows(source: str) -> st.SearchStrategy[tree.Rows]:
    return st.builds(tree.Rows, st.just(source), st.none() | row_tests(source))


@st.composite
def aggregates(draw: st.DrawFn) -> tree.Aggregate:
    """A number: a count, a sum, distinct values or periods."""
    source = draw(SOURCE_NAMES)
    fn = draw(st.sampled_from(["count", "sum", "avg", "distinct", "periods"]))
    numeric = columns(source, Type.NUMBER, Type.MONEY)
    if fn == "periods":
        window = tree.Last(draw(st.integers(1, 12)), Unit.MONTH)
        by = draw(st.sampled_from([Unit.WEEK, Unit.MONTH, Unit.YEAR]))
        least, step = draw(st.integers(1, 9)), draw(st.integers(1, 3))
        return tree.Aggregate(fn, draw(rows(source)), None, window, Type.NUMBER, by, step, least)
    window_or_none = draw(st.none() | WINDOWS)
    if fn in {"sum", "avg"} and numeric:
        column = draw(st.sampled_from(numeric))
        return tree.Aggregate(fn, draw(rows(source)), column, window_or_none, SOURCES[source].columns[column].type)
    if fn == "distinct":
        column = draw(st.sampled_from(sorted(SOURCES[source].columns)))
        return tree.Aggregate(fn, draw(rows(source)), column, window_or_none, Type.NUMBER)
    return tree.Aggregate("count", draw(rows(source)), None, window_or_none, Type.NUMBER)


def arithmetic(inner: st.SearchStrategy[tree.Value]) -> st.SearchStrategy[tree.Value]:
    """Sums of plain numbers, so that every operator has a meaning."""
    return st.builds(tree.Arithmetic, st.sampled_from("+-*/"), inner, inner, st.just(Type.NUMBER))


COUNTS: st.SearchStrategy[tree.Value] = aggregates().filter(lambda one: one.type is Type.NUMBER)
PLAIN: st.SearchStrategy[tree.Value] = (
    COUNTS | st.builds(tree.Number, DECIMALS) | st.just(tree.Trait("age", Type.NUMBER))
)
VALUES: st.SearchStrategy[tree.Value] = st.recursive(PLAIN, arithmetic, max_leaves=4)


@st.composite
def dids(draw: st.DrawFn) -> tree.Did:
    first, second = draw(SOURCE_NAMES), draw(SOURCE_NAMES)
    shared_columns = sorted(name for name in columns(first, Type.TEXT) if name in columns(second, Type.TEXT))
    same = draw(st.sampled_from(shared_columns)) if shared_columns and draw(st.booleans()) else None
    within = draw(st.none() | st.builds(tree.Duration, SHORT, UNITS))
    then = tree.Then(draw(rows(second)), draw(st.booleans()), same, within) if draw(st.booleans()) else None
    return tree.Did(draw(rows(first)), draw(st.none() | WINDOWS), then, never=draw(st.booleans()))


CITY = tree.Trait("city", Type.TEXT)
SINCE = tree.Trait("created_at", Type.INSTANT)
BORN = tree.Trait("birth_date", Type.DATE)
LEAVES: st.SearchStrategy[tree.Test] = st.one_of(
    st.builds(tree.Compare, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), VALUES, PLAIN),
    st.builds(tree.Between, VALUES, PLAIN, PLAIN, st.booleans()),
    st.builds(tree.OneOf, st.just(CITY), st.lists(st.builds(tree.Text, TEXTS), min_size=1, max_size=4).map(tuple), st.booleans()),
    st.builds(tree.InWindow, st.just(tree.Trait("created_at", Type.INSTANT)), WINDOWS, st.booleans()),
    st.builds(tree.InWindow, st.just(BORN), st.builds(tree.Season, MONTH_DAYS, MONTH_DAYS), st.booleans()),
    st.builds(tree.Compare, st.sampled_from(["=", "!=", "<", ">="]), st.builds(tree.CalendarPart, st.just("hour"), st.just(SINCE)), st.integers(0, 23).map(lambda one: tree.Number(Decimal(one)))),
    st.builds(tree.OneOf, st.builds(tree.CalendarPart, st.just("weekday"), st.sampled_from([BORN, SINCE])), st.lists(st.sampled_from(WEEKDAYS).map(tree.Text), min_size=1, max_size=3).map(tuple), st.booleans()),
    st.builds(tree.Between, st.builds(tree.CalendarPart, st.just("month"), st.sampled_from([BORN, SINCE])), st.just(tree.Number(Decimal(3))), st.just(tree.Number(Decimal(9))), st.booleans()),
    st.builds(tree.InWindow, st.just(tree.Anniversary(BORN)), st.builds(tree.Next, SHORT, st.just(Unit.DAY)), st.booleans()),
    st.builds(tree.Known, st.just(CITY), st.booleans()),
    st.builds(tree.TextTest, st.sampled_from(["contains", "starts", "ends"]), st.just(CITY), TEXTS),
    st.builds(tree.Has, st.sampled_from(["any", "all", "none"]), st.just(tree.Trait("interests", Type.LIST)), st.lists(TEXTS, min_size=1, max_size=3).map(tuple)),
    dids(),
    st.just(tree.InSegment("holdout")),
    st.builds(tree.Within, st.decimals(1, 900, places=1), st.just("lyon")),
    st.builds(tree.Compare, st.just("<"), st.builds(tree.Bucket, TEXTS), st.builds(tree.Number, st.integers(0, 100).map(Decimal))),
    st.just(tree.Reachable("email")),
    st.just(tree.Yes(tree.Trait("is_vip", Type.BOOLEAN))),
    st.builds(tree.Truth, st.booleans()),
    st.builds(tree.Compare, st.just(">="), st.just(tree.Trait("income", Type.MONEY)), AMOUNTS),
)  # fmt: skip


def nested(inner: st.SearchStrategy[tree.Test]) -> st.SearchStrategy[tree.Test]:
    ranked = st.builds(tree.Top, st.integers(1, 100).map(Decimal), COUNTS, st.none() | inner, st.booleans())
    chosen = st.builds(
        tree.Compare,
        st.just(">"),
        st.builds(
            tree.If, inner, st.builds(tree.Number, DECIMALS), st.builds(tree.Number, DECIMALS), st.just(Type.NUMBER)
        ),
        PLAIN,
    )
    scored = st.builds(
        tree.Compare,
        st.just("="),
        st.builds(tree.Rank, st.sampled_from([5, 10, 100]), COUNTS, st.none() | inner),
        PLAIN,
    )
    return st.builds(tree.Not, inner) | chains(inner) | ranked | chosen | scored


TESTS: st.SearchStrategy[tree.Test] = st.recursive(LEAVES, nested, max_leaves=5)
