"""Pure functions: our changes as the account's records, the account's results as our outcomes."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from connectors import errors, fitting
from connectors.http import mask
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    ClearTraits,
    Outcome,
    Reason,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    ValueKind,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.memory.dictionary import Json
    from connectors.types import Change

__all__ = ["MAX_TEXT", "fit", "key", "outcomes", "record"]

MAX_TEXT = 255  # bytes of one value

fit = fitting.fitter({ValueKind.URL: fitting.text}, max_bytes=MAX_TEXT)

RESULTS: Mapping[str | None, tuple[State, Reason | None]] = MappingProxyType(
    {
        None: (State.APPLIED, None),
        "same": (State.NOOP, None),
        "absent": (State.NOOP, Reason.GONE),
        "exists": (State.NOOP, Reason.EXISTS),
        "erased": (State.REJECTED, Reason.ERASED),
        "gone": (State.REJECTED, Reason.GONE),
        "taken": (State.REJECTED, Reason.EXISTS),
        "invalid": (State.REJECTED, Reason.INVALID_ADDRESS),
        "unknown_field": (State.REJECTED, Reason.UNKNOWN_FIELD),
    }
)


def key(change: Change) -> str:
    """What the account calls the change's subject in its results."""
    return change.code if isinstance(change, AddCode) else change.profile.email


def record(change: Change) -> Json:
    """One change as the account takes it."""
    match change:
        case AddContact():
            return {"email": change.profile.email, "status": change.status, "fields": dict(change.traits)}
        case SetTraits():
            return {"email": change.profile.email, "fields": dict(change.traits)}
        case ClearTraits():
            return {"email": change.profile.email, "fields": dict.fromkeys(change.fields)}
        case AddMember() | RemoveMember():
            return {"email": change.profile.email, "in": isinstance(change, AddMember)}
        case Suppress():
            return {"email": change.profile.email, "leave": True}
        case AddCode():
            return {"code": change.code}


def outcomes(changes: Sequence[Change], results: Sequence[Json]) -> Iterator[Outcome]:
    """One outcome a change, matched by what the result names. Raises UnexpectedResponse for one without a result."""
    known = {result["key"]: result for result in results}
    for change in changes:
        result = known.get(key(change))
        if result is None:
            raise errors.UnexpectedResponse(f"the account says nothing of change {change.id}")
        state, reason = RESULTS.get(result.get("error"), (State.REJECTED, Reason.OTHER))
        words = mask(result["words"]) if "words" in result else None
        yield Outcome(id=change.id, state=state, reason=reason, words=words, ref=result.get("ref"))
