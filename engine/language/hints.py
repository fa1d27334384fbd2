"""What was probably meant: hints for a text that is not of the language, from habits of SQL, of French and of typing.

A hint sees the text before the place and the text from it on; the first of the table that fits both is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from engine.errors import nearest
from engine.language.habits import CURRENCIES, FRENCH, MONTHS, SQL_WORDS, UNITS

Found = re.Match[str]
_COMPARE = r"(?:<=|>=|!=|<>|=|<|>)"
_NUMBER = r"\d+(?:\.\d+)?"


@dataclass(frozen=True, slots=True)
class Habit:
    """What stands before the place, what stands there, and what to write instead."""

    before: str
    rest: str
    hint: str | Callable[[Found, Found], str | None]

    def of(self, before: str, rest: str) -> str | None:
        """The hint, where both fit."""
        there = re.match(self.rest, rest, re.IGNORECASE)
        found = re.search(f"(?:{self.before})\\Z", before, re.IGNORECASE) if there else None
        if found is None or there is None:
            return None
        return self.hint if isinstance(self.hint, str) else self.hint(found, there)


def habit(before: str, rest: str, kinds: Collection[str]) -> str | None:
    """The hint for a habit; `kinds` are the terminals that could have stood at the place."""
    if before.endswith("'") and re.match(r"\w", rest):
        return _QUOTE
    before, rest = before.rstrip()[-_NEAR:], rest[:_NEAR]
    table = (*_PLACES.get(frozenset(kinds) & _TELLING, ()), *_HABITS)
    return next((hint for one in table if (hint := one.of(before, rest))), None)


def _joined(before: Found, there: Found) -> str:
    """Digits in groups, as one number."""
    digits = re.sub(r"\D", "", before[1]) + re.sub(r"[,.]\d{1,2}$|\D", "", there[0])
    cents = re.search(r"[,.](\d{1,2})$", there[0])
    return f"write numbers without separators: {digits}" + (f".{cents[1]}" if cents else "")


def _like(_before: Found, there: Found) -> str:
    text = there["text"] or ""
    bare = text.strip("%")
    if text.startswith("%") and text.endswith("%"):
        return f"write contains '{bare}'"
    return f"write ends with '{bare}'" if text.startswith("%") else f"write starts with '{bare}'"


def _money(_before: Found, there: Found) -> str | None:
    code = CURRENCIES.get((there["code"] or "").lower())
    return f"write amounts with the currency's code after the number: {there['n']} {code}" if code else None


def _money_after(before: Found, there: Found) -> str | None:
    code = CURRENCIES.get(there[0].lower())
    return f"write amounts with the currency's code after the number: {before[1]} {code}" if code else None


def _thousands(_before: Found, there: Found) -> str:
    return f"write the number out: {int(there[1]) * (1_000 if there[2].lower() == 'k' else 1_000_000)}"


def _glued(_before: Found, there: Found) -> str:
    return f"put a space between the number and what follows it: {there[1]} {there[2]}"


def _french_unit(before: Found, there: Found) -> str | None:
    unit = UNITS.get(there[0].lower())
    if unit is None:
        return None
    if re.search(rf"\bage\s*{_COMPARE}\s*$", before.string[: before.start()], re.IGNORECASE):
        return f"age is a number of years: write it alone, age … {before[1]}"
    return f"write {before[1]} {unit}"


def _month(before: Found, there: Found) -> str | None:
    month = MONTHS[there["month"].lower()]
    if before["day"] and there["year"]:
        return f"write dates as year-month-day: {there['year']}-{month}-{int(before['day']):02d}"
    if re.search(r"\b(every|to)\s*\Z", before.string, re.IGNORECASE):
        return None
    asked = re.search(r"\b(since|before)\s*\Z", before.string, re.IGNORECASE)
    named = f"{there['year'] or '2026'}-{month}"
    return f"write {asked[1].lower()} {named}-01" if asked else f"write a month as {named}"


def _quarter(_before: Found, there: Found) -> str:
    number, year = int(there[1]), there[2] or "2026"
    last = {1: "03-31", 2: "06-30", 3: "09-30", 4: "12-31"}[number]
    return f"write between {year}-{3 * number - 2:02d}-01 and {year}-{last}"


def _invisible(_before: Found, there: Found) -> str:
    return f"there is an invisible character here (U+{ord(there[0]):04X}): delete it"


def _french(_before: Found, there: Found) -> str | None:
    word = FRENCH.get(re.sub(r"\s+", " ", there[0].lower()))
    return f"the language is English: write {word}" if word else None


def _french_before(before: Found, _there: Found) -> str | None:
    word = FRENCH.get(before[0].strip().lower())
    return f"the language is English: write {word}" if word else None


def _moved(before: Found, there: Found) -> str:
    return f"the number stands outside: {before['call']}({before['source']}) {there[0]} …"


def _quoted(_before: Found, there: Found) -> str:
    inside = there["text"].strip()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", inside):
        return f"write dates without quotes: {inside}"
    shown = inside.replace("'", "''") if len(inside) <= _SHOWN else "Paris"
    return f"write texts between straight single quotes: '{shown or 'Paris'}'"


_SHOWN = 30
_NEAR = 200  # characters either side that a hint looks at: a definition may be long
_WORD = r"[^\W\d]\w*"
_MONTH_NAMES = "|".join(sorted(MONTHS, key=len, reverse=True))
_FRENCH_WORDS = "|".join(re.escape(one).replace(r"\ ", r"\s+") for one in sorted(FRENCH, key=len, reverse=True))
_WINDOW = r"(?:last|next|this|previous|since|before|between|today)\b"
_CALLS = r"count|sum|avg|min|max|first|last|distinct|most_frequent|share|avg_gap|periods|did|never"
_QUOTE = "a text needs its closing quote; a quote inside a text is written twice: 'l''été'"
_SQL = "'{}' is SQL; segments have no subqueries. Use count(), sum(), did()…"
_BARE = "names stand bare: {}"

_HABITS: tuple[Habit, ...] = (
    Habit("", r"[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u00ad]", _invisible),
    Habit("", r";", "one expression only: ';' is not part of the language"),
    Habit("", r"--|/\*", "a comment starts with #"),
    Habit(r"\bin", r"\[|\{", "a list stands between round brackets: in ('Paris', 'Lyon')"),
    Habit("", r"\{", "holes like {months} stand in recipes only; write a number, a date or a text between quotes"),
    # comparisons
    Habit(r"=", r"=", "write a single '='"),
    Habit(r"=", r"([<>])", lambda _b, r: f"write {r[1]}="),
    Habit(r"<", r">", "'not equal' is written !="),
    Habit("", r"==|=\s*=", "write a single '='"),
    Habit("", r"=<|≤|⩽", "write <="),
    Habit("", r"=>|≥|⩾", "write >="),
    Habit("", r"≠|<>", "write !="),
    Habit("", r"[\u00d7\u00b7]", "write *"),
    Habit("", r"[\u2013\u2014\u2212]", "write the sign as a hyphen: -"),
    Habit("", r"&&?", "write 'and'"),
    Habit("", r"\|\|?", "write 'or'"),
    Habit(rf"\b(?P<name>[\w.]+)\s*(?P<op>{_COMPARE})\s*(?P<value>\S+)\s+(?P<word>and|or)", rf"({_COMPARE})\s*(\S+)?", lambda b, r: f"repeat the name: {b['name']} {b['op']} {b['value']} {b['word']} {b['name']} {r[1]} {r[2] or '…'}"),
    Habit(r"(\S+)\s*(<=?)\s*([\w.]+)", r"(<=?)\s*(\S+)", lambda b, r: f"one comparison at a time: {b[3]} {b[2].replace('<', '>')} {b[1]} and {b[3]} {r[1]} {r[2]}"),
    Habit(r"\b(did|never)\(([^()]*)\)", rf"{_COMPARE}", lambda b, r: f"{b[1].lower()}(…) is true or false already; to compare a number write count({b[2]}) {r[0]} …"),
    Habit(rf"\b(?P<call>count|did|never)\s*\(\s*(?P<source>{_WORD})", rf"{_COMPARE}", lambda b, r: _moved(b, r) if b["call"].lower() == "count" else f"write count({b['source']}) {r[0]} …; {b['call'].lower()}(…) only asks whether there is one"),
    Habit(r"\b(?:last|next)\s+\d+\s+\w+", rf"{_COMPARE}", "a ')' is missing before the comparison"),
    Habit("", r"!", "write 'not'"),
    # nothing, and what is not it
    Habit(r"\bis\s+not|\bis(?=\s*\Z)", r"null\b", lambda b, _r: "write 'is known'" if "not" in b[0].lower() else "write 'is unknown'"),
    Habit(r"\bis", r"not\s+null\b", "write 'is known'"),
    Habit(r"\bis", r"not\s+('[^']*')", lambda _b, r: f"write != {r[1]}"),
    Habit(r"\bis", r"'[^']*'", lambda _b, r: f"write = {r[0]}"),
    Habit(r"\bis", r"", "write 'is known' or 'is unknown'"),
    # SQL
    Habit("", r"(?:not\s+)?i?like\s*'(?P<text>%?[^'%]+%?)'", _like),
    Habit("", r"(?:not\s+)?i?like\b", "use contains, starts with or ends with"),
    Habit(rf"\b(?P<fn>{_CALLS})\s*\(", r"\*", lambda b, _r: f"name the rows: {b['fn'].lower()}(orders)"),
    Habit(r"\b(\w+)", r"\.\*", lambda b, _r: f"write {b[1]} alone"),
    Habit(r"\bcount\s*\(\s*distinct", r"([\w.]+)", lambda _b, r: f"write distinct({r[1]})"),
    Habit(rf"\b(?:{_CALLS})\s*\(", rf"(?:{_CALLS})\s*\(", "inside the brackets stands a source, for example count(orders); a function of a function is a trait of its own"),
    Habit(r"", r"[`\[@]\s*(?P<name>[^\W\d][\w.]*)[`\]]?", lambda _b, r: _BARE.format(r["name"])),
    Habit("", r"\$(?P<name>[^\W\d]\w*)", lambda _b, r: _BARE.format(r["name"])),
    # numbers and money
    Habit(r"(?<![\w.])(\d{1,3}(?:[.,]\d{3})*)", r"[,.]?(?:\d{3}[,.\s])*\d{3}\b(?:[,.]\d{1,2}\b)?", _joined),
    Habit(r"(?<![\w.])(\d{1,3}(?:\.\d{3})+)", r",\d{1,2}\b", _joined),
    Habit(rf"\bbetween\s+({_NUMBER})", rf",\s*({_NUMBER})", lambda b, r: f"write between {b[1]} and {r[1]}"),
    Habit(r"(?<![\w.])(\d+)", r",(\d+)", lambda b, r: f"write decimals with a point: {b[1]}.{r[1]}"),
    Habit("", rf"(?P<code>[€$£])\s*(?P<n>{_NUMBER})", _money),
    Habit("", rf"(?P<n>{_NUMBER})\s*(?P<code>[€$£])", _money),
    Habit(rf"({_NUMBER})", r"(?:€|\$|£|euros?|dollars?|pounds?|livres?)", _money_after),
    Habit("", r"[€$£]", "write amounts with the currency's code after the number: 45 EUR"),
    Habit("", r"(\d+)([kKM])\b", _thousands),
    Habit("", rf"({_NUMBER})([A-Za-z]+)", _glued),
    Habit(r"\blast|\bnext", r"-\s*\d", "a whole number above zero comes here: last 30 days"),
    # dates and windows
    Habit(r"(?<![\w.])(?P<day>\d{1,2})", rf"(?P<month>{_MONTH_NAMES})\.?\s*(?P<year>\d{{4}})?\b", _month),
    Habit(r"(?P<day>)", rf"(?P<month>{_MONTH_NAMES})\.?(?:\s+(?P<year>\d{{4}}))?(?![\w.])", _month),
    Habit("", r"[QT]([1-4])(?:\s*(\d{4}))?(?![\w.])", _quarter),
    Habit("", r"(?:yesterday|hier)\b", "write 1 day ago"),
    Habit("", r"(?:tomorrow|demain)\b", "write 1 day from now"),
    Habit(r"(?<![\w.])(\d+)", r"[^\W\d]+", _french_unit),
    Habit(r"\b(last|next|previous)", r"(?:second|minute|hour|day|week|month|quarter|year)s?\b", lambda b, r: _period(b[1].lower(), r[0].lower())),
    Habit(r"\b(?:since|before)\s+last", r"", "a point in time comes here: 2026-01-31, today, 30 days ago"),
    Habit(r"\b(?:since|before)", r"(?:last|this|previous|next)\b", "a point in time comes here: 2026-01-31, today, 30 days ago"),
    Habit(r"\b(last|next)", rf"{_WORD}\s+(?:{'|'.join(UNITS)}|\w+s)\b", lambda b, _r: f"a number in figures comes here: {b[1].lower()} 30 days"),
    Habit(r"\bcount\s*\([^()]*\bwhere\b[^()]*\band\s+last|\bwhere\b[^()]*\b(?:and|or)\s+last", r"\d+", "the window stands after a comma: … where total > 100, last 30 days"),
    Habit(r"\b(before|since|after)\s+(\d+\s+\w+)", r"\)|\Z", lambda b, _r: f"write {b[1].lower()} {b[2]} ago"),
    Habit(r",\s*(\d+\s+\w+)", r"\)", lambda b, _r: f"write last {b[1]}, or {b[1]} ago for that day alone"),
    Habit(r"\blast\s+(\d+\s+\w+)", r"ago\b", lambda b, _r: f"write last {b[1]}, or {b[1]} ago for that day alone"),
    Habit(r"\bin\s+(\d+\s+\w+)", r"\Z", lambda b, _r: f"write in next {b[1]} or in last {b[1]}"),
    Habit(rf"\b(?P<call>{_CALLS})\s*\(\s*(?P<source>[\w.]+)", rf"(?:in\s+)?(?P<window>{_WINDOW}[^(),]*)", lambda b, r: f"a comma comes before the window: {b['call'].lower()}({b['source']}, {r['window'].strip()})"),
    Habit(r",", rf"in\s+({_WINDOW}[^(),]*)", lambda _b, r: f"write the window without 'in': {r[1].strip()}"),
    Habit(r",", r"from\s+([\w-]+)\s+to\s+([\w-]+)", lambda _b, r: f"write between {r[1]} and {r[2]}"),
    Habit(r"\bbetween\s+(\S+)", r"(?:to|-|à)\s*(\S+?)(?=[\s)]|\Z)", lambda b, r: f"write between {b[1]} and {r[1]}"),
    Habit(r"[^,]", r"then\b", "a comma comes before 'then'"),
    Habit(rf"\b(?:{_CALLS})\s*\(\s*([\w.]+)\s*,", rf"({_WORD})\s*{_COMPARE}", lambda b, _r: f"a test of the rows comes after 'where': {b[1]} where …"),
    Habit(r"\bwhere\b[^()]*,", rf"({_WORD})\s*{_COMPARE}", "join the tests of a where with 'and'"),
    # texts, lists and names
    Habit(r"\bin\s+segment", r"'([^']*)'", lambda _b, r: f"write the segment's name without quotes: in segment {r[1]}"),
    Habit(r"\breachable\s*\(", r"'([^']*)'", lambda _b, r: f"write the channel without quotes: reachable({r[1]})"),
    Habit(r"\bin", r"'(?:[^']|'')*'(?!\w)", lambda _b, r: f"a list stands between brackets: in ({r[0]})"),
    Habit(r"\bhas\s+(any|all|none)", r"'(?:[^']|'')*'", lambda b, r: f"a list stands between brackets: has {b[1].lower()} ({r[0]})"),
    Habit(r"\bhas", r"(any|all|none)\s+'", lambda _b, r: f"a list stands between brackets: has {r[1].lower()} ('…')"),
    Habit(r"\bhas|\bcontains|\bwith", rf"({_WORD})", lambda _b, r: f"a text stands between quotes: '{r[1]}'"),
    Habit("", r"[\"\u201c\u201d\u2018\u2019\u201e\u00ab\u00bb\u2039\u203a`](?P<text>[^\"\u201c\u201d\u2018\u2019\u00ab\u00bb\u2039\u203a`]*)", _quoted),
    Habit("", r"'(?![^']*')", _QUOTE),
    Habit(r"(?<=[\w)])\s*not", r"contains\b|starts\b|ends\b", "write the 'not' first: not city contains 'x'"),
    Habit("", r"not\s+(contains|starts\s+with|ends\s+with)\b", lambda _b, r: f"write the 'not' first: not city {r[1]} 'x'"),
    Habit(r"[\w.]+\s+not", r"'[^']*'", lambda _b, r: f"write != {r[0]}"),
    Habit(r"\btop", r"\d+%?", "write top 10% by and what is ranked: top 10% by sum(orders.total)"),
    Habit(r"\b(top|bottom)\s+(\d+)", r"by\b", lambda b, _r: f"a share of the customers comes here: {b[1].lower()} {b[2]}% by …"),
    Habit(r"\blast|\bfirst", rf"({_WORD})", lambda b, r: f"write {b[0].lower()}({_plural(r[1])}.ordered_at), or a window: last 30 days"),
    Habit(r"[\w)']", rf"{_WINDOW}", "write 'in' before a window: birthday in this month"),
    Habit("", rf"(?:{_FRENCH_WORDS})\b", _french),
    Habit(r"\b(?:non|pas|jamais)", r"", _french_before),
    Habit("", r"\.", "names look like city or consent.email, numbers like 4.5"),
)  # fmt: skip
_TELLING = frozenset({"_OF"})
_PLACES = {frozenset({"_OF"}): (Habit("", r"\w+", "write within 10 km of, and the name of a place"),)}


def _plural(word: str) -> str:
    return word if word.endswith("s") else f"{word}s"


def _period(word: str, unit: str) -> str | None:
    one = unit.removesuffix("s")
    if word == "next":
        return f"write 'next 1 {one}'"
    return f"write 'last 1 {one}' (sliding) or 'previous {one}' (calendar)" if word == "last" else None


def from_sql(before: str, rest: str) -> str | None:
    """A word of SQL at the place, or just before it."""
    found = re.search(r"(\w+)\W*\Z", before)
    there = re.match(r"\w+", rest)
    for one in (found[1].lower() if found else "", there[0].lower() if there else ""):
        if one in SQL_WORDS:
            return _SQL.format(one)
    return None


def nearest_word(rest: str, words: Collection[str]) -> str | None:
    """The keyword that was probably meant."""
    found = re.match(r"\w+", rest)
    best = nearest(found[0].lower(), words) if found else None
    return f"did you mean '{best}'?" if best else None
