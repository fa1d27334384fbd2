"""From definitions to the catalogue: every text parsed, every reference followed, all mistakes told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from engine.language.cycles import find_cycle, in_order
from engine.language.mistakes import Finding, LanguageError, Mistake, refuse, suggest
from engine.language.parser import parse_test
from engine.language.printer import to_text
from engine.language.tree import And, Default, InSegment, Not, OneOf, Or, Test, Text, Trait, Type
from engine.language.vocabulary import Vocabulary
from engine.language.walk import references
from engine.segments.definition import (
    Definitions,
    GroupDefinition,
    HoldoutDefinition,
    SegmentDefinition,
    SizeDefinition,
    SplitDefinition,
)
from engine.segments.lints import Linted, find_lints
from engine.segments.personal import unreasoned
from engine.segments.recipe import Filled, Recipe, Unfit, fill_recipe, read_recipe
from engine.segments.segment import Catalogue, Group, Holdout, Segment, Size
from engine.segments.split import Split, arm_test, read_split, segment_of
from engine.traits import Trait as NamedTrait
from engine.traits import build_traits
from engine.traits.trait import names_in

REACHABLE = {
    "email": "consent.email = 'subscribed' and never(email_bounces where hard = true) and never(email_complaints)",
}
_PERCENT = 100


@dataclass(slots=True)
class _Building:
    """What is known so far while one client's definitions are checked."""

    definitions: Definitions
    vocabulary: Vocabulary
    recipes: dict[str, Recipe] = field(default_factory=dict)
    traits: dict[str, NamedTrait] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    wrong: frozenset[str] = frozenset()

    def find(self, place: str, owner: str, mistake: Mistake) -> None:
        self.findings.append(Finding(place, owner, mistake))


def build_catalogue(
    definitions: Definitions, vocabulary: Vocabulary, places: Mapping[str, tuple[Decimal, Decimal]] | None = None
) -> Catalogue:
    """The catalogue of one client; `vocabulary` holds the shop's columns and sources.

    `places` are points as (latitude, longitude) in degrees. Raises DefinitionError with every mistake, in file order.
    """
    work = _Building(definitions, _widen(vocabulary, definitions, places or {}))
    _filter_sources(work)
    work.traits, work.vocabulary, found = build_traits(definitions.traits, work.vocabulary)
    work.findings += found
    work.wrong = frozenset(one.name for one in definitions.traits) - work.traits.keys()
    _read_recipes(work)
    for one in definitions.segments:
        _add_segment(work, one)
    splits = [split for one in definitions.splits if (split := _split(work, one)) is not None]
    groups = {one.name: group for one in definitions.groups if (group := _group(work, one)) is not None}
    reachable = _reachable(work)
    _check_circles(work, reachable)
    _check_tags(work)
    _check_sensitive(work)
    _check_offers(work)
    refuse(work.findings)
    earlier = _earlier(definitions)
    needs = {name: references(one.node).segments | earlier.get(name, set()) for name, one in work.segments.items()}
    return Catalogue(
        traits=work.traits,
        segments={name: work.segments[name] for name in in_order(needs)},
        groups=groups,
        reachable=reachable,
        vocabulary=work.vocabulary,
        consent_basis=definitions.consent_basis,
        places=places or {},
        warnings=(*find_lints(_linted(work, groups, splits)), *_sensitive_uses(work)),
    )


def _linted(work: _Building, groups: Mapping[str, Group], splits: Sequence[Split]) -> Linted:
    return Linted(
        segments=work.segments,
        groups=groups,
        splits=splits,
        traits=work.traits,
        vocabulary=work.vocabulary,
        used=work.definitions.used,
    )


def _widen(
    vocabulary: Vocabulary, definitions: Definitions, places: Mapping[str, tuple[Decimal, Decimal]]
) -> Vocabulary:
    """The vocabulary with the names of segments, channels and places."""
    otherwise = {one.otherwise for one in definitions.groups if one.otherwise}
    arms = {segment_of(one.name, arm) for one in definitions.splits for arm in one.arms}
    return replace(
        vocabulary,
        segments=vocabulary.segments | {one.name for one in definitions.segments} | otherwise | arms,
        channels=vocabulary.channels | definitions.reachable.keys(),
        places=vocabulary.places | places.keys(),
    )


def _filter_sources(work: _Building) -> None:
    """The client's own filters, each a test of one row."""
    sources = dict(work.vocabulary.sources)
    for one in work.definitions.sources:
        try:
            where = parse_test(one.where, work.vocabulary, columns=sources[one.name].columns)
        except LanguageError as error:
            work.find(one.place, f"sources.{one.name}", error.mistake)
        else:
            sources[one.name] = replace(sources[one.name], where=where)
    work.vocabulary = replace(work.vocabulary, sources=sources)


