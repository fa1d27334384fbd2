"""Customers found by their id among those near to them: no more is looked at than lies between the first and the last."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Directory"]


class Directory:
    """What is known of customers, one row each; `ids` are made their order where they are not in it."""

    def __init__(self, ids: pa.Array[Any], known: pa.Table) -> None:
        import pyarrow.compute as pc

        if not _is_sorted(ids):
            order = pc.sort_indices(ids)
            ids, known = ids.take(order), known.take(order)
        self._ids = ids
        self.known = known.combine_chunks()

    def of(self, customer_ids: Any) -> pa.Table:  # noqa: ANN401 - Arrow's columns carry no type
        """What is known of each, in their order; nulls of a stranger."""
        import pyarrow.compute as pc

        ends = pc.min_max(customer_ids).as_py()
        start = end = 0
        if ends["min"] is not None:
            start = bisect_left(range(len(self._ids)), ends["min"], key=self._id)
            end = bisect_right(range(len(self._ids)), ends["max"], key=self._id)
        near = self._ids.slice(start, end - start)
        return self.known.slice(start, end - start).take(pc.index_in(customer_ids, value_set=near))

    def _id(self, place: int) -> str:
        return str(self._ids[place].as_py())


def _is_sorted(ids: pa.Array[Any]) -> bool:
    import pyarrow.compute as pc

    return len(ids) == 0 or bool(pc.all(pc.less_equal(ids.slice(0, len(ids) - 1), ids.slice(1))).as_py())
