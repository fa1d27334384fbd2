"""A lab for the conformance kit: a connector over the sandbox in this process, whose sleep lets sandbox time pass."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from connectors.http import Clock, Handler
from connectors.pace import LocalPace, Pace
from connectors.sandbox.faults import FAULTS
from connectors.sandbox.router import Sandbox
from connectors.sandbox.world import Contact, World
from connectors.types import AddCode, AddContact, AddMember, ClearTraits, RemoveMember, SetTraits, Suppress

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from connectors.base import Connector
    from connectors.sandbox.world import Call, Provider
    from connectors.types import Change, EventKind, Fitted, Ref

__all__ = ["Connect", "SandboxClock", "SandboxLab"]

_NOTHING: Mapping[str, Fitted] = MappingProxyType({})

_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "throttled": "throttled",
        "bodiless": "bodiless-403",
        "page": "html-403",
        "error": "500",
        "bad_gateway": "502",
        "unavailable": "503",
        "timeout": "524",
        "reset_before": "reset-before",
        "reset_after": "reset-after",
        "slow": "slow",
        "truncated": "truncated",
        "bad_record": "bad-record",
        "endless": "job-never-ends",
        "failing": "job-fails",
    }
)
"""The kit's words for what goes wrong → the sandbox's."""

_ENFORCED: Mapping[str, Collection[type[Change]]] = MappingProxyType(
    {
        "activecampaign": (AddContact, SetTraits, ClearTraits, AddMember),  # a Suppress may name many lists
        "brevo": (AddCode,),  # imports are judged by their size alone, and removals split by the connector
        "klaviyo": (AddContact, SetTraits, ClearTraits, AddMember, RemoveMember, Suppress, AddCode),
        "mailchimp": (AddContact, AddMember, RemoveMember),  # a /batches job has no documented limit
    }
)
"""Where one change more than the Limit is refused."""

_CREATING: Mapping[str, Collection[type[Change]]] = MappingProxyType(
    {"brevo": (SetTraits, ClearTraits, Suppress), "klaviyo": (SetTraits, ClearTraits, AddMember, Suppress)}
)
"""Kinds that the provider carries in bulk only by imports, which create: the engine sends them for contacts it knows."""


class Connect(Protocol):
    """Opens the account: `functools.partial(registry.build, "brevo", {"api_key": …})` is one."""

    def __call__(self, *, handler: Handler, clock: Clock, pace: Pace) -> Connector: ...


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
        self._connect = connect
        self._pace = LocalPace()  # the account's: however often the connector is built
        self.connector = self.reopen()
        self.secrets = secrets
        self.statuses = statuses
        self.domain = domain
        self.faults = tuple(fault for fault, known in _FAULTS.items() if FAULTS[known].fits(name))
        self.enforced = _ENFORCED.get(name, ())
        self.creating = _CREATING.get(name, ())

    def reopen(self) -> Connector:
        """The connector as the next run builds it."""
        return self._connect(handler=self.sandbox, clock=SandboxClock(self.sandbox.world), pace=self._pace)

    def fault(self, name: str | None, *, reads: bool = False) -> None:
        """The next write meets it, once; with `reads` every read does; None: nothing goes wrong any more."""
        self.sandbox.faults.clear()
        if name is not None:
            when, times = ("read", None) if reads else ("write", 1)
            self.sandbox.faults.ask(_FAULTS[name], provider=self.provider.name, when=when, times=times)

    def shorten(self, size: int) -> None:
        """From now on no page holds more."""
        self.sandbox.faults.ask("short-pages", provider=self.provider.name, when="read", times=None, seconds=size)

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
