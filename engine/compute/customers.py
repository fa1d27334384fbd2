"""The customer as a scope: facts, named traits, aggregates, ranks, and the tests that only customers have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from engine.compute import aggregates, conditions, ranking, sequences, tallies, values
from engine.compute.backends.protocol import Backend
from engine.compute.bounds import Calendar, Interval
from engine.compute.literals import fold, literal
from engine.compute.rows import RowScope
from engine.compute.spelling import column, complement, every, known, strict, when
from engine.compute.steps import Steps
from engine.compute.tallies import Entry
from engine.compute.zones import local, local_day
from engine.errors import DefinitionError, UnsupportedByBackend
from engine.language import tree
from engine.segments import Catalogue
from engine.shop.schema import Source, physical

LISTS = "customer_lists"
ADDRESS = {"email": "email"}  # the column that holds a channel's address


@dataclass(slots=True)
class CustomerScope:
    """One customer, and through `steps` all that the query must compute for one."""

    catalogue: Catalogue
    sources: Mapping[str, Source]
    columns: frozenset[str]  # of customers, at rest
    calendar: Calendar
    backend: Backend
    steps: Steps
    name: str = "customers"
    _open: set[str] = field(default_factory=set)

    def rows(self, source: str) -> RowScope:
        """One row of a source."""
        own = self.catalogue.vocabulary.sources[source].where
        at_rest = self.sources[source]
        walls = self.steps.walls.setdefault(at_rest.table, {})
        return RowScope(source, at_rest, self.calendar, self.backend, own, walls)

    def identifier(self) -> exp.Expr:
        """The customer's id."""
        return column("customer_id")

    def fact(self, node: tree.Trait | tree.Column) -> exp.Expr:
        """A column of customers, a named trait, or the age."""
        if node.name in self.catalogue.traits:
            trait = self.catalogue.traits[node.name]
            found = self.steps.known(("trait", node.name))
            return found or self.steps.derive(
                ("trait", node.name), f"trait_{node.name}", values.value(trait.node, self)
            )
        if node.name == "age" and "age" not in self.columns:
            return values.age(self.steps.fact("birth_date"), self)
        if self._is_birthday(node):
            return self.steps.fact("birth_date")
        return self.identifier() if node.name == "customer_id" else self.steps.fact(physical(node.name))

    def aggregate(self, node: tree.Aggregate) -> exp.Expr:
        """The value of an aggregate."""
        return aggregates.aggregate(node, self)

    def average(self, node: tree.Value) -> tuple[exp.Expr, exp.Expr] | None:
        """Sum and count of an avg, also behind a trait's name."""
        if isinstance(node, tree.Trait) and node.name in self.catalogue.traits:
            node = self.catalogue.traits[node.name].node
        is_average = isinstance(node, tree.Aggregate) and node.fn == "avg"
        return aggregates.average(node, self) if is_average else None  # type: ignore[arg-type]  # is_average says so

    def anniversary(self, node: tree.Value) -> exp.Expr | None:
        """The date whose month and day count."""
        if isinstance(node, tree.Anniversary):
            return values.day(node.of, self)
        return self.steps.fact("birth_date") if isinstance(node, tree.Trait) and self._is_birthday(node) else None

    def local_day(self, instant: exp.Expr) -> exp.Expr:
        """The local day of an instant, in a step of its own: a zone's changes are many."""
        day = local_day(self._column(instant), self.calendar, self.backend)
        return self.steps.derive(("local day", instant), self.steps.unique("local_day"), day)

    def local(self, instant: exp.Expr) -> exp.Expr:
        """The local wall time of an instant, in a step of its own."""
        wall = local(self._column(instant), self.calendar, self.backend)
        return self.steps.derive(("local", instant), self.steps.unique("local"), wall)

    def _column(self, value: exp.Expr) -> exp.Column:
        """A value as a column of an earlier step."""
        if isinstance(value, exp.Column):
            return value
        return self.steps.derive(("value", value), self.steps.unique("value"), value)

    def place(self, name: str) -> tuple[float, float]:
        """Latitude and longitude of a place."""
        lat, lon = self.catalogue.places[name]
        return float(lat), float(lon)

    def is_exact(self, node: tree.Trait | tree.Column | tree.Aggregate) -> bool:
        """Whether a text is compared as it is (rule 7)."""
        if isinstance(node, tree.Aggregate):
            return node.column is not None and self.rows(node.rows.source).exact(node.column)
        if node.name in self.catalogue.traits:
            return values.is_exact(self.catalogue.traits[node.name].node, self)
        found = self.catalogue.vocabulary.facts.get(node.name)
        return node.name == "customer_id" or (found is not None and (found.exact or bool(found.values)))

    def rank(self, node: tree.Rank) -> exp.Expr:
        """The part of everyone that a value falls into, 1 for the smallest (rule 16)."""
        found = self.steps.known(node)
        if found is not None:
            return found
        name = self.steps.unique("rank")
        value, beside = ranking.parts(node, self._ranked(node.of, node.among), name, self.backend)
        return self.steps.derive(node, name, value, beside)

    def top(self, node: tree.Top) -> exp.Expr:
        """Whether a value is among the first p % (rule 16)."""
        found = self.steps.known(node)
        if found is not None:
            return found
        name = self.steps.unique("top")
        value, beside = ranking.top(node, self._ranked(node.by, node.among), name, self.backend)
        return self.steps.derive(node, name, value, beside)

    def special(self, node: tree.Test) -> exp.Expr:
        """A test that only customers have."""
        maker = _SPECIAL.get(type(node))
        if maker is None:
            raise UnsupportedByBackend(f"{type(node).__name__.lower()} cannot be computed yet")
        return maker(self, node)

    def segment(self, name: str) -> exp.Column:
        """Membership, before any consent; in a group, the first match wins."""
        key = ("segment", name)
        return self.steps.known(key) or self.steps.derive(key, f"segment_{name}", self.member(name))

    def member(self, name: str) -> exp.Expr:
        """Membership as a condition that is never NULL."""
        known_already = self.steps.known(("segment", name))
        if known_already is not None:
            return known_already
        earlier = [before for group in self.catalogue.groups.values() for before in _before(name, group.exclusive)]
        is_grouped = any(name in group.exclusive for group in self.catalogue.groups.values())
        own = self._raw(name) if is_grouped else strict(self._test(name))
        return every([own, *(complement(self._raw(before)) for before in earlier)])

    def reachable(self, channel: str) -> exp.Column:
        """Whether a customer may be contacted: the channel's test, which holds the accepted bases, and an address."""
        key, address = ("reachable", channel), ADDRESS.get(channel)
        found = self.steps.known(key)
        if found is not None:
            return found
        tests = [conditions.test(self.catalogue.reachable[channel], self)]
        if address is not None:
            tests.append(known(self.steps.fact(address)))
        return self.steps.derive(key, f"reachable_{channel}", strict(every(tests)))

    def _is_birthday(self, node: tree.Trait | tree.Column) -> bool:
        return node.name == "birthday" and "birthday" not in self.columns

    def _test(self, name: str) -> exp.Expr:
        return conditions.test(self.catalogue.segments[name].node, self)

    def _raw(self, name: str) -> exp.Column:
        """Whether a grouped segment's own definition matches, whatever comes before it in the group."""
        key = ("raw", name)
        found = self.steps.known(key)
        if found is not None:
            return found
        if name in self._open:
            raise DefinitionError(
                f"'{name}' stands on itself through its group",
                place=f"segments.{name}",
                hint="order the group differently",
            )
        self._open.add(name)
        try:
            return self.steps.derive(key, f"raw_{name}", strict(self._test(name)))
        finally:
            self._open.discard(name)

    def _ranked(self, of: tree.Value, among: tree.Test | None) -> exp.Column:
        """What is ranked, as a column of a step before; NULL for those who are not."""
        value = values.value(of, self)
        return self._column(value if among is None else when(conditions.test(among, self), value))


