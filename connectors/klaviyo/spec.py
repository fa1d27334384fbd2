"""What opens an account, what a family of calls may cost and which scopes it needs, what a call holds. Sources: README.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from connectors import types
from connectors.errors import SettingsError
from connectors.fitting import fitter
from connectors.klaviyo.events import KINDS
from connectors.pace import Rate
from connectors.spec import Field, Limit, Names, Spec
from connectors.types import Precision, TargetKind, ValueKind

REVISION = "2026-07-15"
MEDIA = "application/vnd.api+json"
PROFILE_BYTES = 100_000  # "100KB per profile", read as the smaller unit
_IMPORT_BYTES = 4_600_000  # of the documented 5 MB: what rudder-server's production connector sends at most
_VALUE_BYTES = 99_000  # of one value, so that a profile holds it with its name and address
_SECRET_LENGTH = 16  # characters that Klaviyo asks of a webhook's secret_key
# a profile's own fields that are not ours to write: a property of the same name would hide behind them in templates
_STANDARD = "email phone_number external_id id anonymous_id image locale location created updated consent subscriptions"

_XS, _S = (Rate(1, 1), Rate(15, 60)), (Rate(3, 1), Rate(60, 60))
_M, _L = (Rate(10, 1), Rate(150, 60)), (Rate(75, 1), Rate(700, 60))  # L: 750 in the description, 700 in the guide
_XL, _REPORT = (Rate(350, 1), Rate(3500, 60)), (Rate(1, 1), Rate(2, 60), Rate(225, 86_400))
FAMILIES: Mapping[str, tuple[tuple[Rate, ...], str]] = {
    "accounts": (_XS, "accounts:read"),
    "lists": (_L, "lists:read"),
    "list-create": ((*_M, Rate(150, 86_400)), "lists:write"),
    "list-count": (_XS, "lists:read"),  # one list with its profile_count: a tier of its own
    "list-profiles": (_L, "lists:read profiles:read"),
    "list-members": (_L, "lists:read profiles:read"),
    "list-remove": (_M, "lists:write profiles:write"),
    "profiles": (_L, "profiles:read"),
    "import": (_M, "lists:write profiles:write"),
    "import-job": (_M, "lists:read profiles:read"),
    "import-jobs": (_M, "lists:read profiles:read"),
    "import-errors": (_M, "profiles:read"),
    "suppress": (_L, "profiles:write subscriptions:write"),
    "suppress-job": (_L, "subscriptions:read"),
    "erase": (_S, "data-privacy:write"),
    "coupons": (_L, "coupons:read"),
    "coupon-create": (_S, "coupons:write"),
    "codes": (_L, "coupon-codes:write"),
    "codes-job": (_L, "coupon-codes:read"),
    "codes-jobs": (_L, "coupon-codes:read"),
    "code": (_XL, "coupon-codes:read"),
    "metrics": (_M, "metrics:read"),
    "events": (_XL, "events:read"),
    "report": (_REPORT, "campaigns:read"),
}
"""Windows and scopes by family (description of 2026-07-15); all keys of an account share the windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KlaviyoSettings:
    """A private API key and where the API is; `prefix` belongs to the plan, which names our lists with it."""

    api_key: str = field(repr=False)
    base_url: str = "https://a.klaviyo.com/api"
    prefix: str = ""
    webhook_secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.api_key.startswith("pk_"):
            message = "klaviyo: api_key must be a private key (pk_…), not the public one of six letters"
            raise SettingsError(message, key="api_key")
        if 0 < len(self.webhook_secret) < _SECRET_LENGTH:
            message = f"klaviyo: webhook_secret must be the webhook's secret_key, of {_SECRET_LENGTH} letters or more"
            raise SettingsError(message, key="webhook_secret")
        object.__setattr__(self, "base_url", self.base_url.rstrip("/").removesuffix("/api") + "/api")

    def headers(self) -> Mapping[str, str]:
        """The key, and the revision of the API that this connector was written against."""
        return {"authorization": f"Klaviyo-API-Key {self.api_key}", "revision": REVISION, "accept": MEDIA}


_IMPORT = Limit(items=10_000, bytes=_IMPORT_BYTES, each=100, rate="import", is_job=True)
_TEXT = Field(type="string", max_bytes=_VALUE_BYTES)
SPEC = Spec(
    name="klaviyo",
    version="2",
    settings=KlaviyoSettings,
    carries={
        types.AddContact: _IMPORT,
        types.SetTraits: _IMPORT,
        types.ClearTraits: _IMPORT,
        types.AddMember: replace(_IMPORT, after=frozenset({types.AddContact})),
        types.RemoveMember: Limit(items=1_000, rate="list-remove"),
        types.Suppress: Limit(items=100, rate="suppress", is_job=True),
        types.AddCode: Limit(items=1_000, rate="codes", is_job=True),
    },
    fields={
        ValueKind.TEXT: _TEXT,
        ValueKind.URL: _TEXT,
        ValueKind.NUMBER: Field(type="number"),
        ValueKind.BOOLEAN: Field(type="boolean"),
        ValueKind.DATE: Field(type="date"),
        ValueKind.INSTANT: Field(type="date"),
    },
    fit=fitter({}, max_bytes=_VALUE_BYTES),  # properties have the type that the JSON value has
    field_names=Names(length=64, reserved=frozenset(_STANDARD.split())),
    max_fields=400,  # of an event's properties; a profile's most is not documented (2026-11-22)
    rates={family: windows for family, (windows, _) in FAMILIES.items()},
    in_flight=4,
    creates={TargetKind.SEGMENT: 1, TargetKind.POOL: 1},  # properties come with their first value
    reports=dict.fromkeys(KINDS.values(), Precision.EXACT),
)
