"""The sandbox as one handler: requests go to the emulated provider that their path names, and each is logged."""

from __future__ import annotations

import importlib
import importlib.util
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from connectors.http import Request, Response
from connectors.sandbox.control import Control
from connectors.sandbox.faults import FaultBook
from connectors.sandbox.world import START, Call, Faults, Provider, World, json_response

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Sandbox"]

PROVIDERS = {
    "mailchimp": "MailchimpSandbox",
    "klaviyo": "KlaviyoSandbox",
    "brevo": "BrevoSandbox",
    "activecampaign": "ActiveCampaignSandbox",
}


class Sandbox:
    """Every built-in provider, emulated: `handle` answers by path prefix; `calls` is what arrived, in order.

    `/sandbox` and `/` are its control and its page, and not logged. `options` go to every provider
    (`{"brevo.switch": "worst"}` to Brevo alone, as `switch`); `only` these are loaded; `faults` is what goes wrong on
    demand. Calls come one at a time: a lock keeps the world whole.
    """

    def __init__(
        self,
        now: datetime = START,
        *,
        speed: float = 0.0,
        options: Mapping[str, str] | None = None,
        world: World | None = None,
        only: Collection[str] = tuple(PROVIDERS),
        keep_bodies: bool = True,
    ) -> None:
        self.world = world or World(now, speed=speed)
        self.calls: list[Call] = []
        self.lock = threading.RLock()
        self._options = dict(options or {})
        self._only = frozenset(only)
        self._keep_bodies = keep_bodies
        self.faults = FaultBook(self.world)
        if type(self.world.faults) is Faults:  # nobody brought their own
            self.world.faults = self.faults
        self.providers: dict[str, Provider] = {}
        self.control = Control(self)
        self.reset()

    def reset(self) -> None:
        """Empty accounts, an empty log, and nothing goes wrong; the clock stays."""
        with self.lock:
            self.calls.clear()
            self.providers = {
                name: provider(self.world, _own(name, self._options))
                for name, provider in _available(self._only).items()
            }
            self.faults.clear()

    def handle(self, request: Request) -> Response:
        """Answer one call of any provider; an unknown path is a 404."""
        with self.lock:
            self.world.settle()
            started = time.perf_counter()
            parts = urlsplit(request.url)
            provider = self._provider(parts.path)
            if parts.path == "/" or parts.path.startswith("/sandbox"):
                return self.control.handle(request, parts.path, dict(parse_qsl(parts.query)))
            if provider is None:
                return json_response(404, {"error": f"no emulated provider answers {parts.path}"})
            status = 0
            try:
                response = self.world.faults.next(provider.name, request) or self.world.faults.serve(provider, request)
                status = response.status
            finally:
                body = request.body if self._keep_bodies else b""
                took, fault = time.perf_counter() - started, self.faults.struck
                about = (provider.name, request.method, parts.path, parts.query, len(request.body), status)
                self.calls.append(Call(self.world.now(), *about, body, took, fault))
            return response

    def _provider(self, path: str) -> Provider | None:
        named = (provider for provider in self.providers.values() if f"{path}/".startswith(f"{provider.prefix}/"))
        return next(named, None)


def _own(name: str, options: Mapping[str, str]) -> dict[str, str]:
    shared = {key: value for key, value in options.items() if "." not in key}
    return shared | {key.partition(".")[2]: value for key, value in options.items() if key.startswith(f"{name}.")}


def _available(only: Collection[str]) -> dict[str, type[Provider]]:
    return {
        name: getattr(importlib.import_module(f"connectors.sandbox.{name}"), cls)
        for name, cls in PROVIDERS.items()
        if name in only and importlib.util.find_spec(f"connectors.sandbox.{name}") is not None
    }
