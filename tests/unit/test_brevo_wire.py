"""Brevo's wire: our changes as its JSON, its contacts and files as our words."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from brevo_account import LOYAL
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import Json
from connectors.brevo import Brevo, wire
from connectors.brevo.events import exported
from connectors.outcomes import contacts
from connectors.spec import cut
from connectors.types import (
    AddContact,
    AddMember,
    Batch,
    ClearTraits,
    Consent,
    EventKind,
    Left,
    Precision,
    Profile,
    Reason,
    SetTraits,
    Suppress,
    ValueKind,
)

ADA, BOB, CLEO = Profile("ada@shop.test"), Profile("bob@shop.test"), Profile("cleo@shop.test")


@pytest.mark.parametrize(
    ("kind", "value", "fitted"),
    [
        (ValueKind.TEXT, " Élodie ", "Élodie"),
        (ValueKind.TEXT, "  ", Reason.INVALID_VALUE),
        (ValueKind.TEXT, None, Reason.INVALID_VALUE),
        (ValueKind.NUMBER, Decimal("12.50"), 12.5),
        (ValueKind.NUMBER, Decimal("3.00"), 3),
        (ValueKind.NUMBER, True, Reason.INVALID_VALUE),
        (ValueKind.NUMBER, math.inf, Reason.INVALID_VALUE),
        (ValueKind.NUMBER, Decimal("NaN"), Reason.INVALID_VALUE),
        (ValueKind.NUMBER, "12", Reason.INVALID_VALUE),
        (ValueKind.BOOLEAN, True, "yes"),
        (ValueKind.BOOLEAN, False, "no"),
        (ValueKind.BOOLEAN, "no", Reason.INVALID_VALUE),
        (ValueKind.DATE, date(2018, 2, 3), "2018-02-03"),
        (ValueKind.DATE, "2018-02-03", Reason.INVALID_VALUE),
        (ValueKind.INSTANT, datetime(2018, 2, 3, 1, tzinfo=timezone(timedelta(hours=2))), "2018-02-02T23:00:00Z"),
        (ValueKind.INSTANT, datetime(2018, 2, 3, 1), Reason.INVALID_VALUE),  # noqa: DTZ001 - a naive one is the point
        (ValueKind.URL, "https://shop.test/a?b=c", "https://shop.test/a?b=c"),
    ],
)
def test_a_value_is_fitted_or_refused_with_a_reason(kind: ValueKind, value: object, fitted: object) -> None:
    found = Brevo.spec.fit(kind, value)
    assert found == fitted
    assert type(found) is type(fitted)


def test_every_value_kind_has_a_type_and_no_attribute_is_a_boolean() -> None:
    assert set(Brevo.spec.fields) == set(ValueKind)
    assert {about.type for about in Brevo.spec.fields.values()} == {"text", "float", "date"}


def test_an_import_says_exactly_this() -> None:
    change = AddContact(id="1", profile=ADA, status=Consent.SUBSCRIBED, traits={"CODE": "A-1", "ITEMS": 3})
    [part] = wire.imports([change])
    assert wire.import_body(part, "76") == {
        "listIds": [76],
        "updateExistingContacts": True,
        "emptyContactsAttributes": False,
        "disableNotification": True,
        "jsonBody": [{"email": "ada@shop.test", "attributes": {"CODE": "A-1", "ITEMS": 3}}],
    }


@pytest.mark.parametrize(
    "change",
    [
        AddContact(id="1", profile=ADA, status=Consent.SUBSCRIBED),
        SetTraits(id="1", profile=ADA, traits={"A": "b"}),
        ClearTraits(id="1", profile=ADA, fields=("A",)),
        AddMember(id="1", profile=ADA),
    ],
    ids=lambda change: type(change).__name__,
)
def test_no_import_but_a_suppression_speaks_of_the_blocklist(
    change: AddContact | SetTraits | ClearTraits | AddMember,
) -> None:
    [part] = wire.imports([change])
    assert "lacklist" not in json.dumps(wire.import_body(part, "1"))


def test_a_suppression_only_ever_blocks() -> None:
    [part] = wire.imports([Suppress(id="1", profile=ADA)])
    body = wire.import_body(part, "1")
    assert body["emailBlacklist"] is True
    assert "smsBlacklist" not in body
    assert body["jsonBody"] == [{"email": "ada@shop.test"}]


def test_contacts_that_lose_different_fields_never_share_an_import() -> None:
    changes = [
        ClearTraits(id="1", profile=ADA, fields=("CODE", "UNTIL")),
        ClearTraits(id="2", profile=BOB, fields=("UNTIL", "CODE")),
        ClearTraits(id="3", profile=CLEO, fields=("FAVOURITE",)),
    ]
    bodies = [wire.import_body(part, "1") for part in wire.imports(changes)]
    assert all(body["emptyContactsAttributes"] is True for body in bodies)
    assert [[row["email"] for row in body["jsonBody"]] for body in bodies] == [
        [ADA.email, BOB.email],
        [CLEO.email],
    ]
    assert bodies[0]["jsonBody"][0]["attributes"] == {"CODE": "", "UNTIL": ""}


def test_one_address_twice_in_a_batch_is_one_record() -> None:
    changes = [
        SetTraits(id="1", profile=ADA, traits={"A": "old", "B": "kept"}),
        SetTraits(id="2", profile=ADA, traits={"A": "new"}),
    ]
    [part] = wire.imports(changes)
    assert wire.import_body(part, "1")["jsonBody"] == [{"email": ADA.email, "attributes": {"A": "new", "B": "kept"}}]


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["A", "CODE", "LONG_NAME_OF_A_FIELD"]), _texts), min_size=1))
def test_a_cut_batch_never_makes_a_body_over_the_limit(traits: list[dict[str, str]]) -> None:
    limit = Brevo.spec.carries[AddContact]
    tight = type(limit)(items=50, bytes=3000, each=limit.each)
    changes = [
        SetTraits(id=str(at), profile=Profile(f"p{at}@shop.test"), traits=held) for at, held in enumerate(traits)
    ]
    batches = [contacts(Batch(LOYAL, "1", part)) for part in cut(changes, tight)]
    for part in batches:
        [one] = wire.imports(part)
        body = json.dumps(wire.import_body(one, "123456"), ensure_ascii=False, separators=(",", ":")).encode()
        assert len(body) <= 3000 + 200 or len(part) == 1  # 200: the envelope, far below the 2 MB between 8 and 10
    assert [change.id for part in batches for change in part] == [str(at) for at in range(len(traits))]


@pytest.mark.parametrize(
    "text",
    [
        "EMAIL;ADDED_TIME\r\nAda@Shop.test;01-01-2018\r\n",
        '\ufeff"EMAIL","ADDED_TIME"\n"ada@shop.test","01-01-2018"\n',
        "ADDED_TIME\tEmail\n01-01-2018\tada@shop.test\n",
        "ada@shop.test,01-01-2018\n",
        "EMAIL\nada@shop.test\n336@mailin-sms.com\n\n",
    ],
)
def test_people_are_found_in_a_file_of_any_shape(text: str) -> None:
    assert [email for email, _ in wire.export_rows(text)] == ["ada@shop.test"]


def test_an_empty_file_holds_nobody() -> None:
    assert wire.export_rows("") == []
    assert wire.export_rows("EMAIL;ADDED_TIME\r\n") == []
    assert wire.named("", {"ada@shop.test"}) == set()


def test_refused_addresses_are_found_even_when_they_are_no_addresses() -> None:
    text = 'row;EMAIL;why\n3;"no-address";syntax\n4;BOB@shop.test;domain\n5;stranger@shop.test;x\n'
    assert wire.named(text, {"no-address", "bob@shop.test", "ada@shop.test"}) == {"no-address", "bob@shop.test"}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"contacts": {"success": ["Ada@shop.test"], "failure": ["b@shop.test"]}}, {"ada@shop.test"}),
        ({"success": ["ada@shop.test"], "failure": []}, {"ada@shop.test"}),
        ({"contacts": {"failure": ["b@shop.test"]}}, set()),
        (None, set()),
    ],
)
def test_both_shapes_of_a_list_answer_are_read(answer: object, found: set[str]) -> None:
    assert wire.succeeded(answer) == found


@pytest.mark.parametrize(
    ("limit", "reset", "is_fast"),
    [("36000", "3000", True), ("10", "1", True), ("100", "1800", False), ("600", "9", False), ("", "", False)],
)
def test_the_answer_tells_its_rate_family(limit: str, reset: str, *, is_fast: bool) -> None:
    headers = {"x-sib-ratelimit-limit": limit, "x-sib-ratelimit-reset": reset}
    assert wire.is_fast({name: value for name, value in headers.items() if value}) is is_fast


def test_who_is_blocklisted_or_left_our_list_is_suppressed_without_a_time() -> None:
    contact = {"id": 7, "email": "Ada@shop.test", "emailBlacklisted": True, "modifiedAt": "2018-01-01T00:00:00Z"}
    found = wire.suppression(contact, ())
    assert found is not None
    assert (found.email, found.left, found.at, found.ref) == ("ada@shop.test", Left.UNSUBSCRIBED, None, "7")
    mild = contact | {"emailBlacklisted": False, "listUnsubscribed": [3]}
    assert wire.suppression(mild, {3}) is not None
    assert wire.suppression(mild, {4}) is None
    assert wire.suppression(contact | {"email": "33612345678@mailin-sms.com"}, ()) is None
    assert wire.suppression(contact | {"email": None}, ()) is None


def test_an_event_id_depends_on_who_what_and_which_campaign_alone() -> None:
    sent = datetime(2018, 1, 1, tzinfo=UTC)

    def ids(action: str, campaign: int, email: str, at: datetime, row: Json) -> dict[EventKind, str]:
        return {event.kind: event.id for event in exported(action, campaign, at, email, row)}

    first = ids("openers", 1, "a@b.c", sent, {"EMAIL": "a@b.c"})
    assert ids("openers", 1, "a@b.c", sent + timedelta(days=1), {}) == first
    assert ids("nonOpeners", 1, "a@b.c", sent, {})[EventKind.SEND] == first[EventKind.SEND]
    assert ids("openers", 2, "a@b.c", sent, {}) != first
    assert ids("openers", 1, "b@b.c", sent, {}) != first
    assert (
        ids("hardBounces", 1, "a@b.c", sent, {})[EventKind.BOUNCE]
        != (ids("softBounces", 1, "a@b.c", sent, {})[EventKind.BOUNCE])
    )


def test_what_exports_tell_is_what_the_spec_reports() -> None:
    assert set(Brevo.spec.reports.values()) == {Precision.CAMPAIGN}
    assert EventKind.COMPLAINT not in Brevo.spec.reports
    assert {EventKind.OPEN, EventKind.CLICK, EventKind.UNSUBSCRIBE, EventKind.BOUNCE} <= set(Brevo.spec.reports)
