"""Reads: offset pages, contacts a few or all, and the two incremental reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter

from connectors.answers import Json, figures, instant, record, rows, stamp
from connectors.http import Http
from connectors.mailchimp.events import PEOPLE, STREAMS, Stream
from connectors.mailchimp.wire import GONE, LEFT, subscriber
from connectors.sweeps import Course, Part, Place, Slice, among, offsets, spoken, sweep
from connectors.types import Cursor, EngagementEvent, EventKind, Left, Page, Ref, Suppression, normal

_OVERLAP = 50  # records read again on the next page: pages shift while contacts come and go
_FEW = 25  # contacts asked for one by one; more are read as a list
_AGAIN = timedelta(hours=1)  # of every `since`: late rows, and a clock that is not ours
_HORIZON = timedelta(days=90)  # campaigns older than this bring nothing that matters
_FRESH = timedelta(days=3)  # read at every pull; older ones when a total moved, and once a day
_DAY = timedelta(days=1)
_EVERYONE = {"include_cleaned": "true", "include_transactional": "true", "include_unsubscribed": "true"}
_COMPLAINTS = "abuse"
stamped = partial(stamp, zone="+00:00")  # as Mailchimp's filters read an instant
_REPORT = (
    "id", "list_id", "subject_line", "send_time", "emails_sent", "abuse_reports", "unsubscribed", "bounces", "opens",
    "clicks",
)  # fmt: skip
_KEYS = frozenset({"id", "tag"})
_IDS = ("id", "email_id", "email_address", "tag")


def pages(
    http: Http, path: str, fields: Collection[str] = (), *, key: str = "", start: Place | None = None, **asked: Place
) -> Iterator[Slice]:
    """All pages of a list from `start` on, with these fields of its records (none named: all).

    `key`: what the answer calls the list, where its path does not end so. Among what is `asked`, `count` is the size of a
    page, a thousand where it is not said; 0: the list has no pages, and is told whole.
    """
    key = key or path.rpartition("/")[2].replace("-", "_")
    count, names = asked.pop("count", 1000), [f"{key}.{name}" for name in fields]
    asked |= {"fields": ",".join([*names, "total_items"])} if names else {}

    def ask(offset: int) -> tuple[Sequence[Json], int | None]:
        place = {"count": count, "offset": offset} if count else {}
        answer = http("GET", path, params=asked | place).json()
        return rows(answer, key, holding=_KEYS.intersection(fields)), answer.get("total_items")

    return offsets(ask, start=int(start or 0), overlap=_OVERLAP, name=_identity)


def _identity(entry: Json) -> object:
    return next((entry[name] for name in _IDS if name in entry), None)


def every(http: Http, path: str, *fields: str, **params: str) -> Iterator[Json]:
    """All records of a list, with these of their fields."""
    return (entry for entries, _ in pages(http, path, fields, **params) for entry in entries)


def some(http: Http, path: str, ids: Collection[Ref], fields: Sequence[str], *, few: int) -> dict[Ref, Json]:
    """Those records of a list that are there, with these of their fields: up to `few` one by one, more out of the list."""

    def one(ref: Ref) -> Json | None:
        found = http.look(f"{path}/{ref}", params={"fields": ",".join(fields)})
        return None if found is None else record(found.json(), "id")

    return among(ids, one, pages(http, path, fields), itemgetter("id"), few=few)


# contacts
def where(ref: Ref) -> tuple[str, Mapping[str, str]]:
    """Where the members of an audience or of a segment are read; a segment leaves out the unsubscribed unless asked."""
    audience, _, segment = ref.partition("/")
    path = f"/lists/{audience}/segments/{segment}/members" if segment else f"/lists/{audience}/members"
    return path, _EVERYONE if segment else {}


def contacts(http: Http, audience: str, emails: Iterable[str], *fields: str) -> dict[str, Json]:
    """These contacts by address, with id, status and these fields: a handful one by one, more out of everyone's list."""
    wanted = {subscriber(email): email for email in emails}
    found = some(http, f"/lists/{audience}/members", wanted, ("id", "status", *fields), few=_FEW)
    return {wanted[ref]: entry for ref, entry in found.items()}


