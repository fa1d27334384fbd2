"""The ledger: packing, the run lock, codes' life, suppressions, versions."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from homes import Home
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.types import Left, Outcome, Reason, State, Suppression, Target, TargetKind
from engine.errors import ConfigError, Locked
from engine.ledger import Ledger, packing, schema
from engine.ledger.codes import Code, CodeState
from engine.ledger.contacts import ContactState
from engine.ledger.outcomes import Sending
from engine.ledger.runs import Run
from engine.ledger.sending import Settlement
from engine.ledger.store import LedgerError, LedgerUnavailable, connect
from engine.ledger.suppressions import KnownSuppression

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    with home.open() as opened:
        yield opened


@settings(max_examples=50, deadline=None)
@given(st.lists(st.frozensets(st.integers(0, 130)), max_size=6))
def test_bits_unpack_as_they_were_packed_by_row_and_by_column(rows: list[frozenset[int]]) -> None:
    packed = [packing.pack_bits(row) for row in rows]
    assert [packing.unpack_bits(one) for one in packed] == rows
    column = pa.chunked_array([packed[:2], packed[2:]], pa.binary())
    for position in (0, 63, 64, 130):
        words = packing.word_column(column, position // 64)
        assert packing.bit_column(words, position % 64).to_pylist() == [position in row for row in rows]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 5), st.text() | st.integers() | st.booleans()), max_size=5))
def test_fields_unpack_as_they_were_packed_by_row_and_by_column(rows: list[dict[int, str | int | bool]]) -> None:
    texts = [{place: packing.scalar(value) for place, value in row.items()} for row in rows]
    packed = [packing.pack_fields(row) for row in texts]
    assert [packing.unpack_fields(one) for one in packed] == texts
    column = pa.chunked_array([packed], pa.string())
    for place in range(6):
        assert packing.field_column(column, place).to_pylist() == [row.get(place) for row in texts]
    assert all(packing.value(text) == rows[at][place] for at, row in enumerate(texts) for place, text in row.items())


def test_a_second_run_is_told_who_holds_the_lock(home: Home) -> None:
    with home.open() as one, home.open() as two:
        with one.lock("run", NOW), pytest.raises(Locked, match=r"'run'.*since 2027-03-01 09:00:00"):
            two.lock("push", NOW).__enter__()
        with two.lock("push", NOW):
            assert two.holder() is not None
        assert two.holder() is None


HOLDING = """
import sys
from datetime import UTC, datetime
from engine.ledger import Ledger
with Ledger.open(sys.argv[1], sys.argv[2]) as ledger, ledger.lock("run", datetime(2027, 3, 1, 8, tzinfo=UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_of_one_process_until_it_dies(home: Home) -> None:
    words = [sys.executable, "-c", HOLDING, home.url, home.client]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with home.open() as ledger:
            with pytest.raises(Locked, match=rf"'run' \(process {other.pid} on .*since 2027-03-01 08:00:00"):
                ledger.lock("push", NOW).__enter__()
            other.kill()
            other.wait()
            assert ledger.holder() is not None  # it could not say goodbye
            _taken(ledger)
            assert ledger.holder() is None


def _taken(ledger: Ledger) -> None:
    """Take the lock. A server needs a moment to see that a client is dead."""
    while True:
        try:
            with ledger.lock("run", NOW):
                holder = ledger.holder()
                assert holder is not None
                assert holder.pid == os.getpid()
                return
        except Locked:
            continue


def test_reading_a_missing_ledger_creates_nothing(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/new/l.sqlite", "client", is_readonly=True) as ledger:
        assert ledger.version() == 0
        assert len(ledger.contacts.table("news")) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_readonly_ledger_keeps_its_bytes_and_refuses_writes(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with Ledger.open(f"sqlite:///{path}", "client") as ledger:
        ledger.cursors.save("news", "events", "7")
    before = path.read_bytes()
    with Ledger.open(f"sqlite:///{path}", "client", is_readonly=True) as ledger:
        assert ledger.cursors.get("news", "events") == "7"
        with pytest.raises(LedgerError):
            ledger.cursors.save("news", "events", "8")
    assert path.read_bytes() == before


CRASHED = """
import os, sys
from engine.ledger import Ledger
Ledger.open(sys.argv[1], "client").cursors.save("news", "events", "7")
os._exit(9)
"""


@pytest.mark.parametrize("is_crashed", [True, False])
def test_a_reader_leaves_every_file_as_it_was(tmp_path: Path, *, is_crashed: bool) -> None:
    url = f"sqlite:///{tmp_path}/l.sqlite"
    if is_crashed:
        subprocess.run([sys.executable, "-c", CRASHED, url], check=False)
    else:
        with Ledger.open(url, "client") as ledger:
            ledger.cursors.save("news", "events", "7")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".sqlite-shm"}
    assert ("l.sqlite-wal" in before) is is_crashed
    with Ledger.open(url, "client", is_readonly=True) as one, Ledger.open(url, "client", is_readonly=True) as two:
        assert one.cursors.get("news", "events") == two.cursors.get("news", "events") == "7"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".sqlite-shm"} == before


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "Été #1, 100% & co"
    url = f"sqlite:///{folder}/l.sqlite"
    with Ledger.open(url, "client") as ledger, ledger.lock("run", NOW):
        ledger.cursors.save("news", "events", "7")
    with Ledger.open(url, "client", is_readonly=True) as ledger:
        assert ledger.cursors.get("news", "events") == "7"
    assert sorted(path.name for path in folder.iterdir()) == ["l.sqlite", "l.sqlite.lock"]


def test_an_url_that_opens_nothing_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Ledger.open("nonsense", "client")
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(ConfigError):
        Ledger.open(f"sqlite:///{tmp_path}/folder.sqlite", "client")


def _code(number: int, customer: str = "c1") -> Code:
    return Code(
        code_id=str(number), offer="thanks", customer_id=customer, code=f"CODE{number}", issued_at=NOW,
        expires_at=NOW + timedelta(days=30),
    )  # fmt: skip


def test_one_live_code_an_offer_and_customer(ledger: Ledger) -> None:
    ledger.codes.reserve([_code(1), _code(2, "c2")])
    with pytest.raises(LedgerError):
        ledger.codes.reserve([_code(3, "c3"), _code(4)])
    assert ledger.codes.counts() == {"thanks": {"reserved": 2}}
    ledger.codes.expire(NOW + timedelta(days=31))
    ledger.codes.reserve([_code(4)])
    assert ledger.codes.counts() == {"thanks": {"expired": 2, "reserved": 1}}


def test_a_code_never_goes_back(ledger: Ledger) -> None:
    ledger.codes.reserve([_code(1)])
    assert ledger.codes.advance(["code1"], CodeState.PUSHED, at=NOW) == 0
    for state in (CodeState.EXPORTED, CodeState.CONFIRMED, CodeState.PUSHED):
        assert ledger.codes.advance(["code1"], state, at=NOW) == 1
        assert ledger.codes.advance(["code1"], state, at=NOW) == 0
    assert ledger.codes.advance(["code1"], CodeState.CONFIRMED, at=NOW) == 0
    assert ledger.codes.redeem({"code1": ("o1", NOW)}) == 1
    assert ledger.codes.expire(NOW + timedelta(days=99)) == 0
    assert ledger.codes.advance(["code1"], CodeState.CLEARED, at=NOW) == 1
    row = ledger.codes.table().to_pylist()[0]
    assert (row["state"], row["order_id"], row["redeemed_at"]) == ("cleared", "o1", NOW)


def _known(left: Left, *, at: datetime | None, seen: datetime = NOW) -> KnownSuppression:
    return KnownSuppression(
        suppression=Suppression(email="a@shop.example", left=left, at=at), customer_id="c1", first_seen=seen
    )


def test_a_suppression_keeps_its_first_sight(ledger: Ledger) -> None:
    later = NOW + timedelta(days=1)
    assert ledger.suppressions.record("news", [_known(Left.UNSUBSCRIBED, at=None)]) == 1
    assert ledger.suppressions.record("news", [_known(Left.UNSUBSCRIBED, at=None, seen=later)]) == 0
    assert ledger.suppressions.table().to_pylist()[0]["first_seen"] == NOW
    ledger.suppressions.forget("news", ["a@shop.example"])
    assert ledger.suppressions.addresses("news") == frozenset()


def _suppress() -> Sending:
    return Sending(
        change_id="1", content_hash="h", kind="Suppress", target="contacts", customer_id="c1", address="a@shop.example"
    )


def _settlement(ledger: Ledger) -> Settlement:
    return Settlement(destination="news", at=NOW, version="1", targets=ledger.targets.of("news"))


def test_a_read_back_of_our_own_suppress_keeps_its_time_and_origin(ledger: Ledger) -> None:
    ledger.sending.settle(_settlement(ledger), [(_suppress(), Outcome(id="1", state=State.APPLIED))])
    later = NOW + timedelta(days=1)
    assert ledger.suppressions.record("news", [_known(Left.UNSUBSCRIBED, at=later, seen=later)]) == 0
    assert ledger.suppressions.record("news", [_known(Left.COMPLAINT, at=later, seen=later)]) == 1
    row = ledger.suppressions.table("news").to_pylist()[0]
    assert (row["left"], row["origin"], row["at"]) == ("complaint", "provider", later)


def _targets(ledger: Ledger) -> None:
    loyal = Target(kind=TargetKind.SEGMENT, name="loyal", title="Loyal")
    theirs = Target(kind=TargetKind.SEGMENT, name="theirs", title="Theirs")
    ledger.targets.expect("news", [loyal], is_owned=True)
    ledger.targets.expect("news", [theirs], is_owned=False)
    ledger.targets.record("news", {loyal: "r1", theirs: "r2"})


def _member(kind: str, target: str) -> Sending:
    return Sending(
        change_id=kind + target, content_hash=kind + target, kind=kind, target=target, customer_id="c1",
        address="a@shop.example",
    )  # fmt: skip


def test_who_was_in_a_list_that_is_not_ours_is_never_ours(ledger: Ledger) -> None:
    _targets(ledger)
    results = [
        (_member("AddMember", name), Outcome(id="AddMember" + name, state=State.NOOP)) for name in ("loyal", "theirs")
    ]
    ledger.sending.settle(_settlement(ledger), results)
    contact = ledger.contacts.of("news", ["a@shop.example"])["a@shop.example"]
    assert (contact.members, contact.foreign_members) == (frozenset({0}), frozenset({1}))


def test_gone_is_kept_as_left(ledger: Ledger) -> None:
    _targets(ledger)
    gone = Outcome(id="AddMemberloyal", state=State.REJECTED, reason=Reason.GONE)
    ledger.sending.settle(_settlement(ledger), [(_member("AddMember", "loyal"), gone)])
    assert ledger.contacts.of("news", ["a@shop.example"])["a@shop.example"].state is ContactState.LEFT
    assert ledger.contacts.count("news") == 0


def test_a_position_is_never_given_twice(ledger: Ledger) -> None:
    _targets(ledger)
    target = ledger.targets.of("news")[TargetKind.SEGMENT, "theirs"].target
    ledger.targets.renew("news", target)
    known = ledger.targets.of("news")[TargetKind.SEGMENT, "theirs"]
    assert (known.position, known.ref, known.is_owned) == (2, None, True)


def test_a_rejection_holds_until_its_time_or_another_version(ledger: Ledger) -> None:
    later = Outcome(id="1", state=State.REJECTED, reason=Reason.TRY_LATER, wait=60.0)
    ledger.sending.settle(_settlement(ledger), [(_suppress(), later)])
    assert ledger.rejections.held("news", "1", NOW) == {"h"}
    assert ledger.rejections.held("news", "1", NOW + timedelta(seconds=60)) == frozenset()
    assert ledger.rejections.held("news", "2", NOW) == frozenset()
    assert ledger.rejections.forgive("news") == 1


def test_whatever_a_provider_says_of_a_refusal_can_be_kept(ledger: Ledger) -> None:
    refused = Outcome(id="1", state=State.REJECTED, reason=Reason.OTHER, words="nul \x00, half \ud800, 'quote' é")
    ledger.sending.settle(_settlement(ledger), [(_suppress(), refused)])
    assert ledger.rejections.of("news")[0].words == "nul \ufffd, half ?, 'quote' é"


def test_writers_take_turns(home: Home) -> None:
    def moves(ledger: Ledger) -> None:
        for number in range(20):
            ledger.targets.expect("news", [Target(kind=TargetKind.SEGMENT, name=str(number), title="t")], is_owned=True)

    with home.open() as one, home.open() as two:
        threads = [threading.Thread(target=moves, args=[ledger]) for ledger in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert one.version() == 40
        assert sorted(at.position for at in one.targets.of("news").values()) == list(range(20))


def test_who_waits_too_long_for_another_writer_says_so(home: Home) -> None:
    with connect(home.url, home.client) as one, connect(home.url, home.client, patience=0.01) as two:
        with one.write() as connection:
            connection.execute(sa.delete(schema.cursors))
            with pytest.raises(LedgerUnavailable, match="another program"):
                Ledger(two, home.client).cursors.save("news", "events", "7")
        Ledger(two, home.client).cursors.save("news", "events", "7")


def test_a_plans_own_moves_are_no_moves(ledger: Ledger) -> None:
    base = ledger.version()
    ledger.sending.begin("news", [_suppress()], at=NOW, plan="mine")
    ledger.sending.withdraw("news", ["1"], plan="mine")
    assert ledger.version() == base + 2
    assert ledger.is_current(base, "mine")
    assert not ledger.is_current(base, "other")
    ledger.sending.begin("news", [_suppress()], at=NOW, plan="other")
    assert not ledger.is_current(base, "mine")


def test_history_remembers_the_last_shop_that_went_well(ledger: Ledger) -> None:
    run = Run(command="run", started_at=NOW, now=NOW, config_hash="h", summary={})
    first, second = ledger.runs.begin(run), ledger.runs.begin(run)
    ledger.runs.end(first, summary={"a": 1}, exit_code=0, shop={"rows": 10, "newest": NOW, "fingerprint": "f"})
    ledger.runs.end(second, summary={}, exit_code=3, shop={"rows": 2, "newest": NOW, "fingerprint": "g"})
    last = ledger.runs.last_shop()
    assert last is not None
    assert (last.rows, last.newest, last.summary) == (10, NOW, {"a": 1})
    assert [one.id for one in ledger.runs.last()] == [second, first]


def test_a_database_error_shows_no_address(ledger: Ledger) -> None:
    ledger.codes.reserve([_code(1, "someone@shop.example")])
    with pytest.raises(LedgerError) as caught:
        ledger.codes.reserve([_code(2, "someone@shop.example")])
    assert "@" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_suppress_of_ours_may_read_back_under_another_name(ledger: Ledger) -> None:
    ledger.sending.settle(_settlement(ledger), [(_suppress(), Outcome(id="1", state=State.APPLIED))])
    later = NOW + timedelta(days=2)
    assert ledger.suppressions.record("news", [_known(Left.OTHER, at=later, seen=later)]) == 0
    row = ledger.suppressions.table("news").to_pylist()[0]
    assert (row["left"], row["origin"], row["at"]) == ("unsubscribed", "ours", NOW)


def test_a_complaint_is_not_forgotten_for_a_lighter_reason(ledger: Ledger) -> None:
    later = NOW + timedelta(days=2)
    both = [_known(Left.COMPLAINT, at=NOW), _known(Left.UNSUBSCRIBED, at=later)]
    for found in (both, list(reversed(both)), [_known(Left.UNSUBSCRIBED, at=later)]):
        ledger.suppressions.record("news", found)
        row = ledger.suppressions.table("news").to_pylist()[0]
        assert (row["left"], row["at"]) == ("complaint", NOW)


def test_a_newer_ledger_is_not_opened(home: Home) -> None:
    with connect(home.url, home.client) as store, store.write() as connection:
        newer = sa.update(schema.meta).where(schema.meta.c.key == "schema_version").values(value="99")
        connection.execute(newer)
    for is_readonly in (True, False):
        with pytest.raises(ConfigError, match="schema version 99"):
            home.open(is_readonly=is_readonly)


def test_what_is_taken_from_somebody_unknown_makes_no_contact(ledger: Ledger) -> None:
    _targets(ledger)
    done = [
        (_member("RemoveMember", "loyal"), Outcome(id="RemoveMemberloyal", state=State.APPLIED)),
        (_member("ClearTraits", "contacts"), Outcome(id="ClearTraitscontacts", state=State.APPLIED)),
    ]
    ledger.sending.settle(_settlement(ledger), done)
    assert ledger.contacts.of("news", ["a@shop.example"]) == {}
