"""A toy shop, twice: in DuckDB for compute, as lists of dicts for the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from reference import World

from engine.compute import Membership, compute
from engine.compute.backends.protocol import Engine
from engine.language import tree
from engine.language.parser import parse_test, parse_value
from engine.language.tree import Type
from engine.language.vocabulary import Fact, Source, Vocabulary
from engine.segments import Catalogue, Group, Segment
from engine.shop import schema
from engine.traits import Trait

ARROW = {
    "text": pa.string(), "number": pa.decimal128(18, 4), "money": pa.decimal128(18, 4), "date": pa.date32(),
    "instant": pa.timestamp("us"), "boolean": pa.bool_(), "list": pa.list_(pa.string()), "place": pa.float64(),
    "row": pa.int64(),
}  # fmt: skip
FACTS = {
    "customer_id": "text", "email": "text", "city": "text", "code": "text", "points": "number", "vip": "boolean",
    "birth_date": "date", "joined": "instant", "lat": "place", "lon": "place", "interests": "list",
    "consent_email": "text", "consent_email_at": "instant", "consent_email_basis": "text",
}  # fmt: skip
COLUMNS = {
    "at": "instant", "n": "number", "m": "money", "word": "text", "ref": "text", "flag": "boolean", "due": "instant",
    "day": "date",
}  # fmt: skip
EXACT = frozenset({"customer_id", "code", "ref"})
TABLES = {"buys": "buying", "all_buys": "buying", "looks": "looking"}


def _column(name: str, kind: str) -> schema.Column:
    return schema.Column(type="number" if kind == "place" else kind, exact=name in EXACT)


SOURCES = {
    name: schema.Source(
        table=table,
        time="at",
        columns={column: _column(column, kind) for column, kind in COLUMNS.items()},
        keep="keep" if name == "buys" else None,
    )
    for name, table in TABLES.items()
}


def _fact(name: str, kind: str) -> Fact:
    return Fact(type=Type("number" if kind == "place" else kind), exact=name in EXACT)


def vocabulary(traits: Mapping[str, Trait], segments: Sequence[str]) -> Vocabulary:
    """The names of the toy shop."""
    facts = {schema.spoken(name): _fact(name, kind) for name, kind in FACTS.items()}
    facts |= {"age": Fact(type=Type.NUMBER), "birthday": Fact(type=Type.DATE)}
    facts |= {name: Fact(type=trait.type) for name, trait in traits.items()}
    columns = {name: _fact(name, kind) for name, kind in COLUMNS.items()}
    return Vocabulary(
        facts=facts,
        sources={name: Source(columns=columns, time="at") for name in TABLES},
        segments=frozenset(segments),
        places=frozenset({"lyon"}),
    )


class ToyShop:
    """Tables of dicts; missing keys are unknown. `buying` rows have `keep`, true unless said otherwise."""

    def __init__(
        self,
        customers: Sequence[Mapping[str, Any]],
        buying: Sequence[Mapping[str, Any]] = (),
        looking: Sequence[Mapping[str, Any]] = (),
        *,
        database: Engine,
    ) -> None:
        self.customers = [{name: one.get(name) for name in FACTS} for one in customers]
        self.buying, self.looking = _rows(buying), _rows(looking)
        self.database = database
        lists = [
            {"customer_id": one["customer_id"], "list": "interests", "value": value}
            for one in self.customers
            for value in one["interests"] or ()
        ]
        event = {"row_id": "row", "customer_id": "text", "keep": "boolean", **COLUMNS}
        self._register("customers", self.customers, FACTS)
        self._register("buying", self.buying, event)
        self._register("looking", self.looking, event)
        self._register("customer_lists", lists, {"customer_id": "text", "list": "text", "value": "text"})

    def sources(self) -> Mapping[str, schema.Source]:
        return SOURCES

    def world(self, now: datetime, zone: str, **more: Any) -> World:
        kept = [row for row in self.buying if row["keep"]]
        sources = {"buys": kept, "all_buys": self.buying, "looks": self.looking}
        customers = [{schema.spoken(name): value for name, value in one.items()} for one in self.customers]
        customers = [{**one, "birthday": one["birth_date"]} for one in customers]
        return World(customers=customers, sources=sources, now=now, zone=ZoneInfo(zone), exact=EXACT, **more)

    def _register(self, name: str, rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> None:
        fields = pa.schema([(column, ARROW[kind]) for column, kind in kinds.items()])
        self.database.register(name, pa.Table.from_pylist([dict(row) for row in rows], schema=fields))


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    empty = {"keep": True, **dict.fromkeys(COLUMNS)}
    return [{**empty, "row_id": index, **row} for index, row in enumerate(rows, start=1)]


def catalogue(
    segments: Mapping[str, str | tree.Test],
    traits: Mapping[str, str | tree.Value] | None = None,
    groups: Mapping[str, tuple[str, ...]] | None = None,
    reachable: str = "true",
) -> Catalogue:
    """A catalogue from texts or trees."""
    built: dict[str, Trait] = {}
    for name, text in (traits or {}).items():
        node = parse_value(text, vocabulary(built, ())) if isinstance(text, str) else text
        built[name] = Trait(name=name, node=node, type=_type(node))
    known = vocabulary(built, [*segments])
    nodes = {name: parse_test(text, known) if isinstance(text, str) else text for name, text in segments.items()}
    return Catalogue(
        traits=built,
        segments={name: Segment(name=name, node=node, text="", title=name) for name, node in nodes.items()},
        groups={name: Group(name=name, exclusive=members) for name, members in (groups or {}).items()},
        reachable={"email": parse_test(reachable, known)},
        vocabulary=known,
        places={"lyon": (45, 4)},  # type: ignore[dict-item]
    )


def _type(node: tree.Value) -> Type:
    from engine.language.kinds import type_of

    return type_of(node)


def run(shop: ToyShop, definitions: Catalogue, now: datetime, zone: str = "UTC", **more: Any) -> Membership:
    """Compute, at a naive UTC now."""
    return compute(shop, definitions, now.replace(tzinfo=UTC), ZoneInfo(zone), **more)


def members(shop: ToyShop, text: str, now: datetime, zone: str = "UTC", **more: Any) -> set[str]:
    """The members of one definition."""
    found = run(shop, catalogue({"it": text}), now, zone, **more)
    return set(found.members("it")["customer_id"].to_pylist())


def trait(shop: ToyShop, text: str, now: datetime, zone: str = "UTC", **more: Any) -> dict[str, Any]:
    """The value of one definition, by customer."""
    table = run(shop, catalogue({}, {"it": text}), now, zone, **more).table
    return dict(zip(table["customer_id"].to_pylist(), table["trait:it"].to_pylist(), strict=True))
