"""What a connector's tests must supply: the connector, the provider's truth behind it, and the wire between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from connectors.base import Connector
    from connectors.types import EventKind, Fitted, Ref

__all__ = ["STATUSES", "Lab", "Readers", "Sent", "Truth"]

STATUSES = (
    "subscribed", "unsubscribed", "pending", "cleaned", "archived", "transactional", "never", "suppressed", "complained",
)  # fmt: skip
"""Every state that a contact may be in before we come, in neutral words."""


class Truth(Protocol):
    """One contact as the provider really holds it: not as its API tells it."""

    @property
    def status(self) -> str: ...  # one of STATUSES
    @property
    def fields(self) -> Mapping[str, Fitted]: ...  # by the name people see there; an empty value may be absent
    @property
    def lists(self) -> Collection[Ref]: ...
    @property
    def ref(self) -> Ref: ...
    @property
    def mailable(self) -> bool: ...  # a campaign would reach them


class Sent(Protocol):
    """One call on the wire."""

    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...  # bytes of the body
    @property
    def body(self) -> bytes: ...
    @property
    def is_read(self) -> bool: ...


class Lab(Protocol):
    """A fresh account for one test."""

    @property
    def connector(self) -> Connector: ...
    @property
    def secrets(self) -> Sequence[str]: ...  # must never be seen in a log or an error
    @property
    def statuses(self) -> Sequence[str]: ...  # those of STATUSES that `seed` knows at this provider
    @property
    def domain(self) -> str: ...  # of addresses that the provider accepts

    def now(self) -> datetime: ...
    def calls(self) -> Sequence[Sent]: ...  # everything sent so far
    def truth(self) -> Mapping[str, Truth]: ...  # by normal address
    def lists(self) -> Mapping[Ref, str]: ...  # the provider's lists: ref → title
    def settle(self) -> None: ...  # let time pass until the provider's jobs are done
    def seed(
        self, email: str, *, status: str = "subscribed", fields: Mapping[str, Fitted] = ..., lists: Collection[Ref] = ()
    ) -> None:
        """Put a contact there as if its history had made it so."""


@runtime_checkable
class Readers(Protocol):
    """A lab whose provider can mail, and whose people read: for the laws on engagement."""

    def mail(self, list_ref: Ref, subject: str) -> str: ...  # the campaign's id
    def react(self, campaign: str, email: str, kind: EventKind, at: datetime, *, url: str | None = None) -> None: ...
