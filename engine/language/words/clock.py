"""Hours, weekdays and months of an instant: `the order date is on a Saturday or a Sunday`."""

from __future__ import annotations

from collections.abc import Sequence

from engine.language.scope import WEEKDAYS
from engine.language.tree import Between, CalendarPart, Compare, Number, OneOf, Text, Value
from engine.language.words.subjects import Speaker, subject

_LAST_HOUR = 23


def clock_text(test: Compare | Between | OneOf, speaker: Speaker) -> str | None:
    """A test of an hour, a weekday or a month against literals; None where the plain words do."""
    of = test.left if isinstance(test, Compare) else test.of
    if not isinstance(of, CalendarPart):
        return None
    if isinstance(test, Between):
        return _between(of, test, speaker)
    if isinstance(test, OneOf):
        return _listed(of, test.values, speaker, negated=test.negated)
    if test.op in {"=", "!="}:
        return _listed(of, [test.right], speaker, negated=test.op == "!=")
    return _ordered(of, test, speaker)


def _listed(of: CalendarPart, values: Sequence[Value], speaker: Speaker, *, negated: bool) -> str | None:
    if of.part == "hour":
        [first, *others] = values
        return None if others else _hours(of, first, first, speaker, negated=negated)
    found = [_name(of.part, value, speaker) for value in values]
    names = [name for name in dict.fromkeys(found) if name]
    if None in found:
        return None
    told = f" {speaker.say('or')} ".join([", ".join(names[:-1])] * (len(names) > 1) + names[-1:])
    return speaker.say(_signed(f"{of.part}_in", negated=negated), of=subject(of.of, speaker), values=told)


def _between(of: CalendarPart, test: Between, speaker: Speaker) -> str | None:
    if of.part == "hour":
        return _hours(of, test.low, test.high, speaker, negated=test.negated)
    low, high = (_name(of.part, one, speaker) for one in (test.low, test.high))
    if low is None or high is None:
        return None
    key = _signed("month_between", negated=test.negated)
    return speaker.say(key, of=subject(of.of, speaker), low=low, high=high)


def _hours(of: CalendarPart, low: Value, high: Value, speaker: Speaker, *, negated: bool) -> str | None:
    """Both hours are whole ones: 18 to 22 ends a minute before 23."""
    if not isinstance(low, Number) or not isinstance(high, Number):
        return None
    key = _signed("hour_between", negated=negated)
    start, end = f"{int(low.value):02d}:00", f"{int(high.value):02d}:59"
    return speaker.say(key, of=subject(of.of, speaker), start=start, end=end)


def _ordered(of: CalendarPart, test: Compare, speaker: Speaker) -> str | None:
    if of.part != "hour" or not isinstance(test.right, Number):
        return None
    hour = int(test.right.value) + (test.op in {"<=", ">"})
    if hour > _LAST_HOUR:
        return None
    key = "hour_before" if test.op in {"<", "<="} else "hour_from"
    return speaker.say(key, of=subject(of.of, speaker), time=f"{hour:02d}:00")


def _name(part: str, value: Value, speaker: Speaker) -> str | None:
    """`Saturday`, `décembre`."""
    from babel.dates import get_day_names, get_month_names

    if part == "weekday" and isinstance(value, Text):
        day: str = get_day_names(locale=speaker.lexicon.lang)[WEEKDAYS.index(value.value)]
        return speaker.say("a_day", day=day)
    if part == "month" and isinstance(value, Number):
        month: str = get_month_names(locale=speaker.lexicon.lang)[int(value.value)]
        return month
    return None


def _signed(key: str, *, negated: bool) -> str:
    return f"not_{key}" if negated else key
