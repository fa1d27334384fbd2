"""Who may be written to at the moment of the push: addresses are resolved here, and consent is asked once more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from connectors.types import Consent

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["People"]


class People:
    """The computed membership, read by customer and by address."""

    def __init__(self, table: pa.Table) -> None:
        import pyarrow.compute as pc

        said_no = pc.fill_null(pc.equal(table["consent_email"], Consent.UNSUBSCRIBED.value), False)
        may = pc.and_not(pc.fill_null(table["reachable_email"], False), said_no)
        self._ids = table["customer_id"].combine_chunks()
        self._emails = table["email"].combine_chunks()
        self._reachable = table["email"].filter(may).combine_chunks()
        self._said_no = table["email"].filter(said_no).combine_chunks()

    def emails(self, customer_ids: Any) -> Any:  # noqa: ANN401 - Arrow's columns carry no type
        """Today's address of each customer, null where there is none."""
        import pyarrow.compute as pc

        return self._emails.take(pc.index_in(customer_ids, value_set=self._ids))

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
