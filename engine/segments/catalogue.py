"""From definitions to the catalogue: every text parsed, every reference followed, all mistakes told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from engine.language.cycles import in_order
from engine.language.mistakes import LanguageError, Mistake, refuse, suggest
from engine.language.parser import parse_test
from engine.language.printer import to_text
from engine.language.tree import And, Default, InSegment, Not, OneOf, Or, Test, Text, Trait, Type
from engine.language.vocabulary import Vocabulary
from engine.language.walk import references
from engine.segments.building import Building
from engine.segments.checks import check_circles, check_offers, check_sensitive, check_tags, earlier, sensitive_uses
from engine.segments.definition import (
    Definitions,
    GroupDefinition,
    HoldoutDefinition,
    SegmentDefinition,
    SizeDefinition,
    SplitDefinition,
)
from engine.segments.lints import Linted, find_lints
from engine.segments.recipe import Filled, Unfit, fill_recipe, read_recipe
from engine.segments.segment import Catalogue, Group, Holdout, Segment, Size
from engine.segments.split import Split, arm_test, read_split, segment_of
from engine.traits import build_traits
from engine.traits.trait import names_in

REACHABLE = {
    "email": "consent.email = 'subscribed' and never(email_bounces where hard = true) and never(email_complaints)",
}
_PERCENT = 100


def build_catalogue(
    definitions: Definitions, vocabulary: Vocabulary, places: Mapping[str, tuple[Decimal, Decimal]] | None = None
) -> Catalogue:
    """The catalogue of one client; `vocabulary` holds the shop's columns and sources.

    `places` are points as (latitude, longitude) in degrees. Raises DefinitionError with every mistake, in file order.
    """
    work = Building(definitions, _widen(vocabulary, definitions, places or {}))
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
    check_circles(work, reachable)
    check_tags(work)
    check_sensitive(work)
    check_offers(work)
    refuse(work.findings)
    before = earlier(definitions)
    needs = {name: references(one.node).segments | before.get(name, set()) for name, one in work.segments.items()}
    return Catalogue(
        traits=work.traits,
        segments={name: work.segments[name] for name in in_order(needs)},
        groups=groups,
        reachable=reachable,
        vocabulary=work.vocabulary,
        consent_basis=definitions.consent_basis,
        places=places or {},
        warnings=(*find_lints(_linted(work, groups, splits)), *sensitive_uses(work)),
    )


def _linted(work: Building, groups: Mapping[str, Group], splits: Sequence[Split]) -> Linted:
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


def _filter_sources(work: Building) -> None:
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


def _read_recipes(work: Building) -> None:
    used = {one.recipe for one in work.definitions.segments}
    for name, values in work.definitions.recipes.items():
        try:
            work.recipes[name] = read_recipe(name, values)
        except Unfit as error:
            if name in used:
                work.find("", f"recipes.{name}", error.mistake)


def _add_segment(work: Building, definition: SegmentDefinition) -> None:
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


def _fill(work: Building, definition: SegmentDefinition) -> Filled | None:
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


def _split(work: Building, definition: SplitDefinition) -> Split | None:
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


def _group(work: Building, definition: GroupDefinition) -> Group | None:
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


def _reachable(work: Building) -> dict[str, Test]:
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


def _with_basis(test: Test, channel: str, work: Building) -> Test:
    name = f"consent.{channel}_basis"
    if name not in work.vocabulary.facts:
        return test
    basis = Default(Trait(name, Type.TEXT), Text("consent"), Type.TEXT)
    accepted = OneOf(basis, tuple(Text(one) for one in work.definitions.consent_basis))
    return And((*test.items, accepted)) if isinstance(test, And) else And((test, accepted))
