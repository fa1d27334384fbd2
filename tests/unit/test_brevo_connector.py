"""Brevo's connector over its emulation: how many calls, what is told, and what is never done."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

import pytest
from brevo_account import CODE, CONTACTS, KEY, LOYAL, Shop, additions, member

from connectors import errors
from connectors.brevo import Brevo
from connectors.http import Request, Response
from connectors.types import (
    AddContact,
    AddMember,
    Batch,
    ClearTraits,
    Consent,
    ContactChange,
    Job,
    Outcome,
    Profile,
    Reason,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    Target,
    TargetKind,
    ValueKind,
)

# the account and its targets


def test_the_account_is_known_by_its_organisation() -> None:
    about = Shop().connector.check()
    assert (about.id, about.name, about.plan) == ("5fa2b1c0d9e8f70001234567", "Sandbox shop", "free")


def test_a_blocked_machine_is_told_from_a_refused_key() -> None:
    with pytest.raises(errors.Unauthorized, match=r"not the key.*authorised_ips"):
        Shop(ip="blocked").connector.check()
    shop = Shop()
    with pytest.raises(errors.Unauthorized, match="Key not found"):
        shop.open(shop.sandbox, api_key="xkeysib-other").check()


def test_an_empty_key_and_strange_settings_are_refused_before_any_call() -> None:
    shop = Shop()
    with pytest.raises(errors.SettingsError, match="'api_key' is empty"):
        shop.open(shop.sandbox, api_key=" ")
    with pytest.raises(errors.SettingsError, match="audience"):
        shop.open(shop.sandbox, audience="x")
    assert not shop.sandbox.calls


def test_a_key_never_shows() -> None:
    assert KEY not in repr(Brevo.spec.settings(api_key=KEY))


@pytest.mark.parametrize(
    ("keys", "folder"),
    [({"prefix": "Lin · "}, "Lin"), ({"prefix": "x", "folder": "CRM"}, "CRM"), ({"prefix": ""}, "ciblage")],
)
def test_lists_go_to_one_folder(keys: dict[str, str], folder: str) -> None:
    shop = Shop()
    connector = shop.open(shop.sandbox, **keys)
    assert connector.find([LOYAL]) == {}
    connector.create([CONTACTS, LOYAL])
    assert list(shop.provider.account.folders.values()) == [folder]


def test_a_list_of_the_same_name_elsewhere_is_not_ours() -> None:
    shop = Shop()
    account = shop.provider.account
    account.folders[99] = "Somebody else's"
    shop.connector._http("POST", "/contacts/lists", json={"name": LOYAL.title, "folderId": 99})
    assert shop.connector.find([LOYAL]) == {}
    assert shop.targets()[LOYAL] == "3"
    assert sum(mailbox.name == LOYAL.title for mailbox in account.lists.values()) == 2


def test_of_two_lists_with_one_name_the_oldest_is_ours_and_all_pages_are_read() -> None:
    shop = Shop()
    many = [Target(kind=TargetKind.SEGMENT, name=str(n), title=f"Segment {n}") for n in range(70)]
    refs = shop.connector.create(many)
    [folder] = shop.provider.account.folders
    shop.connector._http("POST", "/contacts/lists", json={"name": "Segment 3", "folderId": folder})
    assert shop.connector.find(many) == refs


@pytest.mark.parametrize(
    ("path", "body", "there"),
    [
        ("normal/CODE", {"type": "date"}, "date"),
        ("category/CODE", {"type": "category", "enumeration": [{"value": 1, "label": "a"}]}, "category"),
        ("normal/CODE", {"type": "boolean"}, "boolean"),
    ],
)
def test_an_attribute_of_another_type_is_an_error_before_anything_is_written(
    path: str, body: dict[str, object], there: str
) -> None:
    shop = Shop()
    shop.connector._http("POST", f"/contacts/attributes/{path}", json=body)
    for act in (shop.connector.find, shop.connector.create):
        with pytest.raises(errors.SettingsError, match=f"CODE of type {there}, merge tag 'code' needs text"):
            act([CODE])


# the reference load


def test_ten_thousand_new_contacts_and_members_take_few_calls_and_stay_within_every_window() -> None:
    shop = Shop()
    fields = [Target(kind=TargetKind.FIELD, name=f"f{n}", title=f"F{n}", value=ValueKind.TEXT) for n in range(6)]
    refs = dict(shop.connector.create([CONTACTS, LOYAL, *fields]))
    values = {refs[one]: "une valeur comme une autre" for one in fields}
    contacts: list[ContactChange] = [
        AddContact(id=f"c{n}", profile=member(n), status=Consent.SUBSCRIBED, traits=values) for n in range(10_000)
    ]
    shop.count()
    added = shop.carry(CONTACTS, refs[CONTACTS], contacts)
    joined = shop.carry(LOYAL, refs[LOYAL], additions(10_000))
    calls = shop.count()
    assert {outcome.state for outcome in (*added.values(), *joined.values())} == {State.APPLIED}
    assert len(added) == len(joined) == 10_000
    assert calls == {"POST /contacts/import": 2, "GET /processes": 2}
    assert shop.connector.count(LOYAL, refs[LOYAL]) == 10_000
    assert sum(len(page.items) for page in shop.connector.members(LOYAL, refs[LOYAL])) == 10_000

    shop.count()
    leavers: list[ContactChange] = [RemoveMember(id=f"r{n}", profile=member(n)) for n in range(10_000)]
    left = shop.carry(LOYAL, refs[LOYAL], leavers)
    statuses = Counter(call.status for call in shop.sandbox.calls)
    assert shop.count() == {f"POST /contacts/lists/{refs[LOYAL]}/contacts/remove": 67}
    assert statuses == {201: 67}
    assert {outcome.state for outcome in left.values()} == {State.APPLIED}
    assert shop.provider.account.notifications == 0


def test_sixty_jobs_cost_two_calls() -> None:
    shop = Shop()
    refs = shop.targets()
    jobs = []
    for number in range(60):
        change = SetTraits(id=str(number), profile=member(number), traits={"CODE": "x"})
        batch = Batch(CONTACTS, refs[CONTACTS], (change,))
        [outcome] = shop.connector.push(batch)
        assert outcome.job
        jobs.append(Job(ref=outcome.job, batch=batch, started_at=shop.world.now()))
    assert list(shop.connector.poll(jobs[:1])) == []
    shop.world.finish()
    shop.count()
    assert {outcome.state for outcome in shop.connector.poll(jobs)} == {State.APPLIED}
    assert shop.count() == {"GET /processes": 2}


def test_a_job_that_no_page_shows_still_runs_and_costs_no_call_of_its_own() -> None:
    shop = Shop()
    refs = shop.targets()
    batch = Batch(CONTACTS, refs[CONTACTS], (Suppress(id="1", profile=member(1)),))
    [outcome] = shop.connector.push(batch)
    shop.world.finish()
    account = shop.provider.account
    hidden = account.processes[1]
    account.processes = {2: type(hidden)(2, "TRANS-CALC", shop.world.now())}
    job = Job(ref=outcome.job or "", batch=batch, started_at=shop.world.now())
    shop.count()
    assert list(shop.connector.poll([job])) == []  # it is gone for good: the job's deadline decides
    assert shop.count() == {"GET /processes": 1}


# what is told of each change


def test_nobody_is_created_who_did_not_opt_in() -> None:
    shop = Shop()
    refs = shop.targets()
    shop.count()
    changes = [
        AddContact(id=str(status), profile=member(at), status=status)
        for at, status in enumerate(Consent)
        if status is not Consent.SUBSCRIBED
    ]
    outcomes = list(shop.connector.push(Batch(CONTACTS, refs[CONTACTS], changes)))
    assert {outcome.state for outcome in outcomes} == {State.REJECTED}
    assert len(outcomes) == 3
    assert not shop.count()


@pytest.mark.parametrize("unknown_list", ["400", "404"])
def test_a_list_that_is_gone_is_said_of_every_change(unknown_list: str) -> None:
    shop = Shop(unknown_list=unknown_list)
    ref = shop.targets()[LOYAL]
    shop.connector._http("DELETE", f"/contacts/lists/{ref}")
    for change in (
        AddMember(id="1", profile=member(1)),
        RemoveMember(id="1", profile=member(1)),
        SetTraits(id="1", profile=member(1), traits={"CODE": "x"}),
    ):
        [outcome] = shop.connector.push(Batch(LOYAL, ref, (change,)))
        assert (outcome.state, outcome.reason) == (State.REJECTED, Reason.UNKNOWN_TARGET)
    assert LOYAL not in shop.connector.find([LOYAL])


@pytest.mark.parametrize("shape", ["nested", "flat"])
def test_a_small_addition_cannot_create_and_tells_members_from_strangers(shape: str) -> None:
    shop = Shop(list_answer=shape)
    ref = shop.targets()[LOYAL]
    shop.seed("p0@shop.test", lists={ref})
    shop.seed("p1@shop.test")
    outcomes = shop.carry(LOYAL, ref, additions(3))
    told = {key: (outcome.state, outcome.reason) for key, outcome in outcomes.items()}
    assert told == {
        "m0": (State.NOOP, None),
        "m1": (State.APPLIED, None),
        "m2": (State.REJECTED, Reason.GONE),
    }
    assert "p2@shop.test" not in shop.provider.contacts()
    again = shop.carry(LOYAL, ref, additions(3))  # nothing to do at all is a 400 there
    assert [outcome.state for outcome in again.values()] == [State.NOOP, State.NOOP, State.REJECTED]


def test_up_to_ten_calls_of_additions_go_by_the_route_that_cannot_create() -> None:
    shop = Shop()
    ref = shop.targets()[LOYAL]
    for number in range(1500):
        shop.seed(f"p{number}@shop.test")
    shop.count()
    outcomes = shop.carry(LOYAL, ref, additions(1500))
    assert shop.count() == {f"POST /contacts/lists/{ref}/contacts/add": 10}
    assert {outcome.state for outcome in outcomes.values()} == {State.APPLIED}
    assert shop.connector.count(LOYAL, ref) == 1500


@pytest.mark.parametrize("shape", ["nested", "flat"])
def test_removing_who_is_not_there_is_no_failure(shape: str) -> None:
    shop = Shop(list_answer=shape)
    ref = shop.targets()[LOYAL]
    shop.seed("p0@shop.test", lists={ref})
    changes: list[ContactChange] = [RemoveMember(id=f"r{n}", profile=member(n)) for n in range(2)]
    first, second = (shop.carry(LOYAL, ref, changes) for _ in range(2))
    assert [first[key].state for key in ("r0", "r1")] == [State.APPLIED, State.NOOP]
    assert [second[key].state for key in ("r0", "r1")] == [State.NOOP, State.NOOP]


def test_a_removal_that_brevo_left_undone_is_not_called_done() -> None:
    shop = Shop()
    ref = shop.targets()[LOYAL]
    shop.seed(*(f"p{number}@shop.test" for number in range(30)), lists={ref})

    class Half:
        """Says of everyone that nothing was done."""

        def handle(self, request: Request) -> Response:
            if not request.url.endswith("/remove"):
                return shop.sandbox.handle(request)
            body = {"contacts": {"success": [], "failure": json.loads(request.body)["emails"]}}
            return Response(201, {}, json.dumps(body).encode())

    connector = shop.open(Half())
    for count in (2, 30):
        changes = [RemoveMember(id=f"r{n}", profile=member(n)) for n in range(count)]
        shop.count()
        outcomes = list(connector.push(Batch(LOYAL, ref, changes)))
        assert {outcome.state for outcome in outcomes} == {State.REJECTED}
        assert sum(shop.count().values()) == (2 if count == 2 else 1)  # a few one by one, more by the list


@pytest.mark.parametrize("info", ["url", "count"])
def test_a_refused_address_is_refused_alone_and_no_key_leaves_for_another_host(info: str) -> None:
    shop = Shop(process_info=info)
    ref = shop.targets()[CONTACTS]
    changes: list[ContactChange] = [
        AddContact(id="good", profile=member(1), status=Consent.SUBSCRIBED, traits={"CODE": "A"}),
        AddContact(id="bad", profile=Profile("bad..one@shop.test"), status=Consent.SUBSCRIBED, traits={"CODE": "B"}),
    ]
    outcomes = shop.carry(CONTACTS, ref, changes)
    assert outcomes["good"].state is State.APPLIED
    assert (outcomes["bad"].state, outcomes["bad"].reason) == (State.REJECTED, Reason.INVALID_ADDRESS)
    elsewhere = [request for request in shop.network.sent if "archive.test" in request.url]
    assert len(elsewhere) == (info == "url")
    assert not [request for request in elsewhere if "api-key" in request.headers]


def test_a_file_that_is_gone_is_made_up_for_by_reading_the_list() -> None:
    shop = Shop()
    ref = shop.targets()[CONTACTS]
    change = AddContact(id="bad", profile=Profile("bad@@shop.test"), status=Consent.SUBSCRIBED)
    fine = AddContact(id="good", profile=member(1), status=Consent.SUBSCRIBED)
    batch = Batch(CONTACTS, ref, (change, fine))
    job = next(iter(shop.connector.push(batch))).job
    shop.world.finish()
    shop.provider.account.files.clear()
    outcomes = {
        outcome.id: outcome
        for outcome in shop.connector.poll([Job(ref=job or "", batch=batch, started_at=shop.world.now())])
    }
    assert outcomes["bad"].reason is Reason.INVALID_ADDRESS
    assert outcomes["good"].state is State.APPLIED


@pytest.mark.parametrize(("status", "reason"), [("failed", Reason.TRY_LATER), ("cancelled", Reason.OTHER)])
def test_a_job_that_ends_badly_is_no_success(status: str, reason: Reason) -> None:
    shop = Shop()
    ref = shop.targets()[CONTACTS]
    batch = Batch(CONTACTS, ref, (SetTraits(id="1", profile=member(1), traits={"CODE": "x"}),))
    [sent] = shop.connector.push(batch)
    process = shop.provider.account.processes[int(sent.job or 0)]
    process.status, process.error = status, "disk full for p1@shop.test"
    [outcome] = shop.connector.poll([Job(ref=sent.job or "", batch=batch, started_at=shop.world.now())])
    assert (outcome.state, outcome.reason) == (State.REJECTED, reason)
    assert outcome.words == "disk full for …@…"


@pytest.mark.parametrize("scope", ["record", "import"])
def test_clearing_one_contacts_field_spares_the_others(scope: str) -> None:
    shop = Shop(empty_scope=scope)
    until = Target(kind=TargetKind.FIELD, name="until", title="UNTIL", value=ValueKind.DATE)
    shop.connector.create([until])
    ref = shop.targets()[CONTACTS]
    shop.seed("p0@shop.test", "p1@shop.test", fields={"CODE": "A", "UNTIL": "2018-01-01"})
    changes: list[ContactChange] = [
        ClearTraits(id="1", profile=member(0), fields=("CODE",)),
        ClearTraits(id="2", profile=member(1), fields=("UNTIL",)),
    ]
    outcomes = shop.carry(CONTACTS, ref, changes)
    assert {outcome.state for outcome in outcomes.values()} == {State.APPLIED}
    people = shop.provider.contacts()
    assert people["p0@shop.test"].fields == {"UNTIL": "2018-01-01"}
    assert people["p1@shop.test"].fields == {"CODE": "A"}


def test_a_flag_that_turns_false_arrives() -> None:
    shop = Shop()
    vip = Target(kind=TargetKind.FIELD, name="vip", title="VIP", value=ValueKind.BOOLEAN)
    refs = dict(shop.connector.create([CONTACTS, vip]))
    for value in (True, False):
        fitted = shop.connector.spec.fit(ValueKind.BOOLEAN, value)
        assert isinstance(fitted, str)
        shop.carry(CONTACTS, refs[CONTACTS], [SetTraits(id="1", profile=member(1), traits={refs[vip]: fitted})])
    assert shop.connector.traits([member(1), member(2)]) == {"p1@shop.test": {"VIP": "no"}}


# a lost answer


def _lost_import(shop: Shop, change: ContactChange) -> tuple[Batch, list[Outcome]]:
    batch = Batch(CONTACTS, shop.targets()[CONTACTS], (change,))
    since = shop.world.now()
    shop.network.lose = "/contacts/import"
    with pytest.raises(errors.Unavailable) as lost:
        list(shop.connector.push(batch))
    assert lost.value.ambiguous
    return batch, list(shop.connector.recall(batch, since))


@pytest.mark.parametrize("times", ["yes", "no"])
def test_an_import_whose_answer_was_lost_is_followed_and_proven(times: str) -> None:
    shop = Shop(process_times=times)
    change = AddContact(id="1", profile=member(1), status=Consent.SUBSCRIBED, traits={"CODE": "A"})
    batch, [found] = _lost_import(shop, change)
    assert found.state is State.PENDING
    job = Job(ref=found.job or "", batch=batch, started_at=shop.world.now())
    assert list(shop.connector.poll([job])) == []
    shop.world.finish()
    [outcome] = shop.connector.poll([job])
    assert outcome.state is State.APPLIED


def test_somebody_elses_import_is_never_taken_for_ours() -> None:
    shop = Shop()
    ref = shop.targets()[CONTACTS]
    body = {"listIds": [int(ref)], "jsonBody": [{"email": "stranger@shop.test"}]}
    shop.connector._http("POST", "/contacts/import", json=body)
    change = AddContact(id="1", profile=member(1), status=Consent.SUBSCRIBED, traits={"CODE": "A"})
    batch = Batch(CONTACTS, ref, (change,))
    [found] = shop.connector.recall(batch, shop.world.now())
    shop.world.finish()
    [outcome] = shop.connector.poll([Job(ref=found.job or "", batch=batch, started_at=shop.world.now())])
    assert (outcome.state, outcome.reason) == (State.REJECTED, Reason.TRY_LATER)


def test_what_never_arrived_and_what_is_harmless_to_repeat_is_not_recalled() -> None:
    shop = Shop()
    refs = shop.targets()
    change = SetTraits(id="1", profile=member(1), traits={"CODE": "A"})
    shop.connector._http(
        "POST", "/contacts/import", json={"listIds": [int(refs[CONTACTS])], "jsonBody": [{"email": "a@shop.test"}]}
    )
    later = shop.world.now() + timedelta(hours=1)
    assert list(shop.connector.recall(Batch(CONTACTS, refs[CONTACTS], (change,)), later)) == []
    assert list(shop.connector.recall(Batch(LOYAL, refs[LOYAL], additions(2)), shop.world.now())) == []
