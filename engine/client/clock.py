"""A clock as fast as that of emulated providers, for configs with `[sandbox]`."""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.http import SystemClock

__all__ = ["FastClock"]


class FastClock:
    """A clock that runs `speed` times as fast as the machine's, from `start` on: a wait of a minute is over in a blink."""

    def __init__(self, speed: float, start: datetime | None = None) -> None:
        self._real, self._speed = SystemClock(), speed
        self._start, self._began = start or self._real.utc(), self._real.monotonic()

    def utc(self) -> datetime:
        """Now, there."""
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds there since the start."""
        return (self._real.monotonic() - self._began) * self._speed

    def sleep(self, seconds: float) -> None:
        """Wait that long, there."""
        self._real.sleep(seconds / self._speed)
