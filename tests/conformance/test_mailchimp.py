"""Mailchimp passes every law against its sandbox, under each reading of the facts that no source settles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

import pytest

from connectors import registry
from connectors.sandbox.lab import SandboxLab
from connectors.sandbox.mailchimp import MailchimpSandbox
from connectors.sandbox.mailchimp.store import Act
from connectors.sandbox.mailchimp.webhooks import Webhook
from connectors.testing import ConnectorSuite
from connectors.types import Ref

KEY = "sandbox-us1"
SECRET = "kit-signing-secret"
STATUSES = ("subscribed", "unsubscribed", "pending", "cleaned", "archived", "transactional", "complained")
SETTINGS = {
    "api_key": KEY,
    "audience": "Newsletter",
    "base_url": "http://sandbox.test/mailchimp/3.0",
    "store": "shop",
    "store_currency": "EUR",
    "store_url": "https://shop.example/?code={code}",
    "webhook_secret": SECRET,
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
    "code_scope": "rule",
    "webhook_body": "json",
}
TALKATIVE = {
    "left_add": "generic",
    "readd": "error",
    "language": "de",
    "unknown_keys": "ignored",
    "booleans": "loose",
    "double_optin": "yes",
    "webhook_zone": "elsewhere",
    "job_seconds": "3600",
}


class MailchimpLab(SandboxLab):
    """The emulated account, with a webhook, its pools of codes, and an act that no table knows."""

    provider: MailchimpSandbox
    signed = ("body", "time")

    @property
    def shares_codes(self) -> bool:
        return self.provider.account.says("code_scope", "rule")

    def posted(self) -> Sequence[tuple[Mapping[str, str], bytes]]:
        return [(one.headers, one.body) for one in self.provider.account.outbox]

    def codes(self) -> Mapping[Ref, Sequence[str]]:
        stores = self.provider.account.stores
        return {
            f"{store}/{rule}": [str(code["code"]) for code in found.codes.values()]
            for store, one in stores.items()
            for rule, found in one.rules.items()
        }

    def surprise(self, campaign: str, email: str, at: datetime) -> None:
        acts = self.provider.account.campaigns[campaign].acts
        acts.setdefault(email, []).append(Act("fold", at.replace(microsecond=0)))


def lab(options: Mapping[str, str], statuses: tuple[str, ...] = STATUSES) -> MailchimpLab:
    connect = partial(registry.build, "mailchimp", SETTINGS)
    whole = {"field_limit": "80", **options}
    made = MailchimpLab("mailchimp", connect, secrets=[KEY, SECRET], statuses=statuses, options=whole)
    events = dict.fromkeys(("unsubscribe", "cleaned", "campaign"), True)
    hook = Webhook("kit", made.provider.audience.id, "https://us.example/", events, {"user": True}, SECRET)
    made.provider.account.webhooks[hook.id] = hook
    return made


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
