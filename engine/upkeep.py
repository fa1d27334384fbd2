"""What is ours kept in order, on an opened client: a run taken back, what others changed shown and repaired, lists taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError
from connectors.types import TargetKind
from engine.errors import ConfigError, nearest
from engine.history import Record, kept_plans, recorded
from engine.results import Options, Planned, Pushed, unreachable
from engine.stages import carry_plan, guard_plan, pull_all

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.client import Client
    from engine.ledger.runs import Run
    from engine.ownership.drifting import Drift
    from engine.ownership.keeping import Kept
    from engine.ownership.later import Later
    from engine.ownership.site import Site, Undone
    from engine.ownership.story import History, Told
    from engine.plan.plan import Plan
    from engine.plan.survey import Survey

__all__ = ["Adopted", "Drifted", "TakenBack", "adopt", "drift", "history", "undo"]

_LAG = timedelta(minutes=10)  # after a write in which a provider may still show what was before
_LISTED = 5  # runs that are named where an unknown one is asked for


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


def undo(client: Client, run_id: int, options: Options, *, out: Path | None = None) -> TakenBack:
    """Take back what a run did: shown, written to `out`, or carried at once where `options.yes` says so."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """What others changed, by destination; with a repair, its plan, and what became of it where it was carried."""

    destinations: Sequence[Drift]
    planned: Planned | None = None
    pushed: Pushed | None = None

    @property
    def exit_code(self) -> int:
        """0 however much was found; 4 where a destination does not answer; as a plan's or a push's."""
        if self.pushed is not None:
            return self.pushed.exit_code
        if self.planned is not None:
            return self.planned.exit_code
        return unreachable([one.why for one in self.destinations if one.why is not None])


def drift(
    client: Client, options: Options, *, repair: bool = False, values: bool = True, out: Path | None = None
) -> Drifted:
    """Compare each destination with the ledger; with `repair` plan what puts it right, and carry it with `options.yes`.

    Who left is read first. `values`: those of every contact are read too, where the connector can.
    """
    with recorded(client, "drift") as record:
        failed = pull_all(client, engagement=False).failed
        compared = [_compared(client, name, failed, values=values) for name in client.settings.destinations]
        record.summary = {"drift": {one.destination: one.found for one, _ in compared}}
        drifted = Drifted(destinations=[one for one, _ in compared])
        if not repair:
            record.exit_code = drifted.exit_code
            return drifted
        found = {one.destination: (one, place) for one, place in compared if place is not None}
        whole = _repair(client, options, found, failed, out)
        if not options.yes:
            record.exit_code = whole.exit_code
            return replace(drifted, planned=whole)
        return replace(drifted, planned=whole, pushed=_repaired(client, options, found, whole, record))


def _compared(
    client: Client, name: str, failed: Mapping[str, str], *, values: bool
) -> tuple[Drift, tuple[Site, Survey] | None]:
    """One destination read and compared; without its place where it does not answer, or is another account now."""
    from engine.ownership.drifting import Drift, compare, unsettled
    from engine.ownership.reading import Seen, read_list, read_values

    if name in failed:
        return Drift(destination=name, why=failed[name]), None
    try:
        site, survey = _place(client, name)
        account = client.ledger.accounts.get(name)
        if account is not None and account != survey.account.id:
            return Drift(destination=name, other_account=survey.account.id), None
        connector, lists = client.connector(name), {}
        for (kind, segment), at in site.here.targets.items():
            if kind is TargetKind.SEGMENT and at.ref is not None:
                lists[segment] = read_list(connector, at, is_found=survey.lists.get(segment) == at.ref)
        seen = (read_values(connector, site.here) if values else None) or Seen()
    except ConnectorError as error:
        return Drift(destination=name, why=client.told(name, error)), None
    waiting = unsettled(site, client.ledger.sending.of(name), _recent(client, name))
    return compare(site, replace(seen, lists=lists), waiting), (site, survey)


def _place(client: Client, name: str) -> tuple[Site, Survey]:
    """A destination as the ledger and its account have it."""
    import pyarrow as pa

    from engine.ownership.planning import as_known
    from engine.ownership.site import Site
    from engine.plan.columns import present
    from engine.plan.survey import survey

    known = as_known(client.destination(name), client.ledger.targets.of(name))
    seen = survey(known, client.connector(name), client.ledger)
    return Site(destination=known, here=present(known, client.ledger), people=pa.table({})), seen


def _recent(client: Client, name: str) -> list[pa.Table]:
    """The rows of plans that were carried moments ago: reads may lag behind writes."""
    kept, since = kept_plans(client), client.clock.utc() - _LAG
    there = set(kept.runs())
    runs = [run for run in client.ledger.runs.carrying() if (run.ended_at or run.started_at) >= since]
    return [kept.of(run.id).of(name) for run in runs if run.id in there]


def _repair(
    client: Client,
    options: Options,
    found: Mapping[str, tuple[Drift, tuple[Site, Survey]]],
    failed: Mapping[str, str],
    out: Path | None,
) -> Planned:
    """The plan that puts right what is still wanted, guarded."""
    from engine.ownership.planning import planned
    from engine.ownership.repairing import repair
    from engine.plan.columns import wanted
    from engine.plan.file import save
    from engine.plan.population import populate

    parts = []
    for one, (bare, _) in found.values():
        site = replace(bare, people=client.membership.table)
        population = populate(site.destination, site.people, site.here)
        should = wanted(site.destination, population.people, _usable(client, ()), population.members)
        parts.append((site, repair(site, one, should)))
    surveys = {name: survey for name, (_, (_, survey)) in found.items()}
    made = planned(parts, client.ledger, now=client.now, config_hash=client.config.hash, surveys=surveys)
    if out is not None:
        save(made, out)
    return guard_plan(client, Planned(plan=made, unreachable=failed, file=out), surveys, options)


def _repaired(
    client: Client,
    options: Options,
    found: Mapping[str, tuple[Drift, tuple[Site, Survey]]],
    whole: Planned,
    record: Record,
) -> Pushed:
    """Carried; the ledger first learns what is no longer so there, wanted or not."""
    from engine.ownership.repairing import correct

    refused = {one.destination for one in whole.refusals}
    record.carries(whole)
    for name, (one, (site, _)) in found.items():
        if name not in refused:
            correct(client.ledger, site, one, plan=whole.plan.checksum)
    drifted = record.summary
    pushed = carry_plan(client, whole, options)
    record.ended(whole, pushed)
    record.summary = {**record.summary, **drifted}
    return pushed


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A list that somebody else made, taken over (`is_taken`), or what that would mean.

    People: `there` now, `ours_there` of them belong there by the segment, `joins` come with the next push; `said_no` of
    those there told the shop that they want no mail.
    """

    destination: str
    segment: str
    title: str
    there: int = 0
    ours_there: int = 0
    joins: int = 0
    said_no: int = 0
    is_taken: bool = False
    why: str | None = None  # it does not answer

    @property
    def exit_code(self) -> int:
        """4 where the destination does not answer."""
        return unreachable([] if self.why is None else [self.why])


