"""Klaviyo, emulated from its description (revision 2026-07-15): stateful, strict, asynchronous where it is."""

from connectors.sandbox.klaviyo.provider import KlaviyoSandbox

__all__ = ["KlaviyoSandbox"]
