"""What the proofs of the kit share: copies of the reference connector, and the judgement that a copy fails a law."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from memory_lab import MemoryLab

from connectors.http import Http
from connectors.memory import Memory
from connectors.memory.connector import MemorySettings
from connectors.memory.dictionary import Dictionary
from connectors.spec import Settings
from connectors.testing import ConnectorSuite
from connectors.types import AddCode, AddMember, Batch, SetTraits

KIT = ConnectorSuite()
ORDINARY = (SetTraits, AddMember)

Law = Callable[..., None]
Case = tuple[type[Memory], Law, dict[str, object]]


class Broken(Memory):
    """A copy with a hand in the provider's dictionary, to do what no connector should."""

    sound: type[Memory] = Memory
    """What passes where this copy fails."""

    def __init__(self, settings: Settings, http: Http) -> None:
        super().__init__(settings, http)
        assert isinstance(settings, MemorySettings)
        assert isinstance(settings.store, Dictionary)
        self.contacts: dict[str, Any] = settings.store.store["contacts"]
        self.store: dict[str, Any] = settings.store.store

    def rows(self, batch: Batch) -> Iterator[dict[str, Any]]:
        for change in batch.changes:
            if not isinstance(change, AddCode) and change.profile.email in self.contacts:
                yield self.contacts[change.profile.email]


def prove(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """The copy fails its law with a sentence, and what it was copied from passes."""
    broken, law, about = case
    more = {"caplog": caplog} if law == KIT.test_secrets_and_addresses_stay_private else {}
    assert issubclass(broken, Broken)
    law(MemoryLab(broken.sound), **about, **more)
    with pytest.raises((AssertionError, pytest.fail.Exception)) as caught:
        law(MemoryLab(broken), **about, **more)
    assert str(caught.value).partition("\nassert")[0].count(" ") > 3, "a law says in a sentence what to do"


def label(case: object) -> str:
    """A case's name among the tests."""
    if isinstance(case, tuple) and len(case) == 3:
        about = "-".join(getattr(value, "__name__", str(value)) for value in case[2].values())
        return f"{case[0].__name__}-{case[1].__name__.removeprefix('test_')}{'-' if about else ''}{about}"
    return ""


def laws() -> set[str]:
    """The names of all laws."""
    return {name for name in dir(ConnectorSuite) if name.startswith("test_")}


def tried(cases: Sequence[Case]) -> tuple[set[str], set[type[Memory]]]:
    """Which laws and which copies these cases are about."""
    return {law.__name__ for _, law, _ in cases}, {broken for broken, _, _ in cases}
