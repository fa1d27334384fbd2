"""Offers of a pool: what the config refuses, what is minted, what it is called there, and whose a code is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from postgres_server import start_postgres
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from connectors import registry
from connectors.mailchimp.wire import discount
from connectors.types import AddCode, TargetKind, Worth
from engine.client.inputs import neutral_codes
from engine.config import load
from engine.errors import ConfigError
from engine.ledger import Ledger, schema
from engine.ledger.accounts import KnownTarget
from engine.ledger.codes import Code, CodeState
from engine.ledger.store import LedgerError
from engine.offers import CODES, Policy, Stock, decide, mint
from engine.plan.destination import Destination, check, targets
from engine.tables import QueryError

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CONFIG = """\
client = "maison-lin"

[segments]
loyal = "count(orders) >= 3"

[offers.welcome]
amount = "5 EUR"
pool = { destination = "news", codes = 500 }

[merge_tags]
first_name = { trait = "first_name" }

[destinations.news]
connector = "klaviyo"
api_key = "${KEY}"
segments = ["loyal"]
"""
WELCOME = Policy(
    name="welcome", pool=Stock(destination="news", codes=5), prefix="HI", value="5 EUR", minimum=None, percent=None,
    amount=Decimal(5), valid_until=NOW + timedelta(days=30), cooled_since=None,
)  # fmt: skip
NOBODY = pa.table({"customer_id": pa.array([], pa.string())})


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.open("sqlite://", "client") as opened:
        yield opened


# the config


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('destination = "news"', 'destination = "new"', "offers.welcome.pool.destination: there is no destination 'new' (did you mean 'news'?)"),
        ("codes = 500", "codes = 0", "offers.welcome.pool.codes: input should be greater than 0"),
        ("codes = 500", "cods = 500", "unknown key 'cods' in offers.welcome.pool (did you mean 'codes'?)"),
        ("pool = {", 'segment = "loyal"\npool = {', "offers.welcome: write either segment (a code a person) or pool"),
        ("pool = {", 'cooldown = "30 days"\npool = {', "offers.welcome: a pool has no cooldown"),
        ('amount = "5 EUR"', 'percent = "5%"\nbudget = { amount = "50 EUR" }', "offers.welcome: nobody knows what these codes cost at most"),
        ('trait = "first_name"', 'offer = "welcome"', "merge_tags.first_name.offer: the codes of 'welcome' are nobody's: news hands them out"),
        ('segments = ["loyal"]', 'segments = ["loyal"]\nmerge_tags = { code = { offer = "welcome" } }', "destinations.news.merge_tags.code.offer: the codes of 'welcome' are nobody's"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_pool_is_told_with_its_place(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = tmp_path / "ciblage.toml"
    path.write_text(CONFIG.replace(before, after), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {"KEY": "pk_1"})
    assert said in str(caught.value)


def test_an_offer_is_for_a_segment_or_for_a_pool(tmp_path: Path) -> None:
    path = tmp_path / "ciblage.toml"
    path.write_text(CONFIG, "utf-8")
    pool = load(path, {"KEY": "pk_1"}).settings.offers["welcome"].pool
    assert pool is not None
    assert (pool.destination, pool.codes) == ("news", 500)
    path.write_text(CONFIG.replace('pool = { destination = "news", codes = 500 }\n', ""), "utf-8")
    with pytest.raises(ConfigError, match="write either segment"):
        load(path, {"KEY": "pk_1"})


# at a destination


def at(connector: str, *, pools: tuple[str, ...] = ("welcome",), prefix: str = "maison-lin") -> Destination:
    spec = registry.load(connector).spec
    return Destination(name="news", connector=connector, spec=spec, segments=("loyal",), pools=pools, prefix=prefix)


@pytest.mark.parametrize("connector", ["brevo", "klaviyo", "mailchimp", "memory"])
@pytest.mark.parametrize(
    ("prefix", "offer", "title"),
    [
        ("maison-lin", "welcome", "maison-lin-welcome"),
        ("Chez Léa ·", "welcome", "Chez-Lea-welcome"),
        ("", "welcome", "welcome"),
        ("李", "welcome", "welcome"),
    ],
)
def test_a_pool_is_named_in_letters_that_templates_take(connector: str, prefix: str, offer: str, title: str) -> None:
    destination = at(connector, prefix=prefix)
    check(destination, {})
    assert targets(destination, {})[TargetKind.POOL, offer].title == title


@pytest.mark.parametrize(
    ("worth", "told"),
    [
        (Worth(percent=Decimal("0.15")), {"type": "percentage", "target": "total", "amount": 0.15}),
        (Worth(amount=Decimal("7.50")), {"type": "fixed", "target": "total", "amount": 7.5}),
        (Worth(), {"type": "fixed", "target": "shipping", "amount": 0.0}),
        (None, {"type": "fixed", "target": "total", "amount": 0.0}),
    ],
)
def test_a_pool_is_made_with_what_its_codes_are_worth(worth: Worth | None, told: dict[str, object]) -> None:
    destination = replace(at("mailchimp"), worths={} if worth is None else {"welcome": worth})
    target = targets(destination, {})[TargetKind.POOL, "welcome"]
    kept = KnownTarget(target=replace(target, title="old", worth=None), position=0, ref=None, is_owned=True)
    again = targets(destination, {(TargetKind.POOL, "welcome"): kept})[TargetKind.POOL, "welcome"]
    assert (again.title, again.worth) == ("old", worth), "after a crash too"
    assert discount(target.worth) == told


def test_a_prefix_that_is_too_long_there_is_left_out() -> None:
    long = "a" * 60
    assert targets(at("mailchimp", prefix=long), {})[TargetKind.POOL, "welcome"].title == "welcome"
    assert targets(at("brevo", prefix=long), {})[TargetKind.POOL, "welcome"].title == f"{long}-welcome"
    with pytest.raises(ConfigError, match="cannot be the name of a pool at mailchimp"):
        check(at("mailchimp", pools=("w" * 60,)), {})


def test_a_connector_without_pools_is_refused_with_those_that_have_them() -> None:
    spec = registry.load("memory").spec
    bare = replace(spec, carries={kind: limit for kind, limit in spec.carries.items() if kind is not AddCode})
    with pytest.raises(ConfigError, match="does not carry AddCode") as caught:
        check(replace(at("memory"), spec=bare), {})
    assert caught.value.place == "offers.welcome.pool"
    assert {"brevo", "klaviyo", "mailchimp"} <= set(str(caught.value.hint).replace(",", " ").replace(";", " ").split())


# minting


def asked(ledger: Ledger, policy: Policy = WELCOME, now: datetime = NOW) -> pa.Table:
    return decide([policy], NOBODY, ledger.codes.table(columns=CODES), now=now).issues


def stock(ledger: Ledger, policy: Policy = WELCOME) -> list[tuple[str, str]]:
    table = asked(ledger, policy)
    assert table["customer_id"].null_count == len(table)
    return list(zip(table["offer"].to_pylist(), table["code_id"].to_pylist(), strict=True))


def give(ledger: Ledger, policy: Policy = WELCOME) -> list[Code]:
    minted = mint(asked(ledger, policy), {policy.name: policy}, {}, now=NOW)
    ledger.codes.issue(minted)
    return [Code(**row) for row in minted.to_pylist()]


def test_a_pool_is_filled_to_its_number_and_no_further(ledger: Ledger) -> None:
    assert stock(ledger) == stock(ledger), "the same plan twice"
    first = give(ledger)
    assert len({code.code for code in first}) == len({code.code_id for code in first}) == 5
    assert {(code.customer_id, code.destination, code.value) for code in first} == {(None, "news", "5 EUR")}
    assert all(code.code.startswith("HI-") for code in first)
    assert stock(ledger) == []
    assert stock(ledger, replace(WELCOME, pool=Stock(destination="news", codes=3))) == []
    assert len(stock(ledger, replace(WELCOME, pool=Stock(destination="news", codes=8)))) == 3


def test_used_and_ended_codes_are_replaced_whatever_became_of_the_live_ones(ledger: Ledger) -> None:
    codes = [code.code for code in give(ledger)]
    ledger.codes.advance(codes[:4], CodeState.EXPORTED, at=NOW)
    ledger.codes.advance(codes[:3], CodeState.CONFIRMED, at=NOW)
    ledger.codes.advance(codes[:2], CodeState.PUSHED, at=NOW)
    assert stock(ledger) == []
    ledger.codes.redeem({codes[0]: ("o1", NOW)})
    again = give(ledger)
    assert len(again) == 1
    ledger.codes.expire(NOW + timedelta(days=60))
    assert len(give(ledger)) == 5
    assert ledger.codes.counts()["welcome"] == {"expired": 5, "redeemed": 1, "reserved": 5}


def test_a_budget_counts_every_code_that_was_ever_issued(ledger: Ledger) -> None:
    few = replace(WELCOME, most_codes=7)
    give(ledger, few)
    ledger.codes.expire(NOW + timedelta(days=60))
    assert len(give(ledger, few)) == 2
    assert stock(ledger, replace(WELCOME, most_codes=6)) == []
    assert stock(ledger, replace(WELCOME, most_money=Decimal(34))) == []
    assert len(stock(ledger, replace(WELCOME, most_money=Decimal(49)))) == 2


@pytest.mark.parametrize(
    ("percent", "amount", "cost"), [(None, Decimal(5), 5), (None, None, None), (Decimal("0.1"), None, None)]
)
def test_the_highest_cost_is_the_amount_and_unknown_for_a_percentage_and_for_the_shipping(
    ledger: Ledger, percent: Decimal | None, amount: Decimal | None, cost: int | None
) -> None:
    policy = replace(WELCOME, percent=percent, amount=amount)
    assert asked(ledger, policy)["cost"].to_pylist() == [cost] * 5


def test_another_destination_gets_codes_of_its_own(ledger: Ledger) -> None:
    give(ledger)
    moved = replace(WELCOME, pool=Stock(destination="flows", codes=5))
    assert {code.destination for code in give(ledger, moved)} == {"flows"}
    assert ledger.codes.counts() == {"welcome": {"reserved": 10}}


# whose a code is


def test_a_code_is_a_persons_or_a_pools_and_never_both_or_neither(ledger: Ledger) -> None:
    code = Code(code_id="1", offer="welcome", customer_id=None, destination="news", code="AAAA", issued_at=NOW)
    for wrong in (replace(code, destination=None), replace(code, customer_id="c1")):
        with pytest.raises(LedgerError):
            ledger.codes.reserve([wrong])
    ledger.codes.reserve([code, replace(code, code_id="2", code="BBBB")])
    with pytest.raises(LedgerError):
        ledger.codes.reserve([replace(code, code="CCCC")])  # the plan was minted before
    assert neutral_codes(ledger.codes.table()).num_rows == 0, "the shop's table is of customers"


def test_postgres_keeps_the_same_rules() -> None:
    engine, dialect = start_postgres(), postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    try:
        engine.execute(str(CreateTable(schema.codes).compile(dialect=dialect)))
        for index in schema.codes.indexes:
            engine.execute(str(CreateIndex(index).compile(dialect=dialect)))
        insert = "INSERT INTO codes (code_id, offer, code, state, issued_at, customer_id, destination) VALUES"
        for key, owner in (("1", "NULL, 'news'"), ("2", "NULL, 'news'"), ("3", "'c1', NULL")):
            engine.execute(f"{insert} ('{key}', 'welcome', '{key}', 'reserved', now(), {owner})")
        for key, owner in (("4", "'c1', NULL"), ("5", "NULL, NULL"), ("6", "'c2', 'news'")):
            with pytest.raises(QueryError):
                engine.execute(f"{insert} ('{key}', 'welcome', '{key}', 'reserved', now(), {owner})")
        assert engine.query("SELECT count(*) AS codes FROM codes")["codes"].to_pylist() == [3]
    finally:
        engine.close()
