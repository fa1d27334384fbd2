"""Membership as columns: groups, holdouts, reach, references, findings, and what is refused before data is read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from compute_shop import SOURCES, ToyShop, catalogue, members, run

from engine.compute import explain, sql
from engine.compute.backends.duckdb import BACKEND
from engine.compute.backends.protocol import OPERATIONS
from engine.compute.bounds import Calendar
from engine.compute.query import Ground, membership
from engine.errors import ConfigError, DefinitionError, UnsupportedByBackend
from engine.language import tree
from engine.language.tree import Type
from engine.segments import Catalogue, Holdout
from engine.tables import Database

NOW = datetime.fromisoformat("2026-03-15T12:00")
UTC_ZONE = ZoneInfo("UTC")


@pytest.fixture
def shop() -> Iterator[ToyShop]:
    customers = [
        {"customer_id": "c1", "email": "c1@example.com", "city": "Lyon", "points": 5, "consent_email": "subscribed"},
        {"customer_id": "c2", "email": "c2@example.com", "points": 1, "consent_email": "never"},
        {"customer_id": "c10", "consent_email": "subscribed"},
    ]
    buying = [{"customer_id": "c1", "at": NOW - timedelta(days=day), "m": Decimal(10)} for day in (1, 40)]
    with Database(threads=1) as database:
        yield ToyShop(customers, buying, database=database)


def flags(shop: ToyShop, definitions: Catalogue) -> dict[str, list[str]]:
    found = run(shop, definitions, NOW)
    return {name: found.members(name)["customer_id"].to_pylist() for name in found.segments}


def test_there_is_one_row_a_customer_sorted_by_id_as_text(shop: ToyShop) -> None:
    table = run(shop, catalogue({"all": "true"}), NOW).table
    assert table["customer_id"].to_pylist() == ["c1", "c10", "c2"]
    assert table.column_names == ["customer_id", "email", "consent_email", "basis", "reachable_email", "segment:all"]
    assert table["segment:all"].type == pa.bool_()


def test_nobody_without_an_address_is_reachable(shop: ToyShop) -> None:
    definitions = catalogue({"all": "true", "reach": "reachable(email)"}, reachable="consent.email = 'subscribed'")
    found = run(shop, definitions, NOW)
    assert found.members("all", reachable="email")["customer_id"].to_pylist() == ["c1"]
    assert found.members("reach")["customer_id"].to_pylist() == ["c1"]


def test_in_a_group_the_first_match_wins_also_for_those_who_refer_to_it(shop: ToyShop) -> None:
    texts = {"buyers": "did(buys)", "lyon": "city = 'Lyon' or points = 1", "rest": "true", "in_rest": "in segment rest"}
    found = flags(shop, catalogue(texts, groups={"life": ("buyers", "lyon", "rest")}))
    assert found == {"buyers": ["c1"], "lyon": ["c2"], "rest": ["c10"], "in_rest": ["c10"]}


def test_a_group_whose_first_segment_refers_to_a_later_one_is_refused(shop: ToyShop) -> None:
    definitions = catalogue({"a": "in segment b", "b": "true"}, groups={"g": ("a", "b")})
    with pytest.raises(DefinitionError, match="through its group"):
        run(shop, definitions, NOW)


def test_references_to_segments_and_traits_are_what_they_name(shop: ToyShop) -> None:
    texts = {
        "one": "spent > 5",
        "two": "in segment one and not in segment three",
        "three": "rank = 5 and city is unknown",
    }
    found = flags(shop, catalogue(texts, {"spent": "sum(buys.m)", "rank": "quintile(spent)"}))
    assert found == {"one": ["c1"], "two": ["c1"], "three": []}


def test_a_holdout_is_a_column_of_its_own_and_does_not_change_membership(shop: ToyShop) -> None:
    definitions = catalogue({"all": "true"})
    held = replace(definitions.segments["all"], holdout=Holdout(share=Decimal("0.5"), salt="h"))
    table = run(shop, replace(definitions, segments={"all": held}), NOW).table
    assert set(table["segment:all"].to_pylist()) == {True}
    assert dict(zip(table["customer_id"].to_pylist(), table["holdout:all"].to_pylist(), strict=True)) == {
        one: one in members(shop, "bucket('h') < 50", NOW) for one in ("c1", "c2", "c10")
    }


def test_plain_facts_come_along_when_asked_for(shop: ToyShop) -> None:
    found = run(shop, catalogue({"all": "true"}, {"spent": "sum(buys.m)"}), NOW, also=["city", "consent.email"])
    assert found.traits == ("spent", "city", "consent.email")
    assert found.table["trait:city"].to_pylist() == ["Lyon", None, None]


def test_a_fact_that_nobody_knows_is_refused_with_the_nearest_one(shop: ToyShop) -> None:
    with pytest.raises(ConfigError, match="there is no trait 'citi'") as refused:
        run(shop, catalogue({"all": "true"}), NOW, also=["citi"])
    assert refused.value.hint == "did you mean 'city'?"


def test_each_table_is_scanned_once_for_all_segments(shop: ToyShop) -> None:
    texts = {
        f"s{days}": f"count(buys, last {days} days) > 1 and sum(buys.m, last {days} days) > 3" for days in range(1, 40)
    }
    query = membership(catalogue(texts), ground(shop))
    assert query.whole().sql(dialect="duckdb").count('FROM "buying"') == 1


def test_the_same_aggregate_of_two_segments_is_computed_once(shop: ToyShop) -> None:
    texts = {"a": "count(buys, last 30 days) > 1", "b": "did(buys, last 30 days)", "c": "never(buys, last 30 days)"}
    assert membership(catalogue(texts), ground(shop)).whole().sql(dialect="duckdb").count("COUNT(*)") == 1


def test_segments_together_are_what_each_is_alone(shop: ToyShop) -> None:
    texts = {
        "a": "count(buys, last 30 days) = 1",
        "b": "avg(buys.m) >= 10",
        "c": "top 50% by points",
        "d": "not did(buys)",
    }
    together = flags(shop, catalogue(texts))
    assert together == {name: sorted(members(shop, text, NOW)) for name, text in texts.items()}


def test_a_row_that_no_column_counts_is_not_read_and_changes_nothing(shop: ToyShop) -> None:
    texts = {
        "recent": "did(buys, last 7 days)",
        "dear": "count(buys where m > 100) = 0",
        "cheap": "sum(buys.m where m < 20, last 60 days) >= 20",
    }
    scan = dict(membership(catalogue(texts), ground(shop)).steps)["_by_customer_buying"]
    assert " OR " in scan.args["where"].sql("duckdb")
    assert flags(shop, catalogue(texts)) == {name: sorted(members(shop, text, NOW)) for name, text in texts.items()}
    assert flags(shop, catalogue({**texts, "ever": "count(buys) = 2"}))["ever"] == ["c1"]


def test_the_changes_of_a_zone_stand_once_in_a_scan_however_many_tests_ask_for_the_hour(shop: ToyShop) -> None:
    paris = replace(ground(shop), calendar=Calendar(NOW.replace(tzinfo=UTC), ZoneInfo("Europe/Paris")))
    asked = {f"h{hour}": f"did(buys where hour(at) = {hour}, last 7 days)" for hour in range(24)}
    scan = dict(membership(catalogue(asked), paris).steps)["_by_customer_buying"].sql("duckdb")
    assert scan.count("2026-03-29 01:00:00") == 1
    assert [found for found in flags(shop, catalogue(asked)).values() if found] == [["c1"]]


def test_a_step_carries_only_what_later_ones_read(shop: ToyShop) -> None:
    definitions = catalogue({"rich": "quintile(points) = 5 and city = 'Lyon'", "lyon": "city = 'Lyon'"})
    steps = dict(membership(definitions, ground(shop)).steps)
    assert "f_points" in steps["_step_1"].named_selects
    assert "f_points" not in steps["_step_2"].named_selects
    assert "segment_lyon" in steps["_step_2"].named_selects


def test_two_hundred_segments_compile_in_a_moment(shop: ToyShop) -> None:
    texts = {
        f"s{n}": f"count(buys, last {n} days) > 1 and city != 'x{n}' and in segment s{n - 1}" for n in range(1, 200)
    }
    found = membership(catalogue({"s0": "true", **texts}), ground(shop))
    assert len(found.result.selects) == 205


def test_findings_say_which_condition_holds_and_with_what_value(shop: ToyShop) -> None:
    definitions = catalogue(
        {"first": "vip", "it": "city = 'lyon' and (count(buys, last 7 days) >= 2 or not vip)"},
        groups={"g": ("first", "it")},
    )
    found = explain(shop, definitions, "it", "c1", now=NOW.replace(tzinfo=UTC), zone=UTC_ZONE)
    assert [(one.text, one.holds, one.value) for one in found] == [
        ("city = 'lyon'", True, "Lyon"),
        ("count(buys, last 7 days) >= 2", False, 1),
        ("not vip", True, None),
        ("not in segment first", True, None),
    ]


def test_explaining_a_stranger_is_a_mistake_of_the_command(shop: ToyShop) -> None:
    with pytest.raises(ConfigError, match="no customer c99"):
        explain(shop, catalogue({"it": "true"}), "it", "c99", now=NOW.replace(tzinfo=UTC), zone=UTC_ZONE)


@pytest.mark.parametrize("operation", [*OPERATIONS])
def test_what_a_backend_has_no_words_for_is_refused_before_it_reads(operation: str) -> None:
    texts = {
        "a": "first(buys.word) = 'x' and last(buys.word) = 'x' and avg_gap(buys) > 3 days and share(buys where flag) > 10%",
        "b": "days_since(joined) > 2 and birthday in today and bucket('s') < 10 and quintile(points) > 2 and age > 3",
        "c": "city contains 'x' and city starts with 'x' and city ends with 'x'",
        "d": "did(buys, then looks within 2 months)",
        "f": "most_frequent(buys.word) = 'x'",
        "e": "hour(joined) > 2 and weekday(joined) = 'monday' and month(birth_date) = 3",
    }
    backend = replace(BACKEND, unsupported=(operation,), favourite=None)
    with pytest.raises(UnsupportedByBackend, match=operation):
        membership(catalogue(texts), replace(ground(None), backend=backend))


def test_a_row_knows_nothing_of_its_customer() -> None:
    inner = tree.Compare(
        "=", tree.Aggregate("count", tree.Rows("buys"), None, None, Type.NUMBER), tree.Number(Decimal(1))
    )
    with pytest.raises(UnsupportedByBackend, match="inside 'where' of buys"):
        membership(catalogue({"it": tree.Did(tree.Rows("buys", inner))}), ground(None))


def test_without_a_database_the_query_is_only_text() -> None:
    with pytest.raises(UnsupportedByBackend, match="no database"):
        ground(None).run(membership(catalogue({"it": "true"}), ground(None)))
    text = sql(catalogue({"it": "did(buys)"}), NOW.replace(tzinfo=UTC), UTC_ZONE, sources=SOURCES)
    assert '"segment:it"' in text


@pytest.mark.parametrize("hostile", ["'; DROP TABLE customers; --", "x' OR '1'='1", 'a"b', "\\", "%", "/* */", "a\nb"])
def test_text_of_a_definition_is_only_ever_a_value(shop: ToyShop, hostile: str) -> None:
    one = ToyShop([{"customer_id": "h", "city": hostile}, {"customer_id": "n", "city": "x"}], database=shop.database)
    text = tree.Trait("city", Type.TEXT)
    nodes = {
        "equal": tree.Compare("=", text, tree.Text(hostile)),
        "part": tree.TextTest("contains", text, hostile),
        "listed": tree.OneOf(text, (tree.Text(hostile),)),
    }
    assert flags(one, catalogue(nodes)) == {key: ["h"] for key in nodes}


def test_the_planner_is_not_loaded_until_it_is_needed() -> None:
    code = "import sys, engine.compute; sys.exit('sqlglot' in sys.modules or 'duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def ground(shop: ToyShop | None) -> Ground:
    return Ground(
        sources=SOURCES,
        columns=frozenset(),
        calendar=Calendar(NOW.replace(tzinfo=UTC), ZoneInfo("Europe/Paris")),
        backend=BACKEND,
        engine=shop.database if shop else None,
    )
