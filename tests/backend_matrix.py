"""What docs/support-matrix.md says of engines, read from the code: their words, the config's pairs, the suite's marks."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.compute.backends import BACKENDS, backend
from engine.compute.backends.protocol import OPERATIONS
from engine.config import load
from engine.errors import ConfigError

CONFORMANCE = Path(__file__).parent / "conformance"
GAPS = {"notimpl": "we could", "notyet": "the engine must first", "never": "it cannot be"}
RUN_ON = {
    "duckdb": "the library in the tests' process",
    "postgres": "a PostgreSQL server that the tests start",
    "clickhouse": "chDB in the tests' process, and over HTTP on a loopback",
    "spark": "a local session; its SQL is the same on a cluster and through Spark Connect",
    "bigquery": "never run; read by sqlglot, written again for DuckDB and run there",
    "snowflake": "never run; read by sqlglot, written again for DuckDB and run there",
    "databricks": "never run there; on a local Spark, whose session is in another zone",
}
SHOPS = {
    "files": "",
    "tables in PostgreSQL": "postgresql://host/shop",
    "tables in ClickHouse": "clickhouse://host/shop",
    "tables that Spark reads": "spark://host:7077",
}


def lines() -> list[str]:
    """The engines' part of the page."""
    names = [*BACKENDS]
    return [
        "## Engines",
        "",
        "One query, spelled for each engine. `run`: every test of the backend suite passes there, among them the random definitions that a row-by-row",
        "evaluator checks. `spelled`: the SQL follows the vendor's documentation, and has a second reader, not the engine itself; nobody has run it there.",
        "`ciblage segments --sql --backend NAME` prints it. Gaps are the operations and tests that are named here, and no others.",
        "",
        _line(["engine", "computes", "what the suite runs on"]),
        _line(["---"] * 3),
        *(_line([f"`{name}`", "no, SQL only" if backend(name).untested else "yes", RUN_ON[name]]) for name in names),
        "",
        "### Where a shop's data may be",
        "",
        "`copied`: its tables are read into DuckDB first. `carried`: files are read here, by the same rules, and their tables go there. Any other pair is an",
        "error of the config. More: [scaling.md](scaling.md).",
        "",
        *_places([name for name in names if not backend(name).untested]),
        "",
        "### Operations that engines spell differently",
        "",
        _line(["operation", *names]),
        _line(["---"] * (len(names) + 1)),
        *(_line([f"`{one}` {_about(words)}".rstrip(), *(_spelled(name, one) for name in names)]) for one, words in OPERATIONS.items()),
        "",
        "### Gaps",
        "",
        *_gaps(),
        "",
    ]  # fmt: skip


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _about(words: str) -> str:
    return words.partition("): ")[2]


def _spelled(name: str, operation: str) -> str:
    words = backend(name)
    if operation in words.unsupported or operation not in words.spellings:
        return "gap"
    return "spelled" if words.untested else "run"


def _places(engines: list[str]) -> Iterator[str]:
    yield _line(["shop", *engines])
    yield _line(["---"] * (len(engines) + 1))
    for shop, url in SHOPS.items():
        yield _line([shop, *(_placed(url, engine) for engine in engines)])


def _placed(url: str, engine: str) -> str:
    """Whether the config takes the pair."""
    where = f'kind = "sql"\nurl = "{url}"' if url else 'kind = "files"'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ciblage.toml"
        path.write_text(f'client = "matrix"\n[shop]\n{where}\n[compute]\nbackend = "{engine}"\n', "utf-8")
        try:
            load(path, {})
        except ConfigError:
            return "–"
    if bool(url) is (engine != "duckdb"):
        return "yes"
    return "copied" if url else "carried"


def marks() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Test, word, engines and reason of every gap that the backend suite names."""
    for path in sorted(CONFORMANCE.glob("test_backend_*.py")):
        for function in ast.parse(path.read_text("utf-8")).body:
            for call in ast.walk(function) if isinstance(function, ast.FunctionDef) else ():
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in GAPS:
                    reason = next(ast.literal_eval(one.value) for one in call.keywords if one.arg == "reason")
                    yield function.name, call.func.attr, tuple(map(ast.literal_eval, call.args)), reason


def _gaps() -> list[str]:
    unspelled = [(one, name) for name in BACKENDS for one in OPERATIONS if _spelled(name, one) == "gap"]
    rows = [_line([f"`{one}`", name, "notimpl", "no words for it"]) for one, name in unspelled]
    rows += [
        _line([_sentence(test), ", ".join(names), f"{word}: {GAPS[word]}", reason])
        for test, word, names, reason in marks()
    ]
    if not rows:
        return ["None: every engine that runs here passes the whole suite, and every operation is spelled everywhere."]
    return [_line(["what", "engine", "word", "reason"]), _line(["---"] * 4), *rows]


def _sentence(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")
