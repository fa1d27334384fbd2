"""The connector against the emulated account: calls counted, refusals, jobs, what a lost answer did."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from klaviyo_account import (
    CONTACTS,
    KEY,
    LOYAL,
    calls_so_far,
    contacts,
    email,
    job_of,
    joins,
    leaves,
    list_of,
    open_account,
    push,
    segment,
    settled,
    words,
)

from connectors import registry
from connectors.base import PullsEngagement, ReadsMembers, ReadsSuppressions, ReadsTraits, Recalls, Resolves, RunsJobs
from connectors.errors import InvalidRequest, RateLimited, SettingsError, Unauthorized
from connectors.http import Request, Response
from connectors.sandbox.lab import SandboxClock
from connectors.spec import cut
from connectors.testing import carry
from connectors.types import (
    AddContact,
    AddMember,
    Batch,
    ClearTraits,
    Consent,
    Job,
    Profile,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    Target,
    TargetKind,
    ValueKind,
)

SIX = {f"tag_{number}": "Chaussures de randonnée" for number in range(6)}


# DESIGN.md §12


def test_ten_thousand_new_contacts_with_six_fields_on_a_segment_take_at_most_twelve_calls() -> None:
    lab = open_account()
    ref, before = list_of(lab), calls_so_far(lab)
    everyone = [
        AddContact(id=str(number), profile=Profile(email(number)), status=Consent.SUBSCRIBED, traits=SIX)
        for number in range(10_000)
    ]
    for target, place, changes in ((CONTACTS, "", everyone), (LOYAL, ref, joins(range(10_000)))):
        limit = lab.connector.spec.carries[type(changes[0])]
        for part in cut(changes, limit):
            states = set(settled(lab, job_of(lab, target, place, part)).values())
            assert states == {"applied"}
    assert len(lab.sandbox.calls) - before <= 12
    assert len(lab.truth()) == 10_000
    assert all(contact.lists == {ref} and len(contact.fields) == 6 for contact in lab.truth().values())


@pytest.mark.parametrize(("cached", "calls"), [(True, 10), (False, 110)])
def test_removing_ten_thousand_takes_ten_calls_with_ids_and_a_hundred_and_ten_without(
    cached: bool,  # noqa: FBT001 - pytest's parameter
    calls: int,
) -> None:
    lab = open_account()
    ref = list_of(lab)
    for number in range(10_000):
        lab.seed(email(number), lists=[ref])
    known = {name: contact.ref for name, contact in lab.truth().items()}
    changes = [
        RemoveMember(id=str(number), profile=Profile(email(number), known[email(number)] if cached else None))
        for number in range(10_000)
    ]
    before = calls_so_far(lab)
    for part in cut(changes, lab.connector.spec.carries[RemoveMember]):
        assert {outcome.state for outcome in push(lab, LOYAL, ref, part)} == {State.APPLIED}
    assert len(lab.sandbox.calls) - before == calls
    assert not any(contact.lists for contact in lab.truth().values())


# opening the account


def test_check_names_the_account_and_the_key_stays_out_of_its_repr() -> None:
    lab = open_account()
    account = lab.connector.check()
    assert (account.id, account.name) == ("SbxK1v", "Sandbox")
    assert KEY not in repr(lab.connector.spec.settings(api_key=KEY))


def test_the_connector_has_every_ability_that_it_declares() -> None:
    connector = open_account().connector
    abilities = (Resolves, ReadsMembers, ReadsTraits, RunsJobs, Recalls, PullsEngagement, ReadsSuppressions)
    assert all(isinstance(connector, ability) for ability in abilities)


def test_the_public_key_is_refused_before_any_call() -> None:
    spec = open_account().connector.spec
    with pytest.raises(SettingsError, match="private key"):
        spec.settings(api_key="SbxK1v")
    assert (
        spec.settings(api_key=KEY, base_url="http://localhost:1/klaviyo/").base_url == "http://localhost:1/klaviyo/api"
    )


def test_a_wrong_key_and_a_missing_scope_are_errors_of_their_own() -> None:
    lab = open_account()
    options = {"api_key": "pk_wrong", "base_url": "http://sandbox.test/klaviyo/api"}
    stranger = registry.build("klaviyo", options, handler=lab.sandbox, clock=SandboxClock(lab.sandbox.world))
    with pytest.raises(Unauthorized):
        stranger.check()
    with pytest.raises(Unauthorized, match="lists:write"):
        list_of(open_account(missing_scopes="lists:write"))


def test_the_challenge_in_front_of_the_api_is_a_pause_and_no_refusal_of_the_key() -> None:
    lab = open_account(cloudflare="2")
    assert lab.connector.check().id == "SbxK1v"
    with pytest.raises(RateLimited):
        push(lab, CONTACTS, "", contacts([1]))


# targets


def test_lists_are_found_by_their_exact_name_behind_any_number_of_pages() -> None:
    lab = open_account()
    for number in range(30):
        list_of(lab, segment(f"other {number}"))
    for title in ('He said "yes", l\'été \\ 100%', "Clients fidèles", "clients fidèles"):
        ref = list_of(lab, segment(title))
        assert lab.connector.find([segment(title)]) == {segment(title): ref}
        assert list_of(lab, segment(title)) == ref
    assert lab.connector.find([segment("absent")]) == {}
    assert len(lab.lists()) == 33


def test_of_several_lists_of_one_name_the_oldest_is_ours_whatever_the_page() -> None:
    lab = open_account()
    first = list_of(lab)
    for _ in range(25):  # Klaviyo does not refuse a second list of a name
        lab.sandbox.world.advance(60)
        lab.connector._sdk.Lists.create_list({"data": {"type": "list", "attributes": {"name": LOYAL.title}}})
    assert lab.connector.find([LOYAL]) == {LOYAL: first}


def test_a_property_needs_no_creation_and_the_contacts_are_the_account() -> None:
    lab = open_account()
    tag = Target(kind=TargetKind.FIELD, name="favourite", title="favourite", value=ValueKind.TEXT)
    assert lab.connector.find([tag, CONTACTS]) == {tag: "favourite", CONTACTS: "SbxK1v"}
    assert all(call.is_read for call in lab.sandbox.calls)


# writing


def test_only_the_address_and_our_properties_leave_the_machine() -> None:
    lab = open_account()
    push(lab, CONTACTS, "", contacts([1], tag="x"))
    (profile,) = json.loads(lab.sandbox.calls[-1].body)["data"]["attributes"]["profiles"]["data"]
    assert profile == {"type": "profile", "attributes": {"email": email(1), "properties": {"tag": "x"}}}


def test_people_who_did_not_say_yes_are_refused_before_any_call() -> None:
    lab = open_account()
    changes = [
        AddContact(id=status, profile=Profile(email(number)), status=status) for number, status in enumerate(Consent)
    ]
    assert words(push(lab, CONTACTS, "", changes)) == {
        "subscribed": "pending",
        "pending": "rejected: other",
        "unsubscribed": "rejected: other",
        "never": "rejected: other",
    }
    assert len(json.loads(lab.sandbox.calls[-1].body)["data"]["attributes"]["profiles"]["data"]) == 1


def test_a_refused_job_names_every_malformed_address() -> None:
    lab = open_account()
    bad = [AddContact(id=name, profile=Profile(name), status=Consent.SUBSCRIBED) for name in ("no-at", "two@@x.io")]
    with pytest.raises(InvalidRequest) as refusal:
        push(lab, CONTACTS, "", [*contacts([1]), bad[0], *contacts([2]), bad[1]])
    assert refusal.value.culprits == {"no-at": "invalid_address", "two@@x.io": "invalid_address"}
    assert not lab.truth()


def test_a_profile_over_a_hundred_kilobytes_costs_one_record() -> None:
    lab = open_account()
    large = [SetTraits(id=str(number), profile=Profile(email(1)), traits={"x": "é" * 40_000}) for number in range(1)]
    large += [SetTraits(id="over", profile=Profile(email(2)), traits={"x": "é" * 30_000, "y": "é" * 30_000})]
    assert words(push(lab, CONTACTS, "", large)) == {"0": "pending", "over": "rejected: too_long"}


def test_bodies_are_cut_by_size_into_several_jobs() -> None:
    lab = open_account()
    changes = [SetTraits(id=str(n), profile=Profile(email(n)), traits={"x": "é" * 40_000}) for n in range(100)]
    limit = lab.connector.spec.carries[SetTraits]
    outcomes = [outcome for part in cut(changes, limit) for outcome in push(lab, CONTACTS, "", part)]
    assert len({outcome.job for outcome in outcomes}) == 2
    assert max(call.size for call in lab.sandbox.calls) <= (limit.bytes or 0)
    assert sorted(outcome.id for outcome in outcomes) == sorted(change.id for change in changes)


def test_an_id_that_klaviyo_forgot_is_looked_up_anew_and_the_rest_still_leaves() -> None:
    lab = open_account()
    ref = list_of(lab)
    for number in range(3):
        lab.seed(email(number), lists=[ref])
    truth = lab.truth()
    changes = [
        RemoveMember(id="known", profile=Profile(email(0), truth[email(0)].ref)),
        RemoveMember(id="merged", profile=Profile(email(1), "01OLD")),
        RemoveMember(id="deleted", profile=Profile(email(9), "01GONE")),
        RemoveMember(id="unknown", profile=Profile(email(8))),
    ]
    outcomes = push(lab, LOYAL, ref, changes)
    assert words(outcomes) == {
        "known": "applied",
        "merged": "applied",
        "deleted": "noop: gone",
        "unknown": "noop: gone",
    }
    assert {outcome.id: outcome.ref for outcome in outcomes}["merged"] == truth[email(1)].ref
    assert [sorted(contact.lists) for contact in lab.truth().values()] == [[], [], [ref]]


@pytest.mark.parametrize("status", ["404", "400"])
def test_writing_to_a_list_that_is_gone_says_so_for_each_change(status: str) -> None:
    lab = open_account(unknown_list=status)
    lab.seed(email(1))
    for change in (*joins([1]), *leaves([1])):
        with pytest.raises(InvalidRequest) as refusal:
            push(lab, LOYAL, "gone", [change])
        assert refusal.value.culprits == {change.id: "unknown_target"}


def test_a_suppression_lowers_and_touches_no_list() -> None:
    lab = open_account()
    ref = list_of(lab)
    lab.seed(email(1), lists=[ref], fields={"x": 1})
    lab.seed(email(2), lists=[ref], status="unsubscribed")
    changes = [Suppress(id=f"s{number}", profile=Profile(email(number))) for number in (1, 2)]
    job = job_of(lab, CONTACTS, "", changes)
    assert settled(lab, job) == {"s1": "applied", "s2": "applied"}
    assert {(contact.status, contact.mailable, *contact.lists) for contact in lab.truth().values()} == {
        ("suppressed", False, ref),
        ("unsubscribed", False, ref),
    }


def test_no_route_that_subscribes_is_ever_called() -> None:
    lab = open_account()
    ref = list_of(lab)
    lab.seed(email(1), status="unsubscribed")
    for target, place, changes in (
        (CONTACTS, "", contacts([1, 2], tag="x")),
        (CONTACTS, "", [ClearTraits(id="x", profile=Profile(email(1)), fields=("tag",))]),
        (LOYAL, ref, joins([1, 2])),
        (LOYAL, ref, leaves([1, 2])),
        (CONTACTS, "", [Suppress(id="s", profile=Profile(email(2)))]),
    ):
        push(lab, target, place, changes)
        lab.settle()
    assert not [call.path for call in lab.sandbox.calls if "subscription" in call.path]
    assert {name: contact.status for name, contact in lab.truth().items()} == {
        email(1): "unsubscribed",
        email(2): "suppressed",
    }


def test_no_window_is_ever_exceeded_and_nearly_all_of_our_share_is_used() -> None:
    lab = open_account()
    started, before = lab.now(), calls_so_far(lab)
    for number in range(480):
        push(lab, CONTACTS, "", contacts([number]))
    assert {call.status for call in lab.sandbox.calls[before:]} == {202}
    minutes = (lab.now() - started).total_seconds() / 60
    share = 0.8 * 150  # a minute: the tightest window of imports
    assert 480 / share - 1 <= minutes <= 480 / share / 0.95


# jobs


def test_a_running_job_has_no_outcome_yet() -> None:
    lab = open_account()
    job = job_of(lab, CONTACTS, "", contacts(range(3)))
    assert list(lab.connector.poll([job])) == []
    assert set(settled(lab, job).values()) == {"applied"}


@pytest.mark.parametrize("payload", ["flat", "nested", "none"])
def test_a_complete_job_may_hold_failures_and_they_are_matched_by_address(payload: str) -> None:
    lab = open_account(async_errors="refused", payload=payload)
    bad = [
        AddContact(id=f"b{number}", profile=Profile(f"refused.{number}@example.com"), status=Consent.SUBSCRIBED)
        for number in range(130)  # more than a page of errors
    ]
    job = job_of(lab, CONTACTS, "", [*bad[:50], *contacts(range(40), tag="x"), *bad[50:]])
    found = settled(lab, job)
    assert {state for name, state in found.items() if name.startswith("c")} == {"applied"}
    refused = {state for name, state in found.items() if name.startswith("b")}
    assert refused == {"rejected: other" if payload == "none" else "rejected: invalid_address"}
    assert len(found) == 170


def test_people_of_a_job_with_nameless_failures_whom_no_read_shows_yet_are_tried_later_and_not_refused() -> None:
    lab = open_account(async_errors="refused", payload="none", visibility="60")
    bad = AddContact(id="bad", profile=Profile("refused@example.com"), status=Consent.SUBSCRIBED)
    found = settled(lab, job_of(lab, CONTACTS, "", [bad, *contacts(range(4), tag="x")]))
    assert set(found.values()) == {"rejected: try_later"}
    lab.sandbox.world.advance(60)
    again = settled(lab, job_of(lab, CONTACTS, "", [bad, *contacts(range(4), tag="x")]))
    assert again.pop("bad") == "rejected: other"
    assert set(again.values()) == {"applied"}


def test_a_job_that_vanished_is_settled_by_what_the_account_shows() -> None:
    lab = open_account(job_expires="10")
    ref = list_of(lab)
    lab.seed(email(7))
    changes = [*joins([1, 2]), AddMember(id="never", profile=Profile(email(7)))]
    job = job_of(lab, LOYAL, ref, changes[:2])
    lab.sandbox.world.advance(60)
    lost = Job(ref=job.ref, batch=Batch(LOYAL, ref, changes), started_at=job.started_at)
    outcomes = list(lab.connector.poll([lost]))
    assert words(outcomes) == {"j1": "applied", "j2": "applied", "never": "rejected: try_later"}


def test_many_jobs_are_polled_by_the_list_and_not_one_by_one() -> None:
    lab = open_account()
    jobs = [job_of(lab, CONTACTS, "", contacts([number])) for number in range(8)]
    lab.settle()
    before = calls_so_far(lab)
    assert {outcome.state for outcome in lab.connector.poll(jobs)} == {State.APPLIED}
    assert len(lab.sandbox.calls) - before == 1


# an ambiguous write


def test_what_an_ambiguous_write_did_is_read_back_kind_by_kind() -> None:
    lab = open_account()
    ref = list_of(lab)
    lab.seed(email(1), lists=[ref], fields={"x": "a", "y": "b"})
    lab.seed(email(2), status="suppressed")
    cases = [
        (CONTACTS, contacts([1, 5], x="a"), {"c1": "applied"}),
        (CONTACTS, [SetTraits(id="t", profile=Profile(email(1)), traits={"x": "other"})], {}),
        (CONTACTS, [ClearTraits(id="k", profile=Profile(email(1)), fields=("z",))], {"k": "applied"}),
        (CONTACTS, [ClearTraits(id="k", profile=Profile(email(1)), fields=("y",))], {}),
        (LOYAL, joins([1, 2]), {"j1": "applied"}),
        (LOYAL, leaves([1, 2]), {"r2": "applied"}),
        (CONTACTS, [Suppress(id=f"s{n}", profile=Profile(email(n))) for n in (1, 2)], {"s2": "applied"}),
    ]
    for target, changes, expected in cases:
        assert words(lab.connector.recall(Batch(target, ref, changes), lab.now())) == expected
    assert all(call.is_read for call in lab.sandbox.calls[2:])


def test_an_import_that_still_runs_is_waited_for_and_then_proven_by_reading() -> None:
    lab = open_account()
    sent = contacts([1, 2], tag="x")
    push(lab, CONTACTS, "", sent)  # and the answer was lost
    recalled = list(lab.connector.recall(Batch(CONTACTS, "", sent), lab.now()))
    assert words(recalled) == {"c1": "pending", "c2": "pending"}
    job = Job(ref=recalled[0].job or "", batch=Batch(CONTACTS, "", sent), started_at=lab.now())
    assert list(lab.connector.poll([job])) == []
    lab.settle()
    assert words(lab.connector.poll([job])) == {"c1": "applied", "c2": "applied"}


class Lossy:
    """A handler that keeps what it saw and gives one answer back."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.seen: list[Request] = []

    def handle(self, request: Request) -> Response:
        self.seen.append(request)
        return self.response


