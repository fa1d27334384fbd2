from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shop_folder import Folder, folder_in, reasons, rows

from engine.shop import Overlays, Shop
from engine.shop.addresses import normalise

CONSENT = "customer_id,email,consent_email,consent_email_at"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    yield from folder_in(tmp_path)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def left(
    email: str, why: str, at: str | None = None, *, seen: str = "2017-06-01", customer: str | None = None
) -> Overlays:
    row = {
        "customer_id": customer, "email": email, "destination": "news", "left": why,
        "at": None if at is None else day(at), "first_seen": day(seen),
    }  # fmt: skip
    times = {"at": pa.timestamp("us", "UTC"), "first_seen": pa.timestamp("us", "UTC")}
    schema = pa.schema([(key, times.get(key, pa.string())) for key in row])
    return Overlays(suppressions=pa.Table.from_pylist([row], schema=schema))


def consent(shop: Shop, customer: str = "c1") -> str:
    return str(shop.database.scalar("SELECT consent_email FROM customers WHERE customer_id = ?", [customer]))


# one person


def test_two_customers_with_one_address_in_different_case_are_one_person(folder: Folder) -> None:
    folder.customers(
        "c2,ANN@Example.com,Anna,Lyon,2017-02-01",
        "c10, ann@example.COM ,Ann,,2017-03-01",
        "c3,ann@exämple.com,Other,,",
        header="customer_id,email,first_name,city,created_at",
    )
    folder.write("orders.csv", "order_id,customer_id,ordered_at,total\no1,c2,2017-04-01,5\no2,c10,2017-04-02,6\n")
    shop = folder.open()
    assert rows(shop, "SELECT customer_id, email, first_name, city FROM customers ORDER BY 1") == [
        ("c10", "ann@example.com", "Ann", "Lyon"),
        ("c3", "ann@xn--exmple-cua.com", "Other", None),
    ]
    assert rows(shop, "SELECT customer_id, sum(total)::INT FROM orders GROUP BY 1") == [("c10", 11)]
    assert rows(shop, "SELECT customer_id, canonical FROM aliases ORDER BY 1") == [
        ("c10", "c10"),
        ("c2", "c10"),
        ("c3", "c3"),
    ]


def test_of_equally_old_rows_the_larger_id_speaks_last(folder: Folder) -> None:
    folder.customers(
        "c1,a@example.com,One,2017-01-01", "c2,a@example.com,Two,2017-01-01", header="customer_id,email,city,created_at"
    )
    assert rows(folder.open(), "SELECT customer_id, city FROM customers") == [("c1", "Two")]


def test_an_invalid_address_is_reported_and_its_customer_stays(folder: Folder) -> None:
    folder.customers("c1,not an address", "c2,", "c3,a@b", "c4,x@localhost.test", "c5,jöé@bücher.de")
    shop = folder.open()
    found = rows(shop, "SELECT customer_id, email, email_invalid FROM customers ORDER BY 1")
    assert found == [
        ("c1", None, True),
        ("c2", None, False),
        ("c3", None, True),
        ("c4", None, True),
        ("c5", "jöé@xn--bcher-kva.de", False),
    ]
    (aside,) = shop.set_aside
    assert (aside.lines, aside.count) == ((2, 4, 5), 3)
    assert "@" not in aside.reason


def test_customers_without_an_address_are_never_merged_with_each_other(folder: Folder) -> None:
    folder.customers("c1,", "c2,", "c3,nonsense", "c4,nonsense")
    assert folder.open().counts["customers"] == 4


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        (" ann+tag@example.com ", "ann+tag@example.com"),
        ("a.n.n@example.com", "a.n.n@example.com"),
        ("JOÉ@BÜCHER.de", "joé@xn--bcher-kva.de"),
        ("ann@example", None),
        ("ann@@example.com", None),
        ("a..b@example.com", None),
        (".a@example.com", None),
        ("ann@-example.com", None),
        ("ann@example.com, bob@example.com", None),
        ("x" * 65 + "@example.com", None),
    ],
)
def test_the_normal_address(written: str, normal: str | None) -> None:
    assert normalise(written) == normal


# consent


def test_missing_consent_is_never_and_consent_without_a_basis_is_consent(folder: Folder) -> None:
    folder.customers(
        "c1,a@example.com,",
        "c2,b@example.com,subscribed",
        "c3,c@example.com,unsubscribed",
        header="customer_id,email,consent_email",
    )
    found = rows(folder.open(), "SELECT consent_email, consent_email_basis FROM customers ORDER BY customer_id")
    assert found == [("never", None), ("subscribed", "consent"), ("unsubscribed", None)]


