"""The reference load: ten thousand new contacts with six merge tags, and one segment of all of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import pytest

from connectors import registry
from connectors.sandbox.lab import SandboxLab
from connectors.spec import cut
from connectors.types import (
    AddContact,
    AddMember,
    Batch,
    Change,
    Consent,
    Job,
    Profile,
    Ref,
    RemoveMember,
    SetTraits,
    State,
    Target,
    TargetKind,
    ValueKind,
)

PEOPLE = [Profile(f"person.{number}@example.com") for number in range(10_000)]
SETTINGS = {"api_key": "sandbox-us1", "audience": "Newsletter", "base_url": "http://sandbox.test/mailchimp/3.0"}
CONTACTS = Target(kind=TargetKind.CONTACTS, name="contacts", title="")
SEGMENT = Target(kind=TargetKind.SEGMENT, name="all", title="All")
FIELDS = [Target(kind=TargetKind.FIELD, name=f"f{n}", title=f"FIELD{n}", value=ValueKind.TEXT) for n in range(6)]


@pytest.fixture(scope="module")
def lab() -> SandboxLab:
    return SandboxLab("mailchimp", partial(registry.build, "mailchimp", SETTINGS), secrets=[], statuses=[])


def carry(lab: SandboxLab, target: Target, ref: Ref, changes: Sequence[Change]) -> int:
    """Carry them all, wait for the jobs, and return the calls that it took: pushes, look-ups and polls."""
    before, jobs, states = len(lab.calls()), list[Job](), list[State]()
    connector = lab.connector
    for part in cut(changes, connector.spec.carries[type(changes[0])]):
        batch = Batch(target, ref, part)
        outcomes = list(connector.push(batch))
        states += [outcome.state for outcome in outcomes if not outcome.job]
        jobs += [Job(ref=job, batch=batch, started_at=lab.now()) for job in {o.job for o in outcomes if o.job} if job]
    lab.settle()
    states += [outcome.state for outcome in connector.poll(jobs)] if jobs else []  # type: ignore[attr-defined]  # an ability of this one
    assert states == [State.APPLIED] * len(changes)
    return len(lab.calls()) - before


def test_the_reference_load_takes_at_most_45_calls(lab: SandboxLab) -> None:
    refs = lab.connector.create([CONTACTS, SEGMENT, *FIELDS])
    values = {refs[target]: f"value of {target.name}" for target in FIELDS}
    adds = [
        AddContact(id=f"a{number}", profile=person, status=Consent.SUBSCRIBED, traits=values)
        for number, person in enumerate(PEOPLE)
    ]
    joins = [AddMember(id=f"j{number}", profile=person) for number, person in enumerate(PEOPLE)]
    leaves = [RemoveMember(id=f"l{number}", profile=person) for number, person in enumerate(PEOPLE)]
    contacts, segment = refs[CONTACTS], refs[SEGMENT]

    added = carry(lab, CONTACTS, contacts, adds)
    joined = carry(lab, SEGMENT, segment, joins)
    assert len(lab.truth()) == lab.connector.count(SEGMENT, segment) == 10_000  # type: ignore[attr-defined]  # as above
    updates = [SetTraits(id=f"u{number}", profile=person, traits=values) for number, person in enumerate(PEOPLE)]
    updated = carry(lab, CONTACTS, contacts, updates)
    removed = carry(lab, SEGMENT, segment, leaves)
    sys.stdout.write(f"calls: {added} to add, {joined} to join, {updated} to update, {removed} to leave\n")
    assert (added, joined, removed) == (20, 20, 20)
    assert updated == 10 + 1 + 10, "ten jobs, one look at all of them, ten archives"
    assert not any(contact.lists for contact in lab.truth().values())
