"""Values as what a sentence speaks of: `the average basket`, `la dernière commande`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from engine.language.printer import RANKS, number_text
from engine.language.tree import (
    Aggregate,
    Amount,
    Anniversary,
    Arithmetic,
    Bucket,
    CalendarPart,
    Column,
    Day,
    DaysSince,
    Default,
    Duration,
    If,
    Moment,
    Now,
    Number,
    Rank,
    Rows,
    Shifted,
    Test,
    Text,
    Today,
    Trait,
    Truth,
    Unit,
    Value,
)
from engine.language.words.dates import Dates
from engine.language.words.lexicon import Lexicon
from engine.words import amount as money_text
from engine.words import number, share

_TIMES = frozenset({"ordered_at", "happened_at", "issued_at", "written_at", "created_at"})
_VOWELS = "aeiouyhâàéèêîôûœAEIOUYHÂÀÉÈÊÎÔÛŒ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """One language, one now, and the titles of segments and traits; `test` puts a test into words."""

    lexicon: Lexicon
    dates: Dates
    titles: Mapping[str, str]
    test: Callable[[Test, Speaker], str]

    def say(self, key: str, **holes: object) -> str:
        """The phrase with its holes filled."""
        return mend(self.lexicon.say(key, **holes), self.lexicon.lang)

    def label(self, name: str) -> str:
        """How a column or trait is called."""
        if name in self.titles:
            return self.lexicon.say("open", text=self.titles[name])
        plain = name.removeprefix("consent.").replace("_", " ").replace(".", " ")
        return self.lexicon.labels.get(name) or (plain if self.lexicon.lang == "en" else f"« {plain} »")

    def yearless(self) -> Speaker:
        """The same for anniversaries."""
        return replace(self, dates=replace(self.dates, yearless=True))

    def span(self, n: int, unit: Unit) -> str:
        """`3 days`."""
        one, many = self.lexicon.units[unit]
        return f"{number(n, self.lexicon.lang)} {one if self.lexicon.single(Decimal(n)) else many}"


def mend(text: str, lang: str) -> str:
    """French contracts and elides: `de le montant` is `du montant`, `de articles` is `d'articles`."""
    if lang != "fr":
        return text
    for wrong, right in ((" de le ", " du "), (" de les ", " des "), (" à le ", " au ")):
        text = text.replace(wrong, right)
    parts = text.split(" de ")
    joined = parts[0]
    for part in parts[1:]:
        joined += (" d'" if part[:1] in _VOWELS and part[:1] else " de ") + part
    return joined


def subject(value: Value, speaker: Speaker) -> str:
    """A value in words."""
    return _SUBJECTS[type(value)](value, speaker)


def rows_text(rows: Rows, name: str, speaker: Speaker) -> str:
    """`orders where the discount is above 0`: a form of the source's name with what its rows must be."""
    if rows.where is None:
        return name
    return f"{name} {speaker.say('where', test=speaker.test(rows.where, speaker))}"


def windowed(text: str, value: Aggregate, speaker: Speaker) -> str:
    """The text with its window, where there is one."""
    return text if value.window is None else f"{text} {speaker.dates.window(value.window)}"


def number_in_words(value: Number, speaker: Speaker) -> str:
    """A number as the language writes it."""
    lang = speaker.lexicon.lang
    return share(value.value, lang) if value.percent else number(value.value, lang)


def amount_in_words(value: Amount, speaker: Speaker) -> str:
    """Money as the language writes it."""
    return money_text(value.value, value.currency, speaker.lexicon.lang)


def _aggregate(value: Aggregate, speaker: Speaker) -> str:
    lexicon, source = speaker.lexicon, value.rows.source
    a, _, one, many = lexicon.forms(source)
    column = value.column
    named = lexicon.sums.get((source, column or "")) if value.fn == "sum" else None
    if named:
        return windowed(rows_text(value.rows, named[2], speaker), value, speaker)
    if (value.fn, source, column) == ("avg", "orders", "total"):
        return windowed(rows_text(value.rows, speaker.say("avg_total"), speaker), value, speaker)
    key = f"{value.fn}_time" if value.fn in {"first", "last"} and column in _TIMES else value.fn
    if value.fn == "periods":
        return windowed(periods_text(value, speaker), value, speaker)
    feminine = a.startswith("une ")
    words = speaker.say(
        key,
        one=one,
        many=many,
        column=speaker.label(column) if column else "",
        first=f"{'la première' if feminine else 'le premier'} {one}",
        last=f"{'la dernière' if feminine else 'le dernier'} {one}",
        most="la plus fréquente" if column and speaker.label(column).startswith("la ") else "le plus fréquent",
    )
    return windowed(rows_text(value.rows, words, speaker), value, speaker)


