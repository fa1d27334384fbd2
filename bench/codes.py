"""The life of many codes: `python bench/codes.py --codes 1000000`.

Everybody is decided on, gets a code, the shop takes all of them, a few and then all are used, and all that is left is over. Prints the CPU
seconds and the peak memory of each step; times by the clock say little where the machine is shared, and are not printed.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from engine.ledger import Ledger
from engine.ledger.codes import CodeState
from engine.offers import CODES, Policy, confirm, decide, export, settle
from engine.plan.plan import plan
from engine.push.issuing import Minter, issue_codes

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
THANKS = Policy(
    name="thanks", segment="loyal", prefix="THX", value="10%", minimum="60 EUR", percent=Decimal("0.10"), amount=None,
    valid_until=NOW + timedelta(days=30), cooled_since=NOW - timedelta(days=90), most_money=Decimal(10**9), unless="buyers",
)  # fmt: skip


@contextmanager
def step(name: str) -> Iterator[None]:
    """One step: its CPU seconds, and the most memory that the process has had until its end."""
    before = time.process_time()
    yield
    took, peak = time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:<34}{took:7.2f} s{peak:9.0f} MB")


def members(count: int) -> pa.Table:
    """People of whom each may get a code."""
    numbers = pa.array(range(count), pa.int64())
    ids = pc.binary_join_element_wise("c", pc.utf8_lpad(numbers.cast(pa.string()), 8, "0"), "")
    yes, no = pa.repeat(pa.scalar(value=True), count), pa.repeat(pa.scalar(value=False), count)
    basket = pa.repeat(pa.scalar(Decimal(80), pa.decimal128(18, 4)), count)
    return pa.table(
        {
            "customer_id": ids, "email": ids, "segment:loyal": yes, "segment:buyers": no, "reachable_email": yes, "basis": ids,
            "consent_email": ids, "trait:largest_order": basket,
        }
    )  # fmt: skip


def orders(codes: pa.Table, at: datetime) -> pa.Table:
    """One order for each of these codes."""
    ids = pc.binary_join_element_wise("o", codes["code"], "")
    when = pa.repeat(pa.scalar(at, pa.timestamp("us", "UTC")), len(codes))
    coupons = pc.utf8_lower(codes["code"])
    return pa.table({"coupon": coupons, "order_id": ids, "ordered_at": when, "customer_id": codes["customer_id"]})


def live(ledger: Ledger, people: pa.Table, count: int, folder: Path) -> None:
    """Every step of a code's life."""
    with step("decide"):
        decision = decide([THANKS], people, ledger.codes.table(columns=CODES), now=NOW, live_offers=1)
    with step("plan"):
        made = plan([], people, ledger, now=NOW, config_hash="h", accounts={}, issues=decision)
    minter = Minter(ledger=ledger, policies=[THANKS], people=people, now=NOW)
    with step("mint and reserve"):
        issued = issue_codes(made, minter)
    assert issued.minted == count
    with step("the same push again"):
        assert issue_codes(made, minter).minted == 0
    path = folder / "codes.csv"
    with step("export"):
        assert export(ledger, path, now=NOW) == count
    with step("confirm"):
        assert confirm(ledger, path, now=NOW).moved == count
    texts = ledger.codes.table(columns=("code",))["code"].to_pylist()
    with step("pushed"):
        assert ledger.codes.advance(texts, CodeState.PUSHED, at=NOW) == count
    del texts
    later = replace(THANKS, cooled_since=NOW + timedelta(days=1))
    with step("decide again: everybody has one"):
        found = decide([later], people, ledger.codes.table(columns=CODES), now=NOW, live_offers=1)
    assert (len(found.issues), found.standings[0].refused) == (0, {"has_code": count})
    codes = ledger.codes.table(columns=("code", "customer_id"))
    with step("settle 100 orders"):
        assert settle(ledger, orders(codes.slice(0, 100), NOW), now=NOW).redeemed == 100
    with step("settle all but a tenth"):
        settle(ledger, orders(codes.slice(0, count * 9 // 10), NOW), now=NOW)
    with step("settle the same orders again"):
        assert not settle(ledger, orders(codes.slice(0, count * 9 // 10), NOW), now=NOW)
    with step("expire the rest"):
        assert (
            settle(ledger, orders(codes.slice(0, 0), NOW), now=NOW + timedelta(days=31)).expired
            == count - count * 9 // 10
        )
    with step("tallies"):
        ledger.codes.tallies()


def main() -> None:
    """The whole story."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codes", type=int, default=1_000_000)
    parser.add_argument("--url", help="of the ledger; default: a SQLite file of its own")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        people = members(given.codes)
        print(f"{given.codes:,} codes: CPU seconds, peak memory")
        with Ledger.open(given.url or f"sqlite:///{path}", "bench") as ledger:
            live(ledger, people, given.codes, Path(folder))
        if path.exists():
            print(f"the ledger: {path.stat().st_size / 2**20:,.0f} MB")


if __name__ == "__main__":
    main()
