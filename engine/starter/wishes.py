"""What somebody wants of a first config: said on the command line, asked for on a terminal, else the likeliest."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError
from engine.starter.names import plain

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Wishes", "asked", "data_folder"]

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


def asked(folder: Path, wishes: Wishes, ask: Callable[[str, str], str] | None) -> Wishes:
    """What was not said: asked for on a terminal, else the likeliest. Raises ConfigError for a name that cannot be."""
    name = re.sub(r"[^a-z0-9]+", "-", plain(folder.resolve().name).replace("_", "-")).strip("-") or "client"
    zone = wishes.timezone or ("Europe/Paris" if wishes.lang == "fr" else "UTC")
    found = replace(wishes, client=wishes.client or name, timezone=zone)
    if ask is not None:
        found = replace(found, **_answers(folder, wishes, ask, name=name, zone=zone))
    _check_client(str(found.client))
    return found


def _answers(folder: Path, wishes: Wishes, ask: Callable[[str, str], str], *, name: str, zone: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if wishes.client is None:
        said["client"] = ask("The client's name (small letters, digits and -)", name)
    if wishes.data is None and wishes.url is None:
        said["data"] = ask("The folder with the shop's files", data_folder(folder))
    if wishes.timezone is None:
        said["timezone"] = ask("The client's time zone", zone)
    if wishes.connector is None:
        said["connector"] = _platform(ask)
    return said


def _platform(ask: Callable[[str, str], str]) -> str | None:
    """One that is there, asked for until it is; None for none yet."""
    from connectors import registry

    known = registry.names()
    question = f"The email platform ({', '.join(known)}; or none)"
    while (said := ask(question, "none").strip().lower()) not in known:
        if said == "none":
            return None
        question = f"There is no '{said}'. One of {', '.join(known)}; or none"
    return said


def _check_client(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"'{name}' is no client's name", place="--client", hint="small letters, digits and -")


def data_folder(folder: Path) -> str:
    """Where the files are likely to be."""
    inside = folder / "data"
    return "data" if inside.is_dir() or not any(folder.glob("*.csv")) else "."
