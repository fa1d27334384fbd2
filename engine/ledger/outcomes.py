"""What an outcome means for what the ledger knows of a contact: pure, one small function a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from connectors.types import Outcome, Reason, State
from engine.ledger.accounts import KnownTarget
from engine.ledger.contacts import Contact, ContactState
from engine.ledger.packing import pack_fields

__all__ = ["Sending", "is_there", "known_after"]

_DONE = frozenset({State.APPLIED, State.NOOP})
_LOST = frozenset({Reason.GONE, Reason.ERASED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One change on its way: what was sent, to whom, for what, and the job that carries it.

    `kind` is the change's type name. A code has no customer, and its id in the place of the address. `fields` are JSON scalars by our field name; `defaults` names those that stand in
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


_Effect = Mapping[str, Any]
"""What an outcome changes of a contact, by attribute."""

_NOWHERE: frozenset[int] = frozenset()
_SAME: _Effect = MappingProxyType({})
_GONE: _Effect = MappingProxyType({"state": ContactState.LEFT, "members": _NOWHERE, "packed": ""})
_BLANK: _Effect = MappingProxyType(
    {"state": ContactState.FOUND, "ref": None, "members": _NOWHERE, "foreign_members": _NOWHERE, "packed": ""}
)


def is_there(contact: Contact | None) -> bool:
    """Whether the destination has this contact, as far as we know."""
    return contact is not None and contact.state is not ContactState.LEFT


def known_after(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> Contact | None:
    """The contact after this outcome; None when there is still nothing to know."""
    if change.kind == "AddCode":
        return before  # nobody's
    if outcome.reason in _LOST and change.kind != "RemoveMember":
        return _kept(before, change.customer_id if before is None else before.customer_id, None, _GONE, change)
    if outcome.state not in _DONE:
        return before
    effect = _EFFECTS[change.kind](before, change, outcome, known)
    return None if effect is None else _kept(before, change.customer_id, outcome.ref, effect, change)


def _kept(before: Contact | None, customer: str, ref: str | None, effect: _Effect, change: Sending) -> Contact:
    """The contact with what changes of it."""
    if before is None:
        before = Contact(address=change.address, customer_id=customer, state=ContactState.FOUND)
    get = effect.get
    return Contact(
        address=before.address,
        customer_id=customer,
        state=get("state", before.state),
        ref=ref or get("ref", before.ref),
        members=get("members", before.members),
        foreign_members=get("foreign_members", before.foreign_members),
        packed=get("packed", before.packed),
    )


def _fields(change: Sending, known: Known) -> dict[int, str]:
    """The change's values by field position."""
    return {known[name].position: text for name, text in change.fields.items() if name in known}


def _added_contact(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> _Effect:
    if outcome.state is State.NOOP:
        return _SAME if is_there(before) else _BLANK
    return {"state": ContactState.ACKNOWLEDGED, "packed": pack_fields(_fields(change, known))}


def _set_traits(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> _Effect:  # noqa: ARG001 - one signature
    fields = _fields(change, known)
    return {"packed": pack_fields(fields if before is None else {**before.fields, **fields})}


def _cleared_traits(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> _Effect | None:  # noqa: ARG001 - one signature
    if before is None:
        return None
    gone = _fields(change, known)
    return {"packed": pack_fields({place: text for place, text in before.fields.items() if place not in gone})}


def _added_member(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> _Effect:
    target = known[change.target]
    which = "foreign_members" if outcome.state is State.NOOP and not target.is_owned else "members"
    return {which: _with(_NOWHERE if before is None else getattr(before, which), target.position)}


def _removed_member(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> _Effect | None:  # noqa: ARG001 - one signature
    return None if before is None else {"members": before.members - {known[change.target].position}}


def _suppressed(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> _Effect | None:  # noqa: ARG001 - one signature
    return None if before is None else _SAME


@lru_cache(maxsize=4096)  # contacts share few combinations of lists
def _with(members: frozenset[int], position: int) -> frozenset[int]:
    return members | {position}


_EFFECTS: Mapping[str, Callable[[Contact | None, Sending, Outcome, Known], _Effect | None]] = {
    "AddContact": _added_contact,
    "SetTraits": _set_traits,
    "ClearTraits": _cleared_traits,
    "AddMember": _added_member,
    "RemoveMember": _removed_member,
    "Suppress": _suppressed,
}
