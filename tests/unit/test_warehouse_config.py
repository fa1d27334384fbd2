"""Where a shop is and where it is computed, as the config says it: the pairs that there are, and no password in sight."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.config import load
from engine.config.settings import Settings
from engine.errors import ConfigError

HEAD = 'client = "x"\n[segments]\na = "true"\n'
SECRET = "s3cret-and-long"
SQL = '[shop]\nkind = "sql"\nurl = "postgresql://u:${SHOP_PASSWORD}@db.example/shop"\n'


def settings(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "ciblage.toml"
    path.write_text(HEAD + text, "utf-8")
    known = {"SHOP_PASSWORD": SECRET, "LEDGER_PASSWORD": SECRET, "SHOP_URL": f"clickhouse://u:{SECRET}@db.example/shop"}
    return load(path, known).settings


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        settings(tmp_path, text)
    whole = f"{refusal.value.place}: {refusal.value}"
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None  # it would hold the values
    assert SECRET not in whole
    return whole


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("", "duckdb"), ('[compute]\nbackend = "spark"', "spark"), ('[compute]\nbackend = "spark"\nurl = "local[4]"', "spark"), (SQL, "postgres"), (SQL + '[compute]\nbackend = "duckdb"', "duckdb"),
        (SQL + 'schema = "crm"\n[compute]\nschema = "ciblage"', "postgres"), ('[shop]\nkind = "sql"\nurl = "${SHOP_URL}"', "clickhouse"), ('[shop]\nkind = "sql"\nurl = "sc://cluster.example:15002"', "spark"),
    ],
)  # fmt: skip
def test_a_shop_is_computed_where_it_is_unless_the_config_says_otherwise(
    tmp_path: Path, text: str, engine: str
) -> None:
    assert settings(tmp_path, text).engine == engine


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[compute]\nbackend = "postgres"', "files cannot be computed by postgres; valid: duckdb, spark"),
        (SQL + '[compute]\nbackend = "spark"', "a shop in postgres cannot be computed by spark; valid: postgres, duckdb"),
        (SQL + '[compute]\nurl = "clickhouse://h/db"', "this is an address of clickhouse, not of postgres"),
        ('[compute]\nurl = "spark://h"', "url and schema are another engine's; duckdb runs on this machine"),
        (SQL + '[compute]\nbackend = "duckdb"\nschema = "w"', "url and schema are another engine's"),
        ('[shop]\nkind = "sql"', 'kind = "sql" has a url'),
        (SQL + 'path = "data"', "not a path"),
        ('[shop]\nurl = "postgresql://h/db"', "files have a path"),
        ('[shop]\nkind = "sql"\nurl = "mysql://h/db"', "no engine is at 'mysql:'; an address begins with postgresql"),
        (SQL + 'shema = "crm"', "did you mean 'schema'?"),
        (SQL + 'tables = "crm"', "unknown key 'tables'"),
        ('[compute]\nbackend = "duckbd"', "input should be 'duckdb', 'postgres', 'clickhouse' or 'spark'"),
    ],
)  # fmt: skip
def test_any_other_pair_is_refused_with_the_valid_ones(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


@pytest.mark.parametrize(
    "url",
    [f"postgresql://u:{SECRET}@h/db", f"clickhouse://:{SECRET}@h/db", f"postgresql:///db?host=/tmp&password={SECRET}", f"sc://h:1/;token={SECRET}", f"postgresql://u:${{SHOP_PASSWORD}}{SECRET}@h/db"],
)  # fmt: skip
def test_a_password_in_an_address_is_refused_without_repeating_it(tmp_path: Path, url: str) -> None:
    assert "holds a password; write ${NAME} in its place" in refused(tmp_path, f'[shop]\nkind = "sql"\nurl = "{url}"')


def test_an_address_never_shows(tmp_path: Path) -> None:
    found = settings(tmp_path, SQL + '[compute]\nurl = "postgresql://u:${SHOP_PASSWORD}@other.example/shop"')
    assert SECRET in str(found.shop.url)
    assert SECRET in str(found.compute.url)
    assert SECRET not in repr(found)
    assert SECRET not in refused(tmp_path, SQL + "nonsense = 1")


def test_a_wrong_address_behind_a_reference_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "ciblage.toml"
    path.write_text(HEAD + '[shop]\nkind = "sql"\nurl = "${SHOP_URL}"\n', "utf-8")
    with pytest.raises(ConfigError) as refusal:
        load(path, {"SHOP_URL": f"{SECRET}"})
    assert SECRET not in f"{refusal.value.place}: {refusal.value} {refusal.value.hint}"


SCALING = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text("utf-8")


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", SCALING, re.DOTALL))
def test_every_example_of_the_page_is_a_config(tmp_path: Path, text: str) -> None:
    found = settings(tmp_path, text)
    row = f"| `{found.shop.kind}` | "
    assert row in SCALING
    assert found.engine in {"duckdb", "postgres", "clickhouse", "spark"}
