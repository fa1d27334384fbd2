"""Codes of nobody: minted for a provider's own pool, taken by the shop's till, and only then in the pool there."""

from __future__ import annotations

import json

import pytest
from round_lab import CONFIG, PROVIDERS, Lab, told, writes

POOLED = (
    CONFIG.replace(
        "[merge_tags]",
        """[offers.welcome]
amount = "5 EUR"
minimum = "25 EUR"
pool = { destination = "newsletter", codes = 7 }

[offers.flow]
percent = "10%"
pool = { destination = "flows", codes = 6 }
prefix = "FLOW"

[offers.come_back]
free_shipping = true
valid = "10 days"
pool = { destination = "mailing", codes = 5 }

[merge_tags]""",
    )
    .replace('audience = "Newsletter"\n', 'audience = "Newsletter"\nstore = "shop"\nstore_url = "https://shop.example"\nstore_currency = "EUR"\n')
)  # fmt: skip
WANTED = {"newsletter": 7, "flows": 6, "mailing": 5}
OFFERS = {"newsletter": "welcome", "flows": "flow", "mailing": "come_back"}


@pytest.fixture
def pooled(fresh: Lab) -> Lab:
    fresh.write(POOLED)
    return fresh


def held(lab: Lab, destination: str) -> dict[str, list[str]]:
    """The pools of a destination's provider, and the codes that each holds."""
    with lab.sandbox.lock:
        lab.sandbox.world.settle()
        found: dict[str, list[str]] = lab.sandbox.providers[PROVIDERS[destination]].codes()  # type: ignore[attr-defined]  # every one of these shows its codes
        return found


def counts(lab: Lab) -> dict[str, dict[str, int]]:
    return {offer: one for offer, one in lab.done("codes")["counts"].items() if offer in OFFERS.values()}


def stock(lab: Lab, state: str) -> dict[str, dict[str, int]]:
    """The same number of codes as the config asks for, all in one state."""
    return {OFFERS[name]: {state: count} for name, count in WANTED.items()}


def test_codes_reach_the_pool_once_the_till_has_taken_them_and_no_run_after_that_writes(pooled: Lab) -> None:
    pooled.done("pull")
    planned = pooled.done("plan")["plan"]
    issued = {one["offer"]: (one["codes"], one["highest_cost"]) for one in planned["issues"]}
    assert {offer: issued[offer] for offer in OFFERS.values()} == {
        "welcome": (7, "35.0000"),
        "flow": (6, None),
        "come_back": (5, None),
    }
    with pooled.calls() as calls:
        pooled.done("push", "--yes")
    rule = next(json.loads(call.body) for call in calls if call.path.endswith("/promo-rules"))
    assert {name: rule[name] for name in ("type", "target", "amount")} == {
        "type": "fixed",
        "target": "total",
        "amount": 5.0,
    }
    for destination in PROVIDERS:
        assert list(held(pooled, destination).values()) == [[]], "made, and empty: the till knows no code yet"
    assert counts(pooled) == stock(pooled, "exported")
    pooled.confirm()
    assert counts(pooled) == stock(pooled, "confirmed")
    pools = {one["name"]: one["pools"] for one in pooled.done("plan")["plan"]["destinations"]}
    assert [(one["name"], one["before"], one["joins"]) for one in pools["newsletter"]] == [("welcome", 0, 7)]
    pushed = pooled.done("push")
    applied = {one["destination"]: one["applied"].get("AddCode") for one in pushed["results"]}
    assert applied == WANTED
    assert counts(pooled) == stock(pooled, "pushed")
    everything = [code for name in PROVIDERS for codes in held(pooled, name).values() for code in codes]
    assert len(everything) == len(set(everything)) == sum(WANTED.values())
    assert {name: len(codes) for name in PROVIDERS for codes in held(pooled, name).values()} == WANTED
    with pooled.calls() as calls:
        pooled.done("run")
        pooled.done("push")
    assert writes(calls) == []
    text = pooled.ciblage("plan").out
    assert "codes in maison-lin-welcome: 7 there, 0 in, 0 wait for the shop" in text


