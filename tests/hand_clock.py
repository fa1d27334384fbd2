"""A clock that is turned by hand."""

from __future__ import annotations

from datetime import datetime, timedelta


class HandClock:
    """Time that passes only when somebody sleeps, or turns `seconds`."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.seconds = 0.0

    def utc(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
