"""What an expression may see: the customer, or one row of a source."""

from __future__ import annotations

from typing import Protocol

from sqlglot import exp

from engine.compute.backends.protocol import Backend
from engine.compute.bounds import Calendar
from engine.language import tree


class Scope(Protocol):
    """One place where expressions are compiled; `name` says it in messages.

    A compiled test may be NULL where it means false; `strict` in conditions makes it two-valued (rule 1).
    """

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def calendar(self) -> Calendar:
        """The run's time."""
        ...

    @property
    def backend(self) -> Backend:
        """The engine."""
        ...

    def fact(self, node: tree.Trait | tree.Column) -> exp.Expr:
        """The column that holds a fact."""
        ...

    def aggregate(self, node: tree.Aggregate) -> exp.Expr:
        """The value of an aggregate."""
        ...

    def average(self, node: tree.Value) -> tuple[exp.Expr, exp.Expr] | None:
        """Sum and count of an avg, so that comparing it needs no division (rule 22); None for anything else."""
        ...

    def rank(self, node: tree.Rank) -> exp.Expr:
        """The value of a rank."""
        ...

    def anniversary(self, node: tree.Value) -> exp.Expr | None:
        """The date whose month and day count, if the node is an anniversary."""
        ...

    def local_day(self, instant: exp.Expr) -> exp.Expr:
        """The local day of an instant."""
        ...

    def local(self, instant: exp.Expr) -> exp.Expr:
        """The local wall time of an instant."""
        ...

    def place(self, name: str) -> tuple[float, float]:
        """Latitude and longitude of a place."""
        ...

    def is_exact(self, node: tree.Trait | tree.Column | tree.Aggregate) -> bool:
        """Whether a text is compared as it is: ids and closed lists (rule 7)."""
        ...

    def special(self, node: tree.Test) -> exp.Expr:
        """A test that only customers have: did, has, in segment, reachable, top."""
        ...

    def identifier(self) -> exp.Expr:
        """The customer's id."""
        ...
