"""Every built-in provider, emulated from its documentation: a handler for tests, a process on localhost for people."""

from connectors.sandbox.faults import FAULTS, FaultBook
from connectors.sandbox.router import Sandbox
from connectors.sandbox.world import Call, Contact, Faults, Provider, Windows, World, json_response

__all__ = [
    "FAULTS",
    "Call",
    "Contact",
    "FaultBook",
    "Faults",
    "Provider",
    "Sandbox",
    "Windows",
    "World",
    "json_response",
]
