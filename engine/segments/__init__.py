"""Segments: who. Definitions become a checked catalogue that `compute` answers."""

from engine.segments.catalogue import REACHABLE, build_catalogue
from engine.segments.definition import (
    Definitions,
    GroupDefinition,
    HoldoutDefinition,
    SegmentDefinition,
    SizeDefinition,
    SourceDefinition,
    SplitDefinition,
    TagDefinition,
)
from engine.segments.segment import Catalogue, Group, Holdout, Segment, Size

__all__ = [
    "REACHABLE", "Catalogue", "Definitions", "Group", "GroupDefinition", "Holdout", "HoldoutDefinition", "Segment",
    "SegmentDefinition", "Size", "SizeDefinition", "SourceDefinition", "SplitDefinition", "TagDefinition", "build_catalogue",
]  # fmt: skip
