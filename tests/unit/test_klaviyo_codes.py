"""Coupons as pools of codes: found by id, filled by jobs, one outcome a code under every reading of the documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from klaviyo_account import calls_so_far, job_of, open_account, pool, push, settled, words

from connectors.errors import InvalidRequest, RateLimited
from connectors.http import Request, Response
from connectors.klaviyo import wire
from connectors.klaviyo.spec import MEDIA
from connectors.sandbox.lab import SandboxLab
from connectors.spec import cut
from connectors.types import AddCode, Batch, Job, Target

VIP = pool("VIP10")


def codes(numbers: range, prefix: str = "C") -> list[AddCode]:
    return [AddCode(id=f"k{number}", code=f"{prefix}{number}") for number in numbers]


def filled(lab: SandboxLab, target: Target = VIP) -> str:
    return lab.connector.create([target])[target]


def test_a_pool_is_the_coupon_of_its_title_and_is_created_once() -> None:
    lab = open_account()
    assert lab.connector.find([VIP]) == {}
    assert filled(lab) == filled(lab) == "VIP10"
    assert lab.connector.find([VIP]) == {VIP: "VIP10"}
    assert [call.method for call in lab.sandbox.calls].count("POST") == 1


def test_a_title_that_no_template_can_name_gets_an_id_of_its_own() -> None:
    lab = open_account()
    titles = ["Été -10 %", "Ete -10 %", "l'été", "木綿", 'a "quote"', "x" * 80]
    refs = [filled(lab, pool(title)) for title in titles]
    assert len(set(refs)) == len(titles)
    assert refs[0].startswith("Ete_10_")
    assert all(wire.coupon(ref) == ref for ref in refs)
    assert lab.connector.find([pool(titles[3])]) == {pool(titles[3]): refs[3]}


@given(st.sets(st.text(min_size=1, max_size=40), min_size=2, max_size=6))
def test_ids_of_coupons_hold_plain_letters_and_differ_as_their_titles_do(titles: set[str]) -> None:
    refs = {wire.coupon(title) for title in titles}
    assert len(refs) == len(titles)
    assert all(ref.isascii() and len(ref) <= 50 and not set(ref) & set(" '\"{}%\\/") for ref in refs)


def test_codes_arrive_with_their_end_a_thousand_a_job() -> None:
    lab = open_account()
    ref = filled(lab)
    end = datetime(2018, 3, 1, 12, tzinfo=UTC)
    first = AddCode(id="first", code="FIRST", expires=end)
    changes = [first, *codes(range(1_000))]
    sizes = []
    for part in cut(changes, lab.connector.spec.carries[AddCode]):
        sizes.append(len(part))
        assert set(settled(lab, job_of(lab, VIP, ref, part)).values()) == {"applied"}
    assert sizes == [1_000, 1]
    kept = lab.provider._account.coupons["VIP10"].codes
    assert len(kept) == 1_001
    assert kept["FIRST"].expires == end
    assert (kept["C1"].expires - lab.now()).days in {364, 365}  # Klaviyo's own end of a code without one


def test_a_code_that_stands_twice_in_a_batch_is_sent_once() -> None:
    lab = open_account()
    ref = filled(lab)
    job = job_of(lab, VIP, ref, [AddCode(id="a", code="SAME"), AddCode(id="b", code="SAME")])
    sent = json.loads(lab.sandbox.calls[-1].body)["data"]["attributes"]["coupon-codes"]["data"]
    assert len(sent) == 1
    assert settled(lab, job) == {"a": "applied", "b": "applied"}


@pytest.mark.parametrize("named", ["yes", "no"])
@pytest.mark.parametrize("repeat", ["error", "silent"])
def test_codes_that_are_there_are_no_refusal_and_new_ones_beside_them_arrive(named: str, repeat: str) -> None:
    lab = open_account(codes_named=named, codes_repeat=repeat)
    ref = filled(lab)
    settled(lab, job_of(lab, VIP, ref, codes(range(3))))
    found = settled(lab, job_of(lab, VIP, ref, codes(range(5))))
    assert set(found.values()) <= {"applied", "noop"}
    if (named, repeat) == ("yes", "error"):
        assert found == {"k0": "noop", "k1": "noop", "k2": "noop", "k3": "applied", "k4": "applied"}
    assert sorted(lab.provider.codes()["VIP10"]) == ["C0", "C1", "C2", "C3", "C4"]


def test_new_codes_that_nobody_names_and_no_read_shows_yet_are_tried_later_and_not_refused() -> None:
    lab = open_account(codes_named="no", visibility="30")
    ref = filled(lab)
    settled(lab, job_of(lab, VIP, ref, codes(range(3))))
    lab.sandbox.world.advance(60)
    found = settled(lab, job_of(lab, VIP, ref, codes(range(5))))
    assert found == {"k0": "noop", "k1": "noop", "k2": "noop", "k3": "rejected: try_later", "k4": "rejected: try_later"}
    lab.sandbox.world.advance(60)
    assert set(settled(lab, job_of(lab, VIP, ref, codes(range(5)))).values()) == {"noop"}


@pytest.mark.parametrize(("unique", "state"), [("account", "rejected: other"), ("coupon", "applied")])
def test_a_code_of_another_coupon_is_told_as_klaviyo_has_it(unique: str, state: str) -> None:
    lab = open_account(codes_unique=unique)
    settled(lab, job_of(lab, VIP, filled(lab), codes(range(1))))
    other = pool("OTHER")
    assert settled(lab, job_of(lab, other, filled(lab, other), codes(range(2)))) == {"k0": state, "k1": "applied"}


@pytest.mark.parametrize("reading", ["sync", "async"])
def test_codes_for_a_coupon_that_is_gone_are_refused_one_by_one(reading: str) -> None:
    lab = open_account(unknown_coupon=reading)
    if reading == "sync":
        with pytest.raises(InvalidRequest) as refusal:
            push(lab, VIP, "GONE", codes(range(2)))
        assert refusal.value.culprits == {"k0": "unknown_target", "k1": "unknown_target"}
        return
    outcomes = push(lab, VIP, "GONE", codes(range(2)))
    job = Job(ref=outcomes[0].job or "", batch=Batch(VIP, "GONE", codes(range(2))), started_at=lab.now())
    assert set(settled(lab, job).values()) == {"rejected: other"}


def test_a_code_that_klaviyo_refuses_is_the_culprit_and_costs_no_other() -> None:
    lab = open_account()
    ref = filled(lab)
    with pytest.raises(InvalidRequest) as refusal:
        push(lab, VIP, ref, [*codes(range(2)), AddCode(id="blank", code=" ")])
    assert set(refusal.value.culprits) == {"blank"}


@pytest.mark.parametrize("status", ["400", "429"])
def test_while_a_hundred_jobs_of_codes_wait_there_the_next_waits_here(status: str) -> None:
    lab = open_account(queue_full=status, codes_seconds="600")
    ref = filled(lab)
    for number in range(100):
        push(lab, VIP, ref, codes(range(number, number + 1)))
    with pytest.raises(RateLimited):
        push(lab, VIP, ref, codes(range(100, 101)))
    lab.settle()
    assert words(push(lab, VIP, ref, codes(range(100, 101)))) == {"k100": "pending"}


def test_what_a_lost_job_of_codes_did_is_read_back_code_by_code() -> None:
    lab = open_account(job_expires="10")
    ref = filled(lab)
    settled(lab, job_of(lab, VIP, ref, codes(range(2))))
    before = calls_so_far(lab)
    assert words(lab.connector.recall(Batch(VIP, ref, codes(range(3))), lab.now())) == {
        "k0": "applied",
        "k1": "applied",
    }
    assert all(call.is_read for call in lab.sandbox.calls[before:])
    lost = Job(ref="codes:01GONE", batch=Batch(VIP, ref, codes(range(3))), started_at=lab.now())
    assert words(lab.connector.poll([lost])) == {"k0": "applied", "k1": "applied", "k2": "rejected: try_later"}


def test_odd_characters_of_a_code_do_not_break_its_address() -> None:
    lab = open_account(codes_named="no")
    ref = filled(lab)
    odd = [AddCode(id=code, code=code) for code in ("A/B", "50%", "été?x=1", "a b#c")]
    settled(lab, job_of(lab, VIP, ref, odd))
    assert set(settled(lab, job_of(lab, VIP, ref, odd)).values()) == {"noop"}


def test_a_retired_revision_stops_the_destination_and_blames_no_change() -> None:
    from functools import partial

    from klaviyo_account import SETTINGS, contacts

    from connectors import registry
    from connectors.errors import UnexpectedResponse
    from connectors.sandbox.lab import SandboxClock

    class Retired:
        def handle(self, request: Request) -> Response:
            return Response(410, {"content-type": MEDIA}, b'{"errors":[]}')

    lab = open_account()
    build = partial(registry.build, "klaviyo", SETTINGS, handler=Retired(), clock=SandboxClock(lab.sandbox.world))
    with pytest.raises(UnexpectedResponse, match="retired"):
        list(build().push(Batch(VIP, "", contacts([1]))))
