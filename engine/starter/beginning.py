"""ciblage.toml and .gitignore written into a folder, once they were read as every command will read them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from engine.errors import ConfigError
from engine.starter.tables import FoundTable, find_export, find_tables
from engine.starter.wishes import Ask, Wishes, asked, data_folder
from engine.starter.writing import Shop, destination, examples, head, shop_of_database, shop_of_export, shop_of_files

if TYPE_CHECKING:
    from engine.config import Config

__all__ = ["Begun", "begin"]

_CONFIG, _IGNORED = "ciblage.toml", ("state/", "secrets/")
_MONTH_FIRST = "USD"  # whose dates begin with the month


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What was written, what was found, what somebody must still look at, and what to type next."""

    folder: Path
    files: Sequence[Path]
    tables: Sequence[FoundTable]
    ignored: Sequence[str]
    notes: Sequence[str]
    next: Sequence[str]


def begin(folder: Path, wishes: Wishes, ask: Ask | None = None) -> Begun:
    """Write ciblage.toml and .gitignore into a folder. `ask(question, default)` is there on a terminal only.

    Raises ConfigError: where a config stands already, or what was said cannot be; then nothing is written.
    """
    target = folder / _CONFIG
    if target.exists():
        raise ConfigError(f"{target} is there already", place=str(target), hint="nothing is written over: edit it")
    wishes = asked(folder, wishes, ask)
    shop = _shop(folder, wishes)
    there, secrets = destination(wishes, ask)
    lines = [*head(wishes), *shop.lines, *examples(shop), *there, ""]
    text = _checked("\n".join(lines), secrets)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}", place=str(folder)) from None
    written, notes = [target], list(shop.notes)
    ignore = folder / ".gitignore"
    if ignore.exists():
        lacking = [line for line in _IGNORED if line not in ignore.read_text("utf-8").split()]
        notes += [f"{ignore} was there and is left as it is: add {line}" for line in lacking]
    else:
        ignore.write_text("".join(f"{line}\n" for line in _IGNORED), "utf-8")
        written.append(ignore)
    return Begun(
        folder=folder, files=written, tables=shop.tables, ignored=shop.ignored, notes=notes,
        next=_next(target, secrets),
    )  # fmt: skip


def _shop(folder: Path, wishes: Wishes) -> Shop:
    if wishes.url is not None:
        return shop_of_database(wishes.url)
    data = wishes.data or data_folder(folder)
    place = folder / data
    if not place.is_dir():
        raise ConfigError(
            f"there is no folder {place}", place="--data", hint="the shop's files: customers.csv, orders.csv …"
        )
    if (like := find_export(place)) is not None:
        return shop_of_export(data, like)
    tables, ignored = find_tables(place, is_month_first=wishes.currency == _MONTH_FIRST)
    return shop_of_files(data, place, tables, ignored)


def _next(config: Path, secrets: Sequence[str]) -> list[str]:
    folder = config.parent
    keys = [f"mkdir -p {folder / 'secrets'} && ${{EDITOR:-nano}} {folder / 'secrets' / name}" for name in secrets]
    return [*keys, *(f"ciblage {command} --config {config}" for command in ("check", "segments", "plan"))]


def _checked(text: str, secrets: Sequence[str]) -> str:
    """The text, once it was read as every command will read it. Raises ConfigError."""
    with TemporaryDirectory() as away:
        file = Path(away) / _CONFIG
        file.write_text(text, "utf-8")
        try:
            _read(file, secrets)
        except ConfigError as error:
            where = (error.place or _CONFIG).replace(str(file), _CONFIG)
            raise ConfigError(str(error).replace(str(file), _CONFIG), place=where, hint=error.hint) from None
    return text


def _read(file: Path, secrets: Sequence[str]) -> Config:
    from engine.config import load

    named = re.findall(r"\$\{(\w+)\}", file.read_text("utf-8"))
    return load(file, dict.fromkeys([*secrets, *named], "x"))
