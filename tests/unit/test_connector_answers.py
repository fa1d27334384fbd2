"""Reading foreign JSON: what is there is found, and what is not is an error or None, as was asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import answers
from connectors.errors import UnexpectedResponse
from connectors.types import EventKind

NOWHERE = [None, [], "text", 5, {}, {"data": None}, {"data": {"x": {}}}, {"data": []}]


def test_a_part_is_found_however_deep_it_lies() -> None:
    assert answers.part({"data": {"links": {"next": 0}}}, "data", "links", "next") == 0
    assert answers.inner({"data": {"links": {"next": 0}}}, "data", "links", "next") == 0


@pytest.mark.parametrize("answer", NOWHERE)
def test_a_part_that_is_not_there_is_an_error_or_none_as_was_asked(answer: object) -> None:
    with pytest.raises(UnexpectedResponse, match=r"data\.id"):
        answers.part(answer, "data", "id")
    assert answers.inner(answer, "data", "id") is None


@pytest.mark.parametrize("answer", [None, [], "text", {}, {"id": None}, {"name": "x"}])
def test_an_object_without_what_it_must_hold_is_an_error(answer: object) -> None:
    with pytest.raises(UnexpectedResponse, match="id"):
        answers.record(answer, "id")


def test_an_object_with_what_it_must_hold_is_given_back() -> None:
    assert answers.record({"id": 0, "name": None}, "id") == {"id": 0, "name": None}


@pytest.mark.parametrize("answer", [*NOWHERE[:-1], {"data": {"id": 1}}, {"data": [{"name": "x"}]}, {"data": ["x"]}])
def test_a_list_of_another_shape_is_an_error_and_never_an_empty_one(answer: object) -> None:
    with pytest.raises(UnexpectedResponse):
        answers.rows(answer, "data")


def test_the_rows_of_a_list_hold_what_was_asked_of_them() -> None:
    assert answers.rows({"data": []}, "data") == []
    assert answers.rows({"a": {"b": [{"id": 1}]}}, "a", "b") == [{"id": 1}]
    assert answers.rows([{"x": 1}], holding=frozenset()) == [{"x": 1}]
    with pytest.raises(UnexpectedResponse, match="name"):
        answers.rows({"data": [{"id": 1}]}, "data", holding=frozenset({"id", "name"}))


def test_objects_are_told_as_they_came_and_nothing_else_is() -> None:
    answer = {"a": {"b": [{"id": 1}, {}]}}
    assert answers.objects(answer, "a", "b") is answer["a"]["b"]
    for other in (*NOWHERE[:-1], {"data": {}}, {"data": [{}, "x"]}, {"data": [{}, None]}):
        with pytest.raises(UnexpectedResponse):
            answers.objects(other, "data")
    with pytest.raises(UnexpectedResponse, match="objects with id, name"):
        answers.objects({"data": [{"id": 1}]}, "data", holding=frozenset({"id", "name"}))


def test_what_a_row_must_hold_is_told_by_name_and_what_it_may_hold_is_none() -> None:
    (row,) = answers.rows({"data": [{"id": 1, "name": None}]}, "data")
    assert (row["id"], row["name"], row.get("status")) == (1, None, None)
    for found in (row, answers.record({"id": 1}, "id")):
        with pytest.raises(UnexpectedResponse, match="status"):
            found["status"]


@pytest.mark.parametrize("text", [None, "", "yesterday", 5, "2026-13-01T00:00:00Z", []])
def test_what_is_no_time_is_none(text: object) -> None:
    assert answers.instant(text) is None


@pytest.mark.parametrize("text", ["2026-11-23T11:30:00+02:00", "2026-11-23T09:30:00Z", "2026-11-23 09:30:00"])
def test_an_instant_is_utc_whatever_its_offset(text: str) -> None:
    assert answers.instant(text) == datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Mon, 23 Nov 2026 09:30:00 GMT", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 09:30:00 -0000", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 11:30:00 +0200", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 25:30:00 GMT", None),
        ("2026-11-23T09:30:00Z", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_the_date_of_a_header_is_utc_or_none(text: str | None, at: datetime | None) -> None:
    assert answers.http_date(text) == at


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=-7)))))
def test_an_instant_that_is_stamped_is_read_as_it_was(at: datetime) -> None:
    assert answers.instant(answers.stamp(at, timespec="microseconds")) == at
    assert answers.stamp(at, zone="+00:00") == answers.stamp(at).replace("Z", "+00:00")
    assert answers.instant(answers.stamp(at)) == at.replace(microsecond=0)


def test_plain_values_are_told_from_what_a_merge_tag_cannot_hold() -> None:
    held = {"a": "x", "b": 0, "c": False, "d": 1.5, "e": "", "f": None, "g": [1], "h": {"x": 1}}
    assert answers.scalars(held) == {"a": "x", "b": 0, "c": False, "d": 1.5}
    assert answers.scalars(held, blank=True) == {"a": "x", "b": 0, "c": False, "d": 1.5, "e": ""}
    assert answers.scalars(None) == {}


def test_figures_are_summed_and_one_that_the_report_has_not_leaves_its_kind_out() -> None:
    table = {
        EventKind.SEND: ("sent",),
        EventKind.BOUNCE: ("bounces.hard", "bounces.soft"),
        EventKind.OPEN: ("opens.unique",),
        EventKind.CLICK: ("clicks",),
    }
    report = {"sent": "12", "bounces": {"hard": 1, "soft": 2.0}, "opens": None, "clicks": "many"}
    assert answers.figures(report, table) == {EventKind.SEND: 12, EventKind.BOUNCE: 3}
    assert answers.figures(None, table) == {}


def test_of_several_of_one_name_the_oldest_is_meant_whatever_their_order() -> None:
    found = [{"id": 3, "name": "b"}, {"id": 2, "name": "a"}, {"id": 1, "name": "b"}, {"id": 10, "name": "a"}]
    assert answers.oldest(found) == {"b": "1", "a": "2"}
    dated = [{"id": "x", "title": "t", "made": "2026"}, {"id": "y", "title": "t", "made": "2025"}]
    assert answers.oldest(dated, "title", age=lambda row: row["made"]) == {"t": "y"}
