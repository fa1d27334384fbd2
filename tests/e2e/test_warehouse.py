"""The command line over a shop in PostgreSQL: computed there, or copied here, it does what it does over files."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from postgres_server import start_server
from round_lab import SEGMENTS, TITLES, Lab, furnished, told
from warehouse_lab import AWARE, DAY, MONEY, TEXT, WHOLE, Raw, load

from connectors.sandbox.server import Server
from engine.compute.backends.postgres_engine import Postgres
from engine.tables import Database

ROLE, PASSWORD = "guarded", "hunter2-and-more"
KINDS = {
    "created_at": AWARE, "consent_email_at": AWARE, "ordered_at": AWARE, "birth_date": DAY, "quantity": WHOLE,
    "total": MONEY, "price": MONEY,
}  # fmt: skip
COMPUTED = {"there": "", "here": '[compute]\nbackend = "duckdb"\n', "in a schema": '[compute]\nschema = "ciblage"\n'}


@dataclass(frozen=True)
class Base:
    """A PostgreSQL server, and whoever may do everything there."""

    url: str
    owner: Postgres

    def stock(self, lab: Lab, folder: Path) -> str:
        """The lab's shop as typed tables of a new schema; returns its name."""
        lab.stock()
        schema = load(self.owner, Raw(tables={file.stem: typed(file) for file in lab.data.glob("*.csv")}), folder)
        self.owner.execute(f"GRANT USAGE ON SCHEMA {schema} TO {ROLE}")
        self.owner.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {ROLE}")
        return schema

    def ours(self) -> list[str]:
        """What of ours others could see."""
        return sorted(self.owner.tables("ciblage"))


def typed(file: Path) -> pa.Table:
    """A file of the lab as its columns are meant."""
    with Database() as database:
        rows = database.query(f"SELECT * FROM read_csv('{file}', all_varchar = true)")
    kinds = [(name, KINDS.get(name, TEXT)) for name in rows.column_names]
    with Database() as database:
        database.register("texts", rows)
        words = {AWARE: "TIMESTAMPTZ", DAY: "DATE", WHOLE: "BIGINT", MONEY: "DECIMAL(12,2)", TEXT: "VARCHAR"}
        cells = ", ".join(f'CAST("{name}" AS {words[kind]}) AS "{name}"' for name, kind in kinds)
        return database.query(f"SELECT {cells} FROM texts").cast(pa.schema(kinds))


@pytest.fixture(scope="module")
def base() -> Iterator[Base]:
    server = start_server()
    with Postgres.connect(server.get_uri()) as owner:
        owner.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        owner.execute(f"CREATE SCHEMA ciblage AUTHORIZATION {ROLE}")
        yield Base(server.get_uri(), owner)
    server.cleanup()


@pytest.fixture(params=COMPUTED)
def lab(request: pytest.FixtureRequest, fresh: Lab, base: Base, tmp_path: Path) -> Lab:
    """A client whose shop is in the database."""
    return moved(fresh, base, tmp_path, COMPUTED[request.param])


def moved(lab: Lab, base: Base, folder: Path, computed: str = "") -> Lab:
    """The lab, its shop in the database and nowhere else."""
    schema = base.stock(lab, folder)
    for file in lab.data.glob("*.csv"):
        file.unlink()
    where = base.url.partition("?")[2]
    (lab.folder / "secrets" / "SHOP_PASSWORD").write_text(PASSWORD, "utf-8")
    url = f"postgresql://{ROLE}:${{SHOP_PASSWORD}}@/postgres?{where}"
    lab.edit('[shop]\npath = "data"\n', f'[shop]\nkind = "sql"\nurl = "{url}"\nschema = "{schema}"\n{computed}')
    return lab


def looked(lab: Lab) -> dict[str, Any]:
    """What the reading commands say."""
    found = {words: lab.done(*words.split()) for words in ("check", "segments", "traits c01 c07 c30", "explain loyal --customer c05")}  # fmt: skip
    for key in ("sql", "place"):  # in each engine's own words, in each client's own file
        found["explain loyal --customer c05"].pop(key)
    listed = lab.ciblage("members", "lc_active", "--reachable")
    assert listed.exit_code == 0
    return {**found, "members": listed.out}


