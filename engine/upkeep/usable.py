"""Customers' codes that a destination may hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.client import Client

__all__ = ["usable"]


def usable(client: Client, columns: Sequence[str] = ("offer", "customer_id", "code", "expires_at")) -> pa.Table:
    """Customers' codes that can be used and that a destination may hold; all columns for none."""
    import pyarrow.compute as pc

    from engine.ledger.codes import CodeState

    states = (CodeState.CONFIRMED, CodeState.PUSHED)
    codes = client.ledger.codes.table(states=states, columns=columns)
    return codes.filter(pc.fill_null(pc.greater(codes["expires_at"], client.now), True))
