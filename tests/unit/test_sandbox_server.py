"""The sandbox on a real socket, and as a program."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from connectors.http import Request, Wire
from connectors.sandbox import Sandbox
from connectors.sandbox.__main__ import main
from connectors.sandbox.server import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Sandbox(only=())) as server:
        yield server


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


def test_the_sandbox_answers_on_localhost_only(server: Server, wire: Wire) -> None:
    base = server.sandbox.world.base_url
    assert base == f"http://127.0.0.1:{server.server_port}"
    answer = wire.handle(Request("GET", f"{base}/sandbox/clock"))
    assert (answer.status, answer.json()) == (200, {"now": "2018-01-01T09:00:00+00:00"})
    assert server.server_address[0] == "127.0.0.1"


def test_bodies_queries_and_unicode_arrive(server: Server, wire: Wire) -> None:
    body = "code\nété-1\n".encode()
    answer = wire.handle(Request("POST", f"{server.sandbox.world.base_url}/sandbox/till?x=%C3%A9", {}, body))
    assert answer.body.decode().startswith("code,confirmed_at\nété-1,")


def test_a_connection_is_kept_for_the_next_call(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    sockets = set()
    for method in ("GET", "DELETE", "HEAD", "GET"):
        connection.request(method, "/sandbox/calls" if method == "DELETE" else "/sandbox/clock")
        answer = connection.getresponse()
        assert answer.version == 11
        answer.read()
        sockets.add(connection.sock.getsockname())
    connection.close()
    assert len(sockets) == 1


def test_a_body_without_a_length_is_refused(server: Server) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_port)) as connection:
        connection.request("POST", "/sandbox/till", body=iter([b"code\n"] + [b"A\n" * 9_000] * 40), encode_chunked=True)
        assert connection.getresponse().status == 411


def test_many_callers_at_once_are_all_answered(server: Server) -> None:
    seen: list[int] = []

    def call() -> None:
        wire = Wire()
        for _ in range(10):
            answer = wire.handle(
                Request("POST", f"{server.sandbox.world.base_url}/sandbox/clock", {}, b'{"advance": 1}')
            )
            seen.append(answer.status)
        wire.close()

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [200] * 80
    clock = server.sandbox.handle(Request("GET", "http://x/sandbox/clock")).json()
    assert clock == {"now": "2018-01-01T09:01:20+00:00"}


def test_the_page_is_served(server: Server, wire: Wire) -> None:
    page = wire.handle(Request("GET", f"{server.sandbox.world.base_url}/"))
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_program_says_where_it_is_and_stops_when_told(stop: signal.Signals, wire: Wire) -> None:
    command = [sys.executable, "-m", "connectors.sandbox", "--port", "0", "--speed", "0", "--now", "2018-02-03T04:05Z"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            told = json.loads(process.stdout.readline())
            assert set(told["providers"]) == {"mailchimp", "klaviyo", "brevo", "activecampaign"}
            for place in told["providers"].values():
                assert place["base_url"].startswith(told["url"])
                assert wire.handle(Request("GET", place["base_url"] + "/nowhere")).status in {401, 403, 404}
            assert (
                wire.handle(Request("GET", told["url"] + "/sandbox/clock")).json()["now"] == "2018-02-03T04:05:00+00:00"
            )
            process.send_signal(stop)
            _, complaints = process.communicate(timeout=20)
        finally:
            process.kill()  # when something above fails: leaving would wait for it
    assert (process.returncode, complaints) == (0, "")


def test_a_taken_port_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    signal.signal(signal.SIGTERM, before[0])
    signal.signal(signal.SIGINT, before[1])
    assert f"port {port}" in capsys.readouterr().err
