"""The Mailchimp connector against the emulated account."""

from __future__ import annotations

import json

import pytest
from mailchimp_account import AUDIENCE, CONTACTS, FAVOURITE, LOYAL, SETTINGS, Shop, add, person

from connectors import registry
from connectors.errors import InvalidRequest, RateLimited, SettingsError, Unauthorized, Unavailable, UnexpectedResponse
from connectors.http import Request, Response
from connectors.mailchimp.spec import MailchimpSettings
from connectors.mailchimp.wire import subscriber
from connectors.sandbox import Contact
from connectors.types import (
    AddContact,
    AddMember,
    Batch,
    ClearTraits,
    Consent,
    Job,
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


# settings and account
def test_an_empty_batch_is_no_call() -> None:
    shop = Shop()
    assert list(shop.connector.push(Batch(CONTACTS, AUDIENCE, []))) == []
    assert shop.requests == []


def test_the_data_centre_comes_from_the_key() -> None:
    settings = MailchimpSettings(api_key="0123456789abcdef-us19", audience="x")
    assert settings.base_url == "https://us19.api.mailchimp.com/3.0"
    assert "0123456789abcdef" not in repr(settings)


@pytest.mark.parametrize("options", [{"api_key": "no centre"}, {"audience": " "}])
def test_wrong_settings_are_named(options: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        registry.build(
            "mailchimp", {"api_key": "k-us1", "audience": "x", **options}, handler=Shop(), clock=Shop().clock
        )


def test_the_account_is_known_by_its_id() -> None:
    account = Shop().connector.check()
    assert (account.id, account.name, account.plan) == ("5a0db0x000000000000000001", "Sandbox", "monthly")


def test_a_wrong_key_is_unauthorized() -> None:
    with pytest.raises(Unauthorized, match="401"):
        Shop(settings={"api_key": "wrong-us2"}).connector.check()


def test_an_audience_is_found_by_its_name_and_never_created() -> None:
    assert Shop(settings={"audience": "Newsletter"}).connector.find([CONTACTS]) == {CONTACTS: AUDIENCE}
    shop = Shop(settings={"audience": "Typo"})
    with pytest.raises(SettingsError, match="'Typo' does not exist"):
        shop.connector.create([CONTACTS])
    assert {request.method for request in shop.requests} == {"GET"}


def test_two_audiences_of_one_name_are_told_apart_by_id() -> None:
    shop = Shop(settings={"audience": "Newsletter"})
    shop.provider.add_audience("ffff000000", "Newsletter")
    with pytest.raises(SettingsError, match="give its id"):
        shop.connector.check()
    assert Shop().connector.check()


# targets
def test_more_segments_and_fields_than_a_default_page_are_found() -> None:
    shop = Shop()
    targets = [Target(kind=TargetKind.SEGMENT, name=str(number), title=f"S {number}") for number in range(15)]
    fields = [
        Target(kind=TargetKind.FIELD, name=str(number), title=f"F{number}", value=ValueKind.NUMBER)
        for number in range(15)
    ]
    refs = shop.connector.create([*targets, *fields])
    assert shop.connector.find([*targets, *fields]) == refs
    assert len(set(refs.values())) == 30


def test_pages_that_are_shorter_than_asked_hide_no_target() -> None:
    shop = Shop()
    shop.provider.add_audience("ffff000000", "Other")
    made = shop.connector.create([LOYAL, *numbered(20)])
    shop.sandbox.faults.ask("short-pages", provider="mailchimp", when="read", seconds=3, times=None)
    shop.requests.clear()
    assert shop.connector.create([LOYAL, *numbered(20)]) == made
    assert {request.method for request in shop.requests} == {"GET"}
    assert len(shop.requests) > 8


def test_of_two_segments_with_one_name_the_older_is_ours() -> None:
    shop = Shop({"segment_names": "allowed"})
    ref = shop.loyal()
    body = json.dumps({"name": LOYAL.title, "static_segment": []}).encode()
    headers = {"authorization": "Bearer sandbox-us1"}
    url = f"http://sandbox.test/mailchimp/3.0/lists/{AUDIENCE}/segments"
    assert shop.sandbox.handle(Request("POST", url, headers, body)).status == 200
    assert shop.connector.find([LOYAL]) == {LOYAL: ref}


def test_a_field_of_another_type_is_a_setting_to_change() -> None:
    shop = Shop()
    wanted = Target(kind=TargetKind.FIELD, name="address", title="ADDRESS", value=ValueKind.TEXT)
    with pytest.raises(SettingsError, match=r"ADDRESS of type address, merge tag 'address' needs text"):
        shop.connector.find([wanted])


def numbered(count: int) -> list[Target]:
    return [
        Target(kind=TargetKind.FIELD, name=f"f{number}", title=f"F{number}", value=ValueKind.TEXT)
        for number in range(count)
    ]


def test_a_field_without_room_is_a_setting_to_change_before_anything_is_made() -> None:
    shop = Shop()
    for ask in (shop.connector.find, shop.connector.create):
        with pytest.raises(SettingsError, match=r"has 4 merge fields, takes 30 at most, and 27 more .* = 80"):
            ask(numbered(27))
    assert {request.method for request in shop.requests} == {"GET"}
    assert len(shop.connector.create(numbered(26))) == 26


def test_the_premium_plan_holds_eighty_fields() -> None:
    shop = Shop({"field_limit": "80"}, {"max_merge_fields": 80})
    with pytest.raises(SettingsError, match="takes 80 at most"):
        shop.connector.find(numbered(77))
    assert len(shop.connector.create(numbered(40))) == 40
    unsaid = registry.build("mailchimp", SETTINGS, handler=shop, clock=shop.clock)
    assert len(unsaid.find(numbered(76))) == 40, "an audience with more than thirty fields is on that plan"


def test_a_plan_that_holds_less_than_said_is_a_setting_to_change() -> None:
    with pytest.raises(SettingsError, match="limit of 30"):
        Shop(settings={"max_merge_fields": 80}).connector.create(numbered(27))


def test_merge_fields_are_read_once() -> None:
    shop = Shop()
    shop.connector.create(numbered(3))
    assert sum("merge-fields" in request.url and request.method == "GET" for request in shop.requests) == 1


# contacts
def test_an_existing_contact_is_left_as_it_is() -> None:
    shop = Shop()
    shop.seed(1, "unsubscribed", FAVOURITE="tea")
    [outcome] = shop.push([add(1, FAVOURITE="wine")]).values()
    assert (outcome.state, outcome.reason) == (State.NOOP, Reason.EXISTS)
    assert (shop.truth(1).status, shop.truth(1).fields) == ("unsubscribed", {"FAVOURITE": "tea"})


@pytest.mark.parametrize(
    ("status", "there"),
    [(Consent.SUBSCRIBED, "subscribed"), (Consent.UNSUBSCRIBED, "unsubscribed"), (Consent.NEVER, "transactional")],
)
def test_the_status_of_a_new_contact_is_the_explicit_consent(status: Consent, there: str) -> None:
    shop = Shop({"double_optin": "yes"})
    [outcome] = shop.push([add(1, status)]).values()
    assert (outcome.state, shop.truth(1).status) == (State.APPLIED, there)
    assert outcome.ref == shop.truth(1).ref


def test_a_pending_consent_never_leaves() -> None:
    shop = Shop()
    outcomes = shop.push([add(1, Consent.PENDING), add(2)])
    assert outcomes["add-1"].state is State.REJECTED
    assert outcomes["add-2"].state is State.APPLIED
    assert b"pending" not in b"".join(request.body for request in shop.requests)
    [only] = shop.push([add(3, Consent.PENDING)]).values()
    assert only.state is State.REJECTED
    assert len(shop.requests) == 1


def test_no_call_ever_asks_to_update_or_to_subscribe_an_existing_contact() -> None:
    shop = Shop()
    shop.seed(1)
    shop.push([add(1), add(2)])
    shop.push([SetTraits(id="s", profile=person(1), traits={"FNAME": "A"}), SetTraits(id="t", profile=person(9))])
    shop.push([ClearTraits(id="c", profile=person(1), fields=("FNAME",))])
    sent = b"".join(request.body for request in shop.requests)
    assert b"update_existing" not in sent
    assert b"status_if_new" not in sent
    assert b"sync_tags" not in sent
    batches = [request.body for request in shop.requests if request.url.endswith("/batches")]
    assert b"status" not in b"".join(batches)


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("no.at.sign", Reason.INVALID_ADDRESS),
        ("jane@example.com", Reason.REFUSED_ADDRESS),
        ("gone@shop.test", Reason.ERASED),
        ("left@shop.test", Reason.SUPPRESSED),
    ],
)
def test_a_refusal_is_told_by_its_cause(email: str, reason: Reason) -> None:
    shop = Shop({"left_add": "generic"})
    shop.sandbox.world.strict_addresses = True
    shop.provider.audience.forgotten.add(subscriber("gone@shop.test"))
    shop.provider.seed(Contact("left@shop.test", "unsubscribed"))
    change = AddContact(id="a", profile=Profile(email), status=Consent.SUBSCRIBED)
    outcomes = shop.push([change, AddContact(id="b", profile=Profile("ok@shop.test"), status=Consent.SUBSCRIBED)])
    assert (outcomes["a"].state, outcomes["a"].reason) == (State.REJECTED, reason)
    assert "@" not in (outcomes["a"].words or "").replace("…@…", "")
    assert outcomes["b"].state is State.APPLIED


