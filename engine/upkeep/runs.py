"""The latest runs, or one of them in detail."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import ConfigError
from engine.history import kept_plans

if TYPE_CHECKING:
    from datetime import tzinfo

    from engine.client import Client
    from engine.ownership.story import History, Told

__all__ = ["LISTED", "history"]

LISTED = 5
"""Runs that are named where an unknown one is asked for."""


def history(client: Client, run_id: int | None = None, *, limit: int = 20) -> History | Told:
    """The latest runs, or one of them in detail."""
    from engine.ownership.story import tell, tell_all

    kept = kept_plans(client).runs()
    if run_id is None:
        found = tell_all(client.ledger, kept, limit=limit)
        return replace(found, runs=[_here(one, client.settings.zone) for one in found.runs])
    run = client.ledger.runs.get(run_id)
    if run is None:
        last = client.ledger.runs.last(LISTED)
        told = ", ".join(f"{one.id} ('{one.command}')" for one in last)
        raise ConfigError(
            f"there is no run {run_id}", place="RUN", hint=f"the last are {told}" if told else "there was no run yet"
        )
    return _here(tell(client.ledger, run, kept), client.settings.zone)


def _here(told: Told, zone: tzinfo) -> Told:
    """The same with the client's own times."""
    times = {name: getattr(told, name) for name in ("started_at", "ended_at", "now", "newest")}
    local = {name: at.astimezone(zone) for name, at in times.items() if at is not None}
    return replace(told, **local, approved=[replace(one, at=one.at.astimezone(zone)) for one in told.approved])
