"""Spark as an engine: rows and types, files, what is kept, what it refuses, and the same answers over Spark Connect."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from compute_shop import ToyShop, members, trait
from spark_server import connect_url, start_spark

from engine.compute.backends.spark import Spark, connect
from engine.compute.backends.spark_sessions import Place, _hosts, _memory, _settings
from engine.errors import ConfigError
from engine.tables import QueryError

NOW = datetime.fromisoformat("2026-03-15T12:00")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def spark() -> Iterator[Spark]:
    with start_spark() as found:
        yield found


@pytest.fixture(scope="module", params=["local", "connect"])
def engine(request: pytest.FixtureRequest, spark: Spark) -> Iterator[Spark]:
    """The same tests in the process's own JVM and over Spark Connect."""
    if request.param == "local":
        yield spark
        return
    with connect(connect_url(spark)) as found:
        yield found


def test_a_table_comes_back_as_it_went_whatever_its_names_and_types(engine: Spark) -> None:
    table = pa.table(
        {
            "trait:a b": pa.array(["é'`\\", None]), "n": pa.array([Decimal("1.2300"), None], pa.decimal128(18, 4)),
            "at": pa.array([NOW + timedelta(microseconds=1), None], pa.timestamp("us")),
            "day": pa.array([date(1890, 2, 28), None], pa.date32()), "yes": pa.array([True, None]), "f": pa.array([0.1, None]),
        }
    )  # fmt: skip
    engine.register("a `table`", table)
    assert engine.query("SELECT * FROM `a ``table```").equals(table)
    assert engine.columns("a `table`") == {
        "trait:a b": "string", "n": "decimal(18,4)", "at": "timestamp_ntz", "day": "date", "yes": "boolean", "f": "double",
    }  # fmt: skip
    engine.register("a `table`", table.slice(0, 0))
    assert engine.query("SELECT * FROM `a ``table```").equals(table.slice(0, 0))
    engine.unregister("a `table`")
    assert "a `table`" not in engine.tables()


def test_instants_with_a_zone_come_and_go_as_naive_utc(engine: Spark) -> None:
    aware = pa.array([datetime.fromisoformat("2026-10-25T02:30+02:00")], pa.timestamp("ms", "Europe/Paris"))
    engine.register("aware", pa.table({"at": aware, "word": pa.array(["a"]).dictionary_encode()}))
    assert engine.columns("aware") == {"at": "timestamp_ntz", "word": "string"}
    found = engine.query("SELECT at, CAST(at AS TIMESTAMP_LTZ) AS zoned, word FROM aware")
    assert found.to_pylist() == [{"at": datetime(2026, 10, 25, 0, 30), "zoned": datetime(2026, 10, 25, 0, 30), "word": "a"}]  # fmt: skip  # noqa: DTZ001 - naive UTC is the point


