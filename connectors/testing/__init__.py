"""The conformance kit: one pytest class, one fixture (`lab`)."""

from connectors.testing.carrier import Carried, carry
from connectors.testing.lab import STATUSES, Lab, Readers, Sent, Truth
from connectors.testing.suite import ConnectorSuite

__all__ = ["STATUSES", "Carried", "ConnectorSuite", "Lab", "Readers", "Sent", "Truth", "carry"]
