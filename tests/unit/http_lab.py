"""An account that answers by a script, and a clock that only moves when somebody sleeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from connectors import errors
from connectors.http import Http, Request, Response

START = datetime(2018, 1, 1, 9, tzinfo=UTC)
KEY = "pk_a-very-secret-key"
HOME = "https://api.example.com/v3"


@dataclass
class Hands:
    """A clock that only moves when somebody sleeps."""

    at: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def utc(self) -> datetime:
        return START + timedelta(seconds=self.at - 1000)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


@dataclass
class Script:
    """Answers in order; the last one repeats."""

    answers: list[Response | Exception]
    seen: list[Request] = field(default_factory=list)

    def handle(self, request: Request) -> Response:
        self.seen.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def api(*answers: Response | Exception, clock: Hands | None = None, **more: object) -> tuple[Http, Script, Hands]:
    script, hands = Script(list(answers) or [Response(200, {}, b"{}")]), clock or Hands()
    http = Http(HOME, {"Api-Key": KEY}, handler=script, clock=hands, **more)  # type: ignore[arg-type] # keywords of Http
    return http, script, hands


def refused(status: int, body: bytes = b'{"code":"x"}', method: str = "POST", **headers: str) -> errors.ConnectorError:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    http, _, _ = api(Response(status, sent, body))
    with pytest.raises(errors.ConnectorError) as caught:
        http(method, "/lists", json={})
    return caught.value
