"""Calls to one account: what each family of calls may cost, which scopes it needs, and every page of an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from connectors.errors import InvalidRequest, Unauthorized, UnexpectedResponse
from connectors.http import Http, Response
from connectors.pace import Rate
from connectors.klaviyo import wire

_XS, _S = (Rate(1, 1), Rate(15, 60)), (Rate(3, 1), Rate(60, 60))
_M, _L = (Rate(10, 1), Rate(150, 60)), (Rate(75, 1), Rate(700, 60))  # L: 750 in the description, 700 in the guide
_XL, _REPORT = (Rate(350, 1), Rate(3500, 60)), (Rate(1, 1), Rate(2, 60), Rate(225, 86_400))
FAMILIES: Mapping[str, tuple[tuple[Rate, ...], str]] = {
    "accounts": (_XS, "accounts:read"),
    "lists": (_L, "lists:read"),
    "list-create": ((*_M, Rate(150, 86_400)), "lists:write"),
    "list-count": (_XS, "lists:read"),  # one list with its profile_count: a tier of its own
    "list-profiles": (_L, "lists:read profiles:read"),
    "list-members": (_L, "lists:read profiles:read"),
    "list-remove": (_M, "lists:write profiles:write"),
    "profiles": (_L, "profiles:read"),
    "import": (_M, "lists:write profiles:write"),
    "import-job": (_M, "lists:read profiles:read"),
    "import-jobs": (_M, "lists:read profiles:read"),
    "import-errors": (_M, "profiles:read"),
    "suppress": (_L, "profiles:write subscriptions:write"),
    "suppress-job": (_L, "subscriptions:read"),
    "erase": (_S, "data-privacy:write"),
    "coupons": (_L, "coupons:read"),
    "coupon-create": (_S, "coupons:write"),
    "codes": (_L, "coupon-codes:write"),
    "codes-job": (_L, "coupon-codes:read"),
    "codes-jobs": (_L, "coupon-codes:read"),
    "code": (_XL, "coupon-codes:read"),
    "metrics": (_M, "metrics:read"),
    "events": (_XL, "events:read"),
    "report": (_REPORT, "campaigns:read"),
}
"""Windows and scopes by family (description of 2026-07-15); all keys of an account share the windows."""


class Api:
    """`http` in Klaviyo's media type; a call that the key's scopes do not allow says which it needs."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.base_url = http.base_url

    def __call__(
        self, method: str, route: str, rate: str, body: bytes | None = None, *, accept: frozenset[int] = frozenset()
    ) -> Response:
        """The answer. Raises what `http` raises; a retired revision is UnexpectedResponse, as no change is to blame."""
        sent = {"content-type": wire.MEDIA} if body is not None else None
        try:
            return self._http(method, route, body=body, headers=sent, rate=rate, accept=accept)
        except Unauthorized as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            message = (
                f"klaviyo: the private key lacks a scope: this needs {FAMILIES[rate][1]}. "
                f"Make a new key with it (Klaviyo: Settings, API keys) and put it into api_key ({error})"
            )
            raise Unauthorized(message, status=error.status, request_id=error.request_id) from None
        except InvalidRequest as error:
            if error.status != HTTPStatus.GONE:
                raise
            message = f"klaviyo: revision {wire.REVISION} of the API is retired: install a newer ciblage ({error})"
            raise UnexpectedResponse(message, status=error.status, request_id=error.request_id) from None

    def one(self, route: str, rate: str) -> wire.Document | None:
        """One resource, or None where Klaviyo has none."""
        answer = self("GET", route, rate, accept=frozenset({HTTPStatus.NOT_FOUND}))
        return None if answer.status == HTTPStatus.NOT_FOUND else wire.resource(answer.json())

    def pages(self, route: str, rate: str, query: wire.Query) -> Iterator[wire.Document]:
        """Every page of a collection, by the cursors of the answers."""
        cursor: str | None = None
        while True:
            asked = {**query, "page[cursor]": cursor} if cursor else query
            page = self("GET", wire.path(route, asked), rate).json()
            wire.items(page)  # a page of another shape is an error, not the last one
            yield page
            cursor = wire.cursor(page)
            if cursor is None:
                return

    def all(self, route: str, rate: str, query: wire.Query) -> Iterator[wire.Document]:
        """Every resource of a collection."""
        for page in self.pages(route, rate, query):
            yield from wire.items(page)
