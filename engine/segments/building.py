"""What is known so far of one client's traits and segments while the definitions are read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.language.mistakes import Finding, Mistake
from engine.language.vocabulary import Vocabulary
from engine.segments.definition import Definitions
from engine.segments.recipe import Recipe
from engine.segments.segment import Segment
from engine.traits import Trait

__all__ = ["Building"]


@dataclass(slots=True)
class Building:
    """What is known so far while one client's definitions are checked."""

    definitions: Definitions
    vocabulary: Vocabulary
    recipes: dict[str, Recipe] = field(default_factory=dict)
    traits: dict[str, Trait] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    wrong: frozenset[str] = frozenset()

    def find(self, place: str, owner: str, mistake: Mistake) -> None:
        """Note a mistake; all are told at once."""
        self.findings.append(Finding(place, owner, mistake))
