"""Accounts of one client at emulated providers, on a wire that is watched, may break, and may be where the process dies."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dying import Fuse

from connectors import registry
from connectors.base import Connector, Erases
from connectors.errors import ConnectorError
from connectors.http import Request, Response
from connectors.memory.dictionary import Dictionary
from connectors.pace import LocalPace
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.lab import SandboxClock
from connectors.types import EventKind, Profile

__all__ = ["PROVIDERS", "READINGS", "START", "STATES", "Account", "Line", "Wire", "World"]

START = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
KEY = "memory-key"
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "mailchimp": {"api_key": "sandbox-us1", "base_url": "http://sandbox.test/mailchimp/3.0", "audience": "Newsletter"},
    "klaviyo": {"api_key": "pk_sandbox", "base_url": "http://sandbox.test/klaviyo/api"},
    "brevo": {"api_key": "xkeysib-sandbox", "base_url": "http://sandbox.test/brevo/v3", "folder": "shop"},
    "activecampaign": {
        "api_key": "sandbox-0123456789abcdef",
        "base_url": "http://sandbox.test/activecampaign",
        "list_name": "Newsletter",
    },
}
PROVIDERS = ("mailchimp", "klaviyo", "brevo", "activecampaign", "memory")
STATES: Mapping[str, tuple[str, ...]] = {
    "mailchimp": ("subscribed", "unsubscribed", "pending", "cleaned", "archived", "transactional", "complained"),
    "klaviyo": ("subscribed", "unsubscribed", "pending", "cleaned", "never", "suppressed", "complained"),
    "brevo": ("subscribed", "unsubscribed", "cleaned", "suppressed", "complained"),
    "activecampaign": ("subscribed", "unsubscribed", "pending", "cleaned", "never"),
    "memory": ("subscribed", "unsubscribed", "pending", "cleaned", "archived", "never", "suppressed", "complained"),
}
READINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {  # the other readings of what no source settles
    "mailchimp": {
        "left_add": ("silent", "generic"), "patch_archived": ("missing",), "readd": ("silent", "error"),
        "absent": ("silent",), "batch_params": ("get",), "segment_names": ("allowed",), "trims": ("yes",),
        "list_archived": ("yes",), "clears": ("text",), "operations_limit": ("1000",), "language": ("de",),
        "unknown_keys": ("ignored",), "booleans": ("loose",), "double_optin": ("yes",), "job_seconds": ("600",),
        "archived_add": ("revives",),
    },
    "klaviyo": {
        "visibility": ("5",), "lower_case": ("no",), "address_check": ("async",), "unknown_list": ("400",),
        "duplicates": ("first",), "absent_member": ("400",), "payload": ("nested", "none"), "events_page": ("200",),
        "import_seconds": ("40",), "scope_code": ("forbidden",), "erase_seconds": ("3600",), "names_unique": ("yes",),
    },
    "brevo": {
        "bare_contacts": ("slow",), "bad_address_in_list": ("refuse",), "date_format": ("dmy",),
        "empty_scope": ("import",), "existing_join": ("no",), "false_blacklist": ("resubscribe",),
        "file_delimiter": (",",), "file_heading": ("Email", ""), "in_progress": ("in_process",),
        "list_answer": ("flat",), "oversize": ("400",), "process_info": ("count",), "process_times": ("no",),
        "unique_subscribers": ("mailable",), "unknown_list": ("404", "ignored"), "unsubscribe_moves_modified": ("no",),
    },
    "activecampaign": {
        "tag_path": ("missing",), "ids_filter": ("ignored",), "email_filter": ("ignored",), "exclude_automations": ("contact",),
        "excluded": ("silent",), "failure_index": ("1",), "import_subscribe": ("activate",), "join_total": ("missing",),
        "list_filter": ("ignored",), "long_text": ("cut",), "throttle": ("503",), "unfinished": ("processing",),
        "unknown_field": ("refused",),
    },
    "memory": {},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the wire log: a call, or what somebody did, with what it changed of people."""

    at: datetime
    who: str
    what: str
    changed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(
            [f"{self.at:%m-%d %H:%M:%S} {self.who:>10}  {self.what}", *(f"{'':28}{one}" for one in self.changed)]
        )


class World:
    """Everything outside the client's process: the providers, their clock, and the log of the wire."""

    def __init__(self, names: tuple[str, ...], options: Mapping[str, str]) -> None:
        only = tuple(name for name in names if name != "memory")
        self.sandbox = Sandbox(START, options=options, only=only)
        self.clock = _WatchedClock(self)
        self.lines: list[Line] = []
        self.watchers: list[Callable[[], tuple[str, ...]]] = []
        self.fuse = Fuse()

    def now(self) -> datetime:
        return self.sandbox.world.now()

    def note(self, who: str, what: str) -> None:
        """Write down what happened, with all that changed since the line before."""
        self.lines.append(Line(self.now(), who, what))  # whoever watches sees it
        changed = tuple(line for watch in self.watchers for line in watch())
        self.lines[-1] = replace(self.lines[-1], changed=changed)

    def pass_time(self, **more: float) -> None:
        """Time passes while no process of ours runs."""
        self.sandbox.world.advance(timedelta(**more).total_seconds())
        self.note("time", str(timedelta(**more)))


class _WatchedClock(SandboxClock):
    def __init__(self, world: World) -> None:
        super().__init__(world.sandbox.world)
        self._watched = world

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._watched.note("clock", f"slept {seconds:g} s")


