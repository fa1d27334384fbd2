"""What the connector declares: its settings, its limits, and how our values become Mailchimp's."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from connectors.errors import SettingsError
from connectors.spec import Field, Limit, Names, Spec
from connectors.types import (
    AddContact,
    AddMember,
    ClearTraits,
    EventKind,
    Fitted,
    Precision,
    Reason,
    RemoveMember,
    SetTraits,
    Suppress,
    ValueKind,
)

MEMBERS = 500  # POST /lists/{id} and POST …/segments/{id} (official description 3.0.90)
OPERATIONS = 1000  # ours: no documented limit of one /batches job (2026-11-22)
FIELDS = 30  # merge fields of an audience; 80 on Premium (chimpmatic.com, mc-magento#957; 2026-11-22)
FIELDS_AT_MOST = 80
TEXT_BYTES = 255  # longer text is cut off there, in bytes
SLOW = 130.0  # seconds: the provider gives up at 120; giving up before it leaves the write running
SKEW = timedelta(minutes=10)  # between our clock and theirs
_EXACT = (EventKind.OPEN, EventKind.CLICK, EventKind.BOUNCE, EventKind.COMPLAINT, EventKind.UNSUBSCRIBE)
_LARGEST = Decimal(2**53)  # beyond it a JSON number is not exact
_KEY = re.compile(r"[^\s:]+-(?P<centre>[a-z]+[0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailchimpSettings:
    """One account's key and the audience to write to (its id or its name); `base_url` for a sandbox or a proxy."""

    api_key: str = field(repr=False)
    audience: str
    base_url: str = ""
    prefix: str = ""

    def __post_init__(self) -> None:
        found = _KEY.fullmatch(self.api_key.strip())
        if not self.audience.strip():
            raise SettingsError("mailchimp: 'audience' is empty; give the id or the name of an audience")
        if not found and not self.base_url:
            raise SettingsError("mailchimp: 'api_key' does not end in a data centre such as '-us19'")
        if not self.base_url and found:
            object.__setattr__(self, "base_url", f"https://{found['centre']}.api.mailchimp.com/3.0")

    def headers(self) -> Mapping[str, str]:
        """Basic authentication; the user's name is free."""
        token = base64.b64encode(f"ciblage:{self.api_key.strip()}".encode()).decode()
        return {"authorization": f"Basic {token}"}


def fit(kind: ValueKind, value: object) -> Fitted | Reason:
    """Our value as Mailchimp takes it. It has no boolean and no instant: both are text there."""
    fitted = _FITS[kind](value)
    if isinstance(fitted, str) and not isinstance(fitted, Reason) and len(fitted.encode()) > TEXT_BYTES:
        return Reason.TOO_LONG
    return fitted


def _text(value: object) -> Fitted | Reason:
    return str(value).strip()  # whether blanks around a value are kept there is undocumented (2026-11-22)


def _number(value: object) -> Fitted | Reason:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return Reason.INVALID_VALUE
    exact = Decimal(value)
    if not exact.is_finite() or abs(exact) > _LARGEST:
        return Reason.INVALID_VALUE
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _boolean(value: object) -> Fitted | Reason:
    return str(value).lower() if isinstance(value, bool) else Reason.INVALID_VALUE


def _date(value: object) -> Fitted | Reason:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else Reason.INVALID_VALUE


def _instant(value: object) -> Fitted | Reason:
    if not isinstance(value, datetime) or value.tzinfo is None:
        return Reason.INVALID_VALUE
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _url(value: object) -> Fitted | Reason:
    return str(value) if re.fullmatch(r"https?://\S+", str(value)) else Reason.INVALID_VALUE


_FITS = {
    ValueKind.TEXT: _text,
    ValueKind.NUMBER: _number,
    ValueKind.BOOLEAN: _boolean,
    ValueKind.DATE: _date,
    ValueKind.INSTANT: _instant,
    ValueKind.URL: _url,
}

FIELD_TYPES: Mapping[ValueKind, Field] = {
    ValueKind.TEXT: Field(type="text", max_bytes=TEXT_BYTES),
    ValueKind.NUMBER: Field(type="number"),
    ValueKind.BOOLEAN: Field(type="text", max_bytes=TEXT_BYTES, pattern="true|false"),
    ValueKind.DATE: Field(type="date", pattern=r"\d{4}-\d{2}-\d{2}"),
    ValueKind.INSTANT: Field(type="text", max_bytes=TEXT_BYTES),
    ValueKind.URL: Field(type="url", max_bytes=TEXT_BYTES, pattern=r"https?://\S+"),
}

SPEC = Spec(
    name="mailchimp",
    version="1",
    settings=MailchimpSettings,
    carries={
        AddContact: Limit(items=MEMBERS),
        SetTraits: Limit(items=OPERATIONS),
        ClearTraits: Limit(items=OPERATIONS),
        AddMember: Limit(items=MEMBERS, after=frozenset({AddContact})),
        RemoveMember: Limit(items=MEMBERS),
        Suppress: Limit(items=OPERATIONS),
    },
    fields=FIELD_TYPES,
    fit=fit,
    field_names=Names(
        length=10,
        upper=True,
        # Words that Mailchimp's own merge tags use already (its help centre's list of reserved names).
        reserved=frozenset(
            {"ARCHIVE", "DATE", "EMAIL", "EMAIL_TYPE", "FORWARD", "INTERESTS", "REWARDS", "TO", "UNSUB", "USER_URL"}
        ),
    ),
    max_fields=FIELDS,
    rates={},  # no window: 10 simultaneous connections a user (rate-limits-and-timeouts, 2026-11-22)
    in_flight=8,
    reports={EventKind.SEND: Precision.CAMPAIGN, **dict.fromkeys(_EXACT, Precision.EXACT)},
)
