"""The vendor's endpoint layer for ordinary calls, over our transport.

mailchimp-marketing 3.0.80 opens a connection a call, sends booleans as `True`, and returns errors without a body as
successes; only its paths and parameter names are used here (measured, 2026-11-22).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorError, UnexpectedResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.http import Http, Response


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the SDK asks of a `requests.Response`; errors never get this far: `http` raised them."""

    response: Response
    ok: bool = True

    @property
    def headers(self) -> Mapping[str, str]:
        return {"content-type": "application/json"}

    def json(self) -> object:
        return self.response.json()


def ask(http: Http, operation: str, *args: object, **params: object) -> Mapping[str, Any]:
    """Call `operation` ("lists.list_segments") and return its JSON object. Raises what `http` raises."""
    from mailchimp_marketing import Client
    from mailchimp_marketing.api_client import ApiClientError

    def request(
        method: str, path: str, query: Sequence[tuple[str, object]] | None = None, *, body: object = None, **_: object
    ) -> _Answer:
        pairs = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in query or ()}
        return _Answer(http(method, path, params=pairs, json=body))

    client = Client({"server": ""})  # otherwise every "server" in a URL is replaced
    client.api_client.host = ""
    client.api_client.request = request
    group, _, name = operation.partition(".")
    call: Callable[..., object] = getattr(getattr(client, group), name)
    try:
        answer = call(*args, **params)
    except ApiClientError as error:
        raise (error.text if isinstance(error.text, ConnectorError) else UnexpectedResponse(operation)) from None
    if not isinstance(answer, dict):
        raise UnexpectedResponse(f"mailchimp: {operation} did not answer with a JSON object")
    return answer
