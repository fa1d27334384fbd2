"""The library's segments over the same synthetic shop on every engine that runs here: `python bench/engines.py --customers 50000`.

Each engine has a process of its own and finds the shop where it would be: DuckDB in its tables, PostgreSQL (a server of the
tests' own) in unlogged tables, ClickHouse (chDB) in memory, Spark (local) in Parquet files. One computation to warm up, then
the median of the measured ones; the members of every segment must agree. Loading is not part of it, and is told; so is the
peak memory of our own process (with DuckDB and chDB inside, without PostgreSQL's server and Spark's JVM).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import synthetic
from compute import catalogue

from engine.compute import Membership, compute
from engine.compute.backends.protocol import Engine
from engine.shop.schema import TABLES, Source
from engine.tables import Database, name, text

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # a server, and a Java, of the tests' own


@dataclass(frozen=True, slots=True)
class BenchShop:
    """What compute asks of a shop."""

    database: Engine

    def sources(self) -> Mapping[str, Source]:
        """The neutral sources."""
        return synthetic.neutral_sources()


@contextmanager
def duckdb(folder: Path) -> Iterator[Engine]:
    """Tables of its own."""
    with Database.temporary() as engine:
        for table in TABLES:
            engine.execute(f"CREATE TABLE {name(table)} AS SELECT * FROM read_parquet({text(_file(folder, table))})")
        yield engine


@contextmanager
def postgres(folder: Path) -> Iterator[Engine]:
    """Unlogged tables, which parallel workers can read, and statistics."""
    from postgres_server import start_server

    from engine.compute.backends.postgres_engine import Postgres

    server = start_server()
    try:
        with Postgres.connect(server.get_uri()) as first:
            first.execute("CREATE SCHEMA shop")
        with Postgres.connect(server.get_uri(), writable="shop") as engine:
            _register(engine, folder)
            yield engine
    finally:
        server.cleanup()


@contextmanager
def clickhouse(folder: Path) -> Iterator[Engine]:
    """ChDB: tables in memory."""
    from engine.compute.backends.clickhouse_engine import ClickHouse

    with ClickHouse.in_process() as engine:
        _register(engine, folder)
        yield engine


@contextmanager
def spark(folder: Path) -> Iterator[Engine]:
    """Local Spark over the files themselves."""
    from java import java_home

    from engine.compute.backends.spark import connect

    os.environ["JAVA_HOME"] = str(java_home(folder / "java"))
    options = {"spark.sql.shuffle.partitions": str(os.cpu_count())}
    with closing(connect("local[*]", memory_limit="6GB", options=options)) as engine:
        for table in TABLES:
            engine.define(table, f"SELECT * FROM parquet.`{_file(folder, table)}`")
        yield engine


ENGINES: dict[str, Callable[[Path], Any]] = {
    "duckdb": duckdb, "postgres": postgres, "clickhouse": clickhouse, "spark": spark,
}  # fmt: skip


def build(folder: Path, customers: int) -> None:
    """The shop as one Parquet file a table."""
    with Database.temporary() as database:
        synthetic.build(database, customers)
        for table in TABLES:
            database.execute(f"COPY {name(table)} TO {text(_file(folder, table))} (FORMAT parquet)")


def run_child(engine: str, folder: Path, rounds: int) -> None:
    """Load, warm up, measure; one JSON document on stdout."""
    definitions, started = catalogue(), time.perf_counter()
    with ENGINES[engine](folder) as database:
        loaded, shop, took = time.perf_counter() - started, BenchShop(database), []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            found = compute(shop, definitions, synthetic.NOW, synthetic.ZONE)
            took.append(time.perf_counter() - started)
        answer = {"loaded": loaded, "first": took[0], "seconds": median(took[1:]), "members": _members(found)}
        answer["gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(json.dumps(answer))


def _members(found: Membership) -> dict[str, tuple[int, str]]:
    """How many are in each segment, and a digest of who."""
    ids = {one: found.members(one)["customer_id"].to_pylist() for one in found.segments}
    return {one: (len(who), sha256("\n".join(who).encode()).hexdigest()) for one, who in ids.items()}


def _register(engine: Engine, folder: Path) -> None:
    import pyarrow.parquet as pq

    for table in TABLES:
        engine.register(table, pq.read_table(_file(folder, table)))


def _file(folder: Path, table: str) -> str:
    return str(folder / f"{table}.parquet")


def _start(*words: str) -> str:
    command = [sys.executable, __file__, *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603 - this very file


def main() -> None:
    """Build the shop, measure each engine in turn, print."""
    options = _options()
    if options.child == "build":
        build(Path(options.folder), options.customers)
        return
    if options.child:
        run_child(options.child, Path(options.folder), options.rounds)
        return
    names = [one for one in ENGINES if one not in options.skip.split(",")]
    with tempfile.TemporaryDirectory(prefix="ciblage-bench-") as folder:
        shared = ("--folder", folder, "--customers", str(options.customers), "--rounds", str(options.rounds))
        _start("--child", "build", *shared)
        found = {one: json.loads(_start("--child", one, *shared)) for one in names}
    report(found, options.customers)


def report(found: Mapping[str, Mapping[str, Any]], customers: int) -> None:
    """The table; every engine has the same members as the first."""
    first = next(iter(found.values()))
    print(f"{customers:,} customers, {len(first['members'])} segments at once, {os.cpu_count()} cores")
    print(f"{'':<12}{'loading s':>11}{'first s':>9}{'s':>8}{'x first row':>13}{'our GB':>8}")
    for one, told in found.items():
        ratio = told["seconds"] / first["seconds"]
        print(
            f"{one:<12}{told['loaded']:>11.1f}{told['first']:>9.2f}{told['seconds']:>8.2f}{ratio:>13.1f}{told['gigabytes']:>8.2f}"
        )
    for one, told in found.items():
        differ = [segment for segment, who in told["members"].items() if who != first["members"][segment]]
        assert not differ, f"{one}: other members in {differ}"
    print("the members of every segment agree")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip", default="", help="engines to leave out: postgres,clickhouse,spark")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
