"""An emulated ActiveCampaign account with its connector, for tests that look at single calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from connectors import registry
from connectors.activecampaign import ActiveCampaign
from connectors.pace import LocalPace
from connectors.sandbox import Sandbox
from connectors.sandbox.activecampaign import ActiveCampaignSandbox
from connectors.sandbox.lab import SandboxClock
from connectors.sandbox.world import Contact
from connectors.spec import cut
from connectors.types import (
    AddContact,
    Batch,
    Change,
    Consent,
    Job,
    Outcome,
    Profile,
    Ref,
    State,
    Target,
    TargetKind,
    ValueKind,
)

BASE = "http://sandbox.test/activecampaign"
KEY = "sandbox-0123456789abcdef"
PEOPLE = Target(kind=TargetKind.CONTACTS, name="contacts", title="contacts")
LOYAL = Target(kind=TargetKind.SEGMENT, name="loyal", title="Loyal & co")
CITY = Target(kind=TargetKind.FIELD, name="city", title="CITY", value=ValueKind.TEXT)


class Shop:
    """The account, its connector, and the targets that most tests need."""

    def __init__(self, options: Mapping[str, str] | None = None, **settings: str) -> None:
        self.sandbox = Sandbox(only=("activecampaign",), options=options)
        self.provider = cast("ActiveCampaignSandbox", self.sandbox.providers["activecampaign"])
        self.account = self.provider.account
        known = {"api_key": KEY, "base_url": BASE, "list_name": "Newsletter", **settings}
        clock = SandboxClock(self.sandbox.world)
        built = registry.build("activecampaign", known, handler=self.sandbox, clock=clock, pace=LocalPace())
        self.connector = cast("ActiveCampaign", built)

    def refs(self) -> Mapping[Target, Ref]:
        return self.connector.create([PEOPLE, LOYAL, CITY])

    def seed(self, email: str, status: str = "subscribed", *, lists: Sequence[Ref] = ()) -> Ref:
        self.provider.seed(Contact(email, status, lists=set(lists)))
        return str(self.account.by_email[email].id)

    def carry(self, changes: Sequence[Change], target: Target = PEOPLE) -> dict[str, Outcome]:
        """Push and poll to the end; final outcomes by change id."""
        ref = self.refs()[target]
        limit = self.connector.spec.carries[type(changes[0])]
        told = {one.id: one for part in cut(changes, limit) for one in self.connector.push(Batch(target, ref, part))}
        self.sandbox.world.finish()
        for job in {one.job for one in told.values() if one.state is State.PENDING}:
            carried = [change for change in changes if told[change.id].job == job]
            batch = Batch(target, ref, carried)
            done = self.connector.poll([Job(ref=str(job), batch=batch, started_at=self.sandbox.world.now())])
            told |= {one.id: one for one in done}
        return told

    def sent(self, path: str) -> list[Any]:
        """The bodies of the writes to a path."""
        calls = [call for call in self.sandbox.calls if call.path.endswith(path) and call.method == "POST"]
        return [json.loads(call.body) for call in calls]


def add(number: int, email: str = "", status: Consent = Consent.SUBSCRIBED, **traits: str) -> AddContact:
    profile = Profile(email or f"p{number}@example.com")
    return AddContact(id=f"add-{number}", profile=profile, status=status, traits=traits)
