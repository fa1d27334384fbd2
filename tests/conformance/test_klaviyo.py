"""The kit on Klaviyo, under both readings of what its documents leave open."""

from __future__ import annotations

from functools import partial

import pytest

from connectors import registry
from connectors.sandbox.lab import SandboxLab
from connectors.testing import ConnectorSuite

KEY = "pk_sandbox_kit"
BEST: dict[str, str] = {}
WORST = {
    "klaviyo.visibility": "5",
    "klaviyo.lower_case": "no",
    "klaviyo.address_check": "async",
    "klaviyo.unknown_list": "400",
    "klaviyo.duplicates": "first",
    "klaviyo.absent_member": "400",
    "klaviyo.payload": "nested",
    "klaviyo.events_page": "200",
    "klaviyo.import_seconds": "40",
}
STATUSES = ("subscribed", "unsubscribed", "cleaned", "never", "suppressed", "complained")


class TestKlaviyo(ConnectorSuite):
    @pytest.fixture(params=[BEST, WORST], ids=["documented", "worst"])
    def lab(self, request: pytest.FixtureRequest) -> SandboxLab:
        connect = partial(
            registry.build, "klaviyo", {"api_key": KEY, "base_url": "http://sandbox.test/klaviyo/api", "prefix": "kit"}
        )
        return SandboxLab("klaviyo", connect, secrets=[KEY], statuses=STATUSES, options=request.param)
