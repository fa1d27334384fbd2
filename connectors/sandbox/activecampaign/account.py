"""One ActiveCampaign account's state: contacts, lists, tags, fields, imports, campaigns, webhooks."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connectors.sandbox.world import World

__all__ = [
    "ACTIVE",
    "BOUNCED",
    "LEFT",
    "OPTIONS",
    "UNCONFIRMED",
    "Account",
    "Campaign",
    "Import",
    "Json",
    "Person",
    "stamp",
]

Json: TypeAlias = dict[str, Any]
UNCONFIRMED, ACTIVE, LEFT, BOUNCED = "0", "1", "2", "3"  # a contact's status on a list

# Facts that the documentation leaves open: one switch each. The first reading is the default.
OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "email_filter": ("obeyed", "ignored"),  # GET /contacts?email=
        "exclude_automations": ("payload", "contact"),  # where an import must say it
        "excluded": ("failure", "silent"),  # what an import's result says of excluded addresses
        "failure_index": ("0", "1"),  # the place of the first contact in a refusal
        "import_subscribe": ("keep", "activate"),  # `subscribe` for who is unconfirmed or bounced on the list
        "ids_filter": ("obeyed", "ignored"),  # GET /contacts?ids[]=
        "join_filters": ("obeyed", "ignored"),  # GET /contactTags?filters[subscriberid]=&filters[tagid]=
        "join_total": ("told", "missing"),  # meta.total of the tags of contacts
        "list_filter": ("obeyed", "ignored"),  # GET /contacts?listid=
        "long_text": ("kept", "cut"),  # more than 255 bytes in a text field
        "tag_path": ("there", "missing"),  # DELETE /contacts/{id}/tags/{tag}
        "throttle": ("429", "503"),  # over 5 calls a second
        "unknown_field": ("ignored", "refused"),  # in an import
        "unfinished": ("pending", "processing"),  # what an import is called before it is completed
    }
)


@dataclass(slots=True)
class Person:
    """One contact; `label`: why they are not mailed, in neutral words."""

    id: int
    email: str
    created: datetime
    updated: datetime
    values: dict[int, str] = field(default_factory=dict)  # by field
    lists: dict[int, str] = field(default_factory=dict)  # list → status
    tags: dict[int, int] = field(default_factory=dict)  # tag → the id of the contact's tag


@dataclass(slots=True)
class Import:
    """One bulk import."""

    id: str
    contacts: list[Json]
    is_done: bool = False
    success: list[str] = field(default_factory=list)
    failure: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Campaign:
    """One campaign that was sent, to everyone with a tag; `acts` are people by what they did."""

    id: int
    name: str
    sent: datetime
    recipients: list[int]
    acts: dict[str, list[int]] = field(default_factory=dict)


class Account:
    """All of it; `switch(name)` is the reading of one open fact."""

    def __init__(self, world: World, options: Mapping[str, str]) -> None:
        self.world = world
        self._options = options
        self._numbers = itertools.count(1)
        self.people: dict[int, Person] = {}
        self.by_email: dict[str, Person] = {}
        self.lists: dict[int, Json] = {}
        self.tags: dict[int, Json] = {}
        self.fields: dict[int, Json] = {}
        self.related: set[int] = set()  # fields that some list shows
        self.imports: dict[str, Import] = {}
        self.campaigns: dict[int, Campaign] = {}
        self.webhooks: list[Json] = []
        self.posted: list[tuple[dict[str, str], bytes]] = []  # what was sent to them
        self.excluded: set[str] = set()  # addresses that imports skip
        self.automations = 0  # started by what was written
        self.add_list("Newsletter", "newsletter")  # the shop's own, from before us

    def switch(self, name: str) -> str:
        """The reading that this account takes."""
        return self._options.get(name, OPTIONS[name][0])

    def number(self) -> int:
        """A new id: never one that was given before."""
        return next(self._numbers)

    def add_list(self, name: str, word: str) -> Json:
        """A new list."""
        row = {"id": str(self.number()), "name": name, "stringid": word}
        self.lists[int(row["id"])] = row
        return row

    def add_tag(self, name: str) -> Json:
        """The tag of that name, made on the fly."""
        known = next((row for row in self.tags.values() if row["tag"] == name), None)
        if known is None:
            known = {"id": str(self.number()), "tag": name, "tagType": "contact", "description": ""}
            self.tags[int(known["id"])] = known
        return known

    def add_person(self, email: str) -> Person:
        """The contact with that address, a new one where there is none."""
        if email not in self.by_email:
            now = self.world.now()
            person = Person(self.number(), email, now, now)
            self.people[person.id] = self.by_email[email] = person
        return self.by_email[email]

    def drop_person(self, person: Person) -> None:
        """Deleted, with all history."""
        del self.people[person.id], self.by_email[person.email]

    def field_id(self, name: str) -> int:
        """The id of a field by its merge tag."""
        return next(number for number, row in self.fields.items() if row["perstag"] == name)


def stamp(at: datetime) -> str:
    """A date-time as ActiveCampaign writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S-00:00")
