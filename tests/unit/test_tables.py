from __future__ import annotations

import traceback
from pathlib import Path

import pyarrow as pa
import pytest

from engine.tables import Database, QueryError, name, text


def test_a_query_answers_in_columns() -> None:
    with Database() as database:
        found = database.query("SELECT ? AS a, 'é' AS b", [4])
    assert found.to_pylist() == [{"a": 4, "b": "é"}]


def test_an_arrow_table_is_read_under_its_name_until_it_is_forgotten() -> None:
    with Database() as database:
        database.register("given", pa.table({"a": [1, 2]}))
        assert database.scalar("SELECT sum(a) FROM given") == 3
        assert database.columns("given") == {"a": "BIGINT"}
        database.unregister("given")
        with pytest.raises(QueryError, match="given"):
            database.scalar("SELECT 1 FROM given")


def test_the_first_cell_of_no_row_is_none() -> None:
    with Database() as database:
        assert database.scalar("SELECT 1 WHERE FALSE") is None
        assert database.scalar("SELECT x FROM range(100000) t(x)") == 0
        assert database.tables() == frozenset()


@pytest.mark.parametrize("call", ["query", "rows", "scalar", "execute"])
def test_an_error_never_shows_an_address_not_even_in_its_chain(call: str) -> None:
    with Database() as database, pytest.raises(QueryError) as caught:
        getattr(database, call)("SELECT (lower('A' || 'nn') || '@example.com')::INTEGER")
    assert "ann" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_a_temporary_file_goes_with_its_database() -> None:
    database = Database.temporary(memory_limit="500MB", threads=1)
    database.execute("CREATE TABLE t AS SELECT 1 AS a")
    folder = Path(database.scalar("SELECT path FROM duckdb_databases() WHERE database_name = 'shop'")).parent
    assert folder.is_dir()
    database.close()
    database.close()
    assert not folder.exists()


def test_a_file_database_is_found_again(tmp_path: Path) -> None:
    with Database(tmp_path / "x.duckdb") as database:
        database.execute("CREATE TABLE t AS SELECT 7 AS a")
    with Database(tmp_path / "x.duckdb") as database:
        assert database.scalar("SELECT a FROM t") == 7
        assert "t" in database.tables()


@pytest.mark.parametrize("word", ['a"b', "a'b", "é €", "select", ""])
def test_quoted_words_come_back_as_they_are(word: str) -> None:
    with Database() as database:
        assert database.scalar(f"SELECT {text(word)}") == word
        assert database.query(f"SELECT 1 AS {name(word or 'x')}").column_names == [word or "x"]
