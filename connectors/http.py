"""The only HTTP: pacing, Retry-After, error mapping, masked logs. Connectors call it; it never knows a provider."""

from __future__ import annotations

import base64
import copy
import json as jsonlib
import logging
import re
import string
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

import orjson
import tenacity

from connectors import errors
from connectors.masking import mask
from connectors.pace import EVERY, LocalPace, Pace, Rate
from connectors.transport import TIMEOUT, Handler, Request, Response, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


__all__ = [
    "Clock", "Handler", "Http", "Request", "Response", "SystemClock", "Wire", "mask",
    "retrying",
]  # fmt: skip

_log = logging.getLogger("ciblage.http")
_CREDENTIAL = re.compile(r"auth|key|token|secret|cookie")
_BASIC = re.compile(r"(?i:basic)\s+\S+")
_SHORT = 7  # characters: "Bearer" and the like are no secrets
_REQUEST_IDS = ("x-request-id", "request-id", "sib-request-id", "cf-ray")
_PATIENCE = 60.0  # seconds that a GET may wait for a throttle before the caller is told
_TRIES = 3  # of a GET
_TICK = 0.001  # seconds: the shortest sleep
_DAY = 86_400.0  # seconds: the longest silence that we believe
_SHARE = 0.8  # of every declared window: the account has other users
_READS = frozenset({"GET", "HEAD"})
_UNRESERVED = frozenset(f"{string.ascii_letters}{string.digits}_.-~")  # what an address holds as it is (RFC 3986)
_NOTHING = frozenset({404})
_FAMILY = "default"


