"""How many write calls a plan needs, and about how long they take: from the connector's limits and rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.spec import Spec
from engine.plan.destination import KINDS

__all__ = ["Estimate", "estimate"]

_CALL = 1.0  # seconds that a bulk call takes, about
_SHARE = 0.8  # of every declared window


@dataclass(frozen=True, slots=True)
class Estimate:
    """Write calls (exact as long as no batch meets the limit in bytes) and seconds (a guess)."""

    calls: int
    seconds: float


def estimate(spec: Spec, counted: Mapping[tuple[str, str], int], *, creates: int = 0) -> Estimate:
    """`counted`: changes by kind and target; `creates`: lists and fields to create."""
    calls = creates
    for (kind, _), count in counted.items():
        calls += math.ceil(count / spec.carries[KINDS[kind]].items)
    slowest = max((_pace(spec, family, calls) for family in spec.rates), default=0.0)
    polls = spec.poll_after[0] if calls and spec.poll_after else 0.0
    return Estimate(calls, round(max(slowest, calls * _CALL / max(1, spec.in_flight)) + polls, 1))


def _pace(spec: Spec, family: str, calls: int) -> float:
    """Seconds before the last of so many calls may leave, when each window is full from the start."""
    share = spec.share.get(family, _SHARE)
    return max(
        (max(0, math.ceil(calls / max(1, int(rate.calls * share))) - 1) * rate.seconds for rate in spec.rates[family]),
        default=0.0,
    )
