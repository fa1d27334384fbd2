"""Ours ⇄ Mailchimp's JSON, as pure functions."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import mailchimp
from connectors.errors import UnexpectedResponse
from connectors.mailchimp import wire
from connectors.mailchimp.spec import SPEC
from connectors.types import ClearTraits, Outcome, Profile, Reason, SetTraits, State, Suppress, ValueKind

ANN = Profile("ann@example.com")


@pytest.mark.parametrize(
    ("kind", "value", "fitted"),
    [
        (ValueKind.TEXT, " Été ", "Été"),
        (ValueKind.TEXT, "é" * 128, Reason.TOO_LONG),
        (ValueKind.TEXT, "é" * 127, "é" * 127),
        (ValueKind.NUMBER, Decimal("12.50"), 12.5),
        (ValueKind.NUMBER, Decimal("12.00"), 12),
        (ValueKind.NUMBER, Decimal("NaN"), Reason.INVALID_VALUE),
        (ValueKind.NUMBER, True, Reason.INVALID_VALUE),
        (ValueKind.NUMBER, "12", Reason.INVALID_VALUE),
        (ValueKind.BOOLEAN, True, "true"),
        (ValueKind.BOOLEAN, 1, Reason.INVALID_VALUE),
        (ValueKind.DATE, date(2018, 1, 2), "2018-01-02"),
        (ValueKind.DATE, "2018-01-02", Reason.INVALID_VALUE),
        (ValueKind.INSTANT, datetime(2018, 1, 1, 10, tzinfo=timezone(timedelta(hours=1))), "2018-01-01T09:00:00Z"),
        (ValueKind.INSTANT, datetime(2018, 1, 1, 10), Reason.INVALID_VALUE),  # noqa: DTZ001 - the mistake to be refused
        (ValueKind.URL, "https://shop.example/a?b=c", "https://shop.example/a?b=c"),
        (ValueKind.URL, "javascript:alert(1)", Reason.INVALID_VALUE),
    ],
)
def test_a_value_is_fitted_or_refused(kind: ValueKind, value: object, fitted: object) -> None:
    assert SPEC.fit(kind, value) == fitted


@given(
    st.sampled_from(ValueKind),
    st.one_of(st.text(), st.integers(), st.decimals(), st.dates(), st.datetimes(), st.booleans()),
)
def test_what_is_fitted_stays_within_the_declared_field(kind: ValueKind, value: object) -> None:
    fitted = SPEC.fit(kind, value)
    if isinstance(fitted, Reason):
        return
    json.dumps(fitted, allow_nan=False)
    limit = SPEC.fields[kind].max_bytes
    assert limit is None or len(str(fitted).encode()) <= limit
    if kind in {ValueKind.TEXT, ValueKind.URL}:
        assert SPEC.fit(kind, fitted) == fitted


def test_a_member_is_known_by_the_trimmed_lower_case_address() -> None:
    assert wire.subscriber(" Ann@Example.COM ") == "257c57037d384ae37ea27a07e8a01665"


def test_an_operation_is_a_patch_with_a_string_body() -> None:
    change = SetTraits(id="c1", profile=Profile("Ann@example.com"), traits={"FNAME": "Zoé"})
    operation = wire.operation("aud", change)
    assert operation["method"] == "PATCH"
    assert operation["path"] == f"/lists/aud/members/{wire.subscriber('ann@example.com')}"
    assert operation["operation_id"] == "c1"
    assert json.loads(operation["body"]) == {"merge_fields": {"FNAME": "Zoé"}}
    known = SetTraits(id="c1", profile=Profile("Ann@example.com", "5e2d"), traits={"FNAME": "Zoé"})
    assert wire.operation("aud", known) == {**operation, "path": "/lists/aud/members/5e2d"}
    suppress = wire.operation("aud", Suppress(id="c2", profile=Profile("ann@example.com")))
    assert json.loads(suppress["body"]) == {"status": "unsubscribed"}


@pytest.mark.parametrize(
    ("status", "response", "state", "reason"),
    [
        (200, {"status": "subscribed", "merge_fields": {"FNAME": "A"}}, State.APPLIED, None),
        (204, "", State.APPLIED, None),
        (200, {"status": "archived", "merge_fields": {"FNAME": "A"}}, State.REJECTED, Reason.GONE),
        (200, {"status": "subscribed", "merge_fields": {}}, State.REJECTED, Reason.UNKNOWN_FIELD),
        (404, {"title": "Resource Not Found"}, State.REJECTED, Reason.GONE),
        (404, {"title": "Nicht gefunden"}, State.REJECTED, Reason.GONE),
        (400, {"title": "Member In Compliance State"}, State.REJECTED, Reason.SUPPRESSED),
        (
            400,
            {"detail": "x", "errors": [{"field": "FNAME", "message": "Bitte"}]},
            State.REJECTED,
            Reason.INVALID_VALUE,
        ),
        (400, {"detail": "etwas anderes"}, State.REJECTED, Reason.OTHER),
        (429, "", State.REJECTED, Reason.TRY_LATER),
        (502, "<html>", State.REJECTED, Reason.TRY_LATER),
    ],
)
def test_an_operations_result_is_one_outcome(
    status: int, response: object, state: State, reason: Reason | None
) -> None:
    change = SetTraits(id="c", profile=Profile("ann@example.com"), traits={"FNAME": "A"})
    told = response if isinstance(response, str) else json.dumps(response)
    outcome = wire.settled(change, {"status_code": status, "operation_id": "c", "response": told})
    assert (outcome.id, outcome.state, outcome.reason) == ("c", state, reason)


@pytest.mark.parametrize(
    ("change", "shown", "reason", "words"),
    [
        (ClearTraits(id="c", profile=ANN, fields=("BORN", "CITY")), {"BORN": "", "CITY": None}, None, None),
        (ClearTraits(id="c", profile=ANN, fields=("BORN",)), {}, None, None),
        (ClearTraits(id="c", profile=ANN, fields=("BORN",)), {"BORN": "01/02"}, Reason.OTHER, "still a value in BORN"),
        (SetTraits(id="c", profile=ANN, traits={"N": 0}), {"N": 0}, None, None),
        (SetTraits(id="c", profile=ANN, traits={"N": 0}), {"X": 0}, Reason.UNKNOWN_FIELD, "no merge field N"),
        (SetTraits(id="c", profile=ANN, traits={"CITY": ""}), {"CITY": "A"}, Reason.OTHER, "still a value in CITY"),
        (SetTraits(id="c", profile=ANN, traits={"CITY": ""}), {"CITY": ""}, None, None),
    ],
)
def test_a_field_counts_as_written_or_cleared_only_where_the_answer_shows_it(
    change: ClearTraits | SetTraits, shown: dict[str, object], reason: Reason | None, words: str | None
) -> None:
    response = json.dumps({"status": "subscribed", "merge_fields": shown})
    outcome = wire.settled(change, {"status_code": 200, "operation_id": "c", "response": response})
    assert (outcome.reason, outcome.words) == (reason, words)
    assert (outcome.state is State.APPLIED) is (reason is None)


def test_a_suppression_that_did_not_take_is_no_success() -> None:
    change = Suppress(id="c", profile=Profile("ann@example.com"))
    result = {"status_code": 200, "operation_id": "c", "response": '{"status": "subscribed"}'}
    assert wire.settled(change, result).state is State.REJECTED


def archived(*files: object) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for place, told in enumerate(files):
            content = json.dumps(told).encode()
            entry = tarfile.TarInfo(f"{place}.json")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(), max_size=3), min_size=1, max_size=5))
def test_every_file_of_an_archive_is_read(files: list[list[int]]) -> None:
    told = [[{"operation_id": str(number)} for number in numbers] for numbers in files]
    found = [result["operation_id"] for result in wire.results(archived(*told))]
    assert found == [str(number) for numbers in files for number in numbers]


@pytest.mark.parametrize("told", [{}, {"operation_id": "1"}, ["1"], [None], "text", None])
def test_an_archive_of_another_shape_is_an_unexpected_response(told: object) -> None:
    with pytest.raises(UnexpectedResponse):
        list(wire.results(archived([{"operation_id": "1"}], told)))


def test_words_hold_no_address() -> None:
    change = SetTraits(id="c", profile=Profile("ann@example.com"))
    response = json.dumps({"detail": "ann@example.com is in a compliance state"})
    outcome: Outcome = wire.settled(change, {"status_code": 400, "response": response})
    assert outcome.words == "…@… is in a compliance state"
    assert outcome.reason is Reason.SUPPRESSED


def test_a_refusal_names_its_field_before_its_words() -> None:
    entry = {"email_address": "a@b.c", "error": "already a list member", "error_code": "ERROR_GENERIC", "field": "BORN"}
    change = SetTraits(id="c", profile=Profile("a@b.c"))
    assert wire.refused(change, entry).reason is Reason.INVALID_VALUE
    assert wire.refused(change, entry | {"error_code": "ERROR_CONTACT_EXISTS"}).reason is Reason.EXISTS


def test_the_readme_tells_the_declared_limits() -> None:
    readme = Path(mailchimp.__file__).with_name("README.md").read_text("utf-8")
    rows = [line.split("|") for line in readme.splitlines() if line.startswith("| `")]
    assert {row[1].strip(" `"): int(row[3]) for row in rows} == {
        kind.__name__: limit.items for kind, limit in SPEC.carries.items()
    }
