"""Changes on their way are kept a call a row: nothing of them is lost, whatever part of a call ends first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.types import Outcome, State, Target, TargetKind
from engine.ledger import Ledger, batches
from engine.ledger.accounts import KnownTarget
from engine.ledger.contacts import Contact, ContactState
from engine.ledger.outcomes import Known, Sending, known_after
from engine.ledger.packing import pack_fields, scalar, unpack_fields
from engine.ledger.sending import Settlement

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
NAMES = st.text("abcdefgh_", min_size=1, max_size=5)
SCALARS = st.one_of(st.text(max_size=5), st.floats(0, 9)).map(scalar)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.open("sqlite://", "client") as opened:
        yield opened


def _change(number: int, **about: Any) -> Sending:
    digest = f"{number:032x}"
    given = {"kind": "AddMember", "target": "loyal", "fields": {}, **about}
    return Sending(
        change_id=digest[-24:],
        content_hash=digest,
        customer_id=f"c{number}",
        address=f"p{number}@shop.example",
        **given,
    )


@st.composite
def _changes(draw: st.DrawFn) -> Sending:
    fields = draw(st.dictionaries(NAMES, SCALARS, max_size=3))
    return Sending(
        change_id=draw(st.text("0123456789abcdef", min_size=24, max_size=24)),
        content_hash=draw(st.text("0123456789abcdef", min_size=32, max_size=32)),
        kind="AddContact",
        target="contacts",
        customer_id=draw(st.text("abcé\U0001f600'\"", max_size=6)),
        address=draw(st.text("abcé@.'\"", max_size=12)),
        fields=fields,
        defaults=frozenset(draw(st.sets(st.sampled_from(sorted(fields)))) if fields else ()),
        status=draw(st.sampled_from([None, "subscribed", "never"])),
    )


@given(st.lists(_changes(), min_size=1, max_size=6))
@settings(deadline=None)
def test_what_is_packed_reads_back(changes: list[Sending]) -> None:
    row = {
        "kind": "AddContact", "target": "contacts", "state": "pending", "job": "j", "plan": "p", "started_at": NOW,
        "changes": batches.pack(changes),
    }  # fmt: skip
    expected = [one._replace(job="j", plan="p", started_at=NOW, is_pending=True) for one in changes]
    assert batches.unpack(row) == expected


def test_an_id_that_begins_its_hash_is_not_kept_twice() -> None:
    change = _change(1)._replace(change_id="0" * 24)
    assert b'"id"' not in batches.pack([change])
    assert b'"id"' in batches.pack([change._replace(change_id="f" * 24)])


@pytest.mark.parametrize(
    "payload",
    [
        '{"status": "subscribed", "defaults": ["a"], "fields": {"a": "\\"x\\"", "b": "1"}}',
        'subscribed\x1fa\x1fa\x1f"x"\x1fb\x1f1',
    ],
    ids=["version 1", "version 2"],
)
def test_a_row_a_change_of_an_older_ledger_becomes_a_row_a_call(payload: str) -> None:
    shared: dict[str, Any] = {
        "destination": "news",
        "kind": "AddContact",
        "target": "contacts",
        "state": "sending",
        "job": None,
    }
    shared |= {"plan": "p", "started_at": NOW}
    old = [
        {**shared, "change_id": f"{n:024x}", "content_hash": f"{n:032x}", "customer_id": "c", "address": "a@b.example"}
        | {"target_kind": "contacts", "payload": payload}
        for n in range(3)
    ]
    (row,) = batches.converted(old)
    found = batches.unpack(row)
    assert [one.change_id for one in found] == [one["change_id"] for one in old]
    assert {(one.status, one.defaults, one.fields["a"], one.fields["b"]) for one in found} == {
        ("subscribed", frozenset({"a"}), '"x"', "1")
    }


def _states(ledger: Ledger) -> dict[str, tuple[bool, str | None]]:
    return {one.customer_id: (one.is_pending, one.job) for one in ledger.sending.of("news")}


def test_a_part_of_a_call_may_wait_while_the_rest_is_unknown(ledger: Ledger) -> None:
    changes = [_change(number) for number in range(4)]
    ledger.sending.begin("news", changes[:3], changes[3:], at=NOW)
    ledger.sending.wait("news", {changes[0].change_id: "j1", changes[1].change_id: "j2", changes[3].change_id: "j2"})
    assert _states(ledger) == {"c0": (True, "j1"), "c1": (True, "j2"), "c2": (False, None), "c3": (True, "j2")}
    ledger.sending.lose("news", [changes[1].change_id])
    assert _states(ledger)["c1"] == (False, None)
    assert {one.started_at for one in ledger.sending.of("news")} == {NOW}


def test_what_is_settled_leaves_and_what_is_beside_it_stays(ledger: Ledger) -> None:
    changes = [_change(number, kind="AddContact", target="contacts") for number in range(3)]
    ledger.sending.begin("news", changes, at=NOW)
    settlement = Settlement(destination="news", at=NOW, version="1", targets={})
    ledger.sending.settle(settlement, [(changes[1], Outcome(id=changes[1].change_id, state=State.APPLIED))])
    assert set(_states(ledger)) == {"c0", "c2"}
    assert set(ledger.contacts.of("news", [one.address for one in changes])) == {"p1@shop.example"}
    ledger.sending.withdraw("news", [changes[0].change_id, changes[2].change_id])
    assert ledger.sending.of("news") == []


def test_a_change_that_leaves_anew_is_on_its_way_once(ledger: Ledger) -> None:
    first, second = _change(1), _change(2)
    ledger.sending.begin("news", [first, second], at=NOW)
    ledger.sending.wait("news", {first.change_id: "j"})
    back = first._replace(kind="RemoveMember", content_hash="other")
    ledger.sending.begin("news", [back], at=NOW + timedelta(hours=1))
    found = {one.customer_id: one for one in ledger.sending.of("news")}
    assert len(ledger.sending.of("news")) == len(found)
    assert (found["c1"].kind, found["c1"].job, found["c1"].content_hash) == ("RemoveMember", None, "other")
    assert found["c2"].kind == "AddMember"


def test_what_another_process_did_to_a_call_is_seen(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/l.sqlite"
    changes = [_change(number) for number in range(3)]
    with Ledger.open(url, "client") as ours, Ledger.open(url, "client") as theirs:
        ours.sending.begin("news", changes, at=NOW)
        theirs.sending.withdraw("news", [changes[0].change_id])
        theirs.sending.begin("news", [_change(7)], at=NOW)
        ours.sending.wait("news", {changes[0].change_id: "gone", changes[1].change_id: "j", _change(7).change_id: "j"})
        assert _states(theirs) == {"c1": (True, "j"), "c2": (False, None), "c7": (True, "j")}


def test_a_transaction_that_failed_is_not_remembered(ledger: Ledger) -> None:
    changes = [_change(number) for number in range(2)]
    ledger.sending.begin("news", changes, at=NOW)
    broken = Settlement(destination="news", at=NOW, version="1", targets={})
    lacks_target = [(change, Outcome(id=change.change_id, state=State.APPLIED)) for change in changes]
    with pytest.raises(KeyError):
        ledger.sending.settle(broken, lacks_target)
    assert set(_states(ledger)) == {"c0", "c1"}
    ledger.sending.withdraw("news", [changes[0].change_id])
    assert set(_states(ledger)) == {"c1"}


FIELDS = st.dictionaries(st.integers(0, 6), SCALARS, max_size=4)


def _known(positions: range) -> Known:
    targets = {str(at): Target(kind=TargetKind.FIELD, name=str(at), title=str(at)) for at in positions}
    return Known(
        {
            name: KnownTarget(target=target, position=int(name), ref=None, is_owned=True)
            for name, target in targets.items()
        }
    )


@given(FIELDS, FIELDS, st.integers(0, 7))
@settings(deadline=None)
def test_fields_set_in_place_are_those_packed_anew(before: dict[int, str], after: dict[int, str], count: int) -> None:
    change = _change(1, kind="SetTraits", target="contacts", fields={str(at): text for at, text in after.items()})
    contact = Contact(change.address, change.customer_id, ContactState.ACKNOWLEDGED, packed=pack_fields(before))
    done = Outcome(id=change.change_id, state=State.APPLIED)
    found = known_after(contact, change, done, _known(range(count)))
    expected = {**before, **{at: text for at, text in after.items() if at < count}}
    assert found == contact._replace(packed=pack_fields(expected))
    assert unpack_fields(pack_fields(expected)) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("members", frozenset({0, 9})),
        ("packed", '"x"'),
        ("ref", "r2"),
        ("customer_id", "c2"),
        ("state", ContactState.LEFT),
        ("foreign_members", frozenset({3})),
    ],
)
def test_each_part_of_a_contact_that_changed_is_written(ledger: Ledger, name: str, value: Any) -> None:
    from engine.ledger import contacts

    before = Contact("a@shop.example", "c1", ContactState.ACKNOWLEDGED, "r1", frozenset({0}), frozenset({1}), '"y"')
    other = before._replace(address="b@shop.example")
    after = before._replace(**{name: value})
    store = ledger._store
    with store.write() as connection:
        contacts.change(connection, "news", [(None, before), (None, other)])
    with store.write() as connection:
        contacts.change(connection, "news", [(before, after)])
    found = ledger.contacts.of("news", [before.address, other.address])
    assert found == {before.address: after, other.address: other}
