"""What the connector declares: the settings, the limits and the pace of a Klaviyo account."""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.errors import SettingsError
from connectors.klaviyo import events, wire
from connectors.spec import Field, Limit, Names, Spec
from connectors.types import AddContact, AddMember, ClearTraits, Precision, RemoveMember, SetTraits, Suppress, ValueKind

_STANDARD = "email phone_number external_id id anonymous_id image locale location created updated consent subscriptions"  # a profile's own fields that are not ours to write: a property of the same name would hide behind them in templates
_KEY_START = "pk_"


@dataclass(frozen=True, slots=True, kw_only=True)
class KlaviyoSettings:
    """A private API key and where the API is; `prefix` belongs to the plan, which names our lists with it."""

    api_key: str = field(repr=False)
    base_url: str = "https://a.klaviyo.com/api"
    prefix: str = ""

    def __post_init__(self) -> None:
        if not self.api_key.startswith(_KEY_START):
            raise SettingsError("klaviyo: api_key must be a private key (pk_…), not the public one of six letters")
        url = self.base_url.rstrip("/")
        object.__setattr__(self, "base_url", url if url.endswith("/api") else f"{url}/api")

    def headers(self) -> dict[str, str]:
        """The key, and the revision of the API that this connector was written against."""
        return {
            "authorization": f"Klaviyo-API-Key {self.api_key}",
            "revision": wire.REVISION,
            "accept": wire.MEDIA,
        }


_IMPORT = Limit(items=10_000, bytes=wire.IMPORT_BYTES, each=100)

SPEC = Spec(
    name="klaviyo",
    version="1",
    settings=KlaviyoSettings,
    carries={
        AddContact: _IMPORT,
        SetTraits: _IMPORT,
        ClearTraits: _IMPORT,
        AddMember: Limit(items=10_000, bytes=wire.IMPORT_BYTES, each=100, after=frozenset({AddContact})),
        RemoveMember: Limit(items=1_000),
        Suppress: Limit(items=100),
    },
    fields={
        ValueKind.TEXT: Field(type="string"),
        ValueKind.URL: Field(type="string"),
        ValueKind.NUMBER: Field(type="number"),
        ValueKind.BOOLEAN: Field(type="boolean"),
        ValueKind.DATE: Field(type="date"),
        ValueKind.INSTANT: Field(type="date"),
    },
    fit=wire.fit,
    field_names=Names(length=64, reserved=frozenset(_STANDARD.split())),
    rates=wire.RATES,
    in_flight=4,
    reports=dict.fromkeys(events.KINDS.values(), Precision.EXACT),
)
