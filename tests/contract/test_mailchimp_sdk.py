"""The vendor's unmodified client is content with the sandbox, over a real socket."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from client_calls import called
from mailchimp_marketing import Client
from mailchimp_marketing.api_client import ApiClientError
from official import SPECS
from operations import USED

from connectors import registry
from connectors.http import SystemClock, Wire
from connectors.sandbox import Sandbox
from connectors.sandbox.server import serving
from connectors.types import AddContact, Batch, Consent, EventKind, Job, Profile, SetTraits, State, Target, TargetKind

AUDIENCE = "a1b2c3d4e5"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setenv("NO_PROXY", "*")
    sandbox = Sandbox(only=("mailchimp",))
    with serving(sandbox):
        yield sandbox


@pytest.fixture
def wire(sandbox: Sandbox) -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


def opened(sandbox: Sandbox, key: str = "sandbox-us1") -> Any:
    client = Client({"api_key": key, "server": ""})
    client.api_client.host = f"{sandbox.world.base_url}/mailchimp/3.0"
    return client


def test_the_vendors_client_works_a_whole_round(sandbox: Sandbox) -> None:
    client = opened(sandbox)
    assert client.ping.get()["health_status"] == "Everything's Chimpy!"
    assert client.root.get_root()["account_id"]
    assert client.lists.get_list(AUDIENCE)["name"] == "Newsletter"
    assert client.lists.add_list_merge_field(AUDIENCE, {"tag": "CODE", "name": "Code", "type": "text"})["tag"] == "CODE"
    body = {"members": [{"email_address": f"p{number}@example.com", "status": "subscribed"} for number in range(3)]}
    added = client.lists.batch_list_members(AUDIENCE, body, skip_merge_validation="true")
    assert (added["total_created"], added["error_count"]) == (3, 0)
    again = client.lists.batch_list_members(AUDIENCE, body)
    assert {error["error_code"] for error in again["errors"]} == {"ERROR_CONTACT_EXISTS"}
    member = client.lists.update_list_member(AUDIENCE, added["new_members"][0]["id"], {"merge_fields": {"CODE": "été"}})
    assert member["merge_fields"]["CODE"] == "été"
    segment = client.lists.create_segment(AUDIENCE, {"name": "Loyal", "static_segment": ["p0@example.com"]})
    moved = client.lists.batch_segment_members(
        {"members_to_add": ["p1@example.com", "ghost@example.com"]}, AUDIENCE, segment["id"]
    )
    assert (moved["total_added"], moved["error_count"]) == (1, 1)
    shown = client.lists.get_segment_members_list(AUDIENCE, segment["id"], count=1)
    assert (len(shown["members"]), shown["total_items"]) == (1, 2)
    assert client.reports.get_all_campaign_reports()["reports"] == []


def read_reports(client: Any, sandbox: Sandbox) -> None:
    provider = sandbox.providers["mailchimp"]
    segment = client.lists.list_segments(AUDIENCE, type="static", count=1000)["segments"][0]
    assert client.lists.get_list_merge_fields(AUDIENCE, count=1000)["total_items"] == 5
    campaign = provider.mail(f"{AUDIENCE}/{segment['id']}", "Soldes")
    for kind in (EventKind.OPEN, EventKind.CLICK, EventKind.COMPLAINT):
        provider.react(campaign, "p0@example.com", kind, sandbox.world.now(), url="https://shop.example")
    provider.react(campaign, "p1@example.com", EventKind.UNSUBSCRIBE, sandbox.world.now())
    assert [one["id"] for one in client.reports.get_all_campaign_reports(count=10)["reports"]] == [campaign]
    assert client.reports.get_campaign_report(campaign)["subject_line"] == "Soldes"
    people = client.reports.get_email_activity_for_campaign(campaign, count=500)["emails"]
    acts = {one["email_address"]: [act["action"] for act in one["activity"]] for one in people}
    assert acts == {"p0@example.com": ["open", "click"], "p1@example.com": []}
    assert client.reports.get_campaign_open_details(campaign)["total_items"] == 1
    assert client.reports.get_campaign_recipients(campaign)["total_items"] == 2
    assert client.reports.get_unsubscribed_list_for_campaign(campaign)["total_items"] == 1
    assert client.reports.get_campaign_abuse_reports(campaign)["total_items"] == 1
    assert client.lists.get_list_abuse_reports(AUDIENCE)["total_items"] == 1
    left = client.lists.get_list_members_info(AUDIENCE, status="unsubscribed", sort_field="last_changed", count=1000)
    assert {one["email_address"] for one in left["members"]} == {"p0@example.com", "p1@example.com"}
    assert client.batches.list(count=10)["total_items"] == 0


def use_codes(client: Any) -> None:
    store = {"id": "shop", "list_id": AUDIENCE, "name": "Shop", "currency_code": "EUR"}
    assert client.ecommerce.add_store(store)["id"] == "shop"
    assert client.ecommerce.stores()["total_items"] == 1
    rule = {
        "id": "thanks",
        "title": "Thanks",
        "description": "Thanks",
        "amount": 0.1,
        "type": "percentage",
        "target": "total",
    }
    assert client.ecommerce.add_promo_rules("shop", rule)["id"] == "thanks"
    assert client.ecommerce.get_promo_rule("shop", "thanks")["title"] == "Thanks"
    code = {"id": "A1", "code": "A1", "redemption_url": "https://shop.example"}
    assert client.ecommerce.add_promo_code("shop", "thanks", code)["code"] == "A1"
    assert client.ecommerce.get_promo_codes("thanks", "shop")["total_items"] == 1  # the rule comes first here


def test_the_vendors_client_meets_every_operation_that_we_use(sandbox: Sandbox) -> None:
    client = opened(sandbox)
    test_the_vendors_client_works_a_whole_round(sandbox)
    read_reports(client, sandbox)
    use_codes(client)
    assert client.lists.get_all_lists(count=10)["total_items"] == 1
    assert client.lists.get_list_member(AUDIENCE, subscriber("p2@example.com"))["status"] == "subscribed"
    client.lists.delete_list_member_permanent(AUDIENCE, subscriber("p2@example.com"))
    assert "p2@example.com" not in sandbox.providers["mailchimp"].contacts()
    job = client.batches.start({"operations": [{"method": "GET", "path": "/ping", "operation_id": "one"}]})
    assert client.batches.status(job["id"])["total_operations"] in {0, 1}
    if SPECS.is_dir():
        assert USED["mailchimp"] <= called(sandbox, "mailchimp")


def subscriber(email: str) -> str:
    return hashlib.md5(email.encode(), usedforsecurity=False).hexdigest()


def test_the_vendors_client_takes_a_throttle_without_a_body_for_a_success(sandbox: Sandbox) -> None:
    """Why our connector brings its own transport: this client answers with the refusal itself."""
    sandbox.faults.ask("bodiless-403")
    answer = opened(sandbox).ping.get()
    assert answer.status_code == 403


def test_the_vendors_client_sees_its_errors(sandbox: Sandbox) -> None:
    with pytest.raises(ApiClientError) as refused:
        opened(sandbox, "wrong-us2").ping.get()
    assert (refused.value.status_code, json.loads(refused.value.text)["title"]) == (401, "API Key Invalid")
    with pytest.raises(ApiClientError) as missing:
        opened(sandbox).lists.get_list("ghost")
    assert missing.value.status_code == 404


def test_the_vendors_client_follows_a_job_to_its_archive(sandbox: Sandbox) -> None:
    client = opened(sandbox)
    operation = {"method": "GET", "path": "/ping", "operation_id": "one"}
    job = client.batches.start({"operations": [operation]})
    assert job["status"] == "pending"
    sandbox.world.finish()
    done = client.batches.status(job["id"])
    assert (done["status"], done["errored_operations"]) == ("finished", 0)
    answer = httpx.get(done["response_body_url"], trust_env=False)
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        entries = [archive.extractfile(entry) for entry in archive if entry.isfile()]
        [result] = [each for entry in entries if entry for each in json.load(entry)]
    assert (result["operation_id"], result["status_code"]) == ("one", 200)


def test_the_connector_works_over_the_same_socket(sandbox: Sandbox, wire: Wire) -> None:
    settings = {
        "api_key": "sandbox-us1",
        "audience": "Newsletter",
        "base_url": f"{sandbox.world.base_url}/mailchimp/3.0",
    }
    connect = partial(registry.build, "mailchimp", settings)
    connector: Any = connect(handler=wire, clock=SystemClock())
    contacts = Target(kind=TargetKind.CONTACTS, name="contacts", title="")
    person = Profile("ann@example.com")
    assert connector.check().name == "Sandbox"
    add = AddContact(id="a", profile=person, status=Consent.SUBSCRIBED)
    assert [outcome.state for outcome in connector.push(Batch(contacts, AUDIENCE, [add]))] == [State.APPLIED]
    batch = Batch(contacts, AUDIENCE, [SetTraits(id="s", profile=person, traits={"FNAME": "Ann"})])
    [pending] = connector.push(batch)
    sandbox.world.finish()
    [done] = connector.poll([Job(ref=pending.job, batch=batch, started_at=sandbox.world.now())])
    assert (pending.state, done.state) == (State.PENDING, State.APPLIED)
    assert connector.traits([person]) == {"ann@example.com": {"FNAME": "Ann"}}
