"""The reference connector: a provider that is a dictionary."""

from connectors.memory.connector import Memory

__all__ = ["Memory"]
