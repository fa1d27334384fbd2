"""A lab for the conformance kit: a connector over the sandbox in this process, whose sleep lets sandbox time pass."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from connectors.http import Clock, Handler
from connectors.sandbox.router import Sandbox
from connectors.sandbox.world import Contact, World

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from connectors.base import Connector
    from connectors.sandbox.world import Call, Provider
    from connectors.types import EventKind, Fitted, Ref

__all__ = ["Connect", "SandboxClock", "SandboxLab"]

_NOTHING: Mapping[str, Fitted] = MappingProxyType({})


class Connect(Protocol):
    """Opens the account: `functools.partial(registry.build, "brevo", {"api_key": …})` is one."""

    def __call__(self, *, handler: Handler, clock: Clock) -> Connector: ...


class SandboxClock:
    """The sandbox's clock as the engine's: sleeping advances it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def utc(self) -> datetime:
        """Sandbox time."""
        return self._world.now()

    def monotonic(self) -> float:
        """Sandbox time in seconds."""
        return self._world.now().timestamp()

    def sleep(self, seconds: float) -> None:
        """Let that much sandbox time pass."""
        self._world.advance(seconds)


class SandboxLab:
    """A fresh account at one emulated provider: `SandboxLab("brevo", connect, secrets=["xkeysib-…"])`."""

    def __init__(
        self,
        name: str,
        connect: Connect,
        *,
        secrets: Sequence[str],
        statuses: Sequence[str],
        options: Mapping[str, str] | None = None,
        domain: str = "example.com",
    ) -> None:
        self.sandbox = Sandbox(only=(name,), options=options)
        self.provider: Provider = self.sandbox.providers[name]
        self.connector = connect(handler=self.sandbox, clock=SandboxClock(self.sandbox.world))
        self.secrets = secrets
        self.statuses = statuses
        self.domain = domain

    def now(self) -> datetime:
        """Sandbox time."""
        return self.sandbox.world.now()

    def calls(self) -> Sequence[Call]:
        """Everything sent so far."""
        return self.sandbox.calls

    def truth(self) -> Mapping[str, Contact]:
        """Everyone, by normal address."""
        return self.provider.contacts()

    def lists(self) -> Mapping[Ref, str]:
        """The provider's id → title."""
        return self.provider.lists()

    def settle(self) -> None:
        """Let every job finish, and a minute pass."""
        self.sandbox.world.finish()
        self.sandbox.world.advance(60)

    def seed(
        self,
        email: str,
        *,
        status: str = "subscribed",
        fields: Mapping[str, Fitted] = _NOTHING,
        lists: Collection[Ref] = (),
    ) -> None:
        """Put a contact there as if its history had made it so."""
        contact = Contact(email, status, dict(fields), set(lists), mailable=status == "subscribed")
        self.provider.seed(contact)

    def mail(self, list_ref: Ref, subject: str) -> str:
        """Send a campaign; returns its id."""
        return self.provider.mail(list_ref, subject)

    def react(self, campaign: str, email: str, kind: EventKind, at: datetime, *, url: str | None = None) -> None:
        """A reader's act."""
        self.provider.react(campaign, email, kind, at, url=url)
