"""The offer policy: who comes first, who is left out and why, what a run may cost, and what needs a reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from engine.cli import app
from engine.client import open_client
from engine.config import load
from engine.errors import ConfigError, DefinitionError
from engine.ledger import Ledger
from engine.ledger.codes import Code, CodeState
from engine.offers import CODES, Decision, Policy, decide
from engine.push.issuing import Minter, issue_codes

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
THANKS = Policy(
    name="thanks", segment="loyal", prefix="", value="5 EUR", minimum=None, percent=None, amount=Decimal(5),
    valid_until=NOW + timedelta(days=30), cooled_since=NOW - timedelta(days=90),
)  # fmt: skip
GIFT = replace(THANKS, name="gift", segment="fresh")
SEGMENTS = ("loyal", "fresh", "buyers")


def members(rows: Sequence[tuple[str, set[str]]], *, holdout: str = "") -> pa.Table:
    ids = [who for who, _ in rows]
    columns = {f"segment:{name}": pa.array([name in inside for _, inside in rows], pa.bool_()) for name in SEGMENTS}
    return pa.table(
        {
            "customer_id": pa.array(ids, pa.string()),
            "reachable_email": pa.array(["left" not in inside for _, inside in rows], pa.bool_()),
            "holdout:loyal": pa.array([who == holdout for who in ids], pa.bool_()),
            **columns,
        }
    )


def decided(
    policies: Sequence[Policy],
    rows: Sequence[tuple[str, set[str]]],
    codes: Sequence[Code] = (),
    *,
    live: int | None = None,
) -> Decision:
    with Ledger.open("sqlite://", "maison") as ledger:
        ledger.codes.reserve(codes)
        found = ledger.codes.table(columns=CODES)
    return decide(policies, members(rows, holdout="held"), found, now=NOW, live_offers=live)


def reasons(decision: Decision) -> dict[tuple[str, str], str]:
    assert decision.refused is not None
    return {(row["offer"], row["customer_id"]): row["reason"] for row in decision.refused.to_pylist()}


def gets(decision: Decision) -> list[tuple[str, str]]:
    return list(zip(*(decision.issues[name].to_pylist() for name in ("offer", "customer_id")), strict=True))


def code(offer: str, customer: str, **more: object) -> Code:
    made = Code(
        code_id=f"{offer}{customer}", offer=offer, customer_id=customer, code=f"X{offer}{customer}".upper(), issued_at=NOW - timedelta(days=9),
        expires_at=NOW + timedelta(days=9), cost=50_000,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]  # fields of a code


BOTH = {"loyal", "fresh"}


def test_the_more_important_offer_comes_first_whatever_the_order_of_the_config() -> None:
    who = [("c0", BOTH), ("c1", {"loyal"})]
    plain = decided([THANKS, GIFT], who, live=1)
    assert gets(plain) == [("thanks", "c0"), ("thanks", "c1")]
    assert reasons(plain) == {("gift", "c0"): "lower_priority"}
    turned = decided([THANKS, replace(GIFT, priority=1)], who, live=1)
    assert gets(turned) == [("thanks", "c1"), ("gift", "c0")], "in the config's order"
    assert reasons(turned) == {("thanks", "c0"): "lower_priority"}
    assert gets(decided([replace(THANKS, priority=2), replace(GIFT, priority=1)], who, live=2)) == [
        ("thanks", "c0"), ("thanks", "c1"), ("gift", "c0"),
    ]  # fmt: skip


def test_live_codes_of_any_offer_count_those_of_the_past_do_not() -> None:
    who = [("c0", BOTH), ("c1", BOTH)]
    over = code("old", "c1", expires_at=NOW)
    found = decided([GIFT], who, [code("old", "c0"), over], live=1)
    assert (gets(found), reasons(found)) == ([("gift", "c1")], {("gift", "c0"): "live_offers"})


def test_those_who_would_buy_anyway_get_none() -> None:
    found = decided([replace(THANKS, unless="buyers")], [("c0", {"loyal", "buyers"}), ("c1", {"loyal"})])
    assert (gets(found), reasons(found)) == ([("thanks", "c1")], {("thanks", "c0"): "excluded"})


def test_each_person_of_the_segment_gets_a_code_or_one_reason() -> None:
    who = [
        ("away", {"loyal", "left"}), ("held", {"loyal"}), ("out", {"loyal", "buyers"}), ("has", {"loyal"}), ("had", {"loyal"}),
        ("yes", {"loyal"}), ("zzz", {"loyal"}), ("other", {"fresh"}),
    ]  # fmt: skip
    with Ledger.open("sqlite://", "maison") as ledger:
        ledger.codes.reserve([code("thanks", "has"), code("thanks", "had")])
        for state in (CodeState.CONFIRMED, CodeState.PUSHED, CodeState.EXPIRED):
            ledger.codes.advance(["XTHANKSHAD"], state, at=NOW)
        codes = ledger.codes.table(columns=CODES)
    policy = replace(THANKS, unless="buyers", most_codes=3)
    found = decide([policy], members(who, holdout="held"), codes, now=NOW)
    assert gets(found) == [("thanks", "yes")]
    assert {who: why for (_, who), why in reasons(found).items()} == {
        "away": "not_reachable", "held": "holdout", "out": "excluded", "has": "has_code", "had": "cooldown", "zzz": "budget_codes",
    }  # fmt: skip
    [standing] = found.standings
    assert standing.refused == Counter(reasons(found).values())
    assert (standing.codes, standing.cost, standing.most_codes) == (2, 10, 3)
    once = decide([replace(policy, cooled_since=None)], members(who, holdout="held"), codes, now=NOW)
    assert reasons(once)["thanks", "had"] == "once"
    poor = decide([replace(policy, most_codes=None, most_money=Decimal(15))], members(who), codes, now=NOW)
    assert reasons(poor)["thanks", "yes"] == "budget_money"


person = st.tuples(st.sampled_from([f"c{n}" for n in range(9)]), st.sets(st.sampled_from([*SEGMENTS, "left"])))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # nothing here is slow; the machine may be
@given(
    who=st.lists(person, max_size=9, unique_by=lambda one: one[0]),
    has=st.sets(st.tuples(st.sampled_from(["thanks", "gift", "old"]), st.sampled_from([f"c{n}" for n in range(9)]))),
    live=st.none() | st.integers(1, 3),
    first=st.none() | st.integers(1, 2),
    most=st.none() | st.integers(0, 6),
)
def test_no_person_has_more_live_codes_than_allowed_and_everybody_is_accounted_for(
    who: list[tuple[str, set[str]]], has: set[tuple[str, str]], live: int | None, first: int | None, most: int | None
) -> None:
    policies = [replace(THANKS, most_codes=most, unless="buyers"), replace(GIFT, priority=first)]
    found = decided(policies, who, [code(*one) for one in sorted(has)], live=live)
    given_now, told = gets(found), reasons(found)
    counts = Counter(customer for _, customer in given_now) + Counter(customer for _, customer in has)
    for customer in {customer for _, customer in given_now}:
        assert live is None or counts[customer] <= live
    for policy in policies:
        inside = {customer for customer, segments in who if policy.segment in segments}
        mine = {customer for offer, customer in given_now if offer == policy.name}
        refused = {customer for offer, customer in told if offer == policy.name}
        assert (mine | refused, mine & refused) == (inside, set())
    assert not set(given_now) & has


# the config

CONFIG = """\
client = "maison"
timezone = "UTC"
live_offers = 1