def test_what_is_kept_is_computed_once_and_freed(engine: Spark) -> None:
    engine.keep("kept", "SELECT uuid() AS u")
    first, second = (engine.query("SELECT u FROM kept").to_pylist() for _ in range(2))
    assert first == second
    engine.define("above", "SELECT u FROM kept")
    assert engine.query("SELECT u FROM above").to_pylist() == first
    engine.keep("kept", "SELECT uuid() AS u")
    assert engine.query("SELECT u FROM kept").to_pylist() != first
    engine.unregister("above")
    engine.unregister("kept")
    assert not {"kept", "above"} & engine.tables()
    with pytest.raises(QueryError):
        engine.query("SELECT u FROM kept")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM nowhere WHERE e = 'ann@example.com'", "TABLE_OR_VIEW_NOT_FOUND"),
        ("SELECT CAST('ann@example.com' AS INT)", "CAST_INVALID_INPUT"),
        ("SELECT id / (id - 1) AS x FROM range(3) WHERE 'ann@example.com' <> ''", "DIVIDE_BY_ZERO"),
        ("SELEC 1", "PARSE_SYNTAX_ERROR"),
        ("SELECT CAST('9' || '9' AS DECIMAL(2, 0)) * CAST(1e37 AS DECIMAL(38, 0))", "NUMERIC_VALUE_OUT_OF_RANGE"),
    ],
)
def test_a_refusal_is_one_line_without_addresses_and_without_a_trace(
    engine: Spark, sql: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(QueryError) as caught:
        engine.query(sql)
    words = str(caught.value)
    assert said in words
    assert "ann@" not in words
    assert "\n" not in words
    assert caught.value.__context__ is None
    assert capfd.readouterr() == ("", "")


def test_a_local_and_a_remote_session_give_the_same_members(engine: Spark) -> None:
    rows: list[dict[str, Any]] = [
        {"customer_id": "a", "at": NOW - timedelta(days=day), "word": word, "n": Decimal(day)}
        for day, word in ((1, "Tea"), (1, "soap"), (40, "tea"))
    ]
    people = [{"customer_id": name, "city": city} for name, city in (("a", "Évry"), ("b", None))]
    shop = ToyShop(people, rows, rows[:1], database=engine)
    assert members(shop, "city = 'ÉVRY' and quintile(count(buys)) = 5", NOW) == {"a"}
    assert members(shop, "did(buys, then no looks within 1 month)", NOW, "Europe/Paris") == {"a"}
    assert trait(shop, "last(buys.word)", NOW) == {"a": "soap", "b": None}
    assert trait(shop, "most_frequent(buys.word)", NOW)["a"].lower() == "tea"
    assert trait(shop, "sum(buys.n, last 1 week)", NOW) == {"a": 2, "b": 0}


# files


def test_csv_is_text_numbered_and_its_broken_rows_are_named(engine: Spark, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text('\ufeffcustomer_id;"a.b c"\nc1;"Anna ""x"";\nlong"\n\nc2;\nc3;a;b\nc4\n', "utf-8")
    engine.read("people", str(path), "csv", ";")
    broken = "has another number of fields than the header"
    assert engine.query("SELECT * FROM people ORDER BY row_id").to_pylist() == [
        {"row_id": 1, "problem": None, "customer_id": "c1", "a.b c": 'Anna "x";\nlong'},
        {"row_id": 2, "problem": None, "customer_id": "c2", "a.b c": None},
        {"row_id": 3, "problem": broken, "customer_id": "c3", "a.b c": "a"},
        {"row_id": 4, "problem": broken, "customer_id": "c4", "a.b c": None},
    ]
    assert engine.query("SELECT count(problem) AS n FROM people").to_pylist() == [{"n": 2}]


def test_rows_of_a_shared_csv_and_of_parquet_keep_the_files_order(engine: Spark, tmp_path: Path) -> None:
    wide = tmp_path / "wide.csv"
    wide.write_text("n\n" + "\n".join(str(n) for n in range(500)), "utf-8")
    engine.read("wide", str(wide), "csv", multiline=False)
    numbers = engine.query("SELECT n FROM wide ORDER BY row_id")["n"].to_pylist()
    assert numbers == [str(n) for n in range(500)]
    pq.write_table(pa.table({"n": range(500)}), tmp_path / "p.parquet", row_group_size=100)
    engine.read("p", str(tmp_path / "p.parquet"), "parquet")
    assert engine.columns("p") == {"row_id": "bigint", "problem": "string", "n": "bigint"}
    assert engine.query("SELECT count(*) AS n FROM p WHERE row_id = n + 1").to_pylist() == [{"n": 500}]


def test_json_lines_are_text_as_it_was_written(engine: Spark, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1.10, "b": true}\n{"a": 12345678901234567890, "n": {"k": "v"}}\nnope\n', "utf-8")
    engine.read("rows", str(path), "json")
    assert engine.query("SELECT * FROM rows ORDER BY row_id").to_pylist() == [
        {"row_id": 1, "problem": None, "a": "1.10", "b": "true", "n": None},
        {"row_id": 2, "problem": None, "a": "12345678901234567890", "b": None, "n": '{"k":"v"}'},
        {"row_id": 3, "problem": "is not a JSON object", "a": None, "b": None, "n": None},
    ]


def test_a_folder_of_parts_is_one_table_with_numbers_of_its_own(engine: Spark, tmp_path: Path) -> None:
    for part in range(3):
        (tmp_path / f"part-{part}.csv").write_text(f"n\n{part}0\n{part}1\n", "utf-8")
    engine.read("parts", str(tmp_path), "csv")
    found = engine.query("SELECT * FROM parts").to_pylist()
    assert sorted(row["n"] for row in found) == ["00", "01", "10", "11", "20", "21"]
    assert len({row["row_id"] for row in found}) == 6
    with pytest.raises(QueryError, match="PATH_NOT_FOUND"):
        engine.read("parts", str(tmp_path / "nowhere.csv"), "csv")


# beginning and end


def test_one_session_does_not_see_anothers_views_and_its_end_is_not_theirs(spark: Spark) -> None:
    other = start_spark()
    other.register("mine", pa.table({"n": [1]}))
    assert "mine" not in spark.tables()
    other.close()
    other.close()
    assert spark.query("SELECT 1 AS n").to_pylist() == [{"n": 1}]


AGAIN = """
import sys
sys.path.insert(0, "tests")
from pathlib import Path
from spark_server import start_spark
for _ in range(2):
    with start_spark() as spark:
        print(spark.query("SELECT 1 AS n").to_pylist())
children = [one.read_text() for one in Path("/proc/self/task").glob("*/children")]
print(len(" ".join(children).split()))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts the JVMs in /proc")
def test_a_process_has_one_jvm_however_often_it_begins_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", AGAIN], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["[{'n': 1}]", "[{'n': 1}]", "1"]
    assert done.stderr == ""
    assert [*tmp_path.glob("ciblage*")] == []


def test_a_schema_that_is_not_there_is_a_mistake_of_the_config(spark: Spark) -> None:
    spark.execute("CREATE DATABASE IF NOT EXISTS shop_of_tests")
    with connect("local[1]", schema="spark_catalog.shop_of_tests") as found:
        assert found.query("SELECT current_schema() AS s").to_pylist() == [{"s": "shop_of_tests"}]
    with pytest.raises(ConfigError, match="no schema 'nowhere'") as caught:
        connect("local[1]", schema="nowhere")
    assert caught.value.place == "[compute] schema"


@pytest.mark.parametrize("scheme", ["spark", "sc"])
def test_an_address_that_nobody_answers_at_is_said_within_seconds_and_without_its_token(scheme: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, not listening: nobody else takes it meanwhile
        with pytest.raises(ConfigError, match="answers at") as caught:
            connect(f"{scheme}://127.0.0.1:{free.getsockname()[1]}/;token=sesame")
    assert caught.value.place == "[compute] url"
    assert "sesame" not in str(caught.value)
    assert "local[*]" in str(caught.value.hint)


@pytest.mark.parametrize("url", ["http://host", "local[", "host:7077", "local[2]x"])
def test_what_is_no_address_of_a_spark_is_refused_with_those_that_are(url: str) -> None:
    with pytest.raises(ConfigError, match="no address of a Spark") as caught:
        connect(url)
    assert "sc://host:15002" in str(caught.value.hint)


def test_one_process_drives_one_spark(spark: Spark) -> None:
    with pytest.raises(ConfigError, match=r"already computes on local\[1\]"):
        connect("local[2]")


@pytest.mark.parametrize("option", [{"memory_limit": "4GB"}, {"threads": 2}])
def test_a_connect_servers_memory_and_cores_are_its_own(spark: Spark, option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="its own memory and cores"):
        connect(connect_url(spark), **option)


CHILD = """
import json, sys
from engine.compute.backends.spark import connect
from engine.errors import ConfigError
try:
    connect("local[1]")
except ConfigError as error:
    print(json.dumps([str(error), error.place, error.hint]))
"""


@pytest.mark.parametrize(("java", "said"), [(None, "none was found"), ("#!/bin/sh\necho too old >&2\nexit 1\n", "did not start Spark: too old")])  # fmt: skip
def test_without_a_java_that_works_the_error_says_what_to_install(tmp_path: Path, java: str | None, said: str) -> None:
    if java:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/java").write_text(java, "utf-8")
        (tmp_path / "bin/java").chmod(0o755)
    environment = {"JAVA_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    message, place, hint = json.loads(done.stdout)
    assert said in message
    assert place == "[compute] url"
    assert "JAVA_HOME" in hint
    assert done.stderr == ""
    assert [*tmp_path.glob("ciblage*")] == []


@pytest.mark.parametrize(("limit", "spelled"), [("4GB", "4096m"), ("512 MiB", "512m"), ("1.5g", "1536m"), ("100KB", "1m")])  # fmt: skip
def test_a_size_is_spelled_as_spark_reads_it(limit: str, spelled: str) -> None:
    assert _memory(limit) == spelled


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="'80%' is no size"):
        _memory("80%")


def test_a_limit_is_the_sessions_here_and_each_executors_elsewhere(tmp_path: Path) -> None:
    here = _settings(Place(url="local[*]", memory_limit="2GB", threads=3), tmp_path)
    assert (here["spark.master"], here["spark.driver.memory"]) == ("local[3]", "2048m")
    there = _settings(Place(url="spark://a:1,b:2", memory_limit="2GB", threads=3), tmp_path)
    assert (there["spark.executor.memory"], there["spark.cores.max"]) == ("2048m", "3")
    assert "spark.local.dir" not in there
    assert _hosts("spark://a:1,b") == [("a", 1), ("b", 7077)]
    assert _hosts("sc://[::1]/;token=x") == [("::1", 15002)]
    assert _hosts("local[2]") == _hosts("yarn") == []
