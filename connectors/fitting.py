"""Values and fields of ours as most providers take them: a connector makes its `fit` from these, and names where it differs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeAlias

from connectors.errors import SettingsError
from connectors.spec import Field
from connectors.types import Fitted, Reason, Ref, Target, ValueKind

__all__ = ["Fit", "boolean", "day", "digits", "fitter", "instant", "number", "text", "there", "url", "words"]

Fit: TypeAlias = Callable[[object], Fitted | Reason]
"""One value, or why it cannot be taken."""

_LARGEST = 2**53  # beyond it a JSON number is not exact


def fitter(
    own: Mapping[ValueKind, Fit], *, max_bytes: int | None = None
) -> Callable[[ValueKind, object], Fitted | Reason]:
    """The `fit` of a spec: `own` where the provider differs, text of more than `max_bytes` (UTF-8) is TOO_LONG."""
    table = {**_USUAL, **own}

    def fit(kind: ValueKind, value: object) -> Fitted | Reason:
        fitted = table[kind](value)
        if max_bytes is None or isinstance(fitted, Reason) or not isinstance(fitted, str):
            return fitted
        return Reason.TOO_LONG if len(fitted.encode()) > max_bytes else fitted

    return fit


def text(value: object) -> Fitted | Reason:
    """Text in composed form (NFC); none that UTF-8 or a JSON reader refuses."""
    if not isinstance(value, str):
        return Reason.INVALID_VALUE
    composed = unicodedata.normalize("NFC", value)
    is_broken = "\0" in composed or any("\ud800" <= letter <= "\udfff" for letter in composed)
    return Reason.INVALID_VALUE if is_broken else composed


def number(value: object) -> Fitted | Reason:
    """A JSON number that is exact: whole ones as int."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return Reason.INVALID_VALUE
    if isinstance(value, Decimal) and not value.is_finite():  # a signalling NaN refuses to be compared
        return Reason.INVALID_VALUE
    if not -_LARGEST <= value <= _LARGEST:
        return Reason.INVALID_VALUE
    return int(value) if value == int(value) else float(value)


def digits(value: object) -> Fitted | Reason:
    """A number as text, for a provider that has none: 12.5."""
    fitted = number(value)
    return fitted if isinstance(fitted, Reason) else format(Decimal(str(fitted)), "f")


def boolean(value: object) -> Fitted | Reason:
    """A JSON boolean."""
    return value if isinstance(value, bool) else Reason.INVALID_VALUE


def words(yes: str, no: str) -> Fit:
    """A boolean as one of two words, for a provider that has none."""

    def fit(value: object) -> Fitted | Reason:
        return (yes if value else no) if isinstance(value, bool) else Reason.INVALID_VALUE

    return fit


def day(value: object) -> Fitted | Reason:
    """A date: 2026-11-23."""
    found = value.date() if isinstance(value, datetime) else value
    return found.isoformat() if isinstance(found, date) else Reason.INVALID_VALUE


def instant(value: object) -> Fitted | Reason:
    """An instant, UTC: 2026-11-23T09:30:00Z."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        return Reason.INVALID_VALUE
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def url(value: object) -> Fitted | Reason:
    """A web address."""
    return str(value) if re.fullmatch(r"https?://\S+", str(value)) else Reason.INVALID_VALUE


_USUAL: Mapping[ValueKind, Fit] = {
    ValueKind.TEXT: text,
    ValueKind.NUMBER: number,
    ValueKind.BOOLEAN: boolean,
    ValueKind.DATE: day,
    ValueKind.INSTANT: instant,
    ValueKind.URL: url,
}


def there(fields: Iterable[Target], known: Mapping[str, str], types: Mapping[ValueKind, Field]) -> dict[Target, Ref]:
    """Those of the fields that the account has, by title; `known`: its own with their types.

    Raises SettingsError where one of another type has the name: a type never changes, and what does not suit it is lost.
    """
    found = [target for target in fields if target.title in known]
    for target in found:
        wanted, is_there = types[target.value or ValueKind.TEXT].type, known[target.title]
        if wanted != is_there:
            raise SettingsError(
                f"the account has a field {target.title} of type {is_there}, merge tag '{target.name}' needs {wanted}: "
                "give the merge tag another name"
            )
    return {target: target.title for target in found}
