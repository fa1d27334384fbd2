"""The kit catches connectors that break the laws on faults and manners; on erasure and codes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime

import pytest
from broken import KIT, Broken, Case, label, prove

from connectors import errors
from connectors.http import Http
from connectors.memory.connector import MemorySettings
from connectors.spec import Settings
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    Batch,
    Job,
    Outcome,
    Profile,
    Reason,
    SetTraits,
    State,
)

ANSWERLESS = (errors.Unavailable, errors.RateLimited, errors.UnexpectedResponse)


class Reviving(Broken):
    """After a failure everybody is subscribed anew."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        try:
            return super().push(batch)
        except ANSWERLESS:
            for row in self.rows(batch):
                row["status"] = "subscribed"
            raise


class Asking(Broken):
    """Somebody who left is asked to confirm once more."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        try:
            return super().push(batch)
        except ANSWERLESS:
            for row in self.rows(batch):
                row["status"] = "pending"
            raise


class Greeting(Broken):
    """Whom it cannot look up is new."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        try:
            self._http("GET", "/contacts")
        except errors.ConnectorError:
            for row in self.rows(batch):
                row["status"] = "subscribed"
        return super().push(batch)


class Swallowing(Broken):
    """No answer is good news."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        try:
            return super().push(batch)
        except errors.ConnectorError:
            return (Outcome(id=change.id, state=State.APPLIED) for change in batch.changes)


class Despairing(Broken):
    """No answer is a refusal, for good."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        try:
            return super().push(batch)
        except errors.ConnectorError:
            return (Outcome(id=change.id, state=State.REJECTED, reason=Reason.OTHER) for change in batch.changes)


class Trusting(Broken):
    """A job that ended is a job well done."""

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        return (Outcome(id=outcome.id, state=State.APPLIED) for outcome in super().poll(jobs))


class Presuming(Broken):
    """A write without an answer was surely carried out."""

    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        return (Outcome(id=change.id, state=State.APPLIED) for change in batch.changes)


class Resending(Broken):
    """It looks what a write did by doing it again."""

    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        return self.push(batch)


class Insisting(Broken):
    """It tries again by itself."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        try:
            return super().push(batch)
        except errors.ConnectorError:
            return super().push(batch)


class Remembering(Broken):
    """It follows only the jobs that it began itself."""

    def __init__(self, settings: Settings, http: Http) -> None:
        super().__init__(settings, http)
        self.mine: set[str | None] = set()

    def push(self, batch: Batch) -> Iterator[Outcome]:
        found = list(super().push(batch))
        self.mine |= {outcome.job for outcome in found}
        return iter(found)

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        return super().poll([job for job in jobs if job.ref in self.mine])


class Threading(Broken):
    def push(self, batch: Batch) -> Iterator[Outcome]:
        worker = threading.Thread(target=list)
        worker.start()
        worker.join()
        return super().push(batch)


class Keeping(Broken):
    """The key lies about."""

    def __init__(self, settings: Settings, http: Http) -> None:
        super().__init__(settings, http)
        assert isinstance(settings, MemorySettings)
        self.key = settings.api_key


class Telling(Broken):
    """Its errors name names."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        try:
            return super().push(batch)
        except errors.ConnectorError:
            raise errors.UnexpectedResponse(f"could not write {batch.changes}") from None


class Chaining(Broken):
    """… or those behind them do."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        try:
            return super().push(batch)
        except errors.ConnectorError:
            raise errors.UnexpectedResponse("no") from ValueError(str(batch.changes))


class Archiving(Broken):
    """Hidden is not gone."""

    def erase(self, profile: Profile) -> State:
        row = self.contacts.get(profile.email)
        if row is None or row["status"] == "archived":
            return State.NOOP
        row["status"] = "archived"
        return State.APPLIED


class Boasting(Broken):
    """It erases whom it never had."""

    def erase(self, profile: Profile) -> State:
        super().erase(profile)
        return State.APPLIED


class Sweeping(Broken):
    """It erases everybody with them."""

    def erase(self, profile: Profile) -> State:
        state = super().erase(profile)
        self.contacts.clear()
        return state


class Stealing(Broken):
    """It takes codes out of another pool."""

    def push(self, batch: Batch) -> Iterator[Outcome]:
        for change in batch.changes:
            if isinstance(change, AddCode):
                self.store["codes"].pop(change.code, None)
        return super().push(batch)


class Giving(Broken):
    """Each time it is another code."""

    count = itertools.count()

    def push(self, batch: Batch) -> Iterator[Outcome]:
        if not isinstance(batch.changes[0], AddCode):
            return super().push(batch)
        self.store["codes"] |= {f"{next(self.count)}": batch.ref for _ in batch.changes}
        return super().push(batch)


WRITES = (AddContact, SetTraits, AddMember, AddCode)
CONSENT, COST = KIT.test_no_consent_rises_under_any_fault, KIT.test_a_fault_costs_nothing_and_nothing_is_claimed
ONCE = KIT.test_a_write_is_sent_once
CASES: list[Case] = [
    *[
        (cls, CONSENT, {"fault": fault, "kind": kind})
        for cls in (Reviving, Asking)
        for fault in ("error", "reset_after", "throttled", "truncated")
        for kind in (SetTraits, AddMember, AddContact)
    ],
    *[
        (Greeting, KIT.test_no_consent_rises_when_look_ups_fail, {"outage": "throttled", "kind": kind})
        for kind in (AddContact, AddMember)
    ],
    *[(Swallowing, COST, {"fault": fault}) for fault in ("reset_before", "unavailable", "page")],
    *[(Despairing, COST, {"fault": fault}) for fault in ("throttled", "reset_after", "slow", "timeout")],
    (Presuming, COST, {"fault": "reset_before"}),
    (Resending, COST, {"fault": "reset_after"}),
    *[(Trusting, COST, {"fault": fault}) for fault in ("failing", "bad_record")],
    *[(cls, ONCE, {"kind": kind}) for cls in (Swallowing, Insisting) for kind in WRITES],
    (Remembering, KIT.test_nothing_is_kept_between_calls, {"kind": AddContact}),
    (Threading, KIT.test_nobody_sleeps_and_no_thread_starts, {"kind": SetTraits}),
    (Keeping, KIT.test_secrets_and_addresses_stay_private, {"kind": SetTraits}),
    *[(cls, KIT.test_errors_are_private, {}) for cls in (Telling, Chaining)],
    *[(cls, KIT.test_erasing_erases, {}) for cls in (Archiving, Boasting, Sweeping)],
    *[(cls, KIT.test_a_code_is_in_one_pool_once, {}) for cls in (Stealing, Giving)],
]


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_broken_connector_fails_its_law(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    prove(case, caplog)


def test_every_broken_connector_is_tried() -> None:
    here = {cls for cls in Broken.__subclasses__() if cls.__module__ == __name__}
    assert {case[0] for case in CASES} == here
