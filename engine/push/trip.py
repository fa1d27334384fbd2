"""One destination's push: what it needs, what it has done, and the pipeline that every change goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from connectors import errors
from connectors.base import Connector
from connectors.http import Clock
from connectors.spec import cut
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    Batch,
    Change,
    ClearTraits,
    Consent,
    Fitted,
    Outcome,
    Profile,
    Ref,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    Target,
    TargetKind,
)
from engine.errors import OutOfTime
from engine.ledger import Ledger
from engine.ledger.accounts import KnownTarget
from engine.ledger.contacts import Contact
from engine.ledger.outcomes import Sending
from engine.ledger.packing import value
from engine.ledger.sending import Settlement
from engine.plan.destination import CONTACTS, KINDS, Destination
from engine.plan.rows import content_hash
from engine.push.delivery import Delivery, deliver
from engine.push.people import People
from engine.push.result import Result

__all__ = ["Carrier", "Limits", "Trip", "place_of"]

JOB_DEADLINE = 1800.0  # seconds that we wait for a provider's job, and after which its changes count as unknown


@dataclass(frozen=True, slots=True)
class Carrier:
    """A destination and its open account."""

    destination: Destination
    connector: Connector
    is_consent_only: bool = False  # the guard refused the rest of its plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to stop at the next safe point: a monotonic second, or a request (SIGTERM)."""

    until: float | None = None
    is_stopped: Callable[[], bool] = lambda: False
    job_deadline: float = JOB_DEADLINE


_STATUS = {status.value: status for status in Consent}

Progress = Callable[[str, int, int], None]
"""Called with the destination, changes done and changes in all."""


@dataclass(slots=True, kw_only=True)
class Trip:
    """The push of one destination."""

    carrier: Carrier
    ledger: Ledger
    people: People
    clock: Clock
    now: datetime
    plan: str | None
    limits: Limits
    progress: Progress
    result: Result
    total: int = 0
    done: int = 0
    waiting: dict[Ref, list[Sending]] = field(default_factory=dict)  # jobs under way, with what they carry
    continued: list[Sending] = field(default_factory=list)  # contacts that existed: their traits go by SetTraits
    targets: Mapping[tuple[TargetKind, str], KnownTarget] = field(default_factory=dict)
    places: Mapping[TargetKind, Mapping[str, int]] = field(default_factory=lambda: _placed({}))
    seen: dict[str, Contact | None] = field(
        default_factory=dict
    )  # contacts of what is being carried, as the ledger has them
    sent: dict[str, Change] = field(default_factory=dict)  # what waits for a job, in the contract's words

    @property
    def name(self) -> str:
        """The destination's name."""
        return self.carrier.destination.name

    @property
    def settlement(self) -> Settlement:
        """How outcomes are kept."""
        destination = self.carrier.destination
        return Settlement(
            destination=self.name,
            at=self.now,
            version=destination.spec.version,
            targets=self.targets,
            plan=self.plan,
            code_tags={tag.name: tag.offer for tag in destination.merge_tags if tag.offer and tag.field == "code"},
        )

    @property
    def under_way(self) -> int:
        """Changes that are held until a job ends, or until their group does."""
        return sum(map(len, self.waiting.values())) + len(self.continued)

    def refresh(self) -> None:
        """Read the targets again."""
        self.targets = self.ledger.targets.of(self.name)
        self.places = _placed(self.targets)

    def read(self, addresses: Sequence[str]) -> Mapping[str, Contact | None]:
        """These contacts as the ledger has them, and others: each is read once while its changes are carried."""
        unknown = [address for address in addresses if address not in self.seen]
        if unknown:
            self.seen |= {**dict.fromkeys(unknown), **self.ledger.contacts.of(self.name, unknown)}
        return self.seen

    def pause(self) -> None:
        """A safe point: everything sent so far is in the ledger. Raises OutOfTime."""
        if self.limits.is_stopped():
            self.result.stopped = "signal"
        elif self.limits.until is not None and self.clock.monotonic() >= self.limits.until:
            self.result.stopped = "time"
        if self.result.stopped:
            raise OutOfTime(f"{self.name}: stopped at a safe point", hint="run again: the rest is in the next plan")

    def carry(self, kind: str, target: str, changes: Sequence[Sending], *, is_begun: bool = False) -> None:
        """Send changes of one kind for one target, and commit before and after each round of calls."""
        where, ref = self._place(kind, target)
        limit = self.carrier.destination.spec.carries[KINDS[kind]]
        by_id = {change.change_id: change for change in changes}
        batches = (Batch(where, ref, part) for part in cut(self._wire(changes), limit))
        while round_ := list(islice(batches, max(1, self.carrier.destination.spec.in_flight))):
            self.pause()
            since = self.clock.utc()
            if not is_begun:
                begun = [[by_id[change.id] for change in batch.changes] for batch in round_]
                self.ledger.sending.begin(self.name, *begun, at=since, plan=self.plan)
            for delivery in self._deliver(round_, since):
                self._settle(delivery, by_id)

    def batch(self, kind: str, target: str, changes: Sequence[Sending]) -> Batch:
        """Changes as one batch, as they were sent."""
        where, ref = self._place(kind, target)
        if all(change.change_id in self.sent for change in changes):
            return Batch(where, ref, tuple(self.sent[change.change_id] for change in changes))
        return Batch(where, ref, tuple(self._wire(changes)))

    def conclude(self, pairs: Sequence[tuple[Sending, Outcome]], *, is_counted: bool = True) -> None:
        """Commit final outcomes; contacts that existed go on with their traits."""
        self.ledger.sending.settle(self.settlement, pairs, known=self.seen)
        for change, outcome in pairs:
            goes_on = self._goes_on(change, outcome)
            if goes_on is not None:
                self.continued.append(goes_on)
            elif is_counted:
                self.result.note(change, outcome)
                self.done += 1
        self.progress(self.name, self.done, self.total)

    def _goes_on(self, change: Sending, outcome: Outcome) -> Sending | None:
        if change.kind != AddContact.__name__ or outcome.state is not State.NOOP:
            return None
        fields = {name: text for name, text in change.fields.items() if name not in change.defaults}
        if not fields or SetTraits not in self.carrier.destination.spec.carries:
            return None
        digest = content_hash(self.name, SetTraits.__name__, CONTACTS, change.address, fields)
        return change._replace(
            kind=SetTraits.__name__, fields=fields, defaults=frozenset(), status=None, content_hash=digest
        )

    def _place(self, kind: str, target: str) -> tuple[Target, Ref]:
        known = self.targets[place_of(kind, target)]
        if known.ref is None:
            raise errors.UnexpectedResponse(f"{self.name}: '{known.target.title}' has no id")
        return known.target, known.ref

    def _deliver(self, batches: Sequence[Batch], since: datetime) -> Iterator[Delivery]:
        """One round: as many calls at once as the connector declares; all of them end before an error is raised."""

        def send(batch: Batch) -> Delivery:
            return deliver(self.carrier.connector, batch, clock=self.clock, since=since)

        if len(batches) == 1:
            yield send(batches[0])
            return
        with ThreadPoolExecutor(max_workers=len(batches), thread_name_prefix=self.name) as pool:
            yield from pool.map(send, batches)

    def _settle(self, delivery: Delivery, by_id: Mapping[str, Sending]) -> None:
        self.result.calls += delivery.calls
        final, jobs = [], {}
        for key, outcome in delivery.outcomes.items():
            if outcome.state is State.PENDING and outcome.job is not None:
                jobs[key] = outcome.job
                self.waiting.setdefault(outcome.job, []).append(by_id[key])
            else:
                final.append((by_id[key], outcome))
        self.conclude(final)
        self.ledger.sending.wait(self.name, jobs, plan=self.plan)
        self.sent |= {change.id: change for change in delivery.batch.changes if change.id in jobs}
        if delivery.error is None:
            return
        if delivery.is_certain:
            left = [change.id for change in delivery.rest(delivery.batch.changes)]
            self.ledger.sending.withdraw(self.name, left, plan=self.plan)
        raise delivery.error

    def _wire(self, changes: Sequence[Sending]) -> Iterator[Change]:
        """The changes in the contract's words; the provider's ids where we have them."""
        known = self.read([change.address for change in changes if change.customer_id])
        refs = {name: at.ref for (kind, name), at in self.targets.items() if kind is TargetKind.FIELD and at.ref}
        for change in changes:
            if change.kind == AddCode.__name__:
                yield _code(change)
                continue
            contact = known.get(change.address)
            profile = Profile(change.address, contact.ref if contact else None)
            yield _WORDS[change.kind](change, profile, self._traits(change, refs) if change.fields else {})

    def _traits(self, change: Sending, refs: Mapping[str, Ref]) -> dict[Ref, Fitted]:
        try:
            return {refs[name]: value(text) for name, text in change.fields.items()}
        except KeyError as error:
            raise errors.UnexpectedResponse(f"{self.name}: the field {error} has no id") from None


