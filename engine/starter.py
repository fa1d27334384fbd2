"""A client's first config: what its folder or its database holds, one destination, commented; nothing is ever written over."""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from inspect import Parameter, signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.config import Config

__all__ = ["Begun", "FoundTable", "Wishes", "begin"]

_CONFIG, _IGNORED = "ciblage.toml", ("state/", "secrets/")
_PEEK = 1000  # rows of consent looked at
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTable:
    """A file that stands for one of our tables; `columns`: ours → theirs; `missing`: must be there.

    `values`: what the words of a column mean, by column; `unknown`: words that nobody knows.
    """

    table: str
    file: str
    columns: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unknown: Sequence[str] = ()
    is_renamed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What was written, what was found, what somebody must still look at, and what to type next."""

    folder: Path
    files: Sequence[Path]
    tables: Sequence[FoundTable]
    ignored: Sequence[str]
    notes: Sequence[str]
    next: Sequence[str]


def begin(folder: Path, wishes: Wishes, ask: Callable[[str, str], str] | None = None) -> Begun:
    """Write ciblage.toml and .gitignore into a folder. `ask(question, default)` is there on a terminal only.

    Raises ConfigError: where a config stands already, or what was said cannot be; then nothing is written.
    """
    target = folder / _CONFIG
    if target.exists():
        raise ConfigError(f"{target} is there already", place=str(target), hint="nothing is written over: edit it")
    wishes = _asked(folder, wishes, ask)
    _check_client(str(wishes.client))
    shop, notes = _shop(folder, wishes)
    destination, secrets = _destination(wishes, ask)
    lines = [*_head(wishes), *shop.lines, *_examples(shop), *destination, ""]
    text = _checked("\n".join(lines), secrets)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}", place=str(folder)) from None
    written = [target]
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


def _asked(folder: Path, wishes: Wishes, ask: Callable[[str, str], str] | None) -> Wishes:
    """What was not said: asked for on a terminal, else the likeliest."""
    name = re.sub(r"[^a-z0-9]+", "-", _plain(folder.resolve().name).replace("_", "-")).strip("-") or "client"
    zone = wishes.timezone or ("Europe/Paris" if wishes.lang == "fr" else "UTC")
    found = replace(wishes, client=wishes.client or name, timezone=zone)
    if ask is None:
        return found
    asked: dict[str, Any] = {}
    if wishes.client is None:
        asked["client"] = ask("The client's name (small letters, digits and -)", name)
    if wishes.data is None and wishes.url is None:
        asked["data"] = ask("The folder with the shop's files", _data(folder))
    if wishes.timezone is None:
        asked["timezone"] = ask("The client's time zone", zone)
    if wishes.connector is None:
        asked["connector"] = _platform(ask)
    return replace(found, **asked)


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


def _head(wishes: Wishes) -> Iterator[str]:
    yield '# Secrets only by reference: "${NAME}" is the environment variable NAME, or the file NAME in the secrets folder.'
    yield f"client = {_toml(wishes.client)}"
    yield f"timezone = {_toml(wishes.timezone)}   # decides days"
    yield f"currency = {_toml(wishes.currency)}   # rows in another currency are set aside"
    yield f"lang = {_toml(wishes.lang)}   # what marketers read: en or fr"
    yield 'secrets = { folder = "secrets" }'
    yield 'consent_basis = ["consent"]   # who may be written to; besides: "existing_customer", "b2b"'
    yield ""


# the shop


@dataclass(frozen=True, slots=True)
class _Shop:
    lines: Sequence[str]
    tables: Sequence[FoundTable] = ()
    ignored: Sequence[str] = ()

    def has(self, table: str, column: str | None = None) -> bool:
        return any(one.table == table and (column is None or column in one.columns) for one in self.tables)


def _shop(folder: Path, wishes: Wishes) -> tuple[_Shop, list[str]]:
    if wishes.url is not None:
        lines = [
            "[shop]",
            'kind = "sql"   # tables of a database',
            f"url = {_toml(wishes.url)}",
            '# schema = "public"',
            "",
        ]
        return _Shop(lines), ["tables and columns have our names there, or [shop.mapping] says which: see docs/data.md"]
    data = wishes.data or _data(folder)
    place = folder / data
    if not place.is_dir():
        raise ConfigError(
            f"there is no folder {place}", place="--data", hint="the shop's files: customers.csv, orders.csv …"
        )
    like = _export(place)
    head = ["[shop]", 'kind = "files"   # one file a table: CSV, Parquet or JSON lines', f"path = {_toml(data)}"]
    if like is not None:
        return _Shop([*head, f"mapping = {_toml(like)}   # the shop's own export", ""]), []
    tables, ignored = _tables(place)
    notes = [
        f"{one.file}: no column found for {', '.join(one.missing)}; name it in [shop.mapping.{one.table}]"
        for one in tables if one.missing
    ]  # fmt: skip
    notes += [
        f"{one.file}: nobody knows what “{word}” says of consent; those rows are set aside"
        for one in tables for word in one.unknown
    ]  # fmt: skip
    if not any(one.table == "customers" for one in tables):
        notes.insert(0, f"no file in {place} looks like the customers: [shop.mapping.customers] file = … names it")
    return _Shop([*head, "", *(line for one in tables for line in _mapping(one))], tables, ignored), notes


def _data(folder: Path) -> str:
    """Where the files are likely to be."""
    inside = folder / "data"
    return "data" if inside.is_dir() or not any(folder.glob("*.csv")) else "."


def _export(place: Path) -> str | None:
    """The shipped mapping whose files are there."""
    from engine.shop.mapping import read_mapping, shipped

    for name in shipped():
        named = [one.file for one in read_mapping(name).values() if one.file]
        if named and all((place / file).is_file() for file in named):
            return name
    return None


def _tables(place: Path) -> tuple[list[FoundTable], list[str]]:
    from engine.shop.files import SUFFIXES
    from engine.shop.schema import TABLES

    found: dict[str, FoundTable] = {}
    ignored = []
    exact_first = sorted(
        (path for path in place.iterdir() if path.suffix in SUFFIXES),
        key=lambda path: (path.stem not in TABLES, path.name),
    )
    for path in exact_first:
        table = _called(path.stem, _names()["tables"], TABLES)
        if table is None or table in found:
            ignored.append(path.name)
        else:
            found[table] = _look(path, table)
    return [found[name] for name in TABLES if name in found], ignored


def _look(path: Path, table: str) -> FoundTable:
    from engine.shop.schema import TABLES

    there = _header(path)
    known = {name.strip().casefold() for name in there}
    columns = TABLES[table].columns
    aliases = _names().get(table, {})
    given: dict[str, str] = {}
    free = [name for name in there if name.strip().casefold() not in columns]
    for column in columns:
        if column in known:
            given[column] = column
            continue
        wanted = aliases.get(column, ())
        match = next((name for alias in wanted for name in free if _plain(name) == alias), None)
        if match is None:
            match = next((name for name in free if _plain(name) == column), None)
        if match is not None:
            given[column] = match
            free.remove(match)
    missing = [name for name, column in columns.items() if (column.required or column.blank) and name not in given]
    is_told = "consent_email" in given and path.suffix == ".csv"
    said, unknown = _answers(path, given["consent_email"]) if is_told else ({}, [])
    return FoundTable(
        table=table, file=path.name, columns=given, missing=missing, values={"consent_email": said} if said else {}, unknown=unknown,
        is_renamed=path.stem != table,
    )  # fmt: skip


def _header(path: Path) -> Sequence[str]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return list(pq.read_schema(path).names)
    if path.suffix in {".csv", ".tsv"}:
        from engine.shop.delimited import read_layout

        return read_layout(path).header
    with path.open(encoding="utf-8") as lines:
        first: dict[str, Any] = json.loads(lines.readline() or "{}")
    return list(first)


def _answers(path: Path, column: str) -> tuple[dict[str, str], list[str]]:
    """What a consent column's own words mean, and those that nobody knows: their rows are set aside."""
    from itertools import islice

    from engine.shop.delimited import read_layout, records
    from engine.shop.schema import CONSENT

    layout = read_layout(path)
    place = next(at for at, name in enumerate(layout.header) if name.casefold() == column.casefold())
    rows = islice(records(path, layout.mark), 1, _PEEK)
    said = sorted({row.fields[place].strip() for row in rows if len(row.fields) > place} - {""})
    meant = {word: state for state, words in _names()["yes"].items() for word in words}
    found = {word: meant[_plain(word)] for word in said if _plain(word) in meant}
    unknown = [word for word in said if word not in found and word.lower() not in CONSENT]
    return {word: state for word, state in found.items() if word != state}, unknown