def periods_text(value: Aggregate, speaker: Speaker) -> str:
    """`months with at least 2 orders`."""
    a, _, one, many = speaker.lexicon.forms(value.rows.source)
    some = speaker.say("some", a=a, one=one)
    rows = some if value.least == 1 else speaker.say("n>=", n=value.least, what=many)
    units = speaker.lexicon.units[value.by or Unit.DAY][1]
    unit = units if value.step == 1 else f"× {value.step} {units}"
    return speaker.say("months_with", unit=unit, rows=rows_text(value.rows, rows, speaker))


def _arithmetic(value: Arithmetic, speaker: Speaker) -> str:
    sign = {"*": "×", "/": "÷", "-": "\N{MINUS SIGN}"}.get(value.op, value.op)
    tight = value.op in "*/"
    left, right = _operand(value.left, speaker, tight=tight), _operand(value.right, speaker, tight=True)
    return f"{left} {sign} {right}"


def _operand(value: Value, speaker: Speaker, *, tight: bool) -> str:
    text = subject(value, speaker)
    loose = isinstance(value, If) or (isinstance(value, Arithmetic) and tight and value.op in "+-")
    return f"({text})" if loose else text


def _rank(value: Rank, speaker: Speaker) -> str:
    text = speaker.say("rank", rank=speaker.say(RANKS[value.parts]), of=subject(value.of, speaker), parts=value.parts)
    if value.among is None:
        return text
    return f"{text} {speaker.say('among', test=speaker.test(value.among, speaker))}"


def _if(value: If, speaker: Speaker) -> str:
    test = speaker.test(value.test, speaker)
    if isinstance(value.then, Truth) and isinstance(value.otherwise, Truth) and value.then.value:
        return test
    then, otherwise = subject(value.then, speaker), subject(value.otherwise, speaker)
    return speaker.say("if", test=test, then=then, otherwise=otherwise)


def _truth(value: Truth, speaker: Speaker) -> str:
    return speaker.say("yes" if value.value else "no", of="").replace(":", "").strip()


def _default(value: Default, speaker: Speaker) -> str:
    return speaker.say("default", of=subject(value.of, speaker), fallback=subject(value.fallback, speaker))


def quoted(text: str, speaker: Speaker) -> str:
    """A text as the language quotes it."""
    return speaker.lexicon.say("open", text=text)


def decimal_in_words(value: Decimal, speaker: Speaker) -> str:
    """A bare decimal as the language writes it."""
    return number(value, speaker.lexicon.lang) if value else number_text(value)


def _point(value: Day | Moment | Today | Now | Shifted, speaker: Speaker) -> str:
    return speaker.dates.bound(value)


_SUBJECTS: dict[type[Any], Callable[[Any, Speaker], str]] = {
    Number: number_in_words,
    Amount: amount_in_words,
    Duration: lambda value, speaker: speaker.span(value.n, value.unit),
    Text: lambda value, speaker: quoted(value.value, speaker),
    Truth: _truth,
    Day: _point,
    Moment: _point,
    Today: _point,
    Now: _point,
    Shifted: _point,
    Trait: lambda value, speaker: speaker.label(value.name),
    Column: lambda value, speaker: speaker.label(value.name),
    Arithmetic: _arithmetic,
    Aggregate: _aggregate,
    If: _if,
    DaysSince: lambda value, speaker: speaker.say("days_since", of=subject(value.of, speaker)),
    Default: _default,
    Rank: _rank,
    Anniversary: lambda value, speaker: speaker.say("anniversary", of=subject(value.of, speaker)),
    CalendarPart: lambda value, speaker: speaker.say(value.part, of=subject(value.of, speaker)),
    Bucket: lambda value, speaker: speaker.say("draw", salt=value.salt),
}
