"""One Klaviyo account: lists are segments, custom properties are merge tags, coupons are pools of codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from connectors.errors import SettingsError, UnexpectedResponse
from connectors.http import Http
from connectors.klaviyo import events, wire
from connectors.klaviyo.api import FAMILIES, Api
from connectors.klaviyo.reading import Reading
from connectors.klaviyo.writing import Writing
from connectors.spec import Field, Limit, Names, Settings, Spec
from connectors.types import (
    Account, AddCode, AddContact, AddMember, ClearTraits, Precision, Ref, RemoveMember, SetTraits, Suppress, Target,
    TargetKind, ValueKind,
)  # fmt: skip

_STANDARD = "email phone_number external_id id anonymous_id image locale location created updated consent subscriptions"  # a profile's own fields that are not ours to write: a property of the same name would hide behind them in templates
_KEY_START = "pk_"
_SECRET_LENGTH = 16  # characters that Klaviyo asks of a webhook's secret_key


@dataclass(frozen=True, slots=True, kw_only=True)
class KlaviyoSettings:
    """A private API key and where the API is; `prefix` belongs to the plan, which names our lists with it."""

    api_key: str = field(repr=False)
    base_url: str = "https://a.klaviyo.com/api"
    prefix: str = ""
    webhook_secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.api_key.startswith(_KEY_START):
            raise SettingsError(
                "klaviyo: api_key must be a private key (pk_…), not the public one of six letters", key="api_key"
            )
        if self.webhook_secret and len(self.webhook_secret) < _SECRET_LENGTH:
            message = (
                f"klaviyo: webhook_secret must be the webhook's secret_key, of {_SECRET_LENGTH} characters or more"
            )
            raise SettingsError(message, key="webhook_secret")
        url = self.base_url.rstrip("/")
        object.__setattr__(self, "base_url", url if url.endswith("/api") else f"{url}/api")

    def headers(self) -> dict[str, str]:
        """The key, and the revision of the API that this connector was written against."""
        return {
            "authorization": f"Klaviyo-API-Key {self.api_key}",
            "revision": wire.REVISION,
            "accept": wire.MEDIA,
        }


_IMPORT = Limit(items=10_000, bytes=wire.IMPORT_BYTES, each=100, rate="import", is_job=True)
SPEC = Spec(
    name="klaviyo",
    version="2",
    settings=KlaviyoSettings,
    carries={
        AddContact: _IMPORT,
        SetTraits: _IMPORT,
        ClearTraits: _IMPORT,
        AddMember: replace(_IMPORT, after=frozenset({AddContact})),
        RemoveMember: Limit(items=1_000, rate="list-remove"),
        Suppress: Limit(items=100, rate="suppress", is_job=True),
        AddCode: Limit(items=1_000, rate="codes", is_job=True),
    },
    fields={
        ValueKind.TEXT: Field(type="string", max_bytes=wire.VALUE_BYTES),
        ValueKind.URL: Field(type="string", max_bytes=wire.VALUE_BYTES),
        ValueKind.NUMBER: Field(type="number"),
        ValueKind.BOOLEAN: Field(type="boolean"),
        ValueKind.DATE: Field(type="date"),
        ValueKind.INSTANT: Field(type="date"),
    },
    fit=wire.fit,
    field_names=Names(length=64, reserved=frozenset(_STANDARD.split())),
    max_fields=400,  # of an event's properties; a profile's most is not documented (2026-11-22)
    rates={family: windows for family, (windows, _) in FAMILIES.items()},
    in_flight=4,
    creates={TargetKind.SEGMENT: 1, TargetKind.POOL: 1},  # properties come with their first value
    reports=dict.fromkeys(events.KINDS.values(), Precision.EXACT),
)


class Klaviyo(Reading, Writing):
    """The connector; README.md has limits, choices and quirks with their sources."""

    spec: ClassVar[Spec] = SPEC

    def __init__(self, settings: Settings, http: Http) -> None:
        if not isinstance(settings, KlaviyoSettings):
            raise SettingsError("klaviyo: these are another connector's settings")
        self._secret = events.Secret(settings.webhook_secret)
        self._api = Api(http)  # `http` already carries the credentials and the address

    @cached_property
    def _sdk(self) -> Any:  # noqa: ANN401 - the SDK ships no types
        from connectors.klaviyo import sdk

        return sdk.client(self._api)

    # targets

    def check(self) -> Account:
        """The account that the key opens. Raises Unauthorized."""
        for account in wire.items(self._sdk.Accounts.get_accounts()):
            contact = wire.attributes(account).get("contact_information") or {}
            return Account(account["id"], str(contact.get("organization_name") or account["id"]))
        raise UnexpectedResponse("the key opens no account")

    @cached_property
    def _account(self) -> Ref:
        return self.check().id  # a key opens one account for ever, and a minute allows fifteen of these calls

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        """Lists by exact name (the oldest of several), coupons by id, the account for CONTACTS; a property needs none."""
        found = {target: self._find(target) for target in targets}
        return {target: ref for target, ref in found.items() if ref is not None}

    def _find(self, target: Target) -> Ref | None:
        if target.kind is TargetKind.CONTACTS:
            return self._account
        if target.kind is TargetKind.FIELD:
            return target.title
        if target.kind is TargetKind.SEGMENT:
            return self._list(target.title)
        found = self._api.one(f"/coupons/{wire.coupon(target.title)}", "coupons")
        return found["id"] if found else None

    def _list(self, title: str) -> Ref | None:
        query: wire.Query = {"filter": wire.clause("equals", "name", title), "page[size]": 10}
        named = [item for item in self._api.all("/lists", "lists", query) if wire.attributes(item).get("name") == title]
        oldest = min(named, key=lambda item: (str(wire.attributes(item).get("created")), item["id"]), default=None)
        return oldest["id"] if oldest else None

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        """Create the lists and coupons that are missing: lists single opt-in, which no call of ours uses."""
        wanted = list(targets)
        found = dict(self.find(wanted))
        for target in wanted:
            if target in found:
                continue
            if target.kind is TargetKind.SEGMENT:
                named = {"name": target.title, "opt_in_process": "single_opt_in"}
                made = self._sdk.Lists.create_list({"data": {"type": "list", "attributes": named}})
            else:
                named = {"external_id": wire.coupon(target.title), "description": target.title}
                made = self._sdk.Coupons.create_coupon({"data": {"type": "coupon", "attributes": named}})
            found[target] = made["data"]["id"]
        return found
