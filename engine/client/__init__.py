"""One client, opened at one moment: what every verb works on."""

from engine.client.opening import Client, open_client

__all__ = ["Client", "open_client"]
