"""What an outcome means for what the ledger knows of a contact: pure, one small function a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from connectors.types import Outcome, Reason, State
from engine.ledger.accounts import KnownTarget
from engine.ledger.contacts import Contact, ContactState
from engine.ledger.packing import SEPARATOR, pack_fields

__all__ = ["Known", "Sending", "is_there", "known_after"]

_LOST = frozenset({Reason.GONE, Reason.ERASED})
_CREATED = ContactState.ACKNOWLEDGED
_APPLIED, _NOOP = State.APPLIED, State.NOOP
_contact = Contact._make  # from a tuple: at half the cost of naming its parts
_NOWHERE: frozenset[int] = frozenset()
_NO_FIELDS: Mapping[str, str] = MappingProxyType({})


class Sending(NamedTuple):
    """One change on its way: what was sent, to whom, for what, and the job that carries it.

    `kind` is the change's type name. A code has no customer, and its id in the place of the address. `fields` are JSON scalars by our field name; `defaults` names those that stand in
    for an unknown; `status` is AddContact's. A tuple: a push makes one a change.
    """

    change_id: str
    content_hash: str
    kind: str
    target: str
    customer_id: str
    address: str
    fields: Mapping[str, str] = _NO_FIELDS
    defaults: frozenset[str] = frozenset()
    status: str | None = None
    job: str | None = None
    started_at: datetime | None = None
    plan: str | None = None
    is_pending: bool = False


class Known(dict[str, KnownTarget]):
    """Targets of the change's own family by our name: segments for members, fields for traits; and their positions."""

    def __init__(self, targets: Mapping[str, KnownTarget]) -> None:
        super().__init__(targets)
        self.places = {name: target.position for name, target in targets.items()}
        self.room = max(self.places.values(), default=-1) + 1


def is_there(contact: Contact | None) -> bool:
    """Whether the destination has this contact, as far as we know."""
    return contact is not None and contact.state is not ContactState.LEFT


def known_after(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> Contact | None:
    """The contact after this outcome; None when there is still nothing to know."""
    kind, reason, state = change.kind, outcome.reason, outcome.state
    if kind == "AddCode":
        return before  # nobody's
    if reason is not None and reason in _LOST and kind != "RemoveMember":
        return _left(before, change)
    if state is not _APPLIED and state is not _NOOP:
        return before
    return _EFFECTS[kind](before, change, outcome, known)


def _left(before: Contact | None, change: Sending) -> Contact:
    if before is None:
        return Contact(change.address, change.customer_id, ContactState.LEFT)
    return before._replace(state=ContactState.LEFT, members=_NOWHERE, packed="")


def _packed(before: str, change: Sending, known: Known) -> str:
    """The packed fields with the change's values in their places."""
    cells, places = before.split(SEPARATOR) if before else [], known.places
    cells += [""] * (known.room - len(cells))
    for name, text in change.fields.items():
        if name in places:
            cells[places[name]] = text
    return SEPARATOR.join(cells).rstrip(SEPARATOR)


def _same(before: Contact | None, change: Sending, outcome: Outcome) -> Contact:
    """The contact, whom nobody but the provider changes: whose it is, and the provider's id of it."""
    if before is None:
        return Contact(change.address, change.customer_id, ContactState.FOUND, outcome.ref)
    address, _, state, ref, members, foreign, packed = before
    return _contact((address, change.customer_id, state, outcome.ref or ref, members, foreign, packed))


def _added_contact(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> Contact:
    if outcome.state is _NOOP:
        return _same(before if is_there(before) else None, change, outcome)
    packed = _packed("", change, known)
    if before is None:
        return _contact((change.address, change.customer_id, _CREATED, outcome.ref, _NOWHERE, _NOWHERE, packed))
    return _same(before, change, outcome)._replace(state=_CREATED, packed=packed)


def _set_traits(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> Contact:
    packed = _packed("" if before is None else before.packed, change, known)
    address, _, state, ref, members, foreign, _ = before or _same(before, change, outcome)
    return _contact((address, change.customer_id, state, outcome.ref or ref, members, foreign, packed))


def _cleared_traits(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> Contact | None:
    if before is None:
        return None
    gone = {place for name, place in known.places.items() if name in change.fields}
    packed = pack_fields({place: text for place, text in before.fields.items() if place not in gone})
    return _same(before, change, outcome)._replace(packed=packed)


def _added_member(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> Contact:
    target = known[change.target]
    address, _, state, ref, members, foreign, packed = before or _same(before, change, outcome)
    if outcome.state is _NOOP and not target.is_owned:
        foreign = _with(foreign, target.position)
    else:
        members = _with(members, target.position)
    return _contact((address, change.customer_id, state, outcome.ref or ref, members, foreign, packed))


def _removed_member(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> Contact | None:
    if before is None:
        return None
    address, _, state, ref, members, foreign, packed = before
    members = _without(members, known[change.target].position)
    return _contact((address, change.customer_id, state, outcome.ref or ref, members, foreign, packed))


def _suppressed(before: Contact | None, change: Sending, outcome: Outcome, known: Known) -> Contact | None:  # noqa: ARG001 - one signature
    return None if before is None else _same(before, change, outcome)


@lru_cache(maxsize=4096)  # contacts share few combinations of lists
def _with(members: frozenset[int], position: int) -> frozenset[int]:
    return members | {position}


@lru_cache(maxsize=4096)
def _without(members: frozenset[int], position: int) -> frozenset[int]:
    return members - {position}


_EFFECTS: Mapping[str, Callable[[Contact | None, Sending, Outcome, Known], Contact | None]] = {
    "AddContact": _added_contact,
    "SetTraits": _set_traits,
    "ClearTraits": _cleared_traits,
    "AddMember": _added_member,
    "RemoveMember": _removed_member,
    "Suppress": _suppressed,
}
