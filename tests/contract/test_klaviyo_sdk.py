"""The vendor's own client, unmodified, over a socket: it is content with the emulation, typed answers and all."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from client_calls import called
from official import SPECS
from operations import USED

from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.server import serving
from connectors.types import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(only=("klaviyo",))


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Any]:
    klaviyo_api = pytest.importorskip("klaviyo_api")
    with serving(sandbox) as server:
        api = klaviyo_api.KlaviyoAPI(
            "pk_sandbox_sdk", max_retries=1, test_host=f"{server.sandbox.world.base_url}/klaviyo"
        )
        yield api
        api.api_client.rest_client.pool_manager.clear()
        gc.collect()


def _job(emails: list[str], list_ref: str) -> dict[str, Any]:
    profiles = [{"type": "profile", "attributes": {"email": name, "properties": {"tag": "é"}}} for name in emails]
    return {
        "data": {
            "type": "profile-bulk-import-job",
            "attributes": {"profiles": {"data": profiles}},
            "relationships": {"lists": {"data": [{"type": "list", "id": list_ref}]}},
        }
    }


def test_the_vendors_client_goes_the_whole_round(client: Any, sandbox: Sandbox) -> None:
    assert client.Accounts.get_accounts().data[0].id == "SbxK1v"
    made = client.Lists.create_list({"data": {"type": "list", "attributes": {"name": "VIP"}}})
    ref = made.data.id
    assert client.Lists.get_lists(filter='equals(name,"VIP")').data[0].id == ref
    emails = [f"person.{number}@example.com" for number in range(30)]
    job = client.Profiles.bulk_import_profiles(_job(emails, ref)).data.id
    assert client.Profiles.get_bulk_import_profiles_job(job).data.attributes.status == "queued"
    sandbox.world.finish()
    assert client.Profiles.get_bulk_import_profiles_job(job).data.attributes.completed_count == 30
    assert client.Profiles.get_errors_for_bulk_import_profiles_job(job).data == []
    assert client.Lists.get_list(ref, additional_fields_list=["profile_count"]).data.attributes.profile_count == 30
    page = client.Lists.get_profiles_for_list(ref)
    assert len(page.data) == 20  # its default; the rest is behind links.next
    client.Lists.remove_profiles_from_list(ref, {"data": [{"type": "profile", "id": page.data[0].id}]})
    assert page.data[0].attributes.email not in {
        name for name, contact in sandbox.providers["klaviyo"].contacts().items() if contact.lists
    }


def test_the_vendors_client_reads_suppressions_and_events(client: Any, sandbox: Sandbox) -> None:
    provider = sandbox.providers["klaviyo"]
    ref = client.Lists.create_list({"data": {"type": "list", "attributes": {"name": "VIP"}}}).data.id
    provider.seed(Contact("a@example.com", lists={ref}))
    provider.seed(Contact("b@example.com", status="unsubscribed"))
    provider.react(provider.mail(ref, "Soldes"), "a@example.com", EventKind.OPEN, sandbox.world.now())
    name = "subscriptions.email.marketing.suppression.timestamp"
    query = f"greater-or-equal({name},2018-01-01T00:00:00Z)"
    found = client.Profiles.get_profiles(filter=query, sort=name, additional_fields_profile=["subscriptions"])
    assert [item.attributes.email for item in found.data] == ["b@example.com"]
    assert found.data[0].attributes.subscriptions.email.marketing.suppression[0].reason == "UNSUBSCRIBE"
    metrics = {
        item.attributes.name: item.id
        for item in client.Metrics.get_metrics(filter='equals(integration.name,"Klaviyo")').data
    }
    opens = client.Events.get_events(filter=f'equals(metric_id,"{metrics["Opened Email"]}")', include=["profile"])
    assert len(opens.data) == 1
    assert opens.included[0]["attributes"]["email"] == "a@example.com"


def use_coupons(client: Any, sandbox: Sandbox) -> None:
    coupon = {"data": {"type": "coupon", "attributes": {"external_id": "thanks", "description": "Thanks"}}}
    ref = client.Coupons.create_coupon(coupon).data.id
    assert client.Coupons.get_coupon(ref).data.attributes.external_id == "thanks"
    related = {"coupon": {"data": {"type": "coupon", "id": ref}}}
    code = {"type": "coupon-code", "attributes": {"unique_code": "A1"}, "relationships": related}
    body = {"type": "coupon-code-bulk-create-job", "attributes": {"coupon-codes": {"data": [code]}}}
    job = client.Coupons.bulk_create_coupon_codes({"data": body}).data.id
    sandbox.world.finish()
    assert client.Coupons.get_bulk_create_coupon_codes_job(job).data.attributes.status == "complete"
    assert client.Coupons.get_coupon_code(f"{ref}-A1").data.attributes.unique_code == "A1"


def read_report(client: Any, conversion: str) -> None:
    asked = {
        "statistics": ["opens_unique"],
        "timeframe": {"key": "last_365_days"},
        "conversion_metric_id": conversion,
        "filter": 'equals(send_channel,"email")',
    }
    told = client.Reporting.query_campaign_values({"data": {"type": "campaign-values-report", "attributes": asked}})
    assert [row.statistics["opens_unique"] for row in told.data.attributes.results] == [1]


def suppress_and_erase(client: Any, sandbox: Sandbox, email: str) -> None:
    whom = {"type": "profile", "attributes": {"email": email}}
    inner = {"profiles": {"data": [whom]}}
    body = {"data": {"type": "profile-suppression-bulk-create-job", "attributes": inner}}
    job = client.Profiles.bulk_suppress_profiles(body).data.id
    sandbox.world.finish()
    assert client.Profiles.get_bulk_suppress_profiles_job(job).data.attributes.status == "complete"
    erasure = {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": whom}}}
    client.Data_Privacy.request_profile_deletion({"data": erasure})
    sandbox.world.finish()
    assert email not in sandbox.providers["klaviyo"].contacts()


def test_the_vendors_client_meets_every_operation_that_we_use(client: Any, sandbox: Sandbox) -> None:
    test_the_vendors_client_goes_the_whole_round(client, sandbox)
    test_the_vendors_client_reads_suppressions_and_events(client, sandbox)
    use_coupons(client, sandbox)
    read_report(client, client.Metrics.get_metrics().data[0].id)
    suppress_and_erase(client, sandbox, "b@example.com")
    ref = client.Lists.get_lists(filter='equals(name,"VIP")').data[0].id
    assert client.Lists.get_profile_ids_for_list(ref, page_size=100).data
    assert client.Profiles.get_bulk_import_profiles_jobs(page_size=1).data[0].attributes.status == "complete"
    if SPECS.is_dir():
        assert USED["klaviyo"] <= called(sandbox, "klaviyo")


def test_the_vendors_client_sees_a_throttle_and_how_long_it_lasts(client: Any, sandbox: Sandbox) -> None:
    from openapi_client.exceptions import ApiException

    sandbox.faults.ask("throttled", seconds=7, when="write", times=None)
    with pytest.raises(ApiException) as refusal:
        client.Lists.create_list({"data": {"type": "list", "attributes": {"name": "VIP"}}})
    assert (refusal.value.status, refusal.value.headers["retry-after"]) == (429, "7")


def test_the_vendors_client_meets_refusals_of_the_documented_shape(client: Any) -> None:
    from openapi_client.exceptions import ApiException

    with pytest.raises(ApiException) as refusal:
        client.Profiles.bulk_import_profiles(_job(["good@example.com", "bad"], "x"))
    assert refusal.value.status == 404  # the list is looked at first
    with pytest.raises(ApiException) as refusal:
        client.Lists.remove_profiles_from_list("absent", {"data": []})
    assert refusal.value.status == 404
