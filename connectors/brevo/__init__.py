"""Brevo (formerly Sendinblue): one account, over its API v3."""

from connectors.brevo.connector import Brevo

__all__ = ["Brevo"]
