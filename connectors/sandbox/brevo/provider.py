"""Brevo as a handler: keys, rate windows, sizes and routing; and the truth behind it for tests and the demo."""

from __future__ import annotations

import json
from email.utils import format_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from connectors.http import Request, Response
from connectors.pace import Rate
from connectors.sandbox.brevo import mailing
from connectors.sandbox.brevo.account import OPTIONS, Account
from connectors.sandbox.brevo.call import Refusal
from connectors.sandbox.brevo.routes import ROUTES, delete_list
from connectors.sandbox.world import Contact, Job, Windows, check_options, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from connectors.sandbox.brevo.account import Json, Person
    from connectors.sandbox.world import World
    from connectors.types import EventKind

__all__ = ["BrevoSandbox"]

RATES: Mapping[str, tuple[Rate, ...]] = MappingProxyType(
    {"contacts": (Rate(10, 1), Rate(36_000, 3600)), "other": (Rate(100, 3600),)}  # General tier
)
MAX_BODY = 10_000_000
BATCHED = 500  # events in one delivery (docs/batch-webhooks)
_LEFT = frozenset({"unsubscribed", "cleaned", "archived", "suppressed", "complained"})
_BLOCKED = (
    "We have detected you are using an unrecognised IP address 192.0.2.1. If you performed this action make sure to "
    "add the new IP address in this link: https://app.brevo.com/security/authorised_ips"
)


