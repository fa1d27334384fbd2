"""All segments of the library over a synthetic shop, measured side by side: `python bench/compute.py --customers 200000`.

Each contender runs in a process of its own over the same database file, once to warm up and once measured, in rounds
that take turns; the table shows the medians of the rounds (CPU seconds are steadier than those of the clock where others
work on the same machine) and the peak memory of the process. Before that, every query by hand must find our members.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import by_hand
import operators
import synthetic

from engine.compute import compute, sql
from engine.language.tree import Type
from engine.language.vocabulary import Fact, Source, Vocabulary
from engine.segments import Catalogue, Definitions, SegmentDefinition, build_catalogue
from engine.shop import schema
from engine.tables import Database
from engine.tables import name as quoted
from engine.traits import TraitDefinition

LIBRARY = Path(__file__).parents[1] / "engine/segments/library/ecommerce"
FLOOR = {
    "orders": "SELECT customer_id, count(*), max(ordered_at) FROM orders GROUP BY customer_id",
    "order_lines": "SELECT customer_id, count(*), max(ordered_at) FROM order_lines GROUP BY customer_id",
    "views": "SELECT customer_id, count(*), max(happened_at) FROM views GROUP BY customer_id",
    "cart_adds": "SELECT customer_id, count(*), max(happened_at) FROM cart_adds GROUP BY customer_id",
    "email_events": "SELECT customer_id, count(*), max(happened_at) FROM email_events GROUP BY customer_id",
}
JOINED = (
    "SELECT o.customer_id, count(*), max(o.ordered_at), count(p.category) FROM order_lines l"
    " JOIN orders o ON l.order_id = o.order_id LEFT JOIN products p ON l.product_id = p.product_id GROUP BY o.customer_id"
)
DIGEST = "SELECT count(*), bit_xor(hash(customer_id)) FROM ({members})"
BUILDING = "8GB"  # three million customers are built by spilling
BROUGHT = "brought"  # the schema of the tables as they came: joined flat, in the order of time


@dataclass(frozen=True, slots=True)
class BenchShop:
    """What compute asks of a shop."""

    database: Database

    def sources(self) -> Mapping[str, schema.Source]:
        """The neutral sources."""
        return synthetic.neutral_sources(self.database)


ADDED = (
    "count(orders, last 12 months) >= {n}",
    "sum(orders.total, last 12 months) >= {n}0 EUR",
    "sum(order_lines.quantity, last 6 months) >= {n} and city != 'city {n}'",
    "lead_score >= {n} and reachable(email)",
    "in segment frequent_buyers and loyalty_points < {n}0",
)


def catalogue(added: int = 0) -> Catalogue:
    """The library's segments, and some more over the same traits."""
    library = [tomllib.loads(file.read_text("utf-8")) for file in sorted(LIBRARY.glob("*.toml"))]
    traits = {name: text for one in library for name, text in one.get("traits", {}).items()}
    segments = [
        SegmentDefinition(name=name, recipe=name, parameters=dict(given))
        for name, (given, _) in by_hand.SEGMENTS.items()
    ]
    segments += [SegmentDefinition(name=f"s{n}", where=ADDED[n % len(ADDED)].format(n=n)) for n in range(added)]
    return build_catalogue(
        Definitions(
            traits=tuple(TraitDefinition(name=name, value=traits[name]) for name in by_hand.TRAITS),
            segments=tuple(segments),
            recipes={name: one for part in library for name, one in part["recipes"].items()},
        ),
        _vocabulary(),
        {name: (Decimal(str(lat)), Decimal(str(lon))) for name, (lat, lon) in by_hand.PLACES.items()},
    )


def _vocabulary() -> Vocabulary:
    columns = schema.facts(schema.TABLES["customers"], schema.LISTS)
    sources = synthetic.neutral_sources()
    return Vocabulary(
        facts={name: _fact(column) for name, column in columns.items()},
        sources={
            name: Source(columns={column: _fact(kind) for column, kind in source.columns.items()}, time=source.time)
            for name, source in sources.items()
        },
    )


def _fact(column: schema.Column) -> Fact:
    return Fact(type=Type(column.type), values=column.values, exact=column.exact, optional=not column.required)


# contenders: each returns how many rows it found, by name


def ours(database: Database) -> dict[str, int]:
    """Every segment in one pass, and for each the ids of its members."""
    found = compute(BenchShop(database), _CATALOGUE, synthetic.NOW, synthetic.ZONE)
    ids = found.table.select(["customer_id"])
    return {name: ids.filter(found.table[f"segment:{name}"]).num_rows for name in found.segments}


def grouping(database: Database) -> dict[str, int]:
    """Each table grouped once, as it lies."""
    return {table: database.query(query).num_rows for table, query in FLOOR.items()}


def joining(database: Database) -> dict[str, int]:
    """The same, the lines joined to their order and product first."""
    return {table: database.query(query).num_rows for table, query in {**FLOOR, "order_lines": JOINED}.items()}


