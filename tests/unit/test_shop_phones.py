"""R-GRD-06: telephone numbers in one form, read in the customer's country; what is none is told by row and left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop_folder import Folder, folder_in, reasons, rows

from engine.shop.phones import normalise
from engine.tables import Database


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    yield from folder_in(tmp_path)


@pytest.mark.parametrize(
    ("phone", "country", "zone", "normal"),
    [
        ("06 12 34 56 78", "", "Europe/Paris", "+33612345678"), ("06.12.34.56.78", "", "Europe/Paris", "+33612345678"),
        ("+33 6 12 34 56 78", "", "America/New_York", "+33612345678"), ("0033612345678", "", "Europe/Paris", "+33612345678"),
        ("+33 (0)6 12 34 56 78", "", "Europe/Paris", "+33612345678"), ("079 123 45 67", "CH", "Europe/Paris", "+41791234567"),
        ("079 123 45 67", "ch", "Europe/Paris", "+41791234567"), ("(212) 456-7890", "", "America/New_York", "+12124567890"),
        ("06 12 34 56 78", "Frankreich", "Europe/Paris", "+33612345678"), ("06\u202f12\u202f34\u202f56\u202f78", "", "Europe/Paris", "+33612345678"),
        ("0612", "", "Europe/Paris", None), ("call me", "", "Europe/Paris", None), ("06 12 34 56 78", "", "UTC", None), ("00 00", "", "Europe/Paris", None),
    ],
)  # fmt: skip
def test_r_grd_06_a_number_has_one_form_or_none(
    folder: Folder, phone: str, country: str, zone: str, normal: str | None
) -> None:
    folder.customers(f"c1,a@example.com,{phone},{country}", header="customer_id,email,phone,country")
    opened = folder.open(zone=zone)
    assert rows(opened, "SELECT customer_id, phone FROM customers") == [("c1", normal)]
    said = [("customers.csv", 2, "phone is not a telephone number (the customer is kept without it)")]
    assert reasons(opened) == ([] if normal else said)


def test_r_grd_06_the_same_spelling_is_read_in_each_customers_country(folder: Folder) -> None:
    folder.customers(
        "a,a@example.com,079 123 45 67,CH", "b,b@example.com,079 123 45 67,GB", "c,c@example.com,,CH",
        header="customer_id,email,phone,country",
    )  # fmt: skip
    opened = folder.open()
    assert rows(opened, "SELECT phone FROM customers ORDER BY customer_id") == [("+41791234567",), (None,), (None,)]
    assert reasons(opened)[0][1] == 3


def test_r_grd_06_a_shop_without_numbers_has_none(folder: Folder) -> None:
    folder.customers("a,a@example.com")
    assert rows(folder.open(), "SELECT phone FROM customers") == [(None,)]


@given(st.text(max_size=20) | st.from_regex(r"\A[+0-9 ().-]{0,20}\Z"), st.sampled_from(["", "FR", "US", "XX"]))
@settings(max_examples=200, deadline=None)
def test_r_grd_06_what_is_normal_stays_as_it_is(number: str, country: str) -> None:
    found = normalise(number, country, "FR")
    assert found is None or (found[0] == "+" and found[1:].isdecimal() and normalise(found, "", None) == found)


def test_r_grd_06_nothing_that_a_number_holds_reaches_sql(folder: Folder) -> None:
    folder.customers("a,a@example.com,'); DROP TABLE customers;--,FR", header="customer_id,email,phone,country")
    opened = folder.open()
    assert rows(opened, "SELECT phone FROM customers") == [(None,)]
    assert isinstance(opened.database, Database)
