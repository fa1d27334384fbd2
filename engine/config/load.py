"""Read a client's config: the file, what it includes, and the secrets that it refers to."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from engine.config.document import Document, Keys, read
from engine.config.mistakes import dotted, place_of, refuse, said, sort_key
from engine.config.references import contradictions
from engine.config.settings import Settings
from engine.errors import ConfigError, nearest

__all__ = ["Config", "load"]

_HERE_BY_ITSELF = Path("ciblage.toml")  # the config of a command that names none

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET = re.compile(r"(^|_)(api_key|key|token|secret|password|access_token)$")
_PASSWORD = re.compile(
    r"^[^:]+://[^/@:]*:(?!\$\{[A-Za-z_][A-Za-z0-9_]*\}@)[^/@]+@|[?&;](password|token)=(?!\$\{)", re.IGNORECASE
)
_SHARED = (
    "sources",
    "places",
    "traits",
    "segments",
    "groups",
    "splits",
    "recipes",
    "offers",
)  # what a library may hold
_NAMED = {*_SHARED, "merge_tags", "destinations", "reachable"}  # tables of names


@dataclass(frozen=True, slots=True)
class Config:
    """One client's settings, and where each came from. Secrets never show in its `repr`."""

    settings: Settings = field(repr=False)
    file: Path
    recipes: Mapping[str, Any]
    places: Mapping[Keys, str] = field(repr=False)
    hash: str = ""
    unset: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By destination the `${NAME}`s that nothing answers, as mistakes: only what calls it needs them."""

    @property
    def named(self) -> Path | None:
        """The file where commands must name it; None where they find it by themselves."""
        return None if self.file == _HERE_BY_ITSELF else self.file

    @property
    def folder(self) -> Path:
        """Relative paths of the config start here."""
        return self.file.parent

    def place(self, *path: str | int) -> str:
        """`file:line` of a key, or of the nearest key above it."""
        return place_of(self.places, path, str(self.file))

    @property
    def secrets(self) -> frozenset[str]:
        """What no log may hold: keys of destinations, passwords within addresses of databases."""
        options = [item for one in self.settings.destinations.values() for item in one.options.items()]
        keys = {value for name, value in options if isinstance(value, str) and _SECRET.search(name)}
        urls = (self.settings.shop.url, self.settings.ledger.url, self.settings.pace.url)
        return frozenset(keys | {word for url in urls if url and (word := urlsplit(url).password)})

    @property
    def warnings(self) -> list[str]:
        """What is unset, in one list, for a command that went without."""
        return [f"{mistake}: what calls {name} needs it" for name, found in self.unset.items() for mistake in found]

    @property
    def state(self) -> Path:
        """The client's state folder: ledger, engagement, exports."""
        return self.folder / "state"


def load(path: Path, environment: Mapping[str, str] | None = None, *, calls: bool = True) -> Config:
    """The config in this file. Raises ConfigError with every mistake, each with file, line and nearest name.

    `calls`: whether destinations will be called; what never calls one goes without their secrets, which are `unset` then.
    """
    environment = os.environ if environment is None else environment
    main = read(path)
    values: dict[str, Any] = {name: value for name, value in main.values.items() if name != "recipes"}
    places = {keys: f"{main.file}:{line}" for keys, line in main.lines.items()}
    recipes = dict(main.values.get("recipes", {}))
    for library in _libraries(main, path):
        _merge(values, recipes, places, library)
    mistakes: list[str] = []
    spoken, unset = _fill(values, places, path, environment, mistakes)
    if calls:
        mistakes += [mistake for found in unset.values() for mistake in found]
    settings = _settings(spoken, places, str(path), mistakes)
    refuse(sorted(mistakes, key=sort_key))
    return Config(settings, path, recipes, places, _hash(values, recipes), unset)


def _libraries(main: Document, path: Path) -> Iterator[Document]:
    include = main.values.get("include", [])
    if not isinstance(include, list) or not all(isinstance(name, str) for name in include):
        raise ConfigError("include is a list of names and files", place=main.place(("include",)))
    for index, name in enumerate(include):
        kind, _, rest = name.partition(":")
        if kind != "library" or not rest:
            yield read(path.parent / name)
            continue
        shelf = _shelf()
        if rest not in shelf:
            near = nearest(rest, shelf)
            hint = f"did you mean 'library:{near}'?" if near else f"shipped: {', '.join(shelf)}"
            raise ConfigError(f"there is no library '{rest}'", place=main.place(("include", index)), hint=hint)
        yield from map(read, shelf[rest])


def _shelf() -> dict[str, list[Path]]:
    """The shipped libraries by name: a folder brings all its files, and each of them stands alone as `folder/file`."""
    home = Path(str(files("engine"))) / "segments" / "library"
    found: dict[str, list[Path]] = {}
    for file in sorted(home.rglob("*.toml")):
        parts = file.relative_to(home).with_suffix("").parts
        for end in range(1, len(parts) + 1):
            found.setdefault("/".join(parts[:end]), []).append(file)
    return found