class BrevoSandbox:
    """One Brevo account, emulated; `account` is its state, `notifications` the mails to its owner."""

    prefix = "/brevo/v3"
    name = "brevo"

    def __init__(self, world: World, options: Mapping[str, str]) -> None:
        check_options(self.name, options, OPTIONS)
        self.account = Account(world, options)
        self._windows = Windows(world, RATES)

    def handle(self, request: Request, path: str, query: Mapping[str, str]) -> Response:
        """Answer one call."""
        if path.startswith("/_files/"):
            return self._file(request, path)
        if refused := self._stranger(request):
            return refused
        family = self._family(path)
        if self._windows.take(family) > 0:
            body = {"code": "too_many_requests", "message": "API rate limit reached"}
            return json_response(429, body, self._limits(family))
        try:
            status, body_ = self._route(request, path, query)
        except Refusal as refusal:
            status, body_ = refusal.status, {"code": refusal.code, "message": refusal.message}
        date = format_datetime(self.account.world.now(), usegmt=True)
        headers = self._limits(family) | {"sib-request-id": f"sandbox-{status}", "date": date}
        return Response(status, headers) if body_ is None else json_response(status, body_, headers)

    def _file(self, request: Request, path: str) -> Response:
        """Result files are on another host: no key is asked for there, and none may be sent."""
        text = self.account.files.get(path.removeprefix("/_files/").removesuffix(".csv"))
        if text is None or "api-key" in request.headers:
            return Response(403, {"content-type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>")
        return Response(200, {"content-type": "text/csv"}, text.encode())

    def _stranger(self, request: Request) -> Response | None:
        key = request.headers.get("api-key")
        if self.account.switch("ip") == "blocked":
            return json_response(401, {"code": "unauthorized", "message": _BLOCKED})
        if key is None:
            return json_response(401, {"message": "authentication not found in headers", "code": "unauthorized"})
        if not key.startswith("xkeysib-sandbox"):
            return json_response(401, {"message": "Key not found", "code": "unauthorized"})
        return None

    def _family(self, path: str) -> str:
        if path == "/contacts":
            return "contacts" if self.account.switch("bare_contacts") == "fast" else "other"
        return "contacts" if path.startswith("/contacts/") else "other"

    def _limits(self, family: str) -> dict[str, str]:
        state = self._windows.remaining(family)
        if state is None:
            return {}
        rate, left, reset = state
        return {
            "x-sib-ratelimit-limit": str(rate.calls),
            "x-sib-ratelimit-remaining": str(left),
            "x-sib-ratelimit-reset": str(reset),  # seconds, not an epoch
        }

    def _route(self, request: Request, path: str, query: Mapping[str, str]) -> tuple[int, Any]:
        if len(request.body) > MAX_BODY:
            raise Refusal(int(self.account.switch("oversize")), "bad_request", "Request body is too large")
        methods = set()
        for method, pattern, endpoint in ROUTES:
            if found := pattern.fullmatch(path):
                methods.add(method)
                if method == request.method:
                    return endpoint(self.account, found.groups(), query, _body(request))
        if methods:
            raise Refusal(405, "method_not_allowed", "Method not allowed")
        raise Refusal(404, "document_not_found", "Endpoint not found")

    # the truth behind the API

    def contacts(self) -> dict[str, Contact]:
        """Everyone, by normal address."""
        return {email: _neutral(person) for email, person in self.account.people.items()}

    def lists(self) -> dict[str, str]:
        """The id of each list → its title."""
        return {str(mailbox.id): mailbox.name for mailbox in self.account.lists.values()}

    def codes(self) -> dict[str, list[str]]:
        """What each collection holds, each code as often as it is there."""
        return {one.id: list(one.codes) for one in self.account.collections.values()}

    def fields(self) -> dict[str, str]:
        """Attributes: name → type."""
        return {name: one.type or one.category for name, one in self.account.attributes.items()}

    def jobs(self) -> list[Job]:
        """Background processes."""
        return [Job(str(one.id), one.name, one.created, one.status) for one in self.account.processes.values()]

    def seed(self, contact: Contact) -> None:
        """Put a contact there; Brevo knows no status beside the blocklist, so the rest is only a label."""
        at = self.account
        email = contact.email.strip().lower()
        person = at.people.get(email) or at.add_person(email)
        person.attributes |= contact.fields
        person.lists |= {int(ref) for ref in contact.lists}
        person.label, person.blacklisted = contact.status, contact.status in _LEFT
        person.modified = at.world.now()
        at.changed()

    def drop(self, list_ref: str) -> None:
        """A list is deleted by hand: its people stay."""
        delete_list(self.account, (list_ref,), {}, {})

    def mail(self, list_ref: str, subject: str) -> str:
        """Send a campaign to those of a list who are not blocklisted."""
        return str(mailing.send(self.account, int(list_ref), subject).id)

    def react(
        self,
        campaign: str,
        email: str,
        kind: EventKind,
        at: datetime,
        *,
        url: str | None = None,
        is_machine: bool = False,
    ) -> None:
        """A reader's act, now or when its time comes; exports tell neither its time nor its link, webhooks do."""
        person, sent = self.account.people[email.strip().lower()], self.account.campaigns[int(campaign)]

        def act() -> None:
            mailing.react(self.account, sent, person, kind, url=url, is_machine=is_machine)

        wait = (at - self.account.world.now()).total_seconds()
        self.account.world.later(wait, act) if wait > 0 else act()

    def deliveries(self) -> Iterator[bytes]:
        """What a marketing webhook has still to tell: bodies of at most 500 events."""
        waiting = list(self.account.deliveries)
        self.account.deliveries.clear()
        envelope = self.account.switch("webhook_envelope")
        size = 1 if envelope == "object" else BATCHED
        for at in range(0, len(waiting), size):
            part = waiting[at : at + size]
            body = {"array": part, "events": {"events": part}, "object": part[0]}[envelope]
            yield json.dumps(body, ensure_ascii=False).encode()


def _neutral(person: Person) -> Contact:
    return Contact(
        email=person.email,
        status=person.label,
        fields=dict(person.attributes),
        lists={str(number) for number in person.lists},
        ref=str(person.id),
        mailable=not person.blacklisted,
    )


def _body(request: Request) -> Json:
    if request.method in {"GET", "DELETE"}:
        return {}
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refusal(415, "bad_request", "Content-Type should be application/json")
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Refusal(400, "bad_request", "Input must be a valid JSON object") from None
    if not isinstance(body, dict):
        raise Refusal(400, "bad_request", "Input must be a valid JSON object")
    return body
