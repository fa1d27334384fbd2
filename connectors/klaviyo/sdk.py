"""klaviyo-api 25 for the ordinary calls, on our transport: its own has no timeout and re-posts (measured 2026-11-22)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from connectors.klaviyo.spec import REVISION
from connectors.klaviyo.api import Api

_FAMILIES = {"accounts": "accounts", "lists": "list-create", "coupons": "coupon-create"}


class Transport:
    """Stands where the client's REST client stood; `api` adds the credentials, which the client never sees."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def request(self, method: str, url: str, body: object = None, **_: object) -> SimpleNamespace:
        """Send a call of the client as one of ours; failures leave as `connectors.errors`."""
        path = url.removeprefix(self._api.base_url)
        family = _FAMILIES[urlsplit(path).path.strip("/")]
        answer = self._api(method, path, family, body)
        answer.json()  # a body that is none leaves as UnexpectedResponse: the client trips over it with an AttributeError
        reads = {"read": lambda: answer.body, "getheader": answer.headers.get, "getheaders": lambda: answer.headers}
        return SimpleNamespace(status=answer.status, reason="", data=answer.body, **reads)


def client(api: Api) -> Any:  # noqa: ANN401 - the SDK ships no types
    """The vendor's client on our transport: answers are dicts, nothing is tried again."""
    from klaviyo_api import KlaviyoAPI

    options = {"USE_DICTIONARY_FOR_RESPONSE_DATA": True}
    found = KlaviyoAPI("unused", max_retries=1, test_host=api.base_url.removesuffix("/api"), options=options)
    found.api_client.default_headers["revision"] = REVISION
    found.api_client.rest_client = Transport(api)
    return found
