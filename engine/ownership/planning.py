"""Rows that come from a comparison of their own, as a plan like any other: counted, guarded, reviewed and pushed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.types import TargetKind
from engine.plan import rows
from engine.plan.columns import Wanted
from engine.plan.counting import Counted, summarise
from engine.plan.diff import Difference
from engine.plan.plan import Plan, ShopFacts
from engine.plan.pools import Filling
from engine.plan.population import populate
from engine.plan.spool import Rows

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger import Ledger
    from engine.ledger.accounts import KnownTarget
    from engine.ownership.site import Site
    from engine.plan.destination import Destination
    from engine.plan.summary import DestinationSummary
    from engine.plan.survey import Survey

__all__ = ["as_known", "is_own", "planned", "takes_back"]


def planned(
    found: Sequence[tuple[Site, pa.Table]],
    ledger: Ledger,
    *,
    now: datetime,
    config_hash: str,
    surveys: Mapping[str, Survey],
    codes: pa.Table | None = None,
) -> Plan:
    """The plan of these rows, by destination; `codes`: rows of codes to withdraw."""
    summaries = tuple(_summary(site, table, surveys.get(site.name)) for site, table in found)
    tables = [table for _, table in found]
    return Plan(
        client=ledger.client,
        now=now,
        config_hash=config_hash,
        ledger_version=ledger.version(),
        accounts={one.name: one.account for one in summaries if one.account is not None},
        shop=ShopFacts(),
        destinations=summaries,
        issues=(),
        currency=next((site.destination.currency for site, _ in found), "EUR"),
        stored=Rows.of([rows.ordered([*tables, *([codes] if codes is not None else [])])]),
    )


def as_known(destination: Destination, known: Mapping[tuple[TargetKind, str], KnownTarget]) -> Destination:
    """The destination without what the ledger does not know there: to put right what was creates nothing new."""
    return replace(
        destination,
        segments=tuple(name for name in destination.segments if (TargetKind.SEGMENT, name) in known),
        merge_tags=tuple(tag for tag in destination.merge_tags if (TargetKind.FIELD, tag.name) in known),
        pools=(),
    )


def is_own(plan: Plan, destination: str) -> bool:
    """Whether the plan takes back or repairs there, and does nothing else."""
    whys = _whys(plan, destination)
    return bool(whys) and whys <= {rows.UNDO, rows.DRIFT}


def takes_back(plan: Plan, destination: str) -> bool:
    """Whether the plan takes a run back there."""
    return rows.UNDO in _whys(plan, destination)


def _whys(plan: Plan, destination: str) -> set[str]:
    return {why for run in plan.stored.chosen(destination=destination).runs for why in run.whys}


def _summary(site: Site, table: pa.Table, survey: Survey | None) -> DestinationSummary:
    population = populate(site.destination, site.people, site.here)
    counted = Counted(
        destination=site.destination,
        here=site.here,
        wanted=_nobody(),
        population=replace(population, counts={}, blocked={}, held_out=0, matched=0),
        difference=Difference(),
        filling=Filling(table=rows.empty(), hashes=_none(), codes=_none(), live=rows.empty()),
        rows=Rows.of([table]),
        survey=survey,
    )
    return replace(summarise(counted), foreign=())


def _nobody() -> Wanted:
    return Wanted(
        address=_none(), customer_id=_none(), status=_none(), basis=_none(), members={}, values={}, defaults={}
    )


def _none() -> Any:  # noqa: ANN401 - Arrow's arrays carry no type
    import pyarrow as pa

    return pa.array([], pa.string())
