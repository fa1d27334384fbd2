"""The command line after an upgrade, with the ledger of an older ciblage: looking says what to do, the first command that writes does it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from homes import poured
from round_lab import Lab


def version(path: Path) -> str:
    with closing(sqlite3.connect(path)) as raw:
        (found,) = raw.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        return str(found)


@pytest.mark.parametrize("before", [1, 2])
def test_the_first_command_that_writes_brings_an_old_ledger_up_to_date(fresh: Lab, before: int) -> None:
    state = fresh.folder / "state"
    state.mkdir(exist_ok=True)
    poured(before, str(state), "maison-lin")
    with closing(sqlite3.connect(state / "maison-lin.sqlite")) as raw, raw:
        raw.execute("DELETE FROM cursors")  # these are of no provider
    ledger, bytes_before = state / "maison-lin.sqlite", (state / "maison-lin.sqlite").read_bytes()
    for command in ("status", "plan"):
        said = fresh.ciblage(command)
        assert said.exit_code == 2, said
        assert "older ciblage" in said.err
        assert "ciblage pull" in said.err
    assert ledger.read_bytes() == bytes_before
    assert fresh.ciblage("pull").exit_code == 0
    assert int(version(ledger)) > before
    assert version(state / f"maison-lin.sqlite.v{before}.bak") == str(before)
    assert fresh.ciblage("status").exit_code == 0
    assert fresh.ciblage("rejected", "--retry").exit_code == 0
