"""A night: every client of a folder run in a process of its own, side by side, within the time that there is."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import logs
from engine.fleet.folder import Folder, Member, environment, read_folder

if TYPE_CHECKING:
    from types import FrameType

    from connectors.http import Clock

__all__ = ["Ended", "Night", "first_code", "run_all"]

ORDER = (70, 2, 5, 4, 3, 6, 1)  # the first that occurs is the whole's
OUT_OF_TIME, INTERNAL = 6, 70
PROGRAM = (sys.executable, "-P", "-m", "engine", "run", "--json")  # -P: a folder of that name here is not ours
_SIGNALS = {signal.SIGTERM: 143, signal.SIGINT: 130}
_LEAST = 1.0  # minutes that are worth another start of a client who had to stop
_PART = 1 << 16  # bytes read at a time
_KILLED = -signal.SIGKILL
_MEMORY = "it was killed, as a machine does whose memory is full; the next run goes on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one client's run ended: `document` is what it printed, `said` its stderr, `starts` how often it began.

    `turn` of `clients` have ended by then.
    """

    client: str
    file: Path
    exit_code: int
    seconds: float = 0.0
    starts: int = 0
    said: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)
    turn: int = 0
    clients: int = 0

    @property
    def changes(self) -> int:
        """Changes that the destinations have taken, or had already."""
        results = self._result("pushed", "results")
        return sum(count for one in results for what in ("applied", "noop") for count in one.get(what, {}).values())

    @property
    def rejected(self) -> int:
        """Changes that they refused."""
        return sum(count for one in self._result("pushed", "results") for count in one.get("rejected", {}).values())

    @property
    def why(self) -> str:
        """The first reason for an end that is not good, in the run's own words."""
        if error := self.document.get("error"):
            place = f"{error['place']}: " if error.get("place") else ""
            return f"{place}{error['message']}".partition("\n")[0]
        unreachable = dict(self._result("pushed", "unreachable") or ())
        reasons = [
            *(f"{name}: {words}" for name, words in unreachable.items()),
            *(f"{one['destination']}: {one['error']}" for one in self._result("pushed", "results") if one.get("error")),
            *(one["message"] for one in self._result("planned", "refusals")),  # it names its destination
        ]
        return reasons[0].partition("\n")[0] if reasons else ""

    def _result(self, *keys: str) -> Any:  # noqa: ANN401 - JSON of our own
        found: Any = self.document.get("result") or {}
        for key in keys:
            found = found.get(key) or {}
        return found

    def as_document(self) -> dict[str, Any]:
        """Plain JSON: the client's own result or error as its own run printed it."""
        told = {key: self.document.get(key) for key in ("now", "result", "error")}
        told["warnings"] = self.document.get("warnings") or []
        about = {"client": self.client, "file": str(self.file), "exit_code": self.exit_code}
        return {**about, "seconds": round(self.seconds, 1), "starts": self.starts, **told}


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """All of them, in the order of their files."""

    folder: Path
    lang: str
    clients: Sequence[Ended]
    warnings: Sequence[str] = ()
    stopped: int = 0  # 143 or 130, when a signal ended it

    @property
    def exit_code(self) -> int:
        """A signal's own, else the first of 70, 2, 5, 4, 3, 6, 1 that a client ended with."""
        return self.stopped or first_code(one.exit_code for one in self.clients)

    def document(self) -> dict[str, Any]:
        """Plain JSON."""
        clients = [one.as_document() for one in self.clients]
        return {
            "folder": str(self.folder),
            "exit_code": self.exit_code,
            "clients": clients,
            "warnings": list(self.warnings),
        }


def first_code(codes: Iterable[int]) -> int:
    """Of many exit codes the one that says most; who was asked to stop has more to do; a code that is none of ours is a defect."""
    known = {0: 0, **dict.fromkeys(_SIGNALS.values(), OUT_OF_TIME), **{code: code for code in ORDER}}
    found = {known.get(code, INTERNAL) for code in codes}
    return next((code for code in ORDER if code in found), 0)


@dataclass(slots=True)
class _Running:
    """A client's process: what it has said so far, by stream."""

    place: int
    process: subprocess.Popen[bytes]
    began: float
    heard: dict[str, bytearray] = field(default_factory=lambda: {"out": bytearray(), "err": bytearray()})
    open: int = 2


