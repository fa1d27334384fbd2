"""What a provider delivers by itself is verified, kept before it is acknowledged, and kept once."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hand_clock import HandClock

from connectors.errors import SettingsError, Unauthorized, UnexpectedResponse
from connectors.types import EngagementEvent, EventKind, Left, Suppression
from engine.engagement.parts import Parts
from engine.engagement.receiving import MOST, Doorway, Received, Receiver
from engine.ledger import Ledger
from engine.ledger.suppressions import KnownSuppression

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = b"whsec"


class Provider:
    """Signs its deliveries; a body is a list of {id, kind, email}."""

    def __init__(self, secret: bytes = SECRET) -> None:
        self.secret = secret

    def parse(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[EngagementEvent]:
        if not self.secret:
            raise SettingsError("provider: webhook_secret is not set")
        if not hmac.compare_digest(headers.get("signature", ""), sign(body)):
            raise Unauthorized("the signature is wrong")
        try:
            rows = json.loads(body)
        except ValueError:
            raise UnexpectedResponse("no JSON") from None
        return [
            EngagementEvent(
                id=row["id"], kind=EventKind(row["kind"]), email=row["email"], happened_at=now, hard=row.get("hard")
            )
            for row in rows
        ]


def sign(body: bytes) -> str:
    return hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def rows(*kinds: str, **more: object) -> bytes:
    return json.dumps(
        [{"id": f"{at}{kind}", "kind": kind, "email": f"{kind}@example.com", **more} for at, kind in enumerate(kinds)]
    ).encode()


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path / "engagement")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}", "maison") as opened:
        yield opened


@pytest.fixture
def told() -> list[Received]:
    return []


@pytest.fixture
def receiver(ledger: Ledger, parts: Parts, told: list[Received]) -> Receiver:
    return Receiver({"news": Provider()}, ledger, parts, HandClock(NOW), told.append)


def deliver(receiver: Receiver, body: bytes, signature: str | None = None, path: str = "/news") -> int:
    return receiver.answer("POST", path, {"signature": sign(body) if signature is None else signature}, body)


def kept(parts: Parts) -> list[str]:
    return sorted(one for path in parts.paths() for one in pq.read_table(path)["event_id"].to_pylist())


def test_events_are_kept_and_told(receiver: Receiver, parts: Parts, told: list[Received]) -> None:
    assert deliver(receiver, rows("open", "click")) == 200
    assert kept(parts) == ["news:0open", "news:1click"]
    assert told == [Received(destination="news", events={"open": 1, "click": 1})]


def test_a_delivery_that_comes_twice_is_kept_once(
    receiver: Receiver, parts: Parts, ledger: Ledger, told: list[Received]
) -> None:
    for _ in range(2):
        assert deliver(receiver, rows("open", "unsubscribe")) == 200
    assert kept(parts) == ["news:0open", "news:1unsubscribe"]
    assert len(ledger.suppressions.table()) == 1
    assert told[1] == Received(destination="news")


@pytest.mark.parametrize(
    ("kind", "more", "left"),
    [
        ("unsubscribe", {}, Left.UNSUBSCRIBED),
        ("complaint", {}, Left.COMPLAINT),
        ("bounce", {"hard": True}, Left.BOUNCED),
        ("bounce", {"hard": False}, None),
        ("bounce", {}, None),
        ("click", {}, None),
        ("other", {}, None),
    ],
)
def test_who_left_is_known_at_once(
    receiver: Receiver, ledger: Ledger, kind: str, more: dict[str, object], left: Left | None
) -> None:
    assert deliver(receiver, rows(kind, **more)) == 200
    table = ledger.suppressions.table("news")
    assert table["left"].to_pylist() == ([] if left is None else [left.value])
    assert table["address"].to_pylist() == ([] if left is None else [f"{kind}@example.com"])


def test_a_message_never_makes_less_of_what_was_read(receiver: Receiver, ledger: Ledger) -> None:
    """The provider's own list is read with time and reason; a late message about the same person changes neither."""
    read = Suppression(email="unsubscribe@example.com", left=Left.COMPLAINT, at=NOW - timedelta(days=3), ref="r1")
    ledger.suppressions.record("news", [KnownSuppression(suppression=read, customer_id="c1", first_seen=NOW)])
    before = ledger.suppressions.table()
    assert deliver(receiver, rows("unsubscribe")) == 200
    assert ledger.suppressions.table() == before


