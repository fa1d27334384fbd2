"""The kit catches connectors that break the laws on reading: pages, ids, failed look-ups, engagement, webhooks, totals."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from broken import KIT, Broken, Case, label, prove

from connectors import errors
from connectors.memory import Memory
from connectors.memory.events import event
from connectors.types import (
    Cursor,
    EngagementEvent,
    EventKind,
    Fitted,
    Page,
    Profile,
    Ref,
    Suppression,
    Target,
)


class FirstMembers(Broken):
    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        for page in itertools.islice(super().members(target, ref), 1):
            yield Page(page.items, page.cursor, last=True)


class Overlapping(Broken):
    """Each page begins with the last of the one before."""

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        last: list[Profile] = []
        for page in super().members(target, ref):
            yield Page([*last, *page.items], page.cursor, page.last)
            last = [*page.items[-1:]]


class Shouting(Broken):
    """Addresses as they were typed."""

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        for page in super().members(target, ref):
            people = [dataclasses.replace(one, email=self.contacts[one.email]["spelled"]) for one in page.items]
            yield Page(people, page.cursor, page.last)


class Miscounting(Broken):
    def count(self, target: Target, ref: Ref) -> int:
        return min(100, super().count(target, ref))


class Content(Broken):
    """A page that is not full is the last."""

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        for page in super().members(target, ref):
            yield page
            if len(page.items) < 100:
                return


class Satisfied(Broken):
    """The same, of lists."""

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        answer = self._http("GET", "/lists").json()["rows"]
        known = {row["title"]: row["key"] for row in answer}
        return super().find(targets) if len(answer) >= 50 or len(known) == len(self.store["lists"]) else {}


class Resolving(Memory):
    """The reference, had its provider ids to ask for."""

    def resolve(self, profiles: Sequence[Profile]) -> Mapping[str, Ref]:
        wanted = {profile.email for profile in profiles}
        rows = (row for page in self._pages("/contacts", None) for row in page.items)
        return {row["key"]: row["ref"] for row in rows if row["key"] in wanted}


class Resolver(Broken):
    sound = Resolving

    def known(self, profiles: Sequence[Profile]) -> dict[str, Ref]:
        return {one.email: self.contacts[one.email]["ref"] for one in profiles if one.email in self.contacts}


class OnePage(Resolver):
    """A look-up brings twenty at a time, and is asked once."""

    def resolve(self, profiles: Sequence[Profile]) -> Mapping[str, Ref]:
        return self.known(profiles[:21])


class InOrder(Resolver):
    """Ids are matched by place."""

    def resolve(self, profiles: Sequence[Profile]) -> Mapping[str, Ref]:
        found = self.known(profiles)
        return dict(zip(found, reversed(found.values()), strict=True))


class Welcoming(Resolver):
    """A stranger gets an id."""

    def resolve(self, profiles: Sequence[Profile]) -> Mapping[str, Ref]:
        return dict.fromkeys((one.email for one in profiles), "new") | self.known(profiles)


class HalfRead(Broken):
    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]:
        return dict(itertools.islice(super().traits(profiles).items(), 100))


class Mixing(Broken):
    """Values are matched by place."""

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]:
        found = super().traits(profiles)
        return dict(zip(found, reversed(found.values()), strict=True))


class Hopeful(Broken):
    """Whatever cannot be looked up is not there."""

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        try:
            return super().find(targets)
        except errors.ConnectorError:
            return {}


class Choking(Broken):
    """Half an answer is an error of its own."""

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        try:
            return super().find(targets)
        except errors.UnexpectedResponse:
            return dict.fromkeys(targets, None)  # type: ignore[arg-type]  # what no contract allows


class Stubborn(Broken):
    """It asks again and again."""

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        wanted = list(targets)
        try:
            return super().find(wanted)
        except errors.ConnectorError:
            return super().find(wanted)


class Careless(Broken):
    """Nobody left, as far as it can tell."""

    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
        try:
            yield from super().suppressions(since, now)
        except errors.ConnectorError:
            yield Page([], "0", last=True)


class Renaming(Broken):
    """An event's id has the place at which it was read."""

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        for page in super().pull(since, now):
            items = [dataclasses.replace(one, id=f"{one.id}:{since}") for one in page.items]
            yield Page(items, page.cursor, page.last)


