"""ActiveCampaign, emulated from its documentation (API v3, as of 2026-08)."""

from connectors.sandbox.activecampaign.provider import ActiveCampaignSandbox

__all__ = ["ActiveCampaignSandbox"]
