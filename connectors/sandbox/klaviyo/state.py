"""What the emulated account knows: people, lists, jobs and events. Imports never touch a consent."""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.sandbox.world import World

SUBSCRIBED, UNSUBSCRIBED, NEVER = "SUBSCRIBED", "UNSUBSCRIBED", "NEVER_SUBSCRIBED"
_LIFTED = ("UNSUBSCRIBE", "SPAM_COMPLAINT", "USER_SUPPRESSED")  # what a subscribe job takes away
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(slots=True)
class Person:
    """One profile; `suppression` holds the first time of each reason."""

    id: str
    email: str
    created: datetime
    updated: datetime
    properties: dict[str, Any] = field(default_factory=dict)
    standard: dict[str, Any] = field(default_factory=dict)  # first_name …
    consent: str = NEVER
    consent_at: datetime | None = None
    suppression: dict[str, datetime] = field(default_factory=dict)

    @property
    def is_mailable(self) -> bool:
        """Klaviyo mails everyone who is not suppressed, asked or not."""
        return not self.suppression


@dataclass(slots=True)
class Mailing:
    """One list; those who left stay visible for as long as reads lag behind."""

    id: str
    name: str
    opt_in_process: str
    created: datetime
    joined: dict[str, datetime] = field(default_factory=dict)  # by profile id
    left: dict[str, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class Job:
    """One asynchronous job of any kind."""

    id: str
    kind: str
    created: datetime
    records: list[dict[str, Any]]
    lists: list[str] = field(default_factory=list)
    status: str = "queued"
    started: datetime | None = None
    completed: datetime | None = None
    done: int = 0
    skipped: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)  # ids of codes


@dataclass(frozen=True, slots=True)
class Code:
    """One code of a coupon."""

    expires: datetime
    created: datetime


@dataclass(slots=True)
class Coupon:
    """One pool of codes."""

    id: str
    description: str | None = None
    codes: dict[str, Code] = field(default_factory=dict)


@dataclass(slots=True)
class Event:
    """One thing that happened to a profile."""

    id: str
    metric: str
    person: str
    at: datetime
    properties: dict[str, Any]


class Account:
    """People by id and by address, lists, jobs; `lag` is how long reads stay behind writes."""

    def __init__(self, world: World, *, lag: float = 0.0) -> None:
        self.world = world
        self.people: dict[str, Person] = {}
        self.lists: dict[str, Mailing] = {}
        self.jobs: dict[str, Job] = {}
        self.events: dict[str, list[Event]] = {}  # by metric
        self.coupons: dict[str, Coupon] = {}
        self.campaigns: dict[str, str] = {}  # subjects by id
        self.messages: dict[str, str] = {}  # of campaigns, by the campaign's id
        self.deliveries: list[tuple[dict[str, str], bytes]] = []  # webhooks: headers and body
        self._addresses: dict[str, str] = {}
        self._lag = timedelta(seconds=lag)

    def ulid(self) -> str:
        """A new id that looks like theirs."""
        number = (int(self.world.now().timestamp() * 1000) << 80) | self.world.random.getrandbits(80)
        return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))

    def short(self) -> str:
        """A new id of a list."""
        return "".join(self.world.random.choices(string.ascii_letters + string.digits, k=6))

    def person(self, email: str) -> Person | None:
        """Whom an address names, in whatever case."""
        return self.people.get(self._addresses.get(email.strip().lower(), ""))

    def upsert(self, email: str, *, ref: str = "") -> Person:
        """The profile of an address, new ones never subscribed."""
        found = self.person(email)
        if found is None:
            now = self.world.now()
            found = Person(ref or self.ulid(), email.strip(), now, now)
            self.people[found.id] = found
            self._addresses[email.strip().lower()] = found.id
        return found

    def is_visible(self, created: datetime) -> bool:
        """Reads show by now what was made then."""
        return created <= self.world.now() - self._lag

    def forget(self, person: Person) -> None:
        """A profile is deleted, with everything that hangs on it."""
        del self.people[person.id], self._addresses[person.email.strip().lower()]
        for mailing in self.lists.values():
            mailing.joined.pop(person.id, None)
            mailing.left.pop(person.id, None)
        for metric, events in self.events.items():
            self.events[metric] = [event for event in events if event.person != person.id]

    def visible(self, *, by_email: list[str] | None = None) -> list[Person]:
        """The profiles that reads show by now."""
        known = self.people.values() if by_email is None else map(self.person, dict.fromkeys(by_email))
        horizon = self.world.now() - self._lag
        return [person for person in known if person and person.created <= horizon]

    def members(self, mailing: Mailing) -> list[tuple[Person, datetime]]:
        """Who reads show on a list by now, with when they joined."""
        horizon = self.world.now() - self._lag
        staying = [(ref, at) for ref, at in mailing.joined.items() if at <= horizon]
        leaving = [(ref, at) for ref, at in mailing.left.items() if at > horizon and ref not in mailing.joined]
        return [(self.people[ref], at) for ref, at in staying + leaving]

    def join(self, mailing: Mailing, ref: str) -> None:
        """Put a profile on a list; again is nothing."""
        mailing.joined.setdefault(ref, self.world.now())
        mailing.left.pop(ref, None)

    def leave(self, mailing: Mailing, ref: str) -> None:
        """Take a profile off a list; consent stays as it is."""
        if mailing.joined.pop(ref, None) is not None and self._lag:
            mailing.left[ref] = self.world.now()

    def suppress(self, person: Person, reason: str, at: datetime | None = None) -> None:
        """Stop mailing a profile; only an unsubscription changes the consent."""
        person.suppression.setdefault(reason, at or self.world.now())
        if reason == "UNSUBSCRIBE":
            person.consent, person.consent_at = UNSUBSCRIBED, at or self.world.now()

    def subscribe(self, person: Person) -> None:
        """What the subscribe job does: consent rises and suppressions fall. Ours never calls it."""
        person.consent, person.consent_at = SUBSCRIBED, self.world.now()
        for reason in _LIFTED:
            person.suppression.pop(reason, None)
