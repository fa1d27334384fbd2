"""Rates by destination and campaign, from the shop's e-mail events: people, not events, and fractions, not decimals.

The base of every rate is the people to whom the mail was sent. Many providers divide by the delivered ones instead
(twilio.com/docs/sendgrid/glossary/open-rate does, getresponse.com/help/glossary/open-rate does not; 2026-11-22), so
their figures are a little higher; the two parts of each fraction are there to reckon either.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from engine.tables import Database

__all__ = ["COUNTS", "RATES", "Part", "Shop", "fraction", "rates"]

COUNTS: Mapping[str, str] = MappingProxyType(
    {
        "sent": "in_email_sends",
        "delivered": "in_email_deliveries",
        "opened": "in_email_opens",
        "clicked": "in_email_clicks",
        "unsubscribed": "in_email_unsubscribes",
        "complained": "in_email_complaints",
        "bounced": "in_email_bounces",
    }
)
"""Each count and the events that it counts people by: the language's own sources, so machine opens are left out."""

RATES: Mapping[str, str] = MappingProxyType(
    {
        "delivery_rate": "delivered",
        "open_rate": "opened",
        "click_rate": "clicked",
        "unsubscribe_rate": "unsubscribed",
        "complaint_rate": "complained",
        "bounce_rate": "bounced",
    }
)
"""Each rate and the count above its line; below the line stand those to whom the mail was sent."""


class Shop(Protocol):
    """Where the events are."""

    @property
    def database(self) -> Database:
        """Every neutral table, typed."""
        ...


class Part(Protocol):
    """A cell of a rate: `part` people of `of`."""

    def __getitem__(self, key: str, /) -> int: ...


def rates(shop: Shop, *, since: datetime, now: datetime) -> pa.Table:
    """One row a destination and campaign with events in [since, now], sorted by both; instants are UTC-aware.

    Columns: destination, campaign (text; NULL where no one says), the `COUNTS` (int64: people, each once a
    campaign) and the `RATES` (struct part, of: exact; NULL where the mail was sent to nobody in that time).
    `delivered` and its rate are NULL where nobody tells deliveries (unknown is not zero). A rate counts only
    people who are also among the sent, so it is never above one; a late opener of an older mail counts as
    `opened` alone.
    """
    days = {"since": _naive(since), "now": _naive(now)}
    return shop.database.query(_SQL, days)


def fraction(cell: Part | None) -> Fraction | None:
    """A cell of a rate as a number."""
    return None if cell is None else Fraction(cell["part"], cell["of"])


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def _statement() -> str:
    flags = ", ".join(f"bool_or({events}) AS {count}" for count, events in COUNTS.items())
    counts = ", ".join(f"{_told(count)} AS {count}" for count in COUNTS)
    cells = ", ".join(f"{_cell(count)} AS {rate}" for rate, count in RATES.items())
    return (
        f"WITH people AS (SELECT destination, campaign, customer_id, {flags} FROM email_events"
        " WHERE happened_at BETWEEN $since AND $now GROUP BY destination, campaign, customer_id)"
        f" SELECT destination, campaign, {counts}, {cells} FROM people WHERE {' OR '.join(COUNTS)}"
        " GROUP BY destination, campaign ORDER BY destination NULLS FIRST, campaign NULLS FIRST"
    )


def _told(count: str) -> str:
    people = f"count(*) FILTER ({count})"
    return f"nullif({people}, 0)" if count == "delivered" else people


def _cell(count: str) -> str:
    known = "count(*) FILTER (sent) > 0" + (" AND bool_or(delivered)" if count == "delivered" else "")
    part = f"count(*) FILTER (sent AND {count})"
    return f"CASE WHEN {known} THEN {{'part': {part}, 'of': count(*) FILTER (sent)}} END"


_SQL = _statement()
