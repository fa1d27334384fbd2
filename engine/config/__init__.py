"""The config of one client: TOML and environment, as typed settings; errors name file, line and the nearest valid key."""

from engine.config.load import Config, load

__all__ = ["Config", "load"]
