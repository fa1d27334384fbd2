"""Codes in a provider's own pool: each there once, none that the shop has not confirmed, none lost, whatever dies when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_lab import NOW, Crash, Frail, Fuse, Lab, fragile, people, table
from provider_lab import SETTINGS, Account

from connectors import registry
from connectors.http import Handler, Request, Response
from connectors.sandbox import Sandbox
from connectors.types import AddCode, Batch, Job, Outcome, Reason, State
from engine.errors import StalePlan
from engine.ledger import Ledger
from engine.ledger.codes import CodeState
from engine.offers import CODES, Decision, Policy, Stock, decide, mint
from engine.plan.destination import Destination
from engine.plan.plan import Plan
from engine.push.issuing import Minter, issue_codes
from engine.push.result import Result
from engine.push.trip import Limits

WHO = people(2)
GIFT = Policy(
    name="gift", pool=Stock(destination="news", codes=6), prefix="", value="5 EUR", minimum=None, percent=None,
    amount=Decimal(5), valid_until=NOW + timedelta(days=30), cooled_since=None,
)  # fmt: skip


def stocked(ids: Sequence[str], policy: Policy, now: datetime) -> pa.Table:
    """Codes of a pool that were minted."""
    names = pa.array(["gift"] * len(ids), pa.string())
    columns = {"offer": names, "customer_id": pa.nulls(len(ids), pa.string()), "code_id": pa.array(ids, pa.string())}
    cost = pa.array([Decimal(5)] * len(ids), pa.decimal128(18, 4))
    return mint(pa.table({**columns, "cost": cost}), {"gift": policy}, {}, now=now)


class PoolLab(Lab):
    """The lab with a pool of six codes at its destination."""

    policy = GIFT
    pools: tuple[str, ...] = ("gift",)
    size: int | None = None  # bytes of a call

    @property
    def destination(self) -> Destination:
        here = super().destination
        limit = replace(here.spec.carries[AddCode], bytes=self.size or here.spec.carries[AddCode].bytes)
        spec = replace(here.spec, carries={**here.spec.carries, AddCode: limit})
        return replace(here, pools=self.pools, spec=spec)

    def made(self) -> Plan:
        self.policy = replace(GIFT, valid_until=self.now + timedelta(days=30))
        self.ledger.codes.expire(self.now)
        return self.plan(WHO, issues=self.decision())

    def decision(self) -> Decision:
        wide, codes = table(WHO, [*self.segments]), self.ledger.codes.table(columns=CODES)
        return decide([self.policy], wide, codes, now=self.now)

    def mint(self, made: Plan) -> int:
        wide = table(WHO, [*self.segments])
        minter = Minter(ledger=self.ledger, policies=[self.policy], people=wide, now=self.now)
        return issue_codes(made, minter).minted

    def turn(self, **more: object) -> Result:
        """Plan, mint and push; then the shop confirms what was minted."""
        made = self.made()
        self.mint(made)
        result = self.push(made, WHO, **more)
        self.confirm()
        return result

    def confirm(self, most: int | None = None) -> None:
        waiting = self.ledger.codes.table(states=[CodeState.RESERVED])["code"].to_pylist()
        self.ledger.codes.advance(waiting[:most], CodeState.CONFIRMED, at=self.now)

    def dying(self, fuse: Fuse) -> None:
        """The same in a process that may die."""
        healthy, self.ledger = self.ledger, Ledger(fragile(self.database, fuse), "client")
        try:
            self.turn(connector=Frail(self.connector(), fuse))
        finally:
            self.ledger = healthy

    def pool(self) -> list[str]:
        return sorted(self.store["codes"])

    def rows(self, *states: CodeState) -> list[str]:
        return sorted(self.ledger.codes.table(states=states)["code"].to_pylist())

    def sent(self) -> Counter[str]:
        """How often each code arrived at the provider."""
        found: Counter[str] = Counter()
        for request, _ in self.dictionary.calls:
            if "/codes/" in request.url:
                found.update(record["code"] for record in json.loads(request.body)["records"])
        return found

    def assert_sound(self) -> None:
        """Nothing there that the shop has not confirmed, nothing claimed that is not there."""
        rows = self.ledger.codes.table().to_pylist()
        confirmed = {row["code"] for row in rows if row["confirmed_at"] is not None}
        assert set(self.pool()) <= confirmed
        assert set(self.rows(CodeState.PUSHED)) <= set(self.pool())

    def assert_at_rest(self) -> None:
        """The pool holds the wanted number of live codes, and nothing is left to do."""
        self.assert_sound()
        assert len(self.rows(CodeState.PUSHED)) == 6
        assert self.ledger.sending.of("news") == []
        writes, version = self.writes(), self.ledger.version()
        assert self.made().is_empty
        self.turn()
        assert (self.writes(), self.ledger.version()) == (writes, version)


@pytest.fixture
def lab() -> Iterator[PoolLab]:
    opened = PoolLab()
    yield opened
    opened.close()


def test_codes_go_from_the_plan_to_the_shop_to_the_pool(lab: PoolLab) -> None:
    first = lab.made()
    assert [(one.offer, one.codes, one.highest_cost) for one in first.issues] == [("gift", 6, 30)]
    assert first.destinations[0].pools_created == ("c-gift",)
    assert lab.made().checksum == first.checksum
    assert lab.turn().created.count("c-gift") == 1
    assert lab.pool() == [], "the shop knew none of them"
    second = lab.made()
    assert second.issues == ()
    assert [(one.before, one.joins, one.waiting) for one in second.destinations[0].pools] == [(0, 6, 0)]
    told = [str(cell) for column in second.rows.columns for cell in column.to_pylist()]
    assert not any(code in text for code in lab.rows() for text in told), "a plan names no code"
    assert lab.push(second, WHO).applied == {"AddCode": 6}
    assert lab.pool() == lab.rows(CodeState.PUSHED)
    lab.assert_at_rest()


def test_a_plan_that_is_carried_twice_mints_once(lab: PoolLab) -> None:
    made = lab.made()
    assert [lab.mint(made), lab.mint(made)] == [6, 0]
    used = lab.rows()[:2]
    lab.ledger.codes.advance(used, CodeState.EXPORTED, at=lab.now)
    lab.ledger.codes.redeem(dict.fromkeys(used, ("o1", lab.now)))
    assert lab.mint(made) == 0, "the plan said six"
    assert [one.codes for one in lab.made().issues] == [2]


def test_codes_left_on_their_way_stay_here_once_the_config_has_no_such_pool(lab: PoolLab) -> None:
    lab.turn()
    fuse = Fuse()
    lab.dying(fuse)
    assert fuse.count > 2
    for point in range(1, fuse.count + 1):
        other = PoolLab()
        other.turn()
        with suppress(Crash):
            other.dying(Fuse(at=point))
        before = other.pool()
        other.pools = ()
        other.push(other.plan(WHO), WHO)
        assert other.pool() == before, f"crash at boundary {point}"
        assert other.ledger.sending.of("news") == []
        other.assert_sound()
        other.close()


def test_only_what_the_shop_confirmed_is_sent_and_the_rest_follows(lab: PoolLab) -> None:
    lab.mint(lab.made())
    lab.confirm(most=2)
    assert [(one.joins, one.waiting) for one in lab.made().destinations[0].pools] == [(2, 4)]
    assert lab.push(lab.made(), WHO).applied["AddCode"] == 2
    lab.confirm()
    assert lab.push(lab.made(), WHO).applied == {"AddCode": 4}
    assert set(lab.sent().values()) == {1}
    lab.assert_at_rest()


@pytest.mark.parametrize("size", [None, 2_000, 1_113, 1_120])
def test_an_estimate_counts_the_calls_that_a_pool_takes(lab: PoolLab, size: int | None) -> None:
    lab.size = size
    lab.policy = replace(GIFT, pool=Stock(destination="news", codes=450))
    for _ in range(2):
        made = lab.plan(WHO, issues=lab.decision())
        lab.mint(made)
        before = lab.writes()
        lab.push(made, WHO)
        assert made.destinations[0].estimate.calls == lab.writes() - before
        lab.confirm()


def test_a_code_that_is_over_by_the_time_of_the_push_stays_here(lab: PoolLab) -> None:
    lab.turn()
    made = lab.made()
    used = lab.rows(CodeState.CONFIRMED)[0]
    lab.ledger.codes.redeem({used: ("o1", lab.now)})
    result = lab.push(made, WHO)
    assert (result.applied, result.withheld) == ({"AddCode": 5}, {"done": 1})
    assert used not in lab.pool()


def test_codes_of_another_destination_are_not_ours_to_send(lab: PoolLab) -> None:
    there = replace(GIFT, pool=Stock(destination="elsewhere", codes=2))
    codes = stocked(["a", "b"], there, lab.now)
    lab.ledger.codes.issue(codes)
    lab.confirm()
    made = lab.made()
    assert [(one.offer, one.codes) for one in made.issues] == [("gift", 6)]
    assert [(one.before, one.joins, one.waiting) for one in made.destinations[0].pools] == [(0, 0, 0)]
    for _ in range(2):
        lab.turn()
    assert len(lab.pool()) == 6
    assert not set(codes["code"].to_pylist()) & set(lab.pool())


class Slow(Frail):
    """A provider that takes codes as jobs, which end when it is told so."""

    def __init__(self, lab: PoolLab) -> None:
        super().__init__(lab.connector(), Fuse())
        self.is_done = False
        self.sent: Counter[str] = Counter()

    def push(self, batch: Batch) -> Iterator[Outcome]:
        if not isinstance(batch.changes[0], AddCode):
            yield from super().push(batch)
            return
        self.sent.update(change.code for change in batch.changes if isinstance(change, AddCode))
        yield from self.recall(batch, NOW)

    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        """Whatever was lost is in the one job that never tells."""
        del since
        yield from (Outcome(id=change.id, state=State.PENDING, job="job of codes") for change in batch.changes)

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        ours = [job for job in jobs if job.ref == "job of codes"]
        yield from super().poll([job for job in jobs if job not in ours])
        for job in ours if self.is_done else ():
            yield from self.inner.push(job.batch)


def test_codes_that_wait_for_a_job_are_not_sent_beside_it(lab: PoolLab) -> None:
    lab.turn()
    slow, made = Slow(lab), lab.made()
    hasty = Limits(job_deadline=0.0)
    assert lab.push(made, WHO, connector=slow, limits=hasty).pending == 6
    assert lab.rows(CodeState.PUSHED) == []
    later = lab.made()
    assert (later.is_empty, later.destinations[0].on_its_way) == (True, 6)
    for again in (made, later):  # the push that was interrupted, and a new one
        with suppress(StalePlan):
            assert lab.push(again, WHO, connector=slow, limits=Limits(job_deadline=2.0)).pending == 6
    assert set(slow.sent.values()) == {1}
    slow.is_done = True
    assert lab.push(lab.made(), WHO, connector=slow).settled == {"applied": 6}
    assert set(slow.sent.values()) == {1}
    assert lab.pool() == lab.rows(CodeState.PUSHED)
    lab.assert_at_rest()


class Refusing(Frail):
    """A provider that does not take one code."""

    def __init__(self, lab: PoolLab, code: str) -> None:
        super().__init__(lab.connector(), Fuse())
        self.code = code

    def push(self, batch: Batch) -> Iterator[Outcome]:
        for change, outcome in zip(batch.changes, self.inner.push(batch), strict=False):
            is_it = getattr(change, "code", None) == self.code
            no = Outcome(id=outcome.id, state=State.REJECTED, reason=Reason.OTHER, words="no")
            yield no if is_it else outcome


def test_a_refused_code_is_told_in_the_providers_words_and_not_sent_again(lab: PoolLab) -> None:
    lab.turn()
    code = lab.rows(CodeState.CONFIRMED)[0]
    result = lab.push(lab.made(), WHO, connector=Refusing(lab, code))
    assert [(one.kind, one.target, one.reason, one.words) for one in result.rejected] == [
        ("AddCode", "gift", Reason.OTHER, "no")
    ]
    assert lab.rows(CodeState.CONFIRMED) == [code]
    made = lab.made()
    assert (made.is_empty, made.destinations[0].withheld) == (True, 1)
    assert lab.ledger.rejections.forgive() == 1
    assert lab.push(lab.made(), WHO).applied + lab.push(lab.made(), WHO).noop == {"AddCode": 1}


def test_a_crash_at_any_boundary_and_another_run_fill_the_pool_once() -> None:
    for turns in (0, 1):
        point, blown = 0, True
        while blown:
            point += 1
            other = PoolLab()
            for _ in range(turns):
                other.turn()
            blown = False
            try:
                other.dying(Fuse(at=point))
            except Crash:
                blown = True
            other.assert_sound()
            for _ in range(2):
                other.turn()
            other.assert_at_rest()
            assert len(other.rows()) == 6, f"crash at boundary {point}: codes were minted twice"
            other.close()
        assert point > 10


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["turn", "die", "use", "wait", "confirm"]), st.integers(1, 40)), max_size=8))
def test_whatever_happens_between_the_pool_ends_with_its_number_of_usable_codes(acts: list[tuple[str, int]]) -> None:
    lab = PoolLab()
    for act, number in acts:
        if act == "turn":
            lab.turn()
        elif act == "confirm":
            lab.confirm(most=number % 4)
        elif act == "wait":
            lab.now += timedelta(days=number)
        elif act == "use":
            used = lab.rows(CodeState.PUSHED)[: number % 3]
            lab.ledger.codes.redeem(dict.fromkeys(used, ("o", lab.now)))
        else:
            with suppress(Crash):
                lab.dying(Fuse(at=number))
        lab.assert_sound()
    for _ in range(2):
        lab.turn()
    lab.assert_at_rest()
    lab.close()


# providers whose answers are lost


@dataclass
class Losing:
    """Carries the `at`-th write to the provider, and then loses its answer."""

    sandbox: Sandbox
    trouble: type[BaseException]
    at: int
    writes: int = 0

    def handle(self, request: Request) -> Response:
        answer = self.sandbox.handle(request)
        self.writes += request.method != "GET"
        if request.method != "GET" and self.writes == self.at:
            raise self.trouble
        return answer


STORE = {"store": "shop", "store_url": "https://shop.example", "store_currency": "EUR"}


class PoolAccount(Account):
    """An emulated account with a pool."""

    def __init__(self, name: str, network: Callable[[Sandbox], Handler] = lambda sandbox: sandbox) -> None:
        super().__init__(name, network)
        options = SETTINGS[name] | (STORE if name == "mailchimp" else {})
        self.connector = registry.build(name, options, handler=self.network, clock=self.clock)
        self.destination = replace(self.destination, pools=("gift",))
        self.carrier = replace(self.carrier, destination=self.destination, connector=self.connector)

    def stock(self) -> None:
        """Six codes that the shop has confirmed."""
        codes = stocked([f"code-{number}" for number in range(6)], GIFT, self.clock.utc())
        self.ledger.codes.issue(codes)
        self.ledger.codes.advance(codes["code"].to_pylist(), CodeState.CONFIRMED, at=self.clock.utc())

    def held(self) -> list[str]:
        self.clock.sleep(3600)  # whatever is visible late is visible now
        self.sandbox.world.settle()
        shown = self.sandbox.providers[self.name].codes()  # type: ignore[attr-defined]  # every one of these shows its codes
        return sorted(code for codes in shown.values() for code in codes)


@pytest.mark.parametrize("trouble", [Crash, TimeoutError], ids=["the process dies", "the answer is lost"])
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_whichever_answer_is_lost_no_code_is_there_twice_and_none_is_claimed_that_is_not(
    name: str, trouble: type[BaseException]
) -> None:
    at, is_over = 0, False
    while not is_over:
        at += 1
        account = PoolAccount(name, lambda sandbox, at=at: Losing(sandbox, trouble, at))  # type: ignore[misc]  # the number of now
        for turn in range(5):
            with suppress(Crash):
                account.round(WHO)
            if turn == 1:
                account.stock()
        held = account.held()
        pushed = account.ledger.codes.table(states=[CodeState.PUSHED])["code"].to_pylist()
        assert len(held) == len(set(held)) == 6
        assert set(pushed) <= set(held)
        assert name == "brevo" or len(pushed) == 6, "those can look up what they did"
        writes = account.writes()
        account.round(WHO)
        assert account.writes() == writes
        assert account.ledger.sending.of("news") == []
        is_over = cast("Losing", account.network).writes < at
        account.ledger.close()
