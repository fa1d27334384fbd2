"""The vendor's endpoint layer for ordinary calls, over our transport.

mailchimp-marketing 3.0.80 opens a connection a call, sends booleans as `True`, and returns errors without a body as
successes; only its paths and parameter names are used here (measured, 2026-11-22).
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from types import SimpleNamespace

from connectors.answers import Json, record
from connectors.errors import ConnectorError, UnexpectedResponse
from connectors.http import Http


def ask(http: Http, operation: str, *args: object, **params: object) -> Json:
    """Call `operation` ("lists.list_segments") and return its JSON object. Raises what `http` raises."""
    from mailchimp_marketing import Client
    from mailchimp_marketing.api_client import ApiClientError

    def request(
        method: str, path: str, query: Iterable[tuple[str, str]] | None = None, *, body: object = None, **_: object
    ) -> SimpleNamespace:
        answer = http(method, path, params=dict(query or ()), json=body)  # errors get no further: `http` raises them
        return SimpleNamespace(ok=True, headers={"content-type": "application/json"}, json=answer.json)

    client = Client({"server": ""})  # otherwise every "server" in a URL is replaced
    client.api_client.host = ""
    client.api_client.request = request
    try:
        return record(attrgetter(operation)(client)(*args, **params))
    except ApiClientError as error:
        raise (error.text if isinstance(error.text, ConnectorError) else UnexpectedResponse(operation)) from None
