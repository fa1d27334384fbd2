"""What the ledger must know before a plan that puts things right is carried."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.types import AddMember, SetTraits, TargetKind
from engine.ledger.packing import value
from engine.ownership.fields import placed
from engine.ownership.site import Site, digests
from engine.plan import rows
from engine.plan.columns import present
from engine.plan.spool import Rows

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger import Ledger
    from engine.plan.destination import Destination
    from engine.plan.plan import Plan

__all__ = ["begin"]

Column = Any  # an Arrow array; Arrow ships no types


def begin(plan: Plan, ledger: Ledger, people: pa.Table, *, now: datetime, carried: Sequence[Destination]) -> None:
    """End the codes that the plan withdraws, and forget what it writes again because others changed it.

    `carried`: destinations that the guard lets pass. Done twice it is as done once.
    """
    withdrawn = rows.unpacked(plan.stored.chosen(kind=rows.WITHDRAW).table())
    if len(withdrawn) and carried:
        ids = [str(value(text)) for text in withdrawn["after"].to_pylist()]
        ledger.codes.withdraw(ids, at=now, plan=plan.checksum)
    for destination in carried:
        runs = plan.stored.chosen(destination=destination.name).runs
        drifted = [Rows((run,)).table() for run in runs if rows.DRIFT in run.whys]
        if drifted:
            _forget(
                drifted,
                Site(destination=destination, here=present(destination, ledger), people=people),
                ledger,
                plan.checksum,
            )


def _forget(drifted: Sequence[pa.Table], site: Site, ledger: Ledger, checksum: str) -> None:
    """The ledger still says that these are there: were it believed, nothing would be sent."""
    for run in drifted:
        kind, target = run["kind"][0].as_py(), run["target"][0].as_py()
        if kind == AddMember.__name__ and (at := site.here.targets.get((TargetKind.SEGMENT, target))) is not None:
            ledger.corrections.forget_members(site.name, at.position, _members(site, run, target), plan=checksum)
        if kind == SetTraits.__name__:
            for tag, addresses in _valued(site, run).items():
                position = site.here.targets[TargetKind.FIELD, tag].position
                ledger.corrections.forget_value(site.name, position, addresses, plan=checksum)


def _members(site: Site, run: pa.Table, target: str) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    hashes = run["content_hash"].cast(pa.string()).combine_chunks()
    ours = site.column("address").filter(site.here.member(target))
    return ours.filter(pc.is_in(digests(site.name, AddMember.__name__, target, ours), value_set=hashes))


def _valued(site: Site, run: pa.Table) -> dict[str, Column]:
    """Addresses by merge tag."""
    import pyarrow.compute as pc

    found = {}
    part, _ = placed(site, SetTraits.__name__, rows.unpacked(run))
    for tag in part["field"].unique().to_pylist():
        if (TargetKind.FIELD, tag) in site.here.targets:
            places = part.filter(pc.equal(part["field"], tag))["place"].combine_chunks()
            found[tag] = site.column("address").take(places)
    return found
