"""All traits and all segments → membership, in as few scans as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.compute.findings import Finding, explain
    from engine.compute.membership import Membership, compute, sql

__all__ = ["Finding", "Membership", "compute", "explain", "sql"]

_HOMES = {"Finding": "findings", "explain": "findings"}


def __getattr__(name: str) -> object:
    """Load the planner, and with it sqlglot, when it is first asked for."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(name)
    return getattr(import_module(f"engine.compute.{_HOMES.get(name, 'membership')}"), name)
