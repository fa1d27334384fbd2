"""What a provider sends by itself: verified, kept, and only then acknowledged."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from connectors import errors
from connectors.base import ReceivesEvents
from connectors.types import EngagementEvent, EventKind, Left, Suppression
from engine.engagement.pull import known
from engine.errors import ConfigError, EngineError

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.http import Clock
    from engine.engagement.parts import Parts
    from engine.ledger import Ledger

__all__ = ["Doorway", "Received", "Receiver", "receive"]

MOST = 5_000_000  # bytes of one delivery: the largest that a provider is known to send is 1 MB (Klaviyo, 2026-07)
SILENCE = 30.0  # seconds that a connection may be silent

_STATUS: Mapping[type[errors.ConnectorError], int] = {errors.Unauthorized: 401, errors.SettingsError: 503}
_log = logging.getLogger("ciblage.receive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What one delivery brought: events that were not known, by kind, and people who have left."""

    destination: str
    events: Mapping[str, int] = field(default_factory=dict)
    suppressions: int = 0


def receive(
    destination: str,
    connector: ReceivesEvents,
    ledger: Ledger,
    parts: Parts,
    message: tuple[Mapping[str, str], bytes],
    *,
    now: datetime,
) -> Received:
    """Keep what a delivery (headers, body) tells; who left is known at once. Twice is harmless.

    Raises connectors.errors: Unauthorized for one that is not the provider's.
    """
    events = connector.parse(*message, now)
    left = [found for event in events if (found := _left(event)) is not None]
    fresh = _untold(destination, left, ledger) if left else []
    told = (
        ledger.suppressions.record(destination, known(destination, fresh, ledger, now, parts.erased())) if fresh else 0
    )
    return Received(
        destination=destination, events=dict(parts.keep(destination, "received", events)), suppressions=told
    )


def _left(event: EngagementEvent) -> Suppression | None:
    if event.kind is EventKind.UNSUBSCRIBE:
        return Suppression(email=event.email, left=Left.UNSUBSCRIBED, at=event.happened_at)
    if event.kind is EventKind.COMPLAINT:
        return Suppression(email=event.email, left=Left.COMPLAINT, at=event.happened_at)
    if event.kind is EventKind.BOUNCE and event.hard:
        return Suppression(email=event.email, left=Left.BOUNCED, at=event.happened_at)
    return None


def _untold(destination: str, left: Iterable[Suppression], ledger: Ledger) -> list[Suppression]:
    """Those that the ledger does not have: a read of the provider's own list says more than a message about it."""
    there = ledger.suppressions.addresses(destination)
    return [one for one in left if one.email not in there or one.left is Left.COMPLAINT]


class Receiver:
    """Answers deliveries: one destination a path. Deliveries take turns, as the ledger has one writer."""

    def __init__(
        self,
        connectors: Mapping[str, ReceivesEvents],
        ledger: Ledger,
        parts: Parts,
        clock: Clock,
        tell: Callable[[Received], None] = lambda _received: None,
    ) -> None:
        self.connectors = connectors
        self._ledger, self._parts, self._clock, self._tell = ledger, parts, clock, tell
        self._turn = threading.Lock()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status for one request; 200 only when everything it tells is kept.

        `headers` have lower-cased names; the connector finds `path` with its query as `:path`.
        """
        name = unquote(urlsplit(path).path).strip("/")
        connector = self.connectors.get(name)
        if connector is None:
            return 404
        if method == "POST":
            return self._deliver(name, connector, ({**headers, ":path": path}, body))
        return 200 if method in {"GET", "HEAD"} else 405  # a GET: Mailchimp asks whether the address answers (2026-11)

    def finish(self) -> None:
        """Wait until the delivery under way is kept."""
        with self._turn:
            return

    def _deliver(self, name: str, connector: ReceivesEvents, message: tuple[Mapping[str, str], bytes]) -> int:
        try:
            with self._turn:
                received = receive(name, connector, self._ledger, self._parts, message, now=self._clock.utc())
        except errors.ConnectorError as error:
            _log.warning("%s: a delivery was refused: %s", name, error)
            return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 400)
        except (EngineError, OSError) as error:
            _log.error("%s: a delivery could not be kept (%s)", name, type(error).__name__)
            return 503  # the provider sends it again
        self._tell(received)
        return 200


class Doorway(ThreadingHTTPServer):
    """A receiver on a socket; TLS and the outside world are a proxy's business. Raises ConfigError where nobody can listen."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # a campaign's deliveries come at once

    def __init__(self, receiver: Receiver, host: str, port: int) -> None:
        try:
            super().__init__((host, port), _Delivery)
        except OSError as error:
            message = f"cannot listen at {host}:{port}: {error.strerror}"
            raise ConfigError(message, place="--host and --port", hint="--port 0 takes a free one") from None
        self.receiver = receiver


class _Delivery(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "ciblage"
    sys_version = ""
    timeout = SILENCE
    server: Doorway

    def _answer(self) -> None:
        length = self.headers.get("content-length") or ("" if self.command == "POST" else "0")
        if not length.isascii() or not length.isdecimal():
            self._end(411)
        elif int(length) > MOST:
            self._end(413)
        else:
            body = self.rfile.read(int(length))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = (
                400 if len(body) < int(length) else self.server.receiver.answer(self.command, self.path, headers, body)
            )
            self._say(status)

    def _end(self, status: int) -> None:
        """Refuse without reading: the connection is of no more use."""
        self.close_connection = True
        self._say(status)

    def _say(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the standard library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Paths may hold a secret address: what was received is told by the receiver."""
