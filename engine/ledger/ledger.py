"""The ledger of one client: what each destination has acknowledged, and everything else that outlives a run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from engine.ledger import lock, schema
from engine.ledger.accounts import Accounts, Targets
from engine.ledger.adoption import Adoption
from engine.ledger.codes import Codes
from engine.ledger.contacts import Contacts
from engine.ledger.corrections import Corrections
from engine.ledger.erasures import Erasures
from engine.ledger.lock import Holder
from engine.ledger.runs import Approvals, Holds, Rejections, Runs
from engine.ledger.sending import Travelling
from engine.ledger.store import Store, connect
from engine.ledger.suppressions import Cursors, Suppressions

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Ledger"]


class Ledger:
    """One client's ledger: `with Ledger.open(url, client) as ledger`."""

    def __init__(self, store: Store, client: str) -> None:
        self.client = client
        self._store = store
        self.accounts = Accounts(store)
        self.targets = Targets(store)
        self.contacts = Contacts(store)
        self.corrections = Corrections(store)
        self.adoption = Adoption(store, self.targets)
        self.sending = Travelling(store)
        self.rejections = Rejections(store)
        self.suppressions = Suppressions(store)
        self.codes = Codes(store)
        self.cursors = Cursors(store)
        self.erasures = Erasures(store)
        self.runs = Runs(store)
        self.approvals = Approvals(store)
        self.holds = Holds(store)

    @classmethod
    def open(cls, url: str, client: str, *, is_readonly: bool = False) -> Self:
        """Open `sqlite:///state/<client>.sqlite` or a PostgreSQL URL; one of an older version is brought up to date.

        Read-only: nothing is created or changed; a missing ledger is an empty one. Raises ConfigError.
        """
        return cls(connect(url, client, is_readonly=is_readonly), client)

    def lock(self, who: str, since: datetime) -> AbstractContextManager[None]:
        """Hold the client's run lock; `who` is the command, `since` the real time. Raises Locked."""
        return lock.hold(self._store, client=self.client, who=who, since=since)

    def call(self, renamed: Mapping[str, Mapping[str, str]]) -> None:
        """Segments have other names now, by destination: former → new. Nothing is written until `targets.rename`."""
        known = {name: {at for _, at in self.targets.of(name)} for name in renamed}
        fresh = {
            name: {old: new for old, new in pairs.items() if old in known[name] and new not in known[name]}
            for name, pairs in renamed.items()
        }
        self.targets.renamed = self.sending.renamed = fresh

    def holder(self) -> Holder | None:
        """Who holds the run lock, for `status`."""
        return lock.holder(self._store)

    def size(self) -> int | None:
        """Its bytes on disk; None where the database does not tell."""
        return self._store.size()

    def version(self) -> int:
        """A number that grows with every change of what is acknowledged, on its way, or known of targets."""
        return self._store.version()

    def is_current(self, version: int, plan: str) -> bool:
        """Whether nothing moved since `version` but this plan's own push."""
        now = self.version()
        if now == version:
            return True
        columns = schema.pushes.c
        own = (columns.plan == plan, columns.base_version == version, columns.last_version == now)
        return bool(self._store.rows(sa.select(schema.pushes).where(*own)))

    def close(self) -> None:
        """Give the database back."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
