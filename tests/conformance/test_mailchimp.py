"""Mailchimp passes every law against its sandbox, under each reading of the facts that no source settles."""

from __future__ import annotations

from functools import partial

import pytest

from connectors import registry
from connectors.sandbox.lab import SandboxLab
from connectors.testing import ConnectorSuite

KEY = "sandbox-us1"
STATUSES = ("subscribed", "unsubscribed", "pending", "cleaned", "archived", "transactional", "complained")
SETTINGS = {
    "api_key": KEY,
    "audience": "Newsletter",
    "base_url": "http://sandbox.test/mailchimp/3.0",
    "store": "shop",
    "store_currency": "EUR",
    "store_url": "https://shop.example/?code={code}",
    "max_merge_fields": 80,  # the Premium plan: a law asks for more fields than another holds
}

# the other reading of every switch, in two accounts
SILENT = {
    "left_add": "silent",
    "patch_archived": "missing",
    "readd": "silent",
    "absent": "silent",
    "batch_params": "get",
    "segment_names": "allowed",
    "trims": "yes",
    "list_archived": "yes",
    "clears": "text",
    "operations_limit": "1000",
}
TALKATIVE = {
    "left_add": "generic",
    "readd": "error",
    "language": "de",
    "unknown_keys": "ignored",
    "booleans": "loose",
    "double_optin": "yes",
    "job_seconds": "3600",
}


def lab(options: dict[str, str], statuses: tuple[str, ...] = STATUSES) -> SandboxLab:
    connect = partial(registry.build, "mailchimp", SETTINGS)
    return SandboxLab("mailchimp", connect, secrets=[KEY], statuses=statuses, options={"field_limit": "80"} | options)


class TestMailchimp(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> SandboxLab:
        return lab({})


class TestMailchimpThatPassesOver(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> SandboxLab:
        return lab(SILENT)


class TestMailchimpThatRefusesInGerman(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> SandboxLab:
        return lab(TALKATIVE)


class TestMailchimpThatRevivesTheArchived(ConnectorSuite):
    """A batch add may bring an archived contact back: only the sweep before a push can know, so none is added here."""

    @pytest.fixture
    def lab(self, request: pytest.FixtureRequest) -> SandboxLab:
        is_add = "AddContact" in request.node.name
        known = tuple(status for status in STATUSES if not (is_add and status == "archived"))
        return lab({"archived_add": "revives"}, known)