class Jumping(Broken):
    """The cursor of a page is behind the next one."""

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        for page in super().pull(since, now):
            yield Page(page.items, page.cursor if page.last else str(int(page.cursor) + 100), page.last)


class Hasty(Broken):
    """What is dated ahead is passed over, for ever."""

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        for page in super().pull(since, now):
            yield Page([one for one in page.items if one.happened_at <= now], page.cursor, page.last)


class Racing(Broken):
    """The cursor is the latest time that it saw."""

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        start = datetime.fromisoformat(since) if since else now - timedelta(days=90)
        found = [one for page in super().pull(None, now) for one in page.items if one.happened_at >= start]
        yield Page(found, max((one.happened_at for one in found), default=start).isoformat(), last=True)


class Deaf(Broken):
    """What it has no word for did not happen."""

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        for page in super().pull(since, now):
            yield Page([one for one in page.items if one.kind is not EventKind.OTHER], page.cursor, page.last)


class Calling(Broken):
    """What it has no word for was an open."""

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        for page in super().pull(since, now):
            items = [
                dataclasses.replace(one, kind=EventKind.OPEN) if one.kind is EventKind.OTHER else one
                for one in page.items
            ]
            yield Page(items, page.cursor, page.last)


class Wordless(Broken):
    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        for page in super().pull(since, now):
            items = [dataclasses.replace(one, raw="{}") if one.kind is EventKind.OTHER else one for one in page.items]
            yield Page(items, page.cursor, page.last)


class Adding(Broken):
    """Each open counts."""

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[EventKind, int]]:
        opens = sum(row["type"] == "opened" for row in self.store["events"].values())
        return {name: {**found, EventKind.OPEN: opens} for name, found in super().totals(campaigns).items()}


class Imagining(Broken):
    """A campaign that nobody knows was read by nobody."""

    def totals(self, campaigns: Sequence[str]) -> Mapping[str, Mapping[EventKind, int]]:
        return {name: {EventKind.OPEN: 0} for name in campaigns} | dict(super().totals(campaigns))


class Absent(Broken):
    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]:
        return super().parse(headers, body, now)[1:]


class Believing(Broken):
    """Who knocks may come in."""

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]:
        import json

        try:
            return super().parse(headers, body, now)
        except errors.Unauthorized:
            return [event(row) for row in json.loads(body)]


class Patient(Broken):
    """A signature is good for ever."""

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]:
        moment = headers.get("x-memory-time")
        return super().parse(headers, body, datetime.fromtimestamp(float(moment), now.tzinfo) if moment else now)


SHORT = KIT.test_short_pages_lose_nothing
READ = KIT.test_members_are_read_to_the_last_page
CASES: list[Case] = [
    *[(cls, READ, {}) for cls in (FirstMembers, Overlapping, Shouting, Miscounting)],
    *[(cls, SHORT, {}) for cls in (Content, Satisfied)],
    *[(cls, KIT.test_ids_are_found_for_more_than_a_page, {}) for cls in (OnePage, InOrder, Welcoming)],
    *[(cls, KIT.test_values_are_read_back, {}) for cls in (HalfRead, Mixing)],
    *[
        (cls, KIT.test_a_failed_look_up_is_no_absence, {"outage": "unavailable"})
        for cls in (Hopeful, Careless, Stubborn)
    ],
    (Choking, KIT.test_a_failed_look_up_is_no_absence, {"outage": "truncated"}),
    *[(cls, KIT.test_a_pull_resumes_at_any_page, {}) for cls in (Renaming, Jumping)],
    *[(cls, KIT.test_an_event_of_the_future_survives, {}) for cls in (Hasty, Racing)],
    *[(cls, KIT.test_an_unknown_event_is_other_and_keeps_its_words, {}) for cls in (Deaf, Calling, Wordless)],
    *[(cls, KIT.test_totals_count_people, {}) for cls in (Adding, Imagining)],
    (Absent, KIT.test_what_is_posted_is_read, {}),
    *[(cls, KIT.test_only_what_is_signed_is_believed, {}) for cls in (Believing, Patient)],
]


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_broken_connector_fails_its_law(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    prove(case, caplog)


def test_every_broken_connector_is_tried() -> None:
    here = {cls for cls in [*Broken.__subclasses__(), *Resolver.__subclasses__()] if cls.__module__ == __name__}
    assert {case[0] for case in CASES} == here - {Resolver}
