"""What each destination has acknowledged: our memory, and the proof of what we own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.ledger.ledger import Ledger

__all__ = ["Ledger"]


def __getattr__(name: str) -> object:
    """Import the ledger when it is asked for: SQLAlchemy is heavy."""
    if name == "Ledger":
        from engine.ledger.ledger import Ledger

        return Ledger
    raise AttributeError(name)