def test_a_first_sweep_is_still_asked_for(receiver: Receiver, ledger: Ledger) -> None:
    from engine.engagement import is_swept

    deliver(receiver, rows("unsubscribe"))
    assert not is_swept(ledger, "news")


@pytest.mark.parametrize("signature", ["", "0" * 64, sign(b"another body")])
def test_what_is_not_the_provider_s_leaves_nothing(
    receiver: Receiver, parts: Parts, ledger: Ledger, signature: str
) -> None:
    assert deliver(receiver, rows("unsubscribe"), signature) == 401
    assert kept(parts) == []
    assert len(ledger.suppressions.table()) == 0


def test_answers_say_what_the_provider_should_do(receiver: Receiver, ledger: Ledger, parts: Parts) -> None:
    assert deliver(receiver, b"no json") == 400
    assert deliver(receiver, rows("open"), path="/other") == 404
    assert deliver(receiver, rows("open"), path="/news?token=x") == 200
    assert receiver.answer("GET", "/news", {}, b"") == 200
    assert receiver.answer("DELETE", "/news", {}, b"") == 405
    unset = Receiver({"news": Provider(b"")}, ledger, parts, HandClock(NOW))
    assert deliver(unset, rows("open")) == 503


def test_what_cannot_be_kept_is_asked_for_again(receiver: Receiver, parts: Parts, told: list[Received]) -> None:
    parts.folder.parent.mkdir(parents=True, exist_ok=True)
    parts.folder.write_text("a file where the folder should be")
    assert deliver(receiver, rows("open")) == 503
    assert told == []
    parts.folder.unlink()
    assert deliver(receiver, rows("open")) == 200


def test_who_left_is_safe_even_when_the_event_is_not(receiver: Receiver, parts: Parts, ledger: Ledger) -> None:
    parts.folder.parent.mkdir(parents=True, exist_ok=True)
    parts.folder.write_text("a file where the folder should be")
    assert deliver(receiver, rows("unsubscribe")) == 503
    assert ledger.suppressions.addresses("news") == {"unsubscribe@example.com"}


def test_no_address_and_no_secret_path_is_logged(
    receiver: Receiver, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    parts.folder.parent.mkdir(parents=True, exist_ok=True)
    parts.folder.write_text("x")
    deliver(receiver, rows("open"), path="/news?token=hush")
    deliver(receiver, rows("open"), "wrong", path="/news?token=hush")
    assert "news" in caplog.text
    assert "hush" not in caplog.text
    assert "@" not in caplog.text


@contextmanager
def door(receiver: Receiver) -> Iterator[int]:
    with Doorway(receiver, "127.0.0.1", 0) as doorway:
        thread = threading.Thread(target=doorway.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield doorway.server_port
        finally:
            doorway.shutdown()
            thread.join()


def post(port: int, body: bytes, headers: Mapping[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/news", body, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def test_deliveries_at_the_same_time_are_all_kept(receiver: Receiver, parts: Parts) -> None:
    bodies = [rows("open").replace(b"0open", f"{at}".encode()) for at in range(20)]
    with door(receiver) as port:
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda body=body: found.append(post(port, body, {"Signature": sign(body)})))
            for body in bodies
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [200] * 20
    assert kept(parts) == sorted(f"news:{at}" for at in range(20))


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /news HTTP/1.1\r\nhost: x\r\n\r\n", b"411"),
        (b"POST /news HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", b"411"),
        (b"POST /news HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (MOST + 1), b"413"),
        (b"POST /news HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n[]", b"401"),
        (b"PUT /news HTTP/1.1\r\nhost: x\r\n\r\n", b"405"),
    ],
)
def test_a_door_that_nobody_can_wedge(receiver: Receiver, head: bytes, status: bytes) -> None:
    with door(receiver) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
        caller.sendall(head)
        caller.shutdown(socket.SHUT_WR)
        assert caller.makefile("rb").readline().split()[1] == status


def test_a_body_that_breaks_off_is_not_read(receiver: Receiver, parts: Parts) -> None:
    body = rows("open")
    head = f"POST /news HTTP/1.1\r\nhost: x\r\nsignature: {sign(body[:-5])}\r\ncontent-length: {len(body)}\r\n\r\n"
    with door(receiver) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
        caller.sendall(head.encode() + body[:-5])
        caller.shutdown(socket.SHUT_WR)
        assert caller.makefile("rb").readline().split()[1] == b"400"
    assert kept(parts) == []