def test_every_call_names_the_pinned_revision_also_those_of_the_vendors_client() -> None:
    body = b'{"data":[{"type":"account","id":"A","attributes":{}}],"links":{"self":"x"}}'
    handler = Lossy(Response(200, {"content-type": "application/vnd.api+json"}, body))
    connector = registry.build(
        "klaviyo", {"api_key": KEY}, handler=handler, clock=SandboxClock(open_account().sandbox.world)
    )
    connector.check()
    connector.resolve([Profile(email(1))])
    assert {request.headers["revision"] for request in handler.seen} == {"2026-07-15"}
    assert [request.url.partition("?")[0] for request in handler.seen] == [
        "https://a.klaviyo.com/api/accounts",
        "https://a.klaviyo.com/api/profiles",
    ]
    assert {request.headers["authorization"] for request in handler.seen} == {f"Klaviyo-API-Key {KEY}"}


def test_importing_the_connector_loads_neither_the_vendors_client_nor_httpx() -> None:
    told = "import sys, connectors.klaviyo; print({'klaviyo_api', 'openapi_client', 'httpx'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_a_first_name_is_written_read_back_and_cleared() -> None:
    lab = open_account()
    name = Target(kind=TargetKind.FIELD, name="first_name", title="first_name")
    assert lab.connector.find([name]) == {name: "first_name"}
    carry(lab, contacts([1], first_name="Ann", tier="gold"), CONTACTS, "")
    assert lab.connector.traits([Profile(email(1))]) == {email(1): {"first_name": "Ann", "tier": "gold"}}
    carry(lab, [ClearTraits(id="k", profile=Profile(email(1)), fields=("first_name",))], CONTACTS, "")
    assert lab.connector.traits([Profile(email(1))]) == {email(1): {"tier": "gold"}}