class Clock(Protocol):
    """The real clock of the outside world; no result depends on it."""

    def utc(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def utc(self) -> datetime:
        """Now, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)  # noqa: TID251 - the Clock is the one place that sleeps


class Http:
    """Calls to one account: `http("POST", "/lists", json={…}, rate="bulk")`.

    `base_url` ends without a slash; a path that starts with `https://` or `http://` goes elsewhere and then
    without the credentials. `rates` are all windows of each family, those of EVERY count all calls; the families share `in_flight` slots.
    Only GET is tried again here (twice); writes are `push`'s business.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        handler: Handler,
        clock: Clock,
        pace: Pace | None = None,
        rates: Mapping[str, tuple[Rate, ...]] | None = None,
        share: Mapping[str, float] | None = None,
        in_flight: int = 1,
        about: Mapping[str, object] | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = {name.lower(): _plain(name, value) for name, value in headers.items()}
        self._secrets = _secrets(self._headers)
        self._handler = handler
        self._clock = clock
        self._pace = pace or LocalPace()
        self._windows = _shared(rates or {}, share or {})
        self._in_flight = in_flight
        self._about = {} if about is None else about  # whose calls they are, for the log
        self._numbers = count(1)
        self._explain: Callable[[errors.ConnectorError, str], errors.ConnectorError] = lambda error, _: error

    def through(self, handler: Handler) -> Http:
        """The same account, pace and clock, answered by another handler."""
        other = copy.copy(self)
        other._handler = handler  # noqa: SLF001 - a copy of ourselves
        return other

    def explaining(self, explain: Callable[[errors.ConnectorError, str], errors.ConnectorError]) -> Http:
        """The same calls; a refused one raises what `explain` makes of the error and the call's family of rates."""
        other = copy.copy(self)
        other._explain = explain  # noqa: SLF001 - a copy of ourselves
        return other

    def __call__(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        rate: str = _FAMILY,
        accept: frozenset[int] = frozenset(),
        timeout: float = TIMEOUT,
    ) -> Response:
        """The answer, when its status is 2xx or in `accept`; otherwise an error of `connectors.errors`."""
        request = self._request(method, path, json=json, params=params, headers=headers, body=body, timeout=timeout)
        if method.upper() not in _READS:
            return self._send(request, rate, accept, count(1))
        return retrying(self._clock, attempts=_TRIES, patience=_PATIENCE)(self._send, request, rate, accept, count(1))

    def look(self, path: str, *, params: Mapping[str, str | int] | None = None, rate: str = _FAMILY) -> Response | None:
        """What a GET finds there; None where the provider has nothing (404)."""
        answer = self("GET", path, params=params, rate=rate, accept=_NOTHING)
        return None if answer.status in _NOTHING else answer

    def _request(
        self,
        method: str,
        path: str,
        *,
        json: object,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        timeout: float,
    ) -> Request:
        url = path if path.startswith(("http://", "https://")) else f"{self.base_url}/{path.removeprefix('/')}"
        if params:
            url += ("&" if "?" in url else "?") + _query(params)
        sent = {"user-agent": "ciblage", "accept": "application/json"}
        is_home = urlsplit(url)[:2] == urlsplit(self.base_url)[:2]  # scheme and host
        if is_home:
            sent |= self._headers
        if json is not None:
            body = orjson.dumps(json)
            sent.setdefault("content-type", "application/json")
        given = {name.lower(): value for name, value in (headers or {}).items()}
        sent |= {name: value for name, value in given.items() if is_home or name not in self._headers}
        return Request(method.upper(), url, sent, body or b"", timeout)

    def _send(self, request: Request, family: str, accept: frozenset[int], attempts: Iterator[int]) -> Response:
        family = family if family in self._windows else _FAMILY
        windows = {
            name: self._windows.get(name, ()) for name in (family, EVERY) if name == family or name in self._windows
        }
        try:
            response = self._in_turn(request, windows, next(attempts))
        except (TimeoutError, ConnectionError) as error:
            sent = request.method not in _READS and not isinstance(error, ConnectionRefusedError)
            message = f"{_place(request)}: no answer ({type(error).__name__}: {mask(str(error))})"
            raise errors.Unavailable(message, ambiguous=sent) from None
        if response.status // 100 == 2 or response.status in accept:  # noqa: PLR2004 - HTTP's own number
            return response
        failure = _failure(request, self._masked(response), self._clock.utc())
        if isinstance(failure, errors.RateLimited):
            for name in windows:
                self._pace.rest(name, self._clock.monotonic() + failure.wait)
        raise self._explain(failure, family)

    def _masked(self, response: Response) -> Response:
        """The answer without our own credentials: some providers repeat a wrong key."""
        body = response.body
        for secret in self._secrets:
            body = body.replace(secret, b"...")
        return Response(response.status, response.headers, body)

    def _in_turn(self, request: Request, windows: Mapping[str, Sequence[Rate]], attempt: int) -> Response:
        """The answer, once a slot and every window have room; who waits for a window holds no slot meanwhile."""
        while True:
            with self._pace.slot(self._in_flight):  # before the turn: what waits for a slot has not called yet
                started = self._clock.monotonic()
                wait = self._pace.take(windows, started)
                if wait <= 0:
                    return self._handled(request, started, attempt)
            self._clock.sleep(max(wait, _TICK))  # a rounded wait must not end just before its time, for ever

    def _handled(self, request: Request, started: float, attempt: int) -> Response:
        """The answer; what is told of the call, whether there is one or not, is told without its query and its words."""
        response = None
        try:
            response = self._handler.handle(request)
            return response
        finally:
            if _log.isEnabledFor(logging.INFO):
                known = None if response is None else _request_id(response)
                facts = {
                    "method": request.method,
                    "path": mask(urlsplit(request.url).path),
                    "status": None if response is None else response.status,
                    "ms": round((self._clock.monotonic() - started) * 1000),
                    "attempt": attempt,
                    "request_id": known or f"#{next(self._numbers)}",
                }
                _log.info("call", extra={"about": {**self._about, **facts}})


def _query(params: Mapping[str, str | int]) -> str:
    return "&".join(f"{_quoted(name)}={_quoted(str(value))}" for name, value in params.items())


def _quoted(text: str) -> str:
    """As urllib quotes it, blanks as %20, at a small part of the cost where it is ASCII: a filter may name a hundred people."""
    if not text.isascii():
        return quote(text, safe="")
    for letter in sorted(set(text) - _UNRESERVED, key="%".__ne__):  # the sign itself first
        text = text.replace(letter, f"%{ord(letter):02X}")
    return text


def _plain(name: str, value: str) -> str:
    """A header's value, when it can be sent. Raises SettingsError, which does not repeat it."""
    if value.isascii() and value.isprintable():
        return value
    raise errors.SettingsError(f"the credentials ({name}) hold a character that no key has: was it copied whole?")


def _secrets(headers: Mapping[str, str]) -> frozenset[bytes]:
    """What must never be repeated: the credentials, whole and in their parts."""
    values = [value for name, value in headers.items() if _CREDENTIAL.search(name)]
    words = [word.encode() for value in values for word in (value, *value.split())]
    pairs = [_decoded(value.split()[1]) for value in values if _BASIC.fullmatch(value)]
    parts = [part for pair in pairs for part in pair.split(b":")]
    return frozenset(secret for secret in (*words, *parts) if len(secret) > _SHORT)


def _decoded(word: str) -> bytes:
    try:
        return base64.b64decode(word)
    except ValueError:
        return b""


def _shared(rates: Mapping[str, tuple[Rate, ...]], share: Mapping[str, float]) -> dict[str, tuple[Rate, ...]]:
    return {
        family: tuple(Rate(max(1, int(rate.calls * share.get(family, _SHARE))), rate.seconds) for rate in windows)
        for family, windows in rates.items()
    }


def retrying(clock: Clock, *, attempts: int, patience: float) -> tenacity.Retrying:
    """Tries that wait: as long as the provider asks, or longer each time when it does not answer.

    `patience`: seconds; a provider that asks for more is left alone, and the caller told.
    """

    def is_passing(error: BaseException) -> bool:
        if isinstance(error, errors.RateLimited):
            return error.wait <= patience
        return isinstance(error, errors.Unavailable)

    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(attempts),
        retry=tenacity.retry_if_exception(is_passing),
        wait=_wait,
        sleep=clock.sleep,
        reraise=True,
    )


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, errors.RateLimited):
        return error.wait
    return float(2**state.attempt_number)