def test_looking_says_what_it_says_over_files(fresh: Lab, base: Base, tmp_path: Path, server: Server) -> None:
    wanted = looked(fresh)
    for name, computed in COMPUTED.items():
        lab = moved(furnished(tmp_path / name.replace(" ", "_"), server), base, tmp_path / f"{name}_raw", computed)
        found = looked(lab)
        for words, said in wanted.items():
            assert found[words] == said, (name, words)
        assert base.ours() == []


def test_a_round_ends_with_everyone_where_they_belong_and_a_second_writes_nothing(lab: Lab, base: Base) -> None:
    lab.start()
    for destination, provider in {"newsletter": "mailchimp", "flows": "klaviyo", "mailing": "brevo"}.items():
        for segment in SEGMENTS[destination]:
            if segment != "readers":
                assert lab.members(provider, TITLES[segment]) == lab.shop.expected(segment), (destination, segment)
    lab.unsubscribe("mailchimp", "c05@example.com")
    lab.later(hours=1)
    lab.done("run")
    assert "c05@example.com" not in lab.members("brevo", TITLES["lc_active"])
    before = lab.truth()
    lab.later(hours=1)
    again = lab.done("run")
    assert lab.truth() == before
    assert again["pushed"]["results"] == [] or all(not one["applied"] for one in again["pushed"]["results"])
    assert base.ours() == []


def test_what_is_copied_is_its_owners_alone(fresh: Lab, base: Base, tmp_path: Path) -> None:
    lab = moved(fresh, base, tmp_path, COMPUTED["here"])
    lab.done("segments")
    files = list((lab.folder / "state" / "shop").iterdir())
    assert {path.name for path in files} == {"customers.parquet", "orders.parquet", "order_lines.parquet", "products.parquet"}  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_what_is_computed_there_leaves_no_customers_here(fresh: Lab, base: Base, tmp_path: Path) -> None:
    lab = moved(fresh, base, tmp_path)
    lab.done("segments")
    state = lab.folder / "state"
    assert [path for path in state.rglob("*") if "people" in path.name or "shop" in path.name] == []


def test_the_sql_is_told_in_the_words_of_the_database(fresh: Lab, base: Base, tmp_path: Path) -> None:
    said = moved(fresh, base, tmp_path).ciblage("segments", "--sql")
    assert said.exit_code == 0
    assert "ARG_MAX" not in said.out.upper()
    with Database() as database, pytest.raises(Exception, match="Error"):
        database.query(said.out)


def test_a_wrong_password_is_told_without_it(fresh: Lab, base: Base, tmp_path: Path) -> None:
    lab = moved(fresh, base, tmp_path)
    (lab.folder / "secrets" / "SHOP_PASSWORD").write_text("wrong-and-secret", "utf-8")
    error = told(lab, "segments", exit_code=2, kind="config", says=["password"])
    assert "wrong-and-secret" not in str(error)


def test_a_table_that_is_missing_is_told_with_the_nearest(fresh: Lab, base: Base, tmp_path: Path) -> None:
    lab = moved(fresh, base, tmp_path)
    schema = lab.config.read_text("utf-8").partition('schema = "')[2].partition('"')[0]
    base.owner.execute(f"ALTER TABLE {schema}.customers RENAME TO customer")
    told(lab, "check", exit_code=2, kind="data", place=f"schema {schema}", says=["customers is missing", "did you mean 'customer'?"])  # fmt: skip


def test_rows_that_cannot_be_read_are_told_by_table(fresh: Lab, base: Base, tmp_path: Path) -> None:
    lab = moved(fresh, base, tmp_path)
    schema = lab.config.read_text("utf-8").partition('schema = "')[2].partition('"')[0]
    base.owner.execute(f"INSERT INTO {schema}.orders (order_id, customer_id) VALUES ('late', 'c01'), ('odd', 'nobody')")
    assert lab.done("check")["set_aside"] == [["orders", 0, "ordered_at is missing", 2]]
    shown = lab.ciblage("check")
    assert "  orders  ordered_at" in shown.out
    assert "orders:0" not in shown.out
