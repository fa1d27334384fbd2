"""Text to Lark's tree: the grammar, loaded once when first needed, and its refusals put into words."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from engine.errors import nearest
from engine.language.mistakes import Wrong, list_names, suggest

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

Branch: TypeAlias = "Tree[Token]"

LONGEST = 2_000
DEEPEST = 20
WIDEST = 200

FUNCTIONS = (
    "if", "default", "days_since", "anniversary", "bucket", "quintile", "decile", "percentile", "hour", "weekday", "month",
)  # fmt: skip
AGGREGATES = (
    "count", "sum", "avg", "min", "max", "first", "last", "distinct", "most_frequent", "share", "avg_gap", "periods",
)  # fmt: skip

_KEYWORDS = {
    "_OR": "or", "_AND": "and", "NOT": "not", "_BETWEEN": "between", "_IN": "in", "_IS": "is", "_HAS": "has",
    "_SEGMENT": "segment", "_WITHIN": "within", "_KM": "km", "_OF": "of", "_BY": "by", "_AMONG": "among",
    "_THEN": "then", "_SAME": "same", "_WHERE": "where", "_AT_LEAST": "at least", "_AGO": "ago",
    "_FROM_NOW": "from now", "_LAST": "last", "_NEXT": "next", "_THIS": "this", "_PREVIOUS": "previous", "_EVERY": "every", "_TO": "to",
    "_SINCE": "since", "_BEFORE": "before", "KNOWN": "known", "TEXT_TEST": "contains", "UNIT": "days", "NO": "no",
    "RPAR": ")", "COMMA": ",", "_PERCENT": "%",
}  # fmt: skip
_NESTING = frozenset({"group", "negation", "function", "aggregate", "did", "ranked", "minus"})
_OPERATORS = "=, !=, <, <=, >, >=, between, in, is known, contains, starts with, ends with or has"
_QUOTE = "a text needs its closing quote; a quote inside a text is written twice: 'l''été'"
_SQL = "'{word}' is SQL; segments have no subqueries. Use count(), sum(), did()…"
_SQL_WORDS = frozenset({
    "select", "from", "join", "union", "having", "group", "order", "case", "when", "exists", "table", "drop",
    "insert", "delete", "update", "limit", "offset",
})  # fmt: skip
_WORD_HINTS = {
    "like": "use contains, starts with or ends with",
    "ilike": "use contains, starts with or ends with",
    "null": "write 'is known' or 'is unknown'",
    "contains": "write the 'not' first: not city contains 'x'",
}
_PREVIOUS = re.compile(r"('(?:[^']|'')*'|\w+|[^\w\s'])\s*\Z")
# what a person types from habit, and what it is called here; the first that fits the rest of the text is shown
_HABITS: tuple[tuple[str, str], ...] = (
    (r";", "one expression only: ';' is not part of the language"),
    (r"--|/\*", "a comment starts with #"),
    (r"==|=\s*=", "write a single '='"),
    (r">", "'not equal' is written !="),
    (r"&&?", "write 'and'"),
    (r"\|\|?", "write 'or'"),
    (r"!", "write 'not'"),
    (r'["\u201c\u201d\u2018\u2019«»`]', "write texts between straight single quotes: 'Paris'"),
    (r"'", _QUOTE),
    (r"[€$£]", "write amounts with the currency's code after the number: 45 EUR"),
    (r"\d+[A-Za-z]", "put a space between the number and what follows it"),
    (r"\.", "names look like city or consent.email, numbers like 4.5"),
)


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    from lark import Lark

    text = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=True)


def parse_syntax(text: str) -> Branch:
    """The text's syntax tree, its size within rule 21; raises Wrong."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    if not text.strip():
        raise Wrong("empty", 0, "write 'true' for everyone, 'false' for nobody")
    if len(text) > LONGEST:
        raise Wrong("too-long", LONGEST, "name parts of it as segments or traits", length=len(text), limit=LONGEST)
    try:
        tree = _grammar().parse(text)
    except UnexpectedToken as error:
        kinds = error.accepts or error.expected
        raise _unexpected(text, int(error.token.start_pos or 0), kinds, error.token.type == "$END") from None
    except UnexpectedCharacters as error:
        raise _unexpected(text, error.pos_in_stream or 0, error.allowed or set(), False) from None
    branch: Branch = tree.children[0]  # type: ignore[assignment]  # start always holds one tree
    _check_depth(branch)
    return branch


def place(branch: Branch | Token) -> int:
    """The offset of its first character."""
    from lark import Token

    found = branch.start_pos if isinstance(branch, Token) else getattr(branch.meta, "start_pos", 0)
    return int(found or 0)


def names(branch: Branch) -> frozenset[str]:
    """Every name that stands in the text, whatever it turns out to mean."""
    from lark import Token

    return frozenset(str(one) for one in branch.scan_values(lambda one: isinstance(one, Token) and one.type == "NAME"))


