"""The conformance kit on ActiveCampaign, over its emulation, in the usual reading and in the worst one."""

from __future__ import annotations

from functools import partial

import pytest

from connectors import registry
from connectors.http import LocalPace
from connectors.sandbox.lab import SandboxLab
from connectors.testing import ConnectorSuite

KEY = "sandbox-0123456789abcdef"
STATUSES = ("subscribed", "unsubscribed", "pending", "cleaned", "never")  # suppressed addresses cannot be read there
WORST = {
    "contact_tags": "missing",
    "email_filter": "ignored",
    "exclude_automations": "contact",
    "excluded": "silent",
    "failure_index": "1",
    "import_subscribe": "activate",
    "join_total": "missing",
    "list_filter": "ignored",
    "long_text": "cut",
    "throttle": "503",
    "unfinished": "processing",
    "unknown_field": "refused",
}


def activecampaign_lab(options: dict[str, str] | None = None) -> SandboxLab:
    settings = {
        "api_key": KEY,
        "base_url": "http://sandbox.test/activecampaign",
        "list_name": "Newsletter",
    }
    connect = partial(
        registry.build, "activecampaign", settings, pace=LocalPace()
    )  # a reopened one has the same account
    return SandboxLab("activecampaign", connect, secrets=[KEY], statuses=STATUSES, options=options)


class TestActiveCampaign(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> SandboxLab:
        return activecampaign_lab()


class TestActiveCampaignInTheOtherReadings(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> SandboxLab:
        return activecampaign_lab(WORST)
