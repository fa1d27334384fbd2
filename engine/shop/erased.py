"""Addresses that were erased and are never taken in again, known by their keyed hash alone (HMAC-SHA-256, RFC 2104)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.shop.addresses import normalise
from engine.tables import Database

__all__ = ["REASON", "Erased"]

REASON = "the person was erased on request and is never taken in again"
_BLOCK = 64  # bytes of SHA-256's block
_INNER, _OUTER = 0x36, 0x5C


@dataclass(frozen=True, slots=True)
class Erased:
    """The hashes, and the key that only this machine has: without it nobody can try addresses against them."""

    key: bytes = field(repr=False)
    hashes: frozenset[str]

    def __contains__(self, address: object) -> bool:
        """Whether this address, in any spelling, was erased."""
        return bool(self.hashes) and isinstance(address, str) and self.hashed(address) in self.hashes

    def hashed(self, address: str) -> str:
        """The keyed hash of an address in its normal form, as 64 hexadecimal digits."""
        return hmac.new(self.key, (normalise(address) or address.strip().lower()).encode(), hashlib.sha256).hexdigest()

    def among(self, database: Database) -> set[str]:
        """Those spellings in the table `addresses` that were erased; the hashing is the database's."""
        if not self.hashes:
            return set()
        inner, outer = (bytes(byte ^ pad for byte in self.key.ljust(_BLOCK, b"\0")) for pad in (_INNER, _OUTER))
        nested = "sha256($outer || unhex(sha256($inner || encode(normal))))"
        found = database.rows(
            f"SELECT raw FROM addresses WHERE normal IS NOT NULL AND list_contains($hashes, {nested})",
            {"inner": inner, "outer": outer, "hashes": sorted(self.hashes)},
        )
        return {str(row[0]) for row in found}

    def of(self, addresses: Iterable[str]) -> set[str]:
        """Those of the addresses that were erased."""
        return {address for address in addresses if address in self}
