"""The key of a client's hashes: made at the first erasure, in the state folder, for its owner alone."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from engine.errors import ConfigError
from engine.files import whole
from engine.shop.erased import Erased

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["erased", "made"]

_BYTES = 32


def erased(file: Path, hashes: frozenset[str]) -> Erased | None:
    """What keeps erased people out; None where nobody was erased. Raises ConfigError where the key is gone."""
    if not hashes:
        return None
    try:
        key = file.read_bytes()
    except FileNotFoundError:
        key = b""
    if len(key) != _BYTES:
        raise ConfigError(
            "people were erased, and the key that recognises them is missing",
            place=str(file),
            hint="bring the file back from a backup; without it they would be taken in again",
        )
    return Erased(key, hashes)


def made(file: Path) -> Erased:
    """The key, made where there is none; it is on the disk before anything relies on it."""
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole(file) as target:
            target.write(secrets.token_bytes(_BYTES))
    return Erased(file.read_bytes(), frozenset())
