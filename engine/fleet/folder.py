"""A folder of clients: whose configs are there, and what each client's process may know of the others' secrets."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ConfigError

__all__ = ["Folder", "Member", "environment", "read_folder"]

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET = re.compile(r"key|token|secret|passw", re.IGNORECASE)
_USUAL = "ciblage.toml"


@dataclass(frozen=True, slots=True)
class Member:
    """One client of the folder: its config, its name, what marketers there read, and the variables that the config names."""

    file: Path
    client: str
    lang: str = "en"
    variables: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Folder:
    """The clients of a folder in the order of their files, and the TOML files there that are no client's."""

    members: Sequence[Member]
    others: Sequence[Path]

    @property
    def lang(self) -> str:
        """The language that all of them read, else English."""
        found = {one.lang for one in self.members}
        return found.pop() if len(found) == 1 else "en"


def read_folder(folder: Path) -> Folder:
    """The clients of a folder: `*.toml` there and one level below. Raises ConfigError where there is none.

    A file without `client` is no client's. One that cannot be read counts as a client's: its run tells what is wrong.
    """
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}", place="--all")
    members, others = [], []
    for file in sorted([*folder.glob("*.toml"), *folder.glob("[!.]*/*.toml")]):
        values = _values(file)
        if values is not None and "client" not in values:
            others.append(file)
            continue
        values = values or {}
        name = values.get("client")
        lang = "fr" if values.get("lang") == "fr" else "en"
        named = frozenset(_named([values, *_included(file, values)]))
        members.append(Member(file, name if isinstance(name, str) else _called(file), lang, named))
    if not members:
        hint = 'a client\'s config is a .toml file there, or one folder below, that says client = "…"'
        raise ConfigError(f"no client has its config in {folder}", place="--all", hint=hint)
    return Folder(members, others)


def _called(file: Path) -> str:
    """What to call a client whose config does not say it: forty files may all have the default's name."""
    return file.parent.name if file.name == _USUAL else file.stem


def _values(file: Path) -> dict[str, Any] | None:
    """None for a file that is not TOML, or cannot be read."""
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _included(file: Path, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    include = values.get("include", ())
    for name in include if isinstance(include, list) else ():
        if isinstance(name, str) and not name.startswith("library:"):
            yield _values(file.parent / name) or {}


def _named(value: object) -> Iterator[str]:
    """Every variable that some text refers to."""
    if isinstance(value, str):
        yield from _REFERENCE.findall(value)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _named(one)
    elif isinstance(value, list):
        for one in value:
            yield from _named(one)


def environment(member: Member, folder: Folder, ours: Mapping[str, str]) -> dict[str, str]:
    """What a client's process may know: never what only another client's config names, nor what looks like a secret of nobody's."""
    others = frozenset[str]().union(*(one.variables for one in folder.members)) - member.variables
    return {
        name: value
        for name, value in ours.items()
        if name in member.variables or (name not in others and not _SECRET.search(name))
    }
