from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shop_folder import Folder, folder_in, reasons, rows

from engine.errors import DataError
from engine.shop import OwnTable


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    yield from folder_in(tmp_path)


def test_customers_alone_are_a_shop(folder: Folder) -> None:
    folder.customers("c1,ann@example.com")
    shop = folder.open()
    assert shop.counts["customers"] == 1
    assert shop.counts["orders"] == shop.counts["email_events"] == 0
    assert shop.newest is None
    assert shop.set_aside == ()
    assert rows(shop, "SELECT consent_email, consent_email_basis, birth_date FROM customers") == [("never", None, None)]


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("customers.csv", b"", "empty"),
        ("customers.csv", b"\n\n", "empty"),
        ("customers.jsonl", b"", "empty"),
        ("customers.parquet", b"", "empty"),
        ("customers.parquet", b"PAR1 no, not really", "not a Parquet file"),
        ("customers.csv", "customer_id,email\nc1,é\n".encode("latin-1"), "not UTF-8"),
        ("customers.csv", "customer_id,email\nc1,a\n".encode("utf-16"), "not UTF-8"),
        ("customers.csv", b"customer_id,email,EMAIL\nc1,a,b\n", "stands twice"),
        ("customers.csv", b"customer_id,,email\nc1,a,b\n", "no name"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_plainly(folder: Folder, file: str, content: bytes, words: str) -> None:
    folder.write(file, content)
    with pytest.raises(DataError, match=words) as caught:
        folder.open()
    assert file in str(caught.value)
    assert caught.value.hint


def test_the_line_that_is_not_utf8_is_named(folder: Folder) -> None:
    folder.write("customers.csv", b"customer_id,email\nc1,a@example.com\nc2,\xe9@example.com\n")
    with pytest.raises(DataError) as caught:
        folder.open()
    assert str(caught.value.place).endswith("customers.csv:3")


def test_a_missing_file_names_what_is_there(folder: Folder) -> None:
    folder.write("costumers.csv", "customer_id,email\n")
    with pytest.raises(DataError, match="customers is missing") as caught:
        folder.open()
    assert "did you mean costumers.csv" in str(caught.value.hint)


def test_a_missing_folder_is_said(folder: Folder) -> None:
    folder.path = folder.path / "nowhere"
    with pytest.raises(DataError, match="folder is missing"):
        folder.open()


def test_a_missing_required_column_names_the_nearest(folder: Folder) -> None:
    folder.customers("c1,a@example.com", header="custmer_id,email")
    with pytest.raises(DataError, match="'customer_id' is missing") as caught:
        folder.open()
    assert "did you mean 'custmer_id'" in str(caught.value.hint)


def test_any_of_the_formats_gives_the_same_shop(folder: Folder) -> None:
    table = {"customer_id": ["c1", "c2"], "email": ["a@example.com", "b@example.com"], "score": [1.5, None]}
    pq.write_table(pa.table(table), folder.path / "customers.parquet")
    first = folder.open()
    (folder.path / "customers.parquet").unlink()
    folder.write(
        "customers.jsonl",
        '{"customer_id": "c1", "email": "a@example.com", "score": 1.5}\n\n{"email":"b@example.com","customer_id":"c2"}',
    )
    second = folder.open()
    folder.write(
        "customers.csv", "\ufeffCustomer_ID ;EMAIL;score\r\n c1 ;a@example.com;1,5\r\n\r\nc2;b@example.com;\r\n"
    )
    third = folder.open()
    query = "SELECT customer_id, email, score FROM customers ORDER BY 1"
    expected = [("c1", "a@example.com", Decimal("1.5")), ("c2", "b@example.com", None)]
    assert [[tuple(row) for row in rows(shop, query)] for shop in (first, second, third)] == [expected] * 3


def test_one_bad_row_costs_one_row(folder: Folder) -> None:
    bad = [
        "c2,b@example.com,too,many",
        "c3",
        'c4,"never closed',
        ",nobody@example.com",
        'c5,"ok@example.com"x',
        "c1,again@example.com",
        '"c6\nsix",s@example.com',
        "c7,z@example.com",
    ]
    folder.customers("c1,a@example.com", "", *bad)
    shop = folder.open()
    assert reasons(shop) == [
        ("customers.csv", 6, "a quote is not closed"),
        ("customers.csv", 7, "customer_id is missing"),
        ("customers.csv", 9, "customer_id stands twice"),
        ("customers.csv", 5, "too few fields"),
        ("customers.csv", 4, "too many fields"),
    ]
    assert {row[0] for row in rows(shop, "SELECT customer_id FROM customers")} == {"c1", "c5", "c6\nsix", "c7"}


def test_many_rows_of_one_reason_are_one_line_of_the_report(folder: Folder) -> None:
    folder.customers("c1,a@example.com")
    folder.write("views.csv", "customer_id,happened_at\n" + "x,2017-01-01\n" * 7 + '"x\ny",2017-01-01\nc1,2017-01-01\n')
    (aside,) = folder.open().set_aside
    assert (aside.count, aside.line, aside.lines) == (8, 2, (2, 3, 4, 5, 6))
    assert aside.reason == "its customer is not in customers"


def test_the_line_is_the_physical_one_behind_quoted_line_breaks_and_blank_lines(folder: Folder) -> None:
    folder.customers(
        'c1,a@example.com,"two\nlines"',
        "",
        'c2,b@example.com,"\n\n\n"',
        "c3,c@example.com,x",
        header="customer_id,email,note",
    )
    folder.write(
        "orders.csv",
        'order_id,customer_id,ordered_at,total,note\no1,c1,2017-01-01,1,"a\nb"\n\no2,c2,soon,1,\no3,c3,2017-01-01,"1\n2",\n',
    )
    shop = folder.open()
    assert reasons(shop) == [
        ("orders.csv", 5, "ordered_at is not a date or time"),
        ("orders.csv", 6, "total is not an amount"),
    ]
    assert rows(shop, "SELECT note FROM customers WHERE customer_id = 'c1'") == [("two\nlines",)]


@pytest.mark.parametrize(
    ("cell", "column", "reason"),
    [
        ("2017-13-01", "ordered_at", "ordered_at is not a date or time"),
        ("infinity", "ordered_at", "ordered_at is not a date or time"),
        ("epoch", "ordered_at", "ordered_at is not a date or time"),
        ("01/02/2017", "ordered_at", "ordered_at is not a date or time"),
        ("2017-01-01 10:00:0Z", "ordered_at", "ordered_at is not a date or time"),
        ("2017-01-1 010:00:00", "ordered_at", "ordered_at is not a date or time"),
        ("2017-01-01 25:00", "ordered_at", "ordered_at is not a date or time"),
        ("2017-01-01 10:00 Europe/Paris", "ordered_at", "ordered_at is not a date or time"),
        (" ", "ordered_at", "ordered_at is missing"),
        ("12,5", "total", "total is not an amount"),
        ("NaN", "total", "total is not an amount"),
        ("1e30", "total", "total is not an amount"),
        ("$5", "total", "total is not an amount"),
        ("\u00a0", "total", "total is missing"),
    ],
)
def test_a_value_that_cannot_be_read_sets_its_row_aside(folder: Folder, cell: str, column: str, reason: str) -> None:
    folder.customers("c1,a@example.com")
    good = {"order_id": "o1", "customer_id": "c1", "ordered_at": "2017-01-01", "total": "1"}
    lines = [
        ",".join(good),
        ",".join(f'"{value}"' for value in (good | {column: cell}).values()),
        ",".join((good | {"order_id": "o2"}).values()),
    ]
    folder.write("orders.csv", "\n".join(lines))
    shop = folder.open()
    assert reasons(shop) == [("orders.csv", 2, reason)]
    assert shop.counts["orders"] == 1


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2017-07-01", datetime(2017, 6, 30, 22, tzinfo=UTC)),
        ("2017-07-01 10:00", datetime(2017, 7, 1, 8, tzinfo=UTC)),
        ("2017-07-01T10:00:00Z", datetime(2017, 7, 1, 10, tzinfo=UTC)),
        ("2017-07-01T10:00:00.5+05:30", datetime(2017, 7, 1, 4, 30, 0, 500000, tzinfo=UTC)),
        ("2017-07-01 10:00:00 -0430", datetime(2017, 7, 1, 14, 30, tzinfo=UTC)),
        ("2017-07-01 10:00:00-05", datetime(2017, 7, 1, 15, tzinfo=UTC)),
        ("2017-07-01 10:00:00 UTC", datetime(2017, 7, 1, 10, tzinfo=UTC)),
        ("2026-10-25T02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # happens twice: the first (rule 25)
        ("2026-03-29T02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # never happens (rule 25)
    ],
)
def test_a_written_time_is_an_instant(folder: Folder, written: str, utc: datetime) -> None:
    folder.customers("c1,a@example.com")
    folder.write("views.csv", f"customer_id,happened_at\nc1,{written}\n")
    assert rows(folder.open(), "SELECT happened_at FROM views") == [(utc.replace(tzinfo=None),)]


def test_typed_times_of_parquet_keep_their_meaning(folder: Folder) -> None:
    folder.customers("c1,a@example.com")
    local, aware = datetime(2017, 7, 1, 10), datetime(2017, 7, 1, 10, tzinfo=UTC)  # noqa: DTZ001 - naive on purpose
    for name, values, kind in (
        ("views", [local], pa.timestamp("ns")),
        ("sessions", [aware], pa.timestamp("ms", "UTC")),
        ("searches", [date(2017, 7, 1)], pa.date32()),
    ):
        table = {"customer_id": ["c1"], "happened_at": pa.array(values, kind), "term": ["x"]}
        pq.write_table(pa.table(table), folder.path / f"{name}.parquet")
    shop = folder.open()
    found = [
        rows(shop, f"SELECT hour(happened_at), day(happened_at) FROM {table}")[0]
        for table in ("views", "sessions", "searches")
    ]
    assert found == [(8, 1), (10, 1), (22, 30)]


def test_ids_that_went_through_a_float_column_are_whole_again(folder: Folder) -> None:
    pq.write_table(
        pa.table({"customer_id": [17850.0, 2.5], "email": ["a@example.com", "b@example.com"]}),
        folder.path / "customers.parquet",
    )
    folder.write("views.csv", "customer_id,happened_at\n17850,2017-01-01\n")
    shop = folder.open()
    assert shop.counts["views"] == 1
    assert rows(shop, "SELECT customer_id FROM customers ORDER BY 1") == [("17850",), ("2.5",)]


def test_extra_columns_are_kept_under_a_plain_name_with_their_type(folder: Folder) -> None:
    header = "customer_id,email,Predicted CLV,Code-Postal,ratio,Né le,seen,is vip,2nd,empty"
    folder.customers(
        "c1,a@example.com,12.5,01234,0.123456,2001-02-03,2017-01-01T10:00Z,true,x,",
        "c2,b@example.com,,75001,1e3,,,FALSE,y,",
        header=header,
    )
    shop = folder.open()
    facts = shop.vocabulary_facts()
    assert {name: facts[name].type for name in ("predicted_clv", "code_postal", "ratio", "ne_le", "seen", "is_vip", "c_2nd", "empty")} == {
        "predicted_clv": "number", "code_postal": "text", "ratio": "number", "ne_le": "date", "seen": "instant", "is_vip": "boolean", "c_2nd": "text", "empty": "text",
    }  # fmt: skip
    found = rows(
        shop, "SELECT predicted_clv, code_postal, ratio, ne_le, seen, is_vip FROM customers WHERE customer_id = 'c1'"
    )
    assert found == [(Decimal("12.5"), "01234", 0.123456, date(2001, 2, 3), datetime(2017, 1, 1, 10), True)]  # noqa: DTZ001 - at rest


def test_text_is_composed_and_trimmed_and_blank_is_unknown(folder: Folder) -> None:
    folder.customers("c1,a@example.com,Zoe\u0308 \u00a0,\t,F", header="customer_id,email,first_name,city,gender")
    assert rows(folder.open(), "SELECT first_name, city, gender FROM customers") == [("Zoë", None, "female")]


def test_a_row_of_json_that_is_none_is_set_aside_at_its_line(folder: Folder) -> None:
    folder.write(
        "customers.jsonl",
        '{"customer_id": 1, "email": "a@example.com", "tags": ["x"]}\n\n{nope\n[1]\n{"customer_id": 2, "email": null}\n',
    )
    shop = folder.open()
    assert [(aside.lines, aside.reason) for aside in shop.set_aside] == [((3, 4), "is not a JSON object")]
    assert rows(shop, "SELECT customer_id, tags FROM customers ORDER BY 1") == [("1", '["x"]'), ("2", None)]


def test_the_fingerprint_is_of_the_bytes_and_of_how_they_are_read(folder: Folder) -> None:
    folder.customers("c1,a@example.com")
    first = folder.open().fingerprint
    assert folder.open().fingerprint == first
    assert folder.open(zone="America/New_York").fingerprint != first
    folder.customers("c1,b@example.com")
    assert folder.open().fingerprint != first


def test_the_newest_fact_is_never_later_than_now(folder: Folder) -> None:
    folder.customers("c1,a@example.com")
    folder.write("views.csv", "customer_id,happened_at\nc1,2017-05-01T10:00Z\nc1,2099-01-01\n")
    assert folder.open().newest == datetime(2017, 5, 1, 10, tzinfo=UTC)


def test_a_name_that_no_file_can_have_is_told(folder: Folder) -> None:
    folder.customers("c1,a@example.com")
    with pytest.raises(DataError, match="name too long") as told:
        folder.open(own={"reviews": OwnTable(table="r" * 300, customer="customer_id", time="at")})
    assert len(str(told.value)) < 200
