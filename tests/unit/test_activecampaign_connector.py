"""ActiveCampaign: what it sends and what it makes of the answers, one case at a time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from activecampaign_account import BASE, CITY, KEY, LOYAL, PEOPLE, Shop, add

from connectors import errors, registry
from connectors.activecampaign import ActiveCampaign
from connectors.http import Handler, Request, Response
from connectors.pace import LocalPace
from connectors.sandbox.lab import SandboxClock
from connectors.sandbox.world import World
from connectors.types import (
    AddMember,
    Batch,
    ClearTraits,
    Consent,
    Job,
    Left,
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

NOW = datetime(2018, 1, 1, 9, tzinfo=UTC)


class Answers:
    """A provider that gives one answer to every write, and an account of nobody to every read."""

    def __init__(self, status: int, body: object) -> None:
        self.answer = Response(status, {}, json.dumps(body).encode())

    def handle(self, request: Request) -> Response:
        if request.method == "POST":
            return self.answer
        path = request.url.partition("?")[0].rpartition("/")[2]
        rows = [{"id": "1", "name": "Newsletter"}] if path == "lists" else []
        return Response(200, {}, json.dumps({path: rows, "meta": {"total": str(len(rows))}}).encode())


def behind(handler: Handler) -> ActiveCampaign:
    settings = {"api_key": KEY, "base_url": BASE, "list_name": "Newsletter"}
    clock = SandboxClock(World())
    built = registry.build("activecampaign", settings, handler=handler, clock=clock, pace=LocalPace())
    return cast("ActiveCampaign", built)


def pushed(status: int, body: object, count: int = 3) -> list[Outcome]:
    return list(behind(Answers(status, body)).push(Batch(PEOPLE, "1", [add(number) for number in range(count)])))


# settings and targets


@pytest.mark.parametrize("address", ["https://x.api-us1.com", "https://x.api-us1.com/", "https://x.api-us1.com/api/3/"])
def test_the_address_is_taken_as_people_copy_it(address: str) -> None:
    connector = registry.load("activecampaign")
    assert (
        connector.spec.settings(base_url=address, api_key="k", list_name="l").base_url == "https://x.api-us1.com/api/3"
    )


def test_secrets_do_not_show() -> None:
    made = registry.load("activecampaign").spec.settings(
        base_url=BASE, api_key=KEY, list_name="l", webhook_secret="hush-hush"
    )
    assert KEY not in repr(made)
    assert "hush" not in repr(made)


def test_the_account_is_the_host_whoever_owns_the_key() -> None:
    assert Shop().connector.check().id == "sandbox.test"


def test_a_list_that_does_not_exist_is_a_settings_error_and_is_not_made() -> None:
    shop = Shop(list_name="Nowhere")
    with pytest.raises(errors.SettingsError, match="no list 'Nowhere'"):
        shop.connector.create([PEOPLE])
    assert shop.sent("/lists") == []


def test_a_new_field_is_shown_on_all_lists() -> None:
    shop = Shop()
    refs = shop.refs()
    assert shop.account.related == {int(refs[CITY])}


def test_a_field_of_another_type_is_not_taken_for_ours() -> None:
    shop = Shop()
    shop.refs()
    as_day = Target(kind=TargetKind.FIELD, name="city", title="CITY", value=ValueKind.DATE)
    assert shop.connector.find([as_day]) == {}
    with pytest.raises(errors.InvalidRequest, match="already exists"):
        shop.connector.create([as_day])


# what imports carry


def test_as_many_as_an_import_holds_are_one_write_and_one_look_up() -> None:
    shop = Shop()
    told = shop.carry([add(number) for number in range(500)])
    assert {one.state for one in told.values()} == {State.APPLIED}
    assert [len(body["contacts"]) for body in shop.sent("/import/bulk_import")] == [250] * 2
    reads = [call for call in shop.sandbox.calls if call.path.endswith("/contacts")]
    assert len(reads) == 2 * 2 + 2 * 3  # before each import; and the ids that it made, a hundred a call


def test_no_body_is_bigger_than_allowed_however_small_the_values() -> None:
    shop = Shop()
    tags = [
        Target(kind=TargetKind.FIELD, name=f"f{at}", title=f"F{at}", value=ValueKind.TEXT)
        for at in range(shop.connector.spec.max_fields or 0)
    ]
    fields = [*shop.connector.create(tags).values()]
    told = shop.carry([add(number, **dict.fromkeys(fields, "é")) for number in range(300)])
    assert {one.state for one in told.values()} == {State.APPLIED}
    sizes = [call.size for call in shop.sandbox.calls if call.path.endswith("bulk_import")]
    assert max(sizes) <= 400_000
    assert max(sizes) > 300_000
    assert len(sizes) == 2


def test_a_person_who_is_there_is_not_subscribed_and_the_ledger_learns_their_id() -> None:
    shop = Shop()
    ref = shop.seed("p1@example.com", "unsubscribed")
    told = shop.carry([add(1), add(2)])
    assert (told["add-1"].state, told["add-1"].reason, told["add-1"].ref) == (State.NOOP, Reason.EXISTS, ref)
    assert told["add-2"].state is State.APPLIED
    assert [one["email"] for one in shop.sent("/import/bulk_import")[0]["contacts"]] == ["p2@example.com"]


@pytest.mark.parametrize("status", [Consent.PENDING, Consent.UNSUBSCRIBED, Consent.NEVER])
def test_nobody_is_created_without_consent(status: Consent) -> None:
    shop = Shop()
    assert shop.carry([add(1, status=status)])["add-1"].state is State.REJECTED
    assert shop.provider.contacts() == {}


@pytest.mark.parametrize("kind", ["set", "clear", "member", "suppress"])
def test_nothing_but_an_addition_creates(kind: str) -> None:
    shop = Shop()
    refs, profile = shop.refs(), Profile("gone@example.com", "77")
    change = {
        "set": SetTraits(id="x", profile=profile, traits={refs[CITY]: "Lyon"}),
        "clear": ClearTraits(id="x", profile=profile, fields=(refs[CITY],)),
        "member": AddMember(id="x", profile=profile),
        "suppress": Suppress(id="x", profile=profile),
    }[kind]
    told = shop.carry([change], LOYAL if kind == "member" else PEOPLE)
    assert (told["x"].state, told["x"].reason) == (State.REJECTED, Reason.GONE)
    assert shop.provider.contacts() == {}
    assert shop.sent("/import/bulk_import") == []


def test_a_field_that_was_deleted_there_is_told_and_not_said_to_be_written() -> None:
    shop = Shop()
    shop.seed("p1@example.com")
    told = shop.carry([SetTraits(id="x", profile=Profile("p1@example.com"), traits={"999": "Lyon"})])
    assert told["x"].reason is Reason.UNKNOWN_FIELD


def test_a_tag_that_was_deleted_there_is_not_made_again_on_the_fly() -> None:
    shop = Shop()
    shop.seed("p1@example.com")
    ref = shop.refs()[LOYAL]
    shop.provider.drop(ref)
    [told] = shop.connector.push(Batch(LOYAL, ref, [AddMember(id="x", profile=Profile("p1@example.com"))]))
    assert (told.state, told.reason) == (State.REJECTED, Reason.UNKNOWN_TARGET)
    assert shop.provider.lists() == {}


def test_a_tag_that_was_renamed_there_is_still_the_segment() -> None:
    shop = Shop()
    shop.seed("p1@example.com")
    ref = shop.refs()[LOYAL]
    shop.account.tags[int(ref)]["tag"] = "Fidèles"
    list(shop.connector.push(Batch(LOYAL, ref, [AddMember(id="x", profile=Profile("p1@example.com"))])))
    assert shop.sent("/import/bulk_import")[0]["contacts"][0]["tags"] == ["Fidèles"]


@pytest.mark.parametrize("reading", ["payload", "contact"])
def test_a_sync_starts_no_automation_where_ever_it_is_to_be_said(reading: str) -> None:
    shop = Shop({"exclude_automations": reading})
    shop.carry([add(1), add(2)])
    shop.carry([AddMember(id=str(at), profile=Profile(f"p{at}@example.com")) for at in (1, 2)], LOYAL)
    assert shop.account.automations == 0


def test_a_leaver_leaves_every_list() -> None:
    shop = Shop()
    shop.account.add_list("Weekly tips", "tips")
    shop.seed("p1@example.com")
    shop.carry([Suppress(id="x", profile=Profile("p1@example.com"))])
    assert set(shop.account.by_email["p1@example.com"].lists.values()) == {"2"}


def test_one_address_twice_is_one_contact_and_two_outcomes() -> None:
    shop = Shop()
    told = shop.carry([add(1, "lin@example.com"), add(2, "Lin@Example.com")])
    assert {one.state for one in told.values()} == {State.APPLIED}
    assert [*shop.provider.contacts()] == ["lin@example.com"]


# refusals and results


def test_too_many_imports_a_minute_are_a_400_and_mean_wait() -> None:
    shop = Shop()
    shop.refs()
    send = Request("POST", f"{BASE}/api/3/import/bulk_import", {"api-token": KEY}, b'{"contacts":[{"email":"a"}]}')
    for _ in range(20):
        shop.sandbox.world.advance(1)
        shop.sandbox.handle(send)
    shop.sandbox.world.advance(1)
    with pytest.raises(errors.RateLimited) as told:
        list(shop.connector.push(Batch(PEOPLE, shop.refs()[PEOPLE], [add(1)])))
    assert told.value.wait == 60


def test_a_refusal_at_a_place_that_both_readings_allow_names_nobody() -> None:
    body = {"success": 0, "failureReasons": [{"contact": 1, "failureReason": "Field 'email' incorrect format"}]}
    with pytest.raises(errors.InvalidRequest) as told:
        pushed(400, body)
    assert told.value.culprits == {}


@pytest.mark.parametrize(("place", "culprit"), [(0, "add-0"), (3, "add-2")])
def test_a_refusal_at_a_place_that_one_reading_allows_names_the_culprit(place: int, culprit: str) -> None:
    body = {"success": 0, "failureReasons": [{"contact": place, "failureReason": "Field 'email' incorrect format"}]}
    with pytest.raises(errors.InvalidRequest) as told:
        pushed(400, body)
    assert told.value.culprits == {culprit: Reason.INVALID_ADDRESS}


def test_a_refusal_without_reasons_names_nobody() -> None:
    with pytest.raises(errors.InvalidRequest) as told:
        pushed(400, {})
    assert told.value.culprits == {}


def test_a_200_that_queued_nothing_is_no_success() -> None:
    with pytest.raises(errors.UnexpectedResponse, match="batchId"):
        pushed(200, {"succeeded": 0, "message": "nothing was done"})


@pytest.mark.parametrize("reading", ["failure", "silent"])
def test_who_is_skipped_by_an_import_is_refused_and_nobody_else(reading: str) -> None:
    shop = Shop({"excluded": reading})
    shop.account.excluded.add("p1@example.com")
    told = shop.carry([add(number) for number in range(3)])
    assert {name: one.state for name, one in told.items()} == {
        "add-0": State.APPLIED,
        "add-1": State.REJECTED,
        "add-2": State.APPLIED,
    }
    assert told["add-1"].reason is Reason.REFUSED_ADDRESS


def test_an_import_that_is_not_completed_says_nothing() -> None:
    shop = Shop({"unfinished": "processing"})
    ref = shop.refs()[PEOPLE]
    [pending] = shop.connector.push(Batch(PEOPLE, ref, [add(1)]))
    assert pending.state is State.PENDING
    assert shop.provider.contacts() == {}
    job = Job(ref=str(pending.job), batch=Batch(PEOPLE, ref, [add(1)]), started_at=NOW)
    assert list(shop.connector.poll([job])) == []
    shop.sandbox.world.finish()
    assert [one.state for one in shop.connector.poll([job])] == [State.APPLIED]
    unknown = Job(ref="no such import", batch=job.batch, started_at=NOW)
    assert list(shop.connector.poll([unknown])) == []


# removals


def test_a_tag_is_taken_off_with_one_call() -> None:
    shop = Shop()
    ref = shop.refs()[LOYAL]
    people = [Profile(f"p{at}@example.com", shop.seed(f"p{at}@example.com", lists=[ref])) for at in range(40)]
    shop.sandbox.calls.clear()
    changes = [RemoveMember(id=str(at), profile=profile) for at, profile in enumerate(people)]
    told = [one for change in changes for one in shop.connector.push(Batch(LOYAL, ref, [change]))]
    assert {one.state for one in told} == {State.APPLIED}
    assert not any(contact.lists for contact in shop.provider.contacts().values())
    assert len(shop.sandbox.calls) == len(people)


@pytest.mark.parametrize("filters", ["obeyed", "ignored"])
def test_a_tag_is_taken_off_where_its_own_path_is_missing(filters: str) -> None:
    shop = Shop({"tag_path": "missing", "join_filters": filters, "join_total": "missing"})
    ref = shop.refs()[LOYAL]
    for at in range(130):
        shop.seed(f"other{at}@example.com", lists=[ref])
    person = shop.seed("p1@example.com", lists=[ref, str(shop.account.add_tag("vip")["id"])])
    change = RemoveMember(id="x", profile=Profile("p1@example.com", person))
    assert shop.carry([change], LOYAL)["x"].state is State.APPLIED
    left = [email for email, contact in shop.provider.contacts().items() if ref not in contact.lists]
    assert left == ["p1@example.com"]
    assert len(shop.provider.contacts()["p1@example.com"].lists) == 1


@pytest.mark.parametrize("reading", ["there", "missing"])
@pytest.mark.parametrize("ref", ["77", None])
def test_who_is_gone_has_left(reading: str, ref: str | None) -> None:
    shop = Shop({"tag_path": reading})
    change = RemoveMember(id="x", profile=Profile("gone@example.com", ref))
    assert shop.carry([change], LOYAL)["x"].state is State.NOOP
    assert shop.provider.contacts() == {}


def test_a_removal_tags_nobody() -> None:
    shop = Shop()
    person = shop.seed("p1@example.com")
    change = RemoveMember(id="x", profile=Profile("p1@example.com", person))
    assert shop.carry([change], LOYAL)["x"].state is State.NOOP
    assert shop.account.automations == 0


# reads


@pytest.mark.parametrize("reading", ["obeyed", "ignored"])
@pytest.mark.parametrize("count", [1, 2, 150])
def test_ids_are_found_whether_or_not_the_filter_is_obeyed(reading: str, count: int) -> None:
    shop = Shop({"email_filter": reading})
    refs = {f"p{at}@example.com": shop.seed(f"p{at}@example.com") for at in range(400)}
    wanted = [f"p{at}@example.com" for at in range(250, 250 + count)]
    found = shop.connector.resolve([Profile(email) for email in [*wanted, "nobody@example.com"]])
    assert found == {email: refs[email] for email in wanted}


def test_few_people_of_many_are_asked_for_one_by_one() -> None:
    shop = Shop()
    for at in range(500):
        shop.seed(f"p{at}@example.com")
    shop.connector.resolve([Profile("p1@example.com"), Profile("p2@example.com")])
    assert len(shop.sandbox.calls) == 3


def test_people_whose_ids_are_known_are_found_a_hundred_a_call() -> None:
    shop = Shop()
    known = {f"p{at}@example.com": shop.seed(f"p{at}@example.com") for at in range(400)}
    wanted = [Profile(email, ref) for email, ref in known.items()][:250]
    assert len(shop.connector.resolve(wanted)) == 250
    assert len(shop.sandbox.calls) == 3
    moved = Profile("new@example.com", known["p300@example.com"])  # the id is another one's by now
    assert shop.connector.resolve([moved]) == {}


def test_the_ledger_learns_the_ids_of_whom_an_import_created() -> None:
    shop = Shop()
    told = shop.carry([add(number) for number in range(250)])
    assert {one.ref for one in told.values()} == {str(person) for person in shop.account.people}
    shop.sandbox.calls.clear()
    members = [AddMember(id=str(at), profile=Profile(f"p{at}@example.com", told[f"add-{at}"].ref)) for at in range(250)]
    shop.carry(members, LOYAL)
    reads = [call for call in shop.sandbox.calls if call.path.endswith("/contacts")]
    assert len(reads) == 3


def test_a_filter_that_is_ignored_costs_one_page_and_not_all_for_each_person() -> None:
    shop = Shop({"email_filter": "ignored"})
    for at in range(500):
        shop.seed(f"p{at}@example.com")
    shop.connector.resolve([Profile("p1@example.com"), Profile("p2@example.com")])
    assert len(shop.sandbox.calls) == 1 + 2 + 6


def test_a_filter_that_is_ignored_hides_nobody_who_is_asked_for() -> None:
    everyone = [{"id": str(at + 1), "email": f"p{at}@example.com"} for at in range(10_200)]

    class Deaf:
        """Gives the same page whoever is asked for."""

        def handle(self, request: Request) -> Response:
            after = int(dict(parse_qsl(urlsplit(request.url).query)).get("id_greater", 0))
            body = {"contacts": everyone[after : after + 100], "meta": {"total": str(len(everyone))}}
            return Response(200, {}, json.dumps(body).encode())

    wanted = [Profile(f"p{at}@example.com") for at in range(101)]  # the first page holds none but them
    assert len(behind(Deaf()).resolve(wanted)) == 101


def test_pages_that_do_not_follow_each_other_are_an_error_and_no_endless_read() -> None:
    class Same:
        def handle(self, request: Request) -> Response:
            rows = [{"id": "5", "email": "a@example.com"}]
            return Response(200, {}, json.dumps({"contacts": rows, "meta": {"total": "9"}}).encode())

    with pytest.raises(errors.UnexpectedResponse, match="do not follow"):
        behind(Same()).resolve([Profile("b@example.com")])


def test_who_left_bounced_or_awaits_a_confirmation_is_told() -> None:
    shop = Shop()
    states = {"unsubscribed": Left.UNSUBSCRIBED, "cleaned": Left.BOUNCED, "pending": Left.PENDING}
    wanted = {}
    for status, left in states.items():
        for at in range(130):
            email = f"{status}{at}@example.com"
            shop.seed(email, status)
            wanted[email] = left
    shop.seed("happy@example.com")
    pages = list(shop.connector.suppressions(None, NOW))
    assert {one.email: one.left for page in pages for one in page.items} == wanted
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]


def test_without_the_list_nobody_is_said_to_have_stayed() -> None:
    shop = Shop(list_name="Nowhere")
    with pytest.raises(errors.SettingsError, match="Nowhere"):
        list(shop.connector.suppressions(None, NOW))


def test_who_left_another_list_has_not_left_ours() -> None:
    shop = Shop()
    other = shop.account.add_list("Weekly tips", "tips")
    shop.seed("p1@example.com")
    shop.account.by_email["p1@example.com"].lists[int(other["id"])] = "2"
    assert [one for page in shop.connector.suppressions(None, NOW) for one in page.items] == []


def test_erasing_finds_the_person_by_address_and_a_second_time_nobody() -> None:
    shop = Shop()
    shop.seed("p1@example.com")
    assert shop.connector.erase(Profile("p1@example.com", "77")) is State.APPLIED
    assert shop.provider.contacts() == {}
    assert shop.connector.erase(Profile("p1@example.com", "77")) is State.NOOP
