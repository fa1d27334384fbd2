"""The life of a discount code as one table: which state may follow which, each once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from engine.ledger import schema

__all__ = ["ENDED", "LIVE", "TRANSITIONS", "CodeState", "before"]


class CodeState(StrEnum):
    """Where a code is in its life."""

    RESERVED = "reserved"
    EXPORTED = "exported"
    CONFIRMED = "confirmed"
    PUSHED = "pushed"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    CLEARED = "cleared"


LIVE = tuple(CodeState(state) for state in schema.LIVE)
"""States in which a code can still be used, in their order."""

_OVER = (CodeState.REDEEMED, CodeState.EXPIRED)

TRANSITIONS: Mapping[CodeState, tuple[CodeState, ...]] = {
    CodeState.RESERVED: (CodeState.EXPORTED, CodeState.CONFIRMED, *_OVER),  # a crash may hide that a file left
    CodeState.EXPORTED: (CodeState.CONFIRMED, *_OVER),
    CodeState.CONFIRMED: (CodeState.PUSHED, *_OVER),
    CodeState.PUSHED: _OVER,
    CodeState.REDEEMED: (CodeState.CLEARED,),
    CodeState.EXPIRED: (CodeState.REDEEMED, CodeState.CLEARED),  # an order that we read late
    CodeState.CLEARED: (),
}
"""What may follow each state. Nothing leads back into a state in which the code can be used."""

ENDED = tuple(state for state, then in TRANSITIONS.items() if CodeState.CLEARED in then)
"""States of codes that are over and may still stand at a destination."""


def before(state: CodeState) -> tuple[CodeState, ...]:
    """The states from which a code may enter this one."""
    return tuple(one for one, then in TRANSITIONS.items() if state in then)
