"""A run taken back: shown as a plan, or carried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError
from engine.errors import ConfigError
from engine.history import kept_plans, recorded
from engine.results import Options, Planned, Pushed
from engine.stages import carry_plan, guard_plan, pull_all
from engine.upkeep.adopting import ADOPT, GivenBack, give_back
from engine.upkeep.runs import LISTED
from engine.upkeep.usable import usable

if TYPE_CHECKING:
    from engine.client import Client
    from engine.ledger.runs import Run
    from engine.ownership.keeping import Kept
    from engine.ownership.later import Later
    from engine.ownership.site import Site, Undone
    from engine.plan.plan import Plan
    from engine.plan.survey import Survey

__all__ = ["TakenBack", "undo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """A run taken back (`pushed`), or what that would mean: the plan, and what it comes to.

    Codes: `withdrawn` end before anybody saw them, `exported` of these the shop may know; those `given` away stay good.
    """

    run: int
    command: str
    planned: Planned
    undone: Sequence[Undone]
    withdrawn: int = 0
    exported: int = 0
    given: int = 0
    pushed: Pushed | None = None

    @property
    def exit_code(self) -> int:
        """As a plan's, or a push's."""
        return self.planned.exit_code if self.pushed is None else self.pushed.exit_code


def undo(client: Client, run_id: int, options: Options, *, out: Path | None = None) -> TakenBack | GivenBack:
    """Take back what a run did: shown, written to `out`, or carried at once where `options.yes` says so."""
    run = client.ledger.runs.get(run_id)
    if run is not None and run.command == ADOPT:
        if out is not None:
            raise ConfigError("an adoption has no plan to write", place="--out", hint="--yes takes it back")
        return give_back(client, run, yes=options.yes)
    if not options.yes:
        return _taken_back(client, run_id, options, skip={}, out=out)
    _asked(client, run_id)
    with recorded(client, "undo") as record:
        it = _taken_back(client, run_id, options, skip=pull_all(client, engagement=False).failed, out=out)
        record.carries(it.planned)
        pushed = carry_plan(client, it.planned, options)
        record.ended(it.planned, pushed)
        record.summary = {**record.summary, "undoes": run_id}
        return replace(it, pushed=pushed)


def _taken_back(
    client: Client, run_id: int, options: Options, *, skip: Mapping[str, str], out: Path | None
) -> TakenBack:
    from engine.ownership.planning import planned
    from engine.ownership.undoing import codes_back, undo
    from engine.plan.file import save

    run, plan, later = _asked(client, run_id)
    found, undone, surveys, refused = [], [], {}, dict(skip)
    for summary in plan.destinations:
        why = _why_not(client, summary.name, refused)
        try:
            site, seen = (None, None) if why else _site(client, summary.name, plan, later)
        except ConnectorError as error:
            refused[summary.name] = why = client.told(summary.name, error)
            site, seen = None, None
        if site is None or seen is None:
            undone.append(_nothing(summary.name, why))
            continue
        surveys[site.name] = seen
        taken = undo(site, plan.of(site.name))
        found.append((site, taken.table))
        undone.append(taken.undone)
    codes = codes_back(plan, run.plan or "", client.ledger)
    made = planned(
        found, client.ledger, now=client.now, config_hash=client.config.hash, surveys=surveys, codes=codes.table
    )
    gone = [f"{name}/{one}" for name, seen in surveys.items() for one in seen.gone]  # nothing is put there anyway
    permits = replace(options, recreate=[*options.recreate, *gone])
    whole = guard_plan(client, Planned(plan=made, unreachable=refused, file=out), surveys, permits)
    if out is not None:
        save(made, out)
    return TakenBack(
        run=run.id,
        command=run.command,
        planned=whole,
        undone=undone,
        withdrawn=codes.withdrawn,
        exported=codes.exported,
        given=codes.given,
    )


def _why_not(client: Client, name: str, refused: Mapping[str, str]) -> str | None:
    if name not in client.settings.destinations:
        return "config"
    return refused.get(name)


def _nothing(name: str, why: str | None) -> Undone:
    from engine.ownership.site import Undone

    return Undone(destination=name, why=why)


def _site(client: Client, name: str, plan: Plan, later: Later) -> tuple[Site, Survey]:
    """A destination as it is now: surveyed, and what the run wrote there read back where its provider tells it."""
    from engine.ownership.planning import as_known
    from engine.ownership.reading import read_written
    from engine.ownership.site import Site
    from engine.plan.columns import present
    from engine.plan.survey import survey

    connector, configured = client.connector(name), client.destination(name)
    known = as_known(configured, client.ledger.targets.of(name))
    seen = survey(known, connector, client.ledger)
    here = present(known, client.ledger, recreate=frozenset(f"{name}/{one}" for one in seen.gone))
    return Site(
        destination=as_known(known, here.targets),
        here=here,
        people=client.membership.table,
        later=later,
        codes=usable(client),
        seen=read_written(connector, here, plan.of(name)),
    ), seen


def _asked(client: Client, run_id: int) -> tuple[Run, Plan, Later]:
    """The run, its plan, and those of later runs. Raises ConfigError where it did nothing, or nobody knows any more what."""
    from engine.ownership.later import Later
    from engine.ownership.story import has_changed

    runs, kept = client.ledger.runs, kept_plans(client)
    run = runs.get(run_id)
    if run is None:
        raise ConfigError(f"there is no run {run_id}", place="RUN", hint=_those_that_carried(client))
    if not has_changed(run):
        raise ConfigError(
            f"run {run_id} ('{run.command}') changed nothing at a destination",
            place="RUN",
            hint=_those_that_carried(client),
        )
    files = _files(client, kept)
    after = dict.fromkeys(one.plan for one in runs.carrying() if one.id > run_id and one.plan != run.plan)
    lost = [one.id for one in runs.carrying() if one.plan in after and one.plan not in files]
    if lost or run.plan not in files:
        raise ConfigError(
            f"the plan of run {lost[0] if lost else run_id} is no longer kept: what it wrote is not known",
            place="RUN",
            hint="plans are kept as [history] of the config says",
        )
    return run, kept.of(files[run.plan]), Later([(files[one], kept.path(files[one])) for one in after if one])


def _files(client: Client, kept: Kept) -> dict[str | None, int]:
    """By a plan's checksum, the run whose file holds it: one that went on after an interruption has one file."""
    there = set(kept.runs())
    return {run.plan: run.id for run in reversed(client.ledger.runs.carrying()) if run.id in there}


def _those_that_carried(client: Client) -> str:
    """The runs that can be taken back, the latest first."""
    from engine.ownership.story import has_changed

    latest = [run for run in client.ledger.runs.carrying() if has_changed(run)][: -LISTED - 1 : -1]
    zone = client.settings.zone  # as `history` tells them
    told = [f"{run.id} ('{run.command}' of {run.started_at.astimezone(zone):%Y-%m-%d %H:%M})" for run in latest]
    return f"these changed something: {', '.join(told)}" if told else "no run has changed anything yet"
