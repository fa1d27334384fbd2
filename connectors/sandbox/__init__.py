"""Every built-in provider, emulated from its documentation: a handler for tests, a process on localhost for people."""

from connectors.sandbox.router import Sandbox
from connectors.sandbox.world import Call, Contact, Provider, Windows, World, json_response

__all__ = ["Call", "Contact", "Provider", "Sandbox", "Windows", "World", "json_response"]
