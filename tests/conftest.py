"""Makes tests/reference.py importable from every folder of tests; no test keeps a pace in the user's own folder."""

from __future__ import annotations

from itertools import count

import pytest
from homes import home, postgres
from leaks import discreet, watching

__all__ = [
    "discreet",
    "home",
    "postgres",
    "watching",
]  # no test lets a key or an address out; ledgers in either database

_NUMBERS = count()


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / f"state{next(_NUMBERS)}"))
