"""Mailchimp: one audience of one account. Limits and quirks: README.md in this folder."""

from connectors.mailchimp.connector import Mailchimp

__all__ = ["Mailchimp"]
