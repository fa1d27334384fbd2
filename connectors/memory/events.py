"""One table: the account's names of events and of reasons to leave → ours."""

from __future__ import annotations

import json
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from connectors.types import EngagementEvent, EventKind, Left

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.memory.dictionary import Json

__all__ = ["KINDS", "LEFT", "event"]

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
