"""An emulated Klaviyo account, opened as the engine opens it, and short words for what tests say."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from connectors import registry
from connectors.sandbox.lab import SandboxLab
from connectors.types import AddContact, AddMember, Batch, Consent, Job, Profile, RemoveMember, Target, TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connectors.types import Change, Outcome

KEY = "pk_sandbox_unit"
SECRET = "the webhook's secret_key"
SETTINGS = {"api_key": KEY, "base_url": "http://sandbox.test/klaviyo/api", "webhook_secret": SECRET}
CONTACTS = Target(kind=TargetKind.CONTACTS, name="contacts", title="contacts")


def open_account(**options: str) -> SandboxLab:
    """A fresh account; `options` are the emulation's switches."""
    connect = partial(registry.build, "klaviyo", SETTINGS)
    return SandboxLab("klaviyo", connect, secrets=[KEY], statuses=("subscribed",), options=options)


def segment(title: str) -> Target:
    return Target(kind=TargetKind.SEGMENT, name=title, title=title)


def pool(title: str) -> Target:
    return Target(kind=TargetKind.POOL, name=title, title=title)


LOYAL = segment("maison-lin Clients fidèles")


def email(number: int) -> str:
    return f"person.{number}@example.com"


def contacts(numbers: Iterable[int], **traits: str) -> list[AddContact]:
    return [
        AddContact(id=f"c{number}", profile=Profile(email(number)), status=Consent.SUBSCRIBED, traits=traits)
        for number in numbers
    ]


def joins(numbers: Iterable[int]) -> list[AddMember]:
    return [AddMember(id=f"j{number}", profile=Profile(email(number))) for number in numbers]


def leaves(numbers: Iterable[int]) -> list[RemoveMember]:
    return [RemoveMember(id=f"r{number}", profile=Profile(email(number))) for number in numbers]


def push(lab: SandboxLab, target: Target, ref: str, changes: Sequence[Change]) -> list[Outcome]:
    return list(lab.connector.push(Batch(target, ref, changes)))


def job_of(lab: SandboxLab, target: Target, ref: str, changes: Sequence[Change]) -> Job:
    """Push changes that become one job."""
    outcomes = push(lab, target, ref, changes)
    (name,) = {outcome.job for outcome in outcomes}
    assert name
    return Job(ref=name, batch=Batch(target, ref, changes), started_at=lab.now() - timedelta(seconds=1))


def words(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """States, and reasons where there are any, by change."""
    return {outcome.id: f"{outcome.state}" + (f": {outcome.reason}" if outcome.reason else "") for outcome in outcomes}


def list_of(lab: SandboxLab, target: Target = LOYAL) -> str:
    return lab.connector.create([target])[target]


def settled(lab: SandboxLab, job: Job) -> dict[str, str]:
    """Wait as `spec.poll_after` says, and poll to the end."""
    waits = iter(lab.connector.spec.poll_after)
    wait = 0.0
    while True:
        wait = next(waits, wait)
        lab.sandbox.world.advance(wait)
        outcomes = list(lab.connector.poll([job]))
        if outcomes:
            return words(outcomes)


def calls_so_far(lab: SandboxLab) -> int:
    return len(lab.sandbox.calls)
