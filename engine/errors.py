"""Why the engine stops, and the exit code that says so.

EngineError                      70  (a defect of ours, when raised as such)
├─ ConfigError                    2  the config, the environment or the command line is wrong: where, and the nearest valid choice
├─ DefinitionError                2  a segment or trait is wrong; carries every mistake of the file
├─ DataError                      2  a table or column is missing or unreadable
├─ UnsupportedByBackend           2  found before any data is read
├─ GuardRefused                   3  a plan that frightens; names the flag
├─ StalePlan                      3  config, account or ledger moved since the review
├─ Locked                         5  another run holds the lock: who, since when
└─ OutOfTime                      6  stopped at a safe point; more to do

Destinations that fail are not exceptions here: `push` reports them and `cli` exits 4, or 2 for a WrongSetting. A message says what
happened, to whom, and `hint` what to do next; `place` is `file:line` or `segments.vip`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "ConfigError", "DataError", "DefinitionError", "EngineError", "GuardRefused", "Locked", "OutOfTime", "StalePlan",
    "UnsupportedByBackend", "WrongSetting", "check_name", "nearest",
]  # fmt: skip


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a person most likely meant, or None."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


class EngineError(Exception):
    """What happened; `place` says where and `hint` what to do."""

    kind = "internal"
    exit_code = 70

    def __init__(self, message: str, *, place: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.place = place
        self.hint = hint


class ConfigError(EngineError):
    """The config, the environment or the command line is wrong."""

    kind = "config"
    exit_code = 2


class DefinitionError(EngineError):
    """Segments or traits are wrong: `mistakes` holds the rendered message of each, in file order."""

    kind = "definition"
    exit_code = 2

    def __init__(
        self, message: str, *, place: str | None = None, hint: str | None = None, mistakes: Sequence[str] = ()
    ) -> None:
        super().__init__(message, place=place, hint=hint)
        self.mistakes = tuple(mistakes)


class DataError(EngineError):
    """A table or column of the shop is missing or unreadable."""

    kind = "data"
    exit_code = 2


class UnsupportedByBackend(EngineError):
    """This backend cannot express something; said before any data is read."""

    kind = "unsupported"
    exit_code = 2


class GuardRefused(EngineError):
    """A plan that frightens: nothing was sent; `hint` names the flag that overrides."""

    kind = "guard"
    exit_code = 3


class StalePlan(EngineError):
    """The reviewed plan no longer fits: config, account or ledger moved."""

    kind = "stale_plan"
    exit_code = 3


class Locked(EngineError):
    """Another run holds this client's lock."""

    kind = "locked"
    exit_code = 5


class OutOfTime(EngineError):
    """Stopped at a safe point; the rest is in the next plan."""

    kind = "out_of_time"
    exit_code = 6


def check_name(name: str | None, known: Iterable[str], *, flag: str) -> None:
    """A flag names what there is, or nothing. Raises ConfigError with the nearest name."""
    names = sorted(known)
    if name is not None and name not in names:
        near = nearest(name, names)
        hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(names)}"
        raise ConfigError(f"there is no {flag.removeprefix('--')} '{name}'", place=flag, hint=hint)


class WrongSetting(str):
    """Why a destination cannot be used as it is set, in words: the others go on, and the command ends with 2."""

    __slots__ = ()
