"""Everything that a connector can do, once, through a judge: each ability, each kind of change, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from official import HOST, Judge

from connectors import base, errors, registry
from connectors.http import Handler
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.__main__ import KEYS
from connectors.sandbox.lab import SandboxClock
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    Batch,
    Change,
    ClearTraits,
    Consent,
    EventKind,
    Fitted,
    Job,
    Profile,
    Reason,
    Ref,
    RemoveMember,
    SetTraits,
    Suppress,
    Target,
    TargetKind,
    ValueKind,
)  # fmt: skip

CONTACTS = Target(kind=TargetKind.CONTACTS, name="contacts", title="Tous")
LOYAL = Target(kind=TargetKind.SEGMENT, name="loyal", title="Clients fidèles")
POOL = Target(kind=TargetKind.POOL, name="thanks", title="thanks")
KINDS: Sequence[ValueKind] = tuple(ValueKind)
RAW: dict[ValueKind, object] = {
    ValueKind.NUMBER: 12.5, ValueKind.DATE: date(2018, 1, 1), ValueKind.BOOLEAN: True,
    ValueKind.INSTANT: datetime(2018, 1, 1, tzinfo=UTC),
}  # fmt: skip
STORE = {"store": "shop", "store_currency": "EUR", "store_url": "https://shop.example"}
SETTINGS = {"mailchimp": {"audience": "Newsletter", **STORE}, "activecampaign": {"list_name": "Newsletter"}}
BAD = Profile("no address")
GHOST = Profile("ghost@example.com")
LATE = Profile("late@example.com")  # refused within a job, where `async_errors` says so
NO_JOB = {"mailchimp": "ghost", "klaviyo": "01ABSENT", "brevo": "99999", "activecampaign": "ghost"}
MANY = 1_001


@dataclass
class Round:
    """A connector whose every call is judged; `swallowed` are whole calls that were refused."""

    name: str
    options: dict[str, str] = field(default_factory=dict)
    swallowed: list[errors.ConnectorError] = field(default_factory=list)
    judged_by: Callable[[Handler, str], Judge] = Judge

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(only=(self.name,), options=self.options)
        self.world, self.provider = self.sandbox.world, self.sandbox.providers[self.name]
        self.judge = self.judged_by(self.sandbox, self.name)
        settings = {"api_key": KEYS[self.name], "base_url": HOST + self.provider.prefix, "prefix": "shop"}
        settings |= SETTINGS.get(self.name, {})
        clock = SandboxClock(self.world)
        self.connector: Any = registry.build(self.name, settings, handler=self.judge, clock=clock)
        self.people = [Profile(f"person.{number}@example.com") for number in range(30)]

    @property
    def targets(self) -> list[Target]:
        spec = self.connector.spec
        fields = [
            Target(kind=TargetKind.FIELD, name=kind.value, title=self._title(kind), value=kind)
            for kind in KINDS
            if kind in spec.fields
        ]
        return [CONTACTS, LOYAL, *fields, *([POOL] if AddCode in spec.carries else [])]

    def _title(self, kind: ValueKind) -> str:
        names = self.connector.spec.field_names
        text = f"t_{kind.value}"[: names.length]
        return text.upper() if names.upper else text

    def all(self) -> None:
        """The whole round."""
        self.connector.check()
        self.connector.find(self.targets)
        self.refs: dict[Target, Ref] = dict(self.connector.create(self.targets))
        self.connector.create(self.targets)
        self.connector.find(self.targets)
        self.write()
        self.read()
        self.leave()

    def values(self) -> dict[Ref, Fitted]:
        fit, found = self.connector.spec.fit, {}
        for target in self.targets:
            if target.value is not None:
                fitted = fit(target.value, RAW.get(target.value, "https://shop.example/é"))
                if not isinstance(fitted, Reason) and target in self.refs:
                    found[self.refs[target]] = fitted
        return found

    def write(self) -> None:
        """Each kind of change: new, again, and for nobody."""
        people, values = self.people, self.values()
        status = Consent.SUBSCRIBED
        adds = [AddContact(id=f"a{n}", profile=one, status=status, traits=values) for n, one in enumerate(people)]
        self.push(CONTACTS, adds)
        self.push(CONTACTS, adds[:2])
        self.push(CONTACTS, [AddContact(id="bad", profile=BAD, status=status)])
        self.push(CONTACTS, [AddContact(id="late", profile=LATE, status=status)])
        self.push(LOYAL, [AddMember(id=f"m{n}", profile=one) for n, one in enumerate([*people, GHOST])])
        self.push(LOYAL, [AddMember(id="again", profile=people[0])])
        self.push(CONTACTS, [SetTraits(id="s", profile=people[0], traits=values)])
        self.push(CONTACTS, [SetTraits(id="g", profile=GHOST, traits=values)])
        self.push(CONTACTS, [ClearTraits(id="c", profile=people[0], fields=tuple(values))])
        self.push(LOYAL, [RemoveMember(id="r", profile=people[4]), RemoveMember(id="g", profile=GHOST)])
        self.push(LOYAL, [RemoveMember(id="again", profile=people[4])])
        self.push(CONTACTS, [Suppress(id="u", profile=people[5])])
        codes = [AddCode(id=f"k{n}", code=f"THANKS{n}", expires=self.world.now()) for n in range(3)]
        self.push(POOL, codes)
        self.push(POOL, codes[:2])

    def push(self, target: Target, changes: Iterable[Change]) -> None:
        """Carry what the connector carries, follow its jobs to their end, and look up what became of it."""
        batch = Batch(target, self.refs.get(target, ""), list(changes))
        if type(batch.changes[0]) not in self.connector.spec.carries:
            return
        jobs: list[Job] = []
        began = self.world.now()
        with self.refusing():
            refs = dict.fromkeys(one.job for one in self.connector.push(batch) if one.job)
            jobs = [Job(ref=ref, batch=batch, started_at=began) for ref in refs]
        self.follow(jobs)
        if isinstance(self.connector, base.Recalls):
            found = []
            with self.refusing():
                found = [one.job for one in self.connector.recall(batch, began) if one.job]
            self.follow([Job(ref=ref, batch=batch, started_at=began) for ref in dict.fromkeys(found)])

    def follow(self, jobs: Sequence[Job]) -> None:
        """Jobs to their end, and one that nobody knows."""
        if not isinstance(self.connector, base.RunsJobs) or not jobs:
            return
        list(self.connector.poll(jobs))
        self.world.finish()
        self.world.advance(60)
        list(self.connector.poll(jobs))
        if not isinstance(jobs[0].batch.changes[0], AddCode):
            list(self.connector.poll([replace(jobs[0], ref=NO_JOB[self.name])]))

    def read(self) -> None:
        """Each reading ability, twice where there is a cursor."""
        it, world, ref = self.connector, self.world, self.refs[LOYAL]
        campaign = self.provider.mail(ref, "Soldes")
        for number, kind in enumerate(EventKind):
            self.provider.react(
                campaign, self.people[6 + number].email, kind, world.now(), url="https://shop.example/a"
            )
        self.provider.react(campaign, self.people[20].email, EventKind.OPEN, world.now(), is_machine=True)
        for status in ("unsubscribed", "cleaned", "archived", "pending", "complained"):
            self.provider.seed(Contact(f"{status}@example.com", status, lists={ref}))
        world.advance(60)
        if isinstance(it, base.PullsEngagement):
            self._read(it.pull)
        if isinstance(it, base.ReadsSuppressions):
            self._read(it.suppressions)
        if isinstance(it, base.ReadsTotals):
            assert it.totals([campaign])
        if isinstance(it, base.ReadsMembers):
            for target in (LOYAL, CONTACTS):
                list(it.members(target, self.refs.get(target, "")))
                it.count(target, self.refs.get(target, ""))
        if isinstance(it, base.Resolves):
            it.resolve([*self.people, GHOST])
        if isinstance(it, base.ReadsTraits):
            it.traits([self.people[1], GHOST])

    def _read(self, pages: Any) -> None:
        cursor = None
        for _ in range(4):
            for page in pages(cursor, self.world.now()):
                cursor = page.cursor
                if not page.items:
                    self.world.advance(60)
            self.world.advance(3600)

    def leave(self) -> None:
        """What ends: a person erased, a list that grew deleted by hand."""
        for number in range(MANY):
            self.provider.seed(Contact(f"many.{number}@example.com", lists={self.refs[LOYAL]}))
        if isinstance(self.connector, base.ReadsMembers):
            self.connector.count(LOYAL, self.refs[LOYAL])
        if isinstance(self.connector, base.Erases):
            for one in (self.people[7], self.people[7], GHOST):
                self.connector.erase(one)
                self.world.finish()
        self.provider.drop(self.refs[LOYAL])
        for change in (AddMember(id="late", profile=self.people[8]), RemoveMember(id="later", profile=self.people[8])):
            self.push(LOYAL, [change])

    def refusing(self) -> _Refusing:
        """Whole calls may be refused here."""
        return _Refusing(self.swallowed)


@dataclass
class _Refusing:
    into: list[errors.ConnectorError]

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, errors.ConnectorError):
            self.into.append(error)
            return True
        return False
