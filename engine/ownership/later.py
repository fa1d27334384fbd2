"""What the plans of later runs write: where one of them has the last word, an earlier run has none to take back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.plan.rows import DRIFT, SEPARATOR, UNDO

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Later", "effects"]

Column = Any  # an Arrow array or expression; Arrow ships no types

_MEMBERS = ("AddMember", "RemoveMember")
_VALUES = ("AddContact", "SetTraits", "ClearTraits")
_ROWS = 50_000  # of a file, in memory at one time


@dataclass(frozen=True, slots=True)
class Later:
    """Later runs and the files of their plans, oldest first.

    A later plan that ends where the run ended (the same person in the same list, the same value in the same field)
    found it otherwise before: somebody had undone the run's work, and what stands now is that plan's. One that ends
    elsewhere and was carried shows in the ledger; one that was not carried changed nothing. An undo or a repair gives
    an earlier run its word back, and takes none.
    """

    plans: Sequence[tuple[int, Path]] = ()

    def members(self, destination: str, hashes: Column) -> dict[str, int]:
        """Those of the changes of lists, by content hash, that a later plan has too: the last such run."""
        import pyarrow.compute as pc

        found: dict[str, int] = {}
        for run, path in self.plans if len(hashes) else ():
            for part in _parts(path, destination, _MEMBERS, ["content_hash"]):
                found |= dict.fromkeys(part[0].filter(pc.is_in(part[0], value_set=hashes)).to_pylist(), run)
        return found

    def values(self, destination: str, wanted: Column) -> Iterator[tuple[int, pa.Table]]:
        """Runs, oldest first, with the whole rows of those of their changes that may have one of these effects.

        An effect names the customer, who may have more than one address: whose it was, the change's hash tells.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        for run, path in self.plans if len(wanted) else ():
            parts = _parts(path, destination, _VALUES, ["content_hash", "customer_id", "field", "after"])
            same = [part[0].filter(pc.is_in(effects(*part.columns[1:]), value_set=wanted)) for part in parts]
            hashes = pc.unique(pa.concat_arrays([pa.array([], pa.string()), *same]))
            if len(hashes):
                whole = _parts(path, destination, _VALUES, None, pc.field("content_hash").isin(hashes))
                yield run, pa.Table.from_batches(list(whole))


def effects(customer: Column, field: Column, after: Column) -> Column:
    """What a change of a field comes to: whose, which, and the value (none: emptied)."""
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(customer, pc.fill_null(field, ""), pc.fill_null(after, ""), SEPARATOR)


def _parts(
    path: Path, destination: str, kinds: Sequence[str], columns: list[str] | None, more: Column = None
) -> Iterator[pa.RecordBatch]:
    """The rows of these kinds at a destination, some at a time; whole groups of others are not read."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    chosen = (pc.field("destination") == destination) & pc.field("kind").isin(list(kinds))
    chosen &= ~pc.field("why").isin([UNDO, DRIFT])
    chosen = chosen if more is None else chosen & more
    scanner = ds.dataset(path, format="parquet").scanner(
        columns=columns, filter=chosen, batch_size=_ROWS, batch_readahead=1, fragment_readahead=1, use_threads=False
    )
    yield from scanner.to_batches()
