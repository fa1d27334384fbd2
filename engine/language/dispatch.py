"""One table of rules each for tests and for values, so that the two can stand in separate modules and nest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from engine.language.mistakes import Wrong
from engine.language.points import POINTS, build_point
from engine.language.scope import Scope
from engine.language.syntax import Branch, place
from engine.language.tree import Column, Test, Text, Trait, Truth, Type, Value, Yes

TestRule: TypeAlias = Callable[[Branch, Scope], Test]
ValueRule: TypeAlias = Callable[[Branch, Scope], Value]

TESTS: dict[str, TestRule] = {}
VALUES: dict[str, ValueRule] = {}
_T = TypeVar("_T", TestRule, ValueRule)


def rule(table: dict[str, _T], name: str) -> Callable[[_T], _T]:
    """Registers the builder of one rule of the grammar."""

    def register(build: _T) -> _T:
        table[name] = build
        return build

    return register


def build_test(branch: Branch, scope: Scope) -> Test:
    """The test that a syntax tree spells, checked."""
    name = str(branch.data)
    if name == "group":
        return build_test(inner(branch, 0), scope)
    if name in TESTS:
        return TESTS[name](branch, scope)
    value = build_value(branch, scope)
    if isinstance(value, Truth):
        return value
    if isinstance(value, Trait | Column) and value.type is Type.BOOLEAN:
        return Yes(value, at=value.at)
    from engine.language.checks import describe

    raise Wrong("not-a-test", place(branch), _untested(value, scope), what=describe(value))


def _untested(value: Value, scope: Scope) -> str:
    """What a value needs to be a test."""
    from engine.language.printer import to_text

    if isinstance(value, Text):
        text = to_text(value)
        return f"write in (…, {text}), or repeat what is compared: … = {text}"
    fact = scope.fact(value)
    example = f"{to_text(value)} = '{fact.values[0]}'" if fact and fact.values else "with '='"
    return f"compare it, for example {example}"


def build_value(branch: Branch, scope: Scope) -> Value:
    """The value that a syntax tree spells, checked."""
    name = str(branch.data)
    if name == "group":
        return build_value(inner(branch, 0), scope)
    if name in POINTS:
        return build_point(branch)
    if name in TESTS:
        raise Wrong("not-a-value", place(branch), "write if(…, 1, 0) to count with a test")
    return VALUES[name](branch, scope)


def is_test(branch: Branch) -> bool:
    """Whether a syntax tree can only be a test."""
    name = str(branch.data)
    return is_test(inner(branch, 0)) if name == "group" else name in TESTS


def inner(branch: Branch, index: int) -> Branch:
    """A child that is a tree."""
    child = branch.children[index]
    if isinstance(child, str):
        raise TypeError(child)
    return child


def maybe(branch: Branch, index: int) -> Branch | None:
    """An optional child that is a tree."""
    return None if branch.children[index] is None else inner(branch, index)
