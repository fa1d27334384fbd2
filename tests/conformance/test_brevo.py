"""The conformance kit on Brevo, over its emulation, in the usual reading and in the worst ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

import pytest

from connectors import registry
from connectors.sandbox.brevo import BrevoSandbox
from connectors.sandbox.lab import SandboxLab
from connectors.testing import ConnectorSuite

KEY, SECRET = "xkeysib-sandbox-0123456789abcdef", "a-webhook-secret-of-ours"
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


class BrevoLab(SandboxLab):
    """A lab that shows deliveries. Its codes stay hidden: Brevo tells of none, and not what another collection holds."""

    signed: Collection[str] = ()

    def posted(self) -> Sequence[tuple[Mapping[str, str], bytes]]:
        assert isinstance(self.provider, BrevoSandbox)
        return [({"authorization": f"Bearer {SECRET}"}, body) for body in self.provider.deliveries()]


def brevo_lab(options: dict[str, str] | None = None) -> BrevoLab:
    settings = {"api_key": KEY, "base_url": "http://sandbox.test/brevo/v3", "prefix": "kit ", "webhook_secret": SECRET}
    connect = partial(registry.build, "brevo", settings)
    return BrevoLab("brevo", connect, secrets=[KEY, SECRET], statuses=STATUSES, options=options)


class TestBrevo(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> BrevoLab:
        return brevo_lab()


class TestBrevoInTheOtherReadings(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> BrevoLab:
        return brevo_lab(WORST)
