"""Every place of a client where a person may be, and what it takes to reach them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from connectors.base import Connector
from connectors.errors import ConnectorError
from connectors.http import Clock

if TYPE_CHECKING:
    from engine.engagement.parts import Parts
    from engine.ledger import Ledger

__all__ = ["Plans", "Site"]


class Plans(Protocol):
    """Plans of earlier runs, which name people by their customer_id."""

    def without(self, customer_id: str) -> int: ...  # rewritten without them; how many named them


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One client. `settle` brings what earlier runs left on its way to a destination to its end, as far as it goes now."""

    client: str
    ledger: Ledger
    parts: Parts
    plans: Plans
    state: Path
    destinations: Mapping[str, Callable[[], Connector]]
    settle: Callable[[str], None]
    told: Callable[[str, ConnectorError], str]
    clock: Clock
    now: datetime

    @property
    def key(self) -> Path:
        """Where the key of the hashes is."""
        return self.state / f"{self.client}.erasure-key"

    @property
    def copies(self) -> Sequence[Path]:
        """Folders with rows of the shop, made anew from its own files or its database when it is opened next."""
        return (self.state / f"{self.client}.shop", self.state / "shop")

    def receipt(self, erasure: str) -> Path:
        """Where an erasure's receipt is written."""
        return self.state / "erasures" / f"{erasure[:16]}.json"
