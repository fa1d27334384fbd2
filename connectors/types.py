"""The shared words: who, where, what changes, and what became of it. Provider words stay in the provider's folder."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Ref: TypeAlias = str
"""The provider's own id of a target or a contact: opaque here, kept by the ledger."""
Cursor: TypeAlias = str
"""An opaque place to resume a read."""
Fitted: TypeAlias = str | int | float | bool
"""A value as the provider takes it (what `fit` returned): a JSON scalar, never null."""

T = TypeVar("T")

_NOTHING: Mapping[str, Fitted] = MappingProxyType({})


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _one_a_change(*, kw_only: bool) -> Callable[[type[T]], type[T]]:
    """A frozen dataclass of which a push makes one a change: the type checker keeps it so, not each of its instances.

    An instance that forbids assignments has to be filled around its own ban, which takes three times as long.
    """
    return dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)


def normal(address: str) -> str:
    """An address in the form that is compared by: a provider answers with its own spelling, or the one it first met."""
    bare = address.strip()
    return (bare if bare.isascii() else unicodedata.normalize("NFC", bare)).lower()


class ValueKind(StrEnum):
    """What a merge tag holds."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    INSTANT = "instant"
    URL = "url"


class Consent(StrEnum):
    """What the shop's explicit consent row says of a person and the e-mail channel."""

    SUBSCRIBED = "subscribed"
    PENDING = "pending"
    UNSUBSCRIBED = "unsubscribed"
    NEVER = "never"


class TargetKind(StrEnum):
    """What can be written to at a destination."""

    CONTACTS = "contacts"  # everyone we send there: Mailchimp's audience, Klaviyo's account, a Brevo list of its own
    SEGMENT = "segment"  # one segment's list
    FIELD = "field"  # one merge tag
    POOL = "pool"  # a provider's own pool of discount codes


class Reason(StrEnum):
    """Why one change was refused, or was not needed."""

    INVALID_ADDRESS = "invalid_address"
    REFUSED_ADDRESS = "refused_address"  # well formed, and refused by the provider's policy
    SUPPRESSED = "suppressed"  # the person left there: blocked at destination
    ERASED = "erased"  # deleted for good there; cannot be imported again
    GONE = "gone"  # not a contact there (any more): never created again by an update
    EXISTS = "exists"  # AddContact met an existing contact: status untouched, traits go by SetTraits
    INVALID_VALUE = "invalid_value"
    TOO_LONG = "too_long"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_TARGET = "unknown_target"
    TRY_LATER = "try_later"
    OTHER = "other"


class Precision(StrEnum):
    """How exactly a provider tells when an event happened."""

    EXACT = "exact"
    CAMPAIGN = "campaign"  # the campaign's send time stands in


class EventKind(StrEnum):
    """What a person did with a mail, or a mail with a person."""

    SEND = "send"
    DELIVERED = "delivered"
    OPEN = "open"
    CLICK = "click"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    OTHER = "other"


class Left(StrEnum):
    """Why a provider will not mail a contact."""

    UNSUBSCRIBED = "unsubscribed"
    COMPLAINT = "complaint"
    BOUNCED = "bounced"
    ARCHIVED = "archived"
    PENDING = "pending"  # a confirmation is awaited: not ours to touch
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Account:
    """Which account the settings open: `id` never changes for one account."""

    id: str
    name: str
    plan: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a discount code takes off an order: a share of it (0.1 is 10 %), or an amount; with neither, the shipping."""

    percent: Decimal | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing that we write to: `name` is ours, `title` is what people see at the provider.

    For a FIELD, `title` is the fitted name of the field there and `value` its kind. `worth` is of a POOL's codes, where
    it is known: only a provider that wants it when a pool is made needs it.
    """

    kind: TargetKind
    name: str
    title: str
    value: ValueKind | None = None
    worth: Worth | None = None


@_one_a_change(kw_only=False)
class Profile:
    """One person as a provider knows them: the normal address, and the provider's id where we have it."""

    email: str
    ref: Ref | None = None


@_one_a_change(kw_only=True)
class AddContact:
    """Create the contact with this status; an existing one is left as it is (NOOP, Reason.EXISTS)."""

    id: str
    profile: Profile
    status: Consent
    traits: Mapping[Ref, Fitted] = field(default_factory=lambda: _NOTHING)


@_one_a_change(kw_only=True)
class SetTraits:
    """Write these fields of an existing contact, by field ref; never its status, never other fields."""

    id: str
    profile: Profile
    traits: Mapping[Ref, Fitted] = field(default_factory=lambda: _NOTHING)


@_one_a_change(kw_only=True)
class ClearTraits:
    """Empty these fields of an existing contact, by field ref."""

    id: str
    profile: Profile
    fields: tuple[Ref, ...]


@_one_a_change(kw_only=True)
class AddMember:
    """Put an existing contact into the batch's segment target."""

    id: str
    profile: Profile


@_one_a_change(kw_only=True)
class RemoveMember:
    """Take a contact out of the batch's segment target: nothing else of the contact changes."""

    id: str
    profile: Profile


@_one_a_change(kw_only=True)
class Suppress:
    """Tell the provider that an existing contact of ours has left: consent only falls."""

    id: str
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCode:
    """Put one discount code into the batch's pool."""

    id: str
    code: str
    expires: datetime | None = None


ContactChange: TypeAlias = AddContact | SetTraits | ClearTraits | AddMember | RemoveMember | Suppress
Change: TypeAlias = ContactChange | AddCode


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes of one kind for one target, never more than the connector's Limit for the kind."""

    target: Target
    ref: Ref
    changes: Sequence[Change]


class State(StrEnum):
    """What became of one change."""

    APPLIED = "applied"
    NOOP = "noop"
    REJECTED = "rejected"
    PENDING = "pending"


@_one_a_change(kw_only=True)
class Outcome:
    """What became of one change, matched by `id`.

    `words` are the provider's own, masked. `job` names the provider's job of a PENDING change. `ref` is the
    provider's id of the contact, where the answer gave one. `wait`: seconds before TRY_LATER makes sense again.
    """

    id: str
    state: State
    reason: Reason | None = None
    words: str | None = None
    job: Ref | None = None
    ref: Ref | None = None
    wait: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A provider's job that we wait for, with the changes that it carries (as the ledger kept them)."""

    ref: Ref
    batch: Batch
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """A contact that the provider will not mail: why, and since when where it says so (UTC)."""

    email: str
    left: Left
    at: datetime | None = None
    ref: Ref | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngagementEvent:
    """One thing that one person did with one mail; `id` is stable, so that reading twice keeps one (UTC)."""

    id: str
    kind: EventKind
    email: str
    happened_at: datetime
    campaign: str | None = None
    message: str | None = None
    url: str | None = None
    is_machine: bool = False
    hard: bool | None = None
    precision: Precision = Precision.EXACT
    raw: str = "{}"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a read, and the cursor to resume after them; `last` when the read is complete."""

    items: Sequence[T]
    cursor: Cursor
    last: bool = False
