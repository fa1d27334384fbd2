"""A process that has imported everything and forks a child for each command; a child may be told where to die.

Spoken to in lines of JSON on its standard input and output; see `Zygote` in `kill_world.py` for the other side. Nothing is patched: a child dies by
its own SIGKILL, from a handler around the wire, an event of SQLAlchemy or an audit hook of Python.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import httpx
import sqlalchemy as sa
from kill_others import deliver, undelivered

from connectors.errors import ConnectorError
from connectors.http import Request, Response, Wire
from engine import run, upkeep
from engine.client import Client, open_client
from engine.errors import ConfigError, EngineError

TORN = b"PAR1 torn"  # what a file holds whose writer died
UNTORN = (".sqlite", ".sqlite-wal", ".sqlite-shm", ".lock")  # no writer of ours writes into these
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
PATIENCE_S = 120.0
TRIES = 3  # of a delivery: a signature is too old where this machine stood still


def die() -> NoReturn:
    """No clean-up, no handler, no flush."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


@dataclass
class Fate:
    """Counts what a command does, by kind, and ends the process before or after the nth of a kind."""

    folder: str
    kind: str = ""
    nth: int = 0
    is_after: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    _turn: threading.RLock = field(default_factory=threading.RLock)
    _is_acting: bool = False

    def meets(self, kind: str) -> bool:
        """One more of this kind: whether it is the one."""
        with self._turn:
            self.counts[kind] += 1
            return kind == self.kind and self.counts[kind] == self.nth

    def watch(self) -> None:
        """See every statement and commit of every database, and every file that is opened for writing or renamed."""
        sa.event.listen(sa.Engine, "commit", self.commit)
        sa.event.listen(sa.Engine, "before_cursor_execute", self.statement)
        sys.addaudithook(self.audit)

    def commit(self, connection: sa.Connection) -> None:
        if self.meets("commit"):
            if self.is_after:
                connection.connection.dbapi_connection.commit()  # type: ignore[union-attr]  # it is connected
            die()

    def statement(self, connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith(("SELECT", "PRAGMA")) and self.meets("statement"):
            die()

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._is_acting or event not in {"open", "os.rename"}:
            return
        path = str(arguments[0])
        if not path.startswith(self.folder):
            return
        if event == "os.rename":
            if self.meets("rename"):
                if self.is_after:
                    self._is_acting = True
                    os.rename(arguments[0], arguments[1])  # noqa: PTH104 - exactly the call that is under way
                die()
        elif isinstance(arguments[2], int) and arguments[2] & WRITING and self.meets("write"):
            if self.is_after:
                self._is_acting = True
                with open(path, "ab") as file:  # noqa: PTH123 - the same
                    file.write(b"" if path.endswith(UNTORN) else TORN)
            die()


@dataclass
class Deadly:
    """The network, until the process dies at a call."""

    wire: Wire
    fate: Fate

    def handle(self, request: Request) -> Response:
        provider = request.url.split("/", 4)[3]
        is_here = self.fate.meets(f"request {provider}")
        if is_here and not self.fate.is_after:
            die()
        response = self.wire.handle(request)
        if is_here:
            die()
        return response


def _options(asked: dict[str, Any]) -> run.Options:
    return run.Options(force=asked.get("force", ()), yes=asked.get("yes", False), max_minutes=asked.get("max_minutes"))


def _push(client: Client, asked: dict[str, Any]) -> run.Pushed:
    review = run.Review(file=Path(asked["plan"]), checksum=asked["checksum"]) if "plan" in asked else None
    return run.push(client, _options(asked), review)


def _adopt(client: Client, asked: dict[str, Any]) -> object:
    """A list of each destination; one that an earlier start took over is told to be ours, and stays so."""
    taken: object = None
    for target in asked["targets"]:
        try:
            taken = upkeep.adopt(client, target, yes=True)
        except ConfigError as error:
            if "adopted already" not in str(error):
                raise
    return taken


def _receive(client: Client, asked: dict[str, Any]) -> None:
    """Deliveries, each again until it is acknowledged; what is acknowledged is not sent again."""
    receiver = run.receive(client, lambda _: None)
    taken = Path(asked["taken"])
    for place, told in undelivered(Path(asked["posted"]), taken):
        answers = (deliver(receiver, told, client.clock.utc()) for _ in range(TRIES))
        if 200 not in answers:
            raise ConfigError(f"delivery {place} of {told['provider']} is not taken", place="receive")
        with taken.open("a", encoding="utf-8") as file:
            file.write(f"{place}\n")


VERBS = {
    "pull": lambda client, _: run.pull(client),
    "push": _push,
    "run": lambda client, asked: run.run(client, _options(asked)),
    "plan": lambda client, asked: run.plan(client, out=Path(asked["out"])),
    "approve": lambda client, asked: run.approve(client, Path(asked["file"]), "Lin"),
    "confirm": lambda client, asked: run.confirm_codes(client, Path(asked["file"])),
    "undo": lambda client, asked: upkeep.undo(client, asked["run"], replace(_options(asked), yes=True)),
    "drift": lambda client, asked: upkeep.drift(client, replace(_options(asked), yes=True), repair=True),
    "adopt": _adopt,
    "receive": _receive,
    "erase": lambda client, asked: run.erase(client, asked["email"], yes=True),
    "export": lambda client, _: run.export_codes(client, None),
}


def carry(asked: dict[str, Any]) -> dict[str, Any]:
    """One command in this process: its exit code, what it counted, and what the orchestrator needs of its result."""
    config = Path(asked["config"])
    fate = Fate(str(config.parent), **asked.get("fate", {}))
    fate.watch()
    wire = Wire(
        httpx.HTTPTransport(verify=False)
    )  # plain sockets of this machine: certificates would be read for nothing
    told: dict[str, Any] = {"exit": 0, "error": None, "checksum": None}
    try:
        client = open_client(config, asked["now"], handler=Deadly(wire, fate))
        try:
            result = VERBS[asked["verb"]](client, asked)
            told["exit"] = getattr(result, "exit_code", 0)
            told["checksum"] = result.plan.checksum if asked["verb"] == "plan" else None
            told["words"] = _words(result)
        finally:
            client.close()
            wire.close()
    except (EngineError, ConnectorError) as error:
        told |= {"exit": getattr(error, "exit_code", 70), "error": f"{type(error).__name__}: {error}"}
    except Exception:  # noqa: BLE001 - a defect must be told to the other side, whatever it is
        told |= {"exit": 70, "error": traceback.format_exc()}
    told["counts"] = dict(fate.counts)
    told["seconds"] = time.process_time()
    told["modules"] = sorted(sys.modules)
    return told


def _words(result: object) -> str:
    """What a failed command says of itself, for whoever reads the hunt's report."""
    pushed = getattr(result, "pushed", result)
    errors = [str(one.error) for one in getattr(pushed, "results", ()) if one.error]
    refusals = [str(one.message) for one in getattr(pushed, "refusals", ())]
    rejected = [
        f"{bad.kind} {bad.reason}: {bad.words}" for one in getattr(pushed, "results", ()) for bad in one.rejected
    ]
    return "; ".join([*errors, *refusals, *rejected, *map(str, dict(getattr(pushed, "unreachable", {})).values())])


def _forked(asked: dict[str, Any]) -> dict[str, Any]:
    """The command in a child: what it told, and how it ended (a signal as a negative number)."""
    ear, mouth = os.pipe()
    gc.freeze()  # a child does not look through what it shares with us
    pid = os.fork()
    if pid == 0:
        os.close(ear)
        told = json.dumps(carry(asked)).encode()
        with os.fdopen(mouth, "wb") as file:
            file.write(told)
        os._exit(0)
    os.close(mouth)
    heard = b""
    while select.select([ear], [], [], PATIENCE_S)[0]:
        part = os.read(ear, 1 << 20)
        if not part:
            break
        heard += part
    else:
        os.kill(pid, signal.SIGKILL)
        heard = json.dumps({"exit": 70, "error": f"no end within {PATIENCE_S} s", "counts": {}}).encode()
    os.close(ear)
    _, status = os.waitpid(pid, 0)
    told: dict[str, Any] = json.loads(heard) if heard else {}
    for name in set(told.pop("modules", ())) - set(sys.modules):
        with suppress(ImportError):
            importlib.import_module(name)  # the next child finds it imported
    return {"signal": -os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, **told}


def _warm(asked: dict[str, Any]) -> None:
    """What every child would work out anew, once: grammar, catalogue, statements. It reads the shop and nothing else."""
    with suppress(EngineError):
        client = open_client(Path(asked["config"]), asked["now"], handler=Wire())
        try:
            _ = client.membership
        finally:
            client.close()


def main() -> None:
    """One line in, one line out."""
    for place, line in enumerate(sys.stdin):
        asked = json.loads(line)
        if not place:
            _warm(asked)
        sys.stdout.write(json.dumps(_forked(asked)) + "\n")
        sys.stdout.flush()
    os._exit(0)  # a compiled module would tell at length what it leaves behind


if __name__ == "__main__":
    main()
