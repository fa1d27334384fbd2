"""Text to Lark's tree: the grammar, loaded once when first needed, and its refusals put into words."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from engine.language.habits import DATES
from engine.language.habits import FUNCTIONS as HABITUAL
from engine.language.hints import from_sql, habit, nearest_word
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
_PREVIOUS = re.compile(r"('(?:[^']|'')*'|\w+|[^\w\s'])\s*\Z")
_SPOKEN = re.compile(r"'(?:[^']|'')*'|#[^\n]*")


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    from lark import Lark

    text = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=True)


def parse_syntax(text: str) -> Branch:
    """The text's syntax tree, its size within rule 21; raises Wrong."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    if not re.sub(r"#[^\n]*", "", text).strip():
        raise Wrong("empty", 0, "write 'true' for everyone, 'false' for nobody")
    if len(text) > LONGEST:
        raise Wrong("too-long", LONGEST, "name parts of it as segments or traits", length=len(text), limit=LONGEST)
    _refuse_dates(text)
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
    """Every name that stands for a value of the customer: sources, and columns within their rows, are none."""
    from lark import Tree

    found, todo = set[str](), [branch]
    while todo:
        node = todo.pop()
        if node.data == "name":
            found.add(str(node.children[0]))
        todo += [child for child in node.children if isinstance(child, Tree) and child.data != "rows"]
    return frozenset(found)


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
    end = len(text.rstrip()) if ended else at
    before, rest = text[:end], text[end:]
    found = _PREVIOUS.search(before)
    previous = found[1] if found else ""
    if ended and "RPAR" in kinds and (bare := _SPOKEN.sub("", text)).count("(") > bare.count(")"):
        return Wrong("unfinished", end, habit(before, "", kinds) or "a ')' is missing")
    if rest.startswith(")") and (bare := _SPOKEN.sub("", before)).count("(") <= bare.count(")"):
        return Wrong("unexpected", at, "there is a ')' too many", found="')'")
    if not ended and rest.startswith("(") and found and re.fullmatch(r"[^\W\d]\w*", previous):
        return _not_a_function(before, previous, found.start(1))
    hint = habit(before, rest, kinds) or from_sql(before, rest) or _expected(rest, kinds)
    return Wrong("unfinished", end, hint) if ended else Wrong("unexpected", at, hint, found=_excerpt(rest))


def _not_a_function(before: str, name: str, at: int) -> Wrong:
    """A name before a bracket that calls nothing, or nothing that may stand there."""
    known = (*FUNCTIONS, *AGGREGATES, "did", "never", "reachable")
    if name.lower() in known:
        return Wrong("unexpected", at, habit(before[:at], f"{name}(", ()), found=f"'{name}('")
    return Wrong("unknown-function", at, HABITUAL.get(name.lower()) or suggest(name, known, "functions"), name=name)


# what may come next, by the terminals that must be among those that could have stood there
_COMING: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"CURRENCY", "UNIT"}), "after a number: nothing, %, the currency (EUR) or a unit (days); then 'and' or 'or'"),
    (frozenset({"COMPARE"}), f"a comparison comes here: {_OPERATORS}; or 'and', 'or'"),
    (frozenset({"_LAST"}), "a window comes here, for example: last 30 days, this month, since 2026-01-01"),
    (frozenset({"NAME", "NUMBER"}), "a value comes here: a trait, a number, a text between quotes, count(…)…"),
    (frozenset({"NAME"}), "a name comes here"),
    (frozenset({"STRING"}), "a text between quotes comes here"),
)  # fmt: skip


def _expected(rest: str, kinds: Collection[str]) -> str | None:
    """What may come here, or the keyword that was probably meant."""
    words = {_KEYWORDS[kind] for kind in kinds if kind in _KEYWORDS}
    if (near := nearest_word(rest, words)) is not None:
        return near
    if kinds and set(kinds) <= {"UNIT", "MONTH_DAY"}:
        unit = "a unit comes here: days, weeks, months…"
        return unit if "UNIT" in kinds else "a day of the year comes here: month and day, for example 12-24"
    coming = next((text for needed, text in _COMING if needed <= set(kinds)), None)
    return coming or ("expected " + list_names([f"'{word}'" for word in sorted(words)]) if words else None)


def _refuse_dates(text: str) -> None:
    """Raises Wrong for a date that is written in another way: as arithmetic it would only be a number."""
    bare = _SPOKEN.sub(lambda one: " " * len(one[0]), text)
    others = (one for one in re.finditer(DATES, bare) if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", one[0]))
    found = next(others, None)
    if found is None:
        return
    if found["year"]:
        hint = f"write {found['year']}-{int(found['month']):02d}-{int(found['day']):02d}"
    else:
        day, month, year = int(found["a"]), int(found["b"]), found["y"]
        readings = [f"{year}-{m:02d}-{d:02d}" for d, m in dict.fromkeys(((day, month), (month, day))) if m <= _MONTHS]
        hint = f"write {' or '.join(readings)}" if readings else "for example 2026-01-31"
    raise Wrong("date-format", found.start(), hint, text=found[0])


_MONTHS = 12


def _excerpt(rest: str) -> str:
    """What a person sees there: a word, or a sign and the two words after it."""
    found = re.match(r"'[^'\n]{0,20}|\w+|[^\w\s']+(?:\s?\w+){0,2}", rest)
    shown = (found[0] if found else rest[:10])[:40]
    return f"'{''.join(c if c.isprintable() else '?' for c in shown)}'"
