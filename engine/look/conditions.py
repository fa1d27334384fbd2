"""A segment's conditions for one customer, through the segments and channels it refers to, and which of them decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from engine.look.wording import in_words

if TYPE_CHECKING:
    from engine.client import Client
    from engine.compute.findings import Finding
    from engine.language.tree import Test, Value
    from engine.segments import Catalogue

__all__ = ["Condition", "conditions", "earlier"]

How: TypeAlias = Literal["all", "any", "none", "not_all"]
Found: TypeAlias = "Mapping[Test, Finding]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition for one customer: whether it holds, the value looked at, and whether it decided.

    `kind` is the value's type as the language names it (`percent` for a share), None where there is no value to show.
    `how` says how `parts` make up the condition; `refers_to` names the segment or channel whose own conditions they are.
    """

    words: str
    text: str
    holds: bool
    decides: bool
    value: object = None
    kind: str | None = None
    refers_to: str | None = None
    how: How | None = None
    parts: Sequence[Condition] = ()


def conditions(client: Client, segment: str, customer: str) -> Condition:
    """The segment for this customer: whether it holds, and its conditions as parts."""
    return _marked(_Asked(client, customer).segment(segment, frozenset()), decides=True)


def earlier(catalogue: Catalogue, segment: str) -> list[str]:
    """The segments of its group that come first."""
    groups = [one.exclusive for one in catalogue.groups.values() if segment in one.exclusive]
    return [name for names in groups for name in names[: names.index(segment)]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One customer of one client, asked about one definition after another."""

    client: Client
    customer: str

    def segment(self, name: str, seen: frozenset[str]) -> Condition:
        """A segment's conditions, and that nobody of an earlier one of its group is in it."""
        from engine.language.tree import And, InSegment, Not

        catalogue = self.client.catalogue
        node = catalogue.segments[name].node
        items = node.items if isinstance(node, And) else (node,)
        priority = tuple(Not(InSegment(one)) for one in earlier(catalogue, name))
        return self._condition(And((*items, *priority)), self._findings(catalogue, name), seen | {name})

    def channel(self, name: str, seen: frozenset[str]) -> Condition:
        """Why somebody may be contacted, or not."""
        from engine.language.tree import And

        catalogue, key = self.client.catalogue, f"reachable({name})"
        node = catalogue.reachable[name]
        pseudo = replace(next(iter(catalogue.segments.values())), name=key, node=node)
        known = self._findings(replace(catalogue, segments={**catalogue.segments, key: pseudo}), key)
        items = node.items if isinstance(node, And) else (node,)
        return self._condition(And(tuple(items)), known, seen | {key})

    def _findings(self, catalogue: Catalogue, name: str) -> Found:
        from engine.compute import explain as findings

        client, settings = self.client, self.client.settings
        found = findings(
            client.shop,
            catalogue,
            name,
            self.customer,
            now=client.now,
            zone=settings.zone,
            week_starts=settings.week_starts,
            leap_day=settings.leap_day,
        )
        return {one.node: one for one in found}

    def _condition(self, node: Test, known: Found, seen: frozenset[str]) -> Condition:
        from engine.language import tree
        from engine.language.printer import to_text

        if isinstance(node, tree.Not) and isinstance(node.item, tree.And | tree.Or | tree.Not):
            inner = self._condition(node.item, known, seen)
            how: How = "none" if isinstance(node.item, tree.Or) else "not_all"
            parts: Sequence[Condition] = inner.parts if isinstance(node.item, tree.And | tree.Or) else (inner,)
            holds = not inner.holds
        elif isinstance(node, tree.And | tree.Or):
            parts = [self._condition(item, known, seen) for item in node.items]
            how, each = ("all", all) if isinstance(node, tree.And) else ("any", any)
            holds = each(one.holds for one in parts)
        else:
            return self._leaf(node, known[node], seen)
        return Condition(
            words=in_words(self.client, node), text=to_text(node), holds=holds, decides=False, how=how, parts=parts
        )

    def _leaf(self, node: Test, finding: Finding, seen: frozenset[str]) -> Condition:
        from engine.language.printer import to_text

        inner = self._referred(node, seen)
        value = finding.value
        if isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=UTC).astimezone(self.client.settings.zone)
        return Condition(
            words=in_words(self.client, node),
            text=finding.text,
            holds=finding.holds,
            decides=False,
            value=value,
            kind=_kind(node),
            refers_to=None if inner is None else to_text(node).removeprefix("not "),
            how=None if inner is None else inner.how,
            parts=() if inner is None else inner.parts,
        )

    def _referred(self, node: Test, seen: frozenset[str]) -> Condition | None:
        """The conditions of the segment or channel that a condition names; a segment of fixed members has none."""
        from engine.language import tree

        named = node.item if isinstance(node, tree.Not) else node
        if isinstance(named, tree.Reachable) and f"reachable({named.channel})" not in seen:
            return self.channel(named.channel, seen)
        if not isinstance(named, tree.InSegment) or named.name in seen:
            return None
        return None if self.client.catalogue.segments[named.name].is_static else self.segment(named.name, seen)


def _kind(node: Test) -> str | None:
    """The type of the value that a condition looks at; none of a draw and of what is the same for everybody."""
    from engine.language import tree
    from engine.language.kinds import type_of

    inner = node.item if isinstance(node, tree.Not) else node
    if isinstance(inner, tree.Did):
        return "number"
    of, beside = _looked_at(inner)
    if of is None or isinstance(of, tree.Bucket | tree.Today | tree.Now | tree.Day | tree.Moment | tree.Shifted):
        return None
    if isinstance(beside, tree.Number) and beside.percent:
        return "percent"
    return str(type_of(of))


def _looked_at(node: Test) -> tuple[Value | None, Value | None]:
    """The value that a condition is about, and what it is compared with."""
    from engine.language import tree

    match node:
        case tree.Compare(_, tree.Number() | tree.Amount() as left, right):
            return right, left
        case tree.Compare(_, left, right) | tree.Between(left, right):
            return left, right
        case tree.OneOf(of) | tree.InWindow(of) | tree.Known(of) | tree.Yes(of):
            return of, None
        case tree.Has(_, of) | tree.TextTest(_, of) | tree.Top(_, of):
            return of, None
        case _:
            return None, None


def _marked(one: Condition, *, decides: bool) -> Condition:
    """The condition with what decided it: the parts without which it would have come out otherwise."""
    if not decides or not one.parts:
        return replace(one, decides=decides)
    holding = [part.holds for part in one.parts]
    want = all(holding) if one.how in {"all", "not_all"} else any(holding)
    return replace(one, decides=True, parts=[_marked(part, decides=part.holds is want) for part in one.parts])