[shop]
path = "data"

[traits]
grown_up = "age >= 30"

[places.lyon]
lat = 45.76
lon = 4.84

[segments]
all = "consent.email = 'subscribed'"
some = "email != 'nobody@shop.example'"
lit = "{test}"

[offers.thanks]
segment = "{segment}"
amount = "5 EUR"
renew = "7 days"
{more}

[offers.gift]
segment = "all"
percent = "10%"
priority = 1
products = "tea"
unless = "{unless}"
renew = {{ within = "3 days", times = 2 }}

[merge_tags]
what = {{ offer = "gift", field = "products" }}

[destinations.news]
connector = "memory"
api_key = "${{KEY}}"
segments = ["all"]
"""
FILLED = {"test": "gender = 'female'", "segment": "all", "more": "", "unless": "some"}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEY", "memory-key")
    (tmp_path / "data").mkdir()
    lines = [f"c{n},p{n}@shop.example,{'subscribed' if n else 'unsubscribed'},female,1990-01-01" for n in range(4)]
    lines += ["c9,p3@shop.example,subscribed,female,1990-01-01"]
    head = "customer_id,email,consent_email,gender,birth_date,lat,lon,city,income"
    (tmp_path / "data" / "customers.csv").write_text(
        "\n".join([head, *(f"{line},45.0,4.0,Lyon,100" for line in lines)]) + "\n", "utf-8"
    )
    return tmp_path / "ciblage.toml"


def write(path: Path, **more: str) -> Path:
    path.write_text(CONFIG.format(**(FILLED | more)), "utf-8")
    return path


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"unless": "sone"}, "offers.gift.unless: there is no segment 'sone' (did you mean 'some'?)"),
        ({"more": "priority = 0"}, "offers.thanks.priority: input should be greater than 0"),
        ({"more": 'reason = ""'}, "offers.thanks.reason: string should have at least 1 character"),
        ({"more": 'unles = "some"'}, "unknown key 'unles' in offers.thanks (did you mean 'unless'?)"),
    ],
)
def test_a_mistake_in_an_offer_is_told_with_its_place(shop: Path, more: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(shop, **more))
    assert said in str(caught.value)
    assert str(caught.value.place).startswith(f"{shop}:")


@pytest.mark.parametrize("key", ['unless = "loyal"', "priority = 1", 'renew = "7 days"'])
def test_a_pool_has_nobody_to_choose(shop: Path, key: str) -> None:
    text = CONFIG.format(**FILLED).replace(
        'segment = "all"\namount', f'pool = {{ destination = "news", codes = 5 }}\n{key}\namount'
    )
    shop.write_text(text.replace('renew = "7 days"\n\n', "\n"), "utf-8")
    with pytest.raises(ConfigError, match="a pool has no unless, priority or renew"):
        load(shop)


@pytest.mark.parametrize(
    ("test", "what"),
    [
        ("gender = 'female'", "gender"), ("income > 5", "income"), ("grown_up", "age"), ("birth_date < 2000-01-01", "age"),
        ("within 20 km of lyon", "place"), ("city = 'Lyon' and gender = 'male'", "gender and place"), ("in segment all", None),
    ],
)  # fmt: skip
def test_an_offer_that_reads_gender_age_income_or_place_needs_a_reason(shop: Path, test: str, what: str | None) -> None:
    for where in ({"segment": "lit"}, {"unless": "lit"}):
        with closing(open_client(write(shop, test=test, **where))) as client:
            if what is None:
                assert client.catalogue.segments
                continue
            with pytest.raises(DefinitionError) as caught:
                _ = client.catalogue
            [told] = caught.value.mistakes
            assert f"who gets a code depends on {what}" in told
            assert f"{shop}:" in told
    with closing(open_client(write(shop, test=test, segment="lit", more='reason = "a day of their own"'))) as client:
        assert "lit" in client.catalogue.segments


# the command line


def told(path: Path, *words: str) -> dict[str, object]:
    result = CliRunner().invoke(app, ["codes", *words, "--config", str(path), "--now", NOW.isoformat(), "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)["result"]
    return found


def said(path: Path, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["codes", *words, "--config", str(path), "--now", NOW.isoformat()])
    assert result.exit_code == code, result.output
    return result.stdout


def test_who_gets_no_code_is_told_by_reason_one_by_one_and_of_one_person(shop: Path) -> None:
    write(shop, test="count(orders) >= 0", unless="lit")
    assert told(shop, "refused")["counts"] == {
        "thanks": {}, "gift": {"excluded": 3},
    }  # fmt: skip
    rows = told(shop, "refused", "--offer", "gift", "--limit", "1")
    assert rows["rows"] == [{"customer_id": "c1", "offer": "gift", "reason": "excluded"}]
    assert rows["left_out"] == 2
    assert "gift: 3 in the excluded segment" in said(shop, "refused")
    sentences = said(shop, "refused", "--customer", "c0").splitlines()
    assert sentences == ["thanks: c0 is not in its segment", "gift: c0 is not in its segment"]
    assert told(shop, "refused", "--customer", "c9", "--offer", "thanks")["rows"] == [
        {"customer_id": "c9", "offer": "thanks", "reason": "none"}
    ], "c9 is c3"
    for wrong, hint in (("--offer", "thank"), ("--customer", "nobody")):
        result = CliRunner().invoke(app, ["codes", "refused", "--config", str(shop), wrong, hint])
        assert (result.exit_code, wrong in result.stderr) == (2, True)


def test_codes_are_told_with_their_money_and_their_dates(shop: Path, tmp_path: Path) -> None:
    write(shop, unless="lit", test="customer_id = 'c2' and gender = 'female'")
    shop.write_text(
        shop.read_text("utf-8").replace("[offers.gift]", '[offers.gift]\nreason = "a day of their own"'), "utf-8"
    )
    with closing(open_client(shop, NOW.isoformat())) as client:
        client.write()
        from engine.plan.plan import plan
        from engine.stages import decide_codes

        decision = decide_codes(client, client.policies())
        facts = {"now": client.now, "config_hash": "h", "accounts": {}}
        made = plan([], client.membership.table, client.ledger, issues=decision, **facts)  # type: ignore[arg-type]  # its facts
        people = client.membership.table
        issue_codes(made, Minter(ledger=client.ledger, policies=client.policies(), people=people, now=client.now))
    found = told(shop)
    assert found["counts"] == {"gift": {"reserved": 2}, "thanks": {"reserved": 1}}
    by_offer = {one["offer"]: one for one in found["offers"]}  # type: ignore[attr-defined]  # a list of offers
    assert by_offer["thanks"]["at_risk"] == "5"
    assert (by_offer["thanks"]["first_issued"], by_offer["thanks"]["next_end"]) == (
        NOW.isoformat(),
        "2026-04-02T00:00:00+00:00",
    )
    shown = said(shop)
    assert "1 can still be used: €5 at most" in shown
    assert "good until Apr 1, 2026" in shown
    assert "reason: a day of their own" in shown
    out = tmp_path / "codes.csv"
    assert told(shop, "export", "--out", str(out))["codes"] == 3
    lines = out.read_text("utf-8").splitlines()
    assert sum(",tea," in line for line in lines) == 2
    out.write_text("\n".join([*lines[:2], "NOBODYS,,,,,,"]) + "\n", "utf-8")
    assert "1 code confirmed: it can be sent now" in (text := said(shop, "confirm", str(out), code=1))
    assert "line 3: not a code of this client" in text
