"""Mailchimp's /batches jobs, followed to their results; and writes whose answer was lost."""

from __future__ import annotations

import json

import pytest
from mailchimp_account import AUDIENCE, CONTACTS, LOYAL, Shop, add, person

from connectors.errors import Unavailable, UnexpectedResponse
from connectors.http import Request, Response
from connectors.mailchimp.wire import subscriber
from connectors.types import AddMember, Batch, Job, Reason, RemoveMember, SetTraits, State


def _get(path: str) -> Request:
    headers = {"authorization": "Bearer sandbox-us1"}
    return Request("GET", f"http://sandbox.test/mailchimp/3.0{path}", headers)


def _updates(count: int) -> Batch:
    changes = [SetTraits(id=f"s{number}", profile=person(number), traits={"FNAME": "é"}) for number in range(count)]
    return Batch(CONTACTS, AUDIENCE, changes)


def _submitted(shop: Shop, batch: Batch) -> Job:
    jobs = {outcome.job for outcome in shop.connector.push(batch)}
    assert len(jobs) == 1
    return Job(ref=jobs.pop() or "", batch=batch, started_at=shop.now)


def test_a_running_job_says_nothing() -> None:
    shop = Shop()
    shop.seed(0)
    job = _submitted(shop, _updates(1))
    seen = set()
    for _ in range(15):
        assert list(shop.connector.poll([job])) == []
        seen.add(json.loads(shop.sandbox.handle(_get(f"/batches/{job.ref}")).body)["status"])
        shop.sandbox.world.advance(1)
    assert seen == {"pending", "preprocessing", "started", "finalizing"}
    assert [outcome.state for outcome in shop.connector.poll([job])] == [State.APPLIED]


def test_the_state_of_many_jobs_is_one_call() -> None:
    shop = Shop()
    for number in range(3):
        shop.seed(number)
    jobs = [_submitted(shop, _updates(3)) for _ in range(12)]
    shop.sandbox.world.finish()
    before = len(shop.requests)
    assert len(list(shop.connector.poll(jobs))) == 36
    assert len(shop.requests) - before == 1 + 12


def test_the_archive_is_fetched_without_the_key() -> None:
    shop = Shop()
    shop.seed(0)
    job = _submitted(shop, _updates(1))
    shop.sandbox.world.finish()
    list(shop.connector.poll([job]))
    archives = [request for request in shop.requests if "/archives/" in request.url]
    assert [request.url.startswith("http://archive.test/") for request in archives] == [True]
    assert all("authorization" not in request.headers for request in archives)
    assert all("authorization" in request.headers for request in shop.requests if request not in archives)


def test_a_link_that_ran_out_is_renewed() -> None:
    shop = Shop()
    shop.seed(0)
    job = _submitted(shop, _updates(1))
    shop.sandbox.world.finish()
    late = iter([True])

    def slow(request: Request) -> Response | None:
        if "/archives/" in request.url and next(late, False):
            shop.sandbox.world.advance(601)
        return None

    shop.answer = slow
    assert [outcome.state for outcome in shop.connector.poll([job])] == [State.APPLIED]
    assert [Response(403).status] == [call.status for call in shop.sandbox.calls if call.status != 200]


def test_links_that_ran_out_while_many_were_read_are_renewed_together() -> None:
    shop = Shop()
    shop.seed(0)
    jobs = [_submitted(shop, _updates(1)) for _ in range(12)]
    shop.sandbox.world.finish()
    read = iter(range(1, 13))

    def slow(request: Request) -> Response | None:
        if "/archives/" in request.url and next(read, None) == 4:
            shop.sandbox.world.advance(601)
        return None

    shop.answer, before = slow, len(shop.requests)
    assert [outcome.state for outcome in shop.connector.poll(jobs)] == [State.APPLIED] * 12
    assert len(shop.requests) - before == 12 + 1 + 2, "one refusal, and the list of jobs twice"


def test_a_link_that_never_works_leaves_the_job_open() -> None:
    shop = Shop()
    shop.seed(0)
    job = _submitted(shop, _updates(1))
    shop.sandbox.world.finish()
    shop.answer = lambda request: Response(403, {}, b"<Error/>") if "/archives/" in request.url else None
    assert list(shop.connector.poll([job])) == []


