"""The key of a client's hashes: made at the first erasure, in the state folder, for its owner alone."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from engine.errors import ConfigError
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
        half = file.with_suffix(".half")
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
            target.write(secrets.token_bytes(_BYTES))
            target.flush()
            os.fsync(target.fileno())
        half.replace(file)
    return Erased(file.read_bytes(), frozenset())
