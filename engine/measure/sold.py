"""What discount codes brought: by offer, how many were given and used in a time, and the money of the orders that used them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.measure.rates import Shop

__all__ = ["Sold", "sold"]

_GIVEN = "reported_codes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """One offer: codes issued, sent and used in the time; `revenue`: paid, less refunds, of the orders that used them.

    `discount`: what those orders' lines and totals say was taken off; None where the shop does not say.
    """

    offer: str
    issued: int
    sent: int
    redeemed: int
    revenue: Decimal
    discount: Decimal | None


def sold(shop: Shop, codes: pa.Table, *, since: datetime, now: datetime) -> list[Sold]:
    """Each offer with a code in [since, now], by name; `codes` are the ledger's rows, instants are UTC-aware."""
    database, times = shop.database, {"since": _naive(since), "now": _naive(now)}
    database.register(_GIVEN, codes.select(["offer", "issued_at", "pushed_at", "redeemed_at", "order_id"]))
    try:
        rows = database.rows(_SQL, times)
    finally:
        database.unregister(_GIVEN)
    return [_sold(row) for row in rows]


_SQL = (
    "WITH given AS (SELECT offer, order_id, CAST(issued_at AS TIMESTAMP) AS issued_at,"
    " CAST(pushed_at AS TIMESTAMP) AS pushed_at, CAST(redeemed_at AS TIMESTAMP) AS redeemed_at"
    f" FROM {_GIVEN}), told AS (SELECT offer, issued_at BETWEEN $since AND $now AS is_issued,"
    " coalesce(pushed_at BETWEEN $since AND $now, false) AS is_sent,"
    " coalesce(redeemed_at BETWEEN $since AND $now, false) AS is_used, total, refunded, discount"
    " FROM given LEFT JOIN orders USING (order_id))"
    " SELECT offer, count(*) FILTER (is_issued), count(*) FILTER (is_sent), count(*) FILTER (is_used),"
    " coalesce(sum(total - coalesce(refunded, 0)) FILTER (is_used), 0), sum(discount) FILTER (is_used)"
    " FROM told WHERE is_issued OR is_sent OR is_used GROUP BY offer ORDER BY offer"
)


def _sold(row: tuple[Any, ...]) -> Sold:
    offer, issued, sent, redeemed, revenue, discount = row
    return Sold(
        offer=offer, issued=issued, sent=sent, redeemed=redeemed, revenue=Decimal(revenue),
        discount=None if discount is None else Decimal(discount),
    )  # fmt: skip


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
