"""Walking a tree: children, every node, and the names it refers to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass

from engine.language.tree import Aggregate, InSegment, Node, Reachable, Rows, Trait, Within


def children(node: object) -> Iterator[object]:
    """The nodes directly inside, in the order in which they are written; rows, then and windows included."""
    for field in fields(node):  # type: ignore[arg-type]  # every node is a dataclass
        value = getattr(node, field.name)
        if isinstance(value, tuple):
            yield from (item for item in value if is_dataclass(item))
        elif is_dataclass(value):
            yield value


def walk(node: object) -> Iterator[object]:
    """The node and everything inside, outermost first."""
    todo = [node]
    while todo:
        one = todo.pop()
        yield one
        todo.extend(reversed(list(children(one))))


@dataclass(frozen=True, slots=True)
class References:
    """The names that a definition stands on."""

    traits: frozenset[str]
    segments: frozenset[str]
    sources: frozenset[str]
    channels: frozenset[str]
    places: frozenset[str]


def references(node: Node) -> References:
    """Every trait (columns of customers too), segment, source, channel and place in the tree."""
    found = list(walk(node))
    return References(
        traits=frozenset(one.name for one in found if isinstance(one, Trait)),
        segments=frozenset(one.name for one in found if isinstance(one, InSegment)),
        sources=frozenset(one.source for one in found if isinstance(one, Rows)),
        channels=frozenset(one.channel for one in found if isinstance(one, Reachable)),
        places=frozenset(one.place for one in found if isinstance(one, Within)),
    )


def aggregates(node: Node) -> Iterator[Aggregate]:
    """Every aggregate in the tree, in the order in which they are written."""
    return (one for one in walk(node) if isinstance(one, Aggregate))
