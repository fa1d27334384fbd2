"""A list that somebody else made: may it be taken over, who is in it, and what would come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.types import TargetKind
from engine.errors import ConfigError, GuardRefused
from engine.ledger.accounts import KnownTarget
from engine.ownership.reading import read_list
from engine.plan.destination import targets
from engine.plan.population import populate

if TYPE_CHECKING:
    import pyarrow as pa

    from connectors.base import Connector
    from engine.ledger import Ledger
    from engine.plan.columns import Present
    from engine.plan.destination import Destination
    from engine.plan.survey import Survey

__all__ = ["found", "look", "people_there"]

Column = Any  # an Arrow array; Arrow ships no types

_PLACE = "TARGET"


def found(destination: Destination, segment: str, seen: Survey, ledger: Ledger) -> KnownTarget:
    """The list there. Raises ConfigError where there is none, or it is ours or another segment's; GuardRefused for another account."""
    account = ledger.accounts.get(destination.name)
    if account is not None and account != seen.account.id:
        raise GuardRefused(
            f"{destination.name}: the key opens another account than until now",
            place=f"destinations.{destination.name}",
            hint="give the other account a destination of its own name",
        )
    known = ledger.targets.of(destination.name)
    mine = known.get((TargetKind.SEGMENT, segment))
    if mine is not None:
        word = "ours: we made it" if mine.is_owned else "adopted already"
        raise ConfigError(f"the list of '{segment}' at {destination.name} is {word}", place=_PLACE)
    target, ref = targets(destination, known)[TargetKind.SEGMENT, segment], seen.lists.get(segment)
    if ref is None:
        raise ConfigError(
            f"{destination.name} has no list called '{target.title}'",
            place=_PLACE,
            hint="there is nothing to adopt: the next push makes one; else give the segment the title of the list there",
        )
    for name, other in _others(destination, ledger):
        if other.ref == ref:
            raise ConfigError(
                f"the list '{target.title}' is that of {name}/{other.target.name} already",
                place=_PLACE,
                hint=f'a segment that was renamed says so: was = "{other.target.name}"',
            )
    return KnownTarget(target=target, position=-1, ref=ref, is_owned=False)


def _others(destination: Destination, ledger: Ledger) -> list[tuple[str, KnownTarget]]:
    """Lists that the ledger knows in the same account, whatever its destination is called there."""
    account = ledger.accounts.get(destination.name)
    same = [
        name
        for name in ledger.targets.destinations()
        if name == destination.name or (account is not None and ledger.accounts.get(name) == account)
    ]
    return [
        (name, at)
        for name in same
        for (kind, _), at in ledger.targets.of(name).items()
        if kind is TargetKind.SEGMENT and at.ref is not None
    ]


def look(connector: Connector, known: KnownTarget, name: str) -> Column:
    """Everyone in it. Raises ConfigError where it cannot be read, GuardRefused where not to its end."""
    listed = read_list(connector, known)
    if listed.addresses is None:
        raise ConfigError(f"{name}: the connector cannot read who is in a list", place=_PLACE)
    if not listed.is_whole:
        raise GuardRefused(
            f"{name}: {len(listed.addresses)} of {listed.count} people of '{known.target.title}' could be read",
            place=_PLACE,
            hint="whoever was not read would be taken for ours: try again",
        )
    return listed.addresses


def people_there(
    destination: Destination, segment: str, listed: Column, people: pa.Table, here: Present
) -> tuple[dict[str, int], pa.Table]:
    """Counts, and everyone there with their customer id, "" for those whom the shop does not know."""
    import pyarrow as pa
    import pyarrow.compute as pc

    population = populate(destination, people, here)
    belongs = population.people["email"].combine_chunks().filter(population.members[segment])
    ours = pc.sum(pc.is_in(belongs, value_set=listed)).as_py() or 0
    place = pc.index_in(listed, value_set=population.known_emails)
    customer = pc.fill_null(population.known_customers.take(place), "")
    said_no = pc.sum(pc.is_in(listed, value_set=population.left_addresses)).as_py() or 0
    counts = {"ours_there": ours, "joins": len(belongs) - ours, "said_no": said_no}
    return counts, pa.table({"address": listed, "customer_id": customer})
