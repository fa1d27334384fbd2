"""Codes of Brevo's own: a collection takes them and says nothing of any, so its own total is followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from connectors.brevo.reads import Reads
from connectors.brevo.spec import OTHER
from connectors.errors import Unavailable
from connectors.outcomes import each
from connectors.types import AddCode, Batch, Job, Outcome, Reason, Ref, State

__all__ = ["Codes"]

QUIET = timedelta(minutes=15)  # by Brevo's clock: what the total does not show by then, it will not show
LOST = "~"  # marks the job of a call without an answer
_KNOWN = "taken, but the collection did not grow by as many: brevo had these codes before"
_UNTOLD = "brevo does not tell which codes it has: these may be there, and are not sent twice"


class Codes:
    """Codes of one account. A job's name is what was there before, how many were sent, and when by Brevo's clock."""

    def __init__(self, account: Reads) -> None:
        self._account = account

    def push(self, batch: Batch) -> Iterator[Outcome]:
        """204 whatever the codes; a lost answer is followed too: codes sent again might be there twice."""
        codes = list(dict.fromkeys(change.code for change in batch.changes if isinstance(change, AddCode)))
        before = self._account.coupons(batch.ref)
        if before is None:
            yield from each(batch.changes, State.REJECTED, Reason.UNKNOWN_TARGET)
            return
        lost, seconds = "", int(before[1].timestamp()) if before[1] else 0
        try:
            self._account.call("POST", "/coupons", json={"collectionId": batch.ref, "coupons": codes}, rate=OTHER)
        except Unavailable as error:
            if not error.ambiguous:
                raise
            lost = LOST
        mark = sha256("\n".join(codes).encode()).hexdigest()[:8]
        yield from each(batch.changes, State.PENDING, job=f"{before[0]}+{len(codes)}+{seconds}+{mark}{lost}")

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """One call a collection."""
        for pool in dict.fromkeys(job.batch.ref for job in jobs):
            yield from self._counted(pool, [job for job in jobs if job.batch.ref == pool])

    def _counted(self, pool: Ref, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Applied together, when the collection grew by the codes of all jobs: it does not tell whose."""
        told = [[int(part) for part in job.ref.split("+")[:3]] for job in jobs]
        held = self._account.coupons(pool)
        grown = held[0] - min(before for before, _, _ in told) if held else 0
        for job, (_, _, seconds) in zip(jobs, told, strict=True):
            if held is None:
                yield from each(job.batch.changes, State.REJECTED, Reason.UNKNOWN_TARGET)
            elif grown >= sum(count for _, count, _ in told):
                yield from each(job.batch.changes, State.APPLIED)
            elif held[1] and seconds and held[1] - datetime.fromtimestamp(seconds, UTC) > QUIET:
                yield from _late(job, grown)

    def recall(self, batch: Batch) -> Iterator[Outcome]:
        """Nobody can say: the safe side is a code that nobody gets."""
        return each(batch.changes, State.REJECTED, Reason.OTHER, words=_UNTOLD)


def _late(job: Job, grown: int) -> Iterator[Outcome]:
    if not job.ref.endswith(LOST):
        return each(job.batch.changes, State.NOOP, words=_KNOWN)
    return each(job.batch.changes, State.REJECTED, Reason.OTHER if grown else Reason.TRY_LATER, words=_UNTOLD)
