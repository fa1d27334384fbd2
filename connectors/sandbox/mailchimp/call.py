"""One call as an operation sees it, and the account that it works on."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from connectors.sandbox.mailchimp.store import Audience, Campaign, Member
from connectors.sandbox.mailchimp.words import Refusal
from connectors.sandbox.world import World

if TYPE_CHECKING:
    from connectors.sandbox.mailchimp.commerce import Store
    from connectors.sandbox.mailchimp.webhooks import Delivery, Webhook

DEFAULTS: Mapping[str, str] = {
    "archived_add": "exists", "left_add": "exists", "patch_archived": "ok", "readd": "listed", "absent": "error",
    "batch_params": "any", "segment_names": "refused", "unknown_keys": "refused", "booleans": "strict", "trims": "no",
    "list_archived": "no", "clears": "all", "operations_limit": "0", "code_scope": "store", "signing": "yes", "webhook_body": "form",
    "webhook_zone": "utc", "language": "en", "field_limit": "30", "job_seconds": "15", "double_optin": "no",
}  # fmt: skip
_MOST = 1000


@dataclass(slots=True)
class Account:
    """Everything behind one key."""

    world: World
    options: Mapping[str, str]
    audiences: dict[str, Audience] = field(default_factory=dict)
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    stores: dict[str, Store] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    outbox: list[Delivery] = field(default_factory=list)  # what webhooks would have been sent
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(10_001))

    def says(self, option: str, value: str) -> bool:
        """An option has that value."""
        return self.options.get(option, DEFAULTS[option]) == value

    @property
    def language(self) -> str:
        """Of error texts."""
        return self.options.get("language", "en")

    def audience(self, ref: str) -> Audience:
        """Raises Refusal when there is none."""
        if ref not in self.audiences:
            raise Refusal("missing")
        return self.audiences[ref]

    def member(self, audience: Audience, name: str) -> Member:
        """By subscriber hash, address or contact id. Raises Refusal when there is none."""
        found = audience.members.get(name.lower())
        if found is None and "@" in name:
            found = next((each for each in audience.members.values() if each.email.lower() == name.lower()), None)
        if found is None:
            raise Refusal("missing")
        return found


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the parts of its path, its query and its parsed body."""

    account: Account
    parts: Mapping[str, str]
    query: Mapping[str, str]
    body: object = None

    def flag(self, name: str) -> bool:
        """A boolean parameter. Raises Refusal for another spelling than true and false."""
        text = self.query.get(name, "false")
        if self.account.says("booleans", "loose"):
            text = text.lower()
        if text not in {"true", "false"}:
            raise Refusal("param", name)
        return text == "true"

    def number(self, name: str, default: int, most: int | None = None) -> int:
        """A whole parameter. Raises Refusal."""
        text = self.query.get(name, str(default))
        if not text.isdecimal() or (most is not None and int(text) > most):
            raise Refusal("param", name)
        return int(text)

    def instant(self, name: str) -> datetime | None:
        """An ISO 8601 parameter. Raises Refusal."""
        text = self.query.get(name)
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise Refusal("param", name) from None
        return found if found.tzinfo else found.replace(tzinfo=self.account.world.now().tzinfo)

    def page(self, everything: Sequence[object] | Iterable[object]) -> tuple[list[object], int]:
        """The asked part, ten by default, and how many there are."""
        whole = list(everything)
        offset, count = self.number("offset", 0), self.number("count", 10, _MOST)
        return whole[offset : offset + count], len(whole)

    @property
    def now(self) -> datetime:
        """Sandbox time, in whole seconds."""
        now = self.account.world.now()
        return now - timedelta(microseconds=now.microsecond)
