"""What a query spends its time on, operator by operator, as DuckDB's profile has it.

A profile is a tree of `{"type", "timing", "intermediate_rows", "extra_info", "children"}`. `timing` is in seconds, summed over
the threads, without the children's. A step is the part of the tree that reads one table (`orders 2` is the second such), or
one table after another; what joins them to the customers is in the common table expression around it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from engine.tables import Database, text

Node: TypeAlias = Mapping[str, Any]
SPOKEN = ("Aggregates", "Expression", "Filters", "Conditions", "Order By", "Projections")  # the most telling first
RESULT, OUTSIDE = "the result", "outside: text, plan, Arrow"


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: the step it is in, seconds, rows that leave it and what it computes."""

    step: str
    kind: str
    seconds: float
    rows: int = 0
    detail: str = ""


def profile(database: Database, run: Callable[[Database], object]) -> list[Operator]:
    """Run something twice and take the last query of the second time apart; what its operators did not take comes last."""
    run(database)
    with TemporaryDirectory(prefix="ciblage-profile-") as folder:
        path = Path(folder) / "profile.json"
        database.execute(f"PRAGMA enable_profiling = 'json'; SET profiling_output = {text(str(path))}")
        started = time.process_time()
        run(database)
        worked = time.process_time() - started
        database.execute("PRAGMA disable_profiling")
        roots = json.loads(path.read_text("utf-8"))["operator"]
    found = [one for root in roots for one in _Walk().operators(root, RESULT, RESULT)]
    return [*found, Operator(OUTSIDE, "", worked - sum(one.seconds for one in found))]


def show(operators: list[Operator], most: int = 24) -> None:
    """Print the seconds of every step, then the operators that take the most."""
    whole, steps = sum(one.seconds for one in operators), dict.fromkeys((one.step for one in operators), 0.0)
    for one in operators:
        steps[one.step] += one.seconds
    print(f"\n{'step':<34}{'cpu s':>8}{'share':>8}")
    for step, seconds in sorted(steps.items(), key=lambda item: -item[1]):
        print(f"{step:<34}{seconds:>8.3f}{seconds / whole:>8.1%}")
    print(f"{'all':<34}{whole:>8.3f}\n\n{'step: operator':<34}{'cpu s':>8}{'share':>8}{'rows':>12}")
    for one in sorted(operators, key=lambda one: -one.seconds)[:most]:
        label = f"{one.step}: {one.kind}" if one.kind else one.step
        print(f"{label:<34}{one.seconds:>8.3f}{one.seconds / whole:>8.1%}{one.rows:>12,}  {one.detail}")


@dataclass(frozen=True, slots=True)
class _Walk:
    """The steps of a name so far."""

    begun: Counter[str] = field(default_factory=Counter)

    def operators(self, node: Node, step: str, around: str) -> Iterator[Operator]:
        """A node and all below it; `around` is the common table expression that they make, `step` the one of its parent."""
        extra, children = node.get("extra_info") or {}, node.get("children", [])
        own = self._begin(node, around) if step == around else step
        yield Operator(
            step=own,
            kind=node["type"].lower().replace("_", " "),
            seconds=float(node.get("timing") or 0),
            rows=int(node.get("intermediate_rows") or 0),
            detail=_detail(extra),
        )
        names = [extra["CTE Name"], around] if node["type"] == "CTE" else [around] * len(children)
        for child, name in zip(children, names, strict=True):
            yield from self.operators(child, own if name == around else name, name)

    def _begin(self, node: Node, around: str) -> str:
        tables = _tables(node)
        if not tables or ("customers" in tables and len(tables) > 1):
            return around
        step = ", ".join(sorted(tables))
        self.begun[step] += 1
        return step if self.begun[step] == 1 else f"{step} {self.begun[step]}"


def _tables(node: Node) -> set[str]:
    extra = node.get("extra_info") or {}
    own = {extra["Table"].split(".")[-1].strip('"')} if "Table" in extra else set[str]()
    return own.union(*(_tables(child) for child in node.get("children", [])))


def _detail(extra: Mapping[str, Any], width: int = 70) -> str:
    found = next((extra[key] for key in SPOKEN if extra.get(key)), "")
    many = [found] if isinstance(found, str) else list(found)
    said = ", ".join(many)
    return f"({len(many)}) " * (len(many) > 1) + (said if len(said) <= width else said[: width - 1] + "…")
