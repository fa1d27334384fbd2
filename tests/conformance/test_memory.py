"""The reference connector passes every law."""

from __future__ import annotations

import pytest
from memory_lab import MemoryLab

from connectors.testing import ConnectorSuite


class TestMemory(ConnectorSuite):
    @pytest.fixture
    def lab(self) -> MemoryLab:
        return MemoryLab()
