"""A plan written as documents: the form follows from the file's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError
from engine.show.html import html
from engine.show.markdown import markdown
from engine.show.planning import page

if TYPE_CHECKING:
    from datetime import tzinfo

    from engine.results import Planned
    from engine.show.blocks import Page

__all__ = ["check_documents", "write_documents"]

_FORMS: Mapping[str, Callable[[Page], str]] = {".md": markdown, ".html": html}


def check_documents(files: Sequence[Path]) -> None:
    """Refuse a name whose form nobody knows, before any work is done. Raises ConfigError."""
    for file in files:
        if file.suffix.lower() not in _FORMS:
            message = f"a document ends in {' or '.join(_FORMS)}, and this is {file.name}"
            raise ConfigError(message, place="--document", hint="--json prints the plan as JSON")


def write_documents(result: Planned, files: Sequence[Path], lang: str, zone: tzinfo) -> Planned:
    """Write the plan into each of these files, whole or not at all. Raises ConfigError for one that cannot be written."""
    check_documents(files)
    if files:
        shown = page(result, lang, zone)
        for file in files:
            _write(file, _FORMS[file.suffix.lower()](shown))
    return replace(result, documents=tuple(files))


def _write(file: Path, text: str) -> None:
    draft = file.with_name(f"{file.name}.draft")
    try:
        draft.write_text(text, "utf-8")
        draft.replace(file)
    except OSError as error:
        raise ConfigError(
            f"cannot write {file}: {error.strerror}", place="--document", hint="does its folder exist?"
        ) from None
