"""Changes of one kind for one target, as columns, and the plan's rows that they become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.plan import rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Changes"]

Column = Any  # an Arrow array; Arrow ships no types


@dataclass(frozen=True, slots=True)
class Changes:
    """Aligned columns, one row a change.

    `fields` by merge tag hold JSON scalars (null: not part of the change); "" is AddContact's status. `why` is one word
    for all, or a column of them.
    """

    destination: str
    kind: str
    target: str
    address: Column
    customer_id: Column
    fields: Mapping[str, Column] = field(default_factory=dict)
    before: Mapping[str, Column] = field(default_factory=dict)
    defaults: Mapping[str, Column] = field(default_factory=dict)
    why: Any = "segment"

    def hashes(self) -> pa.Array[Any]:
        """Each change's content hash."""
        import pyarrow as pa

        if not len(self.address):
            return pa.array([], pa.string())
        parts = []
        for at in range(0, len(self.address), rows.PART):
            fields = {name: column.slice(at, rows.PART) for name, column in self.fields.items()}
            address = self.address.slice(at, rows.PART)
            parts.append(rows.hashes(rows.contents(self.destination, self.kind, self.target, address, fields)))
        return pa.concat_arrays(parts)

    def rows(self, hashes: pa.Array[Any], kept: Column) -> pa.Table:
        """The plan's rows of the kept changes, in order: one a field, one alone for a kind without fields."""
        import pyarrow as pa

        parts = list(self.parts(hashes, kept))
        return pa.concat_tables(parts) if parts else rows.empty()

    def parts(self, hashes: pa.Array[Any], kept: Column) -> Iterator[pa.Table]:
        """The same, `rows.PART` changes of one phase at a time."""
        import pyarrow as pa
        import pyarrow.compute as pc

        places = pc.indices_nonzero(kept)
        keys = pa.table(
            {
                "phase": self._phases(self._whys(places)),
                "customer_id": self.customer_id.take(places),
                "hash": hashes.take(places),
            }
        )
        places = places.take(pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names]))
        count = pc.sum(pc.less(keys["phase"], 0)).as_py() or 0
        del keys
        for phase in (places.slice(0, count), places.slice(count)):
            for at in range(0, len(phase), rows.PART):
                yield self._rows(hashes, phase.slice(at, rows.PART))

    def _rows(self, hashes: pa.Array[Any], places: Column) -> pa.Table:
        """The rows of the changes at these places: a change's in the order of their fields, its status last."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.fields:
            return rows.packed(self._part(hashes, places, None))
        parts, owners = [], []
        for name in sorted(self.fields, key=lambda name: (not name, name)):
            numbers = pc.indices_nonzero(self.fields[name].take(places).is_valid())
            parts.append(self._part(hashes, places.take(numbers), name))
            owners.append(numbers)
        return rows.packed(pa.concat_tables(parts).take(pc.sort_indices(pa.concat_arrays(owners))))

    def _part(self, hashes: pa.Array[Any], places: Column, name: str | None) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        count = len(places)
        digest = hashes.take(places)
        is_cleared = self.kind == "ClearTraits"
        columns = {
            "change_id": pc.utf8_slice_codeunits(digest, 0, rows.ID_LENGTH),
            "destination": _same(self.destination, count),
            "target": _same(self.target, count),
            "kind": _same(self.kind, count),
            "customer_id": self.customer_id.take(places),
            "field": _same(name or None, count),
            "before": self.before[name].take(places)
            if name is not None and name in self.before
            else _same(None, count),
            "after": _same(None, count) if name is None or is_cleared else self.fields[name].take(places),
            "content_hash": digest,
            "why": self._whys(places),
            "is_default": self.defaults[name].take(places)
            if name is not None and name in self.defaults
            else pa.repeat(pa.scalar(value=False), count),
        }
        columns["phase"] = self._phases(columns["why"])
        return pa.table(columns, schema=rows.schema())

    def _whys(self, places: Column) -> Column:
        return _same(self.why, len(places)) if isinstance(self.why, str) else self.why.take(places)

    def _phases(self, why: Column) -> Column:
        import pyarrow as pa
        import pyarrow.compute as pc

        first, later = (pa.scalar(rows.phase(self.kind, is_first=is_first), pa.int8()) for is_first in (True, False))
        return pc.if_else(pc.is_in(why, value_set=pa.array(sorted(rows.FIRST))), first, later)


def _same(text: str | None, count: int) -> Column:
    import pyarrow as pa

    return pa.repeat(pa.scalar(text, pa.string()), count)
