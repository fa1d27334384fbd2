"""Changes by address, and outcomes by change: what every connector writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from operator import not_
from typing import TypeVar, cast

from connectors.errors import UnexpectedResponse
from connectors.types import (
    AddCode,
    AddContact,
    Batch,
    Change,
    ClearTraits,
    Consent,
    ContactChange,
    Fitted,
    Outcome,
    Reason,
    Ref,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    normal,
)

__all__ = [
    "applied", "by_address", "by_code", "contacts", "culprits", "each", "noop", "parted", "rejected", "said_yes",
    "shows", "values",
]  # fmt: skip

T = TypeVar("T")
_APPLIED, _SUBSCRIBED = State.APPLIED, Consent.SUBSCRIBED  # looked up once, not once a change


def contacts(batch: Batch) -> list[ContactChange]:
    """The changes of a batch, all of them of contacts. Raises UnexpectedResponse for a code."""
    if AddCode in set(map(type, batch.changes)):
        raise UnexpectedResponse("a code in a batch of contacts")
    return cast("list[ContactChange]", list(batch.changes))


def by_address(changes: Iterable[ContactChange]) -> dict[str, list[ContactChange]]:
    """Changes by normal address, in order: an address may come twice in a batch."""
    found: dict[str, list[ContactChange]] = {}
    for change in changes:
        found.setdefault(normal(change.profile.email), []).append(change)
    return found


def by_code(batch: Batch) -> dict[str, list[AddCode]]:
    """A batch's codes, each with its changes, in order: a code may come twice in a batch."""
    found: dict[str, list[AddCode]] = {}
    for change in batch.changes:
        if isinstance(change, AddCode):
            found.setdefault(change.code, []).append(change)
    return found


def parted(items: Iterable[T], test: Callable[[T], bool]) -> tuple[list[T], list[T]]:
    """Those that pass a test, and the others; both in order."""
    asked = list(items)
    told = [bool(test(item)) for item in asked]
    if all(told):
        return asked, []
    return list(compress(asked, told)), list(compress(asked, map(not_, told)))


def said_yes(change: Change) -> bool:
    """Whether an import may carry it that can only subscribe: of those who are new, only who said yes."""
    return not isinstance(change, AddContact) or change.status is _SUBSCRIBED


def applied(change: Change, ref: Ref | None = None) -> Outcome:
    """The provider has done it."""
    return Outcome(id=change.id, state=_APPLIED, ref=ref)


def noop(change: Change, reason: Reason | None = None, *, words: str | None = None, ref: Ref | None = None) -> Outcome:
    """It was so already, or there is nobody to do it to."""
    return Outcome(id=change.id, state=State.NOOP, reason=reason, words=words, ref=ref)


def rejected(change: Change, reason: Reason, words: str | None = None, *, wait: float | None = None) -> Outcome:
    """One change refused; `words` are the provider's, masked; `wait` in seconds goes with TRY_LATER."""
    return Outcome(id=change.id, state=State.REJECTED, reason=reason, words=words or None, wait=wait)


def each(
    changes: Sequence[Change],
    state: State,
    reason: Reason | None = None,
    *,
    words: str | None = None,
    job: Ref | None = None,
) -> Iterator[Outcome]:
    """The same outcome for several changes."""
    return (Outcome(id=change.id, state=state, reason=reason, words=words, job=job) for change in changes)


def values(change: Change) -> Mapping[Ref, Fitted]:
    """What a change writes into a contact's fields; an empty text clears."""
    if isinstance(change, (AddContact, SetTraits)):
        return change.traits
    return dict.fromkeys(change.fields, "") if isinstance(change, ClearTraits) else {}


def shows(change: ContactChange, held: Mapping[Ref, Fitted] | None, *, left: bool = False) -> bool:
    """Whether the account, as it is read back, shows that the change took effect.

    `held`: what the contact's fields hold; None where there is no such contact, or it is not in the segment that the
    change is about. `left`: the provider does not mail the contact.
    """
    if held is None or isinstance(change, RemoveMember):
        return held is None and isinstance(change, RemoveMember)
    if isinstance(change, Suppress):
        return left
    return all(held.get(ref, "") == value for ref, value in values(change).items())


def culprits(places: Iterable[tuple[int, Reason]], sent: Sequence[Sequence[Change]]) -> dict[str, Reason]:
    """The changes that a refusal names by their place in the body (0: the first); a place that was not sent is nobody's."""
    named = ((sent[place], reason) for place, reason in places if 0 <= place < len(sent))
    return {change.id: reason for changes, reason in named for change in changes}
