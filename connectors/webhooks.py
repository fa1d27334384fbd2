"""A webhook's delivery: whether it is the provider's, whether it is new, and what its body holds.

A connector's `parse` proves a delivery before it reads it: what is forged or repeated must not be able to put anyone on
the list of those who left.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import orjson

from connectors.errors import SettingsError, Unauthorized, UnexpectedResponse

__all__ = ["TOLERANCE", "form", "json", "prove_new", "prove_secret", "prove_signature"]

TOLERANCE = timedelta(minutes=5)
"""Between a signature's time and now: what Mailchimp prescribes (api-concepts/webhooks, 2026-10) and receivers usually take."""
_STEP = re.compile(r"[^][]+")


def prove_signature(secret: str, given: str, told: Iterable[bytes], *, hint: str = "") -> None:
    """`given` is the HMAC-SHA256 of the parts of `told`, one after the other, in hex; compared in constant time.

    Raises Unauthorized where it is not, SettingsError without a secret: `hint` says where the provider shows it.
    """
    signed = hmac.new(_key(secret, hint), b"".join(told), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signed.encode(), given.encode("utf-8", "replace")):
        again = "" if given else ": a webhook that signs nothing is to be deleted and made again"
        raise Unauthorized(f"the delivery is not signed with webhook_secret{again}")


def prove_secret(secret: str, given: str, *, hint: str = "") -> None:
    """`given` is the secret itself: for a provider that signs nothing, and sends what it was told to. In constant time.

    Raises Unauthorized where it is not, SettingsError without a secret.
    """
    if not hmac.compare_digest(_key(secret, hint), given.encode("utf-8", "replace")):
        raise Unauthorized("the delivery comes without webhook_secret")


def prove_new(at: datetime, now: datetime) -> None:
    """It was signed within TOLERANCE of now: an older one may be a copy that somebody sends again. Raises Unauthorized."""
    if abs(at - now) > TOLERANCE:
        raise Unauthorized("the delivery was signed more than five minutes ago, or ahead of our clock")


def json(body: bytes) -> Any:  # noqa: ANN401 - what a provider sends is any JSON
    """A body of JSON. Raises UnexpectedResponse."""
    try:
        return orjson.loads(body)
    except ValueError:
        raise UnexpectedResponse("the delivery is not JSON") from None


def form(body: bytes) -> dict[str, Any]:
    """A body in the form of a web page's, blanks too; `data[email]=…` reads as JSON's {"data": {"email": "…"}}.

    Raises UnexpectedResponse.
    """
    found: dict[str, Any] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        *outer, last = _STEP.findall(name) or [name]
        place = found
        for step in outer:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise UnexpectedResponse("a field of the delivery is a text and holds others")
        place[last] = value
    if not found:
        raise UnexpectedResponse("the delivery is no form with anything in it")
    return found


def _key(secret: str, hint: str) -> bytes:
    if not secret:
        raise SettingsError(f"set webhook_secret{hint and f': {hint}'}", key="webhook_secret")
    return secret.encode()
