"""The plans that runs carried, kept as files: what a run wrote, and what stood there before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.plan.plan import Plan

__all__ = ["Kept"]

_SUFFIX = ".parquet"


class Kept:
    """The plans of one client's runs: `<run>.parquet` in a folder, for its owner alone; they hold no address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, run: int, plan: Plan) -> str:
        """Write a plan so that it outlives a crash at any later moment; returns its checksum."""
        from engine.plan.file import save

        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return save(plan, self.path(run))

    def path(self, run: int) -> Path:
        """Where a run's plan is."""
        return self._folder / f"{run}{_SUFFIX}"

    def runs(self) -> list[int]:
        """Runs whose plan is here, oldest first."""
        found = self._folder.glob(f"*{_SUFFIX}") if self._folder.is_dir() else ()
        return sorted(int(path.stem) for path in found if path.stem.isdecimal())

    def of(self, run: int) -> Plan:
        """The plan of a run. Raises ConfigError where it is no longer kept."""
        from engine.plan.file import load

        if run not in self.runs():
            raise ConfigError(
                f"the plan of run {run} is no longer kept",
                place=str(run),
                hint="plans are kept as [history] of the config says",
            )
        return load(self.path(run))

    def prune(self, most: int, old: Collection[int] = ()) -> None:
        """Forget the oldest: those beyond `most`, and those of `old` runs while nothing older than them stays."""
        runs = self.runs()
        for place, run in enumerate(runs):
            if place >= len(runs) - most and run not in old:
                break
            self.path(run).unlink(missing_ok=True)

    def without(self, customer_id: str) -> int:
        """Forget a person: their rows leave every plan. Returns how many plans named them."""
        return sum(1 for run in self.runs() if self._forget(run, customer_id))

    def _forget(self, run: int, customer_id: str) -> bool:
        from engine.plan.spool import Rows

        plan = self.of(run)
        left = Rows.of(_others(table, customer_id) for table in plan.stored.tables())
        if len(left) == len(plan.stored):
            return False
        self.keep(run, replace(plan, stored=left))
        return True


def _others(table: pa.Table, customer_id: str) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.fill_null(pc.not_equal(table["customer_id"], customer_id), True))
