"""ClickHouse's HTTP interface on the loopback, executing on chDB: one chDB connection a session.

What a client of ours says over the wire is answered as the documentation has it (https://clickhouse.com/docs/interfaces/http,
read 2026-11): the statement in the body or in `query` with data in the body, settings and `session_id` in the query
string, Basic authentication, errors by X-ClickHouse-Exception-Code. No server: replicas, grants and profiles are not here.
"""

from __future__ import annotations

import re
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import chdb

USER, PASSWORD = "agency", "s3cret/:@?"
_OF_THE_INTERFACE = frozenset({
    "database", "session_id", "session_timeout", "session_check", "query_id", "wait_end_of_query", "compress", "decompress",
    "buffer_size", "client_protocol_version", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
    "enable_http_compression", "quota_key", "role",
})  # fmt: skip
_STATUS = {"516": 403, "81": 404, "60": 404, "62": 400}


class Server(ThreadingHTTPServer):
    """A server with its sessions, and every statement that it was given."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.sessions: dict[str, Any] = {}
        self.statements: list[str] = []
        self.settings: list[dict[str, str]] = []
        self.is_readonly = False  # the user's profile: no setting may be changed

    def session(self, name: str) -> Any:
        if name not in self.sessions:
            self.sessions[name] = chdb.connect(":memory:")
        return self.sessions[name]

    def url(self, rest: str = "/default", *, login: str = f"{USER}:{quote(PASSWORD, safe='')}") -> str:
        return f"clickhouse://{login}@127.0.0.1:{self.server_port}{rest}"


class Handler(BaseHTTPRequestHandler):
    """One request: who asks, with what settings, what."""

    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

    def _answer(self) -> None:
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if b64decode(self.headers.get("Authorization", "Basic ")[6:]).decode() != f"{USER}:{PASSWORD}":
            words = "Code: 516. DB::Exception: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)"
            return self._send(words.encode(), "516")
        try:
            return self._send(self._execute(given, body), None)
        except RuntimeError as error:
            words = str(error)
            code = re.search(r"Code: (\d+)", words)
            return self._send(words.encode(), code[1] if code else "1002")

    def _execute(self, given: dict[str, str], body: bytes) -> bytes:
        head, _, data = body.partition(b"\n") if body[:6].upper() == b"INSERT" else (body, b"", b"")
        statement = given.pop("query", "") or head.decode()
        data = data or (body if statement.encode() != body and head == body else b"")
        connection = self.server.session(given.get("session_id", ""))
        self.server.statements.append(statement)
        settings = {name: value for name, value in given.items() if name not in _OF_THE_INTERFACE}
        self.server.settings.append(settings)
        if "database" in given:
            connection.query(f"USE `{given['database']}`")
        for name, value in settings.items():
            connection.query(f"SET {name} = '{value}'")
        if self.server.is_readonly:
            statement = statement.replace("SELECT name, value, readonly FROM", "SELECT name, value, 1 AS readonly FROM")
        if data:
            return _insert(connection, statement, data)
        found: bytes = connection.query(statement, "TabSeparated").bytes() or b""
        return found

    def _send(self, body: bytes, code: str | None) -> None:
        self.send_response(_STATUS.get(code, 500) if code else 200)
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _insert(connection: Any, statement: str, data: bytes) -> bytes:
    """Data after a statement are a file to chDB."""
    with tempfile.NamedTemporaryFile(suffix=".data") as file:
        file.write(data)
        file.flush()
        before, _, kind = statement.rpartition(" FORMAT ")
        connection.query(f"{before} FROM INFILE '{file.name}' FORMAT {kind}")
    return b""


@contextmanager
def running() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for one in server.sessions.values():
            one.close()
