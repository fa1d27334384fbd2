"""What became of a write: a job's own result, record by record, or what the account shows when it is read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import quote

from connectors import types
from connectors.answers import Json, inner, instant
from connectors.http import mask
from connectors.klaviyo import wire
from connectors.klaviyo.api import CONSENT, Api
from connectors.outcomes import by_address, by_code, contacts, each, parted, rejected, shows
from connectors.sweeps import Slice, among
from connectors.types import Batch, Change, Outcome, Reason, Ref, State, normal

_SKEW = timedelta(minutes=1)  # between our clock and theirs
_NEWEST: wire.Query = {"sort": "-created_at", "page[size]": wire.PAGE}
_IMPORTS = "/profile-bulk-import-jobs"


def poll(api: Api, jobs: Sequence[types.Job]) -> Iterator[Outcome]:
    """The outcomes of the finished jobs; a job that Klaviyo no longer knows is settled by reading back."""
    refs = {job.ref: job.ref.rpartition(":") for job in jobs}
    listed = _listed(api, {name for kind, _, name in refs.values() if kind in {"import", "settle"}})
    for job in jobs:
        kind, _, name = refs[job.ref]
        work = JOBS.get(kind, JOBS["import"])  # "settle", or a word of an older version, which was an import's
        found = listed.get(name) or api.one(f"{work.route}/{name}", work.rate)
        status = found["status"] if found else "cancelled"
        if found and status == "complete" and kind in JOBS:
            yield from work.finish(api, job.batch, found)
        elif status in {"complete", "cancelled"}:  # what is read back is never wrong
            yield from _read_back(api, job.batch, 0)


def _listed(api: Api, imports: set[Ref]) -> Mapping[Ref, Json]:
    """Several imports, from the account's list of them: a hundred a call, where asking for each takes a call a job."""
    pages = (Slice(wire.rows(page), wire.following(page)) for page in api.pages(_IMPORTS, "import-jobs", _NEWEST))
    return among(imports, lambda _: None, pages, itemgetter("id"), few=1)


def recall(api: Api, batch: Batch, since: datetime) -> Iterator[Outcome]:
    """Applied where the account shows it; the rest waits for a running import of that size, else nothing is told."""
    seen, rest = _seen(api, batch)
    yield from each(seen, State.APPLIED)
    if not rest or isinstance(rest[0], types.RemoveMember | types.Suppress | types.AddCode):
        return
    people, oldest = len(by_address(contacts(batch))), since - _SKEW
    jobs = api.all(_IMPORTS, "import-jobs", _NEWEST)
    for job in takewhile(lambda job: (instant(job["created_at"]) or oldest) >= oldest, jobs):
        if job["status"] in {"queued", "processing"} and job.get("total_count") == people:
            yield from each(rest, State.PENDING, job=f"settle:{job['id']}")
            return


# finished jobs


def _imported(api: Api, batch: Batch, job: Json) -> Iterator[Outcome]:
    """`complete` may hold failures; those that name nobody of ours are found by reading the rest back."""
    count = _count(job, "failed_count")
    if not count:
        yield from each(batch.changes, State.APPLIED)
        return
    told = api.all(f"{_IMPORTS}/{job['id']}/import-errors", "import-errors", {"page[size]": wire.PAGE})
    failed, people = dict(map(wire.import_error, told)), by_address(contacts(batch))
    for email in failed.keys() & people.keys():
        yield from (rejected(change, *failed[email]) for change in people.pop(email))
        count -= 1
    rest = [change for same in people.values() for change in same]
    yield from _read_back(api, replace(batch, changes=rest), count) if count > 0 else each(rest, State.APPLIED)


def _suppressed(api: Api, batch: Batch, job: Json) -> Iterator[Outcome]:
    left = _count(job, "total_count") - _count(job, "completed_count")
    is_whole = not left and not _count(job, "skipped_count")
    return each(batch.changes, State.APPLIED) if is_whole else _read_back(api, batch, left)


def _stored(api: Api, batch: Batch, job: Json) -> Iterator[Outcome]:
    """Applied where the job names the code that it made; one that it did not make may have been there before."""
    failed = _count(job, "failed_count")
    made = {code.get("id") for code in inner(job, "related", "coupon-codes", "data") or ()}
    done, rest = parted(batch.changes, lambda change: not failed or _code(batch, change) in made)
    yield from each(done, State.APPLIED)
    left = replace(batch, changes=rest)
    words = mask("; ".join({str(error.get("detail")): "" for error in job.get("errors") or ()}))[:200]
    yield from _read_back(api, left, len(rest) if len(by_code(left)) <= failed else 0, there=State.NOOP, words=words)


def _count(job: Json, name: str) -> int:
    return int(job.get(name) or 0)


# reading back


def _read_back(
    api: Api, batch: Batch, refused: int, *, there: State = State.APPLIED, words: str = "not found there when read back"
) -> Iterator[Outcome]:
    """As the account shows it. More missing than were refused: reads lag behind, or nobody knows."""
    seen, missing = _seen(api, batch)
    reason, wait = (Reason.OTHER, None) if len(missing) <= refused else (Reason.TRY_LATER, 0.0)
    yield from each(seen, there)
    yield from (rejected(change, reason, words, wait=wait) for change in missing)


def _seen(api: Api, batch: Batch) -> tuple[Sequence[Change], Sequence[Change]]:
    """The changes whose effect the account shows, and the others: one read for a hundred addresses, one for a code."""
    kinds = set(map(type, batch.changes))
    if types.AddCode in kinds:
        return parted(batch.changes, lambda change: _is_stored(api, _code(batch, change)))
    changes, place = contacts(batch), batch.ref if kinds & {types.AddMember, types.RemoveMember} else None
    found = dict(api.profiles((change.profile.email for change in changes), CONSENT, list_ref=place))
    return parted(changes, lambda change: _shows(change, found.get(normal(change.profile.email))))


def _shows(change: types.ContactChange, profile: Json | None) -> bool:
    held, left = (wire.traits(profile), wire.suppressions(profile)) if profile else (None, [])
    return shows(change, held, left=bool(left))


def _is_stored(api: Api, code: Ref) -> bool:
    return api.one(f"/coupon-codes/{quote(code, safe='')}", "code") is not None


def _code(batch: Batch, change: Change) -> Ref:
    """A code's id there: the coupon's and its own (use_klaviyos_coupons_api, 2026-11)."""
    return f"{batch.ref}-{change.code}" if isinstance(change, types.AddCode) else ""


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
    "suppress": Work("profile-suppression-bulk-create-job", "profiles", _suppressed, "suppress-job"),
    "codes": Work("coupon-code-bulk-create-job", "coupon-codes", _stored, "codes-job"),
}
"""By the word before a job's ref: `import:01ABC`."""
