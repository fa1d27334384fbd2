"""The conformance kit on ActiveCampaign, over its emulation, in the usual reading and in the worst one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

import pytest

from connectors import registry
from connectors.sandbox.lab import SandboxLab
from connectors.testing import ConnectorSuite
from connectors.types import EventKind

KEY = "sandbox-0123456789abcdef"
STATUSES = ("subscribed", "unsubscribed", "pending", "cleaned", "never")  # suppressed addresses cannot be read there
WORST = {
    "email_filter": "ignored",
    "exclude_automations": "contact",
    "excluded": "silent",
    "failure_index": "1",
    "import_subscribe": "activate",
    "ids_filter": "ignored",
    "join_filters": "ignored",
    "join_total": "missing",
    "list_filter": "ignored",
    "long_text": "cut",
    "tag_path": "missing",
    "throttle": "503",
    "unfinished": "processing",
    "unknown_field": "refused",
}


SECRET = "hush-hush-0123456789"
HOOK = {
    "url": f"https://shop.example/newsletter?token={SECRET}",
    "events": ["sent", "open", "click", "bounce", "unsubscribe", "forward"],
}


class ActiveCampaignLab(SandboxLab):
    """A lab whose provider calls back; a secret in the address is all that proves it."""

    signed: Collection[str] = ()

    def posted(self) -> Sequence[tuple[Mapping[str, str], bytes]]:
        return self.provider.account.posted

    def surprise(self, campaign: str, email: str, at: datetime) -> None:
        self.provider.react(campaign, email, EventKind.OTHER, at)


def activecampaign_lab(options: dict[str, str] | None = None) -> ActiveCampaignLab:
    settings = {
        "api_key": KEY,
        "base_url": "http://sandbox.test/activecampaign",
        "list_name": "Newsletter",
        "webhook_secret": SECRET,
    }
    connect = partial(registry.build, "activecampaign", settings)
    lab = ActiveCampaignLab("activecampaign", connect, secrets=[KEY, SECRET], statuses=STATUSES, options=options)
    lab.provider.account.webhooks.append(HOOK)
    return lab


class TestActiveCampaign(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> ActiveCampaignLab:
        return activecampaign_lab()


class TestActiveCampaignInTheOtherReadings(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> ActiveCampaignLab:
        return activecampaign_lab(WORST)
