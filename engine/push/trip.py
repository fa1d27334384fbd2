"""One destination's push: what it needs, what it has done, and the pipeline that every change goes through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, count

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
    Job,
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

_ROUND = 2_000  # changes that are committed together at least, where there are so many and calls hold few
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
_NOOP, _PENDING = State.NOOP, State.PENDING  # looked up once, not once a change

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
    sent: dict[Ref, Job] = field(default_factory=dict)  # those of the jobs that are one batch, as it was sent

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
        seen = self.seen
        unknown = [address for address in addresses if address not in seen]
        if unknown:
            seen |= {**dict.fromkeys(unknown), **self.ledger.contacts.of(self.name, unknown)}
        return seen

    def _why_stop(self) -> str | None:
        if self.limits.is_stopped():
            return "signal"
        is_late = self.limits.until is not None and self.clock.monotonic() >= self.limits.until
        return "time" if is_late else None

    def pause(self, *, is_urgent: bool = False) -> None:
        """A safe point: everything sent so far is in the ledger. Raises OutOfTime; for what is urgent a signal only."""
        self.result.stopped = self._why_stop() or self.result.stopped
        if self.result.stopped and not (is_urgent and self.result.stopped == "time"):
            raise OutOfTime(f"{self.name}: stopped at a safe point", hint="run again: the rest is in the next plan")

    def carry(self, kind: str, target: str, changes: Sequence[Sending], *, is_begun: bool = False) -> None:
        """Send changes of one kind for one target, and commit before and after each round of calls."""
        where, ref = self._place(kind, target)
        limit = self.carrier.destination.spec.carries[KINDS[kind]]
        by_id = {change.change_id: change for change in changes}
        batches = (Batch(where, ref, part) for part in cut(self._wire(changes), limit))
        for round_ in _rounds(batches, max(1, self.carrier.destination.spec.in_flight)):
            self.pause(is_urgent=kind == Suppress.__name__)  # that somebody has left waits for no other day
            since = self.clock.utc()
            if not is_begun:
                begun = [[by_id[change.id] for change in batch.changes] for batch in round_]
                together = begun if limit.is_job else [list(chain.from_iterable(begun))]  # what ends together
                self.ledger.sending.begin(self.name, *together, at=since, plan=self.plan)
            deliveries = self._deliver(round_, since)
            if kind == AddMember.__name__ and not self.targets[place_of(kind, target)].is_owned:
                for delivery in deliveries:
                    _own(delivery, by_id if is_begun else delivery.unsure)
            self._settle(deliveries, by_id, since)

    def batch(self, kind: str, target: str, changes: Sequence[Sending]) -> Batch:
        """Changes as one batch, as they were sent."""
        where, ref = self._place(kind, target)
        return Batch(where, ref, tuple(self._wire(changes)))

    def conclude(self, pairs: Sequence[tuple[Sending, Outcome]]) -> None:
        """Commit final outcomes; contacts that existed go on with their traits."""
        self.ledger.sending.settle(self.settlement, pairs, known=self.seen)
        existed = [one for one, outcome in pairs if outcome.state is _NOOP and one.kind == _ADD_CONTACT]
        going_on = {one.change_id: rest for one in existed if (rest := self._goes_on(one)) is not None}
        self.continued += going_on.values()
        ended = [pair for pair in pairs if pair[0].change_id not in going_on] if going_on else pairs
        self.result.note(ended)
        self.done += len(ended)
        self.progress(self.name, self.done, self.total)

    def _goes_on(self, change: Sending) -> Sending | None:
        """What is left to do for a contact that was there before its AddContact: its traits, without the defaults."""
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

    def _deliver(self, batches: Sequence[Batch], since: datetime) -> list[Delivery]:
        """One round: as many calls at once as the connector declares. One that fails ends it, as a stop does."""
        in_flight = max(1, self.carrier.destination.spec.in_flight)
        failed = threading.Event()

        def send(place: int, batch: Batch) -> Delivery:
            if failed.is_set() or (place >= in_flight and self._why_stop()):
                return Delivery(batch)
            delivery = deliver(self.carrier.connector, batch, clock=self.clock, since=since)
            if delivery.error is not None:
                failed.set()
            return delivery

        if min(in_flight, len(batches)) == 1:
            return list(map(send, count(), batches))
        with ThreadPoolExecutor(max_workers=min(in_flight, len(batches)), thread_name_prefix=self.name) as pool:
            return list(pool.map(send, count(), batches))

    def _settle(self, deliveries: Sequence[Delivery], by_id: Mapping[str, Sending], since: datetime) -> None:
        """Commit what a round of calls did: outcomes, jobs, and what did not leave. Raises the first call's error."""
        final: list[tuple[Sending, Outcome]] = []
        jobs: dict[str, Ref] = {}
        left: list[str] = []
        for delivery in deliveries:
            self.result.calls += delivery.calls
            waiting = {}
            for key, outcome in delivery.outcomes.items():
                if outcome.state is _PENDING and outcome.job is not None:
                    waiting[key] = outcome.job
                else:
                    final.append((by_id[key], outcome))
            self._wait(delivery.batch, waiting, by_id, since)
            jobs |= waiting
            if delivery.is_certain and len(delivery.outcomes) < len(delivery.batch.changes):
                left += [change.id for change in delivery.rest(delivery.batch.changes)]
        if final:
            self.conclude(final)
        self.ledger.sending.wait(self.name, jobs, plan=self.plan)
        self.ledger.sending.withdraw(self.name, left, plan=self.plan)
        for error in (delivery.error for delivery in deliveries if delivery.error is not None):
            raise error
        if left:
            self.pause()

    def _wait(self, batch: Batch, jobs: Mapping[str, Ref], by_id: Mapping[str, Sending], since: datetime) -> None:
        """Hold what waits for a job; a batch that is a job by itself is kept as it was sent."""
        refs = set(jobs.values())
        for ref in refs:
            is_whole = len(refs) == 1 and len(jobs) == len(batch.changes) and ref not in self.waiting
            self.waiting.setdefault(ref, []).extend(by_id[key] for key, job in jobs.items() if job == ref)
            if is_whole:
                self.sent[ref] = Job(ref=ref, batch=batch, started_at=since)
            else:
                self.sent.pop(ref, None)

    def _wire(self, changes: Sequence[Sending]) -> Iterator[Change]:
        """The changes in the contract's words; the provider's ids where we have them."""
        known = self.read([change.address for change in changes if change.customer_id])
        refs = {name: at.ref for (kind, name), at in self.targets.items() if kind is TargetKind.FIELD and at.ref}
        values = _Values()
        for change in changes:
            kind, address = change.kind, change.address
            if kind == _ADD_CODE:
                yield _code(change)
                continue
            contact = known.get(address)
            profile = Profile(address, contact.ref if contact else None)
            if (bare := _BARE.get(kind)) is not None:
                yield bare(id=change.change_id, profile=profile)
            else:
                yield _WORDS[kind](change, profile, self._traits(change, refs, values))

    def _traits(self, change: Sending, refs: Mapping[str, Ref], values: Mapping[str, Fitted]) -> dict[Ref, Fitted]:
        try:
            return {refs[name]: values[text] for name, text in change.fields.items()}
        except KeyError as error:
            raise errors.UnexpectedResponse(f"{self.name}: the field {error} has no id") from None


