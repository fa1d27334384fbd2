"""ClickHouse's session, on chDB and over the wire, and the kinds of numbers that its words bring together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Context, Decimal
from itertools import product

import pyarrow as pa
import pytest
from clickhouse_server import PASSWORD, Server, running
from compute_shop import ToyShop, catalogue, members, run, trait
from sqlglot import exp

from engine.compute.backends.clickhouse import BACKEND
from engine.compute.backends.clickhouse_engine import ClickHouse
from engine.compute.literals import double, literal
from engine.compute.spelling import column, named, relation, when
from engine.errors import ConfigError, UnsupportedByBackend
from engine.language import tree
from engine.language.tree import Type
from engine.tables import QueryError

NOW = datetime.fromisoformat("2026-03-15T12:00")
INSTANT = datetime.fromisoformat("1949-12-31T23:59:59.999999")
AT_REST = pa.table(
    {
        "text": pa.array(["a'b\\c\n", "", "İ"]), "flag": pa.array([True, False, None]),
        "day": pa.array([date(1900, 1, 1), date(2299, 12, 31), None]), "at": pa.array([INSTANT, None, NOW], pa.timestamp("us")),
        "money": pa.array([Decimal("-99999999999999.9999"), None, Decimal("0.0001")], pa.decimal128(18, 4)),
        "row": pa.array([-(2**63), 2**63 - 1, None], pa.int64()), "double": pa.array([0.1, None, -1e300]),
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture(params=["in process", "over the wire"])
def engine(request: pytest.FixtureRequest, server: Server) -> Iterator[ClickHouse]:
    with ClickHouse.in_process() if request.param == "in process" else ClickHouse.connect(server.url()) as found:
        yield found


def test_what_is_registered_comes_back_as_it_was(engine: ClickHouse) -> None:
    engine.register("a:b`c", AT_REST)
    assert engine.query('SELECT * FROM "a:b`c" ORDER BY row NULLS LAST') == AT_REST
    assert pa.Table.from_batches(engine.batches('SELECT * FROM "a:b`c" ORDER BY row NULLS LAST')) == AT_REST
    assert engine.columns("a:b`c")["at"] == "Nullable(DateTime64(6, 'UTC'))"


def test_other_spellings_of_arrow_types_are_brought_to_ours(engine: ClickHouse) -> None:
    given = pa.table(
        {
            "text": pa.array(["x", None], pa.large_string()), "named": pa.array(["x", "x"]).dictionary_encode(),
            "at": pa.array([NOW, None], pa.timestamp("s", "Europe/Paris")), "nothing": pa.nulls(2), "few": pa.array([1, 2], pa.uint8()),
            "many": pa.array([["a", None], []], pa.list_(pa.string())),
        }
    )  # fmt: skip
    engine.register("given", given)
    found = engine.query(
        "SELECT text, named, at, nothing, few, length(many) AS many, few / 4 AS part FROM given ORDER BY few"
    )
    assert found.schema.types == [pa.string()] * 2 + [pa.timestamp("us"), pa.string()] + [pa.int64()] * 2 + [
        pa.float64()
    ]
    assert found["at"].to_pylist() == [NOW, None]
    with pytest.raises(UnsupportedByBackend, match="no type for the column when"):
        engine.register("given", pa.table({"when": pa.array([1], pa.duration("s"))}))


def test_results_have_the_types_of_every_engine(engine: ClickHouse) -> None:
    found = engine.query(
        "SELECT toUInt64(7) AS a, CAST(7 AS Decimal(76, 0)) AS b, CAST('1.50' AS Decimal(76, 2)) AS c, toDate('2026-01-01') AS d, "
        "toDateTime64('2026-01-01 00:00:00', 0, 'Asia/Kolkata') AS e, toLowCardinality('x') AS f, toFloat32(0.5) AS g, "
        "CAST('1' || repeat('0', 40) AS Decimal(76, 0)) AS h"
    )
    whole, exact, large = found["b"][0].as_py(), found["c"][0].as_py(), found["h"][0].as_py()
    assert found.schema.types == [pa.int64(), pa.int64(), pa.decimal128(38, 2), pa.date32(), pa.timestamp("us"), pa.string(), pa.float64(), pa.float64()]  # fmt: skip
    assert (whole, exact, large, found["e"][0].as_py()) == (
        7,
        Decimal("1.50"),
        1e40,
        datetime.fromisoformat("2025-12-31T18:30"),
    )


def test_no_rows_keep_their_columns(engine: ClickHouse) -> None:
    engine.register("empty", AT_REST.slice(0, 0))
    assert engine.query("SELECT * FROM empty").schema == AT_REST.schema


def test_a_kept_query_is_counted_once_and_a_defined_one_whenever_it_is_read(engine: ClickHouse) -> None:
    engine.register("one", pa.table({"a": [1]}))
    engine.keep("kept", "SELECT a + 1 AS a FROM one")
    engine.define("defined", "SELECT a + 1 AS a FROM one")
    engine.register("one", pa.table({"a": [10]}))
    assert [engine.query(f"SELECT a FROM {name}")["a"].to_pylist() for name in ("kept", "defined")] == [[2], [11]]
    engine.define("kept", "SELECT 5 AS a")
    assert engine.query("SELECT a FROM kept")["a"].to_pylist() == [5]
    for name in ("kept", "defined", "one"):
        engine.unregister(name)
        with pytest.raises(QueryError, match="Unknown table"):
            engine.query(f"SELECT * FROM {name}")


def test_a_session_keeps_its_tables_to_itself_and_before_the_shops_own(engine: ClickHouse, server: Server) -> None:
    engine.execute("CREATE OR REPLACE TABLE orders (a String) ENGINE = Memory")
    engine.execute("INSERT INTO orders VALUES ('the shop''s')")
    engine.register("orders", pa.table({"a": ["ours"]}))
    with ClickHouse.connect(server.url()) as other:
        assert other.query("SELECT a FROM orders")["a"].to_pylist() == ["the shop's"]
    assert engine.query("SELECT a FROM orders UNION ALL SELECT a FROM default.orders")["a"].to_pylist().sort() is None
    assert (engine.query("SELECT a FROM orders")["a"].to_pylist(), "orders" in engine.tables()) == (["ours"], True)
    engine.execute("DROP TABLE default.orders")


def test_what_is_refused_is_told_without_addresses_and_without_a_chain(engine: ClickHouse) -> None:
    with pytest.raises(QueryError, match=r"'…@…'") as caught:
        engine.query("SELECT toInt64('ada@example.com')")
    assert (caught.value.__cause__, caught.value.__context__, "ada" in str(caught.value)) == (None, None, False)
    with pytest.raises(QueryError):
        engine.execute("nonsense")


def test_a_whole_definition_is_computed_over_the_wire(engine: ClickHouse) -> None:
    rows = [
        {"customer_id": "a", "at": NOW, "n": Decimal(2)},
        {"customer_id": "a", "at": NOW, "n": Decimal(3), "word": "tea"},
    ]
    shop = ToyShop([{"customer_id": "a", "points": Decimal(1)}, {"customer_id": "b"}], rows, database=engine)
    assert members(shop, "sum(buys.n) = 5 and last(buys.word) = 'TEA' and quintile(points) = 5", NOW) == {"a"}


def test_closing_leaves_nothing_in_the_session(server: Server) -> None:
    engine = ClickHouse.connect(server.url())
    engine.register("left", AT_REST)
    engine.close()
    engine.close()
    assert server.statements[-1] == "DROP TEMPORARY TABLE IF EXISTS `left`"


def test_settings_go_with_every_request_and_one_session_holds_them_together(server: Server) -> None:
    with ClickHouse.connect(server.url()) as engine:
        engine.query("SELECT 1 AS a")
    assert {"join_use_nulls": "1", "prefer_column_name_to_alias": "1", "session_timezone": "UTC"}.items() <= server.settings[-1].items()  # fmt: skip


def test_the_schema_is_the_database_that_names_mean(server: Server) -> None:
    with ClickHouse.connect(server.url()) as engine:
        engine.execute("CREATE DATABASE IF NOT EXISTS overlays")
    with ClickHouse.connect(server.url(), schema="overlays") as engine:
        engine.execute("CREATE TABLE mine (a Int64) ENGINE = Memory")
        assert (engine.database, engine.tables(), engine.tables("default")) == ("overlays", {"mine"}, frozenset())
        assert engine.columns("mine", "overlays") == {"a": "Int64"}
        engine.execute("DROP DATABASE overlays")


@pytest.mark.parametrize(
    ("rest", "login", "message"),
    [
        ("/default", "agency:wrong", "the user or the password is wrong"), ("/nowhere", None, "there is no such database"),
        ("/default?secur=true", None, "there is no option 'secur'"),
    ],
)  # fmt: skip
def test_a_refused_connection_names_its_cause_and_never_the_password(server: Server, rest: str, login: str | None, message: str) -> None:  # fmt: skip
    url = server.url(rest, login=login) if login else server.url(rest)
    with pytest.raises(ConfigError, match=message) as caught:
        ClickHouse.connect(url)
    told = f"{caught.value} {caught.value.hint} {caught.value.__cause__} {caught.value.__context__}"
    assert (caught.value.place, PASSWORD in told, "wrong@" in told) == ("[shop] url", False, False)


@pytest.mark.parametrize(
    "url", ["postgresql://h/db", "clickhouse://", "clickhouse://h:port/db", "clickhouse://h:99999/db"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no url of a ClickHouse server"):
        ClickHouse.connect(url)


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no ClickHouse server answers at 127\.0\.0\.1:1$"):
        ClickHouse.connect("clickhouse://agency:secret@127.0.0.1:1/db")


def test_a_user_who_may_change_no_setting_is_told_so(server: Server) -> None:
    server.is_readonly = True
    try:
        with pytest.raises(ConfigError, match="may not change the setting join_use_nulls"):
            ClickHouse.connect(server.url())
    finally:
        server.is_readonly = False


# numbers: every pair of kinds meets in a CASE, in a coalesce and in arithmetic

KINDS = {
    "whole": ("Int64", "3"), "count": ("UInt64", "3"), "money": ("Decimal(18, 4)", "'1.2345'"), "fine": ("Decimal(38, 9)", "'0.000000001'"),
    "double": ("Float64", "0.5"), "flat": ("Nullable(Decimal(9, 0))", "7"),
}  # fmt: skip


@pytest.fixture(scope="module")
def chdb() -> Iterator[ClickHouse]:
    with ClickHouse.in_process() as found:
        columns = ", ".join(f"CAST({value} AS {kind}) AS {name}" for name, (kind, value) in KINDS.items())
        found.keep("kinds", f"SELECT {columns}, true AS yes, false AS no, 'a' AS word, toDate32('1950-01-01') AS day")
        yield found


def value(engine: ClickHouse, found: exp.Expr) -> object:
    query = exp.select(named(found, "found")).from_(relation("kinds"))
    return engine.query(BACKEND.text(query))["found"][0].as_py()


@pytest.mark.parametrize(("one", "other"), [*product(KINDS, KINDS)])
def test_any_two_kinds_of_number_meet(chdb: ClickHouse, one: str, other: str) -> None:
    is_double = "double" in (one, other)
    mine, theirs = (Decimal(KINDS[name][1].strip("'")) for name in (one, other))
    same = (
        (lambda found, wanted: found == float(wanted))
        if is_double
        else (lambda found, wanted: Decimal(found) == wanted)
    )
    assert same(value(chdb, when(column("yes"), column(one), column(other))), mine)
    assert same(value(chdb, when(column("no"), column(one), column(other))), theirs)
    assert same(value(chdb, exp.Coalesce(this=when(column("no"), column(one)), expressions=[column(other)])), theirs)
    assert same(value(chdb, exp.Mul(this=column(one), expression=column(other))), mine * theirs)
    assert same(value(chdb, exp.Sub(this=column(one), expression=column(other))), (float(mine) - float(theirs)) if is_double else mine - theirs)  # fmt: skip


@pytest.mark.parametrize(
    "literals", [("0.5", "0.123456789"), ("3", "0.5"), ("-1", "2"), ("12345678901234567890", "0.1")]
)
def test_literals_of_different_scales_meet(chdb: ClickHouse, literals: tuple[str, str]) -> None:
    one, other = (literal(Decimal(text)) for text in literals)
    assert Decimal(str(value(chdb, when(column("yes"), one, other)))) == Decimal(literals[0])
    assert Decimal(str(value(chdb, when(column("no"), one, other)))) == Decimal(literals[1])
    for name in KINDS:
        assert value(chdb, exp.EQ(this=when(column("yes"), column(name), other), expression=column(name))) is True


def test_nested_choices_of_numbers_meet_and_others_stay_what_they_are(chdb: ClickHouse) -> None:
    inner = when(column("no"), column("money"), exp.Mul(this=column("fine"), expression=column("money")))
    assert value(chdb, when(column("yes"), inner, literal(1))) == Decimal("0.0000000012345")
    assert value(chdb, exp.Coalesce(this=column("word"), expressions=[literal("b")])) == "a"
    assert value(chdb, when(column("no"), literal("b"), column("word"))) == "a"
    assert value(chdb, when(column("no"), column("day"), column("day"))) == date(1950, 1, 1)
    assert value(chdb, exp.Coalesce(this=column("no"), expressions=[exp.true()])) is False
    assert value(chdb, double(column("money"))) == 1.2345
    assert value(chdb, when(column("no"), literal(1))) is None


def test_a_product_has_room_for_all_its_digits(chdb: ClickHouse) -> None:
    large = literal(Decimal("99999999999999.9999"))
    found = exp.Mul(this=exp.Mul(this=column("money"), expression=large), expression=large.copy())
    wanted = format(Decimal(12345 * 999999999999999999**2).scaleb(-12, Context(prec=76)), "f")
    assert value(chdb, exp.EQ(this=found, expression=exp.Literal.number(wanted))) is True


@pytest.mark.parametrize("test", [exp.EQ(this=column("whole"), expression=literal(3)), exp.Not(this=column("no")), exp.Paren(this=column("yes").is_(exp.Null()))])  # fmt: skip
def test_a_comparison_is_a_truth_and_no_number(chdb: ClickHouse, test: exp.Expr) -> None:
    assert isinstance(value(chdb, test), bool)


def test_a_number_of_a_list_is_not_rounded_to_the_column(chdb: ClickHouse) -> None:
    for text, wanted in (("1.23451", False), ("1.2345", True)):
        assert value(chdb, exp.In(this=column("money"), expressions=[literal(Decimal(text)), literal(9)])) is wanted


@pytest.mark.parametrize(
    "text", ["if(vip, points, 8 / points)", "default(points / 3, points)", "if(vip, avg(buys.n), count(buys))"]
)
def test_r_seg_a_trait_may_be_exact_for_one_and_a_double_for_another(chdb: ClickHouse, text: str) -> None:
    shop = ToyShop([{"customer_id": "a", "vip": True, "points": Decimal(4)}, {"customer_id": "b"}], [{"customer_id": "a", "at": NOW, "n": Decimal(4)}], database=chdb)  # fmt: skip
    assert trait(shop, text, NOW)["a"] in (4.0, 4.0 / 3)


def test_a_statement_of_half_a_megabyte_is_computed_at_once(chdb: ClickHouse) -> None:
    shop = ToyShop([{"customer_id": "a", "code": "7", "joined": NOW}, {"customer_id": "b", "code": "x"}], database=chdb)
    code, count = tree.Trait("code", Type.TEXT), 120
    lists = [tuple(tree.Text(f"{number}{'-' * 20}{other}") for other in range(199)) for number in range(count)]
    segments: dict[str, str | tree.Test] = {
        f"s{number}": tree.OneOf(code, (*one, tree.Text(str(number))), negated=False)
        for number, one in enumerate(lists)
    }
    segments["local"] = "hour(joined) = 13"
    found = run(shop, catalogue(segments), NOW, "Europe/Paris")
    assert [name for name in segments if found.members(name)["customer_id"].to_pylist() == ["a"]] == ["s7", "local"]
