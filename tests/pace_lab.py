"""Callers who always want to call, on one simulated clock; and the best that anybody could do with the same windows."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from connectors.pace import Pace, Rate
from connectors.spec import Spec

START = datetime(2027, 3, 1, 9, tzinfo=UTC)
TICK = 0.001  # seconds: as `http`, which never sleeps less


class SharedHands:
    """One clock for all callers."""

    def __init__(self) -> None:
        self.at = 1000.1  # no round binary number

    def utc(self) -> datetime:
        return START + timedelta(seconds=self.at)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def call_all(
    clock: SharedHands, paces: Sequence[Pace], family: str, windows: Sequence[Rate], count: int
) -> list[float]:
    """When each of `count` calls left: callers in turn, each asks again when its wait is over."""
    begin, calls = clock.at, list[float]()
    asking = [(begin, number) for number in range(len(paces))]
    while len(calls) < count:
        clock.at, number = heapq.heappop(asking)
        wait = paces[number].take({family: windows}, clock.at)
        if wait <= 0:
            calls.append(clock.at - begin)
        heapq.heappush(asking, (clock.at + (max(wait, TICK) if wait > 0 else 0.0), number))
    return calls


def best(windows: Sequence[Rate], count: int) -> list[float]:
    """The earliest moments at which so many calls can leave."""
    calls: list[float] = []
    for number in range(count):
        calls.append(
            max((calls[number - rate.calls] + rate.seconds for rate in windows if number >= rate.calls), default=0.0)
        )
    return calls


def most(calls: Sequence[float], seconds: float) -> int:
    """The most calls in any half-open window of that length (a microsecond less, for rounding)."""
    found, first = 0, 0
    for place, at in enumerate(calls):
        while calls[first] <= at - seconds + 1e-6:
            first += 1
        found = max(found, place - first + 1)
    return found


def used(calls: Sequence[float], windows: Sequence[Rate]) -> float:
    """The share of the tightest window that was used while callers waited: the best time over the one that it took."""
    ideal = best(windows, len(calls))[-1]
    return 1.0 if ideal == 0 else ideal / calls[-1]


def shares(spec: Spec, family: str) -> tuple[Rate, ...]:
    """A family's windows as far as they are ours."""
    part = spec.share.get(family, 0.8)
    return tuple(Rate(max(1, int(rate.calls * part)), rate.seconds) for rate in spec.rates[family])
