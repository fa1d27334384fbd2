"""Who may call when: a provider's windows, and how the callers of one account keep them together."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["EVERY", "LocalPace", "Pace", "Rate"]

EVERY = "*"
"""The family that every call of an account belongs to, beside its own."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float


class Pace(Protocol):
    """Who may call when: one per provider account, shared by all who call it."""

    def take(self, windows: Mapping[str, Sequence[Rate]], now: float) -> float:
        """Reserve a call in each of these families at once and return 0, or return the seconds to wait before asking again."""

    def rest(self, family: str, until: float) -> None:
        """The provider asked for silence on this family until that monotonic second."""

    def slot(self, count: int) -> AbstractContextManager[None]:
        """Hold one of `count` simultaneous calls."""


class LocalPace:
    """A Pace for the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[str, deque[float]] = {}
        self._rest: dict[str, float] = {}
        self._slots: dict[int, threading.BoundedSemaphore] = {}

    def take(self, windows: Mapping[str, Sequence[Rate]], now: float) -> float:
        """Sliding windows: a call is allowed when every window of its families has room at `now`."""
        with self._lock:
            wait = max((self._wait(family, rates, now) for family, rates in windows.items()), default=0.0)
            if wait <= 0:
                for family in windows:
                    self._calls[family].append(now)
            return wait

    def _wait(self, family: str, rates: Sequence[Rate], now: float) -> float:
        wait = max(0.0, self._rest.get(family, now) - now)
        calls = self._calls.setdefault(family, deque())
        longest = max((rate.seconds for rate in rates), default=0.0)
        while calls and calls[0] + longest <= now:
            calls.popleft()
        for rate in rates:
            if len(calls) >= rate.calls:  # the call that must have left the window before another may enter it
                wait = max(wait, calls[-rate.calls] + rate.seconds - now)
        return wait

    def rest(self, family: str, until: float) -> None:
        """Keep the later of the known and the new end."""
        with self._lock:
            self._rest[family] = max(until, self._rest.get(family, until))

    @contextmanager
    def slot(self, count: int) -> Iterator[None]:
        """One semaphore per count: an account declares one."""
        with self._lock:
            slots = self._slots.setdefault(count, threading.BoundedSemaphore(count))
        with slots:
            yield
