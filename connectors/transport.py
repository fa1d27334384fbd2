"""One call and its answer, and the network between: httpx is met here alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from connectors import errors

if TYPE_CHECKING:
    import httpx

__all__ = ["TIMEOUT", "Handler", "Request", "Response", "Wire"]

TIMEOUT = 60.0  # seconds; a provider's own server timeout is 120 s at most
_LONG = 500  # characters of a query of which reading it in Python costs more than the rest of the call
_QUOTED = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,/:;=?@]++|%[0-9A-F]{2})*+")  # what httpx sends as it is


@dataclass(frozen=True, slots=True)
class Request:
    """One call as it leaves; `headers` are lower-cased names."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: float = TIMEOUT


@dataclass(frozen=True, slots=True)
class Response:
    """One answer as it came; `headers` are lower-cased names."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:  # noqa: ANN401 - what a provider sends is any JSON; wire.py gives it a type
        """The body as JSON; `None` for an empty one. Raises UnexpectedResponse when it is something else."""
        if not self.body:
            return None
        try:
            return orjson.loads(self.body)
        except ValueError:
            message = f"the answer (status {self.status}) is not JSON"
            raise errors.UnexpectedResponse(message, status=self.status) from None

    def part(self, *keys: str) -> Any:  # noqa: ANN401 - as json
        """What the JSON holds under these keys, each within the one before. Raises UnexpectedResponse for another shape."""
        found = self.json()
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                message = f"the answer (status {self.status}) has no '{key}'"
                raise errors.UnexpectedResponse(message, status=self.status)
            found = found[key]
        return found


class Handler(Protocol):
    """What answers a request: the network, or a fake of the same interface.

    Raises TimeoutError (no answer in time) or ConnectionError: ConnectionRefusedError when nothing can have
    been sent, any other when the request may have arrived.
    """

    def handle(self, request: Request) -> Response: ...


class Wire:
    """The network, through httpx: pooled connections, no retries, no redirects; `transport` stands in for sockets.

    Where the environment names no proxy its transport is called as it is: what a client adds takes a quarter of a call's CPU.
    """

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        from urllib.request import getproxies

        import httpx

        for name in ("httpx", "httpcore"):  # they log whole URLs and headers: ours are masked
            logging.getLogger(name).setLevel(logging.WARNING)
        self._httpx = httpx
        self._is_network = transport is None
        self._direct = httpx.HTTPTransport() if self._is_network and not getproxies() else None
        self._client = httpx.Client(follow_redirects=False, trust_env=True, transport=transport or self._direct)
        self._headers = dict(self._client.headers)
        self._url = lru_cache(maxsize=64)(httpx.URL)  # a connector calls few addresses, most of them often

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def handle(self, request: Request) -> Response:
        """Send it; httpx's errors become the two that Handler names."""
        httpx = self._httpx
        try:
            answer = self._sent(self._built(request))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise ConnectionRefusedError(type(error).__name__) from None
        except httpx.TimeoutException as error:
            raise TimeoutError(type(error).__name__) from None
        except httpx.InvalidURL as error:
            raise ConnectionRefusedError(type(error).__name__) from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise ConnectionError(type(error).__name__) from None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        body = answer.content
        answer.stream = httpx.ByteStream(b"")  # it refers back: large answers would wait for the collector of cycles
        return Response(answer.status_code, headers, body)

    def _sent(self, request: httpx.Request) -> httpx.Response:
        """The answer, read to its end."""
        if self._direct is None:
            return self._client.send(request)
        answer = self._direct.handle_request(request)
        try:
            answer.read()
        finally:
            answer.close()
        return answer

    def _built(self, request: Request) -> httpx.Request:
        """The request as httpx has it; a long query that is quoted already is spared its look at each character."""
        path, _, query = request.url.partition("?")
        is_long = self._is_network and len(query) > _LONG and _QUOTED.fullmatch(query) is not None
        url = self._url(path if is_long else request.url)
        built = self._httpx.Request(
            request.method,
            url,
            headers={**self._headers, **request.headers},
            content=request.body or None,
            extensions={"timeout": self._httpx.Timeout(request.timeout).as_dict()},
        )
        if is_long:
            built.url = _asking(self._httpx.URL)(url, query)
        return built


@cache
def _asking(url: type[httpx.URL]) -> Callable[[httpx.URL, str], httpx.URL]:
    """What makes a URL without a query one that asks; httpx is imported late."""

    class Asking(url):  # type: ignore[valid-type,misc]  # a class that is met when httpx is
        def __init__(self, path: httpx.URL, query: str) -> None:
            super().__init__(path)
            self._asked = b"?" + query.encode()

        @property
        def raw_path(self) -> bytes:
            return bytes(super().raw_path) + self._asked

    return Asking
