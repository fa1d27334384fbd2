"""The conformance kit: one pytest class, one fixture (`lab`)."""

from connectors.testing.carrier import Carried, carry
from connectors.testing.lab import (
    FAULTS,
    STATUSES,
    Enforces,
    Faulty,
    Imports,
    Lab,
    Posts,
    Readers,
    Reopens,
    Sent,
    Shares,
    Shelves,
    Shortens,
    Surprises,
    Truth,
)
from connectors.testing.suite import ConnectorSuite

__all__ = [
    "FAULTS",
    "STATUSES",
    "Carried",
    "ConnectorSuite",
    "Enforces",
    "Faulty",
    "Imports",
    "Lab",
    "Posts",
    "Readers",
    "Reopens",
    "Sent",
    "Shares",
    "Shelves",
    "Shortens",
    "Surprises",
    "Truth",
    "carry",
]