def _place(request: Request) -> str:
    parts = urlsplit(request.url)
    return f"{request.method} {parts.netloc}{mask(parts.path)}"


def _failure(request: Request, response: Response, now: datetime) -> errors.ConnectorError:
    """The provider's refusal as one of ours; a 403 or 429 without JSON is a throttle in front of the API."""
    status, body = response.status, _body(response)
    about: dict[str, Any] = {"status": status, "request_id": _request_id(response)}
    message = f"{_place(request)}: {status} {_words(body)}".rstrip()
    if status == 429 or (status == 403 and not isinstance(body, (dict, list))):  # noqa: PLR2004 - HTTP's own numbers
        return errors.RateLimited(message, wait=_silence(response, now), **about)
    if status in {401, 403, 407}:
        return errors.Unauthorized(message, **about)
    if status in {408, 425} or status >= 500:  # noqa: PLR2004 - HTTP's own number
        return errors.Unavailable(message, ambiguous=request.method not in _READS and status != 425, **about)  # noqa: PLR2004
    if status >= 400:  # noqa: PLR2004 - HTTP's own number
        return errors.InvalidRequest(message, body=body, **about)
    return errors.UnexpectedResponse(message, **about)


def _body(response: Response) -> object:
    try:
        return jsonlib.loads(response.body)
    except ValueError:
        return response.body.decode("utf-8", "replace")


def _words(body: object) -> str:
    text = body if isinstance(body, str) else jsonlib.dumps(body, ensure_ascii=False)
    return mask(" ".join(text.split())[:500])


def _request_id(response: Response) -> str | None:
    return next((response.headers[name] for name in _REQUEST_IDS if name in response.headers), None)


def _silence(response: Response, now: datetime) -> float:
    """Seconds: Retry-After (a number or a date), else Brevo's reset (seconds, not an epoch), else ten."""
    value = response.headers.get("retry-after") or response.headers.get("x-sib-ratelimit-reset") or "10"
    try:
        return min(max(0.0, float(value)), _DAY)
    except ValueError:
        pass
    try:
        return min(max(0.0, (parsedate_to_datetime(value) - now).total_seconds()), _DAY)
    except (TypeError, ValueError):
        return 10.0
