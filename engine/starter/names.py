"""What shops call our tables and columns: `names.toml`, and what makes two names the same."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["called", "names", "plain", "roughly"]

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOISE = re.compile(r"_(?:data|exports?|lists?|tables?|all|full|profiles?|csv|v?[0-9]+)$")


@cache
def names() -> Mapping[str, Any]:
    """Other names of tables, of columns by table, and the words of a consent column by what they mean."""
    return tomllib.loads((files("engine.starter") / "names.toml").read_text("utf-8"))


def plain(name: str) -> str:
    """Small letters without accents, everything else as _: `N° Client` and `NClient` are n_client."""
    bare = unicodedata.normalize("NFKD", _HUMP.sub("_", name)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", bare).strip("_")


def called(stem: str, known: Mapping[str, object]) -> str | None:
    """Our table of that name."""
    name = plain(stem)
    if name in known:
        return name
    return next((table for table, others in names()["tables"].items() if name in others), None)


def roughly(stem: str, known: Mapping[str, object]) -> str | None:
    """Our table whose name is at the end of this one: `Acme_Customers_2026`, `shop_order_data`."""
    name = plain(stem)
    while (bare := _NOISE.sub("", name)) != name:
        name = bare
    words = name.split("_")
    found = (called("_".join(words[start:]), known) for start in range(len(words)))
    return next((table for table in found if table is not None), None)
