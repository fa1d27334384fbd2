"""Find and build connectors through entry points: built-ins register like strangers."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from connectors.errors import SettingsError
from connectors.http import Http

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.base import Connector
    from connectors.http import Clock, Handler, Pace

__all__ = ["build", "load", "names"]

GROUP = "ciblage.connectors"


@cache
def _found() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def names() -> list[str]:
    """All installed connectors, sorted."""
    return sorted(_found())


def load(name: str) -> type[Connector]:
    """The connector's class; its module is imported now. Raises SettingsError with the nearest name."""
    point = _found().get(name)
    if point is None:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"installed: {', '.join(names())}"
        message = f"there is no connector '{name}' ({hint})"
        raise SettingsError(message)
    connector: type[Connector] = point.load()
    return connector


def build(
    name: str, options: Mapping[str, Any], *, handler: Handler, clock: Clock, pace: Pace | None = None
) -> Connector:
    """A connector for one account: `options` are the destination's own keys. Raises SettingsError."""
    connector = load(name)
    spec = connector.spec
    try:
        settings = spec.settings(**options)
    except TypeError as error:
        message = f"{name}: {error}"
        raise SettingsError(message) from None
    http = Http(
        settings.base_url,
        settings.headers(),
        handler=handler,
        clock=clock,
        pace=pace,
        rates=spec.rates,
        share=spec.share,
        in_flight=spec.in_flight,
    )
    return connector(settings, http)
