"""One command at a time changes a client: real processes, each command that writes, and a holder that dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import typer
from round_lab import Lab, told

from engine.cli import app

FILE = "FILE"
WRITING = {
    "push": ("--yes",),
    "pull": (),
    "run": (),
    "approve": (FILE, "--by", "Lin"),
    "rejected --retry": (),
    "codes export": (),
    "codes confirm": (FILE,),
    "undo": ("4", "--yes"),  # the push of the codes
    "drift --repair": ("--yes",),
    "adopt": ("newsletter/tea", "--yes"),
    "erase": ("c02@example.com", "--yes"),
}
OTHERS = {  # they read, or have nothing to do with a client's ledger
    "check", "segments", "members", "traits", "explain", "person", "plan", "status", "history", "rejected", "codes", "codes refused", "report", "drift", "logs",
    "connectors", "connectors new", "sandbox", "demo", "init", "schema", "schemas",
    "receive",  # runs beside the others: each delivery is a transaction of its own
}  # fmt: skip

HOLDER = """import sys, time
from datetime import UTC, datetime
from engine.ledger import Ledger
with Ledger.open(sys.argv[1], sys.argv[2]) as ledger, ledger.lock(who="run", since=datetime(2026, 11, 20, 3, 0, tzinfo=UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(lab: Lab) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the client's lock until its standard input ends."""
    url = f"sqlite:///{lab.folder / 'state' / 'maison-lin.sqlite'}"
    words = [sys.executable, "-c", HOLDER, url, "maison-lin"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def names(group: typer.core.TyperGroup, before: str = "") -> Iterator[str]:
    for name, one in group.commands.items():
        yield f"{before}{name}"
        if isinstance(one, typer.core.TyperGroup):
            yield from names(one, f"{name} ")


def test_every_command_is_known_to_write_or_not() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    known = {*WRITING, *OTHERS}
    assert set(names(group)) - known == set()


def test_while_one_command_runs_none_other_changes_the_client_and_each_tells_who_and_since_when(begun: Lab) -> None:
    file = begun.folder / "plan.parquet"
    begun.later(hours=3)
    begun.done("plan", "--out", file)
    confirmed = begun.folder / "confirmed.csv"
    with holder(begun) as process, begun.calls() as calls:
        says = f"another run of maison-lin holds the lock: 'run' (process {process.pid} on "
        for command, options in WRITING.items():
            given = [confirmed if command == "codes confirm" and one == FILE else one for one in options]
            words = [*command.split(), *(file if one == FILE else one for one in given)]
            told(begun, *words, exit_code=5, kind="locked", says=(says, "since 2026-11-20 03:00:00 UTC"))
    assert calls == [], "nobody was called either"


def test_a_lock_of_a_process_that_died_is_free(begun: Lab) -> None:
    begun.later(hours=3)
    with holder(begun) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        begun.done("run")


def test_looking_is_possible_while_another_command_runs(begun: Lab) -> None:
    begun.later(hours=3)
    with holder(begun):
        for command in ("status", "plan", "segments", "codes"):
            assert begun.ciblage(command, json=True).exit_code == 0, command
        assert "run" in begun.ciblage("status").out


@pytest.mark.parametrize("client", ["maison-lin"])
def test_the_lock_is_the_client_s_and_nobody_else_s(begun: Lab, client: str) -> None:
    begun.later(hours=3)
    begun.edit(f'client = "{client}"', 'client = "atelier-sel"')
    with holder(begun):
        assert begun.ciblage("pull", json=True).exit_code == 0
