"""Calls to one account: in Klaviyo's media type, to the last page, a hundred people at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus

from connectors.answers import Json, record
from connectors.errors import ConnectorError, Unauthorized, UnexpectedResponse
from connectors.http import Http, Response
from connectors.klaviyo import wire
from connectors.klaviyo.spec import FAMILIES, MEDIA, REVISION
from connectors.types import Ref

ADDRESS: wire.Query = {"fields[profile]": "email"}
VALUES: wire.Query = {"fields[profile]": ",".join(("email", "properties", *sorted(wire.NAMED)))}
CONSENT: wire.Query = {"additional-fields[profile]": "subscriptions"}
"""What a call shows of profiles: the address alone, with what merge tags hold, or everything with the suppressions."""
_SENT = {"content-type": MEDIA}


class Api:
    """`http` in Klaviyo's words."""

    def __init__(self, http: Http) -> None:
        self._http = http.explaining(_explained)
        self.base_url = http.base_url

    def __call__(
        self, method: str, route: str, rate: str, body: object = None, *, query: wire.Query | None = None
    ) -> Response:
        """The answer. Raises what `http` raises."""
        return self._http(method, route, json=body, params=query, headers=_SENT if body else None, rate=rate)

    def one(self, route: str, rate: str, query: wire.Query | None = None) -> Json | None:
        """One resource, or None where Klaviyo has none."""
        answer = self._http.look(route, params=query, rate=rate)
        return wire.row(record(answer.part("data"), "id")) if answer else None

    def pages(self, route: str, rate: str, query: wire.Query | None = None, body: object = None) -> Iterator[Json]:
        """Every page of a collection, or of a report, which is asked for with a body."""
        following: str | None = route
        while following is not None:
            page = self("POST" if body else "GET", following, rate, body, query=query).json()
            following, query = wire.following(page), None
            yield page

    def all(self, route: str, rate: str, query: wire.Query | None = None) -> Iterator[Json]:
        """Every resource of a collection."""
        return (row for page in self.pages(route, rate, query) for row in wire.rows(page))

    def profiles(
        self, wanted: Iterable[str], shown: wire.Query = ADDRESS, *, by: str = "email", list_ref: Ref | None = None
    ) -> Iterator[tuple[str, Json]]:
        """Those of the account or of one list with their addresses, a hundred a call; unknown ones are absent."""
        route, rate, shown = place(list_ref, shown)
        for chunk in wire.chunks([*dict.fromkeys(wanted)]):
            query = {"filter": wire.clause("any", by, chunk), "page[size]": wire.PAGE, **shown}
            for profile in self.all(route, rate, query):
                yield wire.email(profile), profile

    def ids(self, emails: Iterable[str]) -> dict[str, Ref]:
        """Profile ids by address; unknown ones are absent."""
        return {email: profile["id"] for email, profile in self.profiles(emails)}


def place(list_ref: Ref | None, shown: wire.Query = ADDRESS) -> tuple[str, str, wire.Query]:
    """Route, family and fields of the account's profiles or a list's, where the description requires one more field."""
    if list_ref is None:
        return "/profiles", "profiles", shown
    return f"/lists/{list_ref}/profiles", "list-profiles", {"fields[profile]": "email,joined_group_at"}


def _explained(error: ConnectorError, family: str) -> ConnectorError:
    """Which scopes the key lacks; a retired revision is UnexpectedResponse, as no change is to blame."""
    if isinstance(error, Unauthorized) and error.status == HTTPStatus.FORBIDDEN:
        lacks = f"klaviyo: the private key lacks a scope: this needs {FAMILIES[family][1]}."
        again = "Make a new key with it (Klaviyo: Settings, API keys) and put it into api_key"
        return Unauthorized(f"{lacks} {again} ({error})", status=error.status, request_id=error.request_id)
    if error.status == HTTPStatus.GONE:
        message = f"klaviyo: revision {REVISION} of the API is retired: install a newer ciblage ({error})"
        return UnexpectedResponse(message, status=error.status, request_id=error.request_id)
    return error
