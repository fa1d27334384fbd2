"""Mailchimp passes every law against its sandbox, under each reading of the facts that no source settles."""

from __future__ import annotations

from functools import partial

import pytest

from connectors import registry
from connectors.sandbox.lab import SandboxLab
from connectors.testing import ConnectorSuite

KEY = "sandbox-us1"
STATUSES = ("subscribed", "unsubscribed", "pending", "cleaned", "archived", "transactional", "complained")
SETTINGS = {"api_key": KEY, "audience": "Newsletter", "base_url": "http://sandbox.test/mailchimp/3.0"}


def lab(**options: str) -> SandboxLab:
    connect = partial(registry.build, "mailchimp", SETTINGS)
    return SandboxLab("mailchimp", connect, secrets=[KEY], statuses=STATUSES, options=options)


class TestMailchimp(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> SandboxLab:
        return lab()
