"""Segments that are smaller or larger than their config expects (R-GRD-01), in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.words import number, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.client.opening import Client
    from engine.segments.segment import Segment

__all__ = ["outside", "outsiders"]


def outside(segment: Segment, count: int, base: int, lang: str) -> str | None:
    """What is to be said of a segment of so many people out of a base; None where it lies within its bounds."""
    if segment.size is None or segment.size.fits(count, base):
        return None
    least, most = segment.size.people(base)
    key, bound = ("few", math.ceil(least)) if count < least else ("many", math.floor(most or 0))
    return say(f"segments.too_{key}", lang, title=segment.title, count=count, bound=number(bound, lang))


def outsiders(client: Client, names: Iterable[str]) -> Iterator[str]:
    """The same of each of these segments of a client, once."""
    import pyarrow.compute as pc

    people = client.membership.table
    for name in dict.fromkeys(names):
        segment = client.catalogue.segments[name]
        if segment.size is not None:
            count = int(pc.sum(people[f"segment:{name}"]).as_py() or 0)
            if (told := outside(segment, count, people.num_rows, client.lang)) is not None:
                yield told
