"""What an offer's eligibility reads of a person that needs a stated reason: gender, age, income or place (R-GRD-09)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from engine.language.mistakes import Mistake
from engine.language.walk import references
from engine.segments.definition import OfferDefinition
from engine.segments.segment import Segment
from engine.traits import Trait

__all__ = ["unreasoned"]

_PERSONAL = {
    "gender": "gender",
    "age": "age",
    "birth_date": "age",
    "income": "income",
    **dict.fromkeys(("country", "region", "city", "postcode", "lat", "lon", "climate_zone", "density"), "place"),
}
_PLACES = "place"


def unreasoned(
    offer: OfferDefinition,
    segments: Mapping[str, Segment],
    traits: Mapping[str, Trait],
    earlier: Mapping[str, AbstractSet[str]],
) -> Mistake | None:
    """The mistake of an offer without a reason that reads any of these, through other segments and traits too.

    `earlier`: of a group's segments those that come before, since being in one of them keeps a person out.
    """
    if offer.reason is not None:
        return None
    found = sorted(set(_read(offer.segments, segments, traits, earlier)))
    if not found:
        return None
    what = " and ".join(found)
    hint = f'say why: [offers.{offer.name}] reason = "…"; it is kept beside the offer'
    return Mistake("reason", f"who gets a code depends on {what}", hint, 0, "")


def _read(
    names: tuple[str, ...],
    segments: Mapping[str, Segment],
    traits: Mapping[str, Trait],
    earlier: Mapping[str, AbstractSet[str]],
) -> Iterator[str]:
    todo: list[tuple[str, str]] = [("segment", name) for name in names]
    seen: set[tuple[str, str]] = set()
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        kind, name = one
        if kind == "trait" and name in _PERSONAL:
            yield _PERSONAL[name]
        if kind == "segment":
            todo += [("segment", before) for before in earlier.get(name, ())]
        definition = (segments if kind == "segment" else traits).get(name)
        if definition is None:
            continue
        read = references(definition.node)
        if read.places:
            yield _PLACES
        todo += [("trait", trait) for trait in read.traits] + [("segment", segment) for segment in read.segments]