def hand(database: Database) -> dict[str, int]:
    """One query a segment."""
    return {name: database.query(query).num_rows for name, query in by_hand.queries().items()}


def hand_subset(database: Database) -> dict[str, int]:
    """The queries of those that pandas and Polars have too."""
    from frames import SUBSET

    queries = by_hand.queries()
    return {name: database.query(queries[name]).num_rows for name in SUBSET}


def pandas(database: Database) -> dict[str, int]:
    """A representative few in pandas, the frames loaded before."""
    from frames import SUBSET, load

    tables = load(database)
    return {name: segment(tables) for name, segment in SUBSET.items()}


def polars(database: Database) -> dict[str, int]:
    """The same few in Polars."""
    from frames_polars import SUBSET, load

    tables = load(database)
    return {name: segment(tables) for name, segment in SUBSET.items()}


@dataclass(frozen=True, slots=True)
class Contender:
    """Who is measured, over which tables: ours are clustered by customer, those that were brought are not."""

    label: str
    run: Callable[[Database], dict[str, int]]
    brought: bool = True
    warm: bool = True


CONTENDERS: Mapping[str, Contender] = {
    "ours": Contender("ciblage, all segments at once", ours, brought=False),
    "ours_brought": Contender("ciblage over the tables as they came", ours),
    "grouping": Contender("each table grouped once", grouping),
    "floor": Contender("the floor: lines joined first", joining),
    "floor_ours": Contender("the floor over our tables", joining, brought=False),
    "hand": Contender("by hand, one query a segment", hand, warm=False),
    "hand_ours": Contender("by hand over our tables", hand, brought=False, warm=False),
    "hand_subset": Contender("by hand, the subset", hand_subset),
    "pandas": Contender("pandas by hand, the subset", pandas),
    "polars": Contender("Polars by hand, the subset", polars),
}
_CATALOGUE: Any = None


def run_child(name: str, path: Path, *, memory_limit: str | None, added: int) -> None:
    """One contender: seconds, peak memory and counts as JSON."""
    contender = CONTENDERS[name]
    globals()["_CATALOGUE"] = catalogue(added=added) if contender.run is ours else None
    with Database(path, memory_limit=memory_limit, threads=2) as database:
        database.execute(f"USE {BROUGHT if contender.brought else 'main'}")
        for _ in range(2 if contender.warm else 1):
            started, worked = time.perf_counter(), time.process_time()
            found = contender.run(database)
            seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu, "gigabytes": peak, "found": found}))


def profile_child(path: Path, added: int) -> None:
    """The operators of our query that take the most, as a table."""
    globals()["_CATALOGUE"] = catalogue(added=added)
    with Database(path, threads=2) as database:
        operators.show(operators.profile(database, ours))


def agree_child(path: Path) -> None:
    """The segments that have other members by hand than with us, as JSON."""
    queries = by_hand.queries()
    with Database(path, threads=2) as database:
        found = compute(BenchShop(database), catalogue(), synthetic.NOW, synthetic.ZONE)
        database.register("found", found.table)
        members = {one: f"SELECT customer_id FROM found WHERE {quoted(f'segment:{one}')}" for one in queries}
        digests = [
            {one: database.rows(DIGEST.format(members=sql)) for one, sql in by.items()} for by in (members, queries)
        ]
    sys.stdout.write(json.dumps([one for one in queries if digests[0][one] != digests[1][one]]))


def build_child(path: Path, customers: int) -> None:
    """The shop as it came, and clustered: the seconds of both as JSON."""
    with Database(path, memory_limit=BUILDING) as database:
        started = time.perf_counter()
        database.execute(f"CREATE SCHEMA {BROUGHT}; USE {BROUGHT}")
        synthetic.build(database, customers)
        built = time.perf_counter()
        database.execute("USE main")
        synthetic.cluster(database, BROUGHT)
        sys.stdout.write(json.dumps({"built": built - started, "clustered": time.perf_counter() - built}))


def measure(name: str, path: Path, *more: str) -> dict[str, Any]:
    """One contender in a process of its own."""
    done = _start(name, path, *more)
    found: dict[str, Any] = json.loads(done)
    return found


def _start(child: str, path: Path, *more: str) -> str:
    """This file in a process of its own: also to build, since a child's peak memory begins with its parent's."""
    command = [sys.executable, __file__, "--child", child, "--database", str(path), *more]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - this very file


def compile_time(added: int) -> tuple[int, float]:
    """How many segments become one query, from their text, and in how many CPU seconds."""
    started = time.process_time()
    definitions = catalogue(added=added)
    sql(definitions, synthetic.NOW, synthetic.ZONE)
    return len(definitions.segments), time.process_time() - started


def agree(path: Path) -> None:
    """Every query by hand finds our members."""
    others = json.loads(_start("agree", path))
    assert not others, f"other members by hand: {', '.join(others)}"
    print(f"{len(by_hand.SEGMENTS)} segments of the library, each with the members of the query by hand")


