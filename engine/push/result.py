"""What became of a push, destination by destination."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import Any

from connectors.errors import ConnectorError, Unauthorized
from connectors.http import mask
from connectors.types import Outcome, Reason, State
from engine.errors import EngineError
from engine.ledger.outcomes import Sending

__all__ = ["Rejected", "Result"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """One change that the provider refused in this run: who (our id; "" for a pool's code), what, why, in its own masked words."""

    kind: str
    target: str
    customer_id: str
    reason: Reason
    words: str | None


def _rejected(change: Sending, outcome: Outcome) -> Rejected:
    return Rejected(
        kind=change.kind,
        target=change.target,
        customer_id=change.customer_id,
        reason=outcome.reason or Reason.OTHER,
        words=intern(mask(outcome.words)) if outcome.words else None,  # many are told the same
    )


@dataclass(slots=True)
class Result:
    """One destination: changes by kind and fate. `settled`: changes of earlier runs that were cleared up first."""

    name: str
    applied: Counter[str] = field(default_factory=Counter)
    noop: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)
    pending: int = 0
    withheld: Counter[str] = field(default_factory=Counter)  # by why: consent, address, contact, done
    settled: Counter[str] = field(default_factory=Counter)  # by what became of them
    joined: Counter[str] = field(default_factory=Counter)  # by segment, as the provider's count should move
    left: Counter[str] = field(default_factory=Counter)
    counts: dict[str, int] = field(default_factory=dict)  # the provider's own, before, by segment
    created: list[str] = field(default_factory=list)  # titles of lists and fields
    calls: int = 0  # of the connector: batches, polls, creations
    error: ConnectorError | EngineError | None = None
    stopped: str | None = None  # "time" or "signal": the rest is in the next plan

    @property
    def is_unauthorized(self) -> bool:
        """The key is the trouble."""
        return isinstance(self.error, Unauthorized)

    def note(self, pairs: Sequence[tuple[Sending, Outcome]]) -> None:
        """Count final outcomes."""
        told = Counter([(change.kind, change.target, outcome.state) for change, outcome in pairs])
        for (kind, target, state), count in told.items():
            if state is State.REJECTED:
                continue
            is_applied = state is State.APPLIED
            (self.applied if is_applied else self.noop)[kind] += count
            if is_applied and kind in {"AddMember", "RemoveMember"}:
                (self.joined if kind == "AddMember" else self.left)[target] += count
        if any(state is State.REJECTED for _, _, state in told):
            self.rejected += [_rejected(*pair) for pair in pairs if pair[1].state is State.REJECTED]

    def document(self) -> Mapping[str, Any]:
        """Plain JSON."""
        reasons = Counter(one.reason.value for one in self.rejected)
        return {
            "destination": self.name,
            "applied": dict(self.applied),
            "noop": dict(self.noop),
            "rejected": dict(reasons),
            "pending": self.pending,
            "withheld": dict(self.withheld),
            "settled": dict(self.settled),
            "created": list(self.created),
            "calls": self.calls,
            "error": None if self.error is None else str(self.error),
            "stopped": self.stopped,
        }
