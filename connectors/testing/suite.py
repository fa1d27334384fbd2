"""The laws of a connector, one test each: subclass, supply the fixture `lab`, done."""

from __future__ import annotations

from connectors.testing.engagement import EngagementLaws
from connectors.testing.faults import FaultLaws
from connectors.testing.manners import MannerLaws
from connectors.testing.reads import ReadingLaws
from connectors.testing.targets import TargetLaws
from connectors.testing.writes import WritingLaws

__all__ = ["ConnectorSuite"]


class ConnectorSuite(FaultLaws, MannerLaws, EngagementLaws, ReadingLaws, WritingLaws, TargetLaws):
    """All laws. pytest runs those of the last class first: targets, writes, reads, engagement, manners, faults."""
