"""Codes in Brevo's coupon collections: nothing is told of any code, so the collection's total is followed."""

from __future__ import annotations

from collections import Counter

import pytest
from brevo_account import Shop
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import errors
from connectors.http import Request, Response
from connectors.types import AddCode, Batch, Job, Outcome, Reason, State, Target, TargetKind

POOL = Target(kind=TargetKind.POOL, name="thanks", title="thanks")


def codes(first: int, count: int) -> list[AddCode]:
    return [AddCode(id=f"c{number}", code=f"THANKS-{number}") for number in range(first, first + count)]


class Till(Shop):
    """An account with one collection."""

    def __init__(self, **options: str) -> None:
        super().__init__(**options)
        self.pool = self.connector.create([POOL])[POOL]

    def send(self, changes: list[AddCode]) -> Job:
        """Push, and the job that it began."""
        batch = Batch(POOL, self.pool, changes)
        outcomes = list(self.connector.push(batch))
        assert {outcome.state for outcome in outcomes} == {State.PENDING}
        [job] = {outcome.job for outcome in outcomes}
        return Job(ref=job or "", batch=batch, started_at=self.world.now())

    def poll(self, *jobs: Job) -> dict[str, Outcome]:
        return {outcome.id: outcome for outcome in self.connector.poll(jobs)}

    def there(self) -> list[str]:
        return self.provider.account.collections[self.pool].codes


@pytest.mark.parametrize("shape", ["object", "array"])
def test_a_collection_is_found_by_its_name_and_created_once(shape: str) -> None:
    shop = Till(coupon_shape=shape)
    assert shop.connector.find([POOL]) == {POOL: shop.pool}
    assert shop.connector.create([POOL]) == {POOL: shop.pool}
    [made] = shop.provider.account.collections.values()
    assert (made.name, made.default) == ("thanks", "-")


def test_collections_on_later_pages_are_found() -> None:
    shop = Till()
    for number in range(110):
        body = {"name": f"other-{number}", "defaultCoupon": "x"}
        shop.connector._http("POST", "/couponCollections", json=body, rate="files")
        shop.world.advance(60)
    last = Target(kind=TargetKind.POOL, name="last", title="other-109")
    assert len(shop.connector.find([POOL, last])) == 2


def test_codes_are_applied_when_the_collection_has_grown_by_them() -> None:
    shop = Till()
    shop.count()
    job = shop.send(codes(0, 10_000))
    assert shop.poll(job) == {}
    shop.world.finish()
    assert {outcome.state for outcome in shop.poll(job).values()} == {State.APPLIED}
    assert len(shop.there()) == 10_000
    assert shop.count() == {f"GET /couponCollections/{shop.pool}": 3, "POST /coupons": 1}


def test_two_batches_of_one_collection_are_proven_together_with_one_call() -> None:
    shop = Till()
    first, second = shop.send(codes(0, 3)), shop.send(codes(3, 4))
    shop.world.advance(26)
    shop.provider.account.collections[shop.pool].codes = ["THANKS-0"] * 5  # three of one and two of another, or so
    shop.count()
    assert shop.poll(first, second) == {}
    assert shop.count() == {f"GET /couponCollections/{shop.pool}": 1}
    shop.provider.account.collections[shop.pool].codes += ["THANKS-5", "THANKS-6"]
    assert len(shop.poll(first, second)) == 7


def test_codes_that_were_there_before_are_no_failure_once_brevos_clock_has_moved() -> None:
    shop = Till()
    first = shop.send(codes(0, 3))
    shop.world.finish()
    shop.poll(first)
    again = shop.send(codes(0, 3))
    shop.world.finish()
    assert shop.poll(again) == {}
    shop.world.advance(16 * 60)
    assert {outcome.state for outcome in shop.poll(again).values()} == {State.NOOP}
    assert shop.there() == ["THANKS-0", "THANKS-1", "THANKS-2"]


def test_one_code_twice_in_a_batch_travels_once_and_both_changes_are_told() -> None:
    shop = Till()
    job = shop.send([AddCode(id="a", code="SAME"), AddCode(id="b", code="SAME")])
    shop.world.finish()
    assert set(shop.poll(job)) == {"a", "b"}
    assert shop.there() == ["SAME"]


