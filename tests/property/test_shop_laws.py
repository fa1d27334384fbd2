"""Laws of a shop's opening: local time, addresses, identity, consent, and files that a machine made up."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.shop import Overlays, Shop, ShopSource, open_shop
from engine.shop.addresses import add_addresses, create_addresses, normalise
from engine.shop.delimited import records
from engine.shop.instants import boundaries, to_utc
from engine.shop.scanning import scan
from engine.tables import Database

NOW = datetime(2018, 1, 1, tzinfo=UTC)
ZONES = [
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Kolkata",
    "UTC",
]
RANK = ("unsubscribed", "never", "pending", "subscribed")
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as opened:
        yield opened


# local time


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_is_what_zoneinfo_says_around_every_change(database: Database, zone: str) -> None:
    place = ZoneInfo(zone)
    changes = [start for start, _ in boundaries(place) if start is not None] or [datetime(2017, 1, 1)]  # noqa: DTZ001 - local
    local = [
        change + timedelta(seconds=step) for change in changes for step in (-7200, -3600, -1800, -1, 0, 1, 1800, 3600)
    ]
    assert converted(database, local, place) == [expected(moment, place) for moment in local]


@FEW
@given(
    st.lists(st.datetimes(min_value=datetime(1901, 1, 1), max_value=datetime(2099, 12, 1)), min_size=1, max_size=50),  # noqa: DTZ001 - local
    st.sampled_from(ZONES),
)
def test_any_local_time_is_what_zoneinfo_says(database: Database, local: list[datetime], zone: str) -> None:
    place = ZoneInfo(zone)
    assert converted(database, local, place) == [expected(moment, place) for moment in local]


def expected(local: datetime, zone: ZoneInfo) -> datetime:
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC).replace(tzinfo=None)


def converted(database: Database, local: list[datetime], zone: ZoneInfo) -> list[datetime]:
    database.register("given", pa.table({"n": range(len(local)), "t": pa.array(local, pa.timestamp("us"))}))
    return [row[0] for row in database.rows(f"SELECT {to_utc('t', zone)} FROM given ORDER BY n")]


# addresses

_LOCAL = st.text(st.sampled_from("aZ09.+-_'é\"@ "), min_size=1, max_size=12)
_DOMAIN = st.text(st.sampled_from("aB0-.éß"), min_size=1, max_size=12)
_ADDRESS = st.one_of(
    st.emails(),
    st.builds("{}@{}.com".format, _LOCAL, _DOMAIN),
    st.builds(
        "{}@{}".format,
        _LOCAL,
        st.sampled_from(["example.com", "x.test", "a.local", "xn--bcher-kva.de", "xn--zz.de", "exam-ple.co.uk"]),
    ),
    st.builds("{}@example.com".format, st.integers(60, 70).map("x".__mul__)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_ADDRESS, min_size=1, max_size=20))
def test_the_fast_path_judges_addresses_as_the_library_does(database: Database, written: list[str]) -> None:
    trimmed = sorted({address.strip() for address in written} - {""})
    create_addresses(database)
    database.register("given", pa.table({"a": pa.array(trimmed, pa.string())}))
    add_addresses(database, "SELECT a FROM given")
    assert dict(database.rows("SELECT raw, normal FROM addresses")) == {
        address: normalise(address) for address in trimmed
    }


@given(_ADDRESS)
def test_a_normal_address_is_its_own_normal_form(written: str) -> None:
    normal = normalise(written)
    assert normal is None or normalise(normal) == normal


# persons and consent

_PERSON = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["1", "2", "10", "b", "B", "é"]),
        "email": st.sampled_from(["a@x.com", "A@X.com", "b@x.com", "nonsense", ""]),
        "city": st.sampled_from(["Lyon", "Paris", ""]),
        "created_at": st.sampled_from(["2016-01-01", "2017-01-01", "", "never"]),
        "consent_email": st.sampled_from([*RANK, "", "Oui"]),
        "consent_email_at": st.sampled_from(["2017-01-01", "2017-06-01", ""]),
    }
)
_PEOPLE = st.lists(_PERSON, min_size=1, max_size=8)
_ACT = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["1", "10", None]),
        "email": st.sampled_from(["a@x.com", "B@x.com"]),
        "destination": st.just("d"),
        "left": st.sampled_from(["unsubscribed", "complaint", "bounced", "archived", "pending", "other"]),
        "at": st.sampled_from([datetime(2017, 3, 1, tzinfo=UTC), datetime(2017, 9, 1, tzinfo=UTC), None]),
        "first_seen": st.just(datetime(2017, 4, 1, tzinfo=UTC)),
    }
)
_TIME = pa.timestamp("us", "UTC")
_ACTS = pa.schema(
    [
        (key, _TIME if key in {"at", "first_seen"} else pa.string())
        for key in ("customer_id", "email", "destination", "left", "at", "first_seen")
    ]
)


def opened(database: Database, people: list[dict[str, str]], acts: list[dict[str, Any]] | None = None) -> Shop:
    with tempfile.TemporaryDirectory() as folder:
        file = io.StringIO()
        writer = csv.DictWriter(file, people[0])
        writer.writeheader()
        writer.writerows(people)
        Path(folder, "customers.csv").write_text(file.getvalue(), "utf-8")
        overlays = None if acts is None else Overlays(suppressions=pa.Table.from_pylist(acts, schema=_ACTS))
        return open_shop(
            ShopSource(path=Path(folder)),
            zone=ZoneInfo("UTC"),
            currency="EUR",
            now=NOW,
            overlays=overlays,
            database=database,
        )


@FEW
@given(_PEOPLE)
def test_persons_are_the_distinct_addresses_and_nobody_gains_consent(
    database: Database, people: list[dict[str, str]]
) -> None:
    shop = opened(database, people)
    persons = database.query("SELECT * FROM customers").to_pylist()
    aliases = dict(database.rows("SELECT customer_id, canonical FROM aliases"))
    addresses = [person["email"] for person in persons if person["email"]]
    assert len(addresses) == len(set(addresses))
    assert set(aliases.values()) == {person["customer_id"] for person in persons}
    assert all(canonical <= alias for alias, canonical in aliases.items())
    assert shop.counts["customers"] == len(persons)
    for person in persons:
        ids = {alias for alias, canonical in aliases.items() if canonical == person["customer_id"]}
        named = [
            row
            for row in people
            if row["customer_id"] in ids or (person["email"] and normalise(row["email"]) == person["email"])
        ]
        states = [row["consent_email"] if row["consent_email"] in RANK else "never" for row in named]
        assert person["consent_email"] == min(states, key=RANK.index)


@FEW
@given(_PEOPLE, st.randoms(use_true_random=False))
def test_the_order_of_different_rows_does_not_matter(
    database: Database, people: list[dict[str, str]], random: Any
) -> None:
    unique = list({row["customer_id"]: row for row in people}.values())
    query = "SELECT * EXCLUDE (row_id) FROM customers ORDER BY customer_id"
    opened(database, unique)
    first = database.rows(query)
    random.shuffle(unique)
    opened(database, unique)
    assert database.rows(query) == first


@FEW
@given(_PEOPLE, st.lists(_ACT, max_size=5), _ACT)
def test_one_more_suppression_never_raises_consent(
    database: Database, people: list[dict[str, str]], acts: list[dict[str, Any]], more: dict[str, Any]
) -> None:
    query = "SELECT customer_id, consent_email FROM customers"
    opened(database, people, acts)
    before = dict(database.rows(query))
    opened(database, people, [*acts, more])
    after = dict(database.rows(query))
    assert before.keys() == after.keys()
    assert all(RANK.index(after[person]) <= RANK.index(before[person]) for person in before)


# files that a machine made up


@FEW
@given(
    st.lists(
        st.tuples(st.text("ab,;\"'\n\r\\ é", max_size=6), st.text('ab,;"\n ', max_size=6)), min_size=1, max_size=12
    )
)
def test_what_a_csv_writer_wrote_is_read_back(database: Database, cells: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "customers.csv")
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["customer_id", "email", "left_note", "right_note"])
            writer.writerows([f"c{n}", "", *cell] for n, cell in enumerate(cells))
        shop = open_shop(
            ShopSource(path=Path(folder)),
            zone=ZoneInfo("UTC"),
            currency="EUR",
            now=NOW,
            overlays=None,
            database=database,
        )
    found = {
        row["customer_id"]: row
        for row in database.query(
            "SELECT * REPLACE (left_note::VARCHAR AS left_note, right_note::VARCHAR AS right_note) FROM customers"
        ).to_pylist()
    }
    assert shop.set_aside == ()
    assert [(found[f"c{n}"]["left_note"], found[f"c{n}"]["right_note"]) for n in range(len(cells))] == [
        tuple(cell.strip(" \t\r\n\f") or None for cell in pair) for pair in cells
    ]


@FEW
@given(st.lists(st.text('ab,"\n\r é', max_size=10), max_size=12))
def test_any_text_is_a_shop_where_every_line_is_a_customer_or_set_aside(database: Database, lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "customers.csv")
        file.write_bytes(("customer_id,email\n" + "\n".join(lines)).encode())
        scan(file, is_text=True)
        counted = list(records(file, ",", 2))[1:]
        shop = open_shop(
            ShopSource(path=Path(folder)),
            zone=ZoneInfo("UTC"),
            currency="EUR",
            now=NOW,
            overlays=None,
            database=database,
        )
    aside = sum(found.count for found in shop.set_aside if "is kept" not in found.reason)
    assert database.scalar("SELECT count(*) FROM aliases") + aside == len(counted)
