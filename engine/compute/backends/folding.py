"""The letters that fold, for engines whose own lower() depends on the server's locale (rules 7 and 23)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from unicodedata import normalize

from engine.compute.literals import fold

_BEYOND = 0x1_F000  # no plane further out has letters of two cases; the test looks at all of them


@lru_cache(maxsize=1)
def letters() -> Mapping[str, str]:
    """Each letter beyond ASCII that NFC text may hold and that is written otherwise when folded."""
    every = map(chr, range(0x80, _BEYOND))
    pairs = ((one, fold(one)) for one in every if not one.isascii() and one.lower() != one)
    return MappingProxyType({one: folded for one, folded in pairs if normalize("NFC", one) == one})


def letters_of(text: str) -> Mapping[str, str]:
    """Those of them that fold to a character of this text."""
    wanted = set(text)
    return {one: folded for one, folded in letters().items() if folded in wanted}
