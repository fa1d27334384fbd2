"""An emulated Brevo account, opened as the engine opens it, over a network that can lose an answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from connectors import registry
from connectors.brevo import Brevo
from connectors.http import Handler, Request, Response
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.brevo import BrevoSandbox
from connectors.sandbox.lab import SandboxClock
from connectors.spec import cut
from connectors.types import (
    AddMember,
    Batch,
    ContactChange,
    Job,
    Outcome,
    Profile,
    State,
    Target,
    TargetKind,
    ValueKind,
)

KEY = "xkeysib-sandbox-unit"
CONTACTS = Target(kind=TargetKind.CONTACTS, name="contacts", title="Everyone")
LOYAL = Target(kind=TargetKind.SEGMENT, name="loyal", title="Clients fidèles")
CODE = Target(kind=TargetKind.FIELD, name="code", title="CODE", value=ValueKind.TEXT)


@dataclass
class Network:
    """The sandbox behind a network that can lose one answer, after the write took effect."""

    sandbox: Sandbox
    lose: str = ""
    sent: list[Request] = field(default_factory=list)

    def handle(self, request: Request) -> Response:
        self.sent.append(request)
        answer = self.sandbox.handle(request)
        if self.lose and request.url.endswith(self.lose):
            self.lose = ""
            raise TimeoutError
        return answer


class Shop:
    """An account, its connector and its targets."""

    def __init__(self, **options: str) -> None:
        self.sandbox = Sandbox(only=("brevo",), options=options)
        self.world = self.sandbox.world
        self.network = Network(self.sandbox)
        self.clock = SandboxClock(self.world)
        self.connector = self.open(self.network)
        provider = self.sandbox.providers["brevo"]
        assert isinstance(provider, BrevoSandbox)
        self.provider = provider

    def open(self, handler: Handler, **settings: str) -> Brevo:
        """A connector of this account, over another network or with other settings."""
        usual = {"api_key": KEY, "base_url": "http://sandbox.test/brevo/v3", "prefix": "Maison Lin · "}
        found = registry.build("brevo", usual | settings, handler=handler, clock=self.clock)
        assert isinstance(found, Brevo)
        return found

    def targets(self) -> dict[Target, str]:
        return dict(self.connector.create([CONTACTS, LOYAL, CODE]))

    def count(self) -> Counter[str]:
        """Calls since the last count."""
        found = Counter(f"{call.method} {call.path.removeprefix('/brevo/v3')}" for call in self.sandbox.calls)
        self.sandbox.calls.clear()
        return found

    def seed(self, *emails: str, **about: object) -> None:
        for email in emails:
            self.provider.seed(Contact(email, **about))  # type: ignore[arg-type]  # tests name the fields they set

    def carry(self, target: Target, ref: str, changes: list[ContactChange]) -> dict[str, Outcome]:
        """Push, wait as the spec says, poll to the end."""
        spec = self.connector.spec
        final: dict[str, Outcome] = {}
        jobs = []
        for part in cut(changes, spec.carries[type(changes[0])]):
            outcomes = list(self.connector.push(Batch(target, ref, part)))
            final |= {outcome.id: outcome for outcome in outcomes}
            by_id = {change.id: change for change in part}
            for job in dict.fromkeys(outcome.job for outcome in outcomes if outcome.job):
                carried = tuple(by_id[outcome.id] for outcome in outcomes if outcome.job == job)
                jobs.append(Job(ref=job, batch=Batch(target, ref, carried), started_at=self.world.now()))
        for wait in (*spec.poll_after, *spec.poll_after[-1:] * 3):
            open_jobs = [job for job in jobs if final[job.batch.changes[0].id].state is State.PENDING]
            if not open_jobs:
                break
            self.clock.sleep(wait)
            final |= {outcome.id: outcome for outcome in self.connector.poll(open_jobs)}
        return final


def member(number: int) -> Profile:
    return Profile(f"p{number}@shop.test")


def additions(count: int) -> list[ContactChange]:
    return [AddMember(id=f"m{number}", profile=member(number)) for number in range(count)]


def left(shop: Shop, cursor: str | None) -> tuple[set[str], str]:
    found: set[str] = set()
    for page in shop.connector.suppressions(cursor, shop.world.now()):
        assert all(item.at is None for item in page.items)
        found |= {item.email for item in page.items}
        cursor = page.cursor
    assert page.last
    return found, cursor or ""
