"""ActiveCampaign as a handler: tokens, rate windows and routing; and the truth behind it for tests and the demo."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from connectors.http import Request, Response
from connectors.pace import Rate
from connectors.sandbox.activecampaign.account import (
    ACTIVE,
    BOUNCED,
    LEFT,
    OPTIONS,
    UNCONFIRMED,
    Account,
    Campaign,
    stamp,
)
from connectors.sandbox.activecampaign.imports import submit, write_value
from connectors.sandbox.activecampaign.routes import ROUTES
from connectors.sandbox.world import Contact, Job, Windows, check_options, json_response
from connectors.types import EventKind, normal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connectors.sandbox.activecampaign.account import Json, Person
    from connectors.sandbox.world import World

__all__ = ["ActiveCampaignSandbox"]

RATES: Mapping[str, tuple[Rate, ...]] = MappingProxyType(
    {"account": (Rate(5, 1),), "bulk": (Rate(100, 60),), "single": (Rate(20, 60),)}
)
_STATES = {"subscribed": ACTIVE, "unsubscribed": LEFT, "pending": UNCONFIRMED, "cleaned": BOUNCED}
_WORDS = {
    EventKind.OPEN: "open",
    EventKind.CLICK: "click",
    EventKind.BOUNCE: "bounce",
    EventKind.UNSUBSCRIBE: "unsubscribe",
}
_AFTER = {EventKind.BOUNCE: BOUNCED, EventKind.UNSUBSCRIBE: LEFT}


class ActiveCampaignSandbox:
    """One ActiveCampaign account, emulated; `account` is its state."""

    prefix = "/activecampaign/api/3"
    name = "activecampaign"

    def __init__(self, world: World, options: Mapping[str, str]) -> None:
        check_options(self.name, options, OPTIONS)
        self.account = Account(world, options)
        self._windows = Windows(world, RATES)

    def handle(self, request: Request, path: str, query: Mapping[str, str]) -> Response:
        """Answer one call."""
        if not request.headers.get("api-token", "").startswith("sandbox"):
            return json_response(403, {"message": "You do not have permission"})
        if wait := self._windows.take("account"):
            status = int(self.account.switch("throttle"))
            return json_response(
                status, {"message": "Too Many Requests"}, {"retry-after": f"{wait:.0f}"} | self._limits()
            )
        body = _body(request)
        if body is None:
            return json_response(400, {})
        if several := parse_qs(urlsplit(request.url).query).get("ids[]"):
            query = {**query, "ids[]": ",".join(several)}
        status, told = self._answer(request, path, query, body)
        return json_response(status, told, self._limits())

    def _limits(self) -> dict[str, str]:
        state = self._windows.remaining("account")
        return {"ratelimit-limit": "5", "ratelimit-remaining": str(state[1] if state else 5)}

    def _answer(self, request: Request, path: str, query: Mapping[str, str], body: Json) -> tuple[int, Any]:
        if (request.method, path) == ("POST", "/import/bulk_import"):
            return self._import(body, len(request.body))
        for method, pattern, endpoint in ROUTES:
            if method == request.method and (found := pattern.fullmatch(path)):
                return endpoint(self.account, found.groups(), query, body)
        return 404, {"message": "No route found"}

    def _import(self, body: Json, size: int) -> tuple[int, Any]:
        """Too many a minute is a 400, not a 429."""
        family, most = ("single", 20) if len(body.get("contacts") or ()) == 1 else ("bulk", 100)
        if self._windows.take(family) > 0:
            reason = f"Up to {most} imports may be requested per minute"
            return 400, {"success": 0, "message": "Rate limit exceeded.", "failureReasons": [reason]}
        return submit(self.account, body, size)

    # the truth behind the API

    def contacts(self) -> dict[str, Contact]:
        """Everyone, by normal address; the lists are tags."""
        return {email: self._neutral(person) for email, person in self.account.by_email.items()}

    def _neutral(self, person: Person) -> Contact:
        states = set(person.lists.values())
        named = (word for word, state in _STATES.items() if state in states)
        return Contact(
            email=person.email,
            status=next(named, "never"),
            fields={self.account.fields[number]["perstag"]: value for number, value in person.values.items()},
            lists={str(tag) for tag in person.tags},
            ref=str(person.id),
            mailable=ACTIVE in states,
        )

    def lists(self) -> dict[str, str]:
        """Segments are tags: the id of each → its name."""
        return {str(number): row["tag"] for number, row in self.account.tags.items()}

    def fields(self) -> dict[str, str]:
        """Custom fields: personalization tag → type."""
        return {row["perstag"]: row["type"] for row in self.account.fields.values()}

    def codes(self) -> dict[str, list[str]]:
        """It has no pools of codes."""
        return {}

    def jobs(self) -> list[Job]:
        """Imports."""
        return [
            Job(
                one.id,
                "import",
                None,
                "completed" if one.is_done else "pending",
                len(one.contacts),
                len(one.success),
                len(one.failure),
            )
            for one in self.account.imports.values()
        ]

    def seed(self, contact: Contact) -> None:
        """Put a contact there, in the same state on every list; `never`: on none."""
        at = self.account
        person = at.add_person(normal(contact.email))
        state = _STATES.get(contact.status)
        person.lists = dict.fromkeys(at.lists, state) if state else {}
        for name, value in contact.fields.items():
            write_value(at, person, at.field_id(name), value)
        for ref in contact.lists:
            person.tags.setdefault(int(ref), at.number())
        person.updated = at.world.now()

    def drop(self, list_ref: str) -> None:
        """A tag is deleted by hand: its people stay."""
        del self.account.tags[int(list_ref)]
        for person in self.account.people.values():
            person.tags.pop(int(list_ref), None)

    def mail(self, list_ref: str, subject: str) -> str:
        """Send a campaign to those with a tag who are active on a list."""
        at = self.account
        people = [one for one in at.people.values() if int(list_ref) in one.tags and ACTIVE in one.lists.values()]
        campaign = Campaign(at.number(), subject, at.world.now(), [one.id for one in people])
        at.campaigns[campaign.id] = campaign
        for person in people:
            self._post("sent", person, campaign, at.world.now())
        return str(campaign.id)

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
        """A reader's act; complaints and machines are not told of."""
        _ = is_machine
        word, sent = _WORDS.get(kind), self.account.campaigns[int(campaign)]
        person = self.account.by_email[normal(email)]
        if kind is EventKind.OTHER:
            self._post("forward", person, sent, at)
        if word is None:
            return
        sent.acts.setdefault(word, []).append(person.id)
        if kind in _AFTER:
            person.lists = dict.fromkeys(person.lists, _AFTER[kind])
        self._post(word, person, sent, at, url)

    def _post(self, word: str, person: Person, campaign: Campaign, at: datetime, url: str | None = None) -> None:
        """One event a delivery, as a form, unsigned; kept here, since nobody can be called."""
        form = {"type": word, "date_time": stamp(at), "initiated_by": "system", "campaign[id]": str(campaign.id)}
        form |= {"campaign[name]": campaign.name, "contact[id]": str(person.id), "contact[email]": person.email}
        form |= {"link[url]": url} if url else {}
        for hook in self.account.webhooks:
            if word in hook["events"]:
                parts = urlsplit(hook["url"])
                headers = {"content-type": "application/x-www-form-urlencoded", ":path": f"{parts.path}?{parts.query}"}
                self.account.posted.append((headers, urlencode(form).encode()))


def _body(request: Request) -> Json | None:
    if request.method in {"GET", "DELETE"}:
        return {}
    try:
        body = json.loads(request.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
