"""ActiveCampaign: one account, over its API v3."""

from connectors.activecampaign.connector import ActiveCampaign

__all__ = ["ActiveCampaign"]
