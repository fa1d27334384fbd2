"""Planning against a full ledger: `python bench/plan.py --contacts 1000000 --targets 20 [--compute] [--profile]`.

One destination has acknowledged everyone: each contact in a third of the targets, with six fields and a provider's id. Then one contact
in a hundred changes: a value, and one target joined or left. Filling and planning are processes of their own, so that the peak memory printed is
the plan's. `--compute` runs, in a third one, the segments of the library over a synthetic shop of as many customers (bench/synthetic.py): what a
plan's time is compared with.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors import registry
from connectors.types import Target, TargetKind, ValueKind
from engine.ledger import Ledger, packing
from engine.ledger import contacts as packed
from engine.ledger.contacts import Contact, ContactState
from engine.ledger.store import connect
from engine.plan.columns import present, wanted
from engine.plan.destination import Destination, MergeTag
from engine.plan.plan import plan
from engine.plan.population import populate

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
FIRST = ("Ada", "Bruno", "Chloé", "David", "Emma", "Zoé", "Léo", "Manon")
LAST = ("Martin", "Bernard", "Thomas", "Petit", "Lefebvre", "Garcia")
CITIES = ("Paris", "Lyon", "Lille", "Nantes", "Bordeaux", "Clermont-Ferrand")
TAGS = (
    MergeTag(name="first_name", trait="first_name"),
    MergeTag(name="last_name", trait="last_name"),
    MergeTag(name="city", trait="city"),
    MergeTag(name="favourite", trait="favourite"),
    MergeTag(name="spent", trait="spent", kind=ValueKind.NUMBER),
    MergeTag(name="last_order", trait="last_order", kind=ValueKind.DATE),
)
CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class Size:
    """How many contacts and targets."""

    contacts: int
    targets: int

    @property
    def segments(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(f"s{number:02}" for number in range(self.targets))


def people(size: Size, *, is_changed: bool) -> pa.Table:
    """Everyone, as the membership's table; every row is a function of its number."""
    count = size.contacts
    numbers = np.arange(count, dtype=np.int64)
    digits = pa.array(numbers).cast(pa.string())
    padded = pc.utf8_lpad(digits, 9, "0")
    is_other = (numbers % 100 == 7) if is_changed else np.zeros(count, bool)
    spent = (numbers * 7919) % 90_000 + is_other
    columns: dict[str, Any] = {
        "customer_id": pc.binary_join_element_wise("c", padded, ""),
        "email": pc.binary_join_element_wise("person.", digits, "@example.com", ""),
        "reachable_email": pa.repeat(pa.scalar(value=True), count),
        "basis": pa.repeat(pa.scalar("consent"), count),
        "consent_email": pa.repeat(pa.scalar("subscribed"), count),
        "trait:first_name": _picked(FIRST, numbers),
        "trait:last_name": _picked(LAST, numbers // 3),
        "trait:city": _picked(CITIES, numbers // 5),
        "trait:favourite": _picked([f"category {number}" for number in range(20)], numbers // 7),
        "trait:spent": pc.divide(pa.array(spent).cast(pa.float64()), 100.0),
        "trait:last_order": pa.array(20_000 + numbers % 700, pa.int32()).cast(pa.date32()),
    }
    for place, name in enumerate(size.segments):
        is_in = (numbers * 31 + place * 17) % 97 < 32
        columns[f"segment:{name}"] = pa.array(is_in ^ (is_other & (place == (numbers // 100) % size.targets)))
        columns[f"holdout:{name}"] = pa.repeat(pa.scalar(value=False), count)
    return pa.table(columns)


def _picked(words: Any, numbers: Any) -> pa.Array[Any]:  # noqa: ANN401 - numpy's arrays
    return pa.array(words).take(pa.array(numbers % len(words)))


def destination(size: Size) -> Destination:
    """One account with all targets."""
    spec = registry.load("klaviyo").spec
    return Destination(
        name="newsletter", connector="klaviyo", spec=spec, segments=size.segments, merge_tags=TAGS, prefix="c"
    )


def fill(url: str, size: Size) -> dict[str, float]:
    """Everyone is acknowledged, in no order; the ledger's size on disk."""
    where = destination(size)
    lists = [Target(kind=TargetKind.SEGMENT, name=name, title=name) for name in size.segments]
    fields = [Target(kind=TargetKind.FIELD, name=tag.name, title=tag.name, value=tag.kind) for tag in TAGS]
    with Ledger.open(url, "bench") as ledger:
        ledger.targets.expect(where.name, [*lists, *fields], is_owned=True)
        ledger.targets.record(where.name, {target: target.name for target in [*lists, *fields]})
        here = present(where, ledger)
        wide = people(size, is_changed=False)
        everyone = populate(where, wide, here)
        should = wanted(where, everyone.people, ledger.codes.table(), everyone.members)
        order = np.random.default_rng(7).permutation(len(should.address))
        for start in range(0, len(order), CHUNK):
            _fill_part(ledger, where, should, pa.array(order[start : start + CHUNK]))
    with connect(url, "bench") as store, store.read() as connection:
        size_of = "page_count * page_size FROM pragma_page_count, pragma_page_size"
        query = f"SELECT {size_of}" if store.is_sqlite else "SELECT pg_total_relation_size('contacts')"
        return {"megabytes": (connection.exec_driver_sql(query).scalar() or 0) / 1024**2}


def _fill_part(ledger: Ledger, where: Destination, should: Any, rows: pa.Array[Any]) -> None:  # noqa: ANN401 - see wanted
    values = [should.values[tag.name].take(rows).to_pylist() for tag in TAGS]
    members = [should.members[name].take(rows).to_pylist() for name in where.segments]
    ids, addresses = should.customer_id.take(rows).to_pylist(), should.address.take(rows).to_pylist()
    found = [
        Contact(
            address=address,
            customer_id=customer,
            state=ContactState.ACKNOWLEDGED,
            ref=f"01{number:024X}",
            members=frozenset(place for place, is_in in enumerate(members) if is_in[at]),
            packed=packing.pack_fields({place: column[at] for place, column in enumerate(values) if column[at]}),
        )
        for at, (address, customer, number) in enumerate(zip(addresses, ids, rows.to_pylist(), strict=True))
    ]
    with ledger._store.move() as connection:  # noqa: SLF001 - what a push writes, without a provider
        packed.write(connection, where.name, found)


def measure(url: str, size: Size, *, is_profiled: bool) -> dict[str, float]:
    """One plan; what it took, and what of that was reading the contacts."""
    wide = people(size, is_changed=True)
    before = _peak()
    profile = cProfile.Profile(time.process_time) if is_profiled else None
    with Ledger.open(url, "bench", is_readonly=True) as ledger:
        wall, cpu = time.perf_counter(), time.process_time()
        if profile:
            profile.enable()
        made = plan([destination(size)], wide, ledger, now=NOW, config_hash="h", accounts={"newsletter": "a"})
        if profile:
            profile.disable()
            pstats.Stats(profile, stream=sys.stderr).sort_stats("cumtime").print_stats(60)
        took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peak": _peak(), "before": before}
        cpu = time.process_time()
        ledger.contacts.table("newsletter")
        return took | {"read": time.process_time() - cpu, "changes": sum(one.changes for one in made.destinations)}


def compute_all(size: Size) -> dict[str, float]:
    """All segments of the library over a shop of as many customers."""
    import compute as bench
    import synthetic

    from engine.compute import compute
    from engine.segments import Catalogue
    from engine.tables import Database

    whole: Catalogue = bench.catalogue()
    with tempfile.TemporaryDirectory() as folder, Database(Path(folder) / "shop.duckdb", threads=2) as database:
        database.execute("CREATE SCHEMA brought; USE brought")
        synthetic.build(database, size.contacts)
        database.execute("USE main")
        synthetic.cluster(database, "brought")
        wall, cpu = time.perf_counter(), time.process_time()
        compute(bench.BenchShop(database), whole, synthetic.NOW, synthetic.ZONE)
        return {
            "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "segments": len(whole.segments),
            "peak": _peak(),
        }  # fmt: skip


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def step(name: str, url: str, asked: argparse.Namespace) -> dict[str, float]:
    """One step in a process of its own."""
    command = [sys.executable, __file__, "--step", name, "--ledger", url]
    command += ["--contacts", str(asked.contacts), "--targets", str(asked.targets), *(["--profile"] * asked.profile)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603 - this very file
    found: dict[str, float] = json.loads(told)
    return found


def main() -> None:
    """Fill, plan, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--targets", type=int, default=20)
    parser.add_argument("--ledger", help="the URL of a database to fill (default: a file that goes afterwards)")
    parser.add_argument("--compute", action="store_true", help="the library's segments over as many customers, too")
    parser.add_argument("--profile", action="store_true", help="the calls of the plan that take the most, on stderr")
    parser.add_argument("--step", choices=("fill", "plan", "compute"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    size = Size(asked.contacts, asked.targets)
    steps = {
        "fill": lambda: fill(asked.ledger, size),
        "plan": lambda: measure(asked.ledger, size, is_profiled=asked.profile),
        "compute": lambda: compute_all(size),
    }
    if asked.step:
        print(json.dumps(steps[asked.step]()))
        return
    with tempfile.TemporaryDirectory(prefix="ciblage-bench-") as folder:
        url = asked.ledger or f"sqlite:///{folder}/ledger.sqlite"
        filled = step("fill", url, asked)
        print(f"{asked.contacts:,} contacts x {asked.targets} targets, 6 fields: {filled['megabytes']:.0f} MB")
        took = step("plan", url, asked)
        print(
            f"plan of {took['changes']:,} changes: {took['wall']:.1f} s, {took['cpu']:.1f} s of CPU (reading contacts"
            f" {took['read']:.1f}), peak {took['peak']:.0f} MB, of which {took['before']:.0f} before it began"
        )
        if asked.compute:
            took = step("compute", url, asked)
            print(
                f"{took['segments']} segments over as many customers: {took['wall']:.1f} s, {took['cpu']:.1f} s of CPU,"
                f" peak {took['peak']:.0f} MB"
            )


if __name__ == "__main__":
    main()
