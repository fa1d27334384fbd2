"""One Klaviyo account: lists are segments, custom properties are merge tags, the whole account is the contacts."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from connectors.errors import UnexpectedResponse
from connectors.klaviyo import events, reading, results, wire, writing
from connectors.klaviyo.spec import SPEC
from connectors.types import Account, TargetKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from connectors.http import Http
    from connectors.spec import Settings, Spec
    from connectors.types import (
        Batch,
        Cursor,
        EngagementEvent,
        Fitted,
        Job,
        Outcome,
        Page,
        Profile,
        Ref,
        Suppression,
        Target,
    )  # fmt: skip


class Klaviyo:
    """The connector; README.md has limits, choices and quirks with their sources."""

    spec: ClassVar[Spec] = SPEC

    def __init__(self, settings: Settings, http: Http) -> None:
        _ = settings  # `http` already carries the credentials and the address
        self._http = http

    @cached_property
    def _sdk(self) -> Any:  # noqa: ANN401 - the SDK ships no types
        from connectors.klaviyo import sdk

        return sdk.client(self._http)

    # targets

    def check(self) -> Account:
        """The account that the key opens. Raises Unauthorized."""
        accounts = wire.items(self._sdk.Accounts.get_accounts())
        if not accounts:
            raise UnexpectedResponse("the key opens no account")
        contact = wire.attributes(accounts[0]).get("contact_information") or {}
        return Account(accounts[0]["id"], str(contact.get("organization_name") or accounts[0]["id"]))

    @cached_property
    def _account(self) -> Ref:
        return self.check().id  # a key opens one account for ever, and a minute allows fifteen of these calls

    def find(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        """Lists by exact name (the oldest of several), the account for CONTACTS; a property needs no creation."""
        found = {target: self._find(target) for target in targets}
        return {target: ref for target, ref in found.items() if ref is not None}

    def _find(self, target: Target) -> Ref | None:
        if target.kind is TargetKind.CONTACTS:
            return self._account
        if target.kind is TargetKind.FIELD:
            return target.title
        return self._list(target.title) if target.kind is TargetKind.SEGMENT else None

    def _list(self, title: str) -> Ref | None:
        found = self._collected(self._sdk.Lists.get_lists, filter=wire.equals("name", title), page_size=10)
        named = [item for item in found if wire.attributes(item).get("name") == title]
        oldest = min(named, key=lambda item: (str(wire.attributes(item).get("created")), item["id"]), default=None)
        return oldest["id"] if oldest else None

    def _collected(self, read: Callable[..., wire.Document], **query: str | int) -> Iterator[wire.Document]:
        for page in reading.following(read, **query):
            yield from wire.items(page)

    def create(self, targets: Iterable[Target]) -> Mapping[Target, Ref]:
        """Create the lists that are missing: single opt-in, which matters only to subscribe calls (none is made)."""
        wanted = list(targets)
        found = dict(self.find(wanted))
        for target in wanted:
            if target not in found and target.kind is TargetKind.SEGMENT:
                named = {"name": target.title, "opt_in_process": "single_opt_in"}
                made = self._sdk.Lists.create_list({"data": {"type": "list", "attributes": named}})
                found[target] = made["data"]["id"]
        return found

    # writing

    def push(self, batch: Batch) -> Iterator[Outcome]:
        """Imports (accepted as jobs), removals by id, suppressions; one outcome a change."""
        return writing.send(self._http, batch)

    def poll(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        return results.poll(self._http, jobs)

    def recall(self, batch: Batch, since: datetime) -> Iterator[Outcome]:
        return results.recall(self._http, batch, since)

    # reading

    def resolve(self, profiles: Sequence[Profile]) -> Mapping[str, Ref]:
        """Profile ids by address, a hundred a call; unknown ones are absent."""
        return reading.refs(self._http, _emails(profiles))

    def traits(self, profiles: Sequence[Profile]) -> Mapping[str, Mapping[Ref, Fitted]]:
        return reading.traits(self._http, _emails(profiles))

    def members(self, target: Target, ref: Ref) -> Iterator[Page[Profile]]:
        return reading.members(self._http, None if target.kind is TargetKind.CONTACTS else ref)

    def count(self, target: Target, ref: Ref) -> int:
        """How many are on a list, or in the account for CONTACTS."""
        if target.kind is TargetKind.CONTACTS:
            return sum(len(page.items) for page in self.members(target, ref))
        return reading.count(self._http, ref)

    def suppressions(self, since: Cursor | None, now: datetime) -> Iterator[Page[Suppression]]:
        return reading.suppressions(self._http, since, now)

    def pull(self, since: Cursor | None, now: datetime) -> Iterator[Page[EngagementEvent]]:
        """E-mail events metric by metric, the oldest first."""
        named = wire.equals("integration.name", events.INTEGRATION)
        metrics = map(events.metric, self._collected(self._sdk.Metrics.get_metrics, filter=named))
        yield from reading.engagement(self._http, (found for found in metrics if found), since, now)


def _emails(profiles: Iterable[Profile]) -> Iterator[str]:
    return (profile.email for profile in profiles)
