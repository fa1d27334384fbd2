"""A ledger in PostgreSQL: whose it is, who may write, what a reader leaves behind, and what a broken connection means."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from homes import Home, poured
from pace_lab import SharedHands

from connectors import registry
from connectors.pace import Rate
from connectors.types import Target, TargetKind
from engine.errors import ConfigError, Locked
from engine.ledger import Ledger, lock, schema
from engine.ledger.contacts import Contact, ContactState, write
from engine.ledger.opening import schema_name
from engine.ledger.pace import SharedPace, account_key
from engine.ledger.store import LedgerUnavailable, Store, connect
from engine.plan.destination import Destination, MergeTag
from engine.plan.plan import plan

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
LOYAL = Target(kind=TargetKind.SEGMENT, name="loyal", title="Loyal")
NUMBERS = count()


@pytest.fixture
def there(postgres: str) -> Home:
    return Home(postgres, f"maison-{next(NUMBERS)}")


@pytest.fixture
def owner(postgres: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield connection


def schemas(owner: psycopg.Connection) -> set[str]:
    return {row[0] for row in owner.execute("SELECT nspname FROM pg_namespace")}


@pytest.mark.parametrize("spelling", ["postgresql://", "postgres://", "postgresql+psycopg://"])
def test_however_it_is_spelled_it_is_the_same_ledger(there: Home, spelling: str) -> None:
    with there.open() as ledger:
        ledger.cursors.save("news", "events", "7")
    with Ledger.open(there.url.replace("postgresql://", spelling), there.client) as ledger:
        assert ledger.cursors.get("news", "events") == "7"


@pytest.mark.parametrize("url", ["mysql://host/ledger", "postgresql+psycopg2://host/ledger", "oracle://host"])
def test_another_database_or_driver_is_a_mistake_in_the_config(url: str) -> None:
    with pytest.raises(ConfigError, match="no ledger is kept at") as caught:
        Ledger.open(url, "c")
    assert caught.value.place == "ledger.url"


OPENING = {
    "ledger.url": lambda: Ledger.open("postgresql://host/ledger", "c"),
    "pace.url": lambda: SharedPace("account", SharedHands(), url="postgresql://host/pace"),
}


@pytest.mark.parametrize("place", OPENING)
def test_without_the_driver_the_extra_is_named(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError) as caught:
        OPENING[place]()
    assert (caught.value.place, caught.value.hint) == (place, "pip install 'ciblage[postgres]'")


def test_clients_of_one_database_do_not_meet(there: Home) -> None:
    other = Home(there.url, f"{there.client}-2")
    with there.open() as one, other.open() as two:
        one.targets.expect("news", [LOYAL], is_owned=True)
        assert two.targets.of("news") == {}
        assert (one.version(), two.version()) == (1, 0)
        with one.lock("run", NOW), two.lock("run", NOW):
            assert one.holder() == two.holder()
            with there.open() as third, pytest.raises(Locked):
                third.lock("push", NOW).__enter__()


def test_a_long_name_has_a_schema_of_its_own() -> None:
    names = {schema_name("x" * 70 + end) for end in "ab"} | {schema_name("maison-lin")}
    assert len(names) == 3
    assert "ciblage_maison-lin" in names
    assert max(map(len, names)) <= 63


def test_reading_where_no_ledger_is_creates_nothing(there: Home, owner: psycopg.Connection) -> None:
    before = schemas(owner)
    with there.open(is_readonly=True) as ledger:
        assert ledger.version() == 0
        assert len(ledger.contacts.table("news")) == 0
    assert schemas(owner) == before


def test_a_reader_s_transactions_are_read_only(there: Home) -> None:
    with there.open() as ledger:
        ledger.cursors.save("news", "events", "7")
    with connect(there.url, there.client, is_readonly=True) as store:
        with store.read() as connection:
            assert connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"
        with pytest.raises(LedgerUnavailable, match="only be read"), store.write() as connection:
            connection.execute(sa.delete(schema.cursors))
    with there.open(is_readonly=True) as ledger:
        assert ledger.cursors.get("news", "events") == "7"


def test_a_role_needs_no_more_than_a_schema_of_its_own(there: Home, owner: psycopg.Connection) -> None:
    owner.execute(f"CREATE ROLE small{there.client[7:]} LOGIN")
    small = sa.make_url(there.url).set(username=f"small{there.client[7:]}").render_as_string(hide_password=False)
    with pytest.raises(ConfigError, match="the role may not do that"):
        Ledger.open(small, there.client)
    owner.execute(f'CREATE SCHEMA "{schema_name(there.client)}" AUTHORIZATION small{there.client[7:]}')
    with Ledger.open(small, there.client) as ledger, ledger.lock("run", NOW):
        ledger.targets.expect("news", [LOYAL], is_owned=True)


def test_where_nobody_answers_no_password_is_told() -> None:
    with pytest.raises(ConfigError, match="does not answer") as caught:
        Ledger.open("postgresql://ciblage:hunter2-and-more@127.0.0.1:1/ledger", "c")
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.__suppress_context__


def test_a_ledger_of_before_clients_had_schemas_is_nobodys_by_itself(postgres: str, owner: psycopg.Connection) -> None:
    owner.execute("CREATE DATABASE before_schemas")
    url = sa.make_url(postgres).set(database="before_schemas").render_as_string(hide_password=False)
    old = poured(2, url, "elsewhere")
    with psycopg.connect(url) as raw:
        raw.execute("DROP SCHEMA public; ALTER SCHEMA elsewhere RENAME TO public")
    with pytest.raises(ConfigError, match="of nobody by name") as caught:
        Ledger.open(url, "maison-lin")
    told = str(caught.value.hint)
    assert "?options=-csearch_path%3Dpublic" in told
    with Ledger.open(old.replace("elsewhere", "public"), "maison-lin") as ledger:
        assert ledger.accounts.get("newsletter") == "acc-1"


def test_who_lost_the_lock_writes_no_more(there: Home, owner: psycopg.Connection) -> None:
    with there.open() as ledger, there.open() as other:
        with ExitStack() as held:
            held.enter_context(ledger.lock("run", NOW))
            ledger.cursors.save("news", "events", "1")
            ended = owner.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'")
            assert ended.fetchall() == [(True,)]
            with pytest.raises(LedgerUnavailable, match="run lock is lost"):
                ledger.cursors.save("news", "events", "2")
            with other.lock("push", NOW):
                with pytest.raises(LedgerUnavailable):
                    ledger.cursors.save("news", "events", "3")
                holder = other.holder()
                assert holder is not None
                assert holder.who == "push"
        assert ledger.cursors.get("news", "events") == "1"


def test_a_connection_that_broke_off_is_made_anew(there: Home, owner: psycopg.Connection) -> None:
    with there.open() as ledger:
        ledger.cursors.save("news", "events", "1")
        owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'ciblage' AND pid <> pg_backend_pid()"
        )
        ledger.cursors.save("news", "events", "2")
        assert ledger.cursors.get("news", "events") == "2"


def test_a_run_that_waits_keeps_no_transaction_open(there: Home, owner: psycopg.Connection) -> None:
    with there.open() as ledger, ledger.lock("run", NOW):
        states = owner.execute("SELECT DISTINCT state FROM pg_stat_activity WHERE application_name = 'ciblage'")
        assert states.fetchall() == [("idle",)]


def _filled(store: Store, total: int) -> None:
    contacts = [
        Contact(address=f"{number:07}@shop.example", customer_id=f"c{number}", state=ContactState.ACKNOWLEDGED)
        for number in range(total)
    ]
    with store.move() as connection:
        write(connection, "news", contacts)


def test_contacts_are_read_through_a_cursor_of_the_server(there: Home) -> None:
    cursors: list[str] = []

    def seen(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        if "FROM contacts" in statement:
            cursors.append(type(cursor).__name__)

    with connect(there.url, there.client) as store:
        _filled(store, 1000)
        sa.event.listen(store.engine, "before_cursor_execute", seen)
        table = Ledger(store, there.client).contacts.table("news")
    assert len(table) == 1000
    assert table["address"].to_pylist() == sorted(table["address"].to_pylist())
    assert cursors == ["ServerCursor"]


def test_two_processes_keep_one_pace(postgres: str) -> None:
    account, clock = account_key("klaviyo", next(NUMBERS)), SharedHands()
    one, other = (SharedPace(account, clock, url=postgres) for _ in range(2))
    window = (Rate(3, 3600),)
    waits = [pace.take({"bulk": window}, clock.at) for pace in (one, other, one, other)]
    assert waits[:3] == [0, 0, 0]
    assert 3500 < waits[3] <= 3600.001
    assert one.take({"lists": window}, clock.at) == 0
    one.rest("lists", clock.at + 60)
    assert 50 < other.take({"lists": ()}, clock.at) <= 60.001
    one.close()
    other.close()


def test_two_processes_share_an_accounts_slots(postgres: str) -> None:
    class Patient(SharedHands):
        waited = 0

        def sleep(self, seconds: float) -> None:
            self.waited += 1
            held.close()

    account, clock = account_key("klaviyo", next(NUMBERS)), Patient()
    one, other = (SharedPace(account, clock, url=postgres) for _ in range(2))
    with ExitStack() as held:
        held.enter_context(one.slot(1))
        with other.slot(1):
            assert clock.waited == 1
    one.close()
    other.close()


def test_holding_is_told_without_a_word_of_the_url(there: Home) -> None:
    with there.open() as one, there.open() as two, one.lock("run", NOW):
        with pytest.raises(Locked) as caught:
            two.lock("push", NOW).__enter__()
        assert "postgres" not in str(caught.value)
        assert isinstance(two.holder(), lock.Holder)


def test_columns_read_are_those_of_a_file(there: Home) -> None:
    with connect(there.url, there.client) as far, connect("sqlite://", there.client) as near:
        tables = []
        for store in (far, near):
            _filled(store, 10)
            tables.append(Ledger(store, there.client).contacts.table("news"))
        assert tables[0] == tables[1]
        assert tables[0].schema.field("members").type == pa.binary()


TAGS = (MergeTag(name="first_name", trait="first_name"),)
PEOPLE = ("Zoe@é.example", "_under@shop.example", "a-b@shop.example", "ab@shop.example", "Émile@shop.example")


def people() -> pa.Table:
    """Everybody is in the segment, and their names have changed since."""
    count = len(PEOPLE)
    columns: dict[str, list[Any]] = {
        "customer_id": [f"c{number}" for number in range(count)], "email": list(PEOPLE), "reachable_email": [True] * count,
        "basis": ["consent"] * count, "consent_email": ["subscribed"] * count, "trait:first_name": ["Anna"] * count,
        "segment:loyal": [True, False] * 2 + [True], "holdout:loyal": [False] * count,
    }  # fmt: skip
    return pa.table(columns)


def test_a_plan_is_the_plan_of_a_file_to_the_checksum(there: Home) -> None:
    spec = registry.load("memory").spec
    destination = Destination(name="news", connector="memory", spec=spec, segments=("loyal",), merge_tags=TAGS)
    known = [
        Contact(address=address, customer_id=f"c{number}", state=ContactState.ACKNOWLEDGED, members=frozenset({0}))
        for number, address in enumerate(PEOPLE)
    ]
    made = []
    with connect(there.url, there.client) as far, connect("sqlite://", there.client) as near:
        for store in (far, near):
            ledger = Ledger(store, there.client)
            ledger.targets.expect("news", [LOYAL], is_owned=True)
            ledger.targets.record("news", {LOYAL: "r1"})
            with store.move() as connection:
                write(connection, "news", known)
            made.append(plan([destination], people(), ledger, now=NOW, config_hash="h", accounts={"news": "a"}))
    assert len(made[0].rows) > 3
    assert made[0].rows == made[1].rows
    assert made[0].checksum == made[1].checksum
