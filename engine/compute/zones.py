"""Local time inside a query: a CASE over the zone's changes, never an engine's own zone function (rule 25)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlglot import exp

from engine.compute.backends.protocol import Backend, spell
from engine.compute.bounds import Calendar
from engine.compute.literals import literal
from engine.compute.spelling import when

_FEW = 8  # changes of a zone, compared one after the other


def local(instant: exp.Expr, calendar: Calendar, backend: Backend) -> exp.Expr:
    """The local wall time of an instant."""
    changes = calendar.offsets()
    thresholds = [(at, before) for at, before, _ in changes]
    return _shifted(instant, thresholds, _latest(calendar), backend)


def local_day(instant: exp.Expr, calendar: Calendar, backend: Backend) -> exp.Expr:
    """The local day of an instant."""
    return exp.cast(local(instant, calendar, backend), exp.DType.DATE)


def universal(wall: exp.Expr, calendar: Calendar, backend: Backend) -> exp.Expr:
    """The instant of a local wall time, fold 0."""
    changes = calendar.offsets()
    # a wall time that is skipped or comes twice still has the offset before the change
    thresholds = [(at + timedelta(seconds=max(before, after)), -before) for at, before, after in changes]
    return _shifted(wall, thresholds, -_latest(calendar), backend)


def _latest(calendar: Calendar) -> int:
    changes = calendar.offsets()
    if changes:
        return changes[-1][2]
    offset = calendar.now.astimezone(calendar.zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _shifted(value: exp.Expr, thresholds: list[tuple[datetime, int]], last: int, backend: Backend) -> exp.Expr:
    """Each threshold with the shift before it."""
    if not thresholds:
        return spell(backend, "plus_seconds", value, literal(last)) if last else value
    return spell(backend, "plus_seconds", value, _found(value, thresholds, last))


def _found(value: exp.Expr, thresholds: list[tuple[datetime, int]], last: int) -> exp.Expr:
    """The shift of a value, halving the thresholds until few are left, of which the latest come first."""
    if len(thresholds) > _FEW:
        middle = len(thresholds) // 2
        at, before = thresholds[middle]
        is_late = exp.GTE(this=value.copy(), expression=literal(at))
        return when(is_late, _found(value, thresholds[middle + 1 :], last), _found(value, thresholds[:middle], before))
    shifts = [*(seconds for _, seconds in thresholds), last]
    ifs = [
        exp.If(this=exp.GTE(this=value.copy(), expression=literal(at)), true=literal(after))
        for (at, _), after in zip(reversed(thresholds), reversed(shifts), strict=False)
    ]
    return exp.Case(ifs=ifs, default=literal(shifts[0]))
