"""`ciblage receive` as a process of its own: a provider's deliveries on one side, the next round on the other."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from round_lab import KEYS, NOW, Lab, contact, furnished

from connectors import registry
from connectors.sandbox import Sandbox
from connectors.sandbox.lab import SandboxClock
from connectors.sandbox.server import serving
from connectors.types import EventKind, Target, TargetKind

SECRET = "a webhook's secret_key"
PEOPLE = ("c01@example.com", "c02@example.com")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A slow sandbox: a signed time is believed for five minutes."""
    sandbox = Sandbox(NOW, speed=1, options={"klaviyo.webhook_secret": SECRET})
    with serving(sandbox) as server:
        lab = furnished(tmp_path / "client", server)
        lab.edit("speed = 600", "speed = 1")
        lab.edit('connector = "klaviyo"', 'connector = "klaviyo"\nwebhook_secret = "${HOOK}"')
        (lab.folder / "secrets" / "HOOK").write_text(SECRET)
        yield lab


def acts(lab: Lab) -> list[tuple[dict[str, str], bytes]]:
    """Two people get a mail; one opens it, the other leaves; what Klaviyo posts about it."""
    sandbox = lab.sandbox
    account = registry.build(
        "klaviyo",
        {"api_key": KEYS["KLAVIYO_KEY"], "base_url": f"{lab.url}/klaviyo/api"},
        handler=sandbox,
        clock=SandboxClock(sandbox.world),
    )
    ref = account.create([Target(kind=TargetKind.SEGMENT, name="all", title="All")])
    lab.seed("klaviyo", *(contact(email, lists=list(ref.values())) for email in PEOPLE))
    provider = sandbox.providers["klaviyo"]
    campaign = provider.mail(next(iter(ref.values())), "Hello")
    provider.react(campaign, PEOPLE[0], EventKind.OPEN, sandbox.world.now())
    provider.react(campaign, PEOPLE[1], EventKind.UNSUBSCRIBE, sandbox.world.now())
    posted: list[tuple[dict[str, str], bytes]] = provider.posted()  # type: ignore[attr-defined]  # Klaviyo's emulation has it
    return posted


@contextmanager
def receiving(lab: Lab) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """The command, once it listens."""
    command = [str(Path(sys.executable).with_name("ciblage")), "receive", "--port", "0", "--config", str(lab.config)]
    with subprocess.Popen(
        [*command, "--now", lab.sandbox.world.now().isoformat()], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            heard = [process.stderr.readline() for _ in range(4)]
            port = re.search(r"flows\s+http://127\.0\.0\.1:(\d+)/flows", "".join(heard))
            assert port is not None, heard
            yield int(port[1]), process
        finally:
            process.kill()


def post(port: int, headers: Mapping[str, str], body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/flows", body, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def test_what_is_delivered_is_known_to_the_next_round(lab: Lab) -> None:
    assert "c02," in lab.ciblage("members", "lc_active", "--reachable").out
    posted = acts(lab)
    with receiving(lab) as (port, process):
        assert {post(port, headers, body) for headers, body in posted} == {200}
        assert {post(port, headers, body) for headers, body in posted} == {200}  # a provider that did not hear us
        assert post(port, posted[0][0], posted[-1][1]) == 401
        process.send_signal(signal.SIGINT)
        process.wait(60)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130
    assert "flows: 1 opens" in said
    assert "flows: 1 unsub.; 1 who will get no more mail" in said
    assert "@" not in said
    assert "Traceback" not in said
    lab.now = lab.sandbox.world.now()
    assert lab.ciblage("members", "readers").out.split() == ["customer_id", "c01"]
    assert "c02," not in lab.ciblage("members", "lc_active", "--reachable").out


def test_without_a_destination_there_is_nothing_to_receive(lab: Lab) -> None:
    text = lab.config.read_text("utf-8")
    lab.config.write_text(text[: text.index("[destinations.")], "utf-8")
    said = lab.ciblage("receive", is_dated=False)
    assert (said.exit_code, said.out) == (2, "")
    assert "no destination's provider sends events by itself" in said.err


def test_a_port_that_somebody_has_is_told(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = lab.ciblage("receive", "--port", taken.getsockname()[1])
    assert said.exit_code == 2
    assert "cannot listen at 127.0.0.1:" in said.err
    assert "--port 0 takes a free one" in said.err


def test_a_port_that_cannot_be_is_told(lab: Lab) -> None:
    said = lab.ciblage("receive", "--port", 99999)
    assert (said.exit_code, "--port" in said.err) == (2, True)