def _read_recipes(work: _Building) -> None:
    used = {one.recipe for one in work.definitions.segments}
    for name, values in work.definitions.recipes.items():
        try:
            work.recipes[name] = read_recipe(name, values)
        except Unfit as error:
            if name in used:
                work.find("", f"recipes.{name}", error.mistake)


def _add_segment(work: _Building, definition: SegmentDefinition) -> None:
    owner = f"segments.{definition.name}"
    try:
        filled = _fill(work, definition)
        if filled is not None and names_in(filled.where) & work.wrong:
            return  # the trait's own mistake is told once
        node = _listed(definition.customers or ()) if filled is None else parse_test(filled.where, work.vocabulary)
        holdout, size = _holdout(definition.holdout), _size(definition.size)
    except LanguageError as error:
        work.find(definition.place, owner, error.mistake)
        return
    except Unfit as error:
        work.find(definition.place, owner, error.mistake)
        return
    recipe = work.recipes.get(definition.recipe or "")
    titles = definition.title or (filled.title if filled else {})
    work.segments[definition.name] = Segment(
        name=definition.name,
        node=node,
        text=to_text(node),
        title=_title(titles, definition.name, work.definitions.lang),
        titles=titles,
        descriptions=filled.description if filled else {},
        size=size,
        holdout=holdout,
        recipe=definition.recipe,
        requirement=recipe.id if recipe else None,
        is_static=filled is None,
        place=definition.place,
    )


def _fill(work: _Building, definition: SegmentDefinition) -> Filled | None:
    """The text of a segment; None for one with fixed members."""
    if definition.where is not None:
        return Filled(where=definition.where, title={}, description={})
    if definition.recipe is None:
        if definition.customers is None:
            raise Unfit("empty", "the segment has no definition", "write one of where, recipe, customers or file")
        return None
    if definition.recipe not in work.definitions.recipes:
        hint = suggest(definition.recipe, work.definitions.recipes, "recipes")
        hint = hint or 'include a library: include = ["library:ecommerce"]'
        raise Unfit("unknown-recipe", f"Unknown recipe '{definition.recipe}'", hint)
    if definition.recipe not in work.recipes:
        raise Unfit("recipe", f"the recipe '{definition.recipe}' is wrong itself")
    return fill_recipe(work.recipes[definition.recipe], definition.parameters, work.vocabulary.currency)


def _listed(customers: tuple[str, ...]) -> Test:
    return OneOf(Trait("customer_id", Type.TEXT), tuple(Text(one) for one in dict.fromkeys(customers)))


def _title(titles: Mapping[str, str], name: str, lang: str) -> str:
    return titles.get(lang) or next(iter(titles.values()), name.replace("_", " ").capitalize())


def _holdout(definition: HoldoutDefinition | None) -> Holdout | None:
    if definition is None:
        return None
    if not 0 < definition.share < 1:
        raise Unfit("holdout", "a holdout's share lies between 0% and 100%", 'for example share = "10%"')
    if not definition.salt.strip():
        raise Unfit("holdout", "a holdout needs a salt", 'for example salt = "holdout-2027"')
    return Holdout(share=definition.share, salt=definition.salt)


def _size(definition: SizeDefinition | None) -> Size | None:
    if definition is None:
        return None
    (least, least_is_share), (most, most_is_share) = _bound(definition.min), _bound(definition.max)
    return Size(least=least, most=most, least_is_share=least_is_share, most_is_share=most_is_share)


def _bound(value: int | str | None) -> tuple[Decimal | None, bool]:
    if value is None:
        return None, False
    text = str(value).strip()
    is_share, number = text.endswith("%"), text.removesuffix("%").strip()
    if not number.replace(".", "", 1).isdecimal():
        raise Unfit("size", f"'{value}' is no bound of a segment's size", 'write people (50) or a share ("40%")')
    return (Decimal(number) / _PERCENT if is_share else Decimal(number)), is_share


def _split(work: _Building, definition: SplitDefinition) -> Split | None:
    """The split, its arms among the segments."""
    owner = f"splits.{definition.name}"
    if definition.among is not None and names_in(definition.among) & work.wrong:
        return None  # the trait's own mistake is told once
    try:
        split = read_split(definition)
        among = None if definition.among is None else parse_test(definition.among, work.vocabulary)
        taken = next((name for name in split.arms if name in work.segments), None)
        if taken is not None:
            raise Unfit("split", f"there is a segment '{taken}' already", "rename the arm or the segment")
    except (LanguageError, Unfit) as error:
        work.find(definition.place, owner, error.mistake)
        return None
    titles = {arm: segment_of(definition.name, arm) for arm in definition.arms}
    for arm, name in titles.items():
        node = arm_test(split.salt, split.arms[name], among)
        title = definition.title.get(work.definitions.lang)
        work.segments[name] = Segment(
            name=name,
            node=node,
            text=to_text(node),
            title=f"{title}, {arm.replace('_', ' ')}" if title else _title({}, name, work.definitions.lang),
            place=definition.places.get(arm, definition.place),
        )
    return split


