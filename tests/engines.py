"""The engines that the backend suite runs on, each started once, when a test first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import MappingProxyType

from engine.compute.backends.protocol import Engine
from engine.tables import Database


def duckdb() -> Engine:
    return Database(threads=1)


def postgres() -> Engine:
    from postgres_server import start_postgres

    return start_postgres()


def clickhouse() -> Engine:
    from engine.compute.backends.clickhouse_engine import ClickHouse

    return ClickHouse.in_process()


def spark() -> Engine:
    from spark_server import start_spark

    return start_spark()


STARTS: Mapping[str, Callable[[], Engine]] = MappingProxyType({
    "duckdb": duckdb,
    "postgres": postgres,
    "clickhouse": clickhouse,
    "spark": spark,
})  # fmt: skip


class Engines:
    """Started engines by name."""

    def __init__(self) -> None:
        self._started: dict[str, Engine] = {}
        self._open = ExitStack()

    def __getitem__(self, name: str) -> Engine:
        if name not in self._started:
            self._started[name] = STARTS[name]()
            self._open.callback(self._started[name].close)
        return self._started[name]

    def close(self) -> None:
        self._open.close()
