"""Brevo's connector over its emulation: how many calls, what is told, and what is never done."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from connectors import errors, registry
from connectors.base import cut
from connectors.brevo import Brevo
from connectors.http import Http, Request, Response
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.brevo import BrevoSandbox
from connectors.sandbox.lab import SandboxClock
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
        settings = {"api_key": KEY, "base_url": "http://sandbox.test/brevo/v3", "prefix": "Maison Lin · "}
        found = registry.build("brevo", settings, handler=self.network, clock=self.clock)
        assert isinstance(found, Brevo)
        self.connector = found
        provider = self.sandbox.providers["brevo"]
        assert isinstance(provider, BrevoSandbox)
        self.provider = provider

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


# the account and its targets


def test_the_account_is_known_by_its_organisation() -> None:
    about = Shop().connector.check()
    assert (about.id, about.name, about.plan) == ("5fa2b1c0d9e8f70001234567", "Sandbox shop", "free")


def test_a_blocked_machine_is_told_from_a_refused_key() -> None:
    with pytest.raises(errors.Unauthorized, match=r"not the key.*authorised_ips"):
        Shop(ip="blocked").connector.check()
    shop = Shop()
    wrong = {"api_key": "xkeysib-other", "base_url": "http://sandbox.test/brevo/v3"}
    with pytest.raises(errors.Unauthorized, match="Key not found"):
        registry.build("brevo", wrong, handler=shop.sandbox, clock=shop.clock).check()


def test_an_empty_key_and_strange_settings_are_refused_before_any_call() -> None:
    shop = Shop()
    with pytest.raises(errors.SettingsError, match="api_key is empty"):
        registry.build("brevo", {"api_key": " "}, handler=shop.sandbox, clock=shop.clock)
    with pytest.raises(errors.SettingsError, match="audience"):
        registry.build("brevo", {"api_key": KEY, "audience": "x"}, handler=shop.sandbox, clock=shop.clock)
    assert not shop.sandbox.calls


def test_a_key_never_shows() -> None:
    assert KEY not in repr(Brevo.spec.settings(api_key=KEY))


@pytest.mark.parametrize(
    ("keys", "folder"),
    [({"prefix": "Lin · "}, "Lin"), ({"prefix": "x", "folder": "CRM"}, "CRM"), ({"prefix": ""}, "ciblage")],
)
def test_lists_go_to_one_folder(keys: dict[str, str], folder: str) -> None:
    shop = Shop()
    options = {"api_key": KEY, "base_url": "http://sandbox.test/brevo/v3", **keys}
    connector = registry.build("brevo", options, handler=shop.sandbox, clock=shop.clock)
    assert connector.find([LOYAL]) == {}
    connector.create([CONTACTS, LOYAL])
    assert list(shop.provider.account.folders.values()) == [folder]


def test_a_list_of_the_same_name_elsewhere_is_not_ours() -> None:
    shop = Shop()
    account = shop.provider.account
    account.folders[99] = "Somebody else's"
    shop.connector._reads.call("POST", "/contacts/lists", json={"name": LOYAL.title, "folderId": 99})
    assert shop.connector.find([LOYAL]) == {}
    assert shop.targets()[LOYAL] == "3"
    assert sum(mailbox.name == LOYAL.title for mailbox in account.lists.values()) == 2


def test_of_two_lists_with_one_name_the_oldest_is_ours_and_all_pages_are_read() -> None:
    shop = Shop()
    many = [Target(kind=TargetKind.SEGMENT, name=str(n), title=f"Segment {n}") for n in range(70)]
    refs = shop.connector.create(many)
    [folder] = shop.provider.account.folders
    shop.connector._reads.call("POST", "/contacts/lists", json={"name": "Segment 3", "folderId": folder})
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
    shop.connector._reads.call("POST", f"/contacts/attributes/{path}", json=body)
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


def test_a_job_that_no_page_shows_is_asked_for_by_its_id() -> None:
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
    assert shop.count() == {"GET /processes": 1, "GET /processes/1": 1}


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
    shop.connector._reads.call("DELETE", f"/contacts/lists/{ref}")
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


def test_the_traits_of_many_are_read_by_pages() -> None:
    shop = Shop()
    shop.targets()
    for number in range(30):
        shop.seed(f"p{number}@shop.test", fields={"CODE": str(number)})
    shop.count()
    found = shop.connector.traits([member(number) for number in range(25)])
    assert found == {f"p{number}@shop.test": {"CODE": str(number)} for number in range(25)}
    assert shop.count() == {"GET /contacts": 1}


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
    shop.connector._reads.call("POST", "/contacts/import", json=body)
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
    shop.connector._reads.call(
        "POST", "/contacts/import", json={"listIds": [int(refs[CONTACTS])], "jsonBody": [{"email": "a@shop.test"}]}
    )
    later = shop.world.now() + timedelta(hours=1)
    assert list(shop.connector.recall(Batch(CONTACTS, refs[CONTACTS], (change,)), later)) == []
    assert list(shop.connector.recall(Batch(LOYAL, refs[LOYAL], additions(2)), shop.world.now())) == []


# who has left


def _left(shop: Shop, cursor: str | None) -> tuple[set[str], str]:
    found: set[str] = set()
    for page in shop.connector.suppressions(cursor, shop.world.now()):
        assert all(item.at is None for item in page.items)
        found |= {item.email for item in page.items}
        cursor = page.cursor
    assert page.last
    return found, cursor or ""


def test_after_the_first_sweep_only_what_changed_is_read() -> None:
    shop = Shop()
    for number in range(1500):
        shop.seed(f"p{number}@shop.test", status="unsubscribed" if number % 100 == 0 else "subscribed")
    shop.world.advance(3600)
    shop.seed("newest@shop.test")
    shop.count()
    first, cursor = _left(shop, None)
    assert len(first) == 15
    assert shop.count() == {"GET /contacts": 2}
    shop.world.advance(86_400)
    shop.seed("p7@shop.test", status="unsubscribed")
    second, cursor = _left(shop, cursor)
    assert second == {"p7@shop.test"}
    assert shop.count() == {"GET /contacts": 1}


def test_whoever_left_without_a_trace_is_found_by_the_weekly_sweep() -> None:
    shop = Shop(unsubscribe_moves_modified="no")
    shop.seed("p1@shop.test", "p2@shop.test")
    shop.world.advance(3600)
    shop.seed("newest@shop.test")
    _, cursor = _left(shop, None)
    shop.world.advance(86_400)
    shop.provider.account.people["p1@shop.test"].blacklisted = True
    second, cursor = _left(shop, cursor)
    assert second == set()
    shop.world.advance(6 * 86_400)
    third, _ = _left(shop, cursor)
    assert third == {"p1@shop.test"}


def test_a_sweep_that_stops_resumes_and_deletions_hide_nobody() -> None:
    shop = Shop()
    for number in range(2200):
        shop.seed(f"p{number}@shop.test", status="unsubscribed")
    reading = shop.connector.suppressions(None, shop.world.now())
    page = next(reading)
    found = {item.email for item in page.items}
    for number in range(15):  # deleted behind the reader: everyone after them moves up
        shop.connector._reads.call("DELETE", f"/contacts/p{number}@shop.test")
    rest, _ = _left(shop, page.cursor)
    assert found | rest == {f"p{number}@shop.test" for number in range(2200)}


def test_who_left_a_list_of_ours_has_left() -> None:
    shop = Shop()
    refs = shop.targets()
    shop.seed("p1@shop.test", "p2@shop.test")
    shop.provider.account.people["p1@shop.test"].unlisted = {int(refs[LOYAL])}
    shop.provider.account.people["p2@shop.test"].unlisted = {777}
    assert _left(shop, None)[0] == {"p1@shop.test"}


def test_a_slow_sweep_keeps_to_the_slow_window_and_a_fast_one_is_not_held_up() -> None:
    for reading, limit in (("slow", 3000.0), ("fast", 30.0)):
        shop = Shop(bare_contacts=reading)
        for number in range(60):
            shop.seed(f"p{number}@shop.test")
        begun = shop.world.now()
        for _ in shop.connector._reads.pages("/contacts", "contacts", 1, rate=None):
            pass
        seconds = (shop.world.now() - begun).total_seconds()
        assert seconds >= limit if reading == "slow" else seconds <= limit
        assert {call.status for call in shop.sandbox.calls} == {200}


def test_a_page_that_is_cut_short_loses_nobody() -> None:
    rows = [{"id": number, "email": f"p{number}@shop.test"} for number in range(95)]

    class Short:
        """Gives forty whatever is asked."""

        def handle(self, request: Request) -> Response:
            offset = int(request.url.split("offset=")[1].split("&")[0])
            body = {"count": len(rows), "contacts": rows[offset : offset + 40]}
            return Response(200, {}, json.dumps(body).encode())

    settings = Brevo.spec.settings(api_key=KEY)
    http = Http(settings.base_url, settings.headers(), handler=Short(), clock=Shop().clock)
    pages = list(Brevo(settings, http).members(LOYAL, "1"))
    assert [one.email for page in pages for one in page.items] == [row["email"] for row in rows]
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"count": 3}', b"null", b'"down for maintenance"'])
def test_an_answer_of_an_unknown_shape_is_never_taken_for_nobody(body: bytes) -> None:
    class Odd:
        def handle(self, request: Request) -> Response:
            return Response(200, {}, body)

    settings = Brevo.spec.settings(api_key=KEY)
    shop = Shop()
    connector = Brevo(
        settings, Http(settings.base_url, settings.headers(), handler=Odd(), clock=shop.clock, rates=Brevo.spec.rates)
    )
    job = Job(ref="1", batch=Batch(CONTACTS, "1", (Suppress(id="1", profile=member(1)),)), started_at=shop.world.now())
    for read in (
        lambda: list(connector.suppressions(None, shop.world.now())),
        lambda: list(connector.members(LOYAL, "1")),
        lambda: list(connector.pull(None, shop.world.now())),
        lambda: list(connector.poll([job])),
        lambda: connector.count(LOYAL, "1"),
        lambda: connector.find([LOYAL]),
        lambda: connector.find([CODE]),
        connector.check,
    ):
        with pytest.raises(errors.UnexpectedResponse):
            read()


def test_an_account_without_anything_is_read_as_empty() -> None:
    class Empty:
        def handle(self, request: Request) -> Response:
            return Response(200, {}, b'{"count": 0}')

    settings = Brevo.spec.settings(api_key=KEY)
    shop = Shop()
    connector = Brevo(settings, Http(settings.base_url, settings.headers(), handler=Empty(), clock=shop.clock))
    assert connector.find([LOYAL]) == {}
    [page] = connector.suppressions(None, shop.world.now())
    assert (page.items, page.last) == ([], True)


def test_a_suppression_pushed_blocks_and_is_read_back() -> None:
    shop = Shop()
    ref = shop.targets()[CONTACTS]
    shop.seed("p1@shop.test", "p2@shop.test")
    outcomes = shop.carry(CONTACTS, ref, [Suppress(id="1", profile=member(1))])
    assert outcomes["1"].state is State.APPLIED
    assert _left(shop, None)[0] == {"p1@shop.test"}
