"""A list that somebody else made, taken over, and given back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError
from connectors.types import TargetKind
from engine.errors import ConfigError, GuardRefused, nearest
from engine.history import recorded
from engine.results import unreachable

if TYPE_CHECKING:
    from engine.client import Client
    from engine.ledger.accounts import KnownTarget
    from engine.ledger.runs import Run

__all__ = ["ADOPT", "Adopted", "GivenBack", "adopt", "give_back"]

ADOPT = "adopt"
"""The command, in the history."""


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
    with recorded(client, ADOPT) as record:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """The adoption of a run taken back (`is_given`), or what that would mean: the list is whose it was, `theirs` stay in it."""

    run: int
    destination: str
    segment: str
    title: str
    theirs: int
    is_given: bool = False

    @property
    def exit_code(self) -> int:
        """Nothing is asked of anybody."""
        return 0


def give_back(client: Client, run: Run, *, yes: bool = False) -> GivenBack:
    """Take back the adoption of a run; nothing is changed, nor read, at the destination.

    Raises ConfigError where nothing of it stands any more, GuardRefused while somebody of ours is in the list.
    """
    if not yes:
        return _given_back(client, run, is_given=False)
    with recorded(client, "undo") as record:
        given = _given_back(client, run, is_given=True)
        record.summary = {"undoes": run.id}
        return given


def _given_back(client: Client, run: Run, *, is_given: bool) -> GivenBack:
    name, _, segment = str(run.summary.get("adopted", "")).partition("/")
    known = _adopted_by(client, name, segment)
    if known is None:
        raise ConfigError(f"nothing of run {run.id} ('adopt') stands any more", place="RUN")
    held = client.ledger.adoption.held(name, known)
    on_their_way = [one for one in client.ledger.sending.of(name) if one.target == known.target.name]
    if held.ours or on_their_way:
        raise GuardRefused(
            f"{name}: {held.ours + len(on_their_way)} people in '{known.target.title}' came with us, and would stay there",
            place="RUN",
            hint="take back the runs that put them there first: `ciblage history` lists them, the latest first",
        )
    if is_given:
        client.ledger.adoption.give_back(name, known)
    return GivenBack(
        run=run.id,
        destination=name,
        segment=known.target.name,
        title=known.target.title,
        theirs=held.theirs,
        is_given=is_given,
    )


def _adopted_by(client: Client, destination: str, segment: str) -> KnownTarget | None:
    """The list, under the name that its segment has now; None where it was given back, or made anew by us."""
    targets = client.ledger.targets.of(destination)
    lists = [at for (kind, _), at in targets.items() if kind is TargetKind.SEGMENT and not at.is_owned and at.ref]
    return next((at for at in lists if segment in (at.target.name, *at.was)), None)


def _named(client: Client, target: str) -> tuple[str, str]:
    """Which segment's list at which destination. Raises ConfigError with the nearest that there is."""
    known = [f"{name}/{segment}" for name, one in client.settings.destinations.items() for segment in one.segments]
    if target not in known:
        near = nearest(target, known)
        hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(known)}"
        raise ConfigError(f"there is no list '{target}' to adopt", place="TARGET", hint=hint)
    name, _, segment = target.partition("/")
    return name, segment
