"""All traits and all segments → one query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from engine.compute import conditions, values
from engine.compute.backends.protocol import Backend, Engine
from engine.compute.bounds import Calendar
from engine.compute.customers import CustomerScope
from engine.compute.spelling import column, named, strict
from engine.compute.steps import Query, Steps
from engine.errors import ConfigError, UnsupportedByBackend, nearest
from engine.language import tree
from engine.language.tree import Type
from engine.segments import Catalogue
from engine.shop.numbers import NUMBER
from engine.shop.schema import Source

if TYPE_CHECKING:
    import pyarrow as pa

OWN = {"email": "email", "consent_email": "consent_email", "basis": "consent_email_basis"}  # ours → customers'


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where a query stands: the shop's sources and customers' columns, the time, an engine's words and the engine."""

    sources: Mapping[str, Source]
    columns: frozenset[str]
    calendar: Calendar
    backend: Backend
    engine: Engine | None = None

    def scope(self, catalogue: Catalogue) -> CustomerScope:
        """A fresh scope over a catalogue."""
        key = NUMBER if NUMBER in self.columns else "customer_id"  # numbers are grouped and joined faster than texts
        return CustomerScope(catalogue, self.sources, self.columns, self.calendar, self.backend, Steps(key))

    def run(self, query: Query) -> pa.Table:
        """Run a query where the tables are."""
        if self.engine is None:
            raise UnsupportedByBackend("there is no database to run this on")
        if self.backend.keeps_steps:
            found = _step_by_step(query, self.backend, self.engine)
        else:
            found = self.engine.query(self.backend.text(query.whole()))
        return found.rename_columns(query.result.named_selects)  # engines that limit a name's length shorten it


def _step_by_step(query: Query, backend: Backend, engine: Engine) -> pa.Table:
    """Keep what is read often as tables of the connection, whatever stands before it folded into each."""
    often, open_steps, kept = query.read_often(), list[tuple[str, exp.Query]](), list[str]()
    try:
        for name, step in query.steps:
            if name in often:
                engine.keep(name, backend.text(_folded(open_steps, step)))
                kept.append(name)
            else:
                open_steps.append((name, step))
        return engine.query(backend.text(_folded(open_steps, query.result)))
    finally:
        for name in kept:
            engine.unregister(name)


def _folded(steps: list[tuple[str, exp.Query]], last: exp.Query) -> exp.Query:
    """A step with those that it reads, directly or through others, as CTEs."""
    needed, found = {table.name for table in last.find_all(exp.Table)}, list[tuple[str, exp.Query]]()
    for name, step in reversed(steps):
        if name in needed:
            needed |= {table.name for table in step.find_all(exp.Table)}
            found.append((name, step))
    whole = last.copy()
    for name, step in reversed(found):
        whole = whole.with_(exp.to_identifier(name, quoted=True), as_=step.copy(), copy=False)
    return whole


def membership(catalogue: Catalogue, ground: Ground, also: Iterable[str] = ()) -> Query:
    """One row a customer: who they are, each segment, each channel, each holdout, each trait; `also` names further facts."""
    scope = ground.scope(catalogue)
    columns: list[exp.Expr] = [
        column("customer_id"),
        *(named(scope.steps.fact(theirs), ours) for ours, theirs in OWN.items()),
    ]
    columns += [named(scope.reachable(channel), f"reachable_{channel}") for channel in catalogue.reachable]
    for name, segment in catalogue.segments.items():
        columns.append(named(scope.segment(name), f"segment:{name}"))
        if segment.holdout is not None:
            held = conditions.bucket(segment.holdout.salt, "<", segment.holdout.share * 100, scope)
            columns.append(named(held, f"holdout:{name}"))
    for name in dict.fromkeys([*catalogue.traits, *also]):
        columns.append(named(scope.fact(_trait(name, catalogue)), f"trait:{name}"))
    return scope.steps.assemble(columns)


def checks(catalogue: Catalogue, ground: Ground, items: Iterable[tree.Test | tree.Value], customer: str) -> Query:
    """One row for one customer: what each test (`0`, `1` …) decides, and each value is."""
    scope = ground.scope(catalogue)
    columns: list[exp.Expr] = [column("customer_id")]
    for index, item in enumerate(items):
        is_test = isinstance(item, tree.Test)
        found = strict(conditions.test(item, scope)) if is_test else values.value(item, scope)  # type: ignore[arg-type]
        columns.append(named(found, str(index)))
    one = conditions.test(tree.Compare("=", tree.Trait("customer_id", Type.TEXT), tree.Text(customer)), scope)
    query = scope.steps.assemble(columns)
    return replace(query, result=query.result.where(one, copy=False))


def _trait(name: str, catalogue: Catalogue) -> tree.Trait:
    if name in catalogue.traits:
        return tree.Trait(name, catalogue.traits[name].type)
    found = catalogue.vocabulary.facts.get(name)
    if found is None:
        near = nearest(name, [*catalogue.traits, *catalogue.vocabulary.facts])
        raise ConfigError(f"there is no trait {name!r}", hint=f"did you mean {near!r}?" if near else None)
    return tree.Trait(name, found.type)
