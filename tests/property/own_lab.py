"""Rounds whose plans are kept, and what takes them back: the lab of plan and push with a history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st
from plan_lab import Crash, Frail, Fuse, Lab, Person, fragile, table

from connectors.types import TargetKind
from engine.ledger import Ledger
from engine.ownership.adopting import found, look, people_there
from engine.ownership.drifting import Drift, compare, unsettled
from engine.ownership.keeping import Kept
from engine.ownership.later import Later
from engine.ownership.planning import as_known, planned
from engine.ownership.reading import ListSeen, Seen, read_list, read_values
from engine.ownership.repairing import correct, repair
from engine.ownership.site import Site, Undone
from engine.ownership.undoing import undo
from engine.plan.columns import present, wanted
from engine.plan.plan import Plan
from engine.plan.population import populate
from engine.plan.survey import survey
from engine.push.result import Result

__all__ = ["Opened", "OwnLab", "adopted", "drift_of", "laboratory", "repaired", "seen", "shops", "somebody", "stranger"]


@dataclass
class OwnLab(Lab):
    """A lab whose runs are numbered, and their plans kept."""

    folder: Path = Path()
    run: int = 0
    carried: dict[int, str] = field(default_factory=dict)

    @property
    def kept(self) -> Kept:
        return Kept(self.folder)

    def keep(self, made: Plan) -> int:
        """As a run does before its first change leaves."""
        self.run += 1
        if not made.is_empty:
            self.kept.keep(self.run, made)
        return self.run

    def carry(self, people: Sequence[Person], *, fuse: Fuse | None = None, made: Plan | None = None) -> Result | None:
        """A run; None where it died."""
        made = made or self.plan(people)
        self.keep(made)
        if fuse is None:
            return self.push(made, people)
        healthy, self.ledger = self.ledger, Ledger(fragile(self.database, fuse), "client")
        try:
            return self.push(made, people, connector=Frail(self.connector(), fuse))
        except Crash:
            return None
        finally:
            self.ledger = healthy

    def site(self, people: Sequence[Person], later: Later | None = None, **more: Any) -> Site:
        known = self.ledger.targets.of(self.name)
        here = present(self.destination, self.ledger)
        wide = table(people, sorted({*self.segments, "loyal", "fresh"}))
        return Site(
            destination=as_known(self.destination, known), here=here, people=wide, later=later or Later(), **more
        )

    def later(self, run: int) -> Later:
        return Later([(one, self.kept.path(one)) for one in self.kept.runs() if one > run])

    def undoing(self, run: int, people: Sequence[Person], **more: Any) -> tuple[Plan, Undone]:
        """The plan that takes a run back."""
        site = self.site(people, self.later(run), **more)
        back = undo(site, self.kept.of(run).of(self.name))
        return self.planned(site, back.table), back.undone

    def planned(self, site: Site, packed: Any) -> Plan:
        surveys = {self.name: survey(site.destination, self.connector(), self.ledger)}
        return planned([(site, packed)], self.ledger, now=self.now, config_hash="h", surveys=surveys)

    def undo(self, run: int, people: Sequence[Person], *, fuse: Fuse | None = None) -> Undone:
        made, undone = self.undoing(run, people)
        self.carry(people, fuse=fuse, made=made)
        return undone


@contextmanager
def laboratory(**more: Any) -> Iterator[OwnLab]:
    with TemporaryDirectory() as folder:
        lab = OwnLab(folder=Path(folder), **more)
        try:
            yield lab
        finally:
            lab.close()


Opened = Callable[..., AbstractContextManager[OwnLab]]
"""Opens a new laboratory, as `laboratory` does."""


def seen(lab: OwnLab, site: Site, *, most: int | None = None) -> Seen:
    """Everything that can be read there; `most`: people that the provider lists at most."""
    known = lab.ledger.targets.of(lab.name)
    titled = lab.connector().find([at.target for (kind, _), at in known.items() if kind is TargetKind.SEGMENT])
    lists = {
        name: read_list(lab.connector(), at, is_found=at.target in titled)
        for (kind, name), at in known.items()
        if kind is TargetKind.SEGMENT
    }
    if most is not None:
        lists = {name: replace(one, addresses=_first(one, most)) for name, one in lists.items()}
    return replace(read_values(lab.connector(), site.here) or Seen(), lists=lists)


def _first(one: ListSeen, most: int) -> Any:
    assert one.addresses is not None
    return one.addresses.slice(0, most)


def adopted(lab: OwnLab, segment: str, people: Sequence[Person]) -> dict[str, int]:
    """The list of that segment, taken over."""
    wide = table(people, sorted({*lab.segments, "loyal", "fresh"}))
    known = found(lab.destination, segment, survey(lab.destination, lab.connector(), lab.ledger), lab.ledger)
    listed = look(lab.connector(), known, lab.name)
    counts, there = people_there(lab.destination, segment, listed, wide, present(lab.destination, lab.ledger))
    assert known.ref is not None
    lab.ledger.adoption.take(lab.name, known.target, known.ref, there)
    return counts


def drift_of(lab: OwnLab, people: Sequence[Person], *, recent: Sequence[Any] = (), most: int | None = None) -> Drift:
    site = lab.site(people)
    waiting = unsettled(site, lab.ledger.sending.of(lab.name), recent)
    return compare(site, seen(lab, site, most=most), waiting)


def repaired(lab: OwnLab, people: Sequence[Person], drift: Drift, *, fuse: Fuse | None = None) -> Plan:
    """The repair, carried; the process may die in it."""
    site = lab.site(people)
    population = populate(site.destination, site.people, site.here)
    should = wanted(site.destination, population.people, lab.ledger.codes.table(), population.members)
    made = lab.planned(site, repair(site, drift, should))
    ledger = lab.ledger if fuse is None else Ledger(fragile(lab.database, fuse), "client")
    with suppress(Crash):
        correct(ledger, site, drift, plan=made.checksum)
        lab.carry(people, fuse=fuse, made=made)
    return made


def somebody(number: int, consents: Sequence[str]) -> st.SearchStrategy[Person]:
    """One customer as they may be in a round."""
    return st.builds(
        Person,
        id=st.just(f"c{number}"),
        segments=st.frozensets(st.sampled_from(["loyal", "fresh"])),
        consent=st.sampled_from(consents),
        email=st.sampled_from(["", "", "", f"other{number}@shop.example", None]),
        name=st.sampled_from([None, "Anna", "Zoë", '"', "x\x1fy"]),
        orders=st.sampled_from([None, 0, 7]),
        holdout=st.sampled_from([False, False, True]),
    )


def shops(
    consents: Sequence[str] = ("subscribed", "subscribed", "never", "unsubscribed"),
) -> st.SearchStrategy[list[Person]]:
    """The customers of one round."""

    def some(numbers: frozenset[int]) -> st.SearchStrategy[list[Person]]:
        return st.tuples(*(somebody(number, consents) for number in sorted(numbers))).map(list)

    return st.frozensets(st.integers(0, 5), max_size=5).flatmap(some)


def stranger(lab: Lab, address: str, *titles: str, **fields: Any) -> None:
    """Somebody at the provider whom we never wrote to."""
    refs = [ref for ref, title in lab.store["lists"].items() if title in titles]
    lab.store["contacts"][address] = {"ref": f"f-{address}", "status": "subscribed", "fields": fields, "lists": refs}