def test_a_translated_refusal_stays_a_refusal_of_one() -> None:
    shop = Shop({"language": "de"})
    change = AddContact(id="a", profile=Profile("no.at.sign"), status=Consent.SUBSCRIBED)
    outcomes = shop.push([change, add(1)])
    assert (outcomes["a"].state, outcomes["a"].reason) == (State.REJECTED, Reason.OTHER)
    assert outcomes["a"].words == "Bitte gib eine gültige E-Mail-Adresse an."
    assert outcomes["add-1"].state is State.APPLIED


def test_a_wrong_value_costs_one_contact() -> None:
    shop = Shop()
    born = Target(kind=TargetKind.FIELD, name="born", title="BORN", value=ValueKind.DATE)
    shop.connector.create([born])
    outcomes = shop.push([add(1, BORN="soon"), add(2, BORN="2001-02-03")])
    assert (outcomes["add-1"].state, outcomes["add-1"].reason) == (State.REJECTED, Reason.INVALID_VALUE)
    assert outcomes["add-1"].words == "BORN: Please enter the date"
    assert shop.truth(2).fields == {"BORN": "2001-02-03"}


def test_a_required_field_of_the_audience_does_not_stop_us() -> None:
    shop = Shop()
    shop.provider.audience.fields["FNAME"].required = True
    [outcome] = shop.push([add(1)]).values()
    assert outcome.state is State.APPLIED
    [outcome] = shop.push([SetTraits(id="s", profile=person(1), traits={"LNAME": "B"})]).values()
    assert outcome.state is State.APPLIED