@pytest.mark.parametrize("repeated", ["ignored", "kept"])
def test_codes_whose_answer_was_lost_are_followed_and_never_doubled(repeated: str) -> None:
    shop = Till(repeated_codes=repeated)
    shop.network.lose = "/coupons"
    job = shop.send(codes(0, 3))
    shop.world.finish()
    assert {outcome.state for outcome in shop.poll(job).values()} == {State.APPLIED}
    assert sorted(shop.there()) == ["THANKS-0", "THANKS-1", "THANKS-2"]


def test_codes_that_never_arrived_are_to_be_sent_again() -> None:
    shop = Till()
    shop.network.lose = "/coupons"
    job = shop.send(codes(0, 3))
    shop.provider.account.collections[shop.pool].codes = held = []
    shop.world.finish()
    held.clear()
    shop.world.advance(16 * 60)
    assert {outcome.reason for outcome in shop.poll(job).values()} == {Reason.TRY_LATER}


def test_after_a_crash_nobody_can_say_and_nothing_is_sent_twice() -> None:
    shop = Till()
    outcomes = list(shop.connector.recall(Batch(POOL, shop.pool, codes(0, 2)), shop.world.now()))
    assert {(outcome.state, outcome.reason) for outcome in outcomes} == {(State.REJECTED, Reason.OTHER)}


def test_a_collection_that_is_gone_is_said_of_every_code() -> None:
    shop = Till()
    job = shop.send(codes(0, 2))
    shop.provider.account.collections.clear()
    assert {outcome.reason for outcome in shop.poll(job).values()} == {Reason.UNKNOWN_TARGET}
    outcomes = shop.connector.push(Batch(POOL, shop.pool, codes(0, 2)))
    assert {outcome.reason for outcome in outcomes} == {Reason.UNKNOWN_TARGET}


def test_codes_and_contacts_are_polled_side_by_side() -> None:
    shop = Till()
    job = shop.send(codes(0, 2))
    assert list(shop.connector.poll([])) == []
    shop.count()
    shop.poll(job)
    assert shop.count() == {f"GET /couponCollections/{shop.pool}": 1}  # no look at processes


def test_a_call_that_was_refused_says_so() -> None:
    shop = Till()
    too_many = Batch(POOL, shop.pool, codes(0, 10_001))
    with pytest.raises(errors.InvalidRequest):
        list(shop.connector.push(too_many))


class Wire:
    """Loses the next POST /coupons before or after it took effect."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.lose = shop, ""

    def handle(self, request: Request) -> Response:
        lose, is_write = self.lose, request.method == "POST"
        self.lose = "" if is_write else lose
        if is_write and lose == "before":
            raise ConnectionResetError
        answer = self.shop.sandbox.handle(request)
        if is_write and lose == "after":
            raise TimeoutError
        return answer


_steps = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(["", "", "before", "after"]), st.sampled_from([0, 10, 30, 1200])),
    min_size=1,
    max_size=6,
)


@given(_steps, st.sampled_from(["ignored", "kept"]))
@settings(max_examples=60, deadline=None)
def test_whatever_is_lost_no_code_is_there_twice_and_none_is_claimed_that_is_not(
    steps: list[tuple[int, str, int]], repeated: str
) -> None:
    shop = Till(repeated_codes=repeated)
    wire = Wire(shop)
    shop.connector = shop.open(wire)
    waiting, final, number = list[Job](), dict[str, Outcome](), 0
    for count, lose, seconds in steps:
        wire.lose = lose
        waiting.append(shop.send(codes(number, count)))
        number += count
        shop.world.advance(seconds)
        final |= shop.poll(*waiting)
        waiting = [job for job in waiting if job.batch.changes[0].id not in final]
    shop.world.advance(3600)
    final |= shop.poll(*waiting)
    assert len(final) == number
    assert max(Counter(shop.there()).values(), default=1) == 1
    held = {f"c{code.removeprefix('THANKS-')}" for code in shop.there()}
    claimed = {key for key, outcome in final.items() if outcome.state in {State.APPLIED, State.NOOP}}
    again = {key for key, outcome in final.items() if outcome.reason is Reason.TRY_LATER}
    assert claimed <= held
    assert not again & held