def _before(name: str, exclusive: tuple[str, ...]) -> tuple[str, ...]:
    return exclusive[: exclusive.index(name)] if name in exclusive else ()


def _did(scope: CustomerScope, node: tree.Did) -> exp.Expr:
    found = sequences.did(node, scope)
    return complement(found) if node.never else found


def _has(scope: CustomerScope, node: tree.Has) -> exp.Expr:
    if not isinstance(node.of, tree.Trait) or node.of.name in scope.catalogue.traits:
        raise UnsupportedByBackend("'has' needs a list of the shop")
    wanted = tuple(fold(one) for one in node.values)
    of_list = exp.EQ(this=column("list"), expression=literal(node.of.name))
    holds = exp.In(this=exp.Lower(this=column("value")), expressions=[literal(one) for one in wanted])
    entry = Entry(f"has_{node.of.name}", tallies.count, (of_list, holds), Interval(None, None), zero=True)
    source = Source(table=LISTS, time="", columns={})
    matches = scope.steps.tally(source, ("has", node.of.name, wanted), entry)
    some = exp.GT(this=matches, expression=literal(0))
    if node.how == "all":
        each = [_has(scope, tree.Has("any", node.of, (one,))) for one in node.values]
        return every(each)
    return complement(some) if node.how == "none" else some


_SPECIAL: dict[type, Callable[[CustomerScope, Any], exp.Expr]] = {
    tree.Did: _did,
    tree.Has: _has,
    tree.Top: lambda scope, node: scope.top(node),
    tree.InSegment: lambda scope, node: scope.segment(node.name),
    tree.Reachable: lambda scope, node: scope.reachable(node.channel),
}
