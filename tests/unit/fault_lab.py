"""A sandbox of one provider, called directly, over which faults are asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors import registry
from connectors.base import Connector
from connectors.http import Request, Response
from connectors.sandbox import Sandbox
from connectors.sandbox.__main__ import KEYS
from connectors.sandbox.lab import SandboxClock
from connectors.types import (
    Target,
    TargetKind,
)  # fmt: skip

CONTACTS = Target(kind=TargetKind.CONTACTS, name="contacts", title="contacts")
VIP = Target(kind=TargetKind.SEGMENT, name="vip", title="shop VIP")
PING = {"mailchimp": "/ping", "klaviyo": "/lists", "brevo": "/account", "activecampaign": "/users/me"}
LISTS = {
    "mailchimp": "/lists/a1b2c3d4e5/segments",
    "klaviyo": "/lists",
    "brevo": "/contacts/lists",
    "activecampaign": "/tags",
}
HEADERS = {
    "mailchimp": {"authorization": "Bearer sandbox-us1"},
    "klaviyo": {"authorization": "Klaviyo-API-Key pk_sandbox", "revision": "2026-07-15"},
    "brevo": {"api-key": "xkeysib-sandbox"},
    "activecampaign": {"api-token": "sandbox"},
}
NEW_LIST = {
    "mailchimp": {"name": "one", "static_segment": []},
    "klaviyo": {"data": {"type": "list", "attributes": {"name": "one"}}},
    "brevo": {"name": "one", "folderId": 1},
    "activecampaign": {"tag": {"tag": "one", "tagType": "contact"}},
}
ROWS = {"mailchimp": "segments", "klaviyo": "data", "brevo": "lists", "activecampaign": "tags"}  # the key of a page's
OWN = {"mailchimp": {"audience": "Newsletter"}, "activecampaign": {"list_name": "Newsletter"}}  # settings
each_provider = pytest.mark.parametrize("name", sorted(PING))


def call(sandbox: Sandbox, name: str, method: str, path: str, body: object = None, **more: Any) -> Response:
    url = sandbox.world.base_url + sandbox.providers[name].prefix + path
    data = b"" if body is None else json.dumps(body).encode()
    return sandbox.handle(Request(method, url, {**HEADERS[name], "content-type": "application/json"}, data, **more))


def fresh(name: str) -> Sandbox:
    sandbox = Sandbox(only=(name,))
    if name == "brevo":
        call(sandbox, name, "POST", "/contacts/folders", {"name": "shop"})
    return sandbox


def make_list(sandbox: Sandbox, name: str) -> Response:
    return call(sandbox, name, "POST", LISTS[name], NEW_LIST[name])


def account(sandbox: Sandbox, name: str) -> Connector:
    options = {
        "api_key": KEYS[name],
        "base_url": sandbox.world.base_url + sandbox.providers[name].prefix,
        "prefix": "shop",
    }
    options |= OWN.get(name, {})
    return registry.build(name, options, handler=sandbox, clock=SandboxClock(sandbox.world))


def ask(sandbox: Sandbox, method: str, body: object = None) -> Response:
    data = b"" if body is None else json.dumps(body).encode()
    return sandbox.handle(Request(method, "http://sandbox.test/sandbox/faults", {}, data))
