"""Pushing to an emulated provider: `python bench/push.py --provider klaviyo --contacts 1000000 [--profile]`.

Everyone is created with six merge tags and put into two segments, then one tag of everyone changes, then everyone leaves one of them.
The sandbox runs in a process of its own, and each round plans in one and pushes the plan's file in another, as `ciblage plan --out` and
`ciblage push --plan` do. Printed is what pushing took: CPU seconds per million changes (one contact, one kind), and the peak memory of its
process, of which the interpreter, the libraries and every customer's address stand `before` it begins. Then the same of planning, whose
`before` is the computed membership. Times by the clock say little (the sandbox answers on the same cores), and are not printed.
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
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors import registry
from connectors.base import Connector
from connectors.http import Clock, Wire
from engine.client.clock import FastClock
from engine.ledger import Ledger
from engine.plan.destination import Destination, MergeTag
from engine.plan.file import load, save
from engine.plan.plan import plan
from engine.push.people import People
from engine.push.push import push
from engine.push.trip import Carrier

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
SPEED = 2000.0  # seconds of the sandbox and of our clock in one of the machine
TAGS = tuple(
    MergeTag(name=name, trait=name) for name in ("first_name", "last_name", "city", "favourite", "tier", "band")
)
NEEDED = ("customer_id", "email", "reachable_email", "consent_email")  # of the membership, to push
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
        try:
            yield json.loads(process.stdout.readline())["providers"]
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True)
class Place:
    """One account and the files of its client: what the processes of a round share."""

    provider: str
    opened: dict[str, str]
    folder: Path

    @property
    def plan(self) -> Path:
        """The plan of the round."""
        return self.folder / "plan.parquet"

    @property
    def destination(self) -> Destination:
        """The account as the plan sees it."""
        return Destination(
            name="news",
            connector=self.provider,
            spec=registry.load(self.provider).spec,
            segments=("all", "loyal"),
            merge_tags=TAGS,
            prefix="c",
        )

    def connector(self, clock: Clock) -> Connector:
        """The open account."""
        return registry.build(self.provider, {**self.opened, **OWN[self.provider]}, handler=Wire(), clock=clock)

    def ledger(self) -> Ledger:
        """Its ledger."""
        return Ledger.open(f"sqlite:///{self.folder}/ledger.sqlite", "bench")


def planned(place: Place, wide: pa.Table) -> dict[str, Any]:
    """Make the plan and write it, as `ciblage plan --out` does."""
    before, started = _peak(), time.process_time()
    with place.ledger() as ledger:
        account = place.connector(FastClock(SPEED)).check().id
        made = plan([place.destination], wide, ledger, now=NOW, config_hash="h", accounts={"news": account})
        save(made, place.plan)
    return {"cpu": time.process_time() - started, "before": before, "peak": _peak()}


def pushed(place: Place, wide: pa.Table, *, is_profiled: bool) -> dict[str, Any]:
    """Read the plan and carry it, as `ciblage push --plan` does; of the people as it keeps them."""
    clock = FastClock(SPEED)
    carrier = Carrier(place.destination, place.connector(clock))
    known = People(wide)
    del wide
    before, started = _peak(), time.process_time()
    made = load(place.plan)
    loaded = time.process_time() - started
    profile = cProfile.Profile(time.process_time) if is_profiled else None
    with place.ledger() as ledger:
        started = time.process_time()
        if profile:
            profile.enable()
        (result,) = push(made, [carrier], ledger, known, clock=clock, now=NOW)
        if profile:
            profile.disable()
            pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(45)
        took = time.process_time() - started
    return {
        "cpu": took, "load": loaded, "before": before, "peak": _peak(), "applied": dict(result.applied),
        "noop": dict(result.noop), "rejected": len(result.rejected), "calls": result.calls, "error": repr(result.error),
    }  # fmt: skip


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def step(name: str, title: str, place: Place, asked: argparse.Namespace) -> dict[str, Any]:
    """One step of a round, in a process of its own: its peak is its own."""
    command = [sys.executable, __file__, "--step", name, "--rounds", title, "--contacts", str(asked.contacts)]
    command += ["--provider", place.provider, "--opened", json.dumps(place.opened), "--folder", str(place.folder)]
    command += ["--profile"] * asked.profile
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603 - this very file
    found: dict[str, Any] = json.loads(told)
    return found


def report(title: str, plan_: dict[str, Any], push_: dict[str, Any]) -> None:
    """A line of what one round took."""
    done = sum(push_["applied"].values()) + sum(push_["noop"].values())
    each = push_["cpu"] / max(1, done) * 1e6
    print(
        f"{title:<7} {push_['applied']!s:<44} rejected {push_['rejected']}  calls {push_['calls']:>5}  push {push_['cpu']:6.1f} s"
        f" = {each:5.1f} s a million changes, reading the plan {push_['load']:4.1f} s, peak {push_['peak']:4.0f} MB"
        f" ({push_['before']:.0f} before)  | plan {plan_['cpu']:5.1f} s, peak {plan_['peak']:4.0f} MB ({plan_['before']:.0f} before)",
        flush=True,
    )
    if push_["error"] != "None":
        print(f"  {push_['error']}")


def main() -> None:
    """Three rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", choices=sorted(OWN), default="klaviyo")
    parser.add_argument("--contacts", type=int, default=50_000)
    parser.add_argument("--profile", action="store_true", help="the calls of the pushing that take the most, on stderr")
    parser.add_argument("--rounds", default="create,update,leave")
    for hidden in ("--step", "--opened", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    rounds = {"create": {}, "update": {"city": "Paris"}, "leave": {"city": "Paris", "is_member": False}}
    if asked.step:
        place = Place(asked.provider, json.loads(asked.opened), Path(asked.folder))
        if asked.step == "plan":
            told = planned(place, people(asked.contacts, **rounds[asked.rounds]))
        else:
            told = pushed(place, people(asked.contacts).select(NEEDED), is_profiled=asked.profile)
        print(json.dumps(told))
        return
    with tempfile.TemporaryDirectory(prefix="ciblage-bench-") as folder, sandbox() as providers:
        place = Place(asked.provider, providers[asked.provider], Path(folder))
        print(f"{asked.provider}, {asked.contacts:,} contacts, {os.cpu_count()} cores")
        for title in asked.rounds.split(","):
            report(title, step("plan", title, place, asked), step("push", title, place, asked))


if __name__ == "__main__":
    main()
