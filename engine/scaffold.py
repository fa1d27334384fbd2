"""A connector that nobody has written yet: a package with its own small provider, whose tests say what to write next."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable

__all__ = ["ABOUT", "Scaffold", "scaffold"]

_TEMPLATE, _NAME, _SUFFIX = "testing/template", "acme", ".txt"

ABOUT: Mapping[str, str] = {
    "connector.py": "settings, spec, and the four methods to write",
    "wire.py": "our changes as its JSON, its results as our outcomes",
    "events.py": "its names of events and of reasons to leave",
    "provider.py": "a provider to try on: as strict as the real one is",
    "lab.py": "the account that the laws are tried on",
    "README.md": "limits and quirks, each with date and source",
}
"""What the files are that an author will open."""


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A connector's folder, and what was written there."""

    name: str
    folder: Path
    files: Sequence[Path]


def scaffold(name: str, folder: Path | None) -> Scaffold:
    """Write a connector called `name` (default folder: ./ciblage-NAME). Raises ConfigError; never overwrites."""
    _check(name)
    target = folder or Path(f"ciblage-{name.replace('_', '-')}")
    texts = {target / _named(path, name): _named(text, name) for path, text in _template()}
    there = sorted(path for path in texts if path.exists())
    if there:
        raise ConfigError(
            f"{there[0]} is there already", place="--out", hint="name another folder: nothing is written over"
        )
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}", place="--out") from None
    return Scaffold(name, target, sorted(texts))


def _check(name: str) -> None:
    from connectors import registry

    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        hint = "a-z, digits and _, a letter first: it is the package's and the config's word"
        raise ConfigError(f"'{name}' is no name for a connector", place="NAME", hint=hint)
    if name in {*registry.names(), "connectors", "engine", "tests", "provider", "lab"}:
        raise ConfigError(f"'{name}' is taken", place="NAME", hint="ciblage connectors lists those that are installed")


def _template() -> Iterator[tuple[str, str]]:
    """Each file's path and text."""
    waiting: list[tuple[str, Traversable]] = [("", files("connectors").joinpath(_TEMPLATE))]
    while waiting:
        path, node = waiting.pop()
        for child in node.iterdir():
            if child.is_dir():
                waiting.append((f"{path}{child.name}/", child))
            elif child.name.endswith(_SUFFIX):
                yield path + child.name.removesuffix(_SUFFIX), child.read_text("utf-8")


def _named(text: str, name: str) -> str:
    """The template's own name, as a word and as a class, becomes the author's."""
    title = "".join(part.capitalize() for part in name.split("_"))
    return text.replace(_NAME, name).replace(_NAME.capitalize(), title)
