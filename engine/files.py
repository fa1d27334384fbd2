"""Files of ours: for their owner alone, written whole or not at all, and on the disk before anything relies on them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["half", "whole"]


def half(path: Path) -> Path:
    """What a file is called until it is whole; what a crash left under this name is written over."""
    return path.with_name(f".{path.name}.half")


@contextmanager
def whole(path: Path, *, is_text: bool = False) -> Iterator[IO[Any]]:
    """Open what becomes `path` (0600; text is UTF-8 with line ends as given) when the block ends well. Raises OSError."""
    mode, encoding, newline = ("w", "utf-8", "") if is_text else ("wb", None, None)
    number = os.open(half(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, mode, encoding=encoding, newline=newline) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    half(path).replace(path)
    _keep_names(path.parent)


def _keep_names(folder: Path) -> None:
    """The new name is on the disk, too: a machine that loses its power does not forget the rename."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
