"""Long reads: pages by offset, some people among many, and lists that are read on where the last reading ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sweeps import Course, Part, Place, Slice, among, offsets, spoken, sweep

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": number} for number in range(count)]


def paged(held: Sequence[dict[str, Any]], size: int, *, total: bool = True, **options: Any) -> Iterator[Slice]:
    return offsets(lambda at: (held[at : at + size], len(held) if total else None), **options)


# pages


@given(is_told=st.booleans(), count=st.integers(0, 70), size=st.integers(1, 30), overlap=st.integers(0, 10))
def test_every_row_comes_once_whatever_the_size_of_the_pages(
    *, is_told: bool, count: int, size: int, overlap: int
) -> None:
    pages = list(paged(rows(count), size, total=is_told, overlap=overlap))
    assert [row["id"] for page in pages for row in page.rows] == list(range(count))
    assert [page.following is None for page in pages] == [False] * (len(pages) - 1) + [True]


@given(st.data())
def test_a_reading_goes_on_from_any_place(data: st.DataObject) -> None:
    held = rows(95)
    pages = list(paged(held, 20, overlap=5))
    stop = data.draw(st.integers(0, len(pages) - 2))
    following = pages[stop].following
    assert isinstance(following, int)
    before = [row["id"] for page in pages[: stop + 1] for row in page.rows]
    rest = [row["id"] for page in paged(held, 20, overlap=5, start=following) for row in page.rows]
    assert set(before) | set(rest) == set(range(95))


def test_somebody_deleted_behind_the_reader_hides_nobody() -> None:
    held = rows(100)
    reading = paged(held, 20, overlap=2)
    found = [row["id"] for row in next(reading).rows]
    del held[:2]
    found += [row["id"] for page in reading for row in page.rows]
    assert found == list(range(100))


def test_a_list_that_tells_no_total_ends_at_an_empty_page() -> None:
    asked: list[int] = []

    def ask(at: int) -> tuple[list[dict[str, Any]], None]:
        asked.append(at)
        return rows(25)[at : at + 10], None

    assert sum(len(page.rows) for page in offsets(ask)) == 25
    assert asked == [0, 10, 20, 25]


# some among many


@dataclass
class Crowd:
    """Three hundred people, ten a page; what was asked is counted."""

    size: int = 300
    pages: int = 0
    asked: list[int] = field(default_factory=list)

    def one(self, number: int) -> dict[str, Any] | None:
        self.asked.append(number)
        return {"id": number} if number < self.size else None

    def all(self) -> Iterator[Slice]:
        for page in paged(rows(self.size), 10):
            self.pages += 1
            yield page

    def find(self, wanted: Sequence[int]) -> dict[int, Any]:
        return among(wanted, self.one, self.all(), lambda row: int(row["id"]), few=3)


def test_a_few_are_asked_for_one_by_one() -> None:
    crowd = Crowd()
    assert crowd.find([7, 250, 999]) == {7: {"id": 7}, 250: {"id": 250}}
    assert (crowd.pages, crowd.asked) == (0, [7, 250, 999])


def test_more_are_found_by_pages_that_end_with_the_last_of_them() -> None:
    crowd = Crowd()
    assert crowd.find([3, 14, 15, 26]).keys() == {3, 14, 15, 26}
    assert (crowd.pages, crowd.asked) == (3, [])


def test_no_more_pages_are_read_than_people_are_wanted() -> None:
    crowd = Crowd()
    assert crowd.find([3, 14, 150, 260, 999]).keys() == {3, 14, 150, 260}
    assert (crowd.pages, crowd.asked) == (5, [150, 260, 999])


def test_whoever_is_on_no_page_is_not_asked_for() -> None:
    crowd = Crowd(size=20)
    assert crowd.find([3, 14, 150, 999]).keys() == {3, 14}
    assert (crowd.pages, crowd.asked) == (2, [])


# courses


@dataclass
class Shelf:
    """A list of (number, hour at which it changed), ten a page; `asked` are the instants and places that were asked for."""

    held: list[tuple[int, int]] = field(default_factory=list)
    asked: list[tuple[datetime | None, Place | None]] = field(default_factory=list)

    def read(self, since: datetime | None, place: Place | None) -> Iterator[Part[int]]:
        self.asked.append((since, place))
        found = [
            {"id": one, "at": NOW + at * HOUR} for one, at in self.held if since is None or NOW + at * HOUR >= since
        ]
        for part in paged(found, 10, start=int(place or 0)):
            yield Part(
                items=[row["id"] for row in part.rows],
                following=part.following,
                times=[row["at"] for row in part.rows],
            )

    def course(self, name: str = "shelf", **options: Any) -> Course[int]:
        return Course(name=name, read=self.read, **options)


def told(*courses: Course[int], cursor: str | None = None, now: datetime = NOW) -> tuple[list[int], str]:
    pages = list(sweep(courses, cursor, now, overlap=HOUR))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert not pages[-1].items
    return [item for page in pages for item in page.items], pages[-1].cursor


def test_the_second_reading_asks_from_the_newest_on_with_an_overlap() -> None:
    shelf = Shelf([(number, -48 + number) for number in range(25)])
    first, cursor = told(shelf.course())
    assert first == list(range(25))
    assert shelf.asked == [(None, None)]
    shelf.held.append((99, -20))
    assert told(shelf.course(), cursor=cursor)[0] == [23, 24, 99]
    assert shelf.asked[1:] == [(NOW - 25 * HOUR, None)]


@given(st.data())
def test_a_sweep_goes_on_from_the_cursor_of_any_page(data: st.DataObject) -> None:
    is_ordered = data.draw(st.booleans())
    shelves = [Shelf([(100 * at + number, -48 + number) for number in range(34)]) for at in range(3)]
    courses = [shelf.course(str(at), is_ordered=is_ordered) for at, shelf in enumerate(shelves)]
    seen: set[int] = set()
    cursor: str | None = None
    is_over = False
    while not is_over:
        pages = sweep(courses, cursor, NOW, overlap=timedelta(0))
        for _ in range(data.draw(st.integers(2, 5))):
            page = next(pages)
            seen |= set(page.items)
            cursor, is_over = page.cursor, page.last
            if is_over:
                break
    assert seen == {number for shelf in shelves for number, _ in shelf.held}


def test_a_place_is_gone_on_from_under_the_question_that_it_belongs_to() -> None:
    shelf = Shelf([(number, -48 + number) for number in range(25)])
    _, cursor = told(shelf.course())
    shelf.held += [(100 + number, -10) for number in range(25)]
    page = next(sweep([shelf.course()], cursor, NOW, overlap=HOUR))
    weekly = shelf.course(whole=timedelta(days=7))
    rest, _ = told(weekly, cursor=page.cursor, now=NOW + 30 * DAY)
    assert {*page.items, *rest} == {23, 24, *range(100, 125)}
    assert shelf.asked[-2:] == [(NOW - 25 * HOUR, None), (NOW - 25 * HOUR, 10)]


def test_changes_without_a_trace_are_found_once_a_week() -> None:
    shelf = Shelf([(1, -48), (2, -30)])
    course = shelf.course(whole=timedelta(days=7))
    _, cursor = told(course)
    found, cursor = told(course, cursor=cursor, now=NOW + 6 * DAY)
    assert found == [2]
    found, cursor = told(course, cursor=cursor, now=NOW + 7 * DAY)
    assert found == [1, 2]
    assert told(course, cursor=cursor, now=NOW + 13 * DAY)[0] == [2]


def test_a_date_in_the_future_hides_nothing_that_comes() -> None:
    shelf = Shelf([(1, -48), (2, 24 * 400)])
    first, cursor = told(shelf.course())
    assert first == [1, 2]
    shelf.held.append((3, 2))
    assert 3 in told(shelf.course(), cursor=cursor, now=NOW + 3 * HOUR)[0]


def test_a_list_whose_figure_stays_is_not_read() -> None:
    shelf = Shelf([(1, -48)])
    assert told(shelf.course(figure=0)) == ([], '{"n":{},"t":{}}')
    _, cursor = told(shelf.course(figure=1))
    assert told(shelf.course(figure=1), cursor=cursor)[0] == []
    assert told(shelf.course(figure=2), cursor=cursor)[0] == [1]
    assert told(shelf.course(figure=0), cursor=cursor)[0] == [1], "what was taken away moves the figure as well"
    assert len(shelf.asked) == 3


@pytest.mark.parametrize(("hours", "is_read"), [(23, False), (24, True), (-1, True)])
def test_a_list_whose_figure_stays_is_read_every_so_often(hours: int, *, is_read: bool) -> None:
    shelf = Shelf([(1, -48)])
    course = shelf.course(figure=1, every=DAY)
    _, cursor = told(course)
    assert bool(told(course, cursor=cursor, now=NOW + hours * HOUR)[0]) is is_read


def test_an_ordered_list_goes_on_from_its_newest_instant() -> None:
    shelf = Shelf([(number, -48 + number) for number in range(25)])
    page = next(sweep([shelf.course(is_ordered=True)], None, NOW, overlap=HOUR))
    rest, _ = told(shelf.course(is_ordered=True), cursor=page.cursor)
    assert rest == list(range(8, 25))
    assert shelf.asked == [(None, None), (NOW - 40 * HOUR, None)]


@pytest.mark.parametrize(
    "cursor",
    ["", "not json", "[1]", "12", '"2026-11-23T09:00:00Z"', '{"t": 1, "n": {}}', '{"t": {"shelf": "x"}, "n": {}}', '{"at": []}', '{"t": {}, "n": {}, "at": ["shelf", 3]}'],
)  # fmt: skip
def test_any_other_cursor_begins_from_the_beginning(cursor: str) -> None:
    shelf = Shelf([(1, -48), (2, -30)])
    assert told(shelf.course(), cursor=cursor)[0] == [1, 2]


def test_a_list_that_is_no_more_leaves_the_cursor() -> None:
    one, other = Shelf([(1, -48)]), Shelf([(2, -48)])
    _, cursor = told(one.course("one"), other.course("other"))
    assert "one" in cursor
    found, cursor = told(other.course("other"), cursor=cursor)
    assert found == [2]
    assert "one" not in cursor


def test_a_pull_has_no_empty_page_but_the_last() -> None:
    shelves = [Shelf([(1, -48)]), Shelf(), Shelf([(2, -48)])]
    courses = [shelf.course(str(at)) for at, shelf in enumerate(shelves)]
    pages = list(spoken(sweep(courses, None, NOW, overlap=HOUR)))
    assert [list(page.items) for page in pages] == [[1], [2], []]
