"""Brevo, emulated from its documentation (API v3, as of 2026-11-22)."""

from connectors.sandbox.brevo.provider import BrevoSandbox

__all__ = ["BrevoSandbox"]