def test_what_was_used_or_is_over_is_minted_anew_and_only_that(pooled: Lab) -> None:
    pooled.start()
    used = sorted(next(iter(held(pooled, "newsletter").values())))[:2]
    lines = [
        f"u{place},c0{place + 1},2026-11-20T08:00:00Z,30.00,paid,EUR,{code.lower()}" for place, code in enumerate(used)
    ]
    (pooled.data / "orders.csv").write_text(
        "order_id,customer_id,ordered_at,total,status,currency,coupon\n" + "\n".join(lines) + "\n", "utf-8"
    )
    pooled.later(days=12)  # the codes of come_back are over
    pooled.done("push", "--force", "newsletter", "--force", "flows", "--force", "mailing")
    assert counts(pooled) == {
        "welcome": {"pushed": 5, "redeemed": 2, "exported": 2},
        "flow": {"pushed": 6},
        "come_back": {"expired": 5, "exported": 5},
    }


def test_a_provider_without_pools_is_refused_with_those_that_have_them(pooled: Lab) -> None:
    pooled.write(
        CONFIG
        + '\n[offers.gift]\namount = 5\npool = { destination = "other", codes = 3 }\n'
        + '\n[destinations.other]\nconnector = "activecampaign"\napi_key = "${OTHER_KEY}"\n'
        + 'base_url = "@URL@/activecampaign/api/3"\nlist_name = "Shop"\nsegments = ["tea"]\n'
    )
    (pooled.folder / "secrets" / "OTHER_KEY").write_text("sandbox", "utf-8")
    says = ["other has no pool of codes", "brevo", "klaviyo", "mailchimp"]
    told(pooled, "plan", exit_code=2, kind="config", says=says)


def test_a_pool_that_is_there_and_is_not_ours_stays_as_it_is(pooled: Lab) -> None:
    pooled.start()
    before = held(pooled, "mailing")
    for path in sorted((pooled.folder / "state").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    pooled.later(hours=1)
    pooled.done("pull")
    refusals = pooled.ciblage("plan", json=True).result["refusals"]
    refused = {one["target"] for one in refusals if one["kind"] == "foreign"}
    assert {f"offers.{name}" for name in OFFERS.values()} <= refused
    assert pooled.ciblage("push", "--yes").exit_code == 3
    assert held(pooled, "mailing") == before


def test_a_pool_that_was_deleted_there_is_told_and_made_again_only_when_asked(pooled: Lab) -> None:
    pooled.start()
    with pooled.sandbox.lock:
        pooled.sandbox.providers["klaviyo"]._account.coupons.clear()  # type: ignore[attr-defined]  # somebody deletes it by hand
    pooled.edit("codes = 6", "codes = 8")
    planned = pooled.ciblage("push", json=True)
    assert planned.exit_code == 3
    assert [(one["kind"], one["target"], one["flag"]) for one in planned.result["refusals"]] == [
        ("gone", "offers.flow", "--recreate flows/offers.flow")
    ]
    pooled.done("push", "--recreate", "flows/offers.flow")
    pooled.confirm()
    pooled.done("push")
    assert [len(codes) for codes in held(pooled, "flows").values()] == [2], "what was handed out there is not again"


def test_what_the_guard_refuses_holds_codes_back_too(pooled: Lab) -> None:
    pooled.done("pull")
    assert pooled.ciblage("push").exit_code == 3
    assert [held(pooled, name) for name in PROVIDERS] == [{}, {}, {}]
    assert counts(pooled) == {offer: {} for offer in OFFERS.values()}


def test_no_codes_are_minted_for_a_destination_that_does_not_answer(pooled: Lab) -> None:
    (pooled.folder / "secrets" / "KLAVIYO_KEY").write_text("pk_revoked", "utf-8")
    assert pooled.ciblage("push", "--yes").exit_code == 4
    assert counts(pooled) == {"welcome": {"exported": 7}, "flow": {}, "come_back": {"exported": 5}}
