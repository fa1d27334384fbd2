"""Codes of Brevo's own: a collection takes them and says nothing of any, so its own total is followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from connectors.answers import http_date, part
from connectors.brevo.spec import OTHER
from connectors.errors import Unavailable
from connectors.http import Http
from connectors.outcomes import by_code, each
from connectors.types import Batch, Job, Outcome, Reason, Ref, State

QUIET = timedelta(minutes=15)  # by Brevo's clock: what the total does not show by then, it will not show
LOST = "~"  # marks the job of a call without an answer
_KNOWN = "taken, but the collection did not grow by as many: brevo had these codes before"
UNTOLD = "brevo does not tell which codes it has: these may be there, and are not sent twice"


def push(http: Http, batch: Batch) -> Iterator[Outcome]:
    """204 whatever the codes; a lost answer is followed too: codes sent again might be there twice.

    The job's name is what was there before, how many were sent, and when by Brevo's clock.
    """
    codes = list(by_code(batch))
    before = _held(http, batch.ref)
    if before is None:
        return each(batch.changes, State.REJECTED, Reason.UNKNOWN_TARGET)
    total, at, lost = *before, ""
    try:
        http("POST", "/coupons", json={"collectionId": batch.ref, "coupons": codes}, rate=OTHER)
    except Unavailable as error:
        if not error.ambiguous:
            raise
        lost = LOST
    mark = sha256("\n".join(codes).encode()).hexdigest()[:8]
    job = f"{total}+{len(codes)}+{int(at.timestamp()) if at else 0}+{mark}{lost}"
    return each(batch.changes, State.PENDING, job=job)


def poll(http: Http, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """One call a collection."""
    for pool in dict.fromkeys(job.batch.ref for job in jobs):
        yield from _counted(_held(http, pool), [job for job in jobs if job.batch.ref == pool])


def _held(http: Http, collection: Ref) -> tuple[int, datetime | None] | None:
    """How many codes a collection has ever held, and Brevo's own time of saying so; None when it is gone."""
    answer = http.look(f"/couponCollections/{collection}", rate=OTHER)
    if answer is None:
        return None
    body = answer.json()
    about = body[0] if isinstance(body, list) and body else body  # its examples wrap it (2026-11-22)
    return int(part(about, "totalCoupons")), http_date(answer.headers.get("date"))


def _counted(held: tuple[int, datetime | None] | None, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Applied together, when the collection grew by the codes of all jobs: it does not tell whose."""
    told = [[int(part) for part in job.ref.split("+")[:3]] for job in jobs]
    total, at = held or (0, None)
    grown = total - min(before for before, _, _ in told)
    for job, (_, _, seconds) in zip(jobs, told, strict=True):
        if held is None:
            yield from each(job.batch.changes, State.REJECTED, Reason.UNKNOWN_TARGET)
        elif grown >= sum(count for _, count, _ in told):
            yield from each(job.batch.changes, State.APPLIED)
        elif at and seconds and at - datetime.fromtimestamp(seconds, UTC) > QUIET:
            yield from _late(job, grown)


def _late(job: Job, grown: int) -> Iterator[Outcome]:
    if not job.ref.endswith(LOST):
        return each(job.batch.changes, State.NOOP, words=_KNOWN)
    return each(job.batch.changes, State.REJECTED, Reason.OTHER if grown else Reason.TRY_LATER, words=UNTOLD)
