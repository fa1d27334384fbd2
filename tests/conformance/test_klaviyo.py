"""The kit on Klaviyo, under both readings of what its documents leave open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

import pytest

from connectors import registry
from connectors.sandbox.lab import SandboxLab
from connectors.testing import ConnectorSuite
from connectors.types import EventKind, Ref

KEY = "pk_sandbox_kit"
SECRET = "a webhook's secret_key"
SETTINGS = {"api_key": KEY, "base_url": "http://sandbox.test/klaviyo/api", "prefix": "kit", "webhook_secret": SECRET}
BEST = {"klaviyo.webhook_secret": SECRET}
WORST = {
    "klaviyo.webhook_secret": SECRET,
    "klaviyo.visibility": "5",
    "klaviyo.lower_case": "no",
    "klaviyo.address_check": "async",
    "klaviyo.unknown_list": "400",
    "klaviyo.duplicates": "first",
    "klaviyo.absent_member": "400",
    "klaviyo.payload": "nested",
    "klaviyo.events_page": "200",
    "klaviyo.import_seconds": "40",
    "klaviyo.codes_named": "no",
    "klaviyo.codes_repeat": "silent",
    "klaviyo.codes_unique": "coupon",
    "klaviyo.codes_seconds": "40",
    "klaviyo.unknown_coupon": "async",
    "klaviyo.erase_seconds": "3600",
    "klaviyo.report_page": "1",
    "klaviyo.conversion_metric": "orders",
    "klaviyo.scope_code": "forbidden",
    "klaviyo.webhook_meta": "bare",
    "klaviyo.webhook_profile": "included",
}
STATUSES = ("subscribed", "unsubscribed", "pending", "cleaned", "never", "suppressed", "complained")


class KlaviyoLab(SandboxLab):
    """A lab that shows coupons and deliveries."""

    signed: Collection[str] = ("body", "time")
    shares_codes = False

    def posted(self) -> Sequence[tuple[Mapping[str, str], bytes]]:
        return self.provider.posted()

    def codes(self) -> Mapping[Ref, Sequence[str]]:
        return self.provider.codes()

    def surprise(self, campaign: str, email: str, at: datetime) -> None:
        self.provider.react(campaign, email, EventKind.OTHER, at)  # a dropped mail: a metric that no table names


class TestKlaviyo(ConnectorSuite):
    @pytest.fixture(params=[BEST, WORST], ids=["documented", "worst"])
    def lab(self, request: pytest.FixtureRequest) -> KlaviyoLab:
        connect = partial(registry.build, "klaviyo", SETTINGS)
        lab = KlaviyoLab("klaviyo", connect, secrets=[KEY, SECRET], statuses=STATUSES, options=request.param)
        lab.shares_codes = request.param is WORST
        return lab
