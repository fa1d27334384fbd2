"""Success proven: the destination's own count has moved as our outcomes say, and a page of values reads back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from connectors.base import Connector, ReadsMembers, ReadsTraits
from connectors.errors import ConnectorError
from connectors.types import Profile, TargetKind
from engine.ledger import Ledger
from engine.ledger.packing import value
from engine.push.result import Result
from engine.push.trip import Carrier

__all__ = ["Proof", "Verdict", "verify"]

_CANARIES = 5  # contacts whose values are read back: a spot check, however many were written


class Verdict(StrEnum):
    """What reading back says."""

    PROVEN = "proven"
    UNPROVEN = "unproven"  # not visible yet, or cannot be read
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One list's count, or one page of values (`segment` is None): what was expected, what was read."""

    destination: str
    segment: str | None
    expected: int
    found: int | None
    verdict: Verdict


def verify(result: Result, carrier: Carrier, ledger: Ledger, *, canaries: Sequence[str] | None = None) -> list[Proof]:
    """Read back every list that changed, and the values of some contacts. Reads only; a failed read proves nothing.

    `canaries`: addresses to read back; by default the first contacts by address that hold values of ours.
    """
    proofs = [_count(result, carrier.connector, ledger, segment) for segment in sorted({*result.joined, *result.left})]
    if result.error is not None or not result.applied:
        return proofs
    values = _values(carrier, ledger, canaries)
    return proofs if values is None else [*proofs, values]


def _count(result: Result, connector: Connector, ledger: Ledger, segment: str) -> Proof:
    before = result.counts.get(segment, 0)
    expected = before + result.joined[segment] - result.left[segment]
    known = ledger.targets.of(result.name).get((TargetKind.SEGMENT, segment))
    found = None
    if isinstance(connector, ReadsMembers) and known is not None and known.ref is not None:
        try:
            found = connector.count(known.target, known.ref)
        except ConnectorError:
            found = None
    verdict = _verdict(before, expected, found)
    return Proof(destination=result.name, segment=segment, expected=expected, found=found, verdict=verdict)


def _verdict(before: int, expected: int, found: int | None) -> Verdict:
    """Between the count before and the expected one, visibility lags; beyond them, something else happened."""
    if found == expected:
        return Verdict.PROVEN
    if found is None or min(before, expected) <= found <= max(before, expected):
        return Verdict.UNPROVEN
    return Verdict.DIFFERENT


def _values(carrier: Carrier, ledger: Ledger, canaries: Sequence[str] | None) -> Proof | None:
    """Compare a page of values with what the ledger holds as acknowledged."""
    name, connector = carrier.destination.name, carrier.connector
    if not isinstance(connector, ReadsTraits):
        return None
    contacts = ledger.contacts.of(name, canaries if canaries is not None else _some(ledger, name))
    refs = {
        at.position: at.ref for (kind, _), at in ledger.targets.of(name).items() if kind is TargetKind.FIELD and at.ref
    }
    wanted = {
        address: {refs[place]: value(text) for place, text in contact.fields.items() if place in refs}
        for address, contact in contacts.items()
    }
    wanted = {address: fields for address, fields in wanted.items() if fields}
    if not wanted:
        return None
    try:
        read = connector.traits([Profile(address, contacts[address].ref) for address in wanted])
    except ConnectorError:
        return Proof(destination=name, segment=None, expected=len(wanted), found=None, verdict=Verdict.UNPROVEN)
    same = sum(
        all(read.get(address, {}).get(ref) == told for ref, told in fields.items())
        for address, fields in wanted.items()
    )
    verdict = Verdict.PROVEN if same == len(wanted) else Verdict.UNPROVEN
    return Proof(destination=name, segment=None, expected=len(wanted), found=same, verdict=verdict)


def _some(ledger: Ledger, destination: str) -> list[str]:
    return ledger.contacts.valued(destination, _CANARIES)
