"""Pushing to an emulated provider: `python bench/push.py --provider klaviyo --contacts 1000000 [--profile]`.

The sandbox runs in a process of its own. Everyone is created with six merge tags and put into one segment, then one tag of everyone
changes, then everyone leaves. Prints what this process took: CPU seconds per million changes of a kind, and its peak memory.
Times by the clock say little (the sandbox answers on the same cores), and are not printed.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors import registry
from connectors.http import Wire
from engine.client.clock import FastClock
from engine.ledger import Ledger
from engine.plan.destination import Destination, MergeTag
from engine.plan.plan import plan
from engine.push.push import push
from engine.push.trip import Carrier

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
SPEED = 2000.0  # seconds of the sandbox and of our clock in one of the machine
TAGS = tuple(
    MergeTag(name=name, trait=name) for name in ("first_name", "last_name", "city", "favourite", "tier", "band")
)
OWN = {"mailchimp": {"audience": "Newsletter"}, "klaviyo": {}, "brevo": {"folder": "shop"}}


def people(count: int, *, is_member: bool = True, city: str = "Lyon") -> pa.Table:
    """Everyone, as the membership's table."""
    numbers = pa.array(range(count), pa.int64()).cast(pa.string())
    text = {name: pa.repeat(pa.scalar(value), count) for name, value in _values(city).items()}
    import pyarrow.compute as pc

    columns: dict[str, Any] = {
        "customer_id": pc.binary_join_element_wise("c", numbers, ""),
        "email": pc.binary_join_element_wise("person.", numbers, "@example.com", ""),
        "reachable_email": pa.repeat(pa.scalar(value=True), count),
        "basis": pa.repeat(pa.scalar("consent"), count),
        "consent_email": pa.repeat(pa.scalar("subscribed"), count),
        **{f"trait:{name}": column for name, column in text.items()},
        "segment:loyal": pa.repeat(pa.scalar(value=is_member), count),
        "segment:all": pa.repeat(pa.scalar(value=True), count),
    }
    columns |= {f"holdout:{name}": pa.repeat(pa.scalar(value=False), count) for name in ("loyal", "all")}
    return pa.table(columns)


def _values(city: str) -> dict[str, str]:
    return {
        "first_name": "Zoé",
        "last_name": "Martin",
        "city": city,
        "favourite": "Garden",
        "tier": "gold",
        "band": "b2",
    }


@contextmanager
def sandbox() -> Iterator[dict[str, dict[str, str]]]:
    """Emulated providers in another process: name → base_url and api_key."""
    command = [sys.executable, "-m", "connectors.sandbox", "--port", "0", "--speed", str(SPEED)]
    command += ["--now", NOW.isoformat()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own sandbox
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield told["providers"]
        process.terminate()


class Bench:
    """One account, its ledger, and what each round took."""

    def __init__(self, name: str, opened: dict[str, str], folder: Path, *, is_profiled: bool) -> None:
        self.clock = FastClock(SPEED)
        self.connector = registry.build(name, {**opened, **OWN[name]}, handler=Wire(), clock=self.clock)
        self.ledger = Ledger.open(f"sqlite:///{folder}/ledger.sqlite", "bench")
        self.destination = Destination(
            name="news",
            connector=name,
            spec=self.connector.spec,
            segments=("all", "loyal"),
            merge_tags=TAGS,
            prefix="c",
        )
        self.is_profiled = is_profiled

    def round(self, title: str, wide: pa.Table) -> None:
        """Plan and push, and print what that took."""
        account = self.connector.check().id
        started = time.process_time()
        made = plan([self.destination], wide, self.ledger, now=NOW, config_hash="h", accounts={"news": account})
        planned = time.process_time() - started
        profile = cProfile.Profile(time.process_time) if self.is_profiled else None
        threading.setprofile(None)
        started = time.process_time()
        if profile:
            profile.enable()
        result = push(made, [Carrier(self.destination, self.connector)], self.ledger, wide, clock=self.clock, now=NOW)[
            0
        ]
        if profile:
            profile.disable()
        pushed = time.process_time() - started
        done = result.applied.total() + result.noop.total()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{title:<8} {dict(result.applied)!s:<48} rejected {len(result.rejected):>3}  calls {result.calls:>5}  "
            f"plan {planned:6.1f} s  push {pushed:7.1f} s  {pushed / max(1, done) * 1e6:6.1f} s a million changes  peak {peak:5.0f} MB",
            flush=True,
        )
        if result.error:
            print(f"  {result.error!r}")
        if profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)


def main() -> None:
    """Three rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", choices=sorted(OWN), default="klaviyo")
    parser.add_argument("--contacts", type=int, default=50_000)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--rounds", default="create,update,leave")
    asked = parser.parse_args()
    rounds = {"create": {}, "update": {"city": "Paris"}, "leave": {"city": "Paris", "is_member": False}}
    with tempfile.TemporaryDirectory() as folder, sandbox() as providers:
        bench = Bench(asked.provider, providers[asked.provider], Path(folder), is_profiled=asked.profile)
        print(f"{asked.provider}, {asked.contacts:,} contacts, {os.cpu_count()} cores")
        for title in asked.rounds.split(","):
            bench.round(title, people(asked.contacts, **rounds[title]))


if __name__ == "__main__":
    main()
