"""What is allowed but probably not meant: told as warnings, never refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from engine.language.printer import number_text, to_text
from engine.language.tree import And, Between, Compare, InWindow, Not, OneOf, Test, Trait
from engine.language.vocabulary import Vocabulary
from engine.language.walk import references, walk
from engine.segments.emptiness import Emptiness
from engine.segments.ranges import Range, Traits, ranges
from engine.segments.segment import Group, Segment
from engine.segments.split import Split, gaps

_SLIP = 2  # years: a gap that narrow between two bands is a slip, a wider one is meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Linted:
    """What is looked at; `used` are the segments that destinations and offers name, None where that is not known."""

    segments: Mapping[str, Segment]
    groups: Mapping[str, Group]
    traits: Traits
    vocabulary: Vocabulary
    splits: Sequence[Split] = ()
    used: frozenset[str] | None = None


def find_lints(linted: Linted) -> Iterator[str]:
    """One sentence a finding, in the order of the segments; what is about several of them comes last."""
    emptiness = Emptiness(linted.segments, linted.groups, linted.traits)
    for segment in linted.segments.values():
        where = _place(segment)
        if segment.holdout is not None and segment.holdout.salt == segment.name:
            yield f"{where}: the holdout's salt is the segment's name; give it a name of its own, or a rename reshuffles"
        for name in _missing_included(segment, linted.vocabulary):
            yield f"{where}: customers with unknown {name} are included; add `and {name} is known` to leave them out"
        reason = emptiness.of(segment.name)
        if reason is not None:
            yield f"{where}: always empty: {reason}"
    yield from _bands(linted)
    yield from _draws(linted)
    yield from _splits(linted)
    yield from _unused(linted)


def _place(segment: Segment) -> str:
    return f"{segment.place}: segments.{segment.name}" if segment.place else f"segments.{segment.name}"


def _missing_included(segment: Segment, vocabulary: Vocabulary) -> list[str]:
    """Optional traits under a negation, which lets the missing in (rule 3), unless the text asks that they are known."""
    text = segment.text
    found: dict[str, None] = {}
    for node in walk(segment.node):
        if not _negates(node):
            continue
        for one in walk(node):
            fact = vocabulary.facts.get(one.name) if isinstance(one, Trait) else None
            if isinstance(one, Trait) and (fact is None or fact.optional) and f"{to_text(one)} is known" not in text:
                found.setdefault(one.name)
    return list(found)


def _negates(node: object) -> bool:
    if isinstance(node, Compare):
        return node.op == "!="
    return isinstance(node, Not) or (isinstance(node, Between | OneOf | InWindow) and node.negated)


def _bands(linted: Linted) -> Iterator[str]:
    """Age bands that share years without one being part of the other, or that leave a year or two to nobody."""
    bands = [(band, one) for one in linted.segments.values() if (band := _band(one.node, linted.traits)) is not None]
    for ((low, high), one), ((next_low, next_high), other) in pairwise(sorted(bands, key=lambda band: band[0])):
        if low < next_low <= high < next_high:
            shared = f"{next_low}" if next_low == high else f"{next_low} to {high}"
            yield f"{_place(other)}: those aged {shared} are in '{one.name}' too; age bands hold both their ends"
        elif next_low > high + 1 and (next_low - high - 1 <= _SLIP or _grouped(one, other, linted)):
            left = f"{high + 1}" if next_low == high + 2 else f"{high + 1} to {next_low - 1}"
            yield f"{_place(other)}: those aged {left} are neither in '{one.name}' nor in '{other.name}'"


def _band(test: Test, traits: Traits) -> tuple[int, int] | None:
    """The whole years from and to of a segment that asks for an age and nothing else."""
    items = test.items if isinstance(test, And) else (test,)
    found, left = [ranges(item, traits) for item in items], Range()
    if not all(found) or any(name != "age" for part in found for name, _ in part):
        return None
    for part in found:
        for _, one in part:
            left = left.meet(one)
    if left.low is None or left.is_empty:
        return None
    low = int(left.low) + (left.low_open or left.low != int(left.low))
    high = _OLDEST if left.high is None else int(left.high) - (left.high_open and left.high == int(left.high))
    return low, high


_OLDEST = 200


def _draws(linted: Linted) -> Iterator[str]:
    """Segments that are stretches of one draw and nothing else, written one by one: what two share, what none takes."""
    arms = {name for split in linted.splits for name in split.arms}
    draws: dict[str, list[tuple[Decimal, Decimal, Segment]]] = {}
    for segment in linted.segments.values():
        if segment.name not in arms and (draw := _draw(segment.node, linted.traits)) is not None:
            draws.setdefault(draw[0], []).append((draw[1], draw[2], segment))
    for name, parts in draws.items():
        ordered = sorted(parts, key=lambda part: part[:2])
        for (_, end, one), (begin, _, other) in pairwise(ordered):
            if begin < end:
                yield f"{_place(other)}: '{one.name}' draws some of the same people; let one end where the other begins"
            elif begin > end:
                yield f"{_place(other)}: {number_text(end)}% to {number_text(begin)}% of {name} is neither in '{one.name}' nor in '{other.name}'"
        last = max(ordered, key=lambda part: part[1])
        if len(ordered) > 1 and ordered[0][0] > 0:
            yield f"{_place(ordered[0][2])}: 0% to {number_text(ordered[0][0])}% of {name} is in no segment"
        if len(ordered) > 1 and last[1] < _ALL:
            yield f"{_place(last[2])}: {number_text(last[1])}% to 100% of {name} is in no segment"


def _draw(test: Test, traits: Traits) -> tuple[str, Decimal, Decimal] | None:
    """The draw, from and to of a segment that asks for nothing else."""
    items = test.items if isinstance(test, And) else (test,)
    found = [ranges(item, traits) for item in items]
    names = {name for part in found for name, _ in part}
    if not all(found) or len(names) != 1 or not (name := names.pop()).startswith("bucket("):
        return None
    left = Range()
    for part in found:
        for _, one in part:
            left = left.meet(one)
    low, high = left.low or Decimal(0), _ALL if left.high is None else left.high
    return None if left.is_empty else (name, low, min(high, _ALL))


_ALL = Decimal(100)


def _splits(linted: Linted) -> Iterator[str]:
    """Splits that leave somebody out, salts named after what they split, and one draw used for two things."""
    held = {one.holdout.salt: one.name for one in linted.segments.values() if one.holdout is not None}
    seen: dict[str, str] = {}
    for split in linted.splits:
        where = f"{split.place}: splits.{split.name}" if split.place else f"splits.{split.name}"
        for gap in gaps(split):
            yield f"{where}: nobody's arm: {gap}; add an arm for it, or leave these people as they are"
        if split.salt in {split.name, *split.arms}:
            yield f"{where}: the salt is the split's name; give it a name of its own, or a rename reshuffles"
        if split.salt in seen:
            yield f"{where}: the salt is that of splits.{seen[split.salt]} too, so both draw the same people; give each its own"
        if split.salt in held:
            yield f"{where}: the salt is that of the holdout of '{held[split.salt]}', so the first arm is held out; give it another"
        seen.setdefault(split.salt, split.name)


def _grouped(one: Segment, other: Segment, linted: Linted) -> bool:
    return any({one.name, other.name} <= set(group.exclusive) for group in linted.groups.values())


def _unused(linted: Linted) -> Iterator[str]:
    """Segments that reach no destination: neither named there, nor part of one that is."""
    if linted.used is None:
        return
    used, todo = set[str](), list(linted.used & linted.segments.keys())
    while todo:
        name = todo.pop()
        if name not in used:
            used.add(name)
            earlier = [one for group in linted.groups.values() if name in group.exclusive for one in group.exclusive]
            todo += [*earlier, *(references(linted.segments[name].node).segments & linted.segments.keys())]
    otherwise = {group.otherwise for group in linted.groups.values()}
    left = [name for name in linted.segments if name not in used | otherwise]
    if left:
        names = ", ".join(
            f"{name} ({linted.segments[name].place})" if linted.segments[name].place else name for name in left
        )
        yield f"no destination uses {'the segment' if len(left) == 1 else 'the segments'} {names}"