def _check_depth(branch: Branch) -> None:
    from lark import Tree

    todo: list[tuple[Branch, int]] = [(branch, 0)]
    while todo:
        node, depth = todo.pop()
        depth += node.data in _NESTING
        if depth > DEEPEST:
            raise Wrong(
                "too-deep", place(node), "name the inner part as a segment or a trait", depth=depth, limit=DEEPEST
            )
        if len(node.children) > 2 * WIDEST:
            raise Wrong("too-many", place(node), "split it", count=len(node.children), what="terms", limit=WIDEST)
        todo += [(child, depth) for child in node.children if isinstance(child, Tree)]


def _unexpected(text: str, at: int, kinds: Collection[str], ended: bool) -> Wrong:  # noqa: FBT001 - what Lark said
    """The refusal of what stands at `at`; `kinds` are the terminals that could have stood there."""
    found = _PREVIOUS.search(text, 0, len(text.rstrip()) if ended else at)
    previous = found[1] if found else ""
    if ended:
        return Wrong("unfinished", len(text.rstrip()), _ending(text, kinds, previous))
    if text.startswith("(", at) and found and re.fullmatch(r"[^\W\d]\w*", previous):
        known = (*FUNCTIONS, *AGGREGATES, "did", "never", "reachable")
        return Wrong("unknown-function", found.start(1), suggest(previous, known, "functions"), name=previous)
    if found and previous.startswith("'") and found.end(1) == at:
        return Wrong("unexpected", at, _QUOTE, found=_excerpt(text[at:]))
    hint = next((hint for spell in _HINTS if (hint := spell(text[at:], previous, kinds))), None)
    return Wrong("unexpected", at, hint, found=_excerpt(text[at:]))


def _after_last(rest: str, previous: str, _kinds: Collection[str]) -> str | None:
    unit = re.match(r"(second|minute|hour|day|week|month|quarter|year)s?\b", rest, re.IGNORECASE)
    if unit is None or previous.lower() not in {"last", "next"}:
        return None
    one = unit[1].lower()
    if previous.lower() == "next":
        return f"write 'next 1 {one}'"
    return f"write 'last 1 {one}' (sliding) or 'previous {one}' (calendar)"


def _after_is(rest: str, previous: str, _kinds: Collection[str]) -> str | None:
    if previous.lower() != "is":
        return None
    return (
        "write 'is unknown'" if re.match(r"not\b|null\b", rest, re.IGNORECASE) else "write 'is known' or 'is unknown'"
    )


def _from_habit(rest: str, previous: str, _kinds: Collection[str]) -> str | None:
    if previous == "=" and rest.startswith("="):
        return "write a single '='"
    if previous.isdigit() and re.match(r",\s*\d", rest):
        return "write decimals with a point: 4.5"
    return next((hint for pattern, hint in _HABITS if re.match(pattern, rest)), None)


def _from_word(rest: str, previous: str, kinds: Collection[str]) -> str | None:
    found = re.match(r"\w+", rest)
    word = found[0].lower() if found else ""
    for one in (previous.lower(), word):
        if one in _SQL_WORDS:
            return _SQL.format(word=one)
    if word in _WORD_HINTS and (word != "contains" or previous.lower() == "not"):
        return _WORD_HINTS[word]
    best = nearest(word, [_KEYWORDS[kind] for kind in kinds if kind in _KEYWORDS])
    return f"did you mean '{best}'?" if best else None


def _from_kinds(_rest: str, _previous: str, kinds: Collection[str]) -> str | None:
    if kinds and set(kinds) <= {"UNIT", "MONTH_DAY"}:
        unit = "a unit comes here: days, weeks, months…"
        return unit if "UNIT" in kinds else "a day of the year comes here: month and day, for example 12-24"
    if "COMPARE" in kinds:
        return f"a comparison comes here: {_OPERATORS}; or 'and', 'or'"
    if "_LAST" in kinds:
        return "a window comes here, for example: last 30 days, this month, since 2026-01-01"
    if "NAME" in kinds and "NUMBER" not in kinds:
        return "a name comes here"
    if "NAME" in kinds and "NUMBER" in kinds:
        return "a value comes here: a trait, a number, a text between quotes, count(…)…"
    words = sorted({f"'{_KEYWORDS[kind]}'" for kind in kinds if kind in _KEYWORDS})
    return f"expected {list_names(words)}" if words else None


_HINTS: tuple[Callable[[str, str, Collection[str]], str | None], ...] = (
    _after_last, _after_is, _from_habit, _from_word, _from_kinds,
)  # fmt: skip


def _ending(text: str, kinds: Collection[str], previous: str) -> str | None:
    bare = re.sub(r"'(?:[^']|'')*'|#[^\n]*", "", text)
    if "RPAR" in kinds and bare.count("(") > bare.count(")"):
        return "a ')' is missing"
    return _from_kinds("", previous, kinds)


def _excerpt(rest: str) -> str:
    """What a person sees there: a word, or a sign and the two words after it."""
    found = re.match(r"'[^'\n]{0,20}|\w+|[^\w\s']+(?:\s?\w+){0,2}", rest)
    shown = (found[0] if found else rest[:10])[:40]
    return f"'{''.join(c if c.isprintable() else '?' for c in shown)}'"
