"""One table: the account's names of events and of reasons to leave → ours; and the events that it posts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from connectors import webhooks
from connectors.types import EngagementEvent, EventKind, Left

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.memory.dictionary import Json

__all__ = ["KINDS", "LEFT", "event", "signed", "totals"]

KINDS: Mapping[str, EventKind] = MappingProxyType(
    {
        "sent": EventKind.SEND,
        "opened": EventKind.OPEN,
        "clicked": EventKind.CLICK,
        "bounced": EventKind.BOUNCE,
        "complained": EventKind.COMPLAINT,
        "left": EventKind.UNSUBSCRIBE,
    }
)

LEFT: Mapping[str, Left] = MappingProxyType(
    {
        "unsubscribed": Left.UNSUBSCRIBED,
        "complained": Left.COMPLAINT,
        "cleaned": Left.BOUNCED,
        "archived": Left.ARCHIVED,
        "pending": Left.PENDING,
        "suppressed": Left.OTHER,
        "erased": Left.OTHER,
    }
)


def event(row: Json) -> EngagementEvent:
    """One row of the account's events; what the table does not know is OTHER, with the row kept."""
    return EngagementEvent(
        id=f"memory:{row['key']}",
        kind=KINDS.get(row["type"], EventKind.OTHER),
        email=row["email"],
        happened_at=datetime.fromisoformat(row["at"]),
        campaign=row.get("campaign"),
        url=row.get("url"),
        is_machine=row.get("machine", False),
        raw=json.dumps(row, ensure_ascii=False),
    )


def totals(people: Mapping[str, int]) -> Mapping[EventKind, int]:
    """A campaign's report in our words; what the table does not know is left out."""
    return {KINDS[name]: count for name, count in people.items() if name in KINDS}


def signed(key: str, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Json]:
    """The rows of a posted body. Raises Unauthorized unless the account signed it, and lately."""
    moment = headers.get("x-memory-time", "")
    webhooks.prove_signature(key, headers.get("x-memory-signature", ""), [moment.encode(), b".", body])
    webhooks.prove_new(datetime.fromtimestamp(float(moment), UTC), now)
    rows: list[Json] = webhooks.json(body)
    return rows
