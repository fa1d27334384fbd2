"""The sandbox as a program: `python -m connectors.sandbox --port 8025 --speed 600 --now 2018-01-01T09:00Z`.

It prints one line of JSON, `{url, now, providers: {name: {base_url, api_key}}}`, and serves until SIGTERM or Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.sandbox.router import Sandbox
from connectors.sandbox.server import serving
from connectors.sandbox.world import START, World

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS = {"mailchimp": "sandbox-us1", "klaviyo": "pk_sandbox", "brevo": "xkeysib-sandbox", "activecampaign": "sandbox"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop."""
    asked = _parser().parse_args(arguments)
    world = World(asked.now, speed=asked.speed, seed=asked.seed, strict_addresses=asked.strict_addresses)
    sandbox = Sandbox(world=world, options=dict(pair.split("=", 1) for pair in asked.option), keep_bodies=False)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    try:
        with serving(sandbox, asked.port):
            sys.stdout.write(json.dumps(_told(sandbox)) + "\n")
            sys.stdout.flush()
            stop.wait()
    except OSError as error:
        sys.stderr.write(f"sandbox: port {asked.port}: {error.strerror}\n")
        return 2
    return 0


def _told(sandbox: Sandbox) -> dict[str, object]:
    base = sandbox.world.base_url
    providers = {
        name: {"base_url": base + provider.prefix, "api_key": KEYS[name]}
        for name, provider in sandbox.providers.items()
    }
    return {"url": base, "now": sandbox.world.now().isoformat(), "providers": providers}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m connectors.sandbox", description="Emulated providers on localhost")
    parser.add_argument("--port", type=int, default=8025, help="0 takes a free one")
    parser.add_argument("--speed", type=float, default=1.0, help="sandbox seconds a real second; 0: only when advanced")
    parser.add_argument("--now", type=_instant, default=START, help="ISO 8601, UTC when it has no offset")
    parser.add_argument("--seed", type=int, default=1, help="of everything random")
    parser.add_argument("--strict-addresses", action="store_true", help="refuse example.com, as real providers do")
    parser.add_argument("--option", action="append", default=[], metavar="PROVIDER.SWITCH=VALUE")
    return parser


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
