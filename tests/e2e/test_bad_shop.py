"""What is wrong in the shop's data is told by file, line and reason; one bad row costs one row."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from round_lab import PROVIDERS, TITLES, Lab, told, writes

HEAD = "customer_id,email,first_name,consent_email\n"


@dataclass(frozen=True)
class Damage:
    """What is done to the data, the place that is named, and what is said."""

    name: str
    do: Callable[[Lab], object]
    place: str
    says: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


DAMAGES = (
    Damage("missing_folder", lambda lab: shutil.rmtree(lab.data), "data", ("the shop's folder is missing", "[shop] path")),
    Damage("missing_customers", lambda lab: (lab.data / "customers.csv").unlink(), "data", ("customers is missing", "orders.csv")),
    Damage("empty_customers", lambda lab: (lab.data / "customers.csv").write_bytes(b""), "data/customers.csv", ("customers.csv is empty", "export it again")),
    Damage("empty_orders", lambda lab: (lab.data / "orders.csv").write_bytes(b""), "data/orders.csv", ("orders.csv is empty",)),
    Damage("missing_column", lambda lab: (lab.data / "customers.csv").write_text("customerid,email\nc1,a@example.com\n"), "customers.csv", ("'customer_id' is missing", "did you mean 'customerid'?")),
    Damage("not_utf8", lambda lab: (lab.data / "customers.csv").write_bytes(f"{HEAD}c1,a@example.com,Zoë,subscribed\n".encode("latin-1")), "data/customers.csv:2", ("customers.csv is not UTF-8 text", "CSV UTF-8")),
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_data_that_cannot_be_read_stops_before_any_call(fresh: Lab, damage: Damage) -> None:
    damage.do(fresh)
    with fresh.calls() as calls:
        error = told(fresh, "check", exit_code=2, kind="data", says=damage.says)
    assert str(error["place"]).endswith(damage.place)
    assert calls == []


def test_a_customer_id_that_stands_twice_costs_one_row(fresh: Lab) -> None:
    with (fresh.data / "customers.csv").open("a", encoding="utf-8") as file:
        file.write("c01,second@example.com,Anna,,,subscribed,\n")
    checked = fresh.done("check")
    assert checked["customers"] == 60
    assert ["customers.csv", 62, "customer_id stands twice", 1] in checked["set_aside"]
    assert "customers.csv:62  customer_id stands twice" in fresh.ciblage("check").out
    assert "second@example.com" not in fresh.ciblage("members", "lc_new", "--reachable").out


def test_two_customers_with_one_address_in_different_case_are_one_with_the_stricter_consent(fresh: Lab) -> None:
    fresh.shop.change(61, email="C03@Example.COM ", orders=1, consent="subscribed")
    fresh.shop.change(62, email="C04@EXAMPLE.com", orders=1, consent="unsubscribed")
    fresh.stock()
    checked = fresh.done("check")
    assert checked["customers"] == 60
    assert checked["merged"] == 2
    assert "2 customers" in fresh.ciblage("check").out
    reachable = fresh.ciblage("members", "loyal", "--reachable").out
    assert "c03,c03@example.com" in reachable, "the smallest id stands, with everybody's orders"
    assert "c61" not in fresh.ciblage("members", "lc_new").out
    assert "c04@" not in reachable


def test_a_row_in_another_currency_or_without_an_address_is_set_aside_or_unreachable(fresh: Lab) -> None:
    with (fresh.data / "orders.csv").open("a", encoding="utf-8") as file:
        file.write("x1,c06,2026-11-01T10:00:00Z,20.00,paid,USD\nx2,nobody,2026-11-01T10:00:00Z,20.00,paid,EUR\n")
    with (fresh.data / "customers.csv").open("a", encoding="utf-8") as file:
        file.write("c70,not an address,Anna,,,subscribed,\n")
    checked = fresh.done("check")
    reasons = {(file, line) for file, line, _, _ in checked["set_aside"]}
    assert {("orders.csv", 152), ("orders.csv", 153)} <= reasons
    assert checked["customers"] == 61
    assert checked["reachable"] == {"consent": 42}


def test_a_truncated_export_is_stopped_until_somebody_forces_it(begun: Lab) -> None:
    rows = (begun.data / "customers.csv").read_text("utf-8").splitlines()
    (begun.data / "customers.csv").write_text("\n".join(rows[:20]) + "\nc20,c2", "utf-8")
    begun.later(hours=3)
    before = begun.truth()
    with begun.calls() as calls:
        said = begun.ciblage("run", json=True)
    assert said.exit_code == 3
    refusals = said.result["planned"]["refusals"]
    assert {one["destination"] for one in refusals} == set(PROVIDERS)
    assert {one["kind"] for one in refusals} >= {"removals", "smaller_shop"}
    assert all(one["flag"].startswith(f"--force {one['destination']}") for one in refusals)
    assert writes(calls) == []
    assert begun.truth() == before
    text = begun.ciblage("run")
    assert text.exit_code == 3
    assert "--force newsletter" in text.out
    assert begun.ciblage("run", "--force", "newsletter").exit_code == 3, "the others still refuse"
    left = begun.members("mailchimp", TITLES["lc_active"])
    assert left < before_members(before, "mailchimp", TITLES["lc_active"])
    assert begun.truth()["klaviyo"] == before["klaviyo"]


def before_members(truth: dict[str, dict[str, tuple[object, ...]]], provider: str, title: str) -> set[str]:
    return {email for email, one in truth[provider].items() if title in one[3]}  # type: ignore[operator]  # titles


def test_data_older_than_that_of_the_last_run_is_stopped_until_somebody_forces_it(begun: Lab) -> None:
    begun.shop.change(1, newest=1)
    begun.stock()
    begun.later(hours=1)
    begun.done("run")
    begun.shop.change(1, newest=40, name="Old")
    begun.stock()
    begun.later(hours=1)
    with begun.calls() as calls:
        said = begun.ciblage("run", json=True)
    assert said.exit_code == 3
    refusals = said.result["planned"]["refusals"]
    assert {one["kind"] for one in refusals} == {"older_shop"}
    assert {one["flag"] for one in refusals} <= {
        f"--force {name}/guard.{one['kind']}" for name in PROVIDERS for one in refusals
    }
    assert "2026-11-19" in refusals[0]["message"]
    assert writes(calls) == []
    begun.done("run", *(word for one in refusals for word in one["flag"].split()))
