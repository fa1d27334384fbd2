"""The conformance kit on Brevo, over its emulation, in the usual reading and in the worst ones."""

from __future__ import annotations

from functools import partial

import pytest

from connectors import registry
from connectors.sandbox.lab import SandboxLab
from connectors.testing import ConnectorSuite

KEY = "xkeysib-sandbox-0123456789abcdef"
STATUSES = ("subscribed", "unsubscribed", "cleaned", "suppressed", "complained")  # beside its blocklist, Brevo has none
WORST = {
    "collection_name": "word",
    "coupon_shape": "array",
    "repeated_codes": "kept",
    "webhook_envelope": "object",
    "bare_contacts": "slow",
    "bad_address_in_list": "refuse",
    "date_format": "dmy",
    "empty_scope": "import",
    "existing_join": "no",
    "false_blacklist": "resubscribe",
    "file_delimiter": ",",
    "file_heading": "",
    "in_progress": "in_process",
    "list_answer": "flat",
    "oversize": "400",
    "process_info": "count",
    "process_times": "no",
    "unique_subscribers": "mailable",
    "unknown_list": "ignored",
    "unsubscribe_moves_modified": "no",
}


def brevo_lab(options: dict[str, str] | None = None) -> SandboxLab:
    settings = {"api_key": KEY, "base_url": "http://sandbox.test/brevo/v3", "prefix": "kit "}
    connect = partial(registry.build, "brevo", settings)
    return SandboxLab("brevo", connect, secrets=[KEY], statuses=STATUSES, options=options)


class TestBrevo(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> SandboxLab:
        return brevo_lab()


class TestBrevoInTheOtherReadings(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> SandboxLab:
        return brevo_lab(WORST)