def _group(work: _Building, definition: GroupDefinition) -> Group | None:
    owner, known = f"groups.{definition.name}", {one.name for one in work.definitions.segments}
    known |= {segment_of(one.name, arm) for one in work.definitions.splits for arm in one.arms}
    grouped = [name for one in work.definitions.groups for name in one.exclusive]
    before = len(work.findings)
    if not definition.exclusive:
        work.find(
            definition.place, owner, Mistake("empty", "the group has no segments", "name them in exclusive", 0, "")
        )
    for name in definition.exclusive:
        if name not in known:
            mistake = Mistake("unknown-segment", f"Unknown segment '{name}'", suggest(name, known, "segments"), 0, "")
            work.find(definition.place, owner, mistake)
        elif grouped.count(name) > 1:
            mistake = Mistake("grouped-twice", f"'{name}' is in a group more than once", "name it once", 0, "")
            work.find(definition.place, owner, mistake)
    if definition.otherwise in known:
        message = f"'{definition.otherwise}' is a segment of its own"
        work.find(definition.place, owner, Mistake("otherwise", message, "rename otherwise", 0, ""))
    if len(work.findings) > before:
        return None
    if definition.otherwise:
        work.segments[definition.otherwise] = _otherwise(definition, definition.otherwise, work.definitions.lang)
    return Group(name=definition.name, exclusive=definition.exclusive, otherwise=definition.otherwise)


def _otherwise(definition: GroupDefinition, name: str, lang: str) -> Segment:
    """Everyone who is in none of the group's segments."""
    members = tuple(InSegment(one) for one in definition.exclusive)
    node = Not(Or(members) if len(members) > 1 else members[0])
    return Segment(name=name, node=node, text=to_text(node), title=_title({}, name, lang), place=definition.place)


def _reachable(work: _Building) -> dict[str, Test]:
    """Who may be contacted, a channel: its test, and a basis that the client accepts (a missing one is consent)."""
    found: dict[str, Test] = {}
    for channel, text in {**REACHABLE, **work.definitions.reachable}.items():
        try:
            test = parse_test(text, work.vocabulary)
        except LanguageError as error:
            place = work.definitions.reachable_places.get(channel, "")
            work.find(place, f"reachable.{channel}", error.mistake)
            continue
        found[channel] = _with_basis(test, channel, work)
    return found


def _with_basis(test: Test, channel: str, work: _Building) -> Test:
    name = f"consent.{channel}_basis"
    if name not in work.vocabulary.facts:
        return test
    basis = Default(Trait(name, Type.TEXT), Text("consent"), Type.TEXT)
    accepted = OneOf(basis, tuple(Text(one) for one in work.definitions.consent_basis))
    return And((*test.items, accepted)) if isinstance(test, And) else And((test, accepted))


def _check_circles(work: _Building, reachable: Mapping[str, Test]) -> None:
    """No segment, trait or channel stands on itself (rule 20)."""
    nodes: dict[str, Test] = {f"segment {name}": one.node for name, one in work.segments.items()}
    before = {f"segment {name}": names for name, names in _earlier(work.definitions).items()}
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


def _earlier(definitions: Definitions) -> dict[str, set[str]]:
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


def _place_of(work: _Building, kind: str, name: str) -> str:
    if kind == "segment":
        return work.segments[name].place
    return work.traits[name].place if kind == "trait" else work.definitions.reachable_places.get(name, "")


def _check_tags(work: _Building) -> None:
    """Merge tags carry traits that there are."""
    for tag in work.definitions.tags:
        if tag.trait not in work.vocabulary.facts and tag.trait not in work.traits and tag.trait not in work.wrong:
            hint = suggest(tag.trait, work.vocabulary.facts, "traits")
            work.find(tag.place, tag.owner, Mistake("unknown-name", f"there is no trait '{tag.trait}'", hint, 0, ""))


def _check_sensitive(work: _Building) -> None:
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


def _check_offers(work: _Building) -> None:
    """An offer whose eligibility reads gender, age, income or place says why (R-GRD-09)."""
    earlier = _earlier(work.definitions)
    for offer in work.definitions.offers:
        mistake = unreasoned(offer, work.segments, work.traits, earlier)
        if mistake is not None:
            work.find(offer.place, f"offers.{offer.name}", mistake)


def _sensitive(work: _Building, name: str, what: str) -> Mistake:
    hint = f'name the legal basis: [traits.{name}] legal_basis = "…"'
    return Mistake("sensitive", f"'{name}' is sensitive ({work.traits[name].sensitive}) and {what}", hint, 0, "")


def _sensitive_uses(work: _Building) -> list[str]:
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


def _all_traits(node: object, work: _Building) -> frozenset[str]:
    """The named traits that a definition stands on, through other traits."""
    todo = list(references(node).traits)  # type: ignore[arg-type]  # tests and values alike
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += references(work.traits[name].node).traits if name in work.traits else ()
    return frozenset(seen)
