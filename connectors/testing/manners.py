"""The laws on manners: nothing private is told, nothing is kept, nobody sleeps; and erasure and codes."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from connectors import errors
from connectors.base import Erases
from connectors.testing.carrier import carry
from connectors.testing.lab import Faulty, Lab, Reopens, Shares, Shelves
from connectors.testing.stage import picture, set_stage
from connectors.testing.staging import Staging, each_kind, is_settled
from connectors.types import AddCode, Batch, Profile, SetTraits, State, Target, TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from types import FrameType

    from connectors.base import Connector
    from connectors.types import Change

__all__ = ["MannerLaws"]

_UNANSWERED = ("throttled", "error", "unavailable", "timeout", "reset_before", "reset_after")


class MannerLaws(Staging):
    """What a connector leaves behind, and what it never does."""

    def test_erasing_erases(self, lab: Lab) -> None:
        """Gone for good, and nobody else; a second time there is nothing to do."""
        connector = lab.connector
        if not isinstance(connector, Erases):
            pytest.skip(f"{connector.spec.name} does not erase")
        stage = set_stage(lab, SetTraits)
        gone, others = stage.seed(1), [stage.seed(2), stage.seed(3, lab.statuses[-1])]
        before = picture(lab)
        state = connector.erase(Profile(gone))
        assert state in {State.APPLIED, State.PENDING}, f"erase() of somebody who is there says {state}"
        lab.settle()
        assert gone not in lab.truth(), "erase() must delete for good: archived or unsubscribed is still there"
        assert {email: picture(lab).get(email) for email in others} == {email: before[email] for email in others}, (
            "erase() touched somebody else than whom it was asked to erase"
        )
        assert connector.erase(Profile(gone)) is State.NOOP, "erasing again must say NOOP: it is how we know"
        assert connector.erase(Profile(stage.email(9_999))) is State.NOOP, "a stranger is not there: NOOP"

    def test_a_code_is_in_one_pool_once(self, lab: Lab) -> None:
        """Sent twice, a code is there once; one that another pool holds is refused, and stays where it is."""
        stage = self.stage(lab, AddCode)
        if not isinstance(lab, Shelves):
            pytest.skip("the lab does not show its pools")
        codes = stage.changes(5)
        carry(lab, codes, *stage.where)
        carry(lab, codes, *stage.where)
        wanted = sorted(code.code for code in codes if isinstance(code, AddCode))
        held = sorted(lab.codes()[stage.refs["pool"]])
        assert held == wanted, f"codes that were sent twice must be in the pool once: {held}"
        if isinstance(lab, Shares) and lab.shares_codes:
            return
        other = Target(kind=TargetKind.POOL, name="pool 2", title="kitpool2")
        ref = lab.connector.create([other])[other]
        fresh = stage.change(77)
        again = carry(lab, [codes[0], fresh], other, ref)
        first = again.of(codes[0])
        assert first is not None and first.state is State.REJECTED, "a code that another pool holds must be REJECTED"  # noqa: PT018 - one thought
        assert is_settled(again, fresh), "a code that was taken elsewhere sank its neighbour"
        everywhere = [code for held in lab.codes().values() for code in held]
        assert len(everywhere) == len(set(everywhere)), "a code is in two pools"

    @each_kind
    def test_a_write_is_sent_once(self, lab: Lab, kind: type[Change]) -> None:
        """A write without an answer is an error at once: whether to send it again is the engine's to decide."""
        stage = self.stage(lab, kind)
        if not isinstance(lab, Faulty):
            pytest.skip("the lab has no faults")
        for at, name in enumerate(fault for fault in _UNANSWERED if fault in lab.faults):
            changes = stage.changes(2, start=10 * at)
            first = len(lab.calls())
            lab.fault(name)
            try:
                told = {outcome.state for outcome in lab.connector.push(Batch(*stage.where, changes))}
            except errors.ConnectorError:
                told = set()
            writes = [call.path for call in lab.calls()[first:] if not call.is_read]
            assert told <= {State.PENDING}, (
                f"the write met '{name}', and push() claims {sorted(told)}: let http's error pass, or follow it as a job"
            )
            assert len(writes) <= 1, f"the write met '{name}', and push() went on writing: {writes}; the engine repeats"
            lab.fault(None)
            lab.settle()

    @each_kind
    def test_nothing_is_kept_between_calls(self, lab: Lab, kind: type[Change]) -> None:
        """Each call is made by a connector that was built for it: what the first one began, the next one ends."""
        stage = self.stage(lab, kind)
        if not isinstance(lab, Reopens):
            pytest.skip("the lab cannot build the connector again")
        changes = stage.changes(5)
        fresh = _Forgetful(lab)
        carried = carry(fresh, changes, *stage.where)  # type: ignore[arg-type]  # as much of a lab as carrying needs
        lost = [change.id for change in changes if not is_settled(carried, change)]
        assert not lost, f"carried on by a new instance, these have no good end: {lost}; keep nothing between calls"
        assert not stage.unshown(changes), "carried on by a new instance, and the provider does not show it"
        again = lab.reopen().create(stage.targets.values())
        assert {name: again.get(target) for name, target in stage.targets.items()} == dict(stage.refs), (
            "a new instance must find what another one created"
        )

    @each_kind
    def test_nobody_sleeps_and_no_thread_starts(self, lab: Lab, kind: type[Change]) -> None:
        """`http` waits for its turn and the engine for jobs: the connector itself never does."""
        stage = self.stage(lab, kind)
        changes = stage.changes(3)
        with _listening(lab.connector) as heard:
            lab.connector.check()
            lab.connector.find(stage.targets.values())
            carry(lab, changes, *stage.where)
        assert not heard, f"the connector calls {sorted(heard)}: {_ADVICE}"

    @each_kind
    def test_secrets_and_addresses_stay_private(
        self, lab: Lab, kind: type[Change], caplog: pytest.LogCaptureFixture
    ) -> None:
        """No log line and no outcome's words hold a key or an address."""
        stage = self.stage(lab, kind)
        changes = [*stage.changes(2), stage.change(999, email=f"kit.bad..@{lab.domain}")]
        with caplog.at_level("DEBUG"):
            lab.connector.check()
            carried = carry(lab, changes, *stage.where)
        words = [outcome.words or "" for found in carried.final.values() for outcome in found]
        told = "\n".join([caplog.text, *words, repr(lab.connector), repr(_kept(lab.connector))])
        assert not [secret for secret in lab.secrets if secret in told], "a secret is in a log or an outcome"
        assert "kit." not in told, "an address is in a log or an outcome: use connectors.http.mask"

    def test_errors_are_private(self, lab: Lab) -> None:
        """No exception, and nothing in its chain, holds a key or an address."""
        stage = self.stage(lab, SetTraits)
        if not isinstance(lab, Faulty):
            pytest.skip("the lab has no faults")
        for at, name in enumerate(lab.faults):
            changes = stage.changes(2, start=10 * at)
            lab.fault(name)
            try:
                found = carry(lab, changes, *stage.where).refusals
            except errors.ConnectorError as error:
                found = [error]  # type: ignore[list-item]  # any error will do
            lab.fault(None)
            lab.settle()
            told = "".join(_told(error) for error in found)
            assert not [secret for secret in lab.secrets if secret in told], f"a secret is in the error of '{name}'"
            assert "kit." not in told, f"an address is in the error of '{name}': use connectors.http.mask"


