"""Tests as sentences without a subject: `at least 6 items bought between July 1, 2017 and now`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from engine.language.kinds import TIME, type_of
from engine.language.tree import (
    Aggregate,
    Amount,
    And,
    Anniversary,
    Between,
    Bucket,
    Compare,
    Did,
    Has,
    InSegment,
    InWindow,
    Known,
    Not,
    Number,
    OneOf,
    Or,
    Reachable,
    Test,
    Text,
    TextTest,
    Then,
    Top,
    Trait,
    Truth,
    Value,
    Within,
    Yes,
)
from engine.language.words.clock import clock_text
from engine.language.words.subjects import (
    Speaker,
    amount_in_words,
    decimal_in_words,
    number_in_words,
    periods_text,
    quoted,
    rows_text,
    subject,
    windowed,
)
from engine.words import share

_PERCENT = 100
_COMMA = re.compile(r",(?! \d{4}\b)")  # not the comma of a date
_MANY = 12
_WHOLE = {">": ">=", "<": "<="}  # whole things: more than 3 is at least 4
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_STATES = {
    "consent.email=subscribed": {"en": "subscribed to emails", "fr": "abonné aux e-mails"},
    "consent.email=pending": {"en": "has not confirmed the subscription yet", "fr": "inscription non confirmée"},
    "consent.email=unsubscribed": {"en": "unsubscribed from emails", "fr": "désabonné des e-mails"},
    "consent.email=never": {"en": "never subscribed to emails", "fr": "jamais abonné aux e-mails"},
}
_CHANNELS = {"en": {"email": "email", "sms": "text message"}, "fr": {"email": "e-mail", "sms": "SMS"}}


def sentence(test: Test, speaker: Speaker) -> str:
    """A test in words."""
    return _SENTENCES[type(test)](test, speaker)


def _and(test: And, speaker: Speaker) -> str:
    parts = [f"({text})" if isinstance(item, Or) else text for item in test.items for text in [sentence(item, speaker)]]
    for index in range(len(parts) - 2, -1, -1):
        if part := _part(test.items[index], test.items[index + 1], speaker):
            parts[index : index + 2] = [part]
    return _joined(parts, "and", speaker)


def _part(one: Test, other: Test, speaker: Speaker) -> str | None:
    """A stretch of a draw, where two tests mean one: `bucket('x') >= 40 and bucket('x') < 80`."""
    match one, other:
        case (
            Compare(">=", Bucket(salt), Number(value=low)),
            Compare("<", Bucket(same), Number(value=high)),
        ) if salt == same:
            shown = [decimal_in_words(value, speaker) for value in (low, high)]
            return speaker.say("part", low=shown[0], high=shown[1], salt=salt)
    return None


def _or(test: Or, speaker: Speaker) -> str:
    parts = [
        f"({text})" if isinstance(item, And) else text for item in test.items for text in [sentence(item, speaker)]
    ]
    return _joined(parts, "or", speaker)


def _joined(parts: Sequence[str], word: str, speaker: Speaker) -> str:
    """`a, b and c`; `a, b, and c` where a part holds an `and` of its own; `a; b; and c` where one holds a comma."""
    if len(parts) == 1:
        return parts[0]
    comma = "; " if any(_COMMA.search(part) for part in parts) else ", "
    before = " ;" if comma == "; " and speaker.lexicon.lang == "fr" else comma[0]
    loose = comma == "; " or any(re.search(r" (and|et|or|ou) ", part) for part in parts)
    last = f"{before} " if loose else " "
    return f"{before} ".join(parts[:-1]) + f"{last}{speaker.say(word)} {parts[-1]}"


def _values(texts: Sequence[str], word: str, speaker: Speaker) -> str:
    """A list of values, cut where nobody reads on."""
    shown = [quoted(text, speaker) for text in texts[:_MANY]]
    return _joined([*shown, f"… ({len(texts)})"] if len(texts) > _MANY else shown, word, speaker)


def _not(test: Not, speaker: Speaker) -> str:
    if isinstance(test.item, InSegment):
        return speaker.say("not_in_segment", title=_title(test.item, speaker))
    if isinstance(test.item, Reachable):
        return speaker.say("not_reachable", channel=_channel(test.item, speaker))
    return speaker.say("not", test=sentence(test.item, speaker))


def _compare(test: Compare, speaker: Speaker) -> str:
    left, op, right = test.left, test.op, test.right
    if isinstance(left, Number | Amount) and not isinstance(right, Number | Amount):
        left, op, right = right, _MIRRORED[op], left
    if isinstance(right, Truth) and op in {"=", "!="}:
        yes = right.value is (op == "=")
        return speaker.say("yes" if yes else "no", of=subject(left, speaker))
    if isinstance(left, Trait) and isinstance(right, Text) and op == "=" and f"{left.name}={right.value}" in _STATES:
        return _STATES[f"{left.name}={right.value}"][speaker.lexicon.lang]
    special = _drawn(left, op, right, speaker) or clock_text(Compare(op, left, right), speaker)
    if special is not None:
        return special
    if isinstance(left, Aggregate):
        special = _counted(left, op, right, speaker)
        if special is not None:
            return special
    key = f"date{op}" if type_of(left) in TIME else op
    return speaker.say(key, of=subject(left, speaker), value=subject(right, speaker))


def _drawn(left: Value, op: str, right: Value, speaker: Speaker) -> str | None:
    """The first of a draw, or the rest of it."""
    if not isinstance(left, Bucket) or not isinstance(right, Number) or op not in {"<", ">="}:
        return None
    share, hundred = (decimal_in_words(one, speaker) for one in (right.value, Decimal(_PERCENT)))
    if op == "<":
        return speaker.say("drawn", n=share, salt=left.salt)
    return speaker.say("part", low=share, high=hundred, salt=left.salt)


def _counted(left: Aggregate, op: str, right: Value, speaker: Speaker) -> str | None:
    """`at least 4 orders …`: comparisons that have a shorter form than subject, verb, value."""
    if isinstance(right, Amount) and (left.fn, left.rows.source, left.column) == ("sum", "orders", "total"):
        text = speaker.say(f"sum{op}", n=amount_in_words(right, speaker))
        return _in_time(rows_text(left.rows, text, speaker), left, speaker)
    if not isinstance(right, Number) or right.percent:
        return None
    if left.fn in {"count", "periods", "distinct"} and op in _WHOLE and right.value == int(right.value):
        op, right = _WHOLE[op], Number(right.value + (1 if op == ">" else -1))
    if left.fn == "count":
        return _count(left, op, right, speaker)
    what = _what(left, right, speaker)
    if not what:
        return None
    text = speaker.say(f"n{op}", n=number_in_words(right, speaker), what=what)
    return _in_time(text if left.fn == "periods" else rows_text(left.rows, text, speaker), left, speaker)


def _count(left: Aggregate, op: str, right: Number, speaker: Speaker) -> str:
    a, none, one, many = speaker.lexicon.forms(left.rows.source)
    if (op, int(right.value)) in {("=", 0), ("<=", 0)}:
        return _in_time(rows_text(left.rows, none, speaker), left, speaker, "so_far")
    if (op, int(right.value)) == (">=", 1):
        return windowed(rows_text(left.rows, speaker.say("some", a=a, one=one), speaker), left, speaker)
    what = one if speaker.lexicon.single(right.value) else many
    text = speaker.say(f"n{op}", n=number_in_words(right, speaker), what=what)
    return _in_time(rows_text(left.rows, text, speaker), left, speaker, "ever" if op != ">=" else "")


def _what(left: Aggregate, right: Number, speaker: Speaker) -> str:
    """What is counted, where it has a form that a number can stand before."""
    if left.fn == "periods":
        return periods_text(left, speaker)
    if left.fn == "distinct":
        many = speaker.lexicon.forms(left.rows.source)[3]
        return speaker.say("different", column=speaker.label(left.column or ""), many=many)
    return _sum_of(left, right, speaker)


def _sum_of(left: Aggregate, right: Number, speaker: Speaker) -> str:
    """`items bought`, for a sum that has a name of its own."""
    one, many, _ = speaker.lexicon.sums.get((left.rows.source, left.column or ""), ("", "", ""))
    if left.fn != "sum":
        return ""
    return one if speaker.lexicon.single(right.value) else many


def _in_time(text: str, value: Aggregate, speaker: Speaker, ever: str = "") -> str:
    return f"{text} {speaker.say(ever)}" if ever and value.window is None else windowed(text, value, speaker)


def _between(test: Between, speaker: Speaker) -> str:
    clock = clock_text(test, speaker)
    if clock is not None:
        return clock
    key = "not_between" if test.negated else "between"
    low, high = subject(test.low, speaker), subject(test.high, speaker)
    return speaker.say(key, of=subject(test.of, speaker), low=low, high=high)


def _one_of(test: OneOf, speaker: Speaker) -> str:
    clock = clock_text(test, speaker)
    if clock is not None:
        return clock
    shown = [subject(value, speaker) for value in test.values[:_MANY]]
    if len(test.values) > _MANY:
        shown.append(f"… ({len(test.values)})")
    values = _joined(shown, "or", speaker)
    return speaker.say("not_in_list" if test.negated else "in_list", of=subject(test.of, speaker), values=values)


def _in_window(test: InWindow, speaker: Speaker) -> str:
    if isinstance(test.of, Anniversary) or _is_birthday(test.of):
        window = speaker.yearless().dates.window(test.window)
        if _is_birthday(test.of) and not test.negated:
            return speaker.say("birthday", window=window)
    else:
        window = speaker.dates.window(test.window, starting=True)
    key = "not_in_window" if test.negated else "in_window"
    return speaker.say(key, of=subject(test.of, speaker), window=window)


def _is_birthday(value: Value) -> bool:
    """Whether a value is the anniversary of birth_date, written as such or by its name."""
    if isinstance(value, Anniversary):
        return isinstance(value.of, Trait) and value.of.name == "birth_date"
    return isinstance(value, Trait) and value.name == "birthday"


def _known(test: Known, speaker: Speaker) -> str:
    return speaker.say("unknown" if test.negated else "known", of=subject(test.of, speaker))


def _has(test: Has, speaker: Speaker) -> str:
    word = "and" if test.how == "all" else "or"
    return speaker.say(f"has_{test.how}", of=subject(test.of, speaker), values=_values(test.values, word, speaker))


def _did(test: Did, speaker: Speaker) -> str:
    a, none, one, _ = speaker.lexicon.forms(test.rows.source)
    if test.window is None and test.then is None:
        name = none if test.never else speaker.say("some", a=a, one=one)
    else:
        name = none if test.never else a
    text = rows_text(test.rows, name, speaker)
    if test.window is not None:
        text = f"{text} {speaker.dates.window(test.window)}"
    elif test.never and test.then is None:
        text = f"{text} {speaker.say('so_far')}"
    return text if test.then is None else f"{text}, {_then(test.then, speaker)}"


def _then(then: Then, speaker: Speaker) -> str:
    a, none, one, _ = speaker.lexicon.forms(then.rows.source)
    extra = ""
    if then.rows.where is not None:
        extra += f" {speaker.say('where', test=sentence(then.rows.where, speaker))}"
    if then.same:
        column = speaker.label(then.same).removeprefix("le ").removeprefix("la ").removeprefix("l'")
        extra += f" {speaker.say('same', column=column)}"
    if then.negated:
        key = "then_no_within" if then.within else "then_no"
        text = speaker.say(key, none=f"{none}{extra}", one=f"{one}{extra}")
    else:
        text = speaker.say("then", a=f"{a}{extra}")
    if then.within is None:
        return text
    return f"{text} {speaker.say('within', span=speaker.span(then.within.n, then.within.unit))}"


def _top(test: Top, speaker: Speaker) -> str:
    percent = share(test.percent / Decimal(_PERCENT), speaker.lexicon.lang)
    text = speaker.say("bottom" if test.bottom else "top", share=percent, of=subject(test.by, speaker))
    return text if test.among is None else f"{text} {speaker.say('among', test=sentence(test.among, speaker))}"


def _title(test: InSegment, speaker: Speaker) -> str:
    return speaker.titles.get(f"segment {test.name}") or speaker.titles.get(test.name, test.name)


def _channel(test: Reachable, speaker: Speaker) -> str:
    return _CHANNELS[speaker.lexicon.lang].get(test.channel, test.channel)


_SENTENCES: dict[type[Any], Callable[[Any, Speaker], str]] = {
    And: _and,
    Or: _or,
    Not: _not,
    Compare: _compare,
    Between: _between,
    OneOf: _one_of,
    InWindow: _in_window,
    Known: _known,
    TextTest: lambda test, speaker: speaker.say(
        test.how, of=subject(test.of, speaker), text=quoted(test.text, speaker)
    ),
    Has: _has,
    Did: _did,
    InSegment: lambda test, speaker: speaker.say("in_segment", title=_title(test, speaker)),
    Within: lambda test, speaker: speaker.say("near", km=decimal_in_words(test.km, speaker), place=test.place),
    Top: _top,
    Reachable: lambda test, speaker: speaker.say("reachable", channel=_channel(test, speaker)),
    Yes: lambda test, speaker: speaker.say("yes", of=subject(test.of, speaker)),
    Truth: lambda test, speaker: speaker.say("everyone" if test.value else "nobody"),
}
