"""Why a whole call failed, named for what to do next.

ConnectorError
├─ SettingsError           stop before any call; the message names the setting
├─ Unauthorized            stop this destination: the key, its scope or this machine's address is refused
├─ RateLimited             wait `wait` seconds, then go on
├─ Unavailable             back off; when `ambiguous`, the write may have taken effect: look it up before it is sent again
├─ InvalidRequest          reject the `culprits`, send the rest once; halve only when none is named
└─ UnexpectedResponse      stop: the connector or the provider broke the contract

Trouble with one change is data (an `Outcome`), never an exception. No message holds a secret or an address:
`connectors.http` masks both before it raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.types import Reason

__all__ = [
    "ConnectorError",
    "InvalidRequest",
    "RateLimited",
    "SettingsError",
    "Unauthorized",
    "Unavailable",
    "UnexpectedResponse",
]


class ConnectorError(Exception):
    """A whole call failed; `status` and `request_id` are the provider's, where it gave any."""

    def __init__(self, message: str, *, status: int | None = None, request_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class SettingsError(ConnectorError):
    """A setting is missing or wrong; nothing was sent. `key` is its name, where one is to blame."""

    def __init__(
        self, message: str, *, key: str | None = None, status: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.key = key


class Unauthorized(ConnectorError):
    """The provider refuses the key, its scope, or the address that this machine calls from."""


class RateLimited(ConnectorError):
    """The provider asks for `wait` seconds of silence on this family of calls."""

    def __init__(self, message: str, *, wait: float, status: int | None = None, request_id: str | None = None) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.wait = wait


class Unavailable(ConnectorError):
    """No answer, or one that says nothing; `ambiguous` when a write may have been carried out all the same."""

    def __init__(
        self, message: str, *, ambiguous: bool, status: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.ambiguous = ambiguous


class InvalidRequest(ConnectorError):
    """The call was refused as a whole and nothing of it was applied.

    `culprits` maps the ids of the changes that the provider named to the reason; empty when it named none.
    `body` is the provider's answer, parsed where it is JSON: a connector reads it to find the culprits.
    """

    def __init__(
        self,
        message: str,
        *,
        culprits: Mapping[str, Reason] | None = None,
        body: object = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.culprits = dict(culprits or {})
        self.body = body


class UnexpectedResponse(ConnectorError):
    """The answer does not have the documented shape, or a change got no outcome."""
