"""Texts without addresses and credentials: for logs, errors and the providers' own words."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

__all__ = ["mask", "mask_all"]

_ADDRESS = re.compile(r"[^\s@\"'<>(),;:/?&=]+@[^\s@\"'<>(),;:/?&=]+\.[^\s@\"'<>(),;:/?&=]+")
_ENCODED = re.compile(r"[^\s@\"'<>(),;:/?&=]+%40[^\s@\"'<>(),;:/?&=]+", re.IGNORECASE)
_DIGEST = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{32}(?![0-9A-Za-z])")  # MD5: Mailchimp's name of a member
_CREDENTIALS = re.compile(r"(?i)\b(basic|bearer|klaviyo-api-key)\s+[^\s\"',;]{6,}")
_WORDS = [re.compile(rf"(?<![{one}])[{one}]{{12,}}={{0,2}}") for one in ("A-Za-z0-9+/", "A-Za-z0-9_-")]  # base64


def mask(text: str) -> str:
    """The text without addresses, as they are, quoted for a URL, as MD5 or in base64, and without credentials: `…@…`."""
    found = _ENCODED.sub("…%40…", _ADDRESS.sub("…@…", text))
    found = _DIGEST.sub("…", _CREDENTIALS.sub(r"\1 …", found))
    for word in _WORDS:
        found = word.sub(_hidden, found)
    return found


def mask_all(text: str, secrets: Iterable[str]) -> str:
    """The masked text without these secrets either."""
    for secret in secrets:
        text = text.replace(secret, "…")
    return mask(text)


def _hidden(word: re.Match[str]) -> str:
    """`…` for base64 of an address."""
    bare = word[0].rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        told = base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("ascii")
    except ValueError:
        return word[0]
    return "…" if _ADDRESS.search(told) else word[0]
