"""What all laws share: the fixture, the stage, and the kinds and states that a law is tried with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.testing.carrier import Carried
from connectors.testing.lab import STATUSES, Lab
from connectors.testing.stage import KINDS, Stage, set_stage
from connectors.types import State

if TYPE_CHECKING:
    from connectors.types import Change

__all__ = ["BAD", "OUTAGES", "SETTLED", "Staging", "each_kind", "each_status", "is_settled"]

BAD = "kit.bad.address"  # no provider takes it
OUTAGES = (
    "throttled",
    "unavailable",
    "reset_before",
    "truncated",
    "page",
)  # faults that every read meets, until it is over
SETTLED = {State.APPLIED, State.NOOP}

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
each_status = pytest.mark.parametrize("status", STATUSES)


class Staging:
    """A law is skipped only for a kind or an ability that the connector does not declare, or the lab has not."""

    @pytest.fixture
    def lab(self) -> Lab:
        """A fresh account: yours."""
        pytest.fail("supply a fixture `lab` in your subclass: see docs/connector-spec.md")

    def stage(self, lab: Lab, kind: type[Change]) -> Stage:
        """The stage for a kind, or a skip when the connector does not carry it."""
        if kind not in lab.connector.spec.carries:
            pytest.skip(f"{lab.connector.spec.name} does not carry {kind.__name__}")
        return set_stage(lab, kind)


def is_settled(carried: Carried, change: Change) -> bool:
    """The change came to a good end."""
    outcome = carried.of(change)
    return outcome is not None and outcome.state in SETTLED
