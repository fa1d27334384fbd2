"""One Brevo account's state: contacts, lists, attributes, processes, campaigns, files."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from connectors.sandbox.world import World

__all__ = ["OPTIONS", "Account", "Attribute", "Campaign", "Collection", "Json", "Mailbox", "Person", "Process", "stamp"]

Json: TypeAlias = dict[str, Any]
DELIVERIES = 10_000  # kept until somebody fetches them

# Facts that no official source confirms: one switch each. The first reading is the default.
OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ip": ("known", "blocked"),
        "bare_contacts": ("fast", "slow"),  # which rate family GET /contacts belongs to
        "bad_address_in_list": ("failure", "refuse"),  # add/remove with a malformed address
        "collection_name": ("words", "word"),  # may the name of a collection have blanks
        "coupon_shape": ("object", "array"),  # of one collection, and of their list
        "date_format": ("iso", "dmy"),  # of dates that an import accepts and a contact shows
        "empty_scope": ("record", "import"),  # whose blanks emptyContactsAttributes erases
        "existing_join": ("yes", "no"),  # updateExistingContacts: false still adds to the list
        "false_blacklist": ("keep", "resubscribe"),  # emailBlacklist: false on somebody who left
        "file_delimiter": (";", ","),
        "file_heading": ("EMAIL", "Email", ""),  # column of addresses in CSV files; empty: no heading
        "in_progress": ("processing", "in_process"),
        "list_answer": ("nested", "flat"),  # of add and remove
        "oversize": ("413", "400"),
        "process_info": ("url", "count"),  # info.import.invalid_emails
        "process_times": ("yes", "no"),  # created_at is there
        "repeated_codes": ("ignored", "kept"),  # a code that the collection has
        "unique_subscribers": ("all", "mailable"),
        "unknown_list": ("400", "404", "ignored"),  # listIds of an import
        "unsubscribe_moves_modified": ("yes", "no"),
        "webhook_envelope": ("array", "events", "object"),  # of a delivery; an object holds one event
    }
)


@dataclass(slots=True)
class Person:
    """One contact; `label` is why they are not mailed, in neutral words."""

    id: int
    email: str
    created: datetime
    modified: datetime
    attributes: Json = field(default_factory=dict)
    lists: set[int] = field(default_factory=set)
    blacklisted: bool = False
    sms_blacklisted: bool = False
    unlisted: set[int] = field(default_factory=set)  # lists that they left by themselves
    label: str = "subscribed"


@dataclass(slots=True)
class Mailbox:
    """One list."""

    id: int
    name: str
    folder: int
    created: datetime


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of contacts."""

    name: str
    category: str
    type: str | None = None
    enumeration: tuple[Json, ...] = ()


@dataclass(slots=True)
class Process:
    """One background process."""

    id: int
    name: str
    created: datetime
    status: str = "queued"
    completed: datetime | None = None
    info: Json | None = None
    export_url: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Campaign:
    """One campaign that was sent; `acts` are people by what they did."""

    id: int
    subject: str
    list_id: int
    sent: datetime
    recipients: list[int]
    acts: dict[str, dict[int, int]] = field(default_factory=dict)  # action → contact → times
    machine: set[int] = field(default_factory=set)  # opened by a machine (Apple MPP)


@dataclass(slots=True)
class Collection:
    """One collection of coupons, in the order in which they came."""

    id: str
    name: str
    default: str
    created: datetime
    codes: list[str] = field(default_factory=list)


class Account:
    """All of it; `switch(name)` is the reading of one unconfirmed fact."""

    def __init__(self, world: World, options: Mapping[str, str]) -> None:
        self.world = world
        self._options = options
        self.people: dict[str, Person] = {}
        self.by_id: dict[int, Person] = {}
        self.folders: dict[int, str] = {}
        self.lists: dict[int, Mailbox] = {}
        self.processes: dict[int, Process] = {}
        self.campaigns: dict[int, Campaign] = {}
        self.collections: dict[str, Collection] = {}
        self.deliveries: deque[Json] = deque(maxlen=DELIVERIES)  # what a webhook has still to tell
        self.files: dict[str, str] = {}
        self.notifications = 0  # mails to the account's owner about imports and exports
        self.attributes = {
            "EMAIL": Attribute("EMAIL", "normal", "text"),
            "LASTNAME": Attribute("LASTNAME", "normal", "text"),
            "FIRSTNAME": Attribute("FIRSTNAME", "normal", "text"),
            "SMS": Attribute("SMS", "normal", "text"),
            "DOUBLE_OPT-IN": Attribute(
                "DOUBLE_OPT-IN", "category", None, ({"value": 1, "label": "Yes"}, {"value": 2, "label": "No"})
            ),
        }
        self._numbers = {kind: itertools.count(1) for kind in ("contact", "folder", "list", "process", "campaign")}
        self._views: dict[object, list[Person]] = {}

    def switch(self, name: str) -> str:
        """The reading that this account takes."""
        return self._options.get(name, OPTIONS[name][0])

    def number(self, kind: str) -> int:
        """The next id of a kind."""
        return next(self._numbers[kind])

    def changed(self) -> None:
        """Contacts or memberships changed: forget sorted views."""
        self._views.clear()

    def view(self, key: object, wanted: Callable[[Person], bool]) -> list[Person]:
        """Contacts in order of creation, kept until something changes."""
        if key not in self._views:
            self._views[key] = [person for person in self.by_id.values() if wanted(person)]
        return self._views[key]

    def members(self, list_id: int) -> list[Person]:
        """Everyone in a list, in order of creation."""
        return self.view(("list", list_id), lambda person: list_id in person.lists)

    def add_person(self, email: str) -> Person:
        """A new contact."""
        now = self.world.now()
        person = Person(self.number("contact"), email, now, now)
        self.people[email] = self.by_id[person.id] = person
        return person

    def drop_person(self, person: Person) -> None:
        """Deleted: with the contact goes the blocklisting."""
        del self.people[person.email], self.by_id[person.id]
        self.changed()

    def find_person(self, identifier: str) -> Person | None:
        """By id or address."""
        if identifier.isdecimal():
            return self.by_id.get(int(identifier))
        return self.people.get(identifier.strip().lower())

    def begin(self, name: str, work: Callable[[Process], None], seconds: float) -> Process:
        """Queue a process that does its work when `seconds` have passed; an odd one still shows as running before."""
        process = Process(self.number("process"), name, self.world.now())
        self.processes[process.id] = process

        def start() -> None:
            if process.status == "queued":
                process.status = self.switch("in_progress")

        def finish() -> None:
            if process.status == self.switch("in_progress"):
                work(process)
                process.status, process.completed = "completed", self.world.now()

        self.world.later(seconds / 5, start)
        self.world.later(seconds, finish)
        return process

    def keep_file(self, rows: list[str]) -> str:
        """A CSV at an address of its own, on another host."""
        token = f"{self.world.random.getrandbits(64):016x}"
        heading = self.switch("file_heading")
        delimiter = self.switch("file_delimiter")
        head = [f"{heading}{delimiter}ADDED_TIME"] if heading else []
        self.files[token] = "\r\n".join([*head, *(f"{row}{delimiter}01-01-2018" for row in rows)]) + "\r\n"
        return f"{self.world.archive_url}/brevo/v3/_files/{token}.csv"


def stamp(at: datetime) -> str:
    """A date-time as Brevo writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
