"""Discount codes as Mailchimp's own objects: a store, a promo rule a pool, promo codes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mailchimp_account import Shop

from connectors.errors import SettingsError
from connectors.http import Request, Response
from connectors.types import AddCode, Batch, Job, Outcome, Reason, Ref, State, Target, TargetKind

POOL = Target(kind=TargetKind.POOL, name="thanks", title="Merci à tous")
STORE = {"store": "shop", "store_currency": "EUR", "store_url": "https://shop.example/?c={code}"}


def sold(options: dict[str, str] | None = None, **settings: str) -> Shop:
    return Shop(options or {}, {**STORE, **settings})


def carry(shop: Shop, ref: Ref, *codes: str) -> dict[str, Outcome]:
    batch = Batch(POOL, ref, [AddCode(id=f"id {code}", code=code) for code in codes])
    [job] = {outcome.job for outcome in shop.connector.push(batch)}
    shop.sandbox.world.finish()
    found = list(shop.connector.poll([Job(ref=job or "", batch=batch, started_at=shop.now)]))
    assert {outcome.id for outcome in found} == {change.id for change in batch.changes}
    return {outcome.id.removeprefix("id "): outcome for outcome in found}


def held(shop: Shop) -> dict[str, Any]:
    return {ref: one for store in shop.provider.account.stores.values() for ref, one in store.rules.items()}


def test_a_pool_is_a_promo_rule_of_the_store() -> None:
    shop = sold()
    assert shop.connector.find([POOL]) == {}
    assert held(shop) == {}, "a look-up makes nothing"
    refs = shop.connector.create([POOL])
    assert refs == {POOL: "shop/Merci à tous"} == shop.connector.create([POOL]) == shop.connector.find([POOL])
    assert list(shop.provider.account.stores) == ["shop"]
    assert list(held(shop)) == ["Merci à tous"]


def test_codes_arrive_once_and_lead_to_the_shop() -> None:
    shop = sold()
    ref = shop.connector.create([POOL])[POOL]
    assert {outcome.state for outcome in carry(shop, ref, "A-1", "É 2/3").values()} == {State.APPLIED}
    codes = held(shop)[POOL.title].codes
    assert {code["redemption_url"] for code in codes.values()} == {
        "https://shop.example/?c=A-1",
        "https://shop.example/?c=%C3%89%202%2F3",
    }
    again = carry(shop, ref, "A-1", "B-2")
    assert (again["A-1"].state, again["B-2"].state) == (State.NOOP, State.APPLIED)
    assert len(codes) == 3


def test_a_code_that_exists_is_known_in_every_language() -> None:
    shop = sold({"language": "de"})
    ref = shop.connector.create([POOL])[POOL]
    carry(shop, ref, "A-1")
    assert carry(shop, ref, "A-1")["A-1"].state is State.NOOP


def test_one_bad_code_costs_one_code() -> None:
    shop = sold()
    ref = shop.connector.create([POOL])[POOL]
    found = carry(shop, ref, "A-1", "x" * 51)
    assert found["A-1"].state is State.APPLIED
    assert (found["x" * 51].state, found["x" * 51].reason) == (State.REJECTED, Reason.INVALID_VALUE)


@pytest.mark.parametrize(("scope", "state"), [("store", State.REJECTED), ("rule", State.APPLIED)])
def test_a_code_of_another_pool_is_told_as_the_provider_takes_it(scope: str, state: State) -> None:
    shop = sold({"code_scope": scope})
    other = Target(kind=TargetKind.POOL, name="other", title="Other")
    refs = shop.connector.create([POOL, other])
    carry(shop, refs[POOL], "A-1")
    assert carry(shop, refs[other], "A-1")["A-1"].state is state
    assert ("A-1" in held(shop)["Other"].codes) is (state is State.APPLIED)


def test_codes_of_a_rule_that_was_deleted_have_no_target() -> None:
    shop = sold()
    ref = shop.connector.create([POOL])[POOL]
    held(shop)
    shop.provider.account.stores["shop"].rules.clear()
    outcome = carry(shop, ref, "A-1")["A-1"]
    assert (outcome.state, outcome.reason) == (State.REJECTED, Reason.UNKNOWN_TARGET)


def test_a_code_of_two_lost_jobs_is_there() -> None:
    shop = sold({"language": "de"})
    ref, since = shop.connector.create([POOL])[POOL], shop.now
    batch = Batch(POOL, ref, [AddCode(id="one", code="A-1")])
    for _ in range(2):
        list(shop.connector.push(batch))
    shop.sandbox.world.finish()
    shop.provider._jobs._jobs.pop(next(iter(shop.provider._jobs._jobs)))
    assert [outcome.state for outcome in shop.connector.recall(batch, since)] == [State.NOOP]


def test_a_lost_job_of_codes_is_recalled() -> None:
    shop = sold()
    ref, since = shop.connector.create([POOL])[POOL], shop.now
    batch = Batch(POOL, ref, [AddCode(id="one", code="A-1")])
    list(shop.connector.push(batch))
    assert [outcome.state for outcome in shop.connector.recall(batch, since)] == [State.PENDING]
    shop.sandbox.world.finish()
    assert [outcome.state for outcome in shop.connector.recall(batch, since)] == [State.APPLIED]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"store": ""}, "store"),
        ({"store_url": ""}, "store_url"),
        ({"store_currency": ""}, "store_currency"),
    ],
)
def test_a_setting_that_is_missing_is_named_and_nothing_is_made(settings: dict[str, str], key: str) -> None:
    shop = sold(**settings)
    with pytest.raises(SettingsError, match=f"'{key}'") as refused:
        shop.connector.create([POOL])
    assert refused.value.key == key
    assert {request.method for request in shop.requests} == {"GET"}


def test_a_store_is_found_by_its_name_and_must_be_of_the_audience() -> None:
    shop = sold()
    shop.connector.create([POOL])
    shop.provider.account.stores["shop"].told["name"] = "Ma boutique"
    named = Shop(settings={**STORE, "store": "Ma boutique", "store_currency": ""})
    named.provider.account.stores = shop.provider.account.stores
    assert named.connector.find([POOL]) == {POOL: "shop/Merci à tous"}
    shop.provider.account.stores["shop"].told["list_id"] = "ffff000000"
    with pytest.raises(SettingsError, match="another audience"):
        named.connector.find([POOL])


def test_what_the_provider_refuses_to_make_is_a_setting_to_change() -> None:
    with pytest.raises(SettingsError, match="the store shop was refused"):
        sold(store_currency="EURO").connector.create([POOL])


def call(shop: Shop, method: str, path: str, body: object = None) -> Response:
    headers = {"authorization": "Bearer sandbox-us1"}
    sent = json.dumps(body).encode() if body is not None else b""
    return shop.sandbox.handle(Request(method, f"http://sandbox.test/mailchimp/3.0{path}", headers, sent))


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", {"id": "r", "description": "d", "amount": 0.1, "type": "percentage", "target": "total"}, 200),
        ("", {"id": "r", "description": "d", "amount": 10, "type": "percentage", "target": "total"}, 400),
        ("", {"id": "r", "description": "d", "amount": "1", "type": "fixed", "target": "total"}, 400),
        ("", {"id": "r", "description": "d", "amount": 1, "type": "gift", "target": "total"}, 400),
        ("", {"id": "r" * 51, "description": "d", "amount": 1, "type": "fixed", "target": "total"}, 400),
        ("", {"id": "r", "title": "é" * 51, "description": "d", "amount": 1, "type": "fixed", "target": "total"}, 400),
        ("", {"id": POOL.title, "description": "d", "amount": 1, "type": "fixed", "target": "total"}, 400),
        ("/ghost/promo-codes", {"id": "c", "code": "c", "redemption_url": "u"}, 404),
        (f"/{POOL.title}/promo-codes", {"id": "c", "code": "c"}, 400),
        (f"/{POOL.title}/promo-codes", {"id": "c", "code": "c", "redemption_url": "u"}, 200),
    ],
)
def test_the_sandbox_keeps_the_limits_of_promo_rules_and_codes(path: str, body: object, status: int) -> None:
    shop = sold()
    shop.connector.create([POOL])
    assert call(shop, "POST", f"/ecommerce/stores/shop/promo-rules{path}", body).status == status


def test_deleting_a_rule_deletes_its_codes() -> None:
    shop = sold()
    carry(shop, shop.connector.create([POOL])[POOL], "A-1")
    rule = f"/ecommerce/stores/shop/promo-rules/{POOL.title}"
    assert call(shop, "GET", f"{rule}/promo-codes").json()["total_items"] == 1
    assert call(shop, "DELETE", rule).status == 204
    assert call(shop, "GET", f"{rule}/promo-codes").status == 404
    assert call(shop, "GET", "/ecommerce/stores/shop/promo-rules").json()["promo_rules"] == []
