"""The sandbox on a socket: HTTP/1.1 with connections kept alive, a thread each, on this machine only."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from connectors.http import Request, Response
from connectors.sandbox.world import json_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.sandbox.router import Sandbox

__all__ = ["Server", "serving"]

HOST = "127.0.0.1"
LINGER_S = 5.0
PATIENCE_S = 300.0  # that a caller waits at most for an answer that does not come


class Server(ThreadingHTTPServer):
    """Serves a sandbox; the port is free to choose when 0 is asked for."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, sandbox: Sandbox, port: int = 0) -> None:
        super().__init__((HOST, port), Exchange)
        self.sandbox = sandbox
        sandbox.world.base_url = f"http://{HOST}:{self.server_port}"
        sandbox.world.archive_url = f"http://localhost:{self.server_port}"  # another host for who holds credentials

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the standard library's words
        """A caller that died in the middle of a call is no trouble of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Exchange(BaseHTTPRequestHandler):
    """One connection: its requests become ours, our answers its answers."""

    protocol_version = "HTTP/1.1"
    server_version = "ciblage-sandbox"
    sys_version = ""
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True
    server: Server

    def _exchange(self) -> None:
        if "chunked" in self.headers.get("transfer-encoding", ""):
            self._refuse(json_response(411, {"error": "send a content-length"}))
            return
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        url = f"http://{self.headers.get('host', HOST)}{self.path}"
        try:
            self._send(self.server.sandbox.handle(Request(self.command, url, headers, body)))
        except TimeoutError:
            self._keep_waiting()
        except ConnectionError:
            self._reset()

    def _keep_waiting(self) -> None:
        """No answer until the caller gives up."""
        self.close_connection = True
        self.connection.settimeout(PATIENCE_S)
        with suppress(OSError):
            self.rfile.read(1)

    def _reset(self) -> None:
        """Closes as a broken connection does: with a reset, not with an end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _refuse(self, response: Response) -> None:
        """Answers without the body, then reads on to its end: closing on unread bytes resets the caller's connection."""
        self.close_connection = True
        self._send(response)
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(LINGER_S)
        with suppress(OSError):
            while self.rfile.read(65_536):
                pass

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != 204:  # noqa: PLR2004 - HTTP's own number: no content
            self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _exchange  # noqa: N815 - the standard library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """The sandbox keeps its own log."""


@contextmanager
def serving(sandbox: Sandbox, port: int = 0) -> Iterator[Server]:
    """The sandbox on a socket for as long as the block runs."""
    server = Server(sandbox, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