def place_of(kind: str, target: str) -> tuple[TargetKind, str]:
    """Which target a change is about: a segment's list, a pool, or all contacts there."""
    if kind == AddCode.__name__:
        return TargetKind.POOL, target
    return (TargetKind.SEGMENT, target) if kind.endswith("Member") else (TargetKind.CONTACTS, CONTACTS)


def _code(change: Sending) -> AddCode:
    expires = change.fields.get("expires")
    return AddCode(
        id=change.change_id,
        code=str(value(change.fields["code"])),
        expires=datetime.fromisoformat(str(value(expires))) if expires else None,
    )


def _placed(targets: Mapping[tuple[TargetKind, str], KnownTarget]) -> Mapping[TargetKind, Mapping[str, int]]:
    """Positions by our name, of each kind of target."""
    found: dict[TargetKind, dict[str, int]] = {kind: {} for kind in TargetKind}
    for (kind, name), known in targets.items():
        found[kind][name] = known.position
    return found


_Word = Callable[[Sending, Profile, dict[Ref, Fitted]], Change]
_WORDS: Mapping[str, _Word] = {
    "AddContact": lambda change, profile, traits: AddContact(
        id=change.change_id, profile=profile, status=_STATUS[change.status or "never"], traits=traits
    ),
    "SetTraits": lambda change, profile, traits: SetTraits(id=change.change_id, profile=profile, traits=traits),
    "ClearTraits": lambda change, profile, traits: ClearTraits(
        id=change.change_id, profile=profile, fields=tuple(traits)
    ),
    "AddMember": lambda change, profile, _: AddMember(id=change.change_id, profile=profile),
    "RemoveMember": lambda change, profile, _: RemoveMember(id=change.change_id, profile=profile),
    "Suppress": lambda change, profile, _: Suppress(id=change.change_id, profile=profile),
}
"""Each kind of change in the contract's words."""
