"""`ciblage segments --sql`: what would be run here, or in another engine's words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlglot
from typer.testing import CliRunner

from engine.cli import app
from engine.compute.backends import BACKENDS, backend

CONFIG = (
    'client = "maison-lin"\n\n[shop]\npath = "."\n\n[segments]\nlyon = "city = \'Lyon\' and joined in last 3 days"\n'
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "customers.csv").write_text("customer_id,email,city,joined\na,a@example.com,Lyon,2026-11-19\n", "utf-8")
    (tmp_path / "ciblage.toml").write_text(CONFIG.replace("joined", "created_at"), "utf-8")
    return tmp_path / "ciblage.toml"


def ciblage(config: Path, *words: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, ["segments", *words, "--config", str(config), "--now", "2026-11-20T09:00Z"])
    assert done.exit_code == exit_code, done.output
    return done.output


@pytest.mark.parametrize("name", BACKENDS)
def test_any_backend_s_words_can_be_asked_for_and_one_that_is_never_run_says_so(shop: Path, name: str) -> None:
    written = ciblage(shop, "--sql", "--backend", name)
    remarks = [line for line in written.splitlines() if line.startswith("--")]
    assert remarks == [
        f"-- {warning}" for warning in json.loads(ciblage(shop, "--backend", name, "--json"))["warnings"]
    ]
    assert len(remarks) == backend(name).untested
    assert all("never run" in remark and name in remark for remark in remarks)
    [statement] = sqlglot.parse(written, dialect=backend(name).dialect)
    assert statement is not None
    assert statement.named_selects[-1] == "segment:lyon"


def test_without_a_name_it_is_the_shop_s_own(shop: Path) -> None:
    assert ciblage(shop, "--sql") == ciblage(shop, "--sql", "--backend", "duckdb")
    assert json.loads(ciblage(shop, "--sql", "--json"))["result"]["backend"] == "duckdb"


def test_a_backend_that_is_not_there_is_refused_with_the_nearest(shop: Path) -> None:
    told = ciblage(shop, "--backend", "bigqery", exit_code=2)
    assert "there is no backend 'bigqery'" in told
    assert "did you mean 'bigquery'?" in told