def test_a_job_that_is_forgotten_is_to_be_sent_again() -> None:
    shop = Shop()
    shop.seed(0)
    job = _submitted(shop, _updates(2))
    shop.sandbox.world.advance(8 * 86_400)
    outcomes = list(shop.connector.poll([job]))
    assert {(outcome.id, outcome.reason) for outcome in outcomes} == {
        ("s0", Reason.TRY_LATER),
        ("s1", Reason.TRY_LATER),
    }


def test_an_operation_without_a_result_is_to_be_sent_again() -> None:
    shop = Shop()
    shop.seed(0)
    batch = _updates(1)
    job = _submitted(shop, batch)
    shop.sandbox.world.finish()
    stranger = SetTraits(id="stranger", profile=person(0), traits={})
    wider = Job(ref=job.ref, batch=Batch(CONTACTS, AUDIENCE, [*batch.changes, stranger]), started_at=shop.now)
    reasons = {outcome.id: outcome.reason for outcome in shop.connector.poll([wider])}
    assert reasons == {"s0": None, "stranger": Reason.TRY_LATER}


def test_a_broken_archive_is_an_unexpected_response() -> None:
    shop = Shop()
    shop.seed(0)
    job = _submitted(shop, _updates(1))
    shop.sandbox.world.finish()
    shop.answer = lambda request: Response(200, {}, b"\x1f\x8bnot") if "/archives/" in request.url else None
    with pytest.raises(UnexpectedResponse, match="archive is unreadable"):
        list(shop.connector.poll([job]))


# ambiguous writes
def test_a_write_whose_answer_is_lost_is_ambiguous_and_can_be_recalled() -> None:
    shop = Shop()
    shop.seed(3, FNAME="other")
    since = shop.now

    def lost(request: Request) -> Response | None:
        if request.method == "POST" and request.url.partition("?")[0].endswith(f"/lists/{AUDIENCE}"):
            shop.sandbox.handle(request)
            raise TimeoutError
        return None

    shop.answer = lost
    batch = Batch(CONTACTS, AUDIENCE, [add(1, FNAME="A"), add(2), add(3, FNAME="mine")])
    with pytest.raises(Unavailable) as error:
        list(shop.connector.push(batch))
    assert error.value.ambiguous
    del shop.provider.audience.members[subscriber(person(2).email)]
    found = {outcome.id: (outcome.state, outcome.reason) for outcome in shop.connector.recall(batch, since)}
    assert found == {"add-1": (State.APPLIED, None), "add-3": (State.NOOP, Reason.EXISTS)}


@pytest.mark.parametrize("kind", [AddMember, RemoveMember])
def test_a_lost_segment_write_is_recalled_by_membership(kind: type[AddMember | RemoveMember]) -> None:
    shop = Shop()
    ref = shop.loyal()
    shop.seed(1, lists={ref})
    shop.seed(2)
    batch = Batch(LOYAL, ref, [kind(id=str(number), profile=person(number)) for number in (1, 2)])
    found = {outcome.id for outcome in shop.connector.recall(batch, shop.now)}
    assert found == ({"1"} if kind is AddMember else {"2"})


def test_a_lost_job_is_found_running_and_finished() -> None:
    shop = Shop()
    shop.seed(0)
    since = shop.now
    _submitted(shop, _updates(3))
    batch = _updates(1)
    job = _submitted(shop, batch)
    shop.sandbox.world.advance(5)
    assert {outcome.job for outcome in shop.connector.recall(batch, since)} == {job.ref}
    shop.sandbox.world.finish()
    assert [outcome.state for outcome in shop.connector.recall(batch, since)] == [State.APPLIED]
    shop.sandbox.world.advance(3600)
    assert list(shop.connector.recall(batch, shop.now)) == []
    assert list(shop.connector.recall(Batch(CONTACTS, AUDIENCE, []), since)) == []


def test_changes_of_several_lost_jobs_are_found_together() -> None:
    shop = Shop()
    for number in range(4):
        shop.seed(number)
    since, whole = shop.now, _updates(4).changes
    for part in (whole[:1], whole[1:3]):
        list(shop.connector.push(Batch(CONTACTS, AUDIENCE, part)))
    shop.sandbox.world.finish()
    last = _submitted(shop, Batch(CONTACTS, AUDIENCE, whole[3:]))
    found = {outcome.id: outcome for outcome in shop.connector.recall(Batch(CONTACTS, AUDIENCE, whole), since)}
    assert [found[f"s{number}"].state for number in range(3)] == [State.APPLIED] * 3
    assert (found["s3"].state, found["s3"].job) == (State.PENDING, last.ref)
