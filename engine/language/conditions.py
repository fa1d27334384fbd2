"""Tests: everything that is true or false for a customer, or for a row, each checked where it is built."""

from __future__ import annotations

import re

from engine.language.aggregation import build_rows
from engine.language.checks import (
    ORDERING,
    check_bucket,
    check_literal,
    check_order,
    check_pair,
    describe,
    describe_typed,
    refuse_bucket,
    refuse_consent,
    refuse_in_row,
)
from engine.language.dispatch import TESTS, build_test, build_value, inner, maybe, rule
from engine.language.kinds import TIME, family, type_of
from engine.language.mistakes import Wrong, suggest
from engine.language.points import build_row_window, build_window, is_clock, number_of, place_of, span_of, token
from engine.language.printer import to_text
from engine.language.scope import Scope
from engine.language.syntax import WIDEST, Branch, place
from engine.language.tree import (
    Amount,
    And,
    Anniversary,
    Between,
    CalendarPart,
    Compare,
    Day,
    Did,
    Duration,
    Has,
    If,
    InSegment,
    InWindow,
    Known,
    Last,
    Moment,
    Next,
    Not,
    Number,
    On,
    OneOf,
    Or,
    Previous,
    Reachable,
    Span,
    Test,
    Text,
    TextTest,
    Then,
    This,
    Top,
    Truth,
    Type,
    Value,
    Window,
    Within,
)
from engine.language.values import build_rankable, unquote

_LITERALS = (Text, Number, Amount, Day, Moment, Duration, Truth)
_YEARLESS = (Last, Next, This, Previous, On, Span)
_PERCENT = 100


@rule(TESTS, "or_test")
def _or(branch: Branch, scope: Scope) -> Test:
    return Or(_items(branch, scope, Or), at=place(branch))


@rule(TESTS, "and_test")
def _and(branch: Branch, scope: Scope) -> Test:
    return And(_items(branch, scope, And), at=place(branch))


def _items(branch: Branch, scope: Scope, kind: type[And | Or]) -> tuple[Test, ...]:
    """The tests of a chain; one of the same kind within brackets is part of it."""
    items: list[Test] = []
    for index in range(len(branch.children)):
        one = build_test(inner(branch, index), scope)
        items += one.items if isinstance(one, kind) else (one,)
    return tuple(items)


@rule(TESTS, "negation")
def _not(branch: Branch, scope: Scope) -> Test:
    item = build_test(inner(branch, 1), scope)
    refuse_consent(item)
    return Not(item, at=place(branch))


@rule(TESTS, "comparison")
def _compare(branch: Branch, scope: Scope) -> Test:
    left, op = build_value(inner(branch, 0), scope), token(branch, 1)
    right = _compared(inner(branch, 2), left, scope)
    check_pair(left, right, scope)
    check_bucket(left, right)
    if op in ORDERING:
        check_order(left)
    if op == "!=":
        refuse_consent(left, right)
    return Compare(op, left, right, at=place(branch))


def _compared(branch: Branch, left: Value, scope: Scope) -> Value:
    """What is compared with a value; beside a date `6 months` was meant as a point in time."""
    if str(branch.data) == "duration" and type_of(left) in TIME:
        n, unit = span_of(branch, 0)
        text = to_text(Duration(n, unit))
        what = {"left": describe_typed(left), "right": f"{text} (a duration)"}
        raise Wrong("wrong-type", place(branch), f"write a date: {text} ago", **what)
    return build_value(branch, scope)


@rule(TESTS, "between")
def _between(branch: Branch, scope: Scope) -> Test:
    of, low, high = (build_value(inner(branch, index), scope) for index in (0, 2, 3))
    negated = branch.children[1] is not None
    for end in (low, high):
        check_pair(of, end, scope)
        check_bucket(of, end)
    check_order(of)
    _check_forwards(of, low, high)
    if negated:
        refuse_consent(of)
    return Between(of, low, high, negated, at=place(branch))