@pytest.mark.parametrize("worse", ["unsubscribed", "never", "pending", ""])
def test_the_most_restrictive_consent_of_a_merged_person_holds(folder: Folder, worse: str) -> None:
    folder.customers("c1,a@example.com,subscribed,2017-12-01", f"c2,A@example.com,{worse},2016-01-01", header=CONSENT)
    assert consent(folder.open()) == (worse or "never")


@pytest.mark.parametrize(
    "bad",
    [
        "c9,A@example.com,unsubscribed,not-a-date",  # set aside for its date
        "c9,A@example.com,UNSUB,",  # set aside for its consent
        "c1,other@example.com,unsubscribed,",  # the same id a second time
    ],
)
def test_a_row_that_is_set_aside_still_refuses(folder: Folder, bad: str) -> None:
    folder.customers("c1,a@example.com,subscribed,2017-12-01", bad, header=CONSENT)
    shop = folder.open()
    assert len(reasons(shop)) == 1
    assert consent(shop) in {"unsubscribed", "never"}


@pytest.mark.parametrize(
    ("opted_in", "overlay", "effective"),
    [
        ("2017-05-01", left("a@example.com", "unsubscribed", "2017-06-01"), "unsubscribed"),
        ("2017-07-01", left("a@example.com", "unsubscribed", "2017-06-01"), "subscribed"),
        ("2017-06-01", left("a@example.com", "unsubscribed", "2017-06-01", seen="2017-01-01"), "unsubscribed"),
        ("", left("a@example.com", "unsubscribed", "2010-01-01"), "unsubscribed"),  # without a time nothing is lifted
        ("2017-07-01", left("a@example.com", "unsubscribed", seen="2017-08-01"), "unsubscribed"),  # counts from first seen
        ("2017-07-01", left("a@example.com", "unsubscribed", seen="2017-06-01"), "subscribed"),
        ("2099-01-01", left("a@example.com", "unsubscribed", "2017-06-01"), "unsubscribed"),  # an act of the future is none
        ("2017-07-01", left("a@example.com", "complaint", "2017-08-01"), "unsubscribed"),
        ("2017-07-01", left("a@example.com", "complaint", "2017-06-01"), "subscribed"),
        ("2017-07-01", left("A@EXAMPLE.com", "other", "2017-08-01"), "unsubscribed"),
        ("2017-07-01", left("old@example.com", "unsubscribed", "2017-08-01", customer="c1"), "unsubscribed"),
        ("2017-07-01", left("b@example.com", "unsubscribed", "2017-08-01"), "subscribed"),
        ("2017-07-01", left("a@example.com", "bounced", "2017-08-01"), "subscribed"),
        ("2017-07-01", left("a@example.com", "archived", "2017-08-01"), "subscribed"),
        ("2017-07-01", left("a@example.com", "pending", "2017-08-01"), "subscribed"),
    ],
)  # fmt: skip
def test_the_newest_explicit_act_of_the_person_wins(
    folder: Folder, opted_in: str, overlay: Overlays, effective: str
) -> None:
    folder.customers(f"c1,a@example.com,subscribed,{opted_in}", header=CONSENT)
    assert consent(folder.open(zone="UTC", overlays=overlay)) == effective


@pytest.mark.parametrize("state", ["never", "pending", "unsubscribed", ""])
def test_no_suppression_ever_raises_consent(folder: Folder, state: str) -> None:
    folder.customers(f"c1,a@example.com,{state},2017-07-01", header=CONSENT)
    shop = folder.open(overlays=left("a@example.com", "unsubscribed", "2016-01-01"))
    assert consent(shop) in {state or "never", "unsubscribed"}


def test_what_lowered_the_consent_is_kept(folder: Folder) -> None:
    folder.customers("c1,a@example.com,subscribed,2017-01-01", header=CONSENT)
    shop = folder.open(overlays=left("a@example.com", "complaint", "2017-08-01"))
    assert rows(shop, "SELECT consent_email_left, consent_email_at FROM customers") == [
        ("complaint", day("2017-08-01").replace(tzinfo=None))
    ]


@pytest.mark.parametrize(
    ("why", "source", "hard"), [("complaint", "email_complaints", False), ("bounced", "email_bounces", True)]
)
def test_what_a_suppression_list_knows_is_an_email_event(folder: Folder, why: str, source: str, *, hard: bool) -> None:
    folder.customers("c1,a@example.com,subscribed,2017-09-01", header=CONSENT)
    shop = folder.open(overlays=left("a@example.com", why, "2017-08-01"))
    assert consent(shop) == "subscribed"
    assert rows(shop, f"SELECT customer_id, hard FROM email_events WHERE in_{source}") == [("c1", hard)]


