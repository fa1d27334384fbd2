"""Minting: codes that nobody can guess, and that a person can read aloud."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from uuid import uuid4

from engine.ledger.codes import Code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from engine.offers.policy import Policy

__all__ = ["LENGTH", "mint", "restock"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
LENGTH = 12  # 60 bits: a guess among a million live codes succeeds once in 10^12


def mint(issue: Sequence[tuple[str, str]], policies: Mapping[str, Policy], *, now: datetime) -> list[Code]:
    """A new code for each (offer, customer_id); the ledger's uniqueness decides when it reserves them."""
    return [_minted(policies[offer], uuid4().hex, customer, now) for offer, customer in issue]


def restock(issue: Sequence[tuple[str, str]], policies: Mapping[str, Policy], *, now: datetime) -> list[Code]:
    """A new code of nobody for each (offer of a pool, code_id)."""
    return [_minted(policies[offer], code_id, None, now) for offer, code_id in issue]


def _minted(policy: Policy, code_id: str, customer: str | None, now: datetime) -> Code:
    return Code(
        code_id=code_id,
        offer=policy.name,
        customer_id=customer,
        destination=policy.pool.destination if policy.pool else None,
        code=_code(policy.prefix),
        issued_at=now,
        expires_at=policy.valid_until,
        value=policy.value,
        minimum=policy.minimum,
    )


def _code(prefix: str) -> str:
    text = "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))
    return f"{prefix}-{text}" if prefix else text