def test_a_record_of_the_wrong_shape_is_named_and_the_rest_stays_whole() -> None:
    shop = Shop()
    shop.answer = lambda request: _as_number(request, shop)
    with pytest.raises(InvalidRequest) as error:
        list(shop.connector.push(Batch(CONTACTS, AUDIENCE, [add(1), add(3)])))
    assert error.value.culprits == {"add-3": Reason.INVALID_VALUE}
    assert not shop.provider.contacts()


def test_one_address_twice_in_a_batch_is_one_contact() -> None:
    shop = Shop()
    again = AddContact(id="again", profile=Profile("PERSON.1@example.com"), status=Consent.SUBSCRIBED)
    outcomes = shop.push([add(1), again])
    assert outcomes["add-1"].state is State.APPLIED
    assert (outcomes["again"].state, outcomes["again"].reason) == (State.NOOP, Reason.EXISTS)
    assert len(shop.provider.contacts()) == 1


def test_a_contact_that_the_answer_passes_over_is_looked_up() -> None:
    shop = Shop({"left_add": "silent"})
    for number in range(30):
        shop.seed(number, "unsubscribed")
    few = shop.push([add(number) for number in range(3)])
    many = shop.push([add(number) for number in range(30)])
    assert {outcome.reason for outcome in [*few.values(), *many.values()]} == {Reason.EXISTS}


def test_an_unknown_field_is_not_called_set() -> None:
    shop = Shop()
    [outcome] = shop.push([add(1, GHOST="x")]).values()
    assert (outcome.state, outcome.reason) == (State.NOOP, Reason.EXISTS), "created: its traits go by SetTraits"
    [outcome] = shop.push([SetTraits(id="s", profile=person(1), traits={"GHOST": "x"})]).values()
    assert (outcome.state, outcome.reason) == (State.REJECTED, Reason.UNKNOWN_FIELD)


