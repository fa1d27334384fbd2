"""Local time to UTC as columns: a zone's transitions become one CASE, so that no engine's zone function is needed.

Meaning: naive local time is an instant as Python's zoneinfo says with fold 0 (rule 25), from 1900 to 2100.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_USUAL = (datetime(2000, 1, 1), datetime(2035, 1, 1))  # noqa: DTZ001 - local
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_FEW = 64
_STEP = timedelta(days=1)  # no zone changed its offset and changed it back within one day
_EXACT = timedelta(seconds=1)


@functools.cache
def boundaries(zone: ZoneInfo) -> tuple[tuple[datetime | None, int], ...]:
    """List (first local time, seconds east of UTC) in order; the first entry has no beginning.

    A local time that a clock change skips or repeats belongs to the offset before the change (fold 0).
    """
    local, last = (bound.astimezone(zone).replace(tzinfo=None, fold=0) for bound in (_FIRST, _LAST))
    old = _offset(_FIRST.astimezone(zone), zone)
    found: list[tuple[datetime | None, int]] = [(None, int(old.total_seconds()))]
    while local < last:
        new = _offset(local + _STEP, zone)
        if new != old:
            found.append((_change(local, local + _STEP, zone), int(new.total_seconds())))
        local, old = local + _STEP, new
    return tuple(found)


def to_utc(local: str, zone: ZoneInfo) -> str:
    """Write the SQL of a local naive TIMESTAMP expression as naive UTC.

    The years that shops have data of are a CASE; the others, which are many, are looked up in a list: it is short to plan.
    """
    steps = boundaries(zone)
    usual = [step for step in steps if step[0] is not None and _USUAL[0] <= step[0] < _USUAL[1]]
    if len(steps) <= _FEW:
        return f"({local} - to_seconds({_case(local, steps)}))"
    first = (
        steps.index(usual[0]) - 1
        if usual
        else len([step for step in steps if step[0] is None or step[0] < _USUAL[0]]) - 1
    )
    case = _case(local, (steps[first], *usual))
    is_usual = f"{local} >= TIMESTAMP '{_USUAL[0]}' AND {local} < TIMESTAMP '{_USUAL[1]}'"
    return f"({local} - to_seconds(CASE WHEN {is_usual} THEN {case} ELSE {_listed(local, steps)} END))"


def _listed(local: str, steps: tuple[tuple[datetime | None, int], ...]) -> str:
    starts = ", ".join(
        str((start.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND) for start, _ in steps if start is not None
    )
    before = f"len(list_filter('[{starts}]'::BIGINT[], lambda start: start <= epoch_us({local})))"
    return f"list_extract('[{', '.join(str(east) for _, east in steps)}]'::BIGINT[], 1 + {before})"


def _case(local: str, steps: tuple[tuple[datetime | None, int], ...]) -> str:
    if len(steps) == 1:
        return str(steps[0][1])
    middle = len(steps) // 2
    low, high = _case(local, steps[:middle]), _case(local, steps[middle:])
    return f"CASE WHEN {local} < TIMESTAMP '{steps[middle][0]}' THEN {low} ELSE {high} END"


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first local second of the offset that holds at `after`."""
    old = _offset(before, zone)
    while after - before > _EXACT:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        before, after = (middle, after) if _offset(middle, zone) == old else (before, middle)
    return after


def _offset(local: datetime, zone: ZoneInfo) -> timedelta:
    return zone.utcoffset(local) or timedelta()
