"""Where a query runs: one module an engine, each a table of spellings and, beyond DuckDB, a connection."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.errors import ConfigError, nearest

if TYPE_CHECKING:
    from engine.compute.backends.protocol import Backend

__all__ = ["BACKENDS", "backend"]

BACKENDS: Mapping[str, str] = MappingProxyType(
    {
        "duckdb": "duckdb",
        "postgres": "postgres",
        "clickhouse": "clickhouse",
        "spark": "spark",
        "bigquery": "dialects.bigquery",
        "snowflake": "dialects.snowflake",
        "databricks": "dialects.databricks",
    }
)  # name → module of this package


def backend(name: str) -> Backend:
    """An engine's words. Raises ConfigError with the nearest name."""
    if name not in BACKENDS:
        near = nearest(name, BACKENDS)
        hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(BACKENDS)}"
        raise ConfigError(f"there is no backend '{name}'", place="[compute] backend", hint=hint)
    found: Backend = import_module(f"{__name__}.{BACKENDS[name]}").BACKEND
    return found