# updates
def test_an_update_never_creates_and_never_revives() -> None:
    shop = Shop()
    shop.seed(1, "archived", FNAME="A")
    changes = [SetTraits(id=f"s{number}", profile=person(number), traits={"FNAME": "B"}) for number in (1, 2)]
    outcomes = shop.push(changes)
    assert {outcome.reason for outcome in outcomes.values()} == {Reason.GONE}
    assert shop.truth(1).status == "archived"
    assert set(shop.provider.contacts()) == {person(1).email}


def test_suppressing_only_falls() -> None:
    shop = Shop()
    for number, status in enumerate(("subscribed", "pending", "transactional", "cleaned", "unsubscribed")):
        shop.seed(number, status)
    outcomes = shop.push([Suppress(id=str(number), profile=person(number)) for number in range(6)])
    assert [outcomes[str(number)].state for number in range(5)] == [State.APPLIED] * 5
    assert outcomes["5"].reason is Reason.GONE
    assert not any(contact.mailable for contact in shop.provider.contacts().values())


# segments
def test_who_is_not_in_the_audience_cannot_join_and_may_leave() -> None:
    for options in ({}, {"absent": "silent"}, {"readd": "silent", "absent": "silent"}, {"readd": "error"}):
        shop = Shop(options)
        ref = shop.loyal()
        shop.seed(1)
        shop.seed(2, "archived")
        first, again = shop.join(1, 2, 3, ref=ref), shop.join(1, ref=ref)
        assert [first[f"join-{number}"].reason for number in (1, 2, 3)] == [None, Reason.GONE, Reason.GONE]
        assert again["join-1"].state in {State.NOOP, State.APPLIED}
        leaves = [RemoveMember(id=str(number), profile=person(number)) for number in (1, 2, 3)]
        for outcomes in (shop.push(leaves, ref), shop.push(leaves, ref)):
            assert {outcome.state for outcome in outcomes.values()} <= {State.NOOP, State.APPLIED}
        assert not shop.truth(1).lists


def test_many_open_answers_are_read_as_lists() -> None:
    shop = Shop({"readd": "silent", "absent": "silent"})
    ref = shop.loyal()
    for number in range(60):
        shop.seed(number, "unsubscribed" if number % 2 else "subscribed")
    shop.join(*range(60), ref=ref)
    before = len(shop.requests)
    outcomes = shop.join(*range(100), ref=ref)
    assert len(shop.requests) - before <= 4, "never a call a contact"
    assert {outcomes[f"join-{number}"].state for number in range(60)} == {State.NOOP}
    assert {outcomes[f"join-{number}"].reason for number in range(60, 100)} == {Reason.GONE}


def test_of_a_contact_with_more_tags_than_are_shown_the_segment_is_read() -> None:
    shop = Shop({"readd": "silent"})
    many = [Target(kind=TargetKind.SEGMENT, name=str(number), title=f"S {number}") for number in range(52)]
    refs = list(shop.connector.create(many).values())
    shop.seed(1, lists=set(refs[:51]))
    assert shop.join(1, ref=refs[50])["join-1"].state is State.NOOP
    assert shop.join(1, ref=refs[51])["join-1"].state is State.APPLIED


def test_a_deleted_target_is_told_of_every_change() -> None:
    shop = Shop()
    ref = shop.loyal()
    shop.seed(1)
    shop.provider.audience.segments.clear()
    for batch in (
        Batch(LOYAL, ref, [AddMember(id=f"m{number}", profile=person(number)) for number in (1, 2)]),
        Batch(CONTACTS, "ghost", [add(5), add(6)]),
    ):
        with pytest.raises(InvalidRequest) as refused:
            list(shop.connector.push(batch))
        assert refused.value.culprits == {change.id: Reason.UNKNOWN_TARGET for change in batch.changes}
    assert shop.connector.find([LOYAL]) == {}


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"id":', b'"id"'])
def test_an_answer_of_another_shape_is_named_wherever_it_comes(body: bytes) -> None:
    shop = Shop(settings={"store": "s", "store_url": "u", "store_currency": "EUR"})
    batch = Batch(CONTACTS, AUDIENCE, [SetTraits(id="s", profile=person(1), traits={})])
    job = Job(ref="j", batch=batch, started_at=shop.now)
    pool = Target(kind=TargetKind.POOL, name="p", title="p")
    for method, part, act in (
        ("POST", "/segments", shop.loyal),
        ("POST", "/merge-fields", lambda: shop.connector.create(numbered(1))),
        ("POST", "/ecommerce/stores", lambda: shop.connector.create([pool])),
        ("POST", "/batches", lambda: list(shop.connector.push(batch))),
        ("POST", f"/lists/{AUDIENCE}", lambda: shop.push([add(1)])),
        ("GET", "/batches/j", lambda: list(shop.connector.poll([job]))),
        ("GET", "/members/", lambda: shop.connector.traits([person(1)])),
        ("GET", "account_id", shop.connector.check),
    ):
        shop.answer = lambda request, of=(method, part): (
            Response(200, {}, body) if request.method == of[0] and of[1] in request.url else None
        )
        with pytest.raises(UnexpectedResponse):
            act()