def _check_forwards(of: Value, low: Value, high: Value) -> None:
    """Hours and months come round again; a range of them does not."""
    if isinstance(of, CalendarPart) and isinstance(low, Number) and isinstance(high, Number) and low.value > high.value:
        hint = f"write {to_text(of)} >= {to_text(low)} or {to_text(of)} <= {to_text(high)}"
        raise Wrong("backwards-range", low.at, hint)


@rule(TESTS, "one_of")
def _one_of(branch: Branch, scope: Scope) -> Test:
    of, negated = build_value(inner(branch, 0), scope), branch.children[1] is not None
    values = tuple(build_value(inner(branch, index), scope) for index in range(2, len(branch.children)))
    _check_size(len(values), place(branch))
    refuse_bucket(of)
    for value in values:
        if not isinstance(value, _LITERALS):
            raise Wrong("not-a-literal", value.at, "compare it with = instead")
        check_pair(of, value, scope)
    if negated:
        refuse_consent(of)
    return OneOf(of, values, negated, at=place(branch))


def _check_size(count: int, at: int) -> None:
    if count > WIDEST:
        raise Wrong("too-many", at, "load a longer list as a customer list", count=count, what="values", limit=WIDEST)


@rule(TESTS, "in_window")
def _in_window(branch: Branch, scope: Scope) -> Test:
    of, negated = build_value(inner(branch, 0), scope), branch.children[1] is not None
    window = build_window(inner(branch, 2))
    if type_of(of) not in TIME:
        hint = "a list stands between brackets: in ('a', 'b')" if isinstance(window, On) else None
        raise Wrong("not-a-date", of.at, hint, what=describe_typed(of))
    if isinstance(of, Anniversary):
        _check_yearless(window)
    if negated:
        refuse_consent(of)
    return InWindow(of, window, negated, at=place(branch))


def _check_yearless(window: Window) -> None:
    by_clock = isinstance(window, Last | Next | This | Previous) and is_clock(window.unit)
    if by_clock or not isinstance(window, _YEARLESS):
        hint = "for example: birthday in next 7 days, birthday in this month; month(birth_date) = 12"
        raise Wrong("anniversary-window", window.at, hint)


@rule(TESTS, "known")
def _known(branch: Branch, scope: Scope) -> Test:
    of = build_value(inner(branch, 0), scope)
    refuse_bucket(of)
    return Known(of.of if isinstance(of, Anniversary) else of, token(branch, 1).lower() == "unknown", at=place(branch))


@rule(TESTS, "text_test")
def _text_test(branch: Branch, scope: Scope) -> Test:
    of, text = build_value(inner(branch, 0), scope), unquote(token(branch, 2), place_of(branch, 2))
    if type_of(of) is not Type.TEXT:
        hint = f"write {describe(of)[1:-1]} has '{text}'" if type_of(of) is Type.LIST else None
        raise Wrong("not-a-text", of.at, hint, what=describe_typed(of))
    if not text.strip():
        raise Wrong("blank-text", place_of(branch, 2), "write 'is known'")
    return TextTest(re.split(r"\s", token(branch, 1).lower())[0], of, text, at=place(branch))


@rule(TESTS, "has")
def _has(branch: Branch, scope: Scope) -> Test:
    return _list_test(branch, scope, "any", 1)


@rule(TESTS, "has_many")
def _has_many(branch: Branch, scope: Scope) -> Test:
    return _list_test(branch, scope, token(branch, 1).lower(), 2)


def _list_test(branch: Branch, scope: Scope, how: str, start: int) -> Test:
    refuse_in_row("has", place(branch), scope)
    of = build_value(inner(branch, 0), scope)
    if type_of(of) is not Type.LIST:
        hint = "use = or in (…)" + (", contains" if type_of(of) is Type.TEXT else "")
        raise Wrong("not-a-list", of.at, hint, what=describe_typed(of))
    places = range(start, len(branch.children))
    _check_size(len(places), place(branch))
    texts = [
        Text(unquote(token(branch, index), place_of(branch, index)), at=place_of(branch, index)) for index in places
    ]
    for text in texts:
        check_literal(of, text, scope)
    if how == "none":
        refuse_consent(of)
    return Has(how, of, tuple(text.value for text in texts), at=place(branch))


