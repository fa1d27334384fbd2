"""What became of a write: a job's own result, record by record, or what the account shows when it is read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import quote

from connectors.answers import Json, inner, instant
from connectors.http import mask
from connectors.klaviyo import wire
from connectors.klaviyo.api import CONSENT, Api
from connectors.outcomes import by_address, contacts, each, rejected, shows
from connectors.sweeps import Slice, among
from connectors.types import (
    AddCode, AddMember, Batch, Change, ContactChange, Job, Outcome, Reason, Ref, RemoveMember, State, Suppress, normal,
)  # fmt: skip

_SKEW = timedelta(minutes=1)  # between our clock and theirs
_NEWEST: wire.Query = {"sort": "-created_at", "page[size]": wire.PAGE}
_IMPORTS = "/profile-bulk-import-jobs"


def poll(api: Api, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """The outcomes of the finished jobs; a job that Klaviyo no longer knows is settled by reading back."""
    refs = {job.ref: job.ref.partition(":") for job in jobs}
    listed = _listed(api, {name for kind, _, name in refs.values() if kind in {"import", "settle"}})
    for job in jobs:
        kind, _, name = refs[job.ref]
        work = JOBS[kind]
        found = listed.get(name) or api.one(f"{work.route}/{name}", work.rate)
        if found is None or found["status"] == "cancelled":
            yield from _read_back(api, job.batch, 0)
        elif found["status"] == "complete":
            yield from work.finish(api, job.batch, found)


def _listed(api: Api, imports: set[Ref]) -> Mapping[Ref, Json]:
    """Several imports, from the account's list of them: a hundred a call, where asking for each takes a call a job."""
    pages = (Slice(wire.rows(page), wire.following(page)) for page in api.pages(_IMPORTS, "import-jobs", _NEWEST))
    return among(imports, lambda _: None, pages, itemgetter("id"), few=1)


def recall(api: Api, batch: Batch, since: datetime) -> Iterator[Outcome]:
    """Applied where the account shows it; the rest waits for a running import of that size, else nothing is told."""
    seen, rest = _seen(api, batch)
    yield from each(seen, State.APPLIED)
    if not rest or isinstance(rest[0], RemoveMember | Suppress | AddCode):
        return
    people, oldest = len(by_address(contacts(batch))), since - _SKEW
    imports = api.all(_IMPORTS, "import-jobs", _NEWEST)
    for job in takewhile(lambda job: (instant(job["created_at"]) or oldest) >= oldest, imports):
        if job["status"] in {"queued", "processing"} and job["total_count"] == people:
            yield from each(rest, State.PENDING, job=f"settle:{job['id']}")
            return


# finished jobs


def _imported(api: Api, batch: Batch, job: Json) -> Iterator[Outcome]:
    """`complete` may hold failures; those that name nobody of ours are found by reading the rest back."""
    if not job["failed_count"]:
        yield from each(batch.changes, State.APPLIED)
        return
    told = api.all(f"{_IMPORTS}/{job['id']}/import-errors", "import-errors", {"page[size]": wire.PAGE})
    failed, people, rest = dict(map(wire.import_error, told)), by_address(contacts(batch)), list[Change]()
    for email, changes in people.items():
        if email in failed:
            yield from (rejected(change, *failed[email]) for change in changes)
        else:
            rest += changes
    unnamed = job["failed_count"] - len(failed.keys() & people.keys())
    yield from _read_back(api, replace(batch, changes=rest), unnamed) if unnamed else each(rest, State.APPLIED)


def _settled(api: Api, batch: Batch, _: Json) -> Iterator[Outcome]:
    """One that may be ours is only waited for."""
    return _read_back(api, batch, 0)


def _suppressed(api: Api, batch: Batch, job: Json) -> Iterator[Outcome]:
    left = job["total_count"] - job["completed_count"]
    return _read_back(api, batch, left) if left or job["skipped_count"] else each(batch.changes, State.APPLIED)


def _stored(api: Api, batch: Batch, job: Json) -> Iterator[Outcome]:
    """Applied where the job names the code that it made; one that it did not make may have been there before."""
    failed, made = job["failed_count"], {code["id"] for code in inner(job, "related", "coupon-codes", "data") or ()}
    done = [change for change in batch.changes if not failed or _code(batch, change) in made]
    rest = [change for change in batch.changes if failed and _code(batch, change) not in made]
    yield from each(done, State.APPLIED)
    words = mask("; ".join({str(error.get("detail")): "" for error in job.get("errors") or ()}))[:200]
    refused = len(rest) if len({_code(batch, change) for change in rest}) <= failed else 0
    yield from _read_back(api, replace(batch, changes=rest), refused, there=State.NOOP, words=words)


# reading back


def _read_back(
    api: Api, batch: Batch, refused: int, *, there: State = State.APPLIED, words: str = "not found there when read back"
) -> Iterator[Outcome]:
    """As the account shows it. More missing than were refused: reads lag behind, or nobody knows."""
    seen, missing = _seen(api, batch)
    reason, wait = (Reason.OTHER, None) if len(missing) <= refused else (Reason.TRY_LATER, 0.0)
    yield from each(seen, there)
    yield from (rejected(change, reason, words, wait=wait) for change in missing)


def _seen(api: Api, batch: Batch) -> tuple[list[Change], list[Change]]:
    """The changes whose effect the account shows, and the others: one read for a hundred addresses, one for a code."""
    kinds = set(map(type, batch.changes))
    if AddCode in kinds:
        routes = {change.id: f"/coupon-codes/{quote(_code(batch, change), safe='')}" for change in batch.changes}
        done = {key for key, route in routes.items() if api.one(route, "code")}
    else:
        changes = contacts(batch)
        emails = {change.id: normal(change.profile.email) for change in changes}
        place = batch.ref if kinds & {AddMember, RemoveMember} else None
        found = dict(api.profiles(emails.values(), CONSENT, list_ref=place))
        done = {change.id for change in changes if _shows(change, found.get(emails[change.id]))}
    return [one for one in batch.changes if one.id in done], [one for one in batch.changes if one.id not in done]


def _shows(change: ContactChange, profile: Json | None) -> bool:
    held = wire.traits(profile) if profile else None
    return shows(change, held, left=bool(profile and wire.suppressions(profile)))


def _code(batch: Batch, change: Change) -> Ref:
    """A code's id there: the coupon's and its own (use_klaviyos_coupons_api, 2026-11)."""
    return f"{batch.ref}-{change.code}" if isinstance(change, AddCode) else ""


class Work(NamedTuple):
    """A kind of job: what it is called, what it holds, what its end says."""

    type: str
    holds: str
    finish: Callable[[Api, Batch, Json], Iterator[Outcome]]
    rate: str  # of a look at it

    @property
    def route(self) -> str:
        return f"/{self.type}s"


JOBS: Mapping[str, Work] = {
    "import": Work("profile-bulk-import-job", "profiles", _imported, "import-job"),
    "settle": Work("profile-bulk-import-job", "profiles", _settled, "import-job"),
    "suppress": Work("profile-suppression-bulk-create-job", "profiles", _suppressed, "suppress-job"),
    "codes": Work("coupon-code-bulk-create-job", "coupon-codes", _stored, "codes-job"),
}
"""By the word before a job's ref: `import:01ABC`."""