def check(found: Mapping[str, Mapping[str, int]]) -> None:
    """The contenders find as many in every segment."""
    for other in ("ours_brought", "hand", "hand_ours", "hand_subset", "pandas", "polars"):
        for segment, count in found.get(other, {}).items():
            assert count == found["ours"][segment], f"{segment}: {found['ours'][segment]} ours, {count} {other}"


def main() -> None:
    """Build the shop, measure, print."""
    options = _options()
    if options.child == "build":
        build_child(Path(options.database), options.customers)
    elif options.child == "agree":
        agree_child(Path(options.database))
    elif options.child == "profile":
        profile_child(Path(options.database), options.added)
    elif options.child:
        run_child(options.child, Path(options.database), memory_limit=options.memory_limit, added=options.added)
    elif options.linear:
        growing([int(size) for size in options.linear.split(",")], options.rounds)
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """Everyone over one shop."""
    skipped = {*options.skip.split(","), *(name for name in ("pandas", "polars") if not find_spec(name))}
    names = [name for name in CONTENDERS if name not in skipped]
    with tempfile.TemporaryDirectory(prefix="ciblage-bench-") as folder:
        path = Path(options.database or f"{folder}/shop.duckdb")
        if not path.exists():
            build(path, options.customers)
        if "hand" in names:
            agree(path)
        report([{name: measure(name, path) for name in names} for _ in range(options.rounds)])
        if options.limited:
            limited = measure("ours", path, "--memory-limit", "1GB")
            print(f"ours with memory_limit 1GB: {limited['seconds']:.2f} s, peak {limited['gigabytes']:.2f} GB")
        if options.adding:
            adding(path, options.rounds)
        if options.profile:
            print(_start("profile", path))
    for added in (0, 200 - len(by_hand.SEGMENTS)):
        count, seconds = compile_time(added)
        print(f"compile {count} segments: {seconds:.2f} s of CPU")


def build(path: Path, customers: int) -> None:
    """A shop in a file."""
    took = json.loads(_start("build", path, "--customers", str(customers)))
    print(f"built {customers:,} customers in {took['built']:.1f} s, clustered in {took['clustered']:.1f} s")


def adding(path: Path, rounds: int, more: int = 100) -> None:
    """What one segment more costs, where its traits are computed anyway."""
    taken = [[measure("ours", path, "--added", str(added))["cpu"] for added in (0, more)] for _ in range(rounds)]
    few, many = (median(one[which] for one in taken) for which in (0, 1))
    print(f"{more} segments more: {few:.2f} to {many:.2f} s of CPU, {(many - few) / few / more:.2%} each")


def growing(sizes: Sequence[int], rounds: int) -> None:
    """Ours over shops of several sizes."""
    print(f"{'customers':>10}{'s':>8}{'cpu s':>8}{'cpu s a million':>17}{'peak GB':>9}")
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="ciblage-bench-") as folder:
            path = Path(folder) / "shop.duckdb"
            _start("build", path, "--customers", str(size))
            taken = [measure("ours", path) for _ in range(rounds)]
        seconds, cpu = (median(one[unit] for one in taken) for unit in ("seconds", "cpu"))
        peak = max(one["gigabytes"] for one in taken)
        print(f"{size:>10,}{seconds:>8.2f}{cpu:>8.2f}{cpu / size * 1_000_000:>17.2f}{peak:>9.2f}")


def report(rounds: list[dict[str, dict[str, Any]]]) -> None:
    """The table, medians of the rounds."""
    first = rounds[0]
    check({name: one["found"] for name, one in first.items()})
    seconds, cpu = ({name: median(one[name][unit] for one in rounds) for name in first} for unit in ("seconds", "cpu"))
    print(f"{'':<38}{'s':>8}{'x floor':>9}{'x ours':>8}{'cpu s':>8}{'x floor':>9}{'x ours':>8}{'peak GB':>9}")
    for name in first:
        peak = max(one[name]["gigabytes"] for one in rounds)
        print(f"{CONTENDERS[name].label:<38}{_ratios(seconds, name)}{_ratios(cpu, name)}{peak:>9.2f}")
    print(f"{len(first['ours']['found'])} segments, as many in each")


def _ratios(took: Mapping[str, float], name: str) -> str:
    return f"{took[name]:>8.2f}{took[name] / took['floor']:>9.2f}{took[name] / took['ours']:>8.2f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip", default="", help="contenders to leave out: hand,hand_ours,pandas")
    parser.add_argument("--limited", action="store_true", help="ours once more with memory_limit 1GB")
    parser.add_argument("--adding", action="store_true", help="ours once more with a hundred segments more")
    parser.add_argument("--profile", action="store_true", help="the operators of our query that take the most")
    parser.add_argument("--linear", default="", help="only ours, over shops of these sizes: 100000,300000,1000000")
    parser.add_argument("--database", default="", help="a database file to keep, or one that was kept")
    parser.add_argument("--memory-limit", help=argparse.SUPPRESS)
    parser.add_argument("--added", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