@rule(TESTS, "did")
def _did(branch: Branch, scope: Scope) -> Test:
    word, at = token(branch, 0).lower(), place(branch)
    refuse_in_row(f"{word}()", at, scope)
    rows = build_rows(inner(branch, 1), scope)
    window, then = maybe(branch, 2), maybe(branch, 3)
    time = scope.vocabulary.sources[rows.source].time
    return Did(
        rows,
        None if window is None else build_row_window(window, rows.source, time),
        None if then is None else _then(then, rows.source, scope),
        never=word == "never",
        at=at,
    )


def _then(branch: Branch, first: str, scope: Scope) -> Then:
    negated, rows = branch.children[0] is not None, build_rows(inner(branch, 1), scope)
    same = None if branch.children[2] is None else _same(branch, first, rows.source, scope)
    within: Duration | None = None
    if branch.children[3] is not None:
        within = Duration(*span_of(branch, 3), at=place_of(branch, 3))
    return Then(rows, negated, same, within, at=place(branch))


def _same(branch: Branch, first: str, second: str, scope: Scope) -> str:
    name, at = token(branch, 2), place_of(branch, 2)
    sources = scope.vocabulary.sources
    shared = sources[first].columns.keys() & sources[second].columns.keys()
    for source, other in ((first, second), (second, first)):
        if name in sources[source].columns and name not in shared:
            hint = suggest(name, shared, "columns of both")
            raise Wrong("not-shared", at, hint, name=name, source=source, other=other)
    if name not in shared:
        raise Wrong("unknown-column", at, suggest(name, shared, "columns of both"), name=name, source=first)
    kinds = [sources[source].columns[name].type for source in (first, second)]
    if kinds[1] not in family(kinds[0]):
        raise Wrong("not-shared", at, "its type differs", name=name, source=first, other=second)
    return name


@rule(TESTS, "in_segment")
def _in_segment(branch: Branch, scope: Scope) -> Test:
    refuse_in_row("in segment", place(branch), scope)
    name, at = token(branch, 0), place_of(branch, 0)
    if name not in scope.vocabulary.segments:
        raise Wrong("unknown-segment", at, suggest(name, scope.vocabulary.segments, "segments"), name=name)
    return InSegment(name, at=at)


@rule(TESTS, "within")
def _within(branch: Branch, scope: Scope) -> Test:
    refuse_in_row("within … km of", place(branch), scope)
    name, places = token(branch, 1), scope.vocabulary.places
    if name not in places:
        hint = suggest(name, places, "places") or f"declare it: [places.{name}] with lat and lon"
        raise Wrong("unknown-place", place_of(branch, 1), hint, name=name)
    if not {"lat", "lon"} <= scope.vocabulary.facts.keys():
        raise Wrong("no-position", place(branch), "add the columns lat and lon to customers")
    return Within(number_of(token(branch, 0), place(branch)), name, at=place(branch))


@rule(TESTS, "ranked")
def _ranked(branch: Branch, scope: Scope) -> Test:
    word, text = token(branch, 0).lower(), token(branch, 1)
    refuse_in_row(word, place(branch), scope)
    percent = number_of(text, place_of(branch, 1))
    if not 0 < percent <= _PERCENT:
        raise Wrong("percent", place_of(branch, 1), None, number=text)
    by, among = build_rankable(inner(branch, 2), scope, word), maybe(branch, 3)
    tested = None if among is None else build_test(among, scope)
    return Top(percent, by, tested, bottom=word == "bottom", at=place(branch))


@rule(TESTS, "reachable")
def _reachable(branch: Branch, scope: Scope) -> Test:
    refuse_in_row("reachable()", place(branch), scope)
    name, at = token(branch, 0), place_of(branch, 0)
    if name not in scope.vocabulary.channels:
        raise Wrong("unknown-channel", at, suggest(name, scope.vocabulary.channels, "channels"), name=name)
    return Reachable(name, at=at)


def as_value(test: Test) -> Value:
    """A test as the value of a trait: yes or no."""
    return If(test, Truth(value=True), Truth(value=False), Type.BOOLEAN, at=test.at)
