"""What keeps a client in order, on the command line, with the ledger on a PostgreSQL server: erase, undo, drift, adopt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from round_lab import CONFIG, TITLES, Lab, told, writes
from test_adopt import made_by_others
from test_drift import take_out
from test_erase import GONE, Down, holding

from engine.ledger.opening import schema_name

NUMBERS = count()
ALONE = CONFIG[: CONFIG.index("[destinations.newsletter]")] + CONFIG[CONFIG.index("[destinations.mailing]") :]
TEA = TITLES["tea"]


@pytest.fixture
def lab(fresh: Lab, postgres: str) -> Iterator[Lab]:
    """A client at one provider after its first round; its name on the server is nobody else's."""
    fresh.write(f'{ALONE}\nprefix = "maison-lin"\n\n[ledger]\nurl = "{postgres}"\n')
    fresh.edit('client = "maison-lin"', f'client = "upkeep-{next(NUMBERS)}"')
    fresh.start()
    yield fresh
    assert not list((fresh.folder / "state").glob("*.sqlite*")), "nothing of the ledger is here"


def naming(lab: Lab, server: str, words: str) -> set[str]:
    """Tables with rows that hold these words."""
    client = lab.config.read_text("utf-8").partition('client = "')[2].partition('"')[0]
    schema = schema_name(client)
    with psycopg.connect(server) as raw:
        names = raw.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall()
        every = {
            name: raw.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name))).fetchall()
            for (name,) in names
        }
    return {name for name, rows in every.items() if words in str(rows)}


def test_a_person_is_erased_and_an_erasure_that_could_not_end_goes_on_with_the_next_run(
    lab: Lab, postgres: str
) -> None:
    assert naming(lab, postgres, GONE) >= {"contacts"}
    world = lab.sandbox.world
    faults, world.faults = world.faults, Down("brevo")
    said = lab.ciblage("erase", GONE, "--yes", json=True)
    assert (said.exit_code, said.result["destinations"]) == (4, {"mailing": "failed"})
    assert naming(lab, postgres, GONE) == {"erasing"}, "what is left to do, and nothing else"
    assert naming(lab, postgres, "'c04'") == set()
    world.faults = faults
    lab.later(hours=1)
    lab.done("run")
    assert GONE not in lab.there("brevo")
    assert naming(lab, postgres, GONE) == set()
    assert holding(lab, GONE) == []
    receipt = json.loads(Path(said.result["receipt"]).read_text("utf-8"))
    assert receipt["done_at"] == lab.now.isoformat()
    assert receipt["destinations"]["mailing"]["state"] == "erased"
    assert "@" not in json.dumps(receipt)
    lab.later(days=1)
    lab.done("run")
    assert GONE not in lab.there("brevo"), "the shop still has them"
    assert naming(lab, postgres, GONE) == set()


def test_a_run_is_taken_back_drift_is_repaired_and_a_list_taken_over(lab: Lab) -> None:
    before = lab.members("brevo", TEA)
    lab.shop.change(80, orders=5, category="tea", newest=5)
    lab.stock()
    lab.later(days=1)
    lab.done("run")
    assert lab.members("brevo", TEA) == before | {"c80@example.com"}
    run = next(one["id"] for one in lab.done("history")["runs"] if one["command"] == "run")
    lab.later(hours=1)
    lab.done("undo", run, "--yes")
    assert lab.members("brevo", TEA) == before
    lab.later(hours=1)
    lab.done("push", "--yes")
    take_out(lab, "brevo", TEA, "c80@example.com")
    lab.later(hours=1)
    lab.done("drift", "--repair", "--yes")
    assert "c80@example.com" in lab.members("brevo", TEA)
    lab.later(hours=1)
    assert [one["missing"] for one in lab.done("drift")["destinations"][0]["lists"]] == [0, 0, 0]
    made_by_others(lab, "brevo", TITLES["lc_new"], "guest@else.example")
    lab.edit('segments = ["tea", "readers", "lc_active"]', 'segments = ["tea", "readers", "lc_active", "lc_new"]')
    lab.done("adopt", "mailing/lc_new", "--yes")
    told(lab, "adopt", "mailing/lc_new", exit_code=2, says=["adopted already"])
    lab.done("run")
    assert lab.members("brevo", TITLES["lc_new"]) == lab.shop.expected("lc_new") | {"guest@else.example"}
    lab.later(hours=1)
    with lab.calls() as calls:
        lab.done("run")
    assert writes(calls) == []
