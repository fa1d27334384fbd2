"""What an outcome means for what the ledger knows of a contact: pure, one small function a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from connectors.types import Outcome, Reason, State
from engine.ledger.accounts import KnownTarget
from engine.ledger.contacts import Contact, ContactState

__all__ = ["Sending", "is_there", "known_after"]

_DONE = frozenset({State.APPLIED, State.NOOP})
_LOST = frozenset({Reason.GONE, Reason.ERASED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One change on its way: what was sent, to whom, for what, and the job that carries it.

    `kind` is the change's type name. `fields` are JSON scalars by our field name; `defaults` names those that stand in
    for an unknown; `status` is AddContact's.
    """

    change_id: str
    content_hash: str
    kind: str
    target: str
    customer_id: str
    address: str
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    defaults: frozenset[str] = frozenset()
    status: str | None = None
    job: str | None = None
    started_at: datetime | None = None
    plan: str | None = None
    is_pending: bool = False


Known = Mapping[str, KnownTarget]
"""Targets of the change's own family by our name: segments for members, fields for traits."""


def is_there(contact: Contact | None) -> bool:
    """Whether the destination has this contact, as far as we know."""
    return contact is not None and contact.state is not ContactState.LEFT


@dataclass(frozen=True, slots=True)
class _Act:
    """One outcome in its surroundings: `blank` is the contact when nothing else is known of it."""

    before: Contact | None
    blank: Contact
    change: Sending
    outcome: Outcome
    known: Known

    @property
    def fields(self) -> dict[int, str]:
        """The change's values by field position."""
        return {self.known[name].position: text for name, text in self.change.fields.items() if name in self.known}


def known_after(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> Contact | None:
    """The contact after this outcome; None when there is still nothing to know."""
    blank = Contact(address=change.address, customer_id=change.customer_id, state=ContactState.FOUND, fields={})
    if outcome.reason in _LOST and change.kind != "RemoveMember":
        return replace(before or blank, state=ContactState.LEFT, members=frozenset(), fields={})
    if outcome.state not in _DONE:
        return before
    after = _EFFECTS[change.kind](_Act(before, blank, change, outcome, known))
    if after is None:
        return None
    return replace(after, customer_id=change.customer_id, ref=outcome.ref or after.ref)


def _added_contact(act: _Act) -> Contact | None:
    if act.outcome.state is State.NOOP:
        return act.before if is_there(act.before) else act.blank
    return replace(act.before or act.blank, state=ContactState.ACKNOWLEDGED, fields=act.fields)


def _set_traits(act: _Act) -> Contact | None:
    contact = act.before or act.blank
    return replace(contact, fields={**contact.fields, **act.fields})


def _cleared_traits(act: _Act) -> Contact | None:
    if act.before is None:
        return None
    gone = act.fields
    return replace(act.before, fields={place: text for place, text in act.before.fields.items() if place not in gone})


def _added_member(act: _Act) -> Contact | None:
    contact = act.before or act.blank
    target = act.known[act.change.target]
    if act.outcome.state is State.NOOP and not target.is_owned:
        return replace(contact, foreign_members=contact.foreign_members | {target.position})
    return replace(contact, members=contact.members | {target.position})


def _removed_member(act: _Act) -> Contact | None:
    if act.before is None:
        return None
    return replace(act.before, members=act.before.members - {act.known[act.change.target].position})


def _suppressed(act: _Act) -> Contact | None:
    return act.before


_EFFECTS: Mapping[str, Callable[[_Act], Contact | None]] = {
    "AddContact": _added_contact,
    "SetTraits": _set_traits,
    "ClearTraits": _cleared_traits,
    "AddMember": _added_member,
    "RemoveMember": _removed_member,
    "Suppress": _suppressed,
}
