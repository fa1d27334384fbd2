"""A process that dies at a boundary, and does nothing after it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Crash", "Fuse"]


class Crash(BaseException):
    """The process dies here; what was going on beside it dies too."""


@dataclass
class Fuse:
    """Counts boundaries, and blows at one of them and at all that come after it."""

    at: int | None = None
    count: int = 0

    def tick(self) -> None:
        """One more boundary."""
        self.count += 1
        if self.at is not None and self.count >= self.at:
            raise Crash
