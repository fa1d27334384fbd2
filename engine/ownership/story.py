"""What the ledger's history tells of runs: when, with what, who agreed, and what each destination did."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.ledger import Ledger
    from engine.ledger.runs import Run

__all__ = ["Agreed", "Did", "History", "Told", "has_changed", "tell", "tell_all"]

_CHANGED = ("applied", "pending", "created", "error")  # after an error nobody knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """Who approved the plan for a destination, and when."""

    destination: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Did:
    """What became of a run's changes at one destination: by kind, and by why not."""

    destination: str
    applied: Mapping[str, int] = field(default_factory=dict)
    noop: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    withheld: Mapping[str, int] = field(default_factory=dict)
    pending: int = 0
    calls: int = 0
    error: str | None = None
    stopped: str | None = None

    @property
    def changes(self) -> int:
        """Changes that it made."""
        return sum(self.applied.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One run. `ended_at` and `exit_code` are None where it died; `is_kept`: its plan is there.

    `has_changed`: it changed something at a destination, or may have; with its plan it can be undone.
    """

    id: int
    command: str
    started_at: datetime
    ended_at: datetime | None
    now: datetime
    config_hash: str
    exit_code: int | None
    plan: str | None
    is_kept: bool
    has_changed: bool
    approved: Sequence[Agreed] = ()
    by: str | None = None  # who approved, where the run was an approval
    undoes: int | None = None
    destinations: Sequence[Did] = ()
    minted: int = 0
    fingerprint: str | None = None
    newest: datetime | None = None
    rows: int | None = None

    @property
    def changes(self) -> int:
        """Changes that it made anywhere."""
        return sum(one.changes for one in self.destinations)


@dataclass(frozen=True, slots=True)
class History:
    """Runs, the latest first."""

    runs: Sequence[Told]


def tell_all(ledger: Ledger, kept: Collection[int], *, limit: int) -> History:
    """The latest runs."""
    return History([tell(ledger, run, kept) for run in ledger.runs.last(limit)])


def tell(ledger: Ledger, run: Run, kept: Collection[int]) -> Told:
    """One run; `kept`: runs whose plan is there."""
    said = run.summary
    agreed = ledger.approvals.by(run.plan) if run.plan else []
    same = [one.id for one in ledger.runs.carrying() if one.plan == run.plan] if run.plan else []
    return Told(
        id=run.id,
        command=run.command,
        started_at=run.started_at,
        ended_at=run.ended_at,
        now=run.now,
        config_hash=run.config_hash,
        exit_code=run.exit,
        plan=run.plan or said.get("plan"),
        is_kept=any(one in kept for one in same),
        has_changed=has_changed(run),
        approved=[Agreed(destination=one.destination, by=one.by, at=one.at) for one in agreed],
        by=said.get("by"),
        undoes=said.get("undoes"),
        destinations=[_did(one) for one in _destinations(said)],
        minted=said.get("minted") or 0,
        fingerprint=run.fingerprint,
        newest=run.newest,
        rows=run.rows,
    )


def has_changed(run: Run) -> bool:
    """Whether a run changed something, or may have: one that died does not say; one that the guard refused did not."""
    if "destinations" not in run.summary:
        return run.plan is not None
    done = any(one.get(fate) for one in _destinations(run.summary) for fate in _CHANGED)
    return run.plan is not None and (done or bool(run.summary.get("minted")))


def _destinations(said: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """A pull only counts its destinations."""
    found = said.get("destinations")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _did(said: Mapping[str, Any]) -> Did:
    counted = {name: said.get(name) or {} for name in ("applied", "noop", "rejected", "withheld")}
    return Did(
        destination=said["destination"],
        pending=said.get("pending") or 0,
        calls=said.get("calls") or 0,
        error=said.get("error"),
        stopped=said.get("stopped"),
        **counted,
    )