class Wire:
    """The handler between a connector and its provider."""

    def __init__(self, world: World, name: str, inner: Any) -> None:
        self.world, self.name, self.inner = world, name, inner
        self.trouble: list[str] = []  # what meets the next calls of a provider that is no part of the sandbox

    def handle(self, request: Request) -> Response:
        self.world.fuse.tick()
        said = "no answer"
        try:
            response = self._served(request)
            said = str(response.status)
        finally:
            body = request.body[:2000].decode("utf-8", "replace") if request.method != "GET" else ""
            path = request.url.split("/", 3)[-1]
            self.world.note(self.name, f"{request.method} /{path} → {said}{self._fault()} {body}".rstrip())
        self.world.fuse.tick()
        return response

    def _fault(self) -> str:
        struck = self.world.sandbox.faults.struck if isinstance(self.inner, Sandbox) else ""
        return f" [{struck}]" if struck else ""

    def _served(self, request: Request) -> Response:
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble == "error":
            return Response(503, {}, b"")
        if trouble == "reset-before":
            raise ConnectionResetError
        response: Response = self.inner.handle(request)
        if trouble == "reset-after":
            raise ConnectionResetError
        return replace(response, body=response.body[: len(response.body) // 2]) if trouble == "truncated" else response


@dataclass
class Account:
    """One destination: its provider, the connector of the running process, and the truth behind the API."""

    name: str
    provider: str
    world: World
    store: dict[str, Any] = field(default_factory=dict)
    readings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dictionary = Dictionary(self.store, KEY) if self.provider == "memory" else None
        self.wire = Wire(self.world, self.name, self.dictionary or self.world.sandbox)
        self.pace = LocalPace()
        self.connector = self.opened()

    def opened(self) -> Connector:
        """The connector as the next process builds it."""
        if self.dictionary is not None:
            told = _Behind(self.dictionary, self.wire)
            return registry.build("memory", {"store": told, "api_key": KEY}, handler=self.wire, clock=self.world.clock)
        settings = dict(SETTINGS[self.provider])
        return registry.build(self.provider, settings, handler=self.wire, clock=self.world.clock, pace=self.pace)

    def truth(self) -> dict[str, tuple[str, bool]]:
        """Status and whether a campaign reaches them, by normal address."""
        if self.dictionary is not None:
            people = self.store["contacts"].items()
            return {
                email: (one["status"], one["status"] == "subscribed")
                for email, one in people
                if one["status"] != "erased"
            }
        provider = self.world.sandbox.providers[self.provider]
        return {email: (one.status, one.mailable) for email, one in provider.contacts().items()}

    def put(self, email: str, status: str) -> None:
        """Somebody's state becomes this one there by what they, or others, do."""
        if self.dictionary is not None:
            known = self.store["contacts"].get(email)
            fresh = {"ref": f"seed-{email}", "fields": {}, "lists": []}
            self.store["contacts"][email] = {**fresh, **(known or {}), "status": status}
            return
        provider = self.world.sandbox.providers[self.provider]
        known = provider.contacts().get(email) or Contact(email)
        provider.seed(replace(known, status=status, mailable=status == "subscribed"))

    def act(self, email: str, kind: EventKind) -> bool:
        """Somebody does it with a mail of a list of ours; False where they are in none."""
        if self.dictionary is not None:
            return False
        provider = self.world.sandbox.providers[self.provider]
        contact = provider.contacts().get(email)
        if contact is None or not contact.mailable or not contact.lists:
            return False
        campaign = provider.mail(min(contact.lists), "News")
        self.world.sandbox.world.advance(60)
        if email not in provider.contacts():  # an erasure under way came to its end in that minute
            return False
        provider.react(campaign, email, kind, self.world.now())
        return True

    def delete(self, email: str) -> bool:
        """Somebody deletes the contact there by hand; False where the provider does not let it be done so."""
        if self.dictionary is not None:
            return self.store["contacts"].pop(email, None) is not None
        asked, self.world.sandbox.faults.asked = self.world.sandbox.faults.asked, []
        connector = registry.build(
            self.provider,
            dict(SETTINGS[self.provider]),
            handler=self.world.sandbox,
            clock=SandboxClock(self.world.sandbox.world),
        )
        try:
            if isinstance(connector, Erases):
                connector.erase(Profile(email))
        except ConnectorError:
            return False
        finally:
            self.world.sandbox.faults.asked = asked
        return True

    def upset(self, dice: random.Random) -> str:
        """Something goes wrong with calls to come; returns what."""
        if self.dictionary is not None:
            kinds = ("error", "reset-before", "reset-after", "truncated")
            self.wire.trouble = [dice.choice(("", *kinds)) for _ in range(dice.randrange(1, 8))]
            return "/".join(self.wire.trouble)
        faults = self.world.sandbox.faults
        from connectors.sandbox.faults import FAULTS

        names = [name for name, known in FAULTS.items() if known.fits(self.provider)]
        name = dice.choice(names)
        faults.ask(name, provider=self.provider, skip=dice.randrange(6), takes_effect=dice.random() < 0.5)
        return name


class _Behind(Dictionary):
    """The dictionary as the reference connector takes it: every call goes by the wire."""

    def __init__(self, inner: Dictionary, wire: Wire) -> None:
        super().__init__(inner.store, KEY)
        self._wire = wire

    def handle(self, request: Request) -> Response:
        return self._wire.handle(request)
