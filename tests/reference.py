"""The segment language, customer by customer and row by row: slow, plain, and independent of engine/compute.

The oracle of every backend. Instants are naive UTC datetimes, money and numbers Decimal, unknown is None. Days are
compared as local dates (reference_time), where compute compares instants with midnights: two ways to one answer.
"""

from __future__ import annotations

import hashlib
import math
import operator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from reference_time import FIXED, TICK, WEEK, Calendar, shift

from engine.language import tree

OPERATORS = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
POINTS = (tree.Day, tree.Moment, tree.Today, tree.Now, tree.Shifted)


@dataclass(kw_only=True)
class World(Calendar):
    """A shop as lists of dicts: customers by the language's names, rows of each source already filtered."""

    customers: list[dict[str, Any]]
    sources: dict[str, list[dict[str, Any]]]
    time: str = "at"
    exact: frozenset[str] = frozenset({"customer_id"})  # names of facts and columns that are ids or closed lists
    traits: dict[str, Any] = field(default_factory=dict)
    segments: dict[str, Any] = field(default_factory=dict)
    groups: tuple[tuple[str, ...], ...] = ()
    reachable: dict[str, Any] = field(default_factory=dict)
    places: dict[str, tuple[float, float]] = field(default_factory=dict)
    seen: dict[Any, Any] = field(default_factory=dict)  # what was found once: ranks and segments of everybody

    def members(self, test: tree.Test) -> set[str]:
        return {one["customer_id"] for one in self.customers if Eye(self, one).holds(test)}

    def member_of(self, segment: str) -> set[str]:
        if ("segment", segment) not in self.seen:
            self.seen["segment", segment] = self._member_of(segment)
        return set(self.seen["segment", segment])

    def _member_of(self, segment: str) -> set[str]:
        found = self.members(self.segments[segment])
        for group in self.groups:
            if segment in group:
                for earlier in group[: group.index(segment)]:
                    found -= self.members(self.segments[earlier])
        return found


def fold(text: str) -> str:
    return "".join("i" if letter == "İ" else letter.lower() for letter in text)


def number(found: Any) -> Any:
    return Decimal(found) if isinstance(found, int) and not isinstance(found, bool) else found


def alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Two numbers of one kind: an exact one beside a double becomes a double."""
    left, right = number(left), number(right)
    if isinstance(left, float) or isinstance(right, float):
        return float(left), float(right)
    return left, right


@dataclass
class Eye:
    """One customer, or within `where` one row."""

    world: World
    customer: dict[str, Any]
    row: dict[str, Any] | None = None

    # tests

    def holds(self, test: tree.Test) -> bool:
        return bool(getattr(self, f"_{type(test).__name__.lower()}")(test))

    def _and(self, test: tree.And) -> bool:
        return all(self.holds(item) for item in test.items)

    def _or(self, test: tree.Or) -> bool:
        return any(self.holds(item) for item in test.items)

    def _not(self, test: tree.Not) -> bool:
        return not self.holds(test.item)

    def _truth(self, test: tree.Truth) -> bool:
        return test.value

    def _yes(self, test: tree.Yes) -> bool:
        return self.value(test.of) is True

    def _compare(self, test: tree.Compare) -> bool:  # noqa: PLR0911 - one return a kind of comparison reads plainest
        if test.op == "!=":
            return not self._compare(tree.Compare("=", test.left, test.right))
        if isinstance(test.left, tree.Bucket):
            return OPERATORS[test.op](self.bucket(test.left.salt), Fraction(test.right.value))
        if isinstance(test.left, tree.Anniversary):
            return self._inwindow(tree.InWindow(test.left, tree.On(test.right)))
        if isinstance(test.right, POINTS):
            left = self.value(test.left)
            return left is not None and OPERATORS[test.op](self.world.place(left, test.right), 0)
        left, right = self.value(test.left), self.value(test.right)
        if left is None or right is None:
            return False
        average = self.average(test.left)
        if average is not None and isinstance(test.right, (tree.Number, tree.Amount)):
            return OPERATORS[test.op](average, Fraction(right))
        if isinstance(left, str):
            is_exact = self.is_exact(test.left) or self.is_exact(test.right)
            return OPERATORS[test.op](*((left, right) if is_exact else (fold(left), fold(right))))
        if isinstance(left, date) and isinstance(left, datetime) != isinstance(right, datetime):
            left, right = self.world.day(left), self.world.day(right)
        return OPERATORS[test.op](*(alike(left, right) if not isinstance(left, (date, bool)) else (left, right)))

    def _between(self, test: tree.Between) -> bool:
        low, high = tree.Compare(">=", test.of, test.low), tree.Compare("<=", test.of, test.high)
        return (self._compare(low) and self._compare(high)) != test.negated

    def _oneof(self, test: tree.OneOf) -> bool:
        return any(self._compare(tree.Compare("=", test.of, one)) for one in test.values) != test.negated

    def _inwindow(self, test: tree.InWindow) -> bool:
        if isinstance(test.of, tree.Anniversary):
            born = self.value(test.of.of)
            found = born is not None and self.world.anniversary_in(test.window, self.world.day(born))
        else:
            at = self.value(test.of)
            found = at is not None and self.world.inside(test.window, at)
        return found != test.negated

    def _known(self, test: tree.Known) -> bool:
        return (self.value(test.of) is None) == test.negated

    def _texttest(self, test: tree.TextTest) -> bool:
        text, part = self.value(test.of), test.text
        if text is None:
            return False
        if not self.is_exact(test.of):
            text, part = fold(text), fold(part)
        return {"contains": part in text, "starts": text.startswith(part), "ends": text.endswith(part)}[test.how]

    def _has(self, test: tree.Has) -> bool:
        mine = {fold(one) for one in self.value(test.of) or ()}
        found = [fold(one) in mine for one in test.values]
        return {"any": any(found), "all": all(found), "none": not any(found)}[test.how]

    def _did(self, test: tree.Did) -> bool:
        rows = self.rows(test.rows, test.window)
        found = bool(rows) if test.then is None else any(self.followed(row, test, test.then) for row in rows)
        return found != test.never

    def followed(self, first: dict[str, Any], test: tree.Did, then: tree.Then) -> bool:
        time, world = self.world.time, self.world
        if then.same is not None and first[then.same] is None:
            return False
        later = operator.gt if test.rows == then.rows else operator.ge
        limit = None if then.within is None else self.limit(first[time], then.within)
        answers = [
            row
            for row in self.rows(then.rows, None)
            if later(row[time], first[time])
            and (limit is None or row[time] <= limit)
            and (then.same is None or self.agree(first[then.same], row[then.same], then.same))
        ]
        if then.negated:
            return not answers and (limit is None or limit <= world.instant())
        return bool(answers)

    def agree(self, mine: Any, other: Any, name: str) -> bool:
        if isinstance(mine, str) and isinstance(other, str) and name not in self.world.exact:
            return fold(mine) == fold(other)
        return other is not None and mine == other

    def limit(self, at: datetime, within: tree.Duration) -> datetime:
        if within.unit in FIXED:
            return at + timedelta(seconds=within.n * FIXED[within.unit])
        wall = self.world.local(at).replace(tzinfo=None, fold=0)
        return self.world.utc(datetime.combine(shift(wall.date(), within.n, within.unit), wall.time()))

    def _insegment(self, test: tree.InSegment) -> bool:
        return self.customer["customer_id"] in self.world.member_of(test.name)

    def _reachable(self, test: tree.Reachable) -> bool:
        return self.holds(self.world.reachable[test.channel]) and self.customer["email"] is not None

    def _within(self, test: tree.Within) -> bool:
        if self.customer["lat"] is None or self.customer["lon"] is None:
            return False
        here = [math.radians(self.customer["lat"]), math.radians(self.customer["lon"])]
        there = [math.radians(one) for one in self.world.places[test.place]]
        north, east = (math.sin((a - b) / 2) ** 2 for a, b in zip(here, there, strict=True))
        return 2 * 6371 * math.asin(math.sqrt(north + math.cos(here[0]) * math.cos(there[0]) * east)) <= test.km

    def _top(self, test: tree.Top) -> bool:
        mine, everyone = self.population(test.by, test.among)
        better = sum(one < mine if test.bottom else one > mine for one in everyone) if mine is not None else 0
        return mine is not None and better * 100 < test.percent * len(everyone)

    # values

    def value(self, node: tree.Value) -> Any:
        return getattr(self, f"_value_{type(node).__name__.lower()}")(node)

    def _value_number(self, node: tree.Number) -> Decimal:
        return node.value

    _value_amount = _value_text = _value_truth = _value_number

    def _value_duration(self, node: tree.Duration) -> int:
        return node.n * FIXED[node.unit]

    def _value_day(self, node: tree.Point) -> date | datetime:
        moment = self.world.moment(node)
        return self.world.point_day(node) if moment is None else moment

    _value_moment = _value_today = _value_now = _value_shifted = _value_day

    def _value_column(self, node: tree.Column) -> Any:
        return self.row[node.name] if self.row else None

    def _value_trait(self, node: tree.Trait) -> Any:
        if node.name in self.world.traits:
            return self.value(self.world.traits[node.name])
        if node.name == "age":
            return self.age(self.customer["birth_date"])
        return self.customer[node.name]

    def age(self, born: date | None) -> int | None:
        today = self.world.today()
        if born is None or born > today:
            return None
        return today.year - born.year - (self.world.celebrated(born, today.year) > today)

    def _value_arithmetic(self, node: tree.Arithmetic) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if left is None or right is None:
            return None
        if node.op == "/":
            return float(left) / float(right) if right else None
        left, right = alike(left, right)
        return {"+": left + right, "-": left - right, "*": left * right}[node.op]

    def _value_if(self, node: tree.If) -> Any:
        return self.typed(node.then if self.holds(node.test) else node.otherwise, node.type)

    def _value_default(self, node: tree.Default) -> Any:
        found = self.value(node.of)
        return self.typed(node.fallback if found is None else node.of, node.type)

    def typed(self, node: tree.Value, kind: tree.Type) -> Any:
        found = self.value(node)
        if kind is tree.Type.INSTANT and found is not None and not isinstance(found, datetime):
            return self.world.utc(datetime.combine(found, datetime.min.time()))
        return found

    def _value_dayssince(self, node: tree.DaysSince) -> int | None:
        found = self.value(node.of)
        return None if found is None else (self.world.today() - self.world.day(found)).days

    def _value_calendarpart(self, node: tree.CalendarPart) -> Any:
        found = self.value(node.of)
        if found is None:
            return None
        if node.part == "hour":
            return self.world.local(found).hour
        day = self.world.day(found)
        return day.month if node.part == "month" else WEEK[day.weekday()]

    def _value_rank(self, node: tree.Rank) -> int | None:
        mine, everyone = self.population(node.of, node.among)
        if mine is None:
            return None
        return math.ceil(Fraction(node.parts * sum(one <= mine for one in everyone), len(everyone)))

    def population(self, of: tree.Value, among: tree.Test | None) -> tuple[Any, list[Any]]:
        key = ("ranked", of, among)
        if key not in self.world.seen:
            eyes = [Eye(self.world, one) for one in self.world.customers]
            ranked = [eye.value(of) if among is None or eye.holds(among) else None for eye in eyes]
            self.world.seen[key] = ranked
        ranked = self.world.seen[key]
        mine = ranked[self.world.customers.index(self.customer)]
        return mine, [one for one in ranked if one is not None]

    def bucket(self, salt: str) -> Fraction:
        digits = hashlib.md5(f"{salt}:{self.customer['customer_id']}".encode()).hexdigest()[:8]  # noqa: S324 - the rule's own hash
        return Fraction(int(digits, 16) * 100, 2**32)

    # rows

    def rows(self, rows: tree.Rows, window: tree.Window | None) -> list[dict[str, Any]]:
        found, world = [], self.world
        for row in world.sources[rows.source]:
            at = row[world.time]
            mine = row["customer_id"] == self.customer["customer_id"] and at is not None
            if not mine or (at > world.instant() and not world.names_future(window)):
                continue
            in_time = window is None or world.inside(window, at)
            if in_time and (rows.where is None or Eye(world, self.customer, row).holds(rows.where)):
                found.append(row)
        return found

    def known(self, node: tree.Aggregate) -> list[dict[str, Any]]:
        """The rows whose column is known, oldest first."""
        rows = self.rows(node.rows, node.window)
        return [row for row in rows if node.column is None or row[node.column] is not None]

    def average(self, node: tree.Value) -> Fraction | None:
        if isinstance(node, tree.Trait):
            node = self.world.traits.get(node.name)
        if not isinstance(node, tree.Aggregate) or node.fn != "avg":
            return None
        found = [Fraction(row[node.column]) for row in self.known(node)]
        return sum(found, Fraction(0)) / len(found) if found else None

    def _value_aggregate(self, node: tree.Aggregate) -> Any:  # noqa: C901, PLR0911 - one case a function reads plainest
        rows, time = self.known(node), self.world.time
        found = [row[node.column] for row in rows] if node.column else []
        match node.fn:
            case "count":
                return len(rows)
            case "sum":
                return sum(found, Decimal(0))
            case "avg":
                return float(sum(found)) / float(len(found)) if found else None
            case "min" | "max":
                return (min if node.fn == "min" else max)(found, default=None)
            case "first":
                return min(rows, key=lambda row: (row[time], -row["row_id"]))[node.column] if rows else None
            case "last":
                return max(rows, key=lambda row: (row[time], row["row_id"]))[node.column] if rows else None
            case "distinct":
                return len({self.key(one, node) for one in found})
            case "most_frequent":
                return self.favourite(rows, node)
            case "share":
                everything = self.rows(tree.Rows(node.rows.source), node.window)
                return float(len(rows)) / float(len(everything)) if everything else None
            case "avg_gap":
                times = sorted(row[time] for row in rows)
                gap = (times[-1] - times[0]) // TICK if times else 0
                return float(gap) / float((len(times) - 1) * 10**6) if len(times) > 1 else None
        return self.periods(rows, node)

    def key(self, found: Any, node: tree.Aggregate) -> Any:
        return fold(found) if isinstance(found, str) and node.column not in self.world.exact else found

    def favourite(self, rows: list[dict[str, Any]], node: tree.Aggregate) -> Any:
        groups: dict[Any, list[dict[str, Any]]] = {}
        for row in rows:
            groups.setdefault(self.key(row[node.column], node), []).append(row)
        if not groups:
            return None
        most = max(len(group) for group in groups.values())
        latest = {
            key: max(row[self.world.time] for row in group) for key, group in groups.items() if len(group) == most
        }
        newest = max(latest.values())
        best = min(key for key, at in latest.items() if at == newest)
        return min(row[node.column] for row in groups[best])

    def periods(self, rows: list[dict[str, Any]], node: tree.Aggregate) -> int:
        """Rows by the period of their local day, periods counted in steps from that of the window's first day."""
        day = self.world.today()
        while self.world.inside(node.window, day - timedelta(days=1)):
            day -= timedelta(days=1)
        while not self.world.inside(node.window, day):
            day -= timedelta(days=1)
            while self.world.inside(node.window, day - timedelta(days=1)):
                day -= timedelta(days=1)
        start, counts = self.world.first(day, node.by), dict[date, int]()
        for row in rows:
            found = start
            while shift(found, node.step, node.by) <= self.world.day(row[self.world.time]):
                found = shift(found, node.step, node.by)
            counts[found] = counts.get(found, 0) + 1
        return sum(count >= node.least for count in counts.values())

    def is_exact(self, node: Any) -> bool:
        if isinstance(node, (tree.If, tree.Default)):
            parts = (node.then, node.otherwise) if isinstance(node, tree.If) else (node.of, node.fallback)
            return any(self.is_exact(one) for one in parts)
        if isinstance(node, tree.Aggregate):
            return node.column in self.world.exact
        if isinstance(node, tree.Trait) and node.name in self.world.traits:
            return self.is_exact(self.world.traits[node.name])
        if isinstance(node, tree.CalendarPart):
            return True
        return isinstance(node, (tree.Trait, tree.Column)) and node.name in self.world.exact
