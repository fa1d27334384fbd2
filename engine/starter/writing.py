"""The lines of a first config: who, the shop, segments to begin with, one destination."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import TYPE_CHECKING

from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.starter.tables import FoundTable
    from engine.starter.wishes import Ask, Wishes

__all__ = ["Shop", "destination", "examples", "head", "shop_of_database", "shop_of_export", "shop_of_files"]


@dataclass(frozen=True, slots=True)
class Shop:
    """The lines of [shop] and what they stand on; `notes`: what somebody must still look at."""

    lines: Sequence[str]
    tables: Sequence[FoundTable] = ()
    ignored: Sequence[str] = ()
    notes: Sequence[str] = ()

    def has(self, table: str, column: str | None = None) -> bool:
        """Whether a table, or one of its columns, was found."""
        return any(one.table == table and (column is None or column in one.columns) for one in self.tables)


def head(wishes: Wishes) -> Iterator[str]:
    """Who the client is."""
    yield '# Secrets only by reference: "${NAME}" is the environment variable NAME, or the file NAME in the secrets folder.'
    yield f"client = {_toml(wishes.client)}"
    yield f"timezone = {_toml(wishes.timezone)}   # decides days"
    yield f"currency = {_toml(wishes.currency)}   # rows in another currency are set aside"
    yield f"lang = {_toml(wishes.lang)}   # what marketers read: en or fr"
    yield 'secrets = { folder = "secrets" }'
    yield 'consent_basis = ["consent"]   # who may be written to; besides: "existing_customer", "b2b"'
    yield ""


def shop_of_database(url: str) -> Shop:
    """Tables of a database."""
    lines = ["[shop]", 'kind = "sql"   # tables of a database', f"url = {_toml(url)}", '# schema = "public"', ""]
    note = "tables and columns have our names there, or [shop.mapping] says which: see docs/data.md"
    return Shop(lines, notes=[note])


def shop_of_export(data: str, like: str) -> Shop:
    """Files as a shop system exports them."""
    return Shop([*_files(data), f"mapping = {_toml(like)}   # the shop's own export", ""])


def shop_of_files(data: str, place: object, tables: Sequence[FoundTable], ignored: Sequence[str]) -> Shop:
    """Files of the client's own."""
    notes = [note for one in tables for note in _notes(one)]
    if not any(one.table == "customers" for one in tables):
        notes.insert(0, f"no file in {place} looks like the customers: [shop.mapping.customers] file = … names it")
    return Shop([*_files(data), "", *(line for one in tables for line in _mapping(one))], tables, ignored, notes)


def _files(data: str) -> list[str]:
    return ["[shop]", 'kind = "files"   # one file a table: CSV, Parquet or JSON lines', f"path = {_toml(data)}"]


def _notes(one: FoundTable) -> Iterator[str]:
    if one.missing:
        yield f"{one.file}: no column found for {', '.join(one.missing)}; name it in [shop.mapping.{one.table}]"
    for word in one.unknown:
        yield f"{one.file}: nobody knows what “{word}” says of consent; those rows are set aside"
    for column in one.ambiguous:
        yield f"{one.file}: {column} was taken for {one.dates[0]}, and could have day and month the other way round"
    for column, value in one.unread.items():
        yield f'{one.file}: {column} is no date that is known ({value}): dates = ["…"] in [shop.mapping.{one.table}]'


def _mapping(one: FoundTable) -> Iterator[str]:
    renamed = {ours: theirs for ours, theirs in one.columns.items() if ours != theirs.strip().casefold()}
    if not (one.is_renamed or renamed or one.values or one.missing or one.dates):
        return
    yield f"[shop.mapping.{one.table}]   # ours = theirs"
    if one.is_renamed:
        yield f"file = {_toml(one.file)}"
    yield from (f"# {column} is missing: add it to columns" for column in one.missing)
    if renamed:
        yield f"columns = {_table(renamed)}"
    if one.values:
        yield f"values = {{ {', '.join(f'{name} = {_table(said)}' for name, said in one.values.items())} }}"
    if one.dates:
        yield f"dates = {_toml(list(one.dates))}   # how they are written, tried in order"
    yield ""


def examples(shop: Shop) -> Iterator[str]:
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


def destination(wishes: Wishes, ask: Ask | None) -> tuple[list[str], list[str]]:
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


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML string


def _table(pairs: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{_key(key)} = {_toml(value)}" for key, value in pairs.items()) + " }"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)
