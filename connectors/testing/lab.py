"""What a connector's tests must supply: the connector, the provider's truth behind it, and the wire between them.

`Lab` is all that most laws need. Each of the other protocols is an ability of the lab: the laws that need it are
skipped where it is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from connectors.base import Connector
    from connectors.types import Change, EventKind, Fitted, Ref

__all__ = [
    "FAULTS",
    "STATUSES",
    "Enforces",
    "Faulty",
    "Imports",
    "Lab",
    "Posts",
    "Readers",
    "Reopens",
    "Sent",
    "Shares",
    "Shelves",
    "Shortens",
    "Surprises",
    "Truth",
]

STATUSES = (
    "subscribed", "unsubscribed", "pending", "cleaned", "archived", "transactional", "never", "suppressed", "complained",
)  # fmt: skip
"""Every state that a contact may be in before we come, in neutral words."""

FAULTS = (
    "throttled",  # 429, with the provider's own headers
    "bodiless",  # 403 without a body
    "page",  # 403 with a page of HTML
    "error",  # 500
    "bad_gateway",  # 502
    "unavailable",  # 503
    "timeout",  # 524: a proxy gave up waiting
    "reset_before",  # the connection breaks before the write takes effect
    "reset_after",  # … and after
    "slow",  # the answer comes after we gave up; the write took effect
    "truncated",  # half of the answer's JSON; the write took effect
    "bad_record",  # the provider refuses one record of the write, in its own shape
    "endless",  # the job never ends
    "failing",  # the job "finishes", and some or all of its records failed
)
"""Everything that goes wrong on the wire, in neutral words."""


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
    """A fresh account for one test; `http` there has a clock whose sleep lets the lab's own time pass."""

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


@runtime_checkable
class Surprises(Protocol):
    """A lab whose provider can report an act that the connector's table does not know."""

    def surprise(self, campaign: str, email: str, at: datetime) -> None: ...


@runtime_checkable
class Reopens(Protocol):
    """A lab that can build the connector again, as the next run does: for the law on state."""

    def reopen(self) -> Connector: ...


@runtime_checkable
class Faulty(Protocol):
    """A lab whose wire breaks on demand: for the laws on faults."""

    @property
    def faults(self) -> Collection[str]: ...  # those of FAULTS that can be made here
    def fault(self, name: str | None, *, reads: bool = False) -> None:
        """The next write meets it, once; with `reads` every read does; None: nothing goes wrong any more.

        A call that met one is in `calls()` like any other.
        """


@runtime_checkable
class Enforces(Protocol):
    """A lab whose provider refuses one change more than the `Limit` in one call: for these kinds."""

    @property
    def enforced(self) -> Collection[type[Change]]: ...


@runtime_checkable
class Imports(Protocol):
    """A lab whose provider has no call that cannot create: for these kinds, by necessity."""

    @property
    def creating(self) -> Collection[type[Change]]: ...


@runtime_checkable
class Posts(Protocol):
    """A lab whose provider calls back: for the laws on webhooks. `posted`: headers and body, oldest first.

    `signed` is what a signature there covers: "body", "time", both, or neither (a shared secret alone).
    """

    @property
    def signed(self) -> Collection[str]: ...
    def posted(self) -> Sequence[tuple[Mapping[str, str], bytes]]: ...


@runtime_checkable
class Shelves(Protocol):
    """A lab that shows what its pools of codes hold, each code as often as it is there: for the law on codes."""

    def codes(self) -> Mapping[Ref, Sequence[str]]: ...


@runtime_checkable
class Shares(Protocol):
    """A lab whose provider lets a code be in two pools: the second half of the law on codes is not for it."""

    @property
    def shares_codes(self) -> bool: ...


@runtime_checkable
class Shortens(Protocol):
    """A lab whose provider can give shorter pages than it is asked for: for the law on pages."""

    def shorten(self, size: int) -> None: ...  # from now on, no page of any read holds more
