"""One server for all; every test has a client of its own, before its first round or after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from round_lab import NOW, SPEED, Lab, emptied, furnished, twin

from connectors.sandbox import Sandbox
from connectors.sandbox.server import Server, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serving(Sandbox(NOW, speed=SPEED)) as server:
        yield server


@pytest.fixture
def fresh(server: Server, tmp_path: Path) -> Lab:
    """A client that has never sent anything, and empty accounts."""
    emptied(server)
    return furnished(tmp_path / "client", server)


@pytest.fixture(scope="session")
def origin(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Sandbox, datetime]:
    """A client after its first round: pulled, pushed, codes confirmed and carried."""
    emptied(server)
    lab = furnished(tmp_path_factory.mktemp("origin") / "client", server)
    lab.start()
    return lab, server.sandbox, server.sandbox.world.now()


@pytest.fixture
def begun(origin: tuple[Lab, Sandbox, datetime], tmp_path: Path) -> Lab:
    """A copy of it."""
    lab, sandbox, moment = origin
    return twin(lab, sandbox, moment, tmp_path / "client")
