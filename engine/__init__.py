"""Audiences computed, planned and carried: the verbs in flow order, each on a client opened at one moment.

`open_client` · `look.check` · `run.pull` · `look.segments` · `look.members` · `run.plan` · `run.approve` · `run.push` · `run.run`

The verbs stay in their two modules, `look` (reads only) and `run`, since a verb and the folder that does its work share
a name: `engine.plan` is the folder.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine import look, run
    from engine.client import open_client

__all__ = ["look", "open_client", "run"]


def __getattr__(name: str) -> object:
    """Import what is asked for when it is asked for: `ciblage --help` needs none of it."""
    if name == "open_client":
        found: object = import_module("engine.client").open_client
        return found
    if name in __all__:
        return import_module(f"engine.{name}")
    raise AttributeError(f"module 'engine' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
