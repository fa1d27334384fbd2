"""Klaviyo's words: pure functions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import InvalidRequest, UnexpectedResponse
from connectors.klaviyo import wire
from connectors.klaviyo.spec import PROFILE_BYTES, SPEC
from connectors.sandbox.klaviyo.shapes import clauses
from connectors.spec import cut
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    ClearTraits,
    Consent,
    ContactChange,
    Left,
    Profile,
    Reason,
    SetTraits,
    ValueKind,
)

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.mark.parametrize(
    ("kind", "value", "fitted"),
    [
        (ValueKind.TEXT, "Crème brûlée", "Crème brûlée"),
        (ValueKind.TEXT, "e\u0301", "é"),
        (ValueKind.TEXT, "", ""),
        (ValueKind.TEXT, "a\0b", Reason.INVALID_VALUE),
        (ValueKind.TEXT, 5, Reason.INVALID_VALUE),
        (ValueKind.TEXT, "é" * 60_000, Reason.TOO_LONG),
        (ValueKind.URL, "https://shop.example/à", "https://shop.example/à"),
        (ValueKind.NUMBER, Decimal("12.50"), 12.5),
        (ValueKind.NUMBER, Decimal("12.00"), 12),
        (ValueKind.NUMBER, True, Reason.INVALID_VALUE),
        (ValueKind.NUMBER, float("nan"), Reason.INVALID_VALUE),
        (ValueKind.NUMBER, Decimal("Infinity"), Reason.INVALID_VALUE),
        (ValueKind.BOOLEAN, False, False),
        (ValueKind.BOOLEAN, 0, Reason.INVALID_VALUE),
        (ValueKind.DATE, date(2026, 11, 22), "2026-11-22"),
        (ValueKind.DATE, "2026-11-22", Reason.INVALID_VALUE),
        (ValueKind.URL, "no address", Reason.INVALID_VALUE),
        (ValueKind.NUMBER, 2**60, Reason.INVALID_VALUE),
        (
            ValueKind.INSTANT,
            datetime(2026, 11, 22, 10, tzinfo=timezone(timedelta(hours=1))),
            "2026-11-22T09:00:00Z",
        ),
        (ValueKind.INSTANT, datetime(2026, 11, 22, 10), Reason.INVALID_VALUE),  # noqa: DTZ001 - a naive one is the case
    ],
)
def test_a_value_is_fitted_or_refused_with_the_reason(kind: ValueKind, value: object, fitted: object) -> None:
    found = SPEC.fit(kind, value)
    assert found == fitted
    assert type(found) is type(fitted)


@given(TEXT)
def test_any_text_survives_the_quoting_of_a_filter(text: str) -> None:
    (clause,) = clauses(wire.clause("equals", "name", text), {"name": ("equals",)})
    assert clause.value == text


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_any_texts_survive_the_quoting_of_a_list(texts: list[str]) -> None:
    (clause,) = clauses(wire.clause("any", "email", texts), {"email": ("any",)})
    assert clause.value == texts


@given(st.lists(st.emails(), max_size=350))
@settings(max_examples=25)
def test_addresses_are_asked_for_by_the_hundred_within_the_length_of_a_line(emails: list[str]) -> None:
    chunks = list(wire.chunks(emails))
    assert [email for chunk in chunks for email in chunk] == emails
    for chunk in chunks:
        assert 0 < len(chunk) <= 100
        assert len(quote(wire.clause("any", "email", chunk), safe="")) < 7_000 or len(chunk) == 1


def test_a_thousand_ordinary_addresses_are_ten_chunks() -> None:
    emails = [f"firstname.lastname.{number}@some-provider.example" for number in range(1_000)]
    assert [len(chunk) for chunk in wire.chunks(emails)] == [100] * 10


def test_the_next_page_is_asked_for_at_our_own_host_whatever_host_the_link_names() -> None:
    link = "http://127.0.0.1:8025/api/lists?page%5Bsize%5D=10&page%5Bcursor%5D=bmV4dA%3D%3D"
    following = wire.following({"data": [], "links": {"next": link}})
    assert following == "/lists?page%5Bsize%5D=10&page%5Bcursor%5D=bmV4dA%3D%3D"
    assert wire.following({"data": [], "links": {"self": link, "next": None}}) is None
    assert wire.following({"data": []}) is None


def _changed(number: int, kind: int, size: int) -> ContactChange:
    """A change with as little around its values as is told of it, or as much as there may be."""
    profile = Profile(f"{number}@example.com")
    if kind == 0:
        names = ("first_name", "last_name", "organization", "title", *(f"tag_{tag}" for tag in range(size % 40)))
        return ClearTraits(id=str(number), profile=profile, fields=names)
    return SetTraits(id=str(number), profile=profile, traits={"first_name": 1, "x": 'é"\\' * (size // 6), "y": size})


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 97_000)), max_size=150))
@settings(max_examples=15, deadline=None)
def test_no_body_of_an_import_is_bigger_than_its_limit_says(asked: list[tuple[int, int]]) -> None:
    changes = [_changed(number, kind, size) for number, (kind, size) in enumerate(asked)]
    limit = SPEC.carries[SetTraits]
    for part in cut(changes, limit):
        profiles = [wire.profile([change]) for change in part if not isinstance(change, AddCode)]
        related = {"relationships": {"lists": {"data": [{"type": "list", "id": "list-1"}]}}}
        records = {"profiles": {"data": profiles}}
        assert len(orjson.dumps(wire.body("profile-bulk-import-job", records, **related))) <= (limit.bytes or 0)
    assert all(len(orjson.dumps(wire.profile([change]))) <= PROFILE_BYTES for change in changes)


def test_of_several_changes_of_one_address_the_later_value_wins() -> None:
    profile = Profile("a@example.com")
    changes = [
        AddContact(id="1", profile=profile, status=Consent.SUBSCRIBED, traits={"x": 1, "y": 1}),
        SetTraits(id="2", profile=profile, traits={"x": 2}),
        ClearTraits(id="3", profile=profile, fields=("y",)),
    ]
    assert wire.profile(changes) == {
        "type": "profile",
        "attributes": {"email": "a@example.com", "properties": {"x": 2}},
        "meta": {"patch_properties": {"unset": ["y"]}},
    }
    assert wire.profile([AddMember(id="1", profile=profile)]) == {
        "type": "profile",
        "attributes": {"email": "a@example.com"},
    }


def test_a_clear_removes_the_keys_and_sends_no_null() -> None:
    change = ClearTraits(id="1", profile=Profile("a@example.com"), fields=("x", "y"))
    assert wire.profile([change]) == {
        "type": "profile",
        "attributes": {"email": "a@example.com"},
        "meta": {"patch_properties": {"unset": ["x", "y"]}},
    }


def _refused(*problems: dict[str, object], status: int = 400) -> InvalidRequest:
    return InvalidRequest("refused", body={"errors": list(problems)}, status=status)


def test_culprits_are_found_by_the_index_in_the_pointer() -> None:
    first, second = Profile("a@example.com"), Profile("b@example.com")
    sent = [[AddMember(id="1", profile=first), AddMember(id="2", profile=first)], [AddMember(id="3", profile=second)]]
    error = _refused(
        {"detail": "Invalid email address", "source": {"pointer": "/data/attributes/profiles/data/0/attributes/email"}},
        {"detail": "no", "source": {"pointer": "/data/attributes/profiles/data/1/attributes/properties/x"}},
        {"detail": "no", "source": {"pointer": "/data/attributes/profiles/data/7"}},
        {"detail": "no", "source": None},
    )
    assert wire.culprits(error, sent) == {
        "1": Reason.INVALID_ADDRESS,
        "2": Reason.INVALID_ADDRESS,
        "3": Reason.INVALID_VALUE,
    }
    assert wire.culprits(_refused({"source": {"pointer": "/data/attributes/email"}}), sent) == {}
    assert wire.culprits(InvalidRequest("refused", body="<html>", status=400), sent) == {}


def test_bad_ids_are_read_from_the_text() -> None:
    error = _refused({"detail": "Invalid profile IDs: 01GDDK, 01GDDM", "source": {"pointer": "/data/"}})
    assert wire.bad_ids(error) == {"01GDDK", "01GDDM"}
    assert wire.bad_ids(_refused({"detail": "Something else"})) == set()


def test_an_import_error_names_its_address_flat_nested_or_not_at_all() -> None:
    def item(payload: object) -> dict[str, object]:
        told = {
            "title": "Invalid input.",
            "detail": "who@example.com is bad",
            "source": {},
            "original_payload": payload,
        }
        return wire.row({"id": "1", "attributes": told})

    for payload in ({"email": "A@Example.com"}, {"type": "profile", "attributes": {"email": "A@Example.com"}}):
        named, (_, words) = wire.import_error(item(payload))
        assert named == "a@example.com"
        assert "@example" not in words
    assert not wire.import_error(item(None))[0]


def test_every_reason_of_a_suppression_is_told_with_its_time_and_unknown_ones_are_other() -> None:
    reasons = ["HARD_BOUNCE", "SPAM_COMPLAINT", "SPAM_REPORT", "UNSUBSCRIBE", "USER_SUPPRESSED", "NEW_REASON"]
    entries = [{"reason": reason, "timestamp": "2026-11-01T10:00:00+02:00"} for reason in reasons]
    marketing = {"email": {"marketing": {"suppression": entries}}}
    found = wire.suppressions({"id": "01", "email": "A@Example.com", "subscriptions": marketing})
    lefts = [Left.BOUNCED, Left.COMPLAINT, Left.COMPLAINT, Left.UNSUBSCRIBED, Left.OTHER, Left.OTHER]
    assert [entry.left for entry in found] == lefts
    assert {(entry.email, entry.at, entry.ref) for entry in found} == {
        ("a@example.com", datetime(2026, 11, 1, 8, tzinfo=UTC), "01")
    }


@pytest.mark.parametrize(
    "part", [{}, [], None, {"errors": []}, {"data": {}}, {"data": [{"type": "x"}]}, {"data": None}]
)
def test_a_collection_of_another_shape_is_an_error_not_an_empty_one(part: object) -> None:
    with pytest.raises(UnexpectedResponse):
        wire.rows(part)


def test_a_job_without_an_id_is_an_error_since_its_changes_would_be_lost() -> None:
    with pytest.raises(UnexpectedResponse):
        wire.rows({"data": [{"type": "profile-bulk-import-job"}]})


def test_a_first_name_is_the_profiles_own_and_the_rest_are_properties() -> None:
    profile = Profile("a@example.com")
    change = AddContact(
        id="1", profile=profile, status=Consent.SUBSCRIBED, traits={"first_name": "Ann", "tier": "gold"}
    )
    told = wire.profile([change])["attributes"]
    assert told == {"email": "a@example.com", "first_name": "Ann", "properties": {"tier": "gold"}}


def test_a_first_name_is_cleared_by_null_and_a_property_by_unset() -> None:
    change = ClearTraits(id="1", profile=Profile("a@example.com"), fields=("first_name", "tier"))
    told = wire.profile([change])
    assert told["attributes"] == {"email": "a@example.com", "first_name": None}
    assert told["meta"] == {"patch_properties": {"unset": ["tier"]}}
