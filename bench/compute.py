"""All segments of the library over a synthetic shop, measured side by side: `python bench/compute.py --customers 200000`.

Each contender runs in a process of its own over the same database file, once to warm up and once measured, in rounds
that take turns; the table shows the medians of the rounds (CPU seconds are steadier than those of the clock where others
work on the same machine) and the peak memory of the process.
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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import by_hand
import synthetic

from engine.compute import compute, sql
from engine.language.tree import Type
from engine.language.vocabulary import Fact, Source, Vocabulary
from engine.segments import Catalogue, Definitions, SegmentDefinition, build_catalogue
from engine.shop import schema
from engine.tables import Database
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
LABELS = {
    "ours": "ciblage, all segments at once",
    "floor": "the floor: each table grouped once",
    "joining": "the floor, lines joined first",
    "hand": "by hand, one query a segment",
    "hand_subset": "by hand, the subset",
    "pandas": "pandas by hand, the subset",
}


@dataclass(frozen=True, slots=True)
class BenchShop:
    """What compute asks of a shop."""

    database: Database

    def sources(self) -> Mapping[str, schema.Source]:
        """The neutral sources."""
        return synthetic.neutral_sources()


def catalogue(copies: int = 1) -> Catalogue:
    """The library's segments, `copies` times over."""
    library = [tomllib.loads(file.read_text("utf-8")) for file in sorted(LIBRARY.glob("*.toml"))]
    traits = {name: text for one in library for name, text in one.get("traits", {}).items()}
    segments = [
        SegmentDefinition(name=f"{name}{copy or ''}", recipe=name, parameters=dict(given))
        for copy in range(copies)
        for name, (given, _) in by_hand.SEGMENTS.items()
    ]
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
    """Every segment in one pass."""
    found = compute(BenchShop(database), _CATALOGUE, synthetic.NOW, synthetic.ZONE)
    return {name: found.members(name).num_rows for name in found.segments}


def floor(database: Database) -> dict[str, int]:
    """Each table grouped once, as it lies."""
    return {table: database.query(query).num_rows for table, query in FLOOR.items()}


def joining(database: Database) -> dict[str, int]:
    """The same, where the lines must be joined first."""
    return {table: database.query(query).num_rows for table, query in {**FLOOR, "order_lines": JOINED}.items()}


def hand(database: Database) -> dict[str, int]:
    """One query a segment."""
    return {name: database.query(query).num_rows for name, query in by_hand.queries().items()}


def hand_subset(database: Database) -> dict[str, int]:
    """The queries of those that pandas has too."""
    from frames import SUBSET

    queries = by_hand.queries()
    return {name: database.query(queries[name]).num_rows for name in SUBSET}


def pandas(database: Database) -> dict[str, int]:
    """A representative few in pandas, the frames loaded before."""
    from frames import SUBSET, load

    tables = load(database)
    return {name: segment(tables) for name, segment in SUBSET.items()}


CONTENDERS: dict[str, Callable[[Database], dict[str, int]]] = {
    one.__name__: one for one in (ours, floor, joining, hand, hand_subset, pandas)
}
_CATALOGUE: Any = None


def run_child(name: str, path: Path, memory_limit: str | None) -> None:
    """One contender: seconds, peak memory and counts as JSON."""
    globals()["_CATALOGUE"] = catalogue() if name == "ours" else None
    with Database(path, memory_limit=memory_limit, threads=2) as database:
        for _ in range(1 if name == "hand" else 2):
            started, worked = time.perf_counter(), time.process_time()
            found = CONTENDERS[name](database)
            seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu, "gigabytes": peak, "found": found}))


def measure(name: str, path: Path, memory_limit: str | None = None) -> dict[str, Any]:
    """One contender in a process of its own."""
    done = _start(name, path, *(["--memory-limit", memory_limit] if memory_limit else []))
    found: dict[str, Any] = json.loads(done)
    return found


def _start(child: str, path: Path, *more: str) -> str:
    """This file in a process of its own: also to build, since a child's peak memory begins with its parent's."""
    command = [sys.executable, __file__, "--child", child, "--database", str(path), *more]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - this very file


def compile_time(copies: int) -> tuple[int, float]:
    """How many segments become one query, from their text, and in how many CPU seconds."""
    started = time.process_time()
    definitions = catalogue(copies)
    sql(definitions, synthetic.NOW, synthetic.ZONE)
    return len(definitions.segments), time.process_time() - started


def check(found: Mapping[str, Mapping[str, int]]) -> None:
    """The contenders agree on every segment."""
    for other in ("hand", "hand_subset", "pandas"):
        for segment, count in found.get(other, {}).items():
            assert count == found["ours"][segment], f"{segment}: {found['ours'][segment]} ours, {count} {other}"


def main() -> None:
    """Build the shop, measure, print."""
    options = _options()
    if options.child == "build":
        with Database(Path(options.database)) as database:
            synthetic.build(database, options.customers)
        return
    if options.child:
        run_child(options.child, Path(options.database), options.memory_limit)
        return
    names = [name for name in CONTENDERS if name not in options.skip.split(",")]
    if not find_spec("pandas"):
        names = [name for name in names if name not in ("pandas", "hand_subset")]
    with tempfile.TemporaryDirectory(prefix="ciblage-bench-") as folder:
        path = Path(options.database or f"{folder}/shop.duckdb")
        if not path.exists():
            started = time.perf_counter()
            _start("build", path, "--customers", str(options.customers))
            print(f"built {options.customers:,} customers in {time.perf_counter() - started:.1f} s")
        rounds = [{name: measure(name, path) for name in names} for _ in range(options.rounds)]
        limited = measure("ours", path, "1GB") if options.limited else None
    report(rounds)
    if limited:
        print(f"ours with memory_limit 1GB: {limited['seconds']:.2f} s, peak {limited['gigabytes']:.2f} GB")
    for copies in (1, 3):
        count, seconds = compile_time(copies)
        print(f"compile {count} segments: {seconds:.2f} s of CPU")


def report(rounds: list[dict[str, dict[str, Any]]]) -> None:
    """The table, medians of the rounds."""
    first = rounds[0]
    check({name: one["found"] for name, one in first.items()})
    seconds, cpu = ({name: median(one[name][unit] for one in rounds) for name in first} for unit in ("seconds", "cpu"))
    print(f"{'':<36}{'s':>8}{'x floor':>9}{'x ours':>8}{'cpu s':>8}{'x floor':>9}{'x ours':>8}{'peak GB':>9}")
    for name in first:
        peak = max(one[name]["gigabytes"] for one in rounds)
        print(f"{LABELS[name]:<36}{_ratios(seconds, name)}{_ratios(cpu, name)}{peak:>9.2f}")
    print(f"{len(first['ours']['found'])} segments, their members agree")


def _ratios(took: Mapping[str, float], name: str) -> str:
    return f"{took[name]:>8.2f}{took[name] / took['floor']:>9.2f}{took[name] / took['ours']:>8.2f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip", default="", help="contenders to leave out: hand,pandas")
    parser.add_argument("--limited", action="store_true", help="ours once more with memory_limit 1GB")
    parser.add_argument("--database", default="", help="a database file to keep, or one that was kept")
    parser.add_argument("--memory-limit", help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