def present(http: Http, ref: Ref) -> set[str]:
    """The subscriber ids in an audience or a segment."""
    path, params = where(ref)
    return {entry["id"] for entry in every(http, path, "id", **params)}


def standing(http: Http, ref: Ref, emails: Iterable[str]) -> dict[str, bool]:
    """By address: in the segment or not; absent when not a contact (any more)."""
    audience, _, segment = ref.partition("/")
    found = contacts(http, audience, emails, "tags_count", "tags")
    entries = {email: entry for email, entry in found.items() if entry["status"] != GONE}
    if any(len(entry.get("tags", ())) != entry.get("tags_count", -1) for entry in entries.values()):  # fifty at most
        within = present(http, ref)
        return {email: entry["id"] in within for email, entry in entries.items()}
    return {email: any(str(tag.get("id")) == segment for tag in entry["tags"]) for email, entry in entries.items()}


# incremental reads
def suppressions(http: Http, audience: str, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
    """Who left, by status, and who complained."""
    courses = [Course(name=name, read=partial(_leavers, http, audience, name)) for name in (*LEFT, _COMPLAINTS)]
    return sweep(courses, since, now, overlap=_AGAIN)


def _leavers(
    http: Http, audience: str, name: str, since: datetime | None, start: Place | None
) -> Iterator[Part[Suppression]]:
    """The contacts of one status; or the complaints, which cannot be asked for by time, and name a report of their own."""
    path, ref, time, params = "abuse-reports", "email_id", "date", dict[str, str]()
    if name in LEFT:
        path, ref, time = "members", "id", "last_changed"
        params = {"status": name, "sort_field": time, "sort_dir": "ASC"}
        params |= {"since_last_changed": stamped(since)} if since else {}
    left, fields = LEFT.get(name, Left.COMPLAINT), dict.fromkeys(("id", ref, "email_address", time))
    for entries, following in pages(http, f"/lists/{audience}/{path}", fields, start=start, **params):
        who = [(normal(str(entry["email_address"])), instant(entry.get(time)), entry.get(ref)) for entry in entries]
        found = [Suppression(email=email, left=left, at=at, ref=contact) for email, at, contact in who]
        yield Part(items=found, following=following, times=[at for _, at, _ in who])


def engagement(http: Http, audience: str, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
    """Reports of the audience's campaigns, oldest first; campaigns that are too old leave the cursor."""
    known = every(http, "/reports", *_REPORT, since_send_time=stamped(now - _HORIZON))
    ours = [record(report, "send_time") for report in known if report.get("list_id") == audience]
    sent = [(instant(report["send_time"]) or now, str(report["id"]), report) for report in ours]
    courses = [
        Course(
            name=f"{ref}/{stream.path}",
            read=partial(_acts, http, report, stream),
            figure=figures(report, {stream: stream.figures}).get(stream),
            every=(timedelta(0) if now - at < _FRESH else _DAY) if stream.since else None,
        )
        for at, ref, report in sorted(sent, key=itemgetter(0, 1))
        for stream in STREAMS
    ]
    return spoken(sweep(courses, since, now, overlap=_AGAIN))


def _acts(
    http: Http, report: Json, stream: Stream, since: datetime | None, start: Place | None
) -> Iterator[Part[EngagementEvent]]:
    params = {"since": stamped(since)} if since and stream.since else {}
    path = f"/reports/{report['id']}/{stream.path}"
    for entries, following in pages(http, path, key=stream.key, start=start, count=stream.count, **params):
        found = [event for entry in entries for event in stream.events(report, entry)]
        yield Part(items=found, following=following, times=[event.happened_at for event in found])


def totals(http: Http, campaigns: Collection[str]) -> dict[str, Mapping[EventKind, int]]:
    """People by kind, of those of the campaigns that have a report: a page of a thousand reports is one call."""
    reports = some(http, "/reports", campaigns, _REPORT, few=1)
    return {campaign: figures(report, PEOPLE) for campaign, report in reports.items()}