def _merge(values: dict[str, Any], recipes: dict[str, Any], places: dict[Keys, str], library: Document) -> None:
    """Add a library's definitions; a name that means something else already needs `override = true` in the client's file."""
    for section, items in library.values.items():
        if section not in _SHARED:
            hint = f"a library holds {', '.join(_SHARED)}"
            raise ConfigError(f"'{section}' cannot stand in a library", place=library.place((section,)), hint=hint)
        into = recipes if section == "recipes" else values.setdefault(section, {})
        for name, item in items.items():
            ours = into.get(name)
            if ours is None:
                into[name] = item
                places |= {
                    keys: f"{library.file}:{line}"
                    for keys, line in library.lines.items()
                    if keys[:2] == (section, name)
                }
            elif ours != item and not (isinstance(ours, dict) and ours.get("override") is True):
                there = places.get((section, name), "")
                hint = f"it stands at {there} too; write override = true there to replace the library's"
                raise ConfigError(f"{section}.{name} is defined twice", place=library.place((section, name)), hint=hint)


def _fill(
    values: Mapping[str, Any],
    places: Mapping[Keys, str],
    path: Path,
    environment: Mapping[str, str],
    mistakes: list[str],
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The values with every `${NAME}` replaced; literal secrets and missing names are mistakes, those of destinations apart."""
    unset: dict[str, list[str]] = {}
    folder = values.get("secrets", {}).get("folder") if isinstance(values.get("secrets"), dict) else None
    shelf = path.parent / folder if isinstance(folder, str) else None

    def secret(name: str) -> str | None:
        if name in environment:
            return environment[name]
        file = shelf / name if shelf else None
        return file.read_text("utf-8").strip() if file and file.is_file() else None

    def filled(value: object, keys: Keys) -> object:
        if isinstance(value, dict):
            return {name: filled(item, (*keys, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [filled(item, (*keys, index)) for index, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        place = place_of(places, keys, str(path))
        if (told := _literal_secret(keys, value)) is not None:
            mistakes.append(f"{place}: {dotted(keys)} holds {told} in the environment")
            return value
        for name in _REFERENCE.findall(value):
            found = secret(name)
            if found is None:
                or_file = f", nor is there a file {shelf / name}" if shelf else ""
                told = f"needs the environment variable {name}, which is not set{or_file}"
                into = unset.setdefault(str(keys[1]), []) if keys[0] == "destinations" else mistakes
                into.append(f"{place}: {dotted(keys)} {told}")
            value = value.replace(f"${{{name}}}", found or "")
        return value

    return {name: filled(item, (name,)) for name, item in values.items()}, unset


def _literal_secret(keys: Keys, value: str) -> str | None:
    """What is wrong with a value that is a secret itself; None for any other."""
    if keys[-1] == "url" and _PASSWORD.search(value):
        return "a password; write ${NAME} in its place and set NAME"
    if keys[0] in {"destinations", "shop"} and _SECRET.search(str(keys[-1])) and not _REFERENCE.fullmatch(value):
        variable = f"{keys[-2]}_{keys[-1]}".upper()
        return f'a secret; write "${{{variable}}}" and set {variable}'
    return None


def _settings(values: dict[str, Any], places: Mapping[Keys, str], file: str, mistakes: list[str]) -> Settings:
    """The typed settings, their references looked up; where there are mistakes, those of what is left without the wrong parts."""
    wrong: list[Keys] = []
    try:
        settings = Settings(**values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        mistakes += [f"{place_of(places, detail['loc'], file)}: {said(detail)}" for detail in details]
        wrong = [_entry(detail["loc"], values) for detail in details]
    if wrong:
        try:
            settings = Settings(**_without(values, wrong))
        except ValidationError:  # the client itself has no name, for one
            refuse(sorted(mistakes, key=sort_key))
            raise AssertionError from None  # refuse raised
    mistakes += contradictions(settings, places, file, {keys[-1] for keys in wrong})
    return settings


def _entry(loc: tuple[str | int, ...], values: Mapping[str, Any]) -> Keys:
    """The definition that a mistake is in: `segments.loyal`, or a whole section."""
    return loc[:2] if len(loc) > 1 and isinstance(values.get(str(loc[0])), dict) and loc[0] in _NAMED else loc[:1]


def _without(values: Mapping[str, Any], wrong: list[Keys]) -> dict[str, Any]:
    """The values without these definitions."""
    left = {name: dict(item) if isinstance(item, dict) else item for name, item in values.items()}
    for keys in wrong:
        if len(keys) == 1:
            left.pop(str(keys[0]), None)
        elif str(keys[0]) in left:
            left[str(keys[0])].pop(keys[1], None)
    return left


def _hash(values: Mapping[str, Any], recipes: Mapping[str, Any]) -> str:
    """SHA-256 of what the files say (secrets only as references), the same for the same meaning."""
    text = json.dumps([values, recipes], sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
