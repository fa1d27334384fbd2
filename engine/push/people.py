"""Who may be written to at the moment of the push: addresses are resolved here, and consent is asked once more."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from connectors.types import Consent

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["People"]


class People:
    """The computed membership, read by customer and by address."""

    def __init__(self, table: pa.Table) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        said_no = pc.fill_null(pc.equal(table["consent_email"], Consent.UNSUBSCRIBED.value), False)
        may = pc.and_not(pc.fill_null(table["reachable_email"], False), said_no)
        ids = table["customer_id"].combine_chunks()
        whole = pa.table({"id": ids, "email": pc.fill_null(table["email"], ""), "may": may}).combine_chunks()
        self._by_id = whole if _is_sorted(ids) else whole.take(pc.sort_indices(ids))
        self._reachable = table["email"].filter(may).combine_chunks()
        self._said_no = table["email"].filter(said_no).combine_chunks()

    def today(self, customer_ids: Any) -> pa.Table:  # noqa: ANN401 - Arrow's columns carry no type
        """Each customer's address ("email", "" without one) and whether it may be mailed ("may"), in their order.

        Customers who follow each other are found among those between the first and the last: no more is looked at.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = self._by_id["id"].chunk(0) if len(self._by_id) else pa.array([], pa.string())
        ends = pc.min_max(customer_ids).as_py()
        start, end = 0, 0
        if ends["min"] is not None:
            start = bisect_left(range(len(ids)), ends["min"], key=lambda place: ids[place].as_py())
            end = bisect_right(range(len(ids)), ends["max"], key=lambda place: ids[place].as_py())
        near = self._by_id.slice(start, end - start)
        found = near.take(pc.index_in(customer_ids, value_set=ids.slice(start, end - start)))
        is_known = pc.fill_null(found["may"], False)
        return pa.table({"email": pc.fill_null(found["email"], ""), "may": is_known})

    def may(self, addresses: Any) -> Any:  # noqa: ANN401 - Arrow's columns carry no type
        """Whether each address may be mailed, one boolean a row."""
        import pyarrow.compute as pc

        return pc.is_in(addresses, value_set=self._reachable)

    def reachable(self, addresses: Sequence[str]) -> frozenset[str]:
        """Those of the addresses that may be mailed."""
        return self._among(addresses, self._reachable)

    def said_no(self, addresses: Sequence[str]) -> frozenset[str]:
        """Those of the addresses whose owner has left."""
        return self._among(addresses, self._said_no)

    @staticmethod
    def _among(addresses: Sequence[str], known: Any) -> frozenset[str]:  # noqa: ANN401 - Arrow's columns carry no type
        import pyarrow as pa
        import pyarrow.compute as pc

        asked = pa.array(list(addresses), pa.string())
        return frozenset(asked.filter(pc.is_in(asked, value_set=known)).to_pylist())


def _is_sorted(ids: pa.Array[Any]) -> bool:
    import pyarrow.compute as pc

    return len(ids) == 0 or bool(pc.all(pc.less_equal(ids.slice(0, len(ids) - 1), ids.slice(1))).as_py())
