"""What others changed at the destinations: shown, and repaired by a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError
from connectors.types import TargetKind
from engine.history import Record, kept_plans, recorded
from engine.results import Options, Planned, Pushed, unreachable
from engine.stages import carry_plan, guard_plan, pull_all
from engine.upkeep.usable import usable

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.client import Client
    from engine.ownership.drifting import Drift
    from engine.ownership.site import Site
    from engine.plan.survey import Survey

__all__ = ["Drifted", "drift"]

_LAG = timedelta(minutes=10)  # after a write in which a provider may still show what was before


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
        should = wanted(site.destination, population.people, usable(client, ()), population.members)
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
