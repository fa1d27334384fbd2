"""Minting: codes that nobody can guess, and that a person can read aloud."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from engine.offers.policy import Policy

__all__ = ["ALPHABET", "Draw", "length_for", "mint", "random_bytes", "redraw"]

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32 (https://www.crockford.com/base32.html): no I, L, O, U."""

_LETTER = (ALPHABET * 8).encode()  # each letter for as many values of a byte as any other
_GUESSES = 100  # codes that somebody tries at the shop in a second
_SECONDS = 100 * 365 * 24 * 3600  # for so long, on average, before the first is one of ours
_LEAST = 8

Draw = Callable[[int], bytes]
"""So many random bytes."""

random_bytes: Draw = secrets.token_bytes
"""Those of the operating system's generator for cryptography."""


def length_for(live: int) -> int:
    """How many letters a code has, of an offer with so many live ones: 8 for one, 10 for a thousand, 12 for a million.

    Of 32^n codes `live` are good, so that who tries A a second needs (32^n + 1) / (2 · A · live) seconds on average: at
    least a hundred years for A = 100, and one guess is right with less than 1.6 · 10⁻¹² (OWASP, "Insufficient Session-ID
    Length", https://owasp.org/www-community/vulnerabilities/Insufficient_Session-ID_Length).
    """
    length = _LEAST
    while (len(ALPHABET) ** length + 1) < 2 * _GUESSES * _SECONDS * live:
        length += 1
    return length


def mint(
    issues: pa.Table,
    policies: Mapping[str, Policy],
    live: Mapping[str, int],
    *,
    now: datetime,
    draw: Draw = random_bytes,
) -> pa.Table:
    """A new code for each row (offer, customer_id or null, code_id, cost), as the ledger takes them.

    `live`: codes of each offer that can be used, these among them. Whether somebody has a code of this text already is
    for the ledger to say: it asks `redraw`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from engine.ledger.codes import minted_schema

    found = [minted_schema().empty_table()]
    for offer in issues["offer"].unique().to_pylist():
        mine = issues.filter(pc.equal(issues["offer"], offer)).combine_chunks()
        policy, count = policies[offer], len(mine)
        same = {"value": policy.value, "minimum": policy.minimum, "products": policy.products}
        same |= {"destination": policy.pool.destination if policy.pool else None}
        columns = {
            **{name: mine[name] for name in ("offer", "customer_id", "code_id")},
            **{name: pa.repeat(pa.scalar(word, pa.string()), count) for name, word in same.items()},
            "code": _drawn(policy.prefix, length_for(live.get(offer, count)), count, draw),
            "cost": _exact(mine["cost"]),
            "issued_at": _instant(now, count),
            "expires_at": _instant(policy.valid_until, count),
        }
        found.append(pa.table({name: columns[name] for name in minted_schema().names}).cast(minted_schema()))
    return pa.concat_tables(found)


def redraw(minted: pa.Table, draw: Draw = random_bytes) -> pa.Table:
    """The same rows with other texts, of the same prefix and length."""
    import pyarrow as pa

    texts = []
    for text in minted["code"].to_pylist():
        prefix, _, old = text.rpartition("-")
        texts += _drawn(prefix, len(old), 1, draw).to_pylist()
    return minted.set_column(minted.column_names.index("code"), "code", pa.array(texts, pa.string()))


def _drawn(prefix: str, length: int, count: int, draw: Draw) -> pa.Array:
    """So many codes, all at once: no object a code."""
    import pyarrow as pa
    import pyarrow.compute as pc

    letters = draw(length * count).translate(_LETTER)
    cells = pa.Array.from_buffers(pa.binary(length), count, [None, pa.py_buffer(letters)])
    texts = cells.cast(pa.binary()).cast(pa.string())
    return pc.binary_join_element_wise(pa.scalar(prefix), texts, "-") if prefix else texts


def _exact(cost: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ten-thousandths of the currency."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.multiply(cost, pa.scalar(10_000, pa.decimal128(5, 0))).cast(pa.int64())


def _instant(moment: datetime, count: int) -> pa.Array:
    import pyarrow as pa

    return pa.repeat(pa.scalar(moment, pa.timestamp("us", "UTC")), count)
