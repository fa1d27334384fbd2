"""Klaviyo: profiles, lists, properties, coupons and e-mail events of one account. Limits and quirks: README.md."""

from connectors.klaviyo.connector import Klaviyo

__all__ = ["Klaviyo"]
