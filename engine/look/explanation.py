"""`explain`: a segment in words, what it stands on, its SQL, and which of its conditions decided for one customer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from engine.errors import ConfigError
from engine.look.conditions import Condition, conditions, earlier
from engine.look.wording import in_words, known_segment, sql_of, typeset

if TYPE_CHECKING:
    from engine.client import Client
    from engine.language.tree import Test, Value
    from engine.segments import Catalogue
    from engine.segments.segment import Segment

__all__ = ["Explained", "StandsOn", "explain"]

Kind: TypeAlias = Literal["trait", "segment", "channel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandsOn:
    """A trait or segment that the definition refers to: its title, itself in words, and as it is written."""

    kind: Kind
    name: str
    title: str
    words: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A segment in words; `after` are the titles of the segments that come before it in its group.

    Of a customer: in it or not, held out of every destination (None without a holdout), to be reached by e-mail;
    `asked` is the id that was asked about where it has been merged into `customer`.
    """

    segment: Segment = field(metadata={"shown": False})
    name: str
    title: str
    words: str
    text: str
    description: str | None = None
    recipe: str | None = None
    requirement: str | None = None
    place: str = ""
    currency: str = ""
    after: Sequence[str] = ()
    stands_on: Sequence[StandsOn] = ()
    sql: str | None = None
    customer: str | None = None
    asked: str | None = None
    is_member: bool | None = None
    is_held_out: bool | None = None
    is_reachable: bool | None = None
    findings: Sequence[Condition] = field(default=())


def explain(client: Client, segment: str, customer: str | None, *, with_sql: bool = False) -> Explained:
    """The definition in words, its SQL if asked for, and why this customer is in or out."""
    import pyarrow.compute as pc

    found, catalogue = known_segment(client, segment), client.catalogue
    told = Explained(
        segment=found,
        name=found.name,
        title=found.title,
        words=in_words(client, found.node),
        text="" if found.is_static else found.text,
        description=typeset(found.descriptions.get(client.lang, ""), client.lang) or None,
        recipe=found.recipe,
        requirement=found.requirement,
        place=found.place,
        currency=client.settings.currency,
        after=[catalogue.segments[name].title for name in earlier(catalogue, segment)],
        stands_on=list(_stands_on(client, found.node)),
        sql=sql_of(client, _alone(catalogue, segment)) if with_sql else None,
    )
    if customer is None:
        return told
    people, asked = client.membership.table, customer
    customer = client.became(asked)
    row = pc.index(people["customer_id"], customer).as_py()
    if row < 0:
        raise ConfigError(f"there is no customer {customer}", place="--customer", hint="see `ciblage members SEGMENT`")
    held = f"holdout:{segment}"
    root = conditions(client, segment, customer)
    return replace(
        told,
        customer=customer,
        asked=None if asked == customer else asked,
        is_member=root.holds,
        is_held_out=people[held][row].as_py() if held in people.column_names else None,
        is_reachable=people["reachable_email"][row].as_py(),
        findings=root.parts,
    )


def _needed(catalogue: Catalogue, node: Test | Value) -> Iterator[tuple[Kind, str]]:
    """(kind, name) of everything that a definition refers to, through others too, each once, nearest first."""
    from engine.language.walk import references

    seen: dict[tuple[Kind, str], None] = {}
    todo: list[Test | Value] = [node]
    while todo:
        found = references(todo.pop(0))
        named: list[tuple[Kind, str]] = [("trait", one) for one in sorted(found.traits & catalogue.traits.keys())]
        named += [("segment", one) for one in sorted(found.segments & catalogue.segments.keys())]
        named += [("channel", one) for one in sorted(found.channels & catalogue.reachable.keys())]
        for one in named:
            if one not in seen:
                seen[one] = None
                todo.append(_node(catalogue, *one))
    yield from seen


def _node(catalogue: Catalogue, kind: Kind, name: str) -> Test | Value:
    if kind == "trait":
        return catalogue.traits[name].node
    return catalogue.segments[name].node if kind == "segment" else catalogue.reachable[name]


def _stands_on(client: Client, node: Test) -> Iterator[StandsOn]:
    from engine.language.printer import to_text
    from engine.language.tree import Reachable

    catalogue = client.catalogue
    for kind, name in _needed(catalogue, node):
        inner, title = _node(catalogue, kind, name), name
        if kind == "trait":
            title = catalogue.traits[name].title.get(client.lang) or name
        elif kind == "segment":
            title = catalogue.segments[name].title
        else:
            title = in_words(client, Reachable(name))
        text = "" if kind == "segment" and catalogue.segments[name].is_static else to_text(inner)
        yield StandsOn(kind=kind, name=name, title=title, words=in_words(client, inner), text=text)


def _alone(catalogue: Catalogue, segment: str) -> Catalogue:
    """The catalogue of one segment and all that it stands on."""
    needed, todo = {("segment", segment)}, [segment]
    while todo:
        name = todo.pop()
        more = {
            *_needed(catalogue, catalogue.segments[name].node),
            *(("segment", one) for one in earlier(catalogue, name)),
        }
        todo += [one for kind, one in more - needed if kind == "segment"]
        needed |= more
    return replace(
        catalogue,
        traits={name: one for name, one in catalogue.traits.items() if ("trait", name) in needed},
        segments={name: one for name, one in catalogue.segments.items() if ("segment", name) in needed},
        groups={
            name: replace(one, exclusive=kept)
            for name, one in catalogue.groups.items()
            if (kept := tuple(part for part in one.exclusive if ("segment", part) in needed))
        },
        reachable={name: one for name, one in catalogue.reachable.items() if ("channel", name) in needed},
    )
