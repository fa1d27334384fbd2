"""What is allowed but probably not meant: told as warnings, never refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.language.printer import to_text
from engine.language.tree import Between, Compare, InWindow, Not, OneOf, Trait
from engine.language.vocabulary import Vocabulary
from engine.language.walk import walk
from engine.segments.segment import Segment


def find_lints(segments: Mapping[str, Segment], vocabulary: Vocabulary) -> Iterator[str]:
    """One sentence a finding, in the order of the segments."""
    for segment in segments.values():
        where = f"{segment.place}: segments.{segment.name}" if segment.place else f"segments.{segment.name}"
        if segment.holdout is not None and segment.holdout.salt == segment.name:
            yield f"{where}: the holdout's salt is the segment's name; give it a name of its own, or a rename reshuffles"
        for name in _missing_included(segment, vocabulary):
            yield f"{where}: customers with unknown {name} are included; add `and {name} is known` to leave them out"


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
