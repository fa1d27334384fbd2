"""The command line where the ledger's disk fills up, or its file is no ledger: exit 2, in words, and the next run ends what was begun."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from round_lab import PROVIDERS, SEGMENTS, TITLES, Lab

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.argv = ["ciblage", *sys.argv[2:]]
from engine.cli import main
main()
"""


def limited(lab: Lab, size: int, *words: str) -> subprocess.CompletedProcess[str]:
    """One command in a process whose files may grow to so many bytes."""
    more = ["--config", str(lab.config), "--now", lab.now.isoformat()]
    command = [sys.executable, "-c", LIMITED, str(size), *words, *more]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=dict(os.environ))


def test_a_push_whose_disk_is_full_is_ended_by_the_next_one(fresh: Lab) -> None:
    fresh.done("pull")
    ledger = fresh.folder / "state" / "maison-lin.sqlite"
    empty = ledger.stat().st_size
    ends = []
    for room in (0, 40_000, 160_000):  # of the journal: none, for a few writes, for more
        said = limited(fresh, empty + room, "push", "--yes")
        ends.append(said.returncode)
        assert "Traceback" not in said.stderr
        assert "@" not in said.stderr
        if said.returncode:
            assert said.returncode == 2, said
            assert "the disk full" in said.stderr + said.stdout or "the disk is full" in said.stderr + said.stdout
    assert 2 in ends
    fresh.done("push", "--yes")
    fresh.confirm()
    fresh.done("push")
    for destination, provider in PROVIDERS.items():
        for segment in SEGMENTS[destination]:
            assert fresh.members(provider, TITLES[segment]) == fresh.shop.expected(segment), (destination, segment)
    assert len(fresh.done("codes")["counts"]["thanks"]) == 1, "nobody has a second code"


@pytest.mark.parametrize("command", ["status", "plan", "run"])
def test_a_file_that_is_no_ledger_ends_with_2(begun: Lab, command: str) -> None:
    ledger = begun.folder / "state" / "maison-lin.sqlite"
    ledger.write_bytes(b"someone@example.com\n" * 1000)
    said = begun.ciblage(command)
    assert said.exit_code == 2
    assert "no database" in said.err
    assert "someone@" not in said.err + said.out
    assert ledger.read_bytes() == b"someone@example.com\n" * 1000
