"""A TOML file with the place of each key: what errors point at."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tree_sitter import Node

__all__ = ["Document", "Keys", "read"]

Keys = tuple[str | int, ...]
"""The keys from the top of a document to a value: `("segments", "loyal", "where")`."""

_TABLES = {"table", "table_array_element"}
_KEYS = {"bare_key", "quoted_key", "dotted_key"}


@dataclass(frozen=True, slots=True)
class Document:
    """The values of one file, and the line (from 1) of each key in it."""

    file: str
    values: Mapping[str, Any]
    lines: Mapping[Keys, int]

    def place(self, path: Keys) -> str:
        """`file:line` of the key, or of the nearest key above it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return f"{self.file}:{self.lines[path[:end]]}"
        return self.file


def read(path: Path) -> Document:
    """The document in a file. Raises ConfigError when it is missing, not UTF-8, or not TOML (with the line)."""
    try:
        source = path.read_bytes()
    except FileNotFoundError:
        hint = "name it with --config FILE; `ciblage init` writes a first one"
        raise ConfigError(f"there is no config file {path}", place=str(path), hint=hint) from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", place=str(path)) from None
    return parse(source, str(path))


def parse(source: bytes, file: str) -> Document:
    """The document in these bytes. Raises ConfigError as `read` does."""
    try:
        text = source.decode("utf-8")
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        raise ConfigError("the file is not UTF-8", place=f"{file}:{line}", hint="save it as UTF-8") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}", place=f"{file}:{_line(str(error), text)}") from None
    return Document(file, values, dict(_lines(source)))


def _line(message: str, text: str) -> int:
    """The line that tomllib names at the end of its message; the last one where it names the end."""
    words = message.partition("(at line ")[2]
    digits = words.split(",")[0]
    return int(digits) if digits.isdigit() else max(1, len(text.splitlines()))


def _lines(source: bytes) -> Iterator[tuple[Keys, int]]:
    import tree_sitter
    import tree_sitter_toml

    language = tree_sitter.Language(tree_sitter_toml.language())
    root = tree_sitter.Parser(language).parse(source).root_node
    arrays: dict[Keys, int] = {}
    yield from _pairs(root, ())
    for table in root.children:
        if table.type not in _TABLES:
            continue
        path = _key(next(child for child in table.children if child.type in _KEYS))
        if table.type == "table_array_element":
            arrays[path] = arrays.get(path, -1) + 1
            path = (*path, arrays[path])
        for end in range(1, len(path) + 1):
            yield path[:end], table.start_point.row + 1
        yield from _pairs(table, path)


def _pairs(node: Node, above: Keys) -> Iterator[tuple[Keys, int]]:
    for pair in node.children:
        if pair.type != "pair":
            continue
        path = above + _key(pair.children[0])
        for end in range(len(above) + 1, len(path) + 1):
            yield path[:end], pair.start_point.row + 1
        value = pair.children[-1]
        if value.type == "inline_table":
            yield from _pairs(value, path)
        elif value.type == "array":
            yield from _items(value, path)


def _items(array: Node, above: Keys) -> Iterator[tuple[Keys, int]]:
    items = [child for child in array.named_children if child.type != "comment"]
    for index, item in enumerate(items):
        yield (*above, index), item.start_point.row + 1
        if item.type == "inline_table":
            yield from _pairs(item, (*above, index))


def _key(node: Node) -> Keys:
    if node.type == "dotted_key":
        return tuple(part for child in node.children if child.type in _KEYS for part in _key(child))
    text = (node.text or b"").decode()
    return (next(iter(tomllib.loads(f"{text} = 0"))),)
