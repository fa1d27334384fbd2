"""Opening a shop's files, and a whole run with nothing to send: `python bench/opening.py --customers 50000`.

Writes the synthetic shop as CSV and prints, side by side and each in a process of its own: opening without a cache, the first
opening with one, an opening where nothing changed, and one where 1 % of the rows did (customers anywhere; of what they did, half
of it changed in the newest rows and half appended), each with every segment of the library computed after it. Then `ciblage run`
with nothing to send, on an empty and on a filled cache. CPU seconds are steadier than those of the clock.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import compute
import synthetic

from engine.shop import Cache, ShopSource, open_shop
from engine.shop.schema import TABLES
from engine.tables import Database, name, text

CONFIG = """client = "bench"
timezone = "Europe/Paris"
currency = "EUR"
include = ["library:ecommerce"]
[shop]
path = "data"
[segments.loyal]
where = "count(orders, last 12 months) >= 5"
[segments.openers]
where = "count(email_opens, last 6 months) >= 2"
[traits]
favourite = "most_frequent(order_lines.category, last 12 months)"
spent = "sum(orders.total)"
[merge_tags]
first_name = { trait = "first_name" }
favourite = { trait = "favourite" }
[destinations.memory]
connector = "memory"
store = "@FOLDER@/account.json"
segments = ["loyal", "openers"]
"""
_SHARE = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took."""

    cpu: float
    wall: float


def write(folder: Path, customers: int) -> None:
    """Write the shop's files, as a shop writes them: its own columns, none that joining brings."""
    folder.mkdir(parents=True)
    with Database() as database:
        synthetic.build(database, customers)
        for table in (
            "customers",
            "products",
            "orders",
            "order_lines",
            "views",
            "cart_adds",
            "email_events",
            "customer_lists",
        ):
            known = [
                column
                for column in TABLES[table].columns
                if database.scalar(f"SELECT count({name(column)}) FROM {table}")
            ]
            listed = ", ".join(name(column) for column in known)
            file = text(str(folder / f"{table}.csv"))
            database.execute(f"COPY (SELECT {listed} FROM {table} ORDER BY row_id) TO {file} (header)")


def change(folder: Path, turn: int) -> int:
    """Change 1 % of the rows of every table but products and lists, other customers each turn; returns how many."""
    count = 0
    for table in ("customers", "orders", "order_lines", "views", "cart_adds", "email_events"):
        file = folder / f"{table}.csv"
        lines = file.read_bytes().splitlines(keepends=True)
        share = (len(lines) - 1) // _SHARE
        count += share
        if table == "customers":
            lines = [
                line.replace(b"person", b"human") if at % _SHARE == turn else line for at, line in enumerate(lines)
            ]
        else:
            newest, half = lines[-share:], share // 2
            lines[-half:] = [line.replace(b"-1", b"-0", 1).replace(b",paid,", b",cancelled,") for line in lines[-half:]]
            lines += [line if table in {"views", "cart_adds"} else b"x" + line for line in newest[half:]]
        file.write_bytes(b"".join(lines))
    return count


def stage(folder: Path, cache: Path | None) -> dict[str, object]:
    """Open the shop and compute the library; a sum over every table and every member says what was found."""
    with Database() as database:
        started = time.process_time()
        source = ShopSource(path=folder, cache=None if cache is None else Cache(cache))
        shop = open_shop(
            source, zone=synthetic.ZONE, currency="EUR", now=synthetic.NOW, overlays=None, database=database
        )
        opened = time.process_time()
        compute._CATALOGUE = compute.catalogue()  # noqa: SLF001 - the two benches are one program
        members = compute.ours(database)
        ended = time.process_time()
        sums = {table: str(database.scalar(f"SELECT sum(hash(t)) FROM {name(table)} t")) for table in shop.tables}
    return {
        "opening": opened - started,
        "compute": ended - opened,
        "found": [sums, members, shop.fingerprint, str(shop.set_aside)],
    }


def measured(command: Sequence[str]) -> tuple[Cost, str]:
    """Run one process; what it took and printed."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own command
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, time.perf_counter() - started), done.stdout


def openings(folder: Path, tell: Callable[[str, Cost, str], None]) -> bool:
    """Print the openings; whether the last two found the same."""
    data, cache, found = folder / "data", folder / "cache", []

    def once(label: str, kept: Path | None) -> None:
        arguments = [str(data)] if kept is None else [str(data), str(kept)]
        cost, said = measured([sys.executable, __file__, "--stage", *arguments])
        told = json.loads(said)
        found.append(told["found"])
        tell(label, cost, f"opening {told['opening']:6.2f}   compute {told['compute']:6.2f}")

    once("no cache", None)
    once("first, cache empty", cache)
    once("second, nothing changed", cache)
    changed = change(data, 1)
    once(f"third, {changed:,} rows changed", cache)
    once("the same without a cache", None)
    return bool(found[-1] == found[-2] and found[0] == found[1] == found[2])


def runs(folder: Path, tell: Callable[[str, Cost, str], None]) -> tuple[Cost, Cost]:
    """Print whole runs; what the first took, and the one after 1 % of the rows changed."""
    config, data, state = folder / "ciblage.toml", folder / "data", folder / "state"
    config.write_text(CONFIG.replace("@FOLDER@", str(folder)), "utf-8")
    ciblage = str(Path(sys.executable).parent / "ciblage")
    common = ["--json", "--config", str(config), "--now", synthetic.NOW.isoformat()]

    def once(label: str, *verb: str) -> Cost:
        cost, said = measured([ciblage, *verb, *common])
        tell(f"{' '.join(verb)}: {label}", cost, f"{len(said):,} characters told")
        return cost

    first = once("first, everything to send", "push", "--yes")
    once("nothing to send", "run")
    changed = once(f"{change(data, 2):,} rows changed", "run")
    shutil.rmtree(state / "bench.shop")
    once("nothing to send, no cache", "run")
    return first, changed


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--stage", nargs="+", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        print(json.dumps(stage(given.stage[0], given.stage[1] if len(given.stage) > 1 else None)))
        return
    first: list[Cost] = []

    def tell(label: str, cost: Cost, more: str) -> None:
        first.append(cost)
        print(
            f"{label:34} cpu {cost.cpu:7.2f} s  {cost.cpu / first[0].cpu:5.0%}   clock {cost.wall:7.2f} s   {more}",
            flush=True,
        )

    with tempfile.TemporaryDirectory(prefix="ciblage-bench-") as place:
        folder = Path(place)
        write(folder / "data", given.customers)
        size = sum(path.stat().st_size for path in (folder / "data").iterdir())
        print(f"{given.customers:,} customers, {size / 1e6:,.0f} MB of CSV; CPU seconds of whole processes")
        is_same = openings(folder, tell)
        print(f"with the cache as without it, to the row: {'yes' if is_same else 'NO'}")
        whole, again = runs(folder, tell)
        print(
            f"a run after 1 % changed, of the first: cpu {again.cpu / whole.cpu:.0%}, clock {again.wall / whole.wall:.0%}"
        )


if __name__ == "__main__":
    main()
