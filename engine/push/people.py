"""Who may be written to at the moment of the push: addresses are resolved here, and consent is asked once more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from connectors.types import Consent
from engine.plan.directory import Directory

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["People"]


class People:
    """What a push needs of the computed membership, read by customer and by address: four of its columns, packed."""

    def __init__(self, table: pa.Table) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        said_no = pc.fill_null(pc.equal(table["consent_email"], Consent.UNSUBSCRIBED.value), False)
        may = pc.and_not(pc.fill_null(table["reachable_email"], False), said_no)
        known = {"email": pc.fill_null(table["email"], ""), "may": may, "said_no": said_no}
        self._directory = Directory(table["customer_id"].combine_chunks(), pa.table(known))

    def today(self, customer_ids: Any) -> pa.Table:  # noqa: ANN401 - Arrow's columns carry no type
        """Each customer's address ("email", "" without one) and whether it may be mailed ("may"), in their order."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = self._directory.of(customer_ids)
        is_known = pc.fill_null(found["may"], False)
        return pa.table({"email": pc.fill_null(found["email"], ""), "may": is_known})

    def may(self, addresses: Any) -> Any:  # noqa: ANN401 - Arrow's columns carry no type
        """Whether each address may be mailed, one boolean a row."""
        import pyarrow.compute as pc

        known = self._directory.known
        return pc.is_in(addresses, value_set=known["email"].filter(known["may"]).combine_chunks())

    def reachable(self, addresses: Sequence[str]) -> frozenset[str]:
        """Those of the addresses that may be mailed."""
        return self._among(addresses, "may")

    def said_no(self, addresses: Sequence[str]) -> frozenset[str]:
        """Those of the addresses whose owner has left."""
        return self._among(addresses, "said_no")

    def _among(self, addresses: Sequence[str], column: str) -> frozenset[str]:
        """The addresses are few: they are what is looked for."""
        import pyarrow as pa
        import pyarrow.compute as pc

        known = self._directory.known
        is_asked = pc.is_in(known["email"], value_set=pa.array([one for one in addresses if one], pa.string()))
        return frozenset(known["email"].filter(pc.and_(is_asked, known[column])).to_pylist())
