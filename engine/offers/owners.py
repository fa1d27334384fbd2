"""Whose a code is, where several customers turned out to be one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.ledger.codes import LIVE

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["owned"]


def owned(codes: pa.Table, aliases: pa.Table | None, *, keeps_order: bool = True) -> pa.Table:
    """The codes with the person in place of the customer; `aliases` has customer_id and canonical.

    Otherwise than in their order: of two live codes of a person the one that stays comes first. It is the one that went
    furthest (what is in somebody's hands stays there), then the older one, then the smaller id.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if aliases is None or not len(aliases):
        return codes
    place = pc.index_in(codes["customer_id"], value_set=aliases["customer_id"].combine_chunks())
    person = pc.coalesce(aliases["canonical"].take(place.combine_chunks()), codes["customer_id"])
    codes = codes.set_column(codes.column_names.index("customer_id"), "customer_id", person)
    if keeps_order:
        return codes
    rank = pc.index_in(codes["state"], value_set=pa.array([state.value for state in LIVE]))
    order = [("rank", "descending"), ("issued_at", "ascending"), ("code_id", "ascending")]
    return codes.append_column("rank", rank).sort_by(order).drop_columns(["rank"])
