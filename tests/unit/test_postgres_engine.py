"""PostgreSQL as a place: what goes in and comes out, who may do what, and what is said when it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from compute_shop import ToyShop, catalogue, members, run, trait
from postgres_server import start_server

from engine.compute.backends.folding import letters, letters_of
from engine.compute.backends.postgres import BACKEND
from engine.compute.backends.postgres_engine import Postgres
from engine.compute.backends.postgres_login import _explained, _patient
from engine.compute.backends.postgres_tree import LONGEST, short
from engine.compute.literals import fold
from engine.compute.spelling import column, relation
from engine.errors import ConfigError, Locked
from engine.tables import QueryError

NOW = datetime.fromisoformat("2026-03-15T12:00")
SECRET = "geheim-7"


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    found = start_server()
    with Postgres.connect(found.get_uri()) as engine:
        engine.execute(f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'")
        engine.execute("CREATE ROLE reader LOGIN")
        engine.execute("REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC")
        engine.execute("CREATE SCHEMA shop")
        engine.execute("CREATE TABLE shop.orders (order_id varchar(20), total numeric(10, 2), at timestamptz)")
        engine.execute("INSERT INTO shop.orders VALUES ('o1', 12.5, '2026-01-01T00:00+01')")
        engine.execute("GRANT USAGE ON SCHEMA shop TO reader")
        engine.execute("GRANT SELECT ON shop.orders TO reader")
    yield found
    found.cleanup()


@pytest.fixture
def database(server: Any) -> Iterator[Postgres]:
    with Postgres.connect(server.get_uri(), schema="shop") as engine:
        yield engine


def address(server: Any, user: str, database: str = "postgres", password: str = "") -> str:
    found: str = server.get_uri(database=database)
    return found.replace("postgres:@", f"{user}:{password}@")


def one(engine: Postgres, sql: str) -> Any:
    return engine.query(f"SELECT {sql} AS it")["it"][0].as_py()


# the way in


def test_the_password_that_the_server_knows_opens_the_door(server: Any) -> None:
    with Postgres.connect(address(server, "guarded", password=SECRET)) as engine:
        assert one(engine, "current_user") == "guarded"


@pytest.mark.parametrize(
    ("user", "database", "words"),
    [
        ("guarded", "postgres", "the server refuses the password of guarded"),
        ("nobody", "postgres", "the server knows no user nobody that may log in"),
        ("postgres", "nowhere", "there is no database nowhere"),
    ],
)
def test_who_cannot_enter_reads_why(server: Any, user: str, database: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Postgres.connect(address(server, user, database, "wrong-secret"))
    assert (str(caught.value), caught.value.place) == (f"PostgreSQL: {words}", "[shop] url")


@pytest.mark.parametrize(
    "url",
    [f"postgresql://u:{SECRET}@127.0.0.1:1/x", f"postgresql://u:{SECRET}@h:{SECRET}/x", f"{SECRET}", f"password={SECRET} port=x",
     f"postgresql://u:{SECRET}@127.0.0.1:1/x?{SECRET}=1", f"postgresql://u:{SECRET}%zz@h/x", f"host=127.0.0.1 port=1 password={SECRET}"],
)  # fmt: skip
def test_no_message_repeats_the_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Postgres.connect(url)
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.__context__} {caught.value.__cause__}"
    assert caught.value.place == "[shop] url"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('connection to server at "h" (1.2.3.4), port 5432 failed: Connection refused\n\tIs the server running', "nothing answers there"),
        ('could not translate host name "shop.invalid" to address: Name or service not known', "there is no host shop.invalid"),
        ('connection to server at "h", port 5432 failed: timeout expired', "the server did not answer in time"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", no encryption', "the server takes encrypted connections only"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", SSL encryption', "the server lets nobody in from this address"),
        ("server does not support SSL, but SSL was required", "the server offers no encryption"),
        ("FATAL:  sorry, too many clients already", "the server has no connection to spare"),
        ("FATAL:  the database system is starting up\n", "the server is starting up"),
        ('FATAL:  permission denied for database "d"', "the role may not connect to the database d"),
        ("fe_sendauth: no password supplied", "the server asks for a password"),
    ],
)  # fmt: skip
def test_what_libpq_says_in_our_words(said: str, words: str) -> None:
    assert str(_explained(said)) == f"PostgreSQL: {words}"


def test_a_url_keeps_what_it_says_and_a_server_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    more = ("fallback_application_name=ciblage", "connect_timeout=10")
    assert _patient("postgresql://h/d") == f"postgresql://h/d?{more[0]}&{more[1]}"
    assert _patient("postgresql://h/d?sslmode=require") == f"postgresql://h/d?sslmode=require&{more[0]}&{more[1]}"
    assert _patient("host=h dbname=d") == f"host=h dbname=d {more[0]} {more[1]}"
    assert _patient("host=h connect_timeout=3") == f"host=h connect_timeout=3 {more[0]}"


def test_a_database_that_is_not_utf8_is_refused(server: Any, database: Postgres) -> None:
    database.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(ConfigError, match="LATIN1, not UTF8"):
        Postgres.connect(address(server, "postgres", "latin"))
    database.execute("DROP DATABASE latin")


# the session


def test_the_session_is_ours_and_can_be_set_otherwise_but_time_limits_stay_the_servers(server: Any) -> None:
    with Postgres.connect(server.get_uri(), settings={"work_mem": "7MB"}) as engine:
        engine.execute("ALTER ROLE reader SET statement_timeout = '12s'")
        engine.execute("ALTER ROLE reader SET TimeZone = 'Asia/Kolkata'")
        assert one(engine, "current_setting('work_mem')") == "7MB"
    with Postgres.connect(address(server, "reader")) as engine:
        shown = [one(engine, f"current_setting('{name}')") for name in ("TimeZone", "jit", "statement_timeout")]
    assert shown == ["UTC", "off", "12s"]


def test_a_backslash_is_a_backslash_whatever_the_role_is_set_to(server: Any, database: Postgres) -> None:
    if one(database, "current_setting('server_version_num')::int") < 190_000:  # later it cannot be set at all
        database.execute("ALTER ROLE reader SET standard_conforming_strings = off")
    with Postgres.connect(address(server, "reader")) as engine:
        assert one(engine, r"'a\' || '\'") == "a\\\\"


def test_closing_twice_is_harmless(server: Any) -> None:
    engine = Postgres.connect(server.get_uri())
    engine.close()
    engine.close()


# rows out


def test_numbers_come_exact_instants_naive_and_whole_numbers_of_one_width(database: Postgres) -> None:
    found = database.query(
        "SELECT 1 AS small, 1.50::numeric AS n, 0.1::numeric(18, 4) AS fixed, '-0.001'::numeric AS least, NULL::numeric AS nothing,"
        " 'nan'::numeric AS odd, 12345678901234567890123456789012345678901.5 AS big, 2.5::real AS f,"
        " '2026-01-01T00:00+02'::timestamptz AS zoned, timestamp '2026-01-01 00:00:00.000001' AS at, ARRAY['a', NULL] AS l"
    )  # fmt: skip
    assert found.schema.field("small").type == pa.int64()
    assert found.schema.field("fixed").type == pa.decimal128(18, 4)
    assert found.to_pylist()[0] == {
        "small": 1, "n": Decimal("1.50"), "fixed": Decimal("0.1000"), "least": Decimal("-0.001"), "nothing": None, "odd": None,
        "big": Decimal("12345678901234567890123456789012345678901.5"), "f": 2.5, "zoned": datetime.fromisoformat("2025-12-31T22:00"),
        "at": datetime.fromisoformat("2026-01-01T00:00:00.000001"), "l": ["a", None],
    }  # fmt: skip


def test_one_scale_holds_all_values_of_a_column_and_none_is_needed_without_rows(database: Postgres) -> None:
    found = database.query("SELECT n FROM (VALUES (1.5), (10), (0.12345), (NULL)) AS v (n)")
    assert found["n"].to_pylist() == [Decimal("1.5"), Decimal(10), Decimal("0.12345"), None]
    assert found.schema.field("n").type == pa.decimal128(38, 5)
    assert database.query("SELECT 1.5 AS n, true AS b WHERE false").to_pylist() == []


def test_rows_in_pieces_have_the_same_types_in_each(database: Postgres) -> None:
    rows = "SELECT i, (i / 8.0)::numeric(18, 4) AS n, repeat('x', 10000) AS t FROM generate_series(1, 4000) AS s (i)"
    pieces = list(database.batches(rows))
    assert len(pieces) > 1
    assert pa.Table.from_batches(pieces)["n"].to_pylist() == [Decimal(i) / 8 for i in range(1, 4001)]
    with pytest.raises(QueryError, match="division by zero"):
        list(database.batches("SELECT 1 / (i - 2000) FROM generate_series(1, 4000) AS s (i)"))
    halfway = database.batches(rows)
    next(halfway)
    halfway.close()  # type: ignore[attr-defined]  # it is a generator
    assert one(database, "1") == 1


def test_a_refused_statement_says_why_without_addresses_or_a_chain(database: Postgres) -> None:
    for sql in ("SELECT 'ann@example.com'::int", "SELECT t::int FROM (VALUES ('ann@example.com')) AS v (t)"):
        with pytest.raises(QueryError) as caught:
            database.query(sql)
        assert str(caught.value) == 'PostgreSQL: invalid input syntax for type integer: "…@…" (22P02)'
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
    with pytest.raises(QueryError, match="NUL"):
        database.query("SELECT 'a\0b'")
    assert one(database, "1") == 1


# rows in


ROWS = pa.table(
    {
        "id": pa.array([1, None], pa.int32()), "m": pa.array([Decimal("0.1"), None], pa.decimal128(18, 4)),
        "t": ["É\\a'\t\n", None], "large": pa.array(["x", None], pa.large_string()), "coded": pa.array(["y", None]).dictionary_encode(),
        "f": pa.array([1.5, None], pa.float32()), "b": [True, None], "d": [date(1890, 2, 3), None], "l": [["a", "b"], None],
        "at": pa.array([datetime(2026, 1, 1, tzinfo=UTC), None], pa.timestamp("ns", "Europe/Paris")), "none": pa.nulls(2),
        "n" * 70: [1, 2], "n" * 71: [3, 4],
    }
)  # fmt: skip


def test_what_is_registered_is_read_as_it_was(database: Postgres) -> None:
    database.register("rows", ROWS)
    found = database.query('SELECT * FROM "rows"')
    wanted = ROWS.to_pylist()
    wanted[0]["at"] = datetime.fromisoformat("2026-01-01")
    assert [list(row.values()) for row in found.to_pylist()] == [list(row.values()) for row in wanted]
    assert database.columns("rows")["t"] == "text"
    assert found.column_names[-2:] == [short("n" * 70), short("n" * 71)]


def test_registering_again_replaces_and_unregistering_forgets(database: Postgres) -> None:
    database.register("rows", ROWS)
    database.register("rows", pa.table({"x": [7]}))
    assert database.query("SELECT * FROM rows").to_pylist() == [{"x": 7}]
    database.keep("kept", "SELECT x + 1 AS x FROM rows")
    database.define("seen", "SELECT x + 1 AS x FROM kept")
    assert one(database, "(SELECT x FROM seen)") == 9
    for name in ("seen", "kept", "rows", "never-there"):
        database.unregister(name)
    with pytest.raises(QueryError, match=r"does not exist .42P01"):
        database.query("SELECT * FROM rows")


def test_ours_hides_the_shops_table_and_leaves_it_alone(database: Postgres) -> None:
    database.define("orders", "SELECT order_id::text, at AT TIME ZONE 'UTC' AS at FROM shop.orders")
    assert database.columns("orders") == {"order_id": "text", "at": "timestamp without time zone"}
    assert database.columns("orders", "shop") == {
        "order_id": "character varying(20)", "total": "numeric(10,2)", "at": "timestamp with time zone",
    }  # fmt: skip
    database.register("orders", pa.table({"x": [1]}))
    database.unregister("orders")
    assert database.query("SELECT order_id FROM orders").to_pylist() == [{"order_id": "o1"}]
    assert database.tables() == database.tables("shop") == {"orders"}


# who may what


def test_reading_needs_no_more_than_select(server: Any) -> None:
    with Postgres.connect(address(server, "reader"), schema="shop") as engine:
        assert one(engine, "(SELECT total FROM orders)") == Decimal("12.50")
        with pytest.raises(QueryError, match="permission denied") as caught:
            engine.register("rows", ROWS)
        assert "TEMPORARY on the database" in str(caught.value.hint)


def test_a_schema_of_our_own_takes_what_is_ours_until_the_end(server: Any, database: Postgres) -> None:
    database.execute("CREATE SCHEMA ours AUTHORIZATION reader")
    with Postgres.connect(address(server, "reader"), schema="shop", writable="ours") as engine:
        engine.register("rows", ROWS)
        engine.define("seen", "SELECT id FROM rows JOIN shop.orders ON true")
        assert engine.query("SELECT id FROM seen").num_rows == 2
        assert database.tables("ours") == {"rows", "seen"}
    assert database.tables("ours") == frozenset()


def test_what_an_interrupted_run_left_is_replaced_and_what_is_not_ours_is_refused(
    server: Any, database: Postgres
) -> None:
    database.execute("CREATE SCHEMA mine AUTHORIZATION reader")
    with Postgres.connect(address(server, "reader"), writable="mine") as engine:
        engine.execute("CREATE VIEW mine.rows AS SELECT 1 AS x")
        engine.execute("COMMENT ON VIEW mine.rows IS 'ciblage'")
        engine.register("rows", pa.table({"x": [2]}))
        assert engine.query("SELECT x FROM rows").to_pylist() == [{"x": 2}]
        engine.execute("CREATE TABLE mine.orders (x int)")
        with pytest.raises(ConfigError, match="is there already, and not ours"):
            engine.keep("orders", "SELECT 1 AS x")
    assert database.tables("mine") == {"orders"}


def test_one_session_at_a_time_works_in_a_schema(server: Any, database: Postgres) -> None:
    database.execute("CREATE SCHEMA alone AUTHORIZATION reader")
    url = address(server, "reader")
    with Postgres.connect(url, writable="alone"):
        with pytest.raises(Locked, match="another session of ours works in the schema 'alone'"):
            Postgres.connect(url, writable="alone")
        Postgres.connect(url).close()


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ({"schema": "nowhere"}, "the database has no schema 'nowhere'"),
        ({"writable": "shop"}, "the role may not use the schema 'shop'"),
        ({"schema": "shop", "writable": "shop"}, "what we write needs a schema of its own"),
    ],
)
def test_schemas_are_checked_at_the_door(server: Any, places: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        Postgres.connect(address(server, "reader"), **places)
    assert caught.value.place == "[shop] schema"


# one meaning, whatever the server


LOCALES = ["LOCALE 'C'", "LOCALE 'C.utf8'", "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'",
           "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'PG_UNICODE_FAST' LOCALE 'C'"]  # fmt: skip


@pytest.mark.parametrize("locale", LOCALES)
def test_text_folds_and_sorts_alike_in_databases_of_every_locale(server: Any, database: Postgres, locale: str) -> None:
    try:
        database.execute(f"CREATE DATABASE other TEMPLATE template0 ENCODING 'UTF8' {locale}")
    except QueryError as error:
        if "builtin" not in locale and "invalid" not in str(error):
            raise
        pytest.skip(f"this server has no such locale: {error}")
    cities = {"a": "ÉVRY", "B": "İzmir", "c": "ΟΔΟΣ", "É": "STRASSE", "Z": "straße"}
    with Postgres.connect(address(server, "postgres", "other")) as engine:
        people = [{"customer_id": one, "city": city} for one, city in cities.items()]
        rows = [{"customer_id": "a", "at": NOW, "word": word} for word in ("ÉRIC", "éric", "Zoé", "zoé")]
        shop = ToyShop(people, rows, database=engine)
        assert trait(shop, "most_frequent(buys.word)", NOW)["a"] == "Zoé"
        assert trait(shop, "distinct(buys.word)", NOW)["a"] == 2
        for text, wanted in [("= 'évry'", {"a"}), ("in ('izmir', 'οδοσ')", {"B", "c"}), ("ends with 'STRASSE'", {"É"}), ("contains 'ße'", {"Z"})]:  # fmt: skip
            assert members(shop, f"city {text}", NOW) == wanted
        assert run(shop, catalogue({}), NOW).table["customer_id"].to_pylist() == ["B", "Z", "a", "c", "É"]
    database.execute("DROP DATABASE other")


def test_a_name_beyond_the_servers_limit_comes_back_whole(database: Postgres) -> None:
    shop = ToyShop([{"customer_id": "a"}], database=database)
    names = [f"{'segment_with_a_name_' * 5}{ending}" for ending in ("one", "two")]
    found = run(shop, catalogue({names[0]: "true", names[1]: "false"}), NOW)
    assert [found.members(name).num_rows for name in names] == [1, 0]


def test_products_of_whole_literals_and_opposite_points_are_no_errors(database: Postgres) -> None:
    shop = ToyShop([{"customer_id": "a", "points": Decimal(3), "lat": -45.0, "lon": -176.0}], database=database)
    assert members(shop, "points * 3000000000 > 60000 * 60000 + 2147483647", NOW) == {"a"}
    assert members(shop, "within 20016 km of lyon", NOW) == {"a"}


def test_only_letters_that_could_match_are_folded_beside_a_literal() -> None:
    from sqlglot import exp

    def spelled(part: str) -> str:
        text = exp.EQ(this=exp.Lower(this=column("city")), expression=exp.Literal.string(part))
        return BACKEND.text(exp.select(text).from_(relation("customers")))

    assert "TRANSLATE" not in spelled("new york")
    assert "'É', 'é'" in spelled("évry")
    assert "'İ', 'i'" in spelled("nike")
    assert "'Ω'" not in spelled("évry")
    assert len(spelled("Évry")) > len(spelled("évry")) + 1_000  # no folded text holds a capital: all letters then


def test_the_letters_that_fold_are_all_of_unicode_one_by_one() -> None:
    from unicodedata import normalize

    every = (chr(code) for code in range(0x80, 0x110000) if not 0xD800 <= code < 0xE000)
    found = {one: fold(one) for one in every if normalize("NFC", one) == one and fold(one) != one}
    assert found == letters()
    assert {len(one) for one in found.values()} == {1}
    assert letters_of("ω") == {"Ω": "ω"}


def test_a_shortened_name_is_as_long_as_may_be_and_no_other() -> None:
    names = ["x" * 64, "x" * 65, "é" * 40, "é" * 41]
    assert len({short(name) for name in names}) == 4
    assert all(len(short(name).encode()) <= LONGEST for name in names)
    assert short("x" * 63) == "x" * 63
