"""klaviyo-api 25 for the ordinary calls, on our transport: its own has no timeout and re-posts (measured 2026-11-22)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.klaviyo import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.http import Http, Response


class Answer:
    """What the client reads of a response."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.reason, self.data = "", response.body
        self._headers = response.headers

    def read(self) -> bytes:
        """The body."""
        return self.data

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """One header."""
        return self._headers.get(name.lower(), default)

    def getheaders(self) -> Mapping[str, str]:
        """All of them."""
        return self._headers


class Transport:
    """Stands where the client's REST client stood; `http` adds the credentials, which the client never sees."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def request(self, method: str, url: str, body: object = None, **_: object) -> Answer:
        """Send a call of the client as one of ours; failures leave as `connectors.errors`."""
        path = url.removeprefix(self._http.base_url)
        family = wire.SDK_FAMILIES[method, urlsplit(path).path.strip("/")]
        headers = {"content-type": wire.MEDIA} if body is not None else None
        return Answer(self._http(method, path, json=body, headers=headers, rate=family))


def client(http: Http) -> Any:  # noqa: ANN401 - the SDK ships no types
    """The vendor's client on our transport: answers are dicts, nothing is tried again."""
    from klaviyo_api import KlaviyoAPI

    options = {"USE_DICTIONARY_FOR_RESPONSE_DATA": True}
    api = KlaviyoAPI("unused", max_retries=1, test_host=http.base_url.removesuffix("/api"), options=options)
    api.api_client.default_headers["revision"] = wire.REVISION
    api.api_client.rest_client = Transport(http)
    return api
