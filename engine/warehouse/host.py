"""Where a shop's tables are: an engine that can list them, and its addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from engine.compute.backends.protocol import Engine
from engine.errors import DataError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.shop import OwnTable

__all__ = ["Address", "Host", "Warehouse", "connect"]


class Host(Engine, Protocol):
    """An engine with tables of its own."""

    def tables(self, schema: str) -> frozenset[str]:
        """Names of the tables and views of a schema."""
        ...

    def columns(self, table: str, schema: str | None = None) -> Mapping[str, str]:
        """Column names with the engine's own types, in order; without a schema, of what we registered, kept or defined."""
        ...

    def define(self, view: str, sql: str) -> None:
        """Have a query under a name for this connection alone, until `unregister`; it is computed when it is read."""
        ...

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Run one statement and return its rows piece by piece."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """How an engine is reached: its url, the schema of the shop's tables, the one for overlays, and limits (Spark's)."""

    url: str | None
    schema: str | None = None
    overlays: str | None = None
    memory_limit: str | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warehouse:
    """A shop's tables in a schema of a host; `mapping` as `[shop.mapping]` says it, `own` tables by source name."""

    host: Host
    schema: str
    mapping: str | Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, OwnTable] = field(default_factory=dict)

    def place(self, table: str) -> str:
        """What messages call one of its tables."""
        return f"{self.schema}.{table}"

    def missing(self, table: str) -> DataError:
        """Say that a table is not there, and which are."""
        there = sorted(self.host.tables(self.schema))
        near = nearest(table, there)
        hint = f"did you mean {near!r}? " * bool(near) + f"there: {', '.join(there) or 'nothing'}"
        return DataError(f"{table} is missing", place=f"schema {self.schema}", hint=hint)


def connect(engine: str, address: Address) -> tuple[Host, str]:
    """Reach an engine; returns it and the schema of the shop's tables. Raises ConfigError, never with the password."""
    return _CONNECT[engine](address)


def _postgres(address: Address) -> tuple[Host, str]:
    from engine.compute.backends.postgres_engine import Postgres

    found = Postgres.connect(address.url or "", schema=address.schema, writable=address.overlays)
    return found, address.schema or "public"


def _clickhouse(address: Address) -> tuple[Host, str]:
    from engine.compute.backends.clickhouse_engine import ClickHouse

    database = urlsplit(address.url or "").path.strip("/") or "default"
    return ClickHouse.connect(address.url or "", schema=address.overlays), address.schema or database


def _spark(address: Address) -> tuple[Host, str]:
    from engine.compute.backends.spark import connect as start

    found = start(address.url, schema=address.schema, memory_limit=address.memory_limit, threads=address.threads)
    return found, address.schema or "default"


_CONNECT: Mapping[str, Callable[[Address], tuple[Host, str]]] = MappingProxyType(
    {"postgres": _postgres, "clickhouse": _clickhouse, "spark": _spark}
)
