"""Hypothesis strategies: random shops and random definitions, dense where calendars and ties are awkward."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import wraps
from typing import Any

from compute_shop import COLUMNS
from hypothesis import strategies as st
from reference_time import WEEK

from engine.language import tree
from engine.language.tree import Type, Unit

TICK = timedelta(microseconds=1)
MOMENTS = [
    (datetime.fromisoformat("2024-02-29T22:30:00"), "Europe/Paris"),
    (datetime.fromisoformat("2023-02-28T12:00:00"), "Europe/Paris"),
    (datetime.fromisoformat("2026-03-29T01:00:00"), "Europe/Paris"),
    (datetime.fromisoformat("2026-03-31T21:59:59.999999"), "Europe/Paris"),
    (datetime.fromisoformat("2026-10-25T00:30:00"), "Europe/Paris"),
    (datetime.fromisoformat("2025-12-31T23:30:00"), "Europe/Paris"),
    (datetime.fromisoformat("2026-01-01T03:00:00"), "America/New_York"),
    (datetime.fromisoformat("2026-11-01T05:30:00"), "America/New_York"),
    (datetime.fromisoformat("2025-07-01T18:30:00"), "Asia/Kolkata"),
    (datetime.fromisoformat("2018-11-04T03:00:00"), "America/Sao_Paulo"),
    (datetime.fromisoformat("2026-05-31T00:00:00"), "UTC"),
]
WORDS = ["Nike", "nike", "NIKE", "Éric", "éRIC", "straße", "STRASSE", "İzmir", "a'b", "100%", "x_y", "a\\b", " z"]
NUMBERS = [Decimal(one) for one in ("0", "1", "2", "3", "0.5", "-1", "10", "99.9999", "0.0001")]
UNITS = [Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.QUARTER, Unit.YEAR]
CLOCKS = [Unit.HOUR, Unit.MINUTE, Unit.SECOND]
SOURCES = ["buys", "all_buys", "looks"]
numbers = st.sampled_from(NUMBERS)
words = st.one_of(st.sampled_from(WORDS[:4]), st.sampled_from(WORDS))
units = st.sampled_from(UNITS + CLOCKS)
small = st.integers(1, 14)
month_days = st.sampled_from(
    [tree.MonthDay(*one) for one in ((1, 1), (2, 28), (2, 29), (3, 1), (3, 29), (10, 25), (11, 4), (12, 24), (12, 31))]
)
weekdays = st.lists(st.sampled_from(WEEK).map(tree.Text), min_size=1, max_size=3).map(tuple)
every = st.builds(tree.Season, month_days, month_days)


def instants(now: datetime) -> st.SearchStrategy[datetime]:
    """Instants around now, its midnights and its months, with ties and a tick to either side."""
    days = st.sampled_from(
        [0, 0, 0, 1, 2, 3, 6, 7, 8, 28, 29, 30, 31, 59, 60, 61, 90, 92, 181, 365, 366, 730, -1, -2, -40]
    )
    hours = st.sampled_from([0, 0, 1, 2, 5, 12, 23, 24])
    ticks = st.sampled_from([0, 0, 0, 1, -1])
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = st.sampled_from([now, now, midnight])
    return st.builds(lambda at, d, h, t: at - timedelta(days=d, hours=h) + t * TICK, starts, days, hours, ticks)


def dates(now: datetime) -> st.SearchStrategy[date]:
    special = [
        date(2000, 2, 29),
        date(1996, 2, 29),
        date(1991, 2, 28),
        date(1991, 3, 1),
        date(1980, 12, 31),
        date(1980, 1, 1),
    ]
    return st.one_of(st.sampled_from(special), instants(now).map(lambda at: at.date()))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(strategy, strategy, strategy, st.none())


def customers(now: datetime) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.fixed_dictionaries(
        {
            "email": maybe(st.just("a@example.com")), "city": maybe(words), "code": maybe(words), "points": maybe(numbers),
            "vip": maybe(st.booleans()), "birth_date": maybe(dates(now)), "joined": maybe(instants(now)),
            "lat": maybe(st.sampled_from([45.0, 48.8, 45.7])), "lon": maybe(st.sampled_from([4.0, 2.3])),
            "interests": st.one_of(st.none(), st.lists(words, min_size=1, max_size=3)),
        }
    )  # fmt: skip
    return st.lists(one, min_size=1, max_size=6).map(
        lambda found: [{**row, "customer_id": f"c{index}"} for index, row in enumerate(found)]
    )


def events(now: datetime) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from([f"c{index}" for index in range(4)]), "keep": st.booleans(),
            "at": instants(now), "n": maybe(numbers), "m": maybe(numbers), "word": maybe(words), "ref": maybe(words),
            "flag": maybe(st.booleans()), "due": maybe(instants(now)), "day": maybe(dates(now)),
        }
    )  # fmt: skip
    return st.lists(one, max_size=14)


def points(now: datetime) -> st.SearchStrategy[tree.Point]:
    return st.one_of(
        dates(now).map(tree.Day),
        instants(now).map(tree.Moment),
        st.just(tree.Today()),
        st.just(tree.Now()),
        st.builds(tree.Shifted, st.sampled_from([-12, -3, -2, -1, 1, 2]), units),
    )


def windows(now: datetime) -> st.SearchStrategy[tree.Window]:
    point = points(now)
    return st.one_of(
        st.builds(tree.Last, small, units),
        st.builds(tree.Last, small, st.sampled_from(UNITS)),
        st.builds(tree.Next, small, units),
        st.sampled_from(UNITS).map(tree.This),
        st.sampled_from(UNITS).map(tree.Previous),
        point.map(tree.Since),
        point.map(tree.Before),
        st.builds(tree.Span, point, point),
        st.integers(now.year - 2, now.year + 1).map(tree.Year),
        st.builds(tree.Month, st.just(now.year), st.integers(1, 12)),
        point.map(tree.On),
        st.builds(tree.Season, month_days, month_days, st.just(True)),
    )


def anniversary_windows(now: datetime) -> st.SearchStrategy[tree.Window]:
    near = st.builds(tree.Shifted, st.integers(-40, 40), st.just(Unit.DAY))
    return st.one_of(
        st.builds(tree.Last, small, st.sampled_from(UNITS[:4])),
        st.builds(tree.Next, small, st.sampled_from(UNITS[:4])),
        st.sampled_from(UNITS).map(tree.This),
        st.sampled_from(UNITS[:4]).map(tree.Previous),
        near.map(tree.On),
        st.builds(tree.Span, near, near),
    )


def once(build: Callable[..., Any]) -> Callable[..., Any]:
    """Build a strategy once for the same arguments: the grammar is recursive, its pieces are few."""

    @wraps(build)
    def built(self: Drawing, *arguments: Any, **named: Any) -> Any:
        key = (build.__name__, arguments, tuple(named.items()))
        if key not in self.built:
            self.built[key] = build(self, *arguments, **named)
        return self.built[key]

    return built


class Drawing:
    """Definitions for one now; `depth` bounds how far they nest."""

    def __init__(self, now: datetime, traits: dict[str, Type], segments: list[str]) -> None:
        self.now, self.traits, self.segments = now, traits, segments
        self.built: dict[Any, Any] = {}

    @once
    def rows(self, depth: int = 1) -> st.SearchStrategy[tree.Rows]:
        where = st.one_of(st.none(), self.test(depth, in_row=True))
        return st.builds(tree.Rows, st.sampled_from(SOURCES), where)

    @once
    def number(self, depth: int, *, in_row: bool) -> st.SearchStrategy[tree.Value]:
        literal = numbers.map(tree.Number)
        if in_row:
            leaf = [st.sampled_from(["n", "m"]).map(lambda name: tree.Column(name, Type.NUMBER))] * 5
        else:
            leaf = [
                st.just(tree.Trait("points", Type.NUMBER)),
                st.just(tree.Trait("age", Type.NUMBER)),
                self.aggregate(),
            ]
            leaf += [st.just(tree.Trait(name, kind)) for name, kind in self.traits.items() if kind is Type.NUMBER]
            leaf.append(self.rank(depth))
        leaf.append(st.builds(tree.DaysSince, self.dated(in_row=in_row)))
        leaf.append(st.builds(tree.CalendarPart, st.just("month"), self.dated(in_row=in_row)))
        leaf.append(st.builds(tree.CalendarPart, st.just("hour"), self.instant(in_row=in_row)))
        if depth <= 0:
            return st.one_of(*leaf)
        inner = self.number(depth - 1, in_row=in_row)
        either = st.one_of(inner, literal)
        return st.one_of(
            *leaf,
            *leaf,
            st.builds(tree.Arithmetic, st.sampled_from("+-*/"), inner, either, st.just(Type.NUMBER)),
            st.builds(tree.Default, inner, either, st.just(Type.NUMBER)),
            st.builds(tree.If, self.test(depth - 1, in_row=in_row), either, either, st.just(Type.NUMBER)),
        )

    @once
    def rank(self, depth: int) -> st.SearchStrategy[tree.Value]:
        of = st.one_of(self.aggregate(), self.dated(in_row=False), st.just(tree.Trait("points", Type.NUMBER)))
        among = st.none() if depth <= 0 else st.one_of(st.none(), self.test(depth - 1, in_row=False))
        return st.builds(tree.Rank, st.sampled_from([5, 10, 100]), of, among)

    @once
    def aggregate(self) -> st.SearchStrategy[tree.Value]:
        window, number = st.one_of(st.none(), windows(self.now)), st.just(Type.NUMBER)
        column = st.sampled_from(["n", "m"])
        any_column = st.sampled_from([*COLUMNS])
        bounded = st.one_of(
            st.builds(tree.Last, small, st.sampled_from([Unit.DAY, Unit.WEEK, Unit.MONTH])),
            st.builds(tree.Previous, st.sampled_from(UNITS)),
        )
        simple = ["count", "count", "share"]
        return st.one_of(
            st.builds(tree.Aggregate, st.sampled_from(simple), self.rows(), st.none(), window, number),
            st.builds(tree.Aggregate, st.just("avg_gap"), self.rows(), st.none(), window, st.just(Type.DURATION)),
            st.builds(tree.Aggregate, st.sampled_from(["sum", "avg", "min", "max", "first", "last"]), self.rows(), column, window, number),
            st.builds(tree.Aggregate, st.just("distinct"), self.rows(), any_column, window, number),
            st.builds(
                tree.Aggregate, st.just("periods"), self.rows(), st.none(), bounded, number,
                st.sampled_from([Unit.DAY, Unit.WEEK, Unit.MONTH]), st.integers(1, 3), st.integers(1, 2),
            ),
        )  # fmt: skip

    @once
    def dated(self, *, in_row: bool) -> st.SearchStrategy[tree.Value]:
        if in_row:
            return st.sampled_from(
                [tree.Column("at", Type.INSTANT), tree.Column("due", Type.INSTANT), tree.Column("day", Type.DATE)]
            )
        fn, window = st.sampled_from(["first", "last", "min", "max"]), st.one_of(st.none(), windows(self.now))
        return st.one_of(
            st.just(tree.Trait("joined", Type.INSTANT)),
            st.just(tree.Trait("birth_date", Type.DATE)),
            st.builds(tree.Aggregate, fn, self.rows(0), st.sampled_from(["at", "due"]), window, st.just(Type.INSTANT)),
            st.builds(tree.Aggregate, fn, self.rows(0), st.just("day"), window, st.just(Type.DATE)),
        )

    @once
    def instant(self, *, in_row: bool) -> st.SearchStrategy[tree.Value]:
        return self.dated(in_row=in_row).filter(lambda one: one.type is Type.INSTANT)  # type: ignore[union-attr]

    @once
    def text(self, *, in_row: bool) -> st.SearchStrategy[tree.Value]:
        if in_row:
            return st.sampled_from([tree.Column("word", Type.TEXT), tree.Column("ref", Type.TEXT)])
        fn, window = st.sampled_from(["first", "last", "most_frequent"]), st.one_of(st.none(), windows(self.now))
        facts = [tree.Trait("city", Type.TEXT), tree.Trait("code", Type.TEXT)]
        facts += [tree.Trait(name, kind) for name, kind in self.traits.items() if kind is Type.TEXT]
        column = st.sampled_from(["word", "ref"])
        return st.one_of(
            st.sampled_from(facts), st.builds(tree.Aggregate, fn, self.rows(0), column, window, st.just(Type.TEXT))
        )

    @once
    def test(self, depth: int, *, in_row: bool) -> st.SearchStrategy[tree.Test]:
        number, dated, text = self.number(depth, in_row=in_row), self.dated(in_row=in_row), self.text(in_row=in_row)
        op, signs, signed = (
            st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
            st.sampled_from(["=", "!="]),
            st.booleans(),
        )
        literal, point = numbers.map(tree.Number), points(self.now)
        leaves: list[st.SearchStrategy[tree.Test]] = [
            st.builds(tree.Compare, op, number, literal),
            st.builds(tree.Compare, op, literal, number),
            st.builds(tree.Compare, op, number, number),
            st.builds(tree.Compare, op, dated, point),
            st.builds(tree.Compare, op, dated, dated),
            st.builds(tree.Compare, signs, text, words.map(tree.Text)),
            st.builds(tree.Compare, signs, text, text),
            st.builds(tree.Between, number, literal, literal, signed),
            st.builds(tree.Between, dated, point, point, signed),
            st.builds(tree.OneOf, number, st.lists(literal, min_size=1, max_size=3).map(tuple), signed),
            st.builds(tree.OneOf, text, st.lists(words.map(tree.Text), min_size=1, max_size=3).map(tuple), signed),
            st.builds(tree.InWindow, dated, windows(self.now), signed),
            st.builds(tree.InWindow, dated, every, signed),
            st.builds(tree.OneOf, st.builds(tree.CalendarPart, st.just("weekday"), dated), weekdays, signed),
            st.builds(tree.Compare, signs, text, st.builds(tree.CalendarPart, st.just("weekday"), dated)),
            st.builds(tree.InWindow, dated.map(tree.Anniversary), anniversary_windows(self.now), signed),
            st.builds(tree.Known, st.one_of(number, dated, text), signed),
            st.builds(tree.TextTest, st.sampled_from(["contains", "starts", "ends"]), text, st.sampled_from([*WORDS, "n", "E", "%", "_", "ss"])),
            st.just(tree.Yes(tree.Column("flag", Type.BOOLEAN) if in_row else tree.Trait("vip", Type.BOOLEAN))),
        ]  # fmt: skip
        if not in_row:
            leaves += self.of_customers(depth)
        found = st.one_of(*leaves)
        if depth <= 0:
            return found
        inner = self.test(depth - 1, in_row=in_row)
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(found, found, several.map(tree.And), several.map(tree.Or), inner.map(tree.Not))

    @once
    def of_customers(self, depth: int) -> list[st.SearchStrategy[tree.Test]]:
        among = st.none() if depth <= 0 else st.one_of(st.none(), self.test(depth - 1, in_row=False))
        ranked = st.one_of(self.aggregate(), self.dated(in_row=False))
        percents = st.sampled_from([Decimal(10), Decimal(20), Decimal("33.3"), Decimal(50), Decimal(100)])
        edges = st.sampled_from([Decimal(one) for one in ("0", "10", "33.3", "50", "99.99", "100")])
        found: list[st.SearchStrategy[tree.Test]] = [
            self.did(),
            self.did(),
            st.builds(tree.Top, percents, ranked, among, st.booleans()),
            st.builds(
                tree.Has, st.sampled_from(["any", "all", "none"]), st.just(tree.Trait("interests", Type.LIST)),
                st.lists(words, min_size=1, max_size=2).map(tuple),
            ),
            st.builds(tree.Compare, st.sampled_from(["<", "<=", ">", ">="]), st.just(tree.Bucket("s")), edges.map(tree.Number)),
            st.builds(tree.Within, st.sampled_from([Decimal(1), Decimal(100), Decimal(1000)]), st.just("lyon")),
        ]  # fmt: skip
        if self.segments:
            found.append(st.sampled_from(self.segments).map(tree.InSegment))
        return found

    @once
    def about_text(self) -> st.SearchStrategy[tree.Test]:
        text, signed = self.text(in_row=False), st.booleans()
        several = st.lists(words.map(tree.Text), min_size=1, max_size=3).map(tuple)
        return st.one_of(
            st.builds(tree.Compare, st.sampled_from(["=", "!="]), text, words.map(tree.Text)),
            st.builds(tree.OneOf, text, several, signed),
            st.builds(tree.TextTest, st.sampled_from(["contains", "starts", "ends"]), text, words),
        )

    @once
    def did(self) -> st.SearchStrategy[tree.Test]:
        length = st.one_of(
            st.builds(tree.Duration, small, units), st.builds(tree.Duration, st.integers(1, 3), st.sampled_from(UNITS))
        )
        same = st.one_of(st.none(), st.none(), st.sampled_from(["word", "ref", "n", "day"]))

        def sequel(rows: tree.Rows) -> st.SearchStrategy[tree.Then | None]:
            answer = st.one_of(st.just(rows), self.rows(), st.builds(tree.Rows, st.sampled_from(SOURCES)))
            return st.one_of(st.none(), st.builds(tree.Then, answer, st.booleans(), same, st.one_of(st.none(), length)))

        window = st.one_of(st.none(), windows(self.now))
        plain = st.one_of(st.builds(tree.Rows, st.sampled_from(SOURCES)), self.rows())
        return plain.flatmap(lambda rows: st.builds(tree.Did, st.just(rows), window, sequel(rows), st.booleans()))
