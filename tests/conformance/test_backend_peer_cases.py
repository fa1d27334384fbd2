"""What five peers' own test suites assert, replayed as definitions of ours (../shared/cases)."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from compute_shop import ARROW

from engine.compute import compute
from engine.compute.backends.protocol import Engine
from engine.errors import DefinitionError
from engine.language.tree import Type
from engine.language.vocabulary import Fact, Source, Vocabulary
from engine.segments import Catalogue, Definitions, SegmentDefinition, build_catalogue
from engine.shop import schema

FILE = Path(__file__).parents[2].parent / "shared" / "cases" / "peer-cases.jsonl"
CASES = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()] if FILE.exists() else []
REPLAYED = [case for case in CASES if case["expr"] is not None]
TYPES = {"num": "number", "ts": "instant", "str": "text"}
TIMES = {"events": "ts", "orders": "ts"}

pytestmark = pytest.mark.skipif(not CASES, reason="the folder shared is not beside the repository")


def kind_of(name: str, values: list[Any], types: dict[str, str]) -> str:
    found = next((value for value in values if value not in (None, "")), None)
    if name in types:
        return TYPES[types[name]]
    if isinstance(found, bool):
        return "boolean"
    if isinstance(found, int | float):
        return "number"
    if isinstance(found, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", found):
        return "date"
    return "instant" if isinstance(found, str) and re.match(r"\d{4}-\d\d-\d\dT", found) else "text"


def at_rest(value: Any, kind: str) -> Any:
    if value is None or value == "":
        return None
    if kind == "instant":
        return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
    if kind == "number":
        return Decimal(str(value))
    return date.fromisoformat(value) if kind == "date" else value


class PeerShop:
    """One case's customers, events and orders as tables."""

    def __init__(self, case: dict[str, Any], database: Engine) -> None:
        self.database, self.case, self.columns = database, case, dict[str, dict[str, str]]()
        lists = case.get("lists", [])
        customers = [{**one, "customer_id": one["id"]} for one in case["customers"]]
        # the peers' orders carry no time: they have happened long ago
        events = case["events"] or [{"customer_id": "nobody", "name": "none", "ts": "1970-01-01T00:00:00Z"}]
        orders = [{"ts": "1970-01-01T00:00:00Z", **one} for one in case["orders"]]
        orders = orders or [{"customer_id": "nobody", "ts": "1970-01-01T00:00:00Z"}]
        self.load("customers", customers, ("customer_id", "email", "consent_email", "consent_email_basis"))
        self.load("events", [{**one, "row_id": index} for index, one in enumerate(events)])
        self.load("orders", [{**one, "row_id": index} for index, one in enumerate(orders)])
        self.load("customer_lists", lists, ("customer_id", "list", "value"))
        self.times = {**TIMES, **{one["list"]: "ts" for one in lists}}
        for name in {one["list"] for one in lists}:  # a list can be counted too: its entries have always been there
            entries = [one for one in lists if one["list"] == name]
            self.load(
                name, [{**one, "row_id": index, "ts": "1970-01-01T00:00:00Z"} for index, one in enumerate(entries)]
            )

    def load(self, table: str, rows: list[dict[str, Any]], always: tuple[str, ...] = ("customer_id",)) -> None:
        names = dict.fromkeys([*(name for row in rows for name in row), *always])
        types = self.case.get("types", {})
        kinds = {name: kind_of(name, [row.get(name) for row in rows], types) for name in names}
        data = [{name: at_rest(row.get(name), kind) for name, kind in kinds.items()} for row in rows]
        fields = pa.schema([(name, ARROW[kind]) for name, kind in kinds.items()])
        self.database.register(table, pa.Table.from_pylist(data, schema=fields))
        self.columns[table] = kinds

    def sources(self) -> dict[str, schema.Source]:
        return {
            table: schema.Source(
                table=table,
                time=time,
                columns={name: schema.Column(type=kind) for name, kind in self.columns[table].items()},
            )
            for table, time in self.times.items()
        }

    def vocabulary(self) -> Vocabulary:
        facts = {name: Fact(type=Type(kind)) for name, kind in self.columns["customers"].items()}
        facts |= {name: Fact(type=Type.LIST) for name in self.times.keys() - TIMES.keys()}
        sources = {
            table: Source(
                columns={name: Fact(type=Type(kind)) for name, kind in self.columns[table].items()}, time=time
            )
            for table, time in self.times.items()
        }
        return Vocabulary(facts=facts, sources=sources)

    def catalogue(self, expr: str) -> Catalogue:
        case = self.case
        static: dict[str, list[str]] = {name: [] for name in case.get("static", ())}
        for one in case.get("list_members", ()):
            static.setdefault(one["list"], []).append(one["customer_id"])
        segments = [SegmentDefinition(name=name, customers=tuple(ids)) for name, ids in static.items()]
        segments += [SegmentDefinition(name=name, where=text) for name, text in case.get("segments", {}).items()]
        segments.append(SegmentDefinition(name="the_case", where=expr))
        places = {
            name: (Decimal(str(at["lat"])), Decimal(str(at["lon"]))) for name, at in case.get("places", {}).items()
        }
        definitions = Definitions(segments=tuple(segments), reachable={"email": "true"})
        return build_catalogue(definitions, self.vocabulary(), places)


def members(case: dict[str, Any], expr: str, database: Engine) -> list[str]:
    now, zone = datetime.fromisoformat(case["now"]), ZoneInfo(case.get("timezone", "UTC"))
    shop = PeerShop(case, database)
    found = compute(shop, shop.catalogue(expr), now, zone, leap_day=case.get("leap_day", "feb28"))
    return found.members("the_case")["customer_id"].to_pylist()


@pytest.mark.parametrize("case", REPLAYED, ids=lambda case: case["id"])
def test_a_peers_case_has_the_members_that_the_peer_asserts(database: Engine, case: dict[str, Any]) -> None:
    ours = case.get("ours", {})
    if "expected_error" in case and not ours:
        with pytest.raises(DefinitionError):
            members(case, case["expr"], database)
        return
    wanted = ours.get("expected_members", case["expected_members"])
    found = members(case, ours.get("expr", case["expr"]), database)
    assert sorted(found) == sorted(wanted or [])


def test_every_case_that_has_a_definition_is_replayed() -> None:
    assert len(REPLAYED) == sum(case["expr"] is not None for case in CASES) >= 100
