"""What an engine is: its words for the operations that engines spell differently, and a place where queries run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from sqlglot import ErrorLevel, UnsupportedError, exp

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """An engine's words: sqlglot's name of its dialect, and its spellings of OPERATIONS but those that it has none for."""

    name: str
    dialect: str
    spellings: Mapping[str, Spelling]
    unsupported: tuple[str, ...] = ()
    rewrite: Callable[[exp.Query], exp.Query] = lambda query: query  # what the whole tree needs before it is spelled
    keeps_steps: bool = (
        False  # a step that is read more than once becomes a table: this engine would compute it each time
    )
    # (value, number, time, key): the value at the greatest number, then the latest time, then the smallest key, as one
    # aggregate; without it the query finds the greatest `weight` first
    favourite: Spelling | None = None
    # (number, time, key, values): the same, where keys are places in a list of all values, from 1 to below 2**32
    numbered_favourite: Spelling | None = None
    # (order, shares): a list with the known value that stands at each of these shares of the way from the first in that
    # order; without it each value's place is counted
    cuts: Callable[[exp.Ordered, Sequence[Decimal]], exp.Expr] | None = None
    # (mark): how many different powers of two stand in a column, below 2**62; without it each one is counted for itself
    marks: Spelling | None = None
    untested: bool = False  # spelled from the vendor's documentation: no suite has run it

    def text(self, query: exp.Query, *, pretty: bool = False) -> str:
        """A query as this engine reads it."""
        try:
            return self.rewrite(query.copy()).sql(
                dialect=self.dialect, pretty=pretty, unsupported_level=ErrorLevel.RAISE, copy=False
            )
        except UnsupportedError as error:  # sqlglot would warn, and leave the part out
            raise UnsupportedByBackend(f"{self.name}: {error}") from None


class Engine(Protocol):
    """Where tables are and queries run; only results leave it, as Arrow: instants naive UTC, numbers exact or double."""

    @property
    def name(self) -> str:
        """The name of its backend."""
        ...

    def query(self, sql: str) -> pa.Table:
        """Run one statement and return its rows."""
        ...

    def columns(self, table: str) -> Mapping[str, str]:
        """Column names of a table with the engine's own types, in order."""
        ...

    def register(self, table: str, data: pa.Table) -> None:
        """Make an Arrow table readable under a name for as long as the engine is open; one of that name is replaced."""
        ...

    def unregister(self, table: str) -> None:
        """Forget a registered table."""
        ...

    def keep(self, table: str, sql: str) -> None:
        """Have a query's rows as a table of this connection alone, until `unregister`."""
        ...

    def close(self) -> None:
        """Let go of it; closing twice is harmless."""
        ...


def spell(backend: Backend, operation: str, *operands: exp.Expr) -> exp.Expr:
    """One operation in a backend's words; UnsupportedByBackend where it has none."""
    found = backend.spellings.get(operation)
    if found is None or operation in backend.unsupported:
        raise UnsupportedByBackend(
            f"{backend.name} cannot compute {operation}{OPERATIONS[operation]}", hint="use [compute] backend = 'duckdb'"
        )
    return found(*operands)
