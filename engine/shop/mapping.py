"""`[shop.mapping]`: which file and which columns stand for the neutral ones.

[shop.mapping]
like = "shopify"                      # start from a shipped mapping (mappings/*.toml); or: mapping = "shopify"
[shop.mapping.customers]
file = "clients.csv"                  # default: the table's name with a known suffix
columns = { customer_id = "id_client", email = "Courriel" }
values = { consent_email = { oui = "subscribed", non = "unsubscribed" } }
dates = ["%d/%m/%Y %H:%M", "%d/%m/%Y"]  # strptime formats, tried in order; ISO 8601 without it
decimal = ","
only = "Total"                        # rows where this column is empty belong to another table of the same file
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from typing import Any

from engine.errors import ConfigError
from engine.shop.schema import TABLES, Table, hint_for


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMapping:
    """How one neutral table is found in the shop's own files; `columns` and `values` are by neutral column."""

    file: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dates: tuple[str, ...] = ()
    decimal: str | None = None
    only: str | None = None


_TYPES = {"file": str, "columns": Mapping, "values": Mapping, "dates": list, "decimal": str, "only": str}


def read_mapping(data: str | Mapping[str, Any], tables: Mapping[str, Table] = TABLES) -> dict[str, TableMapping]:
    """Check a mapping as TOML gives it (or the name of a shipped one); ConfigError names what is unknown."""
    given = {"like": data} if isinstance(data, str) else dict(data)
    like = given.pop("like", None)
    found = {} if like is None else read_mapping(_shipped(str(like)), tables)
    for table, keys in given.items():
        place = f"shop.mapping.{table}"
        if table not in tables:
            raise ConfigError(f"unknown table {table!r}", place="shop.mapping", hint=hint_for(table, tables))
        if not isinstance(keys, Mapping):
            raise ConfigError("a table of keys is expected", place=place, hint=f"keys: {', '.join(_TYPES)}")
        found[table] = replace(found.get(table, TableMapping()), **_checked(keys, tables[table], place))
    return found


def shipped() -> list[str]:
    """Names of the mappings that come with the package."""
    folder = resources.files("engine.shop") / "mappings"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def _shipped(name: str) -> dict[str, Any]:
    if name not in shipped():
        raise ConfigError(f"no mapping is called {name!r}", place="shop.mapping", hint=hint_for(name, shipped()))
    return tomllib.loads((resources.files("engine.shop") / "mappings" / f"{name}.toml").read_text("utf-8"))


def _checked(keys: Mapping[str, Any], table: Table, place: str) -> dict[str, Any]:
    for key, value in keys.items():
        if key not in _TYPES:
            raise ConfigError(f"unknown key {key!r}", place=place, hint=hint_for(key, _TYPES))
        if not isinstance(value, _TYPES[key]):
            raise ConfigError(f"{key} must be a {_TYPES[key].__name__.lower()}", place=place)
    for column in (*keys.get("columns", ()), *keys.get("values", ())):
        if column not in table.columns and column != "email":
            raise ConfigError(f"unknown column {column!r}", place=place, hint=hint_for(column, table.columns))
    return {key.name: _frozen(keys[key.name]) for key in fields(TableMapping) if key.name in keys}


def _frozen(value: Any) -> Any:  # noqa: ANN401 - one TOML value
    return tuple(value) if isinstance(value, list) else value
