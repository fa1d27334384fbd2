"""Find and build connectors through entry points: built-ins register like strangers."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from connectors.errors import SettingsError
from connectors.http import Http

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.base import Connector
    from connectors.http import Clock, Handler
    from connectors.pace import Pace

__all__ = ["build", "load", "names"]

GROUP = "ciblage.connectors"
_TEXT = {str, "str"}


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
    name: str,
    options: Mapping[str, Any],
    *,
    handler: Handler,
    clock: Clock,
    pace: Pace | None = None,
    share: float | None = None,
    about: Mapping[str, object] | None = None,
) -> Connector:
    """A connector for one account: `options` are the destination's own keys; `share` of each rate is ours.

    `about` is what the log tells of each call beside the call itself: client, destination, run.

    Raises SettingsError for a key that is unknown (with the nearest valid one), missing, empty, or no text where text belongs.
    """
    connector = load(name)
    spec = connector.spec
    _check(name, signature(spec.settings).parameters, options)
    settings = spec.settings(**options)
    http = Http(
        settings.base_url,
        settings.headers(),
        handler=handler,
        clock=clock,
        pace=pace,
        rates=spec.rates,
        share=spec.share if share is None else dict.fromkeys(spec.rates, share),
        in_flight=spec.in_flight,
        about=about,
    )
    return connector(settings, http)


def _check(name: str, known: Mapping[str, Parameter], options: Mapping[str, Any]) -> None:
    """Every mistake in the keys at once; `key` of the error is the first."""
    mistakes: dict[str, str] = {}
    for key in options.keys() - known.keys():
        free = sorted(known.keys() - options.keys())
        near = difflib.get_close_matches(key, free, n=1) or difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"valid: {', '.join(sorted(known))}"
        mistakes[key] = f"unknown key '{key}' ({hint})"
    for key, parameter in known.items():
        if key not in options and parameter.default is Parameter.empty:
            mistakes[key] = f"'{key}' is missing"
        elif parameter.annotation in _TEXT and not isinstance(options.get(key, ""), str):
            mistakes[key] = f"'{key}' must be text"
        elif parameter.annotation in _TEXT and parameter.default is Parameter.empty and not options[key].strip():
            mistakes[key] = f"'{key}' is empty"
    if mistakes:
        message = f"{name}: {'; '.join(mistakes[key] for key in sorted(mistakes))}"
        raise SettingsError(message, key=min(mistakes))