_ADVICE = "leave waiting to http and the engine, and threads to nobody"


@dataclass(frozen=True, slots=True)
class _Forgetful:
    """A lab whose connector is another one each time."""

    lab: Lab

    @property
    def connector(self) -> Connector:
        assert isinstance(self.lab, Reopens)
        return self.lab.reopen()

    def now(self) -> datetime:
        return self.lab.now()

    def settle(self) -> None:
        self.lab.settle()


@contextmanager
def _listening(connector: Connector) -> Iterator[set[str]]:
    """What the connector's own code calls of sleeping and of starting threads, by asking the interpreter."""
    mine = {cls.__module__.rpartition(".")[0] or cls.__module__ for cls in type(connector).__mro__} - {
        "builtins",
        "typing",
    }
    heard: set[str] = set()

    def hear(frame: FrameType, event: str, made: object) -> None:
        caller = frame if event == "c_call" else frame.f_back
        module = str(caller.f_globals.get("__name__")) if caller else ""
        if not any(module == one or module.startswith(f"{one}.") for one in mine):
            return
        if event == "c_call" and made is getattr(time, "sleep"):  # noqa: B009 - to know it, not to call it
            heard.add("time.sleep")
        if event == "call" and frame.f_code.co_name in {"sleep", "wait"}:
            heard.add(f"{frame.f_code.co_name}()")
        if event == "call" and frame.f_code is threading.Thread.start.__code__:
            heard.add("Thread.start")

    before = sys.getprofile()
    sys.setprofile(hear)
    try:
        yield heard
    finally:
        sys.setprofile(before)


def _kept(connector: Connector) -> dict[str, object]:
    return dict(getattr(connector, "__dict__", {}))


def _told(error: BaseException) -> str:
    """Everything that an error and those behind it say."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__) + repr(error.__context__)