# the SDK
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response(403), RateLimited),
        (Response(429), RateLimited),
        (Response(500), Unavailable),
        (Response(502, {}, b'{"truncated":'), Unavailable),
        (Response(200, {}, b"{}"), UnexpectedResponse),
        (Response(200, {}, b"[]"), UnexpectedResponse),
    ],
)
def test_what_the_sdk_calls_a_success_is_an_error_here(answer: Response, error: type[Exception]) -> None:
    shop = Shop(answer=lambda _: answer)
    with pytest.raises(error):
        shop.connector.check()


def test_a_host_or_path_named_server_stays_as_it_is() -> None:
    shop = Shop(settings={"base_url": "http://server.test/mailchimp/3.0"})
    assert shop.connector.check()
    assert all(request.url.startswith("http://server.test/") for request in shop.requests)


def test_the_connector_is_registered() -> None:
    assert "mailchimp" in registry.names()
    assert registry.load("mailchimp").spec.name == "mailchimp"


# reading
def test_members_are_read_past_every_page_size() -> None:
    shop = Shop()
    ref = shop.loyal()
    for number in range(2300):
        shop.seed(number, ("subscribed", "unsubscribed", "cleaned", "transactional")[number % 4], lists={ref})
    pages = list(shop.connector.members(LOYAL, ref))
    emails = [profile.email for page in pages for profile in page.items]
    assert len(emails) == len(set(emails)) == shop.connector.count(LOYAL, ref) == 2300
    assert [page.last for page in pages] == [False, False, True]


def test_pages_that_are_cut_short_are_read_to_the_end() -> None:
    shop = Shop()
    for number in range(57):
        shop.seed(number)

    def short(request: Request) -> Response | None:
        if "count=1000" in request.url:
            return shop.sandbox.handle(_get(request.url.partition("/3.0")[2].replace("count=1000", "count=10")))
        return None

    shop.answer = short
    emails = [profile.email for page in shop.connector.members(CONTACTS, AUDIENCE) for profile in page.items]
    assert len(emails) == len(set(emails)) == 57


def test_the_archived_are_no_members_under_either_reading() -> None:
    for options in ({}, {"list_archived": "yes"}):
        shop = Shop(options)
        shop.seed(1)
        shop.seed(2, "archived")
        [page] = shop.connector.members(CONTACTS, AUDIENCE)
        assert [profile.email for profile in page.items] == [person(1).email]


def test_traits_are_read_back_few_and_many() -> None:
    shop = Shop()
    shop.connector.create([FAVOURITE])
    for number in range(40):
        shop.seed(number, FAVOURITE=f"v{number}")
    shop.seed(50, "archived", FAVOURITE="x")
    few = shop.connector.traits([person(1), person(50), person(99)])
    assert few == {person(1).email: {"FAVOURITE": "v1"}}
    before = len(shop.requests)
    many = shop.connector.traits([person(number) for number in range(40)])
    assert many == {person(number).email: {"FAVOURITE": f"v{number}"} for number in range(40)}
    assert len(shop.requests) - before == 2


def _get(path: str) -> Request:
    headers = {"authorization": "Bearer sandbox-us1"}
    return Request("GET", f"http://sandbox.test/mailchimp/3.0{path}", headers)


def _as_number(request: Request, shop: Shop) -> Response | None:
    if not request.body:
        return None
    body = json.loads(request.body)
    body["members"][1]["email_type"] = 7
    return shop.sandbox.handle(Request(request.method, request.url, request.headers, json.dumps(body).encode()))
