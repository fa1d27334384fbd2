"""Discount codes: who gets one, that nobody gets two, and that only the shop's word makes one usable."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DataError
from engine.ledger import Ledger
from engine.ledger.codes import Code, CodeState
from engine.offers import CODES, Decision, Policy, Settled, confirm, decide, export, mint, settle

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
THANKS = Policy(
    name="thanks", segment="loyal", prefix="THX", value="10%", minimum="60 EUR", percent=Decimal("0.10"), amount=None,
    valid_until=NOW + timedelta(days=30), cooled_since=NOW - timedelta(days=90),
)  # fmt: skip
FIXED = replace(THANKS, name="gift", percent=None, amount=Decimal(5))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}", "maison") as opened:
        yield opened


def people(*rows: tuple[str, bool, bool, bool, int | None]) -> pa.Table:
    names = ["customer_id", "segment:loyal", "reachable_email", "holdout:loyal", "trait:largest_order"]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    kinds = [pa.string(), pa.bool_(), pa.bool_(), pa.bool_(), pa.decimal128(18, 4)]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table(dict(zip(names, arrays, strict=True)))


BASE = people(
    ("c3", True, True, False, 200), ("c1", True, True, False, 80), ("c2", True, False, False, 80),
    ("c4", False, True, False, 80), ("c5", True, True, True, 80), ("c6", True, True, False, None),
)  # fmt: skip


def decided(
    ledger: Ledger, *policies: Policy, members: pa.Table = BASE, now: datetime = NOW, live: int | None = None
) -> Decision:
    return decide(policies, members, ledger.codes.table(columns=CODES), now=now, live_offers=live)


def chosen(
    ledger: Ledger, *policies: Policy, members: pa.Table = BASE, now: datetime = NOW, live: int | None = None
) -> list[tuple[str, str]]:
    table = decided(ledger, *policies, members=members, now=now, live=live).issues
    return list(zip(table["offer"].to_pylist(), table["customer_id"].to_pylist(), strict=True))


def minted(table: pa.Table, *policies: Policy, now: datetime = NOW) -> pa.Table:
    """The codes of a decision; ids as a push gives them."""
    ids = pa.array([f"{now.isoformat()}-{place}" for place in range(len(table))], pa.string())
    table = table.set_column(table.column_names.index("code_id"), "code_id", ids)
    return mint(table, {policy.name: policy for policy in policies}, {}, now=now)


def give(ledger: Ledger, *policies: Policy, now: datetime = NOW, members: pa.Table = BASE) -> list[Code]:
    codes = minted(decided(ledger, *policies, members=members, now=now).issues, *policies, now=now)
    ledger.codes.issue(codes)
    return [Code(**row) for row in codes.to_pylist()]


def hand_over(ledger: Ledger) -> None:
    """The shop takes every code, and everybody gets theirs."""
    waiting = ledger.codes.table(states=[CodeState.RESERVED])["code"].to_pylist()
    for state in (CodeState.CONFIRMED, CodeState.PUSHED):
        ledger.codes.advance(waiting, state, at=NOW)


def test_members_who_can_be_reached_and_are_not_held_out_get_a_code(ledger: Ledger) -> None:
    assert chosen(ledger, THANKS) == [("thanks", "c1"), ("thanks", "c3"), ("thanks", "c6")]


def test_the_cost_is_the_percentage_of_the_largest_order(ledger: Ledger) -> None:
    costs = decided(ledger, THANKS, FIXED).issues["cost"].to_pylist()
    assert costs == [8, 20, 0, 5, 5, 5]


def test_nobody_gets_a_second_live_code_of_an_offer(ledger: Ledger) -> None:
    give(ledger, THANKS)
    assert chosen(ledger, replace(THANKS, cooled_since=NOW + timedelta(days=1))) == []
    assert [offer for offer, _ in chosen(ledger, THANKS, FIXED)] == ["gift"] * 3


def test_a_cooldown_runs_from_the_day_of_issue(ledger: Ledger) -> None:
    give(ledger, THANKS)
    hand_over(ledger)
    later = NOW + timedelta(days=91)
    settle(ledger, used(), now=later)
    assert chosen(ledger, replace(THANKS, cooled_since=NOW - timedelta(days=1))) == []
    assert len(chosen(ledger, replace(THANKS, cooled_since=later - timedelta(days=90)))) == 3


def test_without_a_cooldown_an_offer_is_made_once(ledger: Ledger) -> None:
    give(ledger, THANKS)
    hand_over(ledger)
    settle(ledger, used(), now=NOW + timedelta(days=400))
    assert chosen(ledger, replace(THANKS, cooled_since=None)) == []


def test_a_code_that_nobody_saw_counts_for_no_cooldown(ledger: Ledger) -> None:
    give(ledger, THANKS)
    settle(ledger, used(), now=NOW + timedelta(days=31))
    assert ledger.codes.counts() == {"thanks": {"expired": 3}}
    for policy in (THANKS, replace(THANKS, cooled_since=None)):
        assert len(chosen(ledger, policy, now=NOW + timedelta(days=31))) == 3


@given(most=st.integers(0, 8), money=st.integers(0, 60))
def test_a_budget_is_never_passed(most: int, money: int) -> None:
    with Ledger.open("sqlite://", "maison") as ledger:
        table = decided(ledger, replace(THANKS, most_codes=most, most_money=Decimal(money))).issues
    assert table.num_rows <= most
    assert sum(table["cost"].to_pylist()) <= money


def test_a_budget_counts_what_was_issued_before(ledger: Ledger) -> None:
    give(ledger, replace(FIXED, most_codes=2))
    assert chosen(ledger, replace(FIXED, most_codes=2)) == []
    assert len(chosen(ledger, replace(FIXED, most_codes=3))) == 1
    assert chosen(ledger, replace(FIXED, most_money=Decimal(14))) == []
    assert len(chosen(ledger, replace(FIXED, most_money=Decimal(15)))) == 1


def test_codes_are_unguessable_readable_and_all_different() -> None:
    who = people(*((f"c{number}", True, True, False, 1) for number in range(2000)))
    with Ledger.open("sqlite://", "maison") as ledger:
        codes = [code.code for code in give(ledger, THANKS, members=who)]
    assert len(set(codes)) == 2000
    assert all(re.fullmatch(r"THX-[0-9A-HJKMNP-TV-Z]{11}", code) for code in codes)


def test_an_export_holds_every_code_the_shop_does_not_know(ledger: Ledger, tmp_path: Path) -> None:
    codes = give(ledger, THANKS)
    path = tmp_path / "out" / "codes.csv"
    assert export(ledger, path, now=NOW) == 3
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    assert {row["code"] for row in rows} == {code.code for code in codes}
    assert {row["minimum"] for row in rows} == {"60 EUR"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert ledger.codes.counts() == {"thanks": {"exported": 3}}
    assert export(ledger, path, now=NOW) == 3


def test_only_codes_in_the_shops_file_are_confirmed(ledger: Ledger, tmp_path: Path) -> None:
    codes = give(ledger, THANKS)
    path = tmp_path / "back.csv"
    path.write_text(f"code\n{codes[0].code.lower()}\nOTHER\n", "utf-8")
    assert (found := confirm(ledger, path, now=NOW)).moved == 1
    assert found.unknown == 1
    assert ledger.codes.counts() == {"thanks": {"reserved": 2, "confirmed": 1}}
    assert confirm(ledger, path, now=NOW).known == 1


@pytest.mark.parametrize("content", [b"", b"kode\nX\n", b"\xff\xfe\x00code"])
def test_a_confirmation_that_is_no_such_file_is_refused(ledger: Ledger, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "back.csv"
    path.write_bytes(content)
    with pytest.raises(DataError):
        confirm(ledger, path, now=NOW)


def used(*rows: tuple[str, str]) -> pa.Table:
    at = pa.array([NOW + timedelta(days=n) for n, _ in enumerate(rows)], pa.timestamp("us", "UTC"))
    texts = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(("coupon", "order_id"))}
    return pa.table({**texts, "ordered_at": at})


def test_a_code_in_an_order_is_redeemed_once_in_any_case(ledger: Ledger, tmp_path: Path) -> None:
    codes = give(ledger, THANKS)
    export(ledger, tmp_path / "codes.csv", now=NOW)
    orders = used((codes[0].code.lower(), "o1"), (codes[0].code, "o2"), ("SUMMER", "o3"))
    assert settle(ledger, orders, now=NOW) == Settled(redeemed=1, unsent=1)
    assert not settle(ledger, orders, now=NOW)
    assert settle(ledger, used(), now=NOW + timedelta(days=31)) == Settled(expired=2)


def test_nothing_to_export_leaves_the_last_file_alone(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("as the shop has it", "utf-8")
    assert export(ledger, path, now=NOW) == 0
    assert path.read_text("utf-8") == "as the shop has it"


def test_a_confirmation_that_is_not_there_says_so(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*missing\.csv"):
        confirm(ledger, tmp_path / "missing.csv", now=NOW)


def test_a_money_budget_without_anybody_to_give_to_makes_no_code(ledger: Ledger) -> None:
    assert chosen(ledger, replace(FIXED, most_money=Decimal(15)), members=people()) == []
