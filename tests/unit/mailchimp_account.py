"""An emulated account with the connector over it, for the unit tests of Mailchimp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors import registry
from connectors.http import Request, Response
from connectors.mailchimp import Mailchimp
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.lab import SandboxClock
from connectors.sandbox.mailchimp import MailchimpSandbox
from connectors.spec import cut
from connectors.types import (
    AddContact,
    AddMember,
    Batch,
    Change,
    Consent,
    Job,
    Outcome,
    Profile,
    Ref,
    Target,
    TargetKind,
    ValueKind,
)

AUDIENCE = "a1b2c3d4e5"
SETTINGS = {"api_key": "sandbox-us1", "audience": AUDIENCE, "base_url": "http://sandbox.test/mailchimp/3.0"}
CONTACTS = Target(kind=TargetKind.CONTACTS, name="contacts", title="Newsletter")
LOYAL = Target(kind=TargetKind.SEGMENT, name="loyal", title="Clients fidèles")
FAVOURITE = Target(kind=TargetKind.FIELD, name="favourite", title="FAVOURITE", value=ValueKind.TEXT)


def person(number: int) -> Profile:
    return Profile(f"person.{number}@example.com")


def add(number: int, status: Consent = Consent.SUBSCRIBED, **traits: str) -> AddContact:
    return AddContact(id=f"add-{number}", profile=person(number), status=status, traits=traits)


@dataclass
class Shop:
    """The account, what is sent to it, and a hook that may answer first."""

    options: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    answer: Callable[[Request], Response | None] = lambda _: None
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(only=("mailchimp",), options=self.options)
        provider = self.sandbox.providers["mailchimp"]
        assert isinstance(provider, MailchimpSandbox)
        self.provider = provider
        self.clock = SandboxClock(self.sandbox.world)
        built = registry.build("mailchimp", SETTINGS | self.settings, handler=self, clock=self.clock)
        assert isinstance(built, Mailchimp)
        self.connector = built

    def handle(self, request: Request) -> Response:
        self.requests.append(request)
        return self.answer(request) or self.sandbox.handle(request)

    @property
    def now(self) -> datetime:
        return self.sandbox.world.now()

    def seed(self, number: int, status: str = "subscribed", **fields: Any) -> None:
        lists = fields.pop("lists", set())
        self.provider.seed(Contact(person(number).email, status, fields, lists))

    def truth(self, number: int) -> Contact:
        return self.provider.contacts()[person(number).email]

    def loyal(self) -> Ref:
        return self.connector.create([LOYAL])[LOYAL]

    def push(self, changes: Sequence[Change], ref: Ref = AUDIENCE) -> dict[str, Outcome]:
        """Carry the changes as the engine does; outcomes by id."""
        found: list[Outcome] = []
        for part in cut(changes, self.connector.spec.carries[type(changes[0])]):
            batch = Batch(LOYAL if "/" in ref else CONTACTS, ref, part)
            outcomes = list(self.connector.push(batch))
            jobs = {outcome.job: batch for outcome in outcomes if outcome.job}
            found += [outcome for outcome in outcomes if not outcome.job]
            self.sandbox.world.finish()
            found += self.connector.poll([Job(ref=job, batch=each, started_at=self.now) for job, each in jobs.items()])
        assert len(found) == len(changes)
        return {outcome.id: outcome for outcome in found}

    def join(self, *numbers: int, ref: Ref) -> dict[str, Outcome]:
        return self.push([AddMember(id=f"join-{number}", profile=person(number)) for number in numbers], ref)
