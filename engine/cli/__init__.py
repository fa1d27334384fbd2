"""The command line: one thin function a command; no logic.

Exit codes: 0 done · 1 finished, with new rejections · 2 usage or config · 3 guard refused · 4 destination unreachable
or unauthorised · 5 another run holds the lock · 6 stopped by time, more to do · 70 internal error · 130/143 signals.
"""

from __future__ import annotations

import gc
import json as jsonlib
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import typer

from engine.cli import codes, erasing, looking, moving, ownership, serving, starting
from engine.cli.options import app
from engine.cli.session import TERMINATED

if TYPE_CHECKING:
    from types import FrameType

    from typer.models import CommandInfo

__all__ = ["app", "codes", "erasing", "looking", "main", "moving", "ownership", "serving", "starting"]
# each module registers its commands

_COLLECTED = (50_000, 20, 100)  # of 4.3 CPU seconds of a run Python's own took 0.6 to look for cycles, and found few

_ORDER = (  # as one meets them
    "init", "check", "segments", "members", "traits", "explain", "plan", "approve", "push", "pull", "run", "status", "history",
    "rejected", "adopt", "drift", "undo", "person", "erase", "report", "receive", "demo", "sandbox",
)  # fmt: skip


def _place(command: CommandInfo) -> int:
    name = command.name or (command.callback.__name__ if command.callback else "")
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


app.registered_commands.sort(key=_place)


def _terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(TERMINATED)


def main() -> None:
    """The command `ciblage`."""
    gc.set_threshold(*_COLLECTED)
    signal.signal(signal.SIGTERM, _terminated)
    if "--json" not in sys.argv:
        app()
    try:
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as error:  # a command line that cannot be read: typer's words, in our document
        said = {"kind": "usage", "message": error.format_message(), "place": "command line", "hint": "ciblage --help"}
        print(jsonlib.dumps({"error": said}, ensure_ascii=False, indent=2))
        sys.exit(error.exit_code)
