"""What the connector declares: its settings, its limits, and how our values become Mailchimp's."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from connectors import fitting, types
from connectors.errors import SettingsError
from connectors.spec import Field, Limit, Names, Spec
from connectors.types import EventKind, Precision, TargetKind, ValueKind

MEMBERS = 500  # POST /lists/{id} and POST …/segments/{id} (official description 3.0.90)
OPERATIONS = 1000  # ours: no documented limit of one /batches job (2026-11-22)
FIELDS = 30  # merge fields of an audience below the Premium plan (chimpmatic.com, mc-magento#957; 2026-11-22)
FIELDS_AT_MOST = 80
TEXT_BYTES = 255  # longer text is cut off there, in bytes
SLOW = 130.0  # seconds: the provider gives up at 120; giving up before it leaves the write running
SKEW = timedelta(minutes=10)  # between our clock and theirs
# words that Mailchimp's own merge tags use already (its help centre's list of reserved names)
_RESERVED = "ARCHIVE DATE EMAIL EMAIL_TYPE FORWARD INTERESTS REWARDS TO UNSUB USER_URL"
_CENTRE = re.compile(r"[^\s:]+-([a-z]+[0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailchimpSettings:
    """One account's key and the audience to write to (its id or its name); `base_url` for a sandbox or a proxy.

    `store` (id or name), `store_currency` (makes the store where it is missing) and `store_url` (where a code is
    redeemed; `{code}` stands for it) are for discount codes as Mailchimp's own; `webhook_secret` for its webhook.
    """

    api_key: str = field(repr=False)
    audience: str
    base_url: str = ""
    prefix: str = ""
    max_merge_fields: int = FIELDS
    store: str = ""
    store_currency: str = ""
    store_url: str = ""
    webhook_secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        centre = _CENTRE.fullmatch(self.api_key.strip())
        if not self.base_url and not centre:
            raise SettingsError("mailchimp: 'api_key' does not end in a data centre such as '-us19'", key="api_key")
        if not self.base_url and centre:
            object.__setattr__(self, "base_url", f"https://{centre[1]}.api.mailchimp.com/3.0")

    def headers(self) -> Mapping[str, str]:
        """Basic authentication; the user's name is free."""
        token = base64.b64encode(f"ciblage:{self.api_key.strip()}".encode()).decode()
        return {"authorization": f"Basic {token}"}


def _stripped(value: object) -> types.Fitted | types.Reason:
    """Text without blanks around it: whether they are kept there is undocumented (2026-11-22)."""
    return fitting.text(value.strip() if isinstance(value, str) else value)


_TEXT = Field(type="text", max_bytes=TEXT_BYTES)
_JOB = Limit(items=OPERATIONS, is_job=True)
_EXACT = (EventKind.OPEN, EventKind.CLICK, EventKind.BOUNCE, EventKind.COMPLAINT, EventKind.UNSUBSCRIBE)

SPEC = Spec(
    name="mailchimp",
    version="2",
    settings=MailchimpSettings,
    carries={
        types.AddContact: Limit(items=MEMBERS),
        types.SetTraits: _JOB,
        types.ClearTraits: _JOB,
        types.AddMember: Limit(items=MEMBERS, after=frozenset({types.AddContact})),
        types.RemoveMember: Limit(items=MEMBERS),
        types.Suppress: _JOB,
        types.AddCode: Limit(items=OPERATIONS, names="[^/]{1,50}", is_job=True),  # a promo rule's id
    },
    fields={
        ValueKind.TEXT: _TEXT,
        ValueKind.NUMBER: Field(type="number"),
        ValueKind.BOOLEAN: Field(type="text", max_bytes=TEXT_BYTES, pattern="true|false"),
        ValueKind.DATE: Field(type="date", pattern=r"\d{4}-\d{2}-\d{2}"),
        ValueKind.INSTANT: _TEXT,
        ValueKind.URL: Field(type="url", max_bytes=TEXT_BYTES, pattern=r"https?://\S+"),
    },
    # no boolean there: text
    fit=fitting.fitter(
        {ValueKind.TEXT: _stripped, ValueKind.BOOLEAN: fitting.words("true", "false")}, max_bytes=TEXT_BYTES
    ),
    field_names=Names(length=10, upper=True, reserved=frozenset(_RESERVED.split())),
    max_fields=FIELDS_AT_MOST,
    rates={},  # no window: 10 simultaneous connections a user (rate-limits-and-timeouts, 2026-11-22)
    in_flight=8,
    creates=dict.fromkeys((TargetKind.SEGMENT, TargetKind.FIELD, TargetKind.POOL), 1),
    reports={EventKind.SEND: Precision.CAMPAIGN, **dict.fromkeys(_EXACT, Precision.EXACT)},
)
