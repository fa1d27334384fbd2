"""What an engine must say about itself to run a query: its dialect, its spellings, what it cannot do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from sqlglot import exp

from engine.errors import UnsupportedByBackend

if TYPE_CHECKING:
    import pyarrow as pa

Spelling = Callable[..., exp.Expr]

# every operation that engines spell differently; its operands
OPERATIONS = {
    "first": "(value, time, row, condition): the value at the smallest time, ties to the larger row",
    "last": "(value, time, row, condition): the value at the largest time, ties to the larger row",
    "weight": "(number, time): a value that is greater for the greater number, then for the later time",
    "lowest": "(value, key): the value at the smallest key",
    "micros": "(later, earlier): microseconds between two instants",
    "days": "(later, earlier): days between two dates",
    "month_day": "(date): month * 100 + day",
    "year": "(date)",
    "month": "(date)",
    "weekday": "(date): 1 is Monday, 7 is Sunday",
    "hour": "(instant)",
    "plus_seconds": "(instant, seconds)",
    "plus_months": "(instant, months): the same day, or that month's last day",
    "bucket": "(salt, id): the first 8 hex digits of the md5 of 'salt:id'",
    "divide": "(a, b): one IEEE division of two doubles; unknown by zero",
    "contains": "(text, part)",
    "starts": "(text, part)",
    "ends": "(text, part)",
}


class Backend(Protocol):
    """One engine."""

    @property
    def name(self) -> str:
        """As the config writes it."""
        ...

    @property
    def dialect(self) -> str:
        """As sqlglot calls it."""
        ...

    @property
    def spellings(self) -> Mapping[str, Spelling]:
        """Its words for OPERATIONS."""
        ...

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Those of OPERATIONS that it has no words for."""
        ...

    def run(self, query: exp.Query) -> pa.Table:
        """Run a query and return its rows; only results leave the engine."""
        ...


def spell(backend: Backend, operation: str, *operands: exp.Expr) -> exp.Expr:
    """One operation in a backend's words; UnsupportedByBackend where it has none."""
    found = backend.spellings.get(operation)
    if found is None or operation in backend.unsupported:
        raise UnsupportedByBackend(
            f"{backend.name} cannot compute {operation}{OPERATIONS[operation]}", hint="use [compute] backend = 'duckdb'"
        )
    return found(*operands)
