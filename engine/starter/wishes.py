"""What somebody wants of a first config: said on the command line, asked for on a terminal, else the likeliest."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from engine.errors import ConfigError
from engine.starter.names import plain

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Ask", "Wishes", "asked", "data_folder"]

Ask = Callable[[str, str], str]
"""How to ask a person: a question and the likeliest answer."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody said on the command line; None where they did not.

    `data`: a folder of files, relative to the config; `url`: of a database, its password as ${NAME}. `options`: the
    destination's own keys, as KEY=VALUE.
    """

    client: str | None = None
    data: str | None = None
    url: str | None = None
    connector: str | None = None
    destination: str = "newsletter"
    options: Sequence[str] = ()
    lang: str = "en"
    timezone: str | None = None
    currency: str = "EUR"


def asked(folder: Path, wishes: Wishes, ask: Ask | None) -> Wishes:
    """What was not said: asked for on a terminal, else the likeliest. Raises ConfigError for a name that cannot be."""
    name = re.sub(r"[^a-z0-9]+", "-", plain(folder.resolve().name).replace("_", "-")).strip("-") or "client"
    zone = wishes.timezone or ("Europe/Paris" if wishes.lang == "fr" else "UTC")
    found = replace(wishes, client=wishes.client or name, timezone=zone)
    if ask is not None:
        found = replace(found, **_answers(folder, wishes, ask, name=name, zone=zone))
    _check_client(str(found.client))
    return found


def _answers(folder: Path, wishes: Wishes, ask: Ask, *, name: str, zone: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if wishes.client is None:
        said["client"] = _asked(ask, "The client's name (small letters, digits and -)", name, _no_name)
    if wishes.data is None and wishes.url is None:
        inside = data_folder(folder)
        said["data"] = _asked(ask, "The folder with the shop's files", inside, lambda one: _no_folder(folder / one))
    if wishes.timezone is None:
        said["timezone"] = _asked(ask, "The client's time zone", zone, _no_zone)
    if wishes.connector is None:
        said["connector"] = _platform(ask)
    return said


def _asked(ask: Ask, question: str, likeliest: str, objection: Callable[[str], str | None]) -> str:
    """An answer that can be, asked for until it is."""
    told = question
    while (why := objection(said := ask(told, likeliest).strip())) is not None:
        told = f"{why}. {question}"
    return said


def _no_name(said: str) -> str | None:
    return None if _NAME.fullmatch(said) else f"'{said}' is no client's name"


def _no_folder(place: Path) -> str | None:
    return None if place.is_dir() else f"There is no folder {place}"


def _no_zone(said: str) -> str | None:
    return None if said in available_timezones() else f"There is no time zone '{said}' (for example Europe/Paris)"


def _platform(ask: Ask) -> str | None:
    """One that is there; None for none yet."""
    from connectors import registry

    known = (*registry.names(), "none")
    question = f"The email platform ({', '.join(known[:-1])}; or none)"
    said = _asked(ask, question, "none", lambda one: None if one.lower() in known else f"There is no '{one}'")
    return None if said.lower() == "none" else said.lower()


def _check_client(name: str) -> None:
    if (why := _no_name(name)) is not None:
        raise ConfigError(why, place="--client", hint="small letters, digits and -")


def data_folder(folder: Path) -> str:
    """Where the files are likely to be."""
    inside = folder / "data"
    return "data" if inside.is_dir() or not any(folder.glob("*.csv")) else "."
