"""klaviyo-api 25 for the ordinary calls, on our transport: its own has no timeout and re-posts (measured 2026-11-22)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from connectors.klaviyo.spec import REVISION
from connectors.klaviyo.api import Api

_FAMILIES = {"accounts": "accounts", "lists": "list-create", "coupons": "coupon-create"}


def client(api: Api) -> Any:  # noqa: ANN401 - the SDK ships no types
    """The vendor's client on our transport: answers are dicts, nothing is tried again, and it never sees the credentials."""
    from klaviyo_api import KlaviyoAPI

    def request(method: str, url: str, body: object = None, **_: object) -> SimpleNamespace:
        path = url.removeprefix(api.base_url)
        answer = api(method, path, _FAMILIES[urlsplit(path).path.strip("/")], body)  # failures leave as ours
        answer.json()  # a body that is none leaves as UnexpectedResponse: the client trips over it with an AttributeError
        reads = {"read": lambda: answer.body, "getheader": answer.headers.get, "getheaders": lambda: answer.headers}
        return SimpleNamespace(status=answer.status, data=answer.body, **reads)

    options = {"USE_DICTIONARY_FOR_RESPONSE_DATA": True}
    found = KlaviyoAPI("unused", max_retries=1, test_host=api.base_url.removesuffix("/api"), options=options)
    found.api_client.default_headers["revision"] = REVISION
    found.api_client.rest_client = SimpleNamespace(request=request)
    return found
