"""Laboratories whose ledger is in memory or on a PostgreSQL server: what holds in one holds in the other."""

from __future__ import annotations

from itertools import count

import pytest
from own_lab import Opened, laboratory

_NUMBERS = count()


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """A new laboratory each time; on the server each has a client of its own."""
    if request.param == "sqlite":
        return laboratory
    url = request.getfixturevalue("postgres")
    return lambda **more: laboratory(url=url, client=f"lab-{next(_NUMBERS)}", **more)
