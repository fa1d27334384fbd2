"""Why the engine stops, and the exit code that says so.

EngineError                      70  (a defect of ours, when raised as such)
├─ ConfigError                    2  the config, the environment or the command line is wrong: where, and the nearest valid choice
├─ DefinitionError                2  a segment or trait is wrong; carries every mistake of the file
├─ DataError                      2  a table or column is missing or unreadable
├─ UnsupportedByBackend           2  found before any data is read
├─ Unwritable                     2  a file of ours cannot be written: disk full, read-only, no folder
├─ GuardRefused                   3  a plan that frightens; names the flag
├─ StalePlan                      3  config, account or ledger moved since the review
├─ Locked                         5  another run holds the lock: who, since when
└─ OutOfTime                      6  stopped at a safe point; more to do

Destinations that fail are not exceptions here: `push` reports them and `cli` exits 4, or 2 for a WrongSetting. A message says what
happened, to whom, and `hint` what to do next; `place` is `file:line` or `segments.vip`.
"""

from __future__ import annotations

import difflib
import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "ConfigError", "DataError", "DefinitionError", "EngineError", "GuardRefused", "Locked", "OutOfTime", "StalePlan",
    "UnsupportedByBackend", "Unwritable", "WrongSetting", "check_name", "nearest", "unwritable",
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


class Unwritable(EngineError):
    """A file of ours cannot be written, or read: whoever owns the machine mends that, then runs again."""

    kind = "file"
    exit_code = 2


_MENDED = "what was done before it stands; run the command again afterwards"
_TROUBLE = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG), ("there is no room to write it", f"make room; {_MENDED}")
    ),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM),
        ("we may not write it", f"the file and its folder must be writable; {_MENDED}"),
    ),
    **dict.fromkeys(
        (errno.ENOTDIR, errno.ENOENT, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG),
        ("its folder is none, or it is one", f"see the path; {_MENDED}"),
    ),
    errno.EIO: ("the disk does not answer", f"look after the disk; {_MENDED}"),
    errno.EMFILE: ("too many files are open", f"raise `ulimit -n`; {_MENDED}"),
    errno.ENFILE: ("too many files are open on this machine", _MENDED),
}


def unwritable(error: OSError) -> Unwritable | None:
    """What a failure of the file system means in words; None for another error (a network's, say)."""
    told = _TROUBLE.get(error.errno or 0)
    if told is None:
        return None
    name = error.filename2 or error.filename
    place = os.fspath(name) if isinstance(name, (str, os.PathLike)) else None
    what = "a file of the state folder, or of --out," if place is None else "the file"
    return Unwritable(f"{what} cannot be used: {told[0]}", place=place, hint=told[1])


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
