"""What an account holds: audiences, members, merge fields, segments, campaigns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connectors.types import Fitted


def subscriber(address: str) -> str:
    """MD5 of the trimmed, lower-cased address."""
    return hashlib.md5(address.strip().lower().encode(), usedforsecurity=False).hexdigest()


def iso(at: datetime | None) -> str:
    """An instant as the API writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S+00:00") if at else ""


@dataclass(slots=True)
class Member:
    """One contact of one audience; `is_locked`: they left themselves, and the API cannot bring them back."""

    email: str
    status: str
    changed: datetime
    signed_up: datetime
    number: int
    merge: dict[str, Fitted] = field(default_factory=dict)
    segments: set[int] = field(default_factory=set)
    is_locked: bool = False
    is_complaint: bool = False
    reason: str = ""

    @property
    def id(self) -> str:
        """The subscriber hash."""
        return subscriber(self.email)


@dataclass(slots=True)
class MergeField:
    """One audience field."""

    number: int
    tag: str
    name: str
    type: str
    required: bool = False
    public: bool = False
    default: str = ""
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Segment:
    """A static segment, which is a tag too; a saved one has conditions that are not evaluated here."""

    id: int
    name: str
    type: str
    created: datetime
    updated: datetime


@dataclass(slots=True)
class Act:
    """What one recipient did."""

    action: str  # open, click, bounce
    at: datetime
    url: str = ""
    is_machine: bool = False


@dataclass(slots=True)
class Leaving:
    """An unsubscribe or a complaint."""

    id: int
    email: str
    at: datetime
    reason: str = ""


@dataclass(slots=True)
class Campaign:
    """A sent campaign, and what came of it."""

    id: str
    number: int
    audience: str
    subject: str
    sent_at: datetime
    recipients: list[str]
    acts: dict[str, list[Act]] = field(default_factory=dict)
    unsubscribes: list[Leaving] = field(default_factory=list)
    complaints: list[Leaving] = field(default_factory=list)

    def count(self, action: str) -> int:
        """How many acts of that name."""
        return sum(act.action == action for acts in self.acts.values() for act in acts)

    def last(self, action: str) -> datetime | None:
        """When the newest of them happened."""
        return max((act.at for acts in self.acts.values() for act in acts if act.action == action), default=None)


@dataclass(slots=True)
class Audience:
    """One audience ("list" in paths)."""

    id: str
    name: str
    created: datetime
    is_double: bool = False
    members: dict[str, Member] = field(default_factory=dict)  # by subscriber hash
    fields: dict[str, MergeField] = field(default_factory=dict)  # by tag
    segments: dict[int, Segment] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)  # subscriber hashes
    complaints: list[Leaving] = field(default_factory=list)

    def present(self) -> Iterable[Member]:
        """Everyone but the archived."""
        return (member for member in self.members.values() if member.status != "archived")

    def counted(self, status: str) -> int:
        """How many have that status."""
        return sum(member.status == status for member in self.members.values())
