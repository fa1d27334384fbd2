"""The world around the demo: the emulated providers as a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.http import Request
from engine.errors import EngineError

if TYPE_CHECKING:
    from connectors.http import Handler

__all__ = ["World", "emulated"]


class World:
    """The sandbox's own controls, over its socket."""

    def __init__(self, url: str, handler: Handler) -> None:
        self.url = url
        self._handler = handler

    def ask(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """Look at something."""
        return self._send("GET", path)

    def tell(self, path: str, **values: object) -> Any:  # noqa: ANN401 - any JSON
        """Make something happen."""
        return self._send("POST", path, json.dumps(values).encode())

    def till(self, codes: bytes) -> bytes:
        """The shop's till takes exported codes, and answers with those that it redeems from now on."""
        answer = self._handler.handle(Request("POST", f"{self.url}/sandbox/till", {"content-type": "text/csv"}, codes))
        return answer.body

    def writes(self) -> Mapping[str, int]:
        """Write calls by provider since they were last forgotten."""
        return {name: int(calls["writes"]) for name, calls in self.ask("/sandbox/calls?limit=0").items()}

    def forget_calls(self) -> None:
        """Count calls anew."""
        self._send("DELETE", "/sandbox/calls")

    def _send(self, method: str, path: str, body: bytes = b"") -> Any:  # noqa: ANN401 - any JSON
        headers = {"content-type": "application/json"}
        answer = self._handler.handle(Request(method, self.url + path, headers, body))
        if answer.status >= 400:  # noqa: PLR2004 - HTTP's own number
            raise EngineError(f"the sandbox refused {method} {path}: {answer.body.decode()}")
        return answer.json()


@contextmanager
def emulated(now: datetime, speed: float, handler: Handler) -> Iterator[World]:
    """The emulated providers on a free port of this machine, until the body ends."""
    command = [
        sys.executable,
        "-m",
        "connectors.sandbox",
        "--port",
        "0",
        "--speed",
        str(speed),
        "--now",
        now.isoformat(),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise EngineError("the sandbox did not start", hint="try `ciblage sandbox` by hand")
        yield World(json.loads(line)["url"], handler)
    finally:
        process.terminate()
        process.wait(timeout=10)
