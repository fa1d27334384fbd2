"""The command line with its ledger on a PostgreSQL server."""

from __future__ import annotations

import psycopg
from round_lab import PROVIDERS, SEGMENTS, TITLES, Lab, writes

from engine.ledger.opening import schema_name

SCHEMA = schema_name("maison-lin")


def rows(server: str) -> dict[str, list[str]]:
    """Everything that the ledger holds, and which transaction wrote each row."""
    with psycopg.connect(server) as raw:
        names = raw.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (SCHEMA,)).fetchall()
        return {
            name: sorted(map(str, raw.execute(f'SELECT xmin, t.* FROM "{SCHEMA}"."{name}" t').fetchall()))  # type: ignore[call-overload]  # names of our own tables
            for (name,) in names
        }


def test_a_round_over_a_server_is_a_round_and_a_second_writes_nothing(fresh: Lab, postgres: str) -> None:
    fresh.config.write_text(f'{fresh.config.read_text("utf-8")}\n[ledger]\nurl = "{postgres}"\n', "utf-8")
    fresh.done("check")
    assert rows(postgres) == {}, "looking makes nothing"
    fresh.start()
    for destination, provider in PROVIDERS.items():
        for segment in SEGMENTS[destination]:
            assert fresh.members(provider, TITLES[segment]) == fresh.shop.expected(segment), (destination, segment)
    fresh.later(hours=1)
    assert fresh.ciblage("run").exit_code == 0  # what the first round did is engagement of this one
    before, there = rows(postgres), fresh.truth()
    assert len(before) > 10
    with fresh.calls() as calls:
        assert fresh.ciblage("plan").exit_code == 0
        assert rows(postgres) == before, "a plan leaves every row as it is"
        assert fresh.ciblage("run").exit_code == 0
    assert writes(calls) == []
    assert fresh.truth() == there
    assert not list((fresh.folder / "state").glob("*.sqlite*")), "nothing of it is here"