def _own(delivery: Delivery, sent_before: Container[str]) -> None:
    """Who is in a list of others when an unanswered addition is sent again is there by the first one: ours to remove."""
    for key, outcome in delivery.outcomes.items():
        if outcome.state is State.NOOP and key in sent_before:
            delivery.outcomes[key] = replace(outcome, state=State.APPLIED)


class _Values(dict[str, Fitted]):
    """The fitted values of JSON scalars: contacts share most of theirs."""

    def __missing__(self, text: str) -> Fitted:
        found = self[text] = value(text)
        return found


def _rounds(batches: Iterable[Batch], in_flight: int) -> Iterator[list[Batch]]:
    """Calls that are committed together: as many as go at once; more of them where they hold few changes."""
    round_: list[Batch] = []
    size = 0
    for batch in batches:
        round_.append(batch)
        size += len(batch.changes)
        if len(round_) >= in_flight and size >= _ROUND:
            yield round_
            round_, size = [], 0
    if round_:
        yield round_


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


_ADD_CONTACT, _ADD_CODE = AddContact.__name__, AddCode.__name__
_BARE: Mapping[str, Callable[..., Change]] = {kind.__name__: kind for kind in (AddMember, RemoveMember, Suppress)}
_Word = Callable[[Sending, Profile, dict[Ref, Fitted]], Change]
_WORDS: Mapping[str, _Word] = {
    "AddContact": lambda change, profile, traits: AddContact(
        id=change.change_id, profile=profile, status=_STATUS[change.status or "never"], traits=traits
    ),
    "SetTraits": lambda change, profile, traits: SetTraits(id=change.change_id, profile=profile, traits=traits),
    "ClearTraits": lambda change, profile, traits: ClearTraits(
        id=change.change_id, profile=profile, fields=tuple(traits)
    ),
}
"""Each kind of change in the contract's words."""
