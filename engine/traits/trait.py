"""A trait, and how definitions become traits: in the order in which they need each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.language.cycles import find_cycle, in_order
from engine.language.kinds import type_of
from engine.language.mistakes import Finding, LanguageError, Mistake, Wrong
from engine.language.parser import parse_value
from engine.language.printer import to_text
from engine.language.scope import Scope
from engine.language.syntax import names, parse_syntax
from engine.language.tree import Bucket, Type, Value
from engine.language.vocabulary import Fact, Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class TraitDefinition:
    """A trait as the config writes it; `place` is `ciblage.toml:42`, `title` has a text a language."""

    name: str
    value: str
    title: Mapping[str, str] = field(default_factory=dict)
    sensitive: str | None = None
    legal_basis: str | None = None
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """A named fact per customer: what it is reckoned from, and its type. `text` is canonical."""

    name: str
    node: Value
    type: Type
    title: Mapping[str, str] = field(default_factory=dict)
    sensitive: str | None = None
    legal_basis: str | None = None
    text: str = ""
    place: str = ""


def build_traits(
    definitions: Sequence[TraitDefinition], vocabulary: Vocabulary
) -> tuple[dict[str, Trait], Vocabulary, list[Finding]]:
    """The traits by name, the vocabulary that knows them, and the mistakes; what stands on a wrong trait is left out."""
    known = {one.name: one for one in definitions}
    findings = [_hides(one) for one in definitions if one.name in vocabulary.facts]
    wrong = {one.name for one in definitions if one.name in vocabulary.facts}
    needs = {name: names_in(one.value) & known.keys() for name, one in known.items()}
    cycle = find_cycle(needs)
    while cycle:
        findings.append(_cycle(known[cycle[0]], cycle))
        wrong |= set(cycle)
        needs = {name: needed - set(cycle) if name in cycle else needed for name, needed in needs.items()}
        cycle = find_cycle(needs)
    built: dict[str, Trait] = {}
    for name in in_order(needs):
        if name in wrong or names_in(known[name].value) & wrong:
            wrong.add(name)
            continue
        try:
            trait = _build(known[name], vocabulary)
        except LanguageError as error:
            findings.append(Finding(known[name].place, f"traits.{name}", error.mistake))
            wrong.add(name)
            continue
        built[name] = trait
        vocabulary = replace(vocabulary, facts={**vocabulary.facts, name: _fact(trait, vocabulary)})
    return {name: built[name] for name in known if name in built}, vocabulary, findings


def names_in(text: str) -> frozenset[str]:
    """The names that a definition mentions; none where it cannot be read."""
    try:
        return names(parse_syntax(text))
    except Wrong:
        return frozenset()


def _build(definition: TraitDefinition, vocabulary: Vocabulary) -> Trait:
    node = parse_value(definition.value, vocabulary)
    if isinstance(node, Bucket):
        hint = "test it in a segment: bucket('name') < 10"
        raise LanguageError(Mistake("bucket", "bucket() is no trait", hint, 0, definition.value))
    return Trait(
        name=definition.name,
        node=node,
        type=type_of(node),
        title=definition.title,
        sensitive=definition.sensitive,
        legal_basis=definition.legal_basis,
        text=to_text(node),
        place=definition.place,
    )


def _fact(trait: Trait, vocabulary: Vocabulary) -> Fact:
    """What is known of its values: the closed list of what it repeats."""
    same = Scope(vocabulary=vocabulary).fact(trait.node)
    return Fact(type=trait.type, values=same.values if same else (), exact=same.exact if same else False)


def _hides(definition: TraitDefinition) -> Finding:
    hint = "rename the trait; the column is a trait of its own already"
    message = f"'{definition.name}' is a column of customers too"
    return Finding(definition.place, f"traits.{definition.name}", Mistake("hidden-column", message, hint, 0, ""))


def _cycle(definition: TraitDefinition, cycle: Collection[str]) -> Finding:
    path = " -> ".join(cycle)
    mistake = Mistake("cycle", f"Traits depend on each other: {path}", "break the circle", 0, "")
    return Finding(definition.place, f"traits.{definition.name}", mistake)
