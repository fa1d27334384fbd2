"""Whether a definition can hold for nobody, whatever the data: what is said is certain, not everything is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from engine.language.printer import to_text
from engine.language.tree import (
    And,
    Between,
    Compare,
    Did,
    InSegment,
    InWindow,
    Known,
    Not,
    OneOf,
    Or,
    Test,
    Text,
    Truth,
    Value,
)
from engine.segments.ranges import Range, Traits, counted, holds, ranges
from engine.segments.segment import Group, Segment

_TURNED = {"=": "!=", "!=": "="}
_REST = {**_TURNED, "<": ">=", ">=": "<", "<=": ">", ">": "<="}


@dataclass(slots=True)
class Emptiness:
    """The definitions of one client, and what was found of its segments: a reason, or None."""

    segments: Mapping[str, Segment]
    groups: Mapping[str, Group]
    traits: Traits
    _found: dict[str, str | None] = field(default_factory=dict)

    def of(self, name: str) -> str | None:
        """Why nobody can be in a segment."""
        if name not in self._found:
            self._found[name] = None
            segment = self.segments.get(name)
            is_listed = segment is None or segment.is_static
            self._found[name] = None if is_listed or segment is None else self._of(segment)
        return self._found[name]

    def _of(self, segment: Segment) -> str | None:
        own = self.reason(segment.node)
        return own or next((found for one in self._earlier(segment.name) if (found := self._taken(segment, one))), None)

    def _earlier(self, name: str) -> Iterator[Segment]:
        """Those that come first in its group."""
        for group in self.groups.values():
            if name in group.exclusive:
                yield from (self.segments[one] for one in group.exclusive[: group.exclusive.index(name)])

    def _taken(self, segment: Segment, earlier: Segment) -> str | None:
        """Whether being in a segment means being in an earlier one of its group."""
        items = segment.node.items if isinstance(segment.node, And) else (segment.node,)
        left = _complement(earlier.node)
        is_taken = self.reason(left) is not None or any(self._contradict(item, left) for item in items)
        return f"whoever it means is in '{earlier.name}', which comes first in the group" if is_taken else None

    def reason(self, test: Test) -> str | None:
        """Why a test cannot hold."""
        if isinstance(test, Or):
            reasons = [self.reason(item) for item in test.items]
            return reasons[0] if all(reasons) else None
        if isinstance(test, And):
            own = next((found for item in test.items if (found := self.reason(item))), None)
            return own or next(self._together(test.items), None)
        return self._alone(test)

    def _alone(self, test: Test) -> str | None:
        if isinstance(test, Truth | Not):
            truth = test.item if isinstance(test, Not) else test
            is_false = isinstance(truth, Truth) and truth.value is isinstance(test, Not)
            return f"`{to_text(test)}` holds for nobody" if is_false else None
        if isinstance(test, InSegment):
            return f"nobody is in the segment '{test.name}'" if self.of(test.name) else None
        if isinstance(test, Did) and not test.never and test.rows.where is not None:
            return self.reason(test.rows.where)
        return f"`{to_text(test)}` never holds" if self._meet([test]) else None

    def _together(self, items: tuple[Test, ...]) -> Iterator[str]:
        """What contradicts what."""
        for one, other in combinations(items, 2):
            if self._contradict(one, other):
                yield f"`{to_text(one)}` and `{to_text(other)}` never hold together"

    def _contradict(self, one: Test, other: Test) -> bool:
        found = _opposed(one, other) or self._apart(one, other) or self._meet([one, other])
        return found or _miscounted(one, other)

    def _meet(self, tests: list[Test]) -> bool:
        """Whether what the tests leave to one thing is nothing."""
        left: dict[str, Range] = {}
        for test in tests:
            for name, found in ranges(test, self.traits):
                left[name] = left.get(name, Range()).meet(found)
        return any(found.is_empty for found in left.values())

    def _apart(self, one: Test, other: Test) -> bool:
        """Two segments of one group."""
        names = {test.name for test in (one, other) if isinstance(test, InSegment)}
        return len(names) > 1 and any(names <= set(group.exclusive) for group in self.groups.values())


def _opposed(one: Test, other: Test) -> bool:
    """A test and its complement, two lists without a common text, a value asked for and asked to be unknown."""
    if Not(one) == other or one == Not(other) or _turned(one) == other:
        return True
    (a, mine), (b, theirs) = _texts(one), _texts(other)
    if a is not None and a == b and mine and theirs:
        return not mine & theirs
    for known, test in ((one, other), (other, one)):
        if isinstance(known, Known) and known.negated and known.of == _subject(test):
            return True
    return False


def _complement(test: Test) -> Test:
    """What is left to those for whom a test does not hold; the unknown are left out where they cannot matter."""
    if isinstance(test, Compare) and test.op in _REST:
        return Compare(_REST[test.op], test.left, test.right)
    if isinstance(test, Truth):
        return Truth(not test.value)
    return _turned(test) or Not(test)


def _turned(test: Test) -> Test | None:
    """The same test with its sign turned."""
    if isinstance(test, Between | OneOf | InWindow | Known):
        kind, names = type(test), [name for name in test.__slots__ if name not in {"negated", "at"}]
        return kind(**{name: getattr(test, name) for name in names}, negated=not test.negated)
    if isinstance(test, Compare) and test.op in _TURNED:
        return Compare(_TURNED[test.op], test.left, test.right)
    if isinstance(test, Did):
        return Did(test.rows, test.window, test.then, never=not test.never)
    return None


def _texts(test: Test) -> tuple[Value | None, set[str]]:
    """The texts that a value may be, letter case aside."""
    if isinstance(test, Compare) and test.op == "=" and isinstance(test.right, Text):
        return test.left, {test.right.value.lower()}
    if isinstance(test, OneOf) and not test.negated and all(isinstance(one, Text) for one in test.values):
        return test.of, {one.value.lower() for one in test.values if isinstance(one, Text)}
    return None, set()


def _subject(test: Test) -> Value | None:
    """What must be known for a test to hold."""
    if isinstance(test, Compare):
        return None if test.op == "!=" else test.left
    return test.of if isinstance(test, Between | OneOf | InWindow) and not test.negated else None


def _miscounted(one: Test, other: Test) -> bool:
    """Fewer rows wanted of a wider lot than of a narrower one: bought in the last day, and never in the last two."""
    mine, theirs = counted(one), counted(other)
    if mine is None or theirs is None:
        return False
    for (wide, few), (narrow, many) in ((mine, theirs), (theirs, mine)):
        if holds(wide, narrow) and Range(low=many.low, low_open=many.low_open).meet(Range(high=few.high, high_open=few.high_open)).is_empty:  # fmt: skip
            return True
    return False
