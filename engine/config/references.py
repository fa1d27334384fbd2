"""What one table of a config says of another: names that exist, amounts in the client's money, engines that go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.config.mistakes import dotted, hint, place_of
from engine.config.settings import DEFINITIONS, ONE_DEFINITION, MergeTag, Segment, Settings
from engine.config.values import Money, engine_of
from engine.errors import nearest

if TYPE_CHECKING:
    from engine.config.document import Keys

__all__ = ["contradictions"]

_HERE = {"127.0.0.1", "localhost", "::1"}


def contradictions(settings: Settings, places: Mapping[Keys, str], file: str, wrong: set[str | int]) -> list[str]:
    """What one table says of another: names that exist (those that are `wrong` themselves are told once), and the client's currency."""
    segments = set(settings.segments) | {group.otherwise for group in settings.groups.values() if group.otherwise}
    segments |= {f"{name}_{arm}" for name, split in settings.splits.items() for arm in split.arms}
    mistakes = [
        f"{place_of(places, keys, file)}: {dotted(keys)}: there is no {what} '{name}'{hint(name, known)}"
        for keys, what, name, known in _references(settings, segments)
        if name not in known and name not in wrong
    ]
    mistakes += [
        f"{place_of(places, keys, file)}: {dotted(keys)}: amounts are in {settings.currency}, not {money.currency}"
        for keys, money in _amounts(settings)
        if money.currency not in {None, settings.currency}
    ]
    mistakes += [f"{place_of(places, keys, file)}: {said}" for keys, said in _misspelt(settings)]
    mistakes += [
        f"{place_of(places, keys, file)}: {dotted(keys)}: the codes of '{offer}' are nobody's: {there} hands them out, and a merge tag carries a person's code"
        for keys, offer, there in _nobodys(settings)
    ]
    mistakes += [f"{place_of(places, keys, file)}: {dotted(keys)}: {said}" for keys, said in _engines(settings)]
    if settings.sandbox is not None:
        mistakes += [
            f"{place_of(places, ('destinations', name), file)}: destinations.{name} is not on this machine; [sandbox] is only for base_url on 127.0.0.1"
            for name, destination in settings.destinations.items()
            if urlsplit(str(destination.options.get("base_url", ""))).hostname not in _HERE
        ]
    return mistakes


def _misspelt(settings: Settings) -> Iterator[tuple[Keys, str]]:
    """Keys that no segment has, where no recipe may know them; and a segment that nothing defines, where none of them was meant to."""
    known = set(Segment.model_fields)
    for name, segment in settings.segments.items():
        keys = [] if segment.recipe is not None else list(segment.model_extra or {})
        meant = {nearest(key, known): key for key in keys}
        if "recipe" in meant:
            keys = [meant["recipe"]]  # the others may be its parameters
        for key in keys:
            yield ("segments", name, key), f"unknown key '{key}' in segments.{name}{hint(key, known)}"
        if keys and not segment.definitions and not meant.keys() & set(DEFINITIONS):
            yield ("segments", name), f"segments.{name}: {ONE_DEFINITION}"


def _engines(settings: Settings) -> Iterator[tuple[Keys, str]]:
    """Where data is and where it is computed: the pairs that there are."""
    shop, compute = settings.shop, settings.compute
    own = shop.engine
    valid = ("duckdb", "spark") if own is None else (own, "duckdb")
    if compute.backend not in {None, *valid}:
        what = "files" if own is None else f"a shop in {own}"
        yield ("compute", "backend"), f"{what} cannot be computed by {compute.backend}; valid: {', '.join(valid)}"
        return
    engine = settings.engine
    if engine == "duckdb" and (compute.url or compute.overlays):
        yield ("compute",), "url and schema are another engine's; duckdb runs on this machine"
    elif compute.url is not None and engine_of(compute.url) != engine:
        yield ("compute", "url"), f"this is an address of {engine_of(compute.url)}, not of {engine}"


def _references(settings: Settings, segments: set[str]) -> Iterator[tuple[Keys, str, str, set[str]]]:
    offers = set(settings.offers)
    for name, destination in settings.destinations.items():
        for index, segment in enumerate(destination.segments):
            yield ("destinations", name, "segments", index), "segment", segment, segments
        for tag, value in destination.merge_tags.items():
            if value.offer:
                yield ("destinations", name, "merge_tags", tag, "offer"), "offer", value.offer, offers
    yield from _of_offers(settings, segments)
    for tag, value in settings.merge_tags.items():
        if value.offer:
            yield ("merge_tags", tag, "offer"), "offer", value.offer, offers


def _of_offers(settings: Settings, segments: set[str]) -> Iterator[tuple[Keys, str, str, set[str]]]:
    for name, offer in settings.offers.items():
        for key in ("segment", "unless"):
            if (segment := getattr(offer, key)) is not None:
                yield ("offers", name, key), "segment", segment, segments
        if offer.pool is not None:
            place = ("offers", name, "pool", "destination")
            yield place, "destination", offer.pool.destination, set(settings.destinations)


def _nobodys(settings: Settings) -> Iterator[tuple[Keys, str, str]]:
    """Merge tags of a pool's offer, with the offer and its destination."""
    tables: dict[Keys, Mapping[str, MergeTag]] = {("merge_tags",): settings.merge_tags}
    tables |= {("destinations", name, "merge_tags"): one.merge_tags for name, one in settings.destinations.items()}
    for above, tags in tables.items():
        for tag, value in tags.items():
            offer = settings.offers.get(value.offer or "")
            if offer is not None and offer.pool is not None:
                yield (*above, tag, "offer"), str(value.offer), offer.pool.destination


def _amounts(settings: Settings) -> Iterator[tuple[Keys, Money]]:
    for name, offer in settings.offers.items():
        for key in ("amount", "minimum"):
            if (money := getattr(offer, key)) is not None:
                yield ("offers", name, key), money
        if offer.budget and offer.budget.amount:
            yield ("offers", name, "budget"), offer.budget.amount
