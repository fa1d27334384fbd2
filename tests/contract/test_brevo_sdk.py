"""Brevo's own client, unmodified, over a socket: it is content with the emulation, typed answers and all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import brevo
import httpx
import pytest
from brevo.core.api_error import ApiError
from client_calls import called
from official import ABSENT, SPECS
from operations import USED

from connectors.sandbox import Sandbox
from connectors.sandbox.server import serving

PEOPLE = [f"p{number}@example.com" for number in range(3)]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(only=("brevo",))
    with serving(sandbox):
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Any]:
    with httpx.Client(trust_env=False) as wire:
        base = f"{sandbox.world.base_url}/brevo/v3"
        yield brevo.Brevo(api_key="xkeysib-sandbox-sdk", base_url=base, max_retries=0, httpx_client=wire)


def import_people(client: Any, sandbox: Sandbox, **more: Any) -> int:
    """A list of the three; returns its id."""
    folder = client.contacts.create_folder(name="shop").id
    client.contacts.create_attribute("normal", "CODE", type="text")
    made: int = client.contacts.create_list(folder_id=folder, name="Clients fidèles").id
    rows = [{"email": email, "attributes": {"CODE": "été"}} for email in PEOPLE]
    told = client.contacts.import_contacts(
        json_body=rows, list_ids=[made], update_existing_contacts=True, disable_notification=True, **more
    )
    assert client.process.get_process(told.process_id).status == "queued"
    sandbox.world.finish()
    done = client.process.get_process(told.process_id)
    assert (done.status, done.name) == ("completed", "IMPORTUSER")
    return made


def go_around(client: Any, sandbox: Sandbox) -> None:
    assert client.account.get_account().email == "owner@example.com"
    made = import_people(client, sandbox)
    folder = client.contacts.get_folders(limit=10, offset=0).folders[0]
    assert client.contacts.get_folder_lists(folder.id).lists[0].name == "Clients fidèles"
    assert client.contacts.get_list(made).unique_subscribers == 3
    assert "CODE" in {one.name for one in client.contacts.get_attributes().attributes}
    sandbox.world.advance(1)  # ten calls a second
    shown = client.contacts.get_contacts_from_list(made, limit=2)
    assert (len(shown.contacts), shown.count) == (2, 3)
    assert client.contacts.get_contact_info(PEOPLE[0]).attributes.CODE == "été"
    assert client.contacts.get_contacts(limit=1000, sort="asc").count == 3
    gone = client.contacts.remove_contact_from_list(made, request={"emails": [PEOPLE[0], "ghost@example.com"]})
    assert (gone.contacts.success, gone.contacts.failure) == ([PEOPLE[0]], ["ghost@example.com"])
    assert client.contacts.add_contact_to_list(made, request={"emails": [PEOPLE[0]]}).contacts.success == [PEOPLE[0]]
    client.contacts.delete_contact(PEOPLE[2])
    assert PEOPLE[2] not in sandbox.providers["brevo"].contacts()


def read_campaigns(client: Any, sandbox: Sandbox) -> None:
    provider = sandbox.providers["brevo"]
    sent = provider.mail(next(iter(provider.lists())), "Soldes")
    found = client.email_campaigns.get_email_campaigns(type="classic", status="sent", statistics="globalStats")
    assert [(one.id, one.name) for one in found.campaigns] == [(int(sent), "Soldes")]
    wanted = {"actionForEmailCampaigns": "openers", "emailCampaignId": int(sent)}
    told = client.contacts.request_contact_export(custom_contact_filter=wanted, disable_notification=True)
    sandbox.world.finish()
    rows = client.process.get_processes(limit=10, sort="desc").processes
    assert [one.id for one in rows][:1] == [told.process_id]
    assert rows[0].export_url.endswith(".csv")


def use_coupons(client: Any) -> None:
    made = client.coupons.create_coupon_collection(name="thanks", default_coupon="NONE")
    client.coupons.create_coupons(collection_id=made.id, coupons=["A1", "A2"])
    assert client.coupons.get_coupon_collections(limit=10).collections[0]["name"] == "thanks"  # its own model knows one
    assert client.coupons.get_coupon_collection(made.id).name == "thanks"


def test_the_vendors_client_goes_the_whole_round(client: Any, sandbox: Sandbox) -> None:
    go_around(client, sandbox)
    sandbox.world.advance(1)
    read_campaigns(client, sandbox)
    use_coupons(client)
    assert all(call.status < 300 for call in sandbox.calls)
    if SPECS.is_dir():
        assert USED["brevo"] <= called(sandbox, "brevo")


@pytest.mark.skipif(not SPECS.is_dir(), reason=ABSENT)
def test_the_round_of_the_vendors_client_is_not_shorter_than_ours(client: Any, sandbox: Sandbox) -> None:
    go_around(client, sandbox)
    assert "GET /emailCampaigns" in USED["brevo"] - called(sandbox, "brevo"), "what is not called is missed"


def test_the_vendors_client_sees_the_errors_and_their_headers(client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.ask("throttled", seconds=7)
    with pytest.raises(ApiError) as throttled:
        client.account.get_account()
    assert throttled.value.status_code == 429
    assert throttled.value.headers["x-sib-ratelimit-reset"] == "7"
    with pytest.raises(ApiError) as missing:
        client.contacts.get_contact_info("ghost@example.com")
    assert (missing.value.status_code, missing.value.body["code"]) == (404, "document_not_found")