def adopt(client: Client, target: str, *, yes: bool = False) -> Adopted:
    """Take over the list of a segment (`DESTINATION/SEGMENT`) that somebody else made; those in it are never removed."""
    if not yes:
        return _adopted(client, target, is_taken=False)
    with recorded(client, "adopt") as record:
        adopted = _adopted(client, target, is_taken=True)
        record.summary = {"adopted": target, "there": adopted.there}
        record.exit_code = adopted.exit_code
        return adopted


def _adopted(client: Client, target: str, *, is_taken: bool) -> Adopted:
    from engine.ownership.adopting import found, look, people_there
    from engine.plan.columns import present
    from engine.plan.survey import survey

    name, segment = _named(client, target)
    destination, connector = client.destination(name), client.connector(name)
    try:
        seen = survey(destination, connector, client.ledger)
        known = found(destination, segment, seen, client.ledger)
        listed = look(connector, known, name)
    except ConnectorError as error:
        return Adopted(
            destination=name, segment=segment, title=destination.title(segment), why=client.told(name, error)
        )
    counts, there = people_there(
        destination, segment, listed, client.membership.table, present(destination, client.ledger)
    )
    if is_taken and known.ref is not None:
        client.ledger.adoption.take(name, known.target, known.ref, there)
    return Adopted(
        destination=name,
        segment=segment,
        title=known.target.title,
        there=len(there),
        ours_there=counts["ours_there"],
        joins=counts["joins"],
        said_no=counts["said_no"],
        is_taken=is_taken,
    )


def _named(client: Client, target: str) -> tuple[str, str]:
    """Which segment's list at which destination. Raises ConfigError with the nearest that there is."""
    known = [f"{name}/{segment}" for name, one in client.settings.destinations.items() for segment in one.segments]
    if target not in known:
        near = nearest(target, known)
        hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(known)}"
        raise ConfigError(f"there is no list '{target}' to adopt", place="TARGET", hint=hint)
    name, _, segment = target.partition("/")
    return name, segment


def history(client: Client, run_id: int | None = None, *, limit: int = 20) -> History | Told:
    """The latest runs, or one of them in detail."""
    from engine.ownership.story import tell, tell_all

    kept = kept_plans(client).runs()
    if run_id is None:
        return tell_all(client.ledger, kept, limit=limit)
    run = client.ledger.runs.get(run_id)
    if run is None:
        last = client.ledger.runs.last(_LISTED)
        told = ", ".join(f"{one.id} ('{one.command}')" for one in last)
        raise ConfigError(
            f"there is no run {run_id}", place="RUN", hint=f"the last are {told}" if told else "there was no run yet"
        )
    return tell(client.ledger, run, kept)


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
        codes=_usable(client),
        seen=read_written(connector, here, plan.of(name)),
    ), seen


def _usable(client: Client, columns: Sequence[str] = ("offer", "customer_id", "code", "expires_at")) -> pa.Table:
    """Customers' codes that can be used and that a destination may hold; all columns for none."""
    import pyarrow.compute as pc

    from engine.ledger.codes import CodeState

    states = (CodeState.CONFIRMED, CodeState.PUSHED)
    codes = client.ledger.codes.table(states=states, columns=columns)
    return codes.filter(pc.fill_null(pc.greater(codes["expires_at"], client.now), True))


def _asked(client: Client, run_id: int) -> tuple[Run, Plan, Later]:
    """The run, its plan, and those of later runs. Raises ConfigError where it did nothing, or nobody knows any more what."""
    from engine.ownership.later import Later

    runs, kept = client.ledger.runs, kept_plans(client)
    run = runs.get(run_id)
    if run is None:
        raise ConfigError(f"there is no run {run_id}", place="RUN", hint=_those_that_carried(client))
    if run.plan is None:
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
    latest = client.ledger.runs.carrying()[: -_LISTED - 1 : -1]
    told = [f"{run.id} ('{run.command}' of {run.started_at:%Y-%m-%d %H:%M} UTC)" for run in latest]
    return f"these changed something: {', '.join(told)}" if told else "no run has changed anything yet"
