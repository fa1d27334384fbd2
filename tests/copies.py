"""Emulated accounts as they are at a moment, to come back to."""

from __future__ import annotations

import copy
import gc
from collections.abc import Mapping
from types import FunctionType, MappingProxyType, ModuleType

from connectors.sandbox import Provider, World

__all__ = ["copied"]


def copied(providers: Mapping[str, Provider], old: World, new: World) -> dict[str, Provider]:
    """Deep copies in another world; read-only mappings are shared, since they cannot be copied."""
    memo: dict[int, object] = {id(old): new}
    seen: set[int] = set()
    waiting: list[object] = list(providers.values())
    while waiting:
        one = waiting.pop()
        if id(one) in seen or one is old or isinstance(one, (type, ModuleType, FunctionType)):
            continue
        seen.add(id(one))
        if isinstance(one, MappingProxyType):
            memo[id(one)] = one
        else:
            waiting += gc.get_referents(one)
    return copy.deepcopy(dict(providers), memo)