def _mapping(one: FoundTable) -> Iterator[str]:
    renamed = {ours: theirs for ours, theirs in one.columns.items() if ours != theirs.strip().casefold()}
    if not (one.is_renamed or renamed or one.values or one.missing):
        return
    yield f"[shop.mapping.{one.table}]   # ours = theirs"
    if one.is_renamed:
        yield f"file = {_toml(one.file)}"
    yield from (f"# {column} is missing: add it to columns" for column in one.missing)
    if renamed:
        yield f"columns = {_table(renamed)}"
    if one.values:
        yield f"values = {{ {', '.join(f'{name} = {_table(said)}' for name, said in one.values.items())} }}"
    yield ""


# what to begin with


def _examples(shop: _Shop) -> Iterator[str]:
    """Segments that the tables found allow."""
    has_orders = shop.has("orders")
    yield "[segments]   # a name and who belongs to it (docs/language.md); ciblage segments shows them"
    yield 'contactable = "reachable(email)"'
    if has_orders:
        yield 'regulars = "count(orders, last 12 months) >= 3"'
        yield 'asleep = "count(orders) > 0 and never(orders, last 6 months)"'
    yield ""
    if shop.has("customers", "first_name"):
        yield "[merge_tags]   # what destinations are told of each person"
        yield 'first_name = { trait = "first_name" }'
        yield ""


