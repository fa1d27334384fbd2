"""Faults on demand: each by name, at every provider that can have it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fault_lab import (
    CONTACTS,
    LISTS,
    PING,
    ROWS,
    VIP,
    account,
    call,
    each_provider,
    fresh,
    make_list,
)

from connectors import errors
from connectors.base import Connector, PullsEngagement, ReadsMembers, RunsJobs
from connectors.sandbox import Contact, Sandbox
from connectors.types import (
    AddContact,
    Batch,
    Change,
    Consent,
    EventKind,
    Job,
    Outcome,
    Profile,
    SetTraits,
    State,
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("mailchimp", {}),
        ("klaviyo", {"retry-after": "7"}),
        ("activecampaign", {"retry-after": "7", "ratelimit-limit": "5", "ratelimit-remaining": "0"}),
        ("brevo", {"x-sib-ratelimit-limit": "100", "x-sib-ratelimit-remaining": "0", "x-sib-ratelimit-reset": "7"}),
    ],
)
def test_a_throttle_bears_the_provider_s_own_headers_as_often_as_it_was_asked_for(
    name: str, headers: dict[str, str]
) -> None:
    sandbox = fresh(name)
    sandbox.faults.ask("throttled", provider=name, times=2, seconds=7)
    for _ in range(2):
        answer = call(sandbox, name, "GET", PING[name])
        assert answer.status == 429
        assert {header: value for header, value in answer.headers.items() if header != "content-type"} == headers
        assert answer.json()
    assert call(sandbox, name, "GET", PING[name]).status == 200
    assert [one.fault for one in sandbox.calls[-3:]] == ["throttled", "throttled", ""]


@pytest.mark.parametrize(
    ("name", "fault", "status", "body"),
    [("mailchimp", "bodiless-403", 403, b""), ("klaviyo", "html-403", 403, b"<!DOCTYPE html>")]
    + [(name, fault, int(fault), b"<html>") for name in PING for fault in ("502", "503", "524")]
    + [(name, "500", 500, b"{") for name in PING],
)
def test_an_answer_in_the_provider_s_place_changes_nothing(name: str, fault: str, status: int, body: bytes) -> None:
    sandbox = fresh(name)
    before = sandbox.providers[name].lists()
    sandbox.faults.ask(fault, when="write")
    assert call(sandbox, name, "GET", PING[name]).status == 200, "reads pass"
    answer = make_list(sandbox, name)
    assert answer.status == status
    assert answer.body.startswith(body)
    assert bool(answer.body) == bool(body)
    assert sandbox.providers[name].lists() == before
    assert make_list(sandbox, name).status in {200, 201}


@each_provider
def test_a_gateway_may_break_after_the_write_took_effect(name: str) -> None:
    sandbox = fresh(name)
    sandbox.faults.ask("502", when="write", takes_effect=True)
    assert make_list(sandbox, name).status == 502
    assert list(sandbox.providers[name].lists().values()) == ["one"]


@each_provider
@pytest.mark.parametrize(("fault", "error", "is_done"), [
    ("reset-before", ConnectionResetError, False),
    ("reset-after", ConnectionResetError, True),
    ("slow", TimeoutError, True),
])  # fmt: skip
def test_no_answer_comes_whether_or_not_the_write_took_effect(
    name: str, fault: str, error: type[Exception], *, is_done: bool
) -> None:
    sandbox = fresh(name)
    sandbox.faults.ask(fault)
    began = sandbox.world.now()
    with pytest.raises(error):
        make_list(sandbox, name)
    assert bool(sandbox.providers[name].lists()) is is_done
    assert (sandbox.calls[-1].status, sandbox.calls[-1].fault) == (0, fault)
    waited = timedelta(seconds=60 if fault == "slow" else 0)
    assert sandbox.world.now() - began == waited, "the caller's patience passes in sandbox time"


def test_who_waits_long_enough_is_answered_late() -> None:
    sandbox = fresh("brevo")
    began = sandbox.world.now()
    sandbox.faults.ask("slow", seconds=20)
    assert make_list(sandbox, "brevo").status == 201
    assert sandbox.world.now() - began == timedelta(seconds=20)


@each_provider
def test_a_truncated_answer_is_no_json_and_the_write_took_effect(name: str) -> None:
    sandbox = fresh(name)
    sandbox.faults.ask("truncated")
    answer = make_list(sandbox, name)
    assert answer.status in {200, 201}
    with pytest.raises(errors.UnexpectedResponse):
        answer.json()
    assert list(sandbox.providers[name].lists().values()) == ["one"]


@each_provider
def test_a_page_repeats_its_first_record(name: str) -> None:
    sandbox = fresh(name)
    make_list(sandbox, name)
    key = ROWS[name]
    sandbox.faults.ask("duplicate-records")
    rows = call(sandbox, name, "GET", LISTS[name]).json()[key]
    assert len(rows) == 2
    assert rows[0] == rows[1]
    assert len(call(sandbox, name, "GET", LISTS[name]).json()[key]) == 1


@pytest.mark.parametrize(
    ("name", "path", "key"),
    [
        ("mailchimp", "/lists/a1b2c3d4e5/members?count=1000", "members"),
        ("klaviyo", "/profiles?page[size]=100", "data"),
        ("brevo", "/contacts?limit=1000", "contacts"),
        ("activecampaign", "/contacts?limit=100", "contacts"),
    ],
)
def test_pages_are_cut_without_a_word_and_nothing_is_lost_for_who_follows_them(name: str, path: str, key: str) -> None:
    sandbox = fresh(name)
    for number in range(25):
        sandbox.providers[name].seed(Contact(f"p{number}@example.com"))
    sandbox.faults.ask("short-pages", provider=name, seconds=10)
    assert len(call(sandbox, name, "GET", path).json()[key]) == 10
    assert len(call(sandbox, name, "GET", path).json()[key]) == 10, "until it is taken back"
    sandbox.faults.clear()
    assert len(call(sandbox, name, "GET", path).json()[key]) == 25


@pytest.mark.parametrize("name", ["mailchimp", "klaviyo", "brevo"])  # which read a list's members by its id
def test_the_list_that_a_call_is_about_is_deleted_just_before_it(name: str) -> None:
    sandbox = fresh(name)
    connector = account(sandbox, name)
    ref = connector.create([VIP])[VIP]
    sandbox.faults.ask("list-deleted", provider=name)
    assert connector.check()
    assert ref in sandbox.providers[name].lists(), "a call that is not about a list meets nothing"
    assert isinstance(connector, ReadsMembers)
    with pytest.raises(errors.ConnectorError):
        list(connector.members(VIP, ref))
    assert ref not in sandbox.providers[name].lists()


@each_provider
def test_a_key_expires_in_mid_run_and_stays_refused(name: str) -> None:
    sandbox = fresh(name)
    connector = account(sandbox, name)
    sandbox.faults.ask("key-expired", skip=1)
    assert call(sandbox, name, "GET", PING[name]).status == 200
    for _ in range(2):
        with pytest.raises(errors.Unauthorized):
            connector.check()


@each_provider
def test_error_texts_come_in_another_language(name: str) -> None:
    sandbox = fresh(name)
    plain = call(sandbox, name, "GET", "/nothing/here")
    sandbox.faults.ask("localised")
    other = call(sandbox, name, "GET", "/nothing/here")
    assert (plain.status, other.status) == (404, 404)
    assert "Ungültige Angabe" in other.body.decode()
    assert other.json().keys() == plain.json().keys()
    assert "Ungültige" not in call(sandbox, name, "GET", PING[name]).body.decode()


@each_provider
def test_reads_show_what_was_there_half_a_minute_ago(name: str) -> None:
    sandbox = fresh(name)
    key = ROWS[name]
    sandbox.faults.ask("lagging-reads", seconds=30)
    make_list(sandbox, name)
    assert sandbox.providers[name].lists(), "the truth knows it at once"

    def seen() -> int:
        return len(call(sandbox, name, "GET", LISTS[name]).json().get(key) or [])

    assert seen() == 0
    sandbox.world.advance(31)
    assert seen() == 1


# records, jobs and events: what the emulations ask


VALUES = {"mailchimp": "FNAME", "klaviyo": "first_name", "brevo": "FIRSTNAME"}


def batch_of(sandbox: Sandbox, name: str, kind: str) -> tuple[Connector, Batch]:
    """Five changes: new contacts, or values of contacts who are there."""
    connector = account(sandbox, name)
    ref = connector.create([CONTACTS])[CONTACTS]
    people = [Profile(f"p{number}@example.com") for number in range(5)]
    if kind == "add":
        changes: list[Change] = [
            AddContact(id=f"i{n}", profile=one, status=Consent.SUBSCRIBED) for n, one in enumerate(people)
        ]
    else:
        for one in people:
            sandbox.providers[name].seed(Contact(one.email))
        changes = [SetTraits(id=f"i{n}", profile=one, traits={VALUES[name]: "Ada"}) for n, one in enumerate(people)]
    return connector, Batch(CONTACTS, ref, changes)


def carry(sandbox: Sandbox, connector: Connector, batch: Batch) -> dict[str, Outcome]:
    """The last outcome of each change; jobs are followed until they end, for a day at most."""
    began = sandbox.world.now()
    outcomes = {one.id: one for one in connector.push(batch)}
    for _ in range(24):
        pending = {one.job for one in outcomes.values() if one.state is State.PENDING and one.job}
        if not pending:
            break
        sandbox.world.advance(3600)
        assert isinstance(connector, RunsJobs)
        jobs = [
            Job(
                ref=ref,
                batch=replace(batch, changes=[c for c in batch.changes if outcomes[c.id].job == ref]),
                started_at=began,
            )
            for ref in sorted(pending)
        ]
        outcomes |= {one.id: one for one in connector.poll(jobs)}
    return outcomes


def made(name: str, kind: str) -> tuple[Sandbox, Connector, Batch]:
    sandbox = fresh(name)
    return sandbox, *batch_of(sandbox, name, kind)


@pytest.mark.parametrize(
    ("name", "kind", "fault"),
    [("mailchimp", "add", "bad-record"), ("mailchimp", "set", "job-fails"), ("klaviyo", "add", "bad-record"),
     ("klaviyo", "add", "job-fails"), ("brevo", "add", "bad-record"), ("brevo", "add", "job-fails"),
     ("activecampaign", "add", "bad-record"), ("activecampaign", "add", "job-fails")],
)  # fmt: skip
def test_one_record_is_refused_in_the_provider_s_own_way_and_the_others_are_not(
    name: str, kind: str, fault: str
) -> None:
    sandbox, connector, batch = made(name, kind)
    asked = sandbox.faults.ask(fault, provider=name)
    outcomes: dict[str, Outcome] = {}
    try:
        outcomes = carry(sandbox, connector, batch)
    except errors.InvalidRequest as refusal:  # the whole call, with the culprit's name: nothing of it was applied
        outcomes = {key: Outcome(id=key, state=State.REJECTED, reason=why) for key, why in refusal.culprits.items()}
        rest = [change for change in batch.changes if change.id not in outcomes]
        outcomes |= carry(sandbox, connector, replace(batch, changes=rest))
    assert asked.struck == 1
    states = sorted(one.state.value for one in outcomes.values())
    assert states == ["applied"] * 4 + ["rejected"], outcomes


def test_the_record_that_is_refused_may_be_named_or_drawn() -> None:
    for about in ({"record": "p3@"}, {"seed": 2}):
        sandbox, connector, batch = made("brevo", "add")
        sandbox.faults.ask("bad-record", **about)
        outcomes = carry(sandbox, connector, batch)
        refused = {key for key, one in outcomes.items() if one.state is State.REJECTED}
        assert refused == ({"i3"} if "record" in about else {"i0"}), "seed 2 draws the first of ten"


@pytest.mark.parametrize(("name", "kind"), [("mailchimp", "set"), ("klaviyo", "add"), ("brevo", "add")])
def test_a_job_that_never_ends_is_pending_for_ever_and_the_next_one_is_not(name: str, kind: str) -> None:
    sandbox, connector, batch = made(name, kind)
    asked = sandbox.faults.ask("job-never-ends", provider=name)
    assert {one.state for one in carry(sandbox, connector, batch).values()} == {State.PENDING}
    assert asked.is_spent
    assert sandbox.calls[0].fault or any(call.fault == "job-never-ends" for call in sandbox.calls)
    if name != "mailchimp":  # whose jobs wait for one another
        assert {one.state for one in carry(sandbox, connector, batch).values()} == {State.APPLIED}


@pytest.mark.parametrize("name", ["mailchimp", "klaviyo"])
def test_an_event_may_bear_a_date_far_ahead(name: str) -> None:
    sandbox = fresh(name)
    connector = account(sandbox, name)
    ref = connector.create([VIP])[VIP]
    sandbox.providers[name].seed(Contact("ann@example.com", lists={ref}))
    campaign = sandbox.providers[name].mail(ref, "Hello")
    sandbox.faults.ask("future-dated", seconds=86_400 * 30)
    now = sandbox.world.now()
    for _ in range(2):
        sandbox.world.advance(60)
        sandbox.providers[name].react(campaign, "ann@example.com", EventKind.OPEN, sandbox.world.now())
    sandbox.world.advance(600)
    assert isinstance(connector, PullsEngagement)
    pages = list(connector.pull(None, sandbox.world.now()))
    opened = sorted(e.happened_at for page in pages for e in page.items if e.kind is EventKind.OPEN)
    assert len(opened) == 2
    assert opened[0] < now + timedelta(days=1)
    assert opened[1] > now + timedelta(days=29)
