"""The network, and what stands in for it: what leaves, what comes back, and what its failures become."""

from __future__ import annotations

import gc
import gzip
import json
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from http_lab import HOME, KEY

from connectors.http import Request, Wire


def through(answer: Callable[[httpx.Request], httpx.Response]) -> Wire:
    return Wire(httpx.MockTransport(answer))


def test_an_answer_is_let_go_once_it_was_read() -> None:
    kept: list[weakref.ref[httpx.Response]] = []

    def answer(_: httpx.Request) -> httpx.Response:
        response = httpx.Response(200, content=b"{}")
        kept.append(weakref.ref(response))
        return response

    wire = through(answer)
    gc.disable()
    try:
        assert wire.handle(Request("GET", HOME)).body == b"{}"
        assert [one() for one in kept] == [None]
    finally:
        gc.enable()
        wire.close()


def descendants(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    yield kind
    for child in kind.__subclasses__():
        yield from descendants(child)


def raised(kind: type[BaseException]) -> BaseException:
    request = httpx.Request("GET", HOME)
    for arguments in (("boom",), (), ("boom", request, httpx.Response(500))):
        try:
            return kind(*arguments)
        except TypeError:
            continue
    return kind("boom", request=request, response=httpx.Response(500))  # type: ignore[call-arg] # HTTPStatusError


TREE = sorted(
    {
        kind
        for root in (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL)
        for kind in descendants(root)
        if kind.__module__.startswith("httpx")
    },
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_of_httpx_is_one_of_ours(kind: type[BaseException]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise raised(kind)

    with pytest.raises((TimeoutError, ConnectionError)) as caught:
        through(fail).handle(Request("POST", HOME))
    assert str(caught.value) == kind.__name__
    assert caught.value.__suppress_context__


def test_the_tree_of_httpx_is_walked_whole() -> None:
    assert {httpx.ReadTimeout, httpx.ProxyError, httpx.DecodingError, httpx.InvalidURL, httpx.TooManyRedirects} <= {
        *TREE
    }


@pytest.mark.parametrize(
    "kind", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol]
)
def test_what_never_left_is_not_ambiguous(kind: type[Exception]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise kind("boom")

    with pytest.raises(ConnectionRefusedError):
        through(fail).handle(Request("POST", HOME))


def test_an_impossible_address_is_not_ambiguous() -> None:
    with pytest.raises(ConnectionRefusedError):
        Wire().handle(Request("POST", "https://[broken"))


def test_the_wire_sends_what_it_is_given_and_follows_nothing() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(302, headers={"Location": "https://evil.example", "X-Thing": "1"}, content=b"moved")

    response = through(answer).handle(Request("PATCH", f"{HOME}/a%2Fb?x=1", {"api-key": KEY}, b"{}"))
    assert (response.status, response.body, response.headers["x-thing"]) == (302, b"moved", "1")
    assert [(r.method, str(r.url), r.headers["api-key"], r.content) for r in seen] == [
        ("PATCH", f"{HOME}/a%2Fb?x=1", KEY, b"{}")
    ]


QUERIES = (
    "a=b",
    "filter=any%28email%2C%5B%22"
    + "%22%2C%22".join(f"person.{number}%40é.example" for number in range(100))
    + "%22%5D%29",
    "filter=" + "%2C".join(f"any(email,'person.{number}%40example.com')&x[{number}]" for number in range(100)),
    "filter=" + "%2C".join(f"any(email,'person.{number}%40example.com')" for number in range(100)),
    "filter=%28" + "%" * 600,
)


class Echo(BaseHTTPRequestHandler):
    """Answers with what was asked for, as it came over the socket."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode("latin-1"))

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("query", QUERIES)
def test_a_long_query_arrives_as_httpx_would_send_it(query: str) -> None:
    with listening(Echo) as address:
        url = f"{address}/profiles?{query}"
        wire = Wire()
        arrived = wire.handle(Request("GET", url)).body
        wire.close()
    assert arrived == httpx.URL(url).raw_path
    seen: list[str] = []
    through(lambda request: (seen.append(str(request.url)), httpx.Response(200))[1]).handle(Request("GET", url))
    assert seen == [str(httpx.URL(url))], "whoever stands in for the network sees all of it"


class Zipped(BaseHTTPRequestHandler):
    """Answers with the headers that came, zipped where that was offered; `/broken` says that it zips, and does not."""

    def do_GET(self) -> None:
        told = json.dumps({name.lower(): value for name, value in self.headers.items()} | {"path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Set-Cookie", "seen=1")
        self.end_headers()
        self.wfile.write(told if self.path.endswith("/broken") else gzip.compress(told))

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def listening(kind: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("way", ["directly", "through a proxy"])
def test_a_call_over_the_network_is_the_same_with_a_proxy_and_without(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_through_proxy = way == "through a proxy"
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with listening(Zipped) as address:
        if is_through_proxy:
            monkeypatch.setenv("http_proxy", address)
        home = "http://shop.example" if is_through_proxy else address
        wire = Wire()
        request = Request("GET", f"{home}/lists?x=1", {"api-key": KEY, "user-agent": "ciblage"})
        first, second = (wire.handle(request) for _ in range(2))
        with pytest.raises(ConnectionError, match="DecodingError"):
            wire.handle(Request("GET", f"{home}/broken"))
        wire.close()
    told = second.json()
    assert (told["api-key"], told["user-agent"], told["host"]) == (KEY, "ciblage", home.removeprefix("http://"))
    assert told["path"] == (f"{home}/lists?x=1" if is_through_proxy else "/lists?x=1")
    assert "gzip" in told["accept-encoding"]
    assert (first.status, first.headers["set-cookie"]) == (200, "seen=1")
    assert "cookie" not in told


def test_nobody_who_listens_is_a_refused_connection_and_one_who_hangs_up_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(1)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        wire = Wire()
        with pytest.raises(ConnectionError) as caught:
            wire.handle(Request("POST", f"http://127.0.0.1:{port}/lists", body=b"{}"))
        thread.join()
    assert not isinstance(caught.value, ConnectionRefusedError)
    with pytest.raises(ConnectionRefusedError):
        wire.handle(Request("POST", f"http://127.0.0.1:{port}/lists", body=b"{}"))
    wire.close()


def test_who_does_not_answer_in_the_time_of_the_call_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # it listens, and takes no call
        wire = Wire()
        with pytest.raises(TimeoutError, match="ReadTimeout"):
            wire.handle(Request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/lists", timeout=0.02))
        wire.close()
