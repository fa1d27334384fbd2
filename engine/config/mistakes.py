"""How a mistake of a config is told: its file and line, what it is, and the nearest valid choice; all of them at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

from engine.config.document import Keys
from engine.config.settings import Settings
from engine.errors import ConfigError, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["dotted", "hint", "place_of", "refuse", "said", "sort_key"]

_MOST = 200  # mistakes shown at most
_PATTERNS = {
    ("client",): "a client's name has small letters, digits, - and _, and begins with a letter or a digit",
    ("currency",): "a currency is three capital letters, for example EUR",
}


def said(detail: ErrorDetails) -> str:
    """One mistake in words, with the nearest valid choice where there is one."""
    where, kind = dotted(detail["loc"]), detail["type"]
    if kind == "extra_forbidden":
        *above, name = detail["loc"]
        near = nearest(str(name), _valid(tuple(above)))
        return (
            f"unknown key '{name}'"
            + (f" in {dotted(tuple(above))}" if above else "")
            + (f" (did you mean '{near}'?)" if near else f" (valid: {', '.join(sorted(_valid(tuple(above))))})")
        )
    if kind == "string_pattern_mismatch" and detail["loc"] in _PATTERNS:
        return f"{where}: {_PATTERNS[detail['loc']]}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "value_error":
        return f"{where}: {detail['msg'].removeprefix('Value error, ')}"
    return f"{where}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _valid(above: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand in the table at this path."""
    model: type[BaseModel] | None = Settings
    for key in above:
        model = _inner(model, str(key)) if model else None
    return [known.alias or name for name, known in model.model_fields.items()] if model else []


def _inner(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The model of the table at `key`, looking through `dict[name, model]`."""
    known = model.model_fields.get(key)
    if known is None:  # a name in a table of names: the model itself was reached through the dict
        return model
    return next(_models(known.annotation), None)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)


def hint(name: str, known: set[str]) -> str:
    """` (did you mean 'news'?)`, where something is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def place_of(places: Mapping[Keys, str], keys: tuple[str | int, ...], file: str) -> str:
    """`file:line` of a key, or of the nearest key above it."""
    for end in range(len(keys), 0, -1):
        if keys[:end] in places:
            return places[keys[:end]]
    return file


def dotted(keys: tuple[str | int, ...]) -> str:
    """`destinations.news.segments[0]`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def sort_key(mistake: str) -> tuple[str, int]:
    """Where a mistake stands."""
    file, _, line = mistake.partition(": ")[0].rpartition(":")
    return (file, int(line)) if line.isdigit() else (mistake, 0)


def refuse(mistakes: Sequence[str]) -> None:
    """Raise ConfigError for all of them at once; nothing when there are none."""
    if not mistakes:
        return
    first, *more = mistakes[:_MOST]
    place, _, message = first.partition(": ")
    text = "\n".join([message, *more])
    raise ConfigError(text, place=place)