# what was pulled


def events(path: Path, *found: dict[str, Any]) -> Path:
    pq.write_table(pa.Table.from_pylist([{"campaign": "k", "raw": "{}", **event} for event in found]), path)
    return path


def test_pulled_events_are_counted_once_and_belong_to_a_person(folder: Folder, tmp_path: Path) -> None:
    folder.customers("c1,a@example.com,subscribed,2017-01-01", "c2,A@example.com,subscribed,2017-01-01", header=CONSENT)
    folder.write(
        "email_events.csv",
        "event_id,email,kind,happened_at\ne0,a@example.com,open,2017-02-01\ne1,a@example.com,open,2017-02-02\n",
    )
    pulled = {
        "event_id": "e1",
        "email": "A@Example.com",
        "kind": "open",
        "happened_at": day("2017-02-02"),
        "is_machine": False,
    }
    first = events(
        tmp_path / "p1.parquet",
        pulled,
        pulled | {"event_id": "e2", "is_machine": True},
        pulled | {"event_id": "e9", "email": "x@example.com"},
    )
    second = events(tmp_path / "p2.parquet", pulled | {"event_id": "e2"}, pulled | {"event_id": "e3", "kind": "click"})
    shop = folder.open(overlays=Overlays(email_events=[first, second]))
    assert rows(
        shop, "SELECT event_id, customer_id, in_email_opens, in_email_opens_all FROM email_events ORDER BY 1"
    ) == [
        ("e0", "c1", True, True),
        ("e1", "c1", True, True),
        ("e2", "c1", False, True),
        ("e3", "c1", False, False),
    ]
    assert rows(shop, "SELECT count(DISTINCT row_id), count(row_id) FROM email_events") == [(4, 4)]
    assert shop.set_aside == ()


def test_an_act_that_a_message_told_exactly_is_not_counted_again_from_the_campaigns_report(
    folder: Folder, tmp_path: Path
) -> None:
    folder.customers("c1,a@example.com", "c2,b@example.com")
    exact = {
        "email": "a@example.com",
        "kind": "click",
        "happened_at": day("2017-02-03"),
        "destination": "news",
        "precision": "exact",
    }
    report = exact | {"happened_at": day("2017-02-01"), "precision": "campaign"}
    part = events(
        tmp_path / "p.parquet",
        exact | {"event_id": "told"},
        exact | {"event_id": "told twice", "url": "https://x"},
        report | {"event_id": "the same"},
        report | {"event_id": "another kind", "kind": "open"},
        report | {"event_id": "another campaign", "campaign": "l"},
        report | {"event_id": "another destination", "destination": "other"},
        report | {"event_id": "another person", "email": "b@example.com"},
    )  # fmt: skip
    found = {
        one for (one,) in rows(folder.open(overlays=Overlays(email_events=[part])), "SELECT event_id FROM email_events")
    }
    assert found == {"told", "told twice", "another kind", "another campaign", "another destination", "another person"}


@pytest.mark.parametrize("kind", ["unsubscribe", "complaint"])
def test_an_unsubscribe_read_back_is_an_act(folder: Folder, tmp_path: Path, kind: str) -> None:
    folder.customers("c1,a@example.com,subscribed,2017-01-01", header=CONSENT)
    part = events(
        tmp_path / "p.parquet",
        {"event_id": "e", "email": "a@example.com", "kind": kind, "happened_at": day("2017-02-02")},
    )
    assert consent(folder.open(overlays=Overlays(email_events=[part]))) == "unsubscribed"
    assert consent(folder.open(overlays=Overlays(email_events=[part]), now=day("2017-02-01"))) == "subscribed"


def test_codes_of_an_alias_are_the_persons(folder: Folder) -> None:
    folder.customers("c1,a@example.com", "c2,A@example.com")
    codes = pa.table(
        {
            "code_id": ["k1", "k2"],
            "customer_id": ["c2", "gone"],
            "offer": ["thanks"] * 2,
            "state": ["pushed"] * 2,
            "issued_at": [day("2017-01-01")] * 2,
        }
    )
    shop = folder.open(overlays=Overlays(codes=codes))
    assert rows(shop, "SELECT code_id, customer_id, issued_at, expires_at FROM codes") == [
        ("k1", "c1", day("2017-01-01").replace(tzinfo=None), None)
    ]
