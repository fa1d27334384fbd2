"""Reading what is long: pages by offset, some people among many, and lists that are read on where the last reading ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import itemgetter
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from connectors.answers import Json
from connectors.types import Cursor, Page

__all__ = ["Course", "Part", "Place", "Slice", "among", "offsets", "spoken", "sweep"]

Place: TypeAlias = int | str
"""Where a page begins: an offset, an id, or the provider's own cursor."""

K = TypeVar("K")
T = TypeVar("T")


class Slice(NamedTuple):
    """One page of a list: what the pages before did not have, and where the next one begins (None: that was the last)."""

    rows: Sequence[Json]
    following: Place | None


def offsets(
    ask: Callable[[int], tuple[Sequence[Json], int | None]],
    *,
    start: int = 0,
    overlap: int = 0,
    name: Callable[[Json], object] = itemgetter("id"),
) -> Iterator[Slice]:
    """All pages of a list from `start` on, each row once; `ask` gives the rows at an offset, and how many there are in all.

    The size of a page is what the answer has, never what was asked for. Where no total is told (None), the end is an
    empty page. A page repeats up to `overlap` rows of the one before, since everybody moves up when somebody is deleted
    during the reading; `name` is what a row is known by.
    """
    place: int | None = start
    known: frozenset[object] = frozenset()
    while place is not None:
        rows, total = ask(place)
        end = place + len(rows)
        is_last = not rows or (total is not None and end >= total)
        place = None if is_last else end - min(overlap, len(rows) // 10)
        yield Slice([row for row in rows if name(row) not in known], place)
        known = frozenset(map(name, rows))


def among(
    wanted: Collection[K],
    one: Callable[[K], Json | None],
    pages: Iterable[Slice],
    name: Callable[[Json], K],
    *,
    few: int,
) -> dict[K, Json]:
    """Those of the wanted that are there, by the cheaper way: up to `few` one by one, more by reading the pages of everyone.

    Never more pages than people are wanted: whoever is left then is asked for one by one.
    """
    left, found = set(wanted), dict[K, Json]()
    for rows, following in islice(pages, len(left)) if len(left) > few else ():
        found |= {key: row for row in rows if (key := name(row)) in left}
        left -= found.keys()
        if not left or following is None:
            return found
    asked = {key: one(key) for key in wanted if key in left}
    return found | {key: row for key, row in asked.items() if row is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[T]):
    """One page of a course: what it brings, where the next one begins (None: the end), when its records changed."""

    items: Sequence[T]
    following: Place | None
    times: Iterable[datetime | None] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Course(Generic[T]):
    """One list that is read to its end; `name` is its name in the cursor.

    `read` gives its parts, at least one, from an instant on (None: all of it) and from a place on (None: its beginning).
    `figure`: the provider's own count of what is in it, which moves when there is news: while it stays the list is not
    read, but `every` so often, and one of zero is not read at all. `whole`: this often all of it is read again, for
    changes that leave no trace. `is_ordered`: its records come oldest first, so that a reading that broke off goes on
    from the newest instant; for a list whose places do not live long.
    """

    name: str
    read: Callable[[datetime | None, Place | None], Iterable[Part[T]]]
    figure: int | None = None
    every: timedelta | None = None
    whole: timedelta | None = None
    is_ordered: bool = False

    def is_due(self, last: Read | None, now: datetime) -> bool:
        """Whether there may be something that the last reading did not see."""
        if self.figure is None or last is None:
            return self.figure != 0
        is_again = self.every is not None and _is_over(last.at, self.every, now)
        return self.figure != last.figure or (self.figure > 0 and is_again)

    def is_whole(self, last: Read | None, now: datetime) -> bool:
        """Whether all of it is to be read, whatever has been seen."""
        return self.whole is not None and _is_over(last and last.whole, self.whole, now)


class Read(NamedTuple):
    """A course's last reading to the end: its figure, when (seconds), and when all of it was read."""

    figure: int | None
    at: int
    whole: int | None


class Open(NamedTuple):
    """A course on its way: the place to go on from (None: it was read to its end), the newest instant, and since when."""

    course: str
    place: Place | None
    newest: int | None
    since: int | None


def sweep(
    courses: Sequence[Course[T]], cursor: Cursor | None, now: datetime, *, overlap: timedelta
) -> Iterator[Page[T]]:
    """Every course in order, from where the cursor left off; then a last page without items.

    What is asked for begins `overlap` before the newest instant that was seen, for rows that show late and a clock that is
    not ours. An instant after `now` is not seen yet: a wrong date hides nothing that comes. A cursor that this did not
    write begins from the beginning: all is told again.
    """
    kept = _Kept.of(cursor, {course.name for course in courses})
    for course in courses[kept.first(courses) :]:
        at = kept.at if kept.at and kept.at.course == course.name else None
        if at is None and not course.is_due(kept.read.get(course.name), now):
            continue
        at = at or kept.begin(course, now, overlap)
        for part in course.read(None if at.since is None else datetime.fromtimestamp(at.since, UTC), at.place):
            seen = [int(time.timestamp()) for time in part.times if time is not None and time <= now]
            newest = max([*seen, *([] if at.newest is None else [at.newest])], default=None)
            at = at._replace(place=part.following, newest=newest)
            kept.reach(course, at, now)
            yield Page(part.items, kept.text())
    kept.at = None
    yield Page((), kept.text(), last=True)


def spoken(pages: Iterable[Page[T]]) -> Iterator[Page[T]]:
    """The pages that bring something, and the last: of a pull, an empty one would say that the provider works on it."""
    return (page for page in pages if page.items or page.last)


@dataclass(slots=True)
class _Kept:
    """What a cursor holds: the newest instant and the last reading by course, and the course that is on its way."""

    tops: dict[str, int]
    read: dict[str, Read]
    at: Open | None

    @classmethod
    def of(cls, cursor: Cursor | None, names: Collection[str]) -> _Kept:
        try:
            told = json.loads(cursor or "{}")
            tops = {name: int(top) for name, top in told["t"].items() if name in names}
            read = {name: Read(*last) for name, last in told["n"].items() if name in names}
            at = Open(*told["at"]) if told.get("at") else None
        except (ValueError, LookupError, TypeError, AttributeError):
            return cls({}, {}, None)
        return cls(tops, read, at if at and at.course in names else None)

    def text(self) -> Cursor:
        told = {"t": self.tops, "n": self.read, **({"at": self.at} if self.at else {})}
        return json.dumps(told, sort_keys=True, separators=(",", ":"))

    def first(self, courses: Sequence[Course[T]]) -> int:
        """The course that is on its way, or the one after the last that was read."""
        names = [course.name for course in courses]
        return names.index(self.at.course) + (self.at.place is None) if self.at else 0

    def begin(self, course: Course[T], now: datetime, overlap: timedelta) -> Open:
        top = self.tops.get(course.name)
        is_whole = top is None or course.is_whole(self.read.get(course.name), now)
        return Open(course.name, None, top, None if top is None or is_whole else top - int(overlap.total_seconds()))

    def reach(self, course: Course[T], at: Open, now: datetime) -> None:
        """A part was read."""
        is_end, last = at.place is None, self.read.get(course.name)
        if is_end:
            second = int(now.timestamp())
            self.read[course.name] = Read(course.figure, second, second if at.since is None else last and last.whole)
        if is_end or not course.is_ordered:
            self.at = at
        if at.newest is not None and (is_end or course.is_ordered):
            self.tops[course.name] = at.newest


def _is_over(then: int | None, period: timedelta, now: datetime) -> bool:
    """Whether the period since then has passed; a clock that was set back counts as well."""
    return then is None or not timedelta(0) <= now - datetime.fromtimestamp(then, UTC) < period
