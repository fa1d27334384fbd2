"""What definitions say of each other: no circles, traits that there are, and what law asks of sensitive ones and of offers."""

from __future__ import annotations

from collections.abc import Mapping

from engine.language.cycles import find_cycle
from engine.language.mistakes import Mistake, suggest
from engine.language.tree import Test
from engine.language.walk import references
from engine.segments.building import Building
from engine.segments.definition import Definitions
from engine.segments.personal import unreasoned

__all__ = ["check_circles", "check_offers", "check_sensitive", "check_tags", "earlier", "sensitive_uses"]


def check_circles(work: Building, reachable: Mapping[str, Test]) -> None:
    """No segment, trait or channel stands on itself (rule 20)."""
    nodes: dict[str, Test] = {f"segment {name}": one.node for name, one in work.segments.items()}
    before = {f"segment {name}": names for name, names in earlier(work.definitions).items()}
    needs = {key: _needs(node) | {f"segment {name}" for name in before.get(key, ())} for key, node in nodes.items()}
    needs |= {f"trait {name}": _needs(one.node) for name, one in work.traits.items()}
    needs |= {f"reachable {channel}": _needs(test) for channel, test in reachable.items()}
    cycle = find_cycle(needs)
    while cycle:
        path = " -> ".join(_short(one, cycle) for one in cycle)
        kind, _, name = cycle[0].partition(" ")
        owner = f"{kind}s.{name}" if kind != "reachable" else f"reachable.{name}"
        things = "Segments" if all(one.startswith("segment ") for one in cycle) else "Definitions"
        mistake = Mistake("cycle", f"{things} depend on each other: {path}", "break the circle", 0, "")
        work.find(_place_of(work, kind, name), owner, mistake)
        needs = {key: needed - set(cycle) if key in cycle else needed for key, needed in needs.items()}
        cycle = find_cycle(needs)


def earlier(definitions: Definitions) -> dict[str, set[str]]:
    """The segments of its group that come before each segment: being in one of them keeps a customer out of it."""
    return {
        name: set(group.exclusive[:index]) for group in definitions.groups for index, name in enumerate(group.exclusive)
    }


def _needs(node: object) -> frozenset[str]:
    found = references(node)  # type: ignore[arg-type]  # tests and values alike
    return frozenset(
        [
            *(f"segment {name}" for name in found.segments),
            *(f"trait {name}" for name in found.traits),
            *(f"reachable {name}" for name in found.channels),
        ]
    )


def _short(one: str, cycle: tuple[str, ...]) -> str:
    """`a` where all are segments, else `segment a`."""
    return one.removeprefix("segment ") if all(other.startswith("segment ") for other in cycle) else one


def _place_of(work: Building, kind: str, name: str) -> str:
    if kind == "segment":
        return work.segments[name].place
    return work.traits[name].place if kind == "trait" else work.definitions.reachable_places.get(name, "")


def check_tags(work: Building) -> None:
    """Merge tags carry traits that there are."""
    for tag in work.definitions.tags:
        if tag.trait not in work.vocabulary.facts and tag.trait not in work.traits and tag.trait not in work.wrong:
            hint = suggest(tag.trait, work.vocabulary.facts, "traits")
            work.find(tag.place, tag.owner, Mistake("unknown-name", f"there is no trait '{tag.trait}'", hint, 0, ""))


def check_sensitive(work: Building) -> None:
    """A sensitive trait drives no segment, and no merge tag carries it, unless the config names the legal basis (R-GRD-04)."""
    guarded = {name for name, one in work.traits.items() if one.sensitive and not one.legal_basis}
    for segment in work.segments.values():
        for name in sorted(_all_traits(segment.node, work) & guarded):
            what = "cannot decide who is in a segment"
            work.find(segment.place, f"segments.{segment.name}", _sensitive(work, name, what))
    for tag in work.definitions.tags:
        carried = work.traits.get(tag.trait)
        for name in sorted(({tag.trait} | _all_traits(carried.node, work)) & guarded) if carried else ():
            work.find(tag.place, tag.owner, _sensitive(work, name, "cannot leave this machine"))


def check_offers(work: Building) -> None:
    """An offer whose eligibility reads gender, age, income or place says why (R-GRD-09)."""
    before = earlier(work.definitions)
    for offer in work.definitions.offers:
        mistake = unreasoned(offer, work.segments, work.traits, before)
        if mistake is not None:
            work.find(offer.place, f"offers.{offer.name}", mistake)


def _sensitive(work: Building, name: str, what: str) -> Mistake:
    hint = f'name the legal basis: [traits.{name}] legal_basis = "…"'
    return Mistake("sensitive", f"'{name}' is sensitive ({work.traits[name].sensitive}) and {what}", hint, 0, "")


def sensitive_uses(work: Building) -> list[str]:
    """Every use of a sensitive trait that the config allows, with its legal basis."""
    found = []
    for name, trait in work.traits.items():
        if not trait.sensitive:
            continue
        used = [f"segments.{one.name}" for one in work.segments.values() if name in _all_traits(one.node, work)]
        tags = [(tag.owner, work.traits[tag.trait].node) for tag in work.definitions.tags if tag.trait in work.traits]
        used += [owner for owner, node in tags if node is trait.node or name in _all_traits(node, work)]
        if used:
            found.append(
                f"'{name}' is sensitive ({trait.sensitive}) and used by {', '.join(used)}; legal basis: {trait.legal_basis}"
            )
    return found


def _all_traits(node: object, work: Building) -> frozenset[str]:
    """The named traits that a definition stands on, through other traits."""
    todo = list(references(node).traits)  # type: ignore[arg-type]  # tests and values alike
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += references(work.traits[name].node).traits if name in work.traits else ()
    return frozenset(seen)