def _destination(wishes: Wishes, ask: Callable[[str, str], str] | None) -> tuple[list[str], list[str]]:
    """The destination's lines, and the names of the secrets that they refer to."""
    if wishes.connector is None:
        lines = ["# [destinations.newsletter]   # ciblage init --connector NAME would have written it; ciblage connectors lists them",
                 '# connector = "…"', '# api_key = "${…_API_KEY}"', '# segments = ["contactable"]']  # fmt: skip
        return lines, []
    from connectors import registry
    from connectors.errors import SettingsError

    try:
        known = signature(registry.load(wishes.connector).spec.settings).parameters
    except SettingsError as error:
        raise ConfigError(str(error), place="--connector") from None
    given = _given(wishes.options, known)
    lacking = [key for key, one in known.items() if one.default is Parameter.empty and key not in {*given, "api_key"}]
    if lacking and ask is not None:
        given |= {key: ask(f"{wishes.connector}: its {key}", "") for key in lacking}
    elif lacking:
        hint = " ".join(f"--set {key}=…" for key in lacking)
        raise ConfigError(f"{wishes.connector} needs {', '.join(lacking)} too", place="--set", hint=hint)
    secret = f"{wishes.connector.upper()}_API_KEY"
    lines = [
        f"[destinations.{wishes.destination}]",
        f"connector = {_toml(wishes.connector)}",
        f'api_key = "${{{secret}}}"',
    ]
    lines += [f"{key} = {_toml(value)}" for key, value in given.items()]
    return [*lines, 'segments = ["contactable"]   # each becomes a list there'], [secret]


def _given(options: Sequence[str], known: Mapping[str, Parameter]) -> dict[str, str]:
    from engine.errors import check_name

    found = {}
    for option in options:
        key, mark, value = option.partition("=")
        if not mark or key == "api_key":
            hint = "the key itself belongs into the secrets folder" if key == "api_key" else "write KEY=VALUE"
            raise ConfigError(f"'{option if key != 'api_key' else key}' cannot be set", place="--set", hint=hint)
        check_name(key, known, flag="--set")
        found[key] = value
    return found


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


@cache
def _names() -> Mapping[str, Any]:
    return tomllib.loads((files("engine") / "starter.toml").read_text("utf-8"))


def _called(stem: str, aliases: Mapping[str, Sequence[str]], known: Mapping[str, object]) -> str | None:
    name = _plain(stem)
    if name in known:
        return name
    return next((table for table, others in aliases.items() if name in others), None)


def _plain(name: str) -> str:
    """Small letters without accents, everything else as _: `N° Client` is n_client."""
    bare = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", bare).strip("_")


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML string


def _table(pairs: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{_key(key)} = {_toml(value)}" for key, value in pairs.items()) + " }"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)
