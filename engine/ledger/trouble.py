"""What a database's refusal means for whoever reads it: in our words alone, since a driver's may hold data."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from engine.errors import EngineError

__all__ = ["LedgerError", "LedgerUnavailable", "refused", "telling"]


class LedgerError(EngineError):
    """The database refused what we wrote. Nothing of the transaction was kept."""

    kind = "ledger"


class LedgerUnavailable(LedgerError):
    """The database cannot be used as it is: full, locked, read-only, damaged, gone. People mend that, then run again."""

    exit_code = 2


_AGAIN = "nothing of this step was kept; run the command again afterwards"
_DAMAGED = "put a copy in its place (one that an upgrade left beside it ends with .bak), or ask for what `sqlite3 FILE .recover` saves"
_SQLITE = {  # primary result codes: https://www.sqlite.org/rescode.html
    5: (
        "another program is writing to it",
        f"wait for it, or end it: `fuser` or a task manager says who has its file open; {_AGAIN}",
    ),
    6: ("another program is writing to it", f"wait for it, or end it; {_AGAIN}"),
    8: ("it may only be read", f"its file and its folder must be writable; {_AGAIN}"),
    10: ("its file cannot be read or written", f"is the disk full, or gone? {_AGAIN}"),
    11: ("its file is damaged", _DAMAGED),
    13: ("the disk is full", f"make room; {_AGAIN}"),
    14: ("its file cannot be opened", "does its folder exist, and may we write there?"),
    23: ("its file may not be used", "may we read and write it?"),
    26: ("its file is no database", _DAMAGED),
}
_SERVER = {  # SQLSTATE, or its class: https://www.postgresql.org/docs/current/errcodes-appendix.html
    "53100": ("the disk of the server is full", f"make room; {_AGAIN}"),
    "53": ("the server has no room for it", _AGAIN),
    "55": ("another program holds it", _AGAIN),
    "25": ("it may only be read", f"is this server a replica, or the role without rights? {_AGAIN}"),
    "28": ("the server refuses the role or its password", "see the url"),
    "3D": ("there is no such database", "see the url"),
    "42501": ("the role may not do that", "an owner may make its schema beforehand: docs/scaling.md"),
    "57": ("the server shuts down", _AGAIN),
    "58": ("the server cannot use its files", _AGAIN),
    "XX": ("its data are damaged", "ask whoever runs the server"),
    "08": ("the server is gone", _AGAIN),
}
_GONE = ("the server does not answer", f"is it running, and is the url right? {_AGAIN}")


@contextmanager
def telling(path: Path | None = None) -> Iterator[None]:
    """Turn what the database refuses into a LedgerError, in words that hold no data; `path`: of a file."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
        raise refused(error, path) from None


def refused(error: sa.exc.SQLAlchemyError | sqlite3.Error, path: Path | None = None) -> LedgerError:
    """What the error means: something that people can mend, or a defect."""
    known = _known(error)
    if known is None:
        kind = type(getattr(error, "orig", None) or error).__name__
        return LedgerError(f"the ledger refused what was asked of it ({kind})")
    told, hint = known
    others = _others(path) if path is not None and known in (_SQLITE[5], _SQLITE[6]) else ""
    return LedgerUnavailable(f"the ledger cannot be used: {told}{others}", hint=hint)


def _others(path: Path) -> str:
    """Which other processes have the file open, where the system lets us see that."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_open = any(path.samefile(file) for file in (process / "fd").iterdir() if file.exists())
            if is_open and process.name != str(os.getpid()):
                found.append(f"process {process.name}, {(process / 'comm').read_text().strip()}")
    return f" ({'; '.join(sorted(found))})" if found else ""


def _known(error: sa.exc.SQLAlchemyError | sqlite3.Error) -> tuple[str, str] | None:
    if isinstance(error, sa.exc.PendingRollbackError):  # of a connection that broke before
        return _GONE
    told = getattr(error, "orig", error)
    code = getattr(told, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _SQLITE.get(code & 0xFF)
    state = getattr(told, "sqlstate", None)
    if isinstance(state, str):
        return _SERVER.get(state) or _SERVER.get(state[:2])
    return _GONE if isinstance(error, sa.exc.OperationalError) else None
