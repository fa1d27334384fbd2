"""Rows and what is reckoned from them: count, sum, last and their kin."""

from __future__ import annotations

from engine.language.checks import refuse_in_row
from engine.language.dispatch import VALUES, build_test, inner, maybe, rule
from engine.language.kinds import NUMERIC, ORDERED, SPOKEN
from engine.language.mistakes import Wrong
from engine.language.points import build_row_window, place_of, token, unit_days, unit_of, whole_of, window_days
from engine.language.scope import Scope
from engine.language.syntax import Branch, place
from engine.language.tree import Aggregate, Rows, Type, Unit, Value, Window

_SCALAR = frozenset(Type) - {Type.LIST}
_SAME: Type | None = None
# function: the types of column that it takes, and the type of its result (None: the column's own)
_OF_COLUMN: dict[str, tuple[frozenset[Type], Type | None]] = {
    "sum": (NUMERIC | {Type.DURATION}, _SAME),
    "avg": (NUMERIC | {Type.DURATION}, _SAME),
    "min": (ORDERED, _SAME),
    "max": (ORDERED, _SAME),
    "first": (_SCALAR, _SAME),
    "last": (_SCALAR, _SAME),
    "distinct": (_SCALAR, Type.NUMBER),
    "most_frequent": (frozenset({Type.TEXT}), Type.TEXT),
}
_OF_ROWS = {"count": Type.NUMBER, "share": Type.NUMBER, "avg_gap": Type.DURATION, "periods": Type.NUMBER}
_MOST_PERIODS = 120


def build_rows(branch: Branch, scope: Scope, *, at: int | None = None) -> Rows:
    """The rows of a source, tested one by one."""
    name = token(branch, 0)
    scope.find_source(name, place(branch))
    return _rows(name, maybe(branch, 1), scope, place(branch) if at is None else at)


def _rows(source: str, where: Branch | None, scope: Scope, at: int) -> Rows:
    test = None if where is None else build_test(where, scope.inside(source))
    return Rows(source, test, at=at)


@rule(VALUES, "aggregate")
def _aggregate(branch: Branch, scope: Scope) -> Value:
    fn, at = token(branch, 0).lower(), place(branch)
    refuse_in_row(f"{fn}()", at, scope)
    listed, periods, window_branch = inner(branch, 1), maybe(branch, 2), maybe(branch, 3)
    source, column, dot = _split(token(listed, 0), scope)
    name_at = place(listed)
    scope.find_source(source, name_at)
    kind = _result(fn, Rows(source), column, scope, name_at if column is None else name_at + dot)
    rows = _rows(source, maybe(listed, 1), scope, name_at)
    time = scope.vocabulary.sources[source].time
    window = None if window_branch is None else build_row_window(window_branch, source, time)
    if fn == "share" and rows.where is None:
        raise Wrong("needs-where", at, None, function=fn, example=f"share({source} where discount > 0)")
    by, step, least = _periods(fn, periods, source, branch)
    if by is not None:
        _check_periods(window, by, step, branch)
    return Aggregate(fn, rows, column, window, kind, by, step, least, at=at)


def _split(name: str, scope: Scope) -> tuple[str, str | None, int]:
    """The source, the column if one is named, and where the column starts."""
    if name in scope.vocabulary.sources or "." not in name:
        return name, None, 0
    source, _, column = name.partition(".")
    return source, column, len(source) + 1


def _result(fn: str, rows: Rows, column: str | None, scope: Scope, at: int) -> Type:
    if fn in _OF_ROWS:
        if column is not None:
            hint = f"write {fn}({rows.source} where {column} is known)" if fn == "count" else None
            raise Wrong("no-column", at, hint, function=fn)
        return _OF_ROWS[fn]
    wanted, result = _OF_COLUMN[fn]
    if column is None:
        raise Wrong("needs-column", at, None, function=fn, example=_example(fn, rows, scope))
    kind = scope.find_column(rows, column, at).type
    if kind not in wanted:
        words = " or ".join(SPOKEN[one] for one in Type if one in wanted)
        raise Wrong("wrong-argument", at, None, function=fn, wanted=words, found=f"'{column}' ({SPOKEN[kind]})")
    return result or kind


def _example(fn: str, rows: Rows, scope: Scope) -> str:
    """A column of the source that the function would take."""
    wanted, _ = _OF_COLUMN[fn]
    fits = [name for name, fact in scope.vocabulary.sources[rows.source].columns.items() if fact.type in wanted]
    time = scope.vocabulary.sources[rows.source].time
    liking = (time,) if fn in {"first", "last"} else ()
    liked = next((name for name in (*liking, "total", "quantity", "price", "category") if name in fits), None)
    return f"{fn}({rows.source}.{liked or next(iter(fits), 'column')})"


def _periods(fn: str, periods: Branch | None, source: str, branch: Branch) -> tuple[Unit | None, int, int]:
    if periods is None:
        if fn == "periods":
            raise Wrong("needs-by", place(branch), None, source=source)
        return None, 1, 1
    if fn != "periods":
        raise Wrong("only-periods", place(periods), f"write periods({source} by …)")
    step, unit, least = periods.children
    return (
        unit_of(str(unit)),
        1 if step is None else whole_of(str(step), place_of(periods, 0)),
        1 if least is None else whole_of(str(least), place_of(periods, 2)),
    )


def _check_periods(window: Window | None, by: Unit, step: int, branch: Branch) -> None:
    if window is None or type(window).__name__ == "Before":
        raise Wrong("needs-window", place(branch), "for example: last 6 months")
    days = window_days(window)
    count = 0 if days is None else int(days / (unit_days(by) * step) + 0.5)
    if count > _MOST_PERIODS:
        raise Wrong("too-many", place(branch), "take longer periods", count=count, what="periods", limit=_MOST_PERIODS)