@dataclass(slots=True)
class _Shift:
    """The night's work: who waits, who runs, how each ended."""

    folder: Folder
    program: Sequence[str]
    clock: Clock
    until: float | None
    jobs: int
    tell: Callable[[Ended], None]
    waiting: deque[int] = field(default_factory=deque)
    again: deque[int] = field(default_factory=deque)
    running: dict[int, _Running] = field(default_factory=dict)
    ended: dict[int, Ended] = field(default_factory=dict)
    stopped: int = 0

    def work(self) -> None:
        """Everyone has a turn; who had to stop for time has another while there is some."""
        with selectors.DefaultSelector() as streams, self._signals():
            while True:
                self._fill(streams)
                if not self.running:
                    return
                for key, _ in streams.select():
                    self._hear(streams, key)

    def stop(self, number: int, _: FrameType | None = None) -> None:
        """Nobody else begins; those who run are asked to end at a safe point."""
        self.stopped = _SIGNALS[signal.Signals(number)]
        for one in self.running.values():
            one.process.terminate()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.stop) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _fill(self, streams: selectors.BaseSelector) -> None:
        while not self.stopped and len(self.running) < self.jobs:
            if not self.waiting and self.again and (self._left() or 0.0) >= _LEAST:
                self.waiting, self.again = self.again, deque()
            if not self.waiting or self._left() == 0:
                return
            minutes = self._minutes()
            self._begin(streams, self.waiting.popleft(), minutes)

    def _left(self) -> float | None:
        """Minutes of the night."""
        return None if self.until is None else max(0.0, (self.until - self.clock.monotonic()) / 60)

    def _minutes(self) -> float | None:
        """What the next one gets: an even share of what is left, for what others do not need comes back to the rest."""
        left = self._left()
        return None if left is None else left * min(1.0, self.jobs / len(self.waiting))

    def _begin(self, streams: selectors.BaseSelector, place: int, minutes: float | None) -> None:
        member = self.folder.members[place]
        try:
            process = self._started(member, minutes)
        except OSError as error:
            why = {"kind": "internal", "message": f"its process could not be started: {error.strerror}", "place": None}
            self._tell(
                place, Ended(client=member.client, file=member.file, exit_code=INTERNAL, document={"error": why})
            )
            return
        self.running[place] = _Running(place, process, self.clock.monotonic())
        for name, stream in (("out", process.stdout), ("err", process.stderr)):
            if stream is not None:
                streams.register(stream, selectors.EVENT_READ, (place, name))
        if self.stopped:  # the signal came while it started
            process.terminate()

    def _started(self, member: Member, minutes: float | None) -> subprocess.Popen[bytes]:
        words = [*self.program, "--config", str(member.file)]
        words += [] if minutes is None else ["--max-minutes", f"{minutes:.3f}"]
        return subprocess.Popen(  # noqa: S603 - our own command, by our own interpreter
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment(member, self.folder, os.environ), **logs.inherited()},
            start_new_session=True,  # Ctrl-C reaches us alone, and we ask each of them to end well
        )

    def _hear(self, streams: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        place, name = key.data
        one = self.running[place]
        part = os.read(key.fd, _PART)
        if part:
            one.heard[name] += part
            return
        streams.unregister(key.fileobj)
        one.open -= 1
        if not one.open:
            self._end(one)

    def _end(self, one: _Running) -> None:
        code = one.process.wait()
        for stream in (one.process.stdout, one.process.stderr):
            if stream is not None:
                stream.close()
        del self.running[one.place]
        member, before = self.folder.members[one.place], self.ended.get(one.place)
        document, exit_code = _parsed(bytes(one.heard["out"]), code)
        ended = Ended(
            client=member.client,
            file=member.file,
            exit_code=exit_code,
            seconds=self.clock.monotonic() - one.began + (before.seconds if before else 0.0),
            starts=1 + (before.starts if before else 0),
            said=one.heard["err"].decode("utf-8", "replace"),
            document=document,
        )
        self._tell(one.place, ended)

    def _tell(self, place: int, ended: Ended) -> None:
        self.ended[place] = ended
        if ended.exit_code == OUT_OF_TIME:
            self.again.append(place)
        self.tell(replace(ended, turn=len(self.ended), clients=len(self.folder.members)))


def _parsed(printed: bytes, code: int) -> tuple[Mapping[str, Any], int]:
    """The one document that a run prints, and how it ended; what ended without one was ended, or could not begin."""
    try:
        found = json.loads(printed)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found, code if code in {0, *ORDER, *_SIGNALS.values()} else INTERNAL
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    hint = _MEMORY if code == _KILLED else None
    message = f"its process ended by {how} and told nothing" + (f": {hint}" if hint else "")
    why = {"kind": "internal", "message": message, "place": None, "hint": hint}
    asked = {128 + number: 128 + number for number in _SIGNALS} | {-number: 128 + number for number in _SIGNALS}
    return {"error": why}, asked.get(code, INTERNAL)


def run_all(
    folder: Path,
    *,
    clock: Clock,
    now: str | None = None,
    jobs: int | None = None,
    max_minutes: float | None = None,
    tell: Callable[[Ended], None] = lambda ended: None,  # noqa: ARG005 - nobody listens
    program: Sequence[str] = PROGRAM,
) -> Night:
    """Run every client of the folder, `jobs` at a time (default: the processors there are); `tell` hears each end.

    Who has waited longest since the last run begins.

    `max_minutes` is for all of them together. SIGTERM and SIGINT reach every process that runs; nobody else begins.
    Raises ConfigError where no client is found.
    """
    found = read_folder(folder)
    shift = _Shift(
        folder=found,
        program=[*program, *([] if now is None else ["--now", now])],
        clock=clock,
        until=None if max_minutes is None else clock.monotonic() + max_minutes * 60,
        jobs=jobs or _processors(),
        tell=tell,
        waiting=deque(sorted(range(len(found.members)), key=lambda place: _last_run(found.members[place]))),
    )
    shift.work()
    clients = [shift.ended.get(place) or _unbegun(one) for place, one in enumerate(found.members)]
    warnings = [f"{file} is no client's config: it has no `client`" for file in found.others]
    return Night(folder=folder, lang=found.lang, clients=clients, warnings=warnings, stopped=shift.stopped)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _last_run(member: Member) -> float:
    """When its ledger was written last, in seconds; 0 where it has none, or keeps it elsewhere."""
    try:
        return (member.file.parent / "state" / f"{member.client}.sqlite").stat().st_mtime
    except OSError:
        return 0.0


def _unbegun(member: Member) -> Ended:
    """A client whose turn did not come."""
    return Ended(client=member.client, file=member.file, exit_code=OUT_OF_TIME)
