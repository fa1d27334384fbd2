"""What the ledger must know before a plan that puts things right is carried."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from engine.ledger.packing import value
from engine.plan import rows

if TYPE_CHECKING:
    from engine.ledger import Ledger
    from engine.plan.plan import Plan

__all__ = ["begin"]


def begin(plan: Plan, ledger: Ledger, *, now: datetime, carried: Collection[str]) -> None:
    """End the codes that the plan withdraws. `carried`: destinations that the guard lets pass."""
    withdrawn = rows.unpacked(rows.chosen(plan.packed, kind=rows.WITHDRAW))
    if len(withdrawn) and carried:
        ids = [str(value(text)) for text in withdrawn["after"].to_pylist()]
        ledger.codes.withdraw(ids, at=now, plan=plan.checksum)
