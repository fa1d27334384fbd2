"""Tree ⇄ JSON: the same language for an editor with fields and lists instead of text.

A node is `{"is": "Compare", "op": ">=", …}` with its fields by name; what is at its default is left out. A document
that comes from elsewhere is checked for its shape here, and for its meaning by `parse_test(to_text(node), …)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeAlias, cast

from engine.errors import DefinitionError, nearest
from engine.language import tree
from engine.language.tree import Node, Type, Unit

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

NODES: dict[str, type[Any]] = {
    name: found for name in tree.__all__ if hasattr(found := getattr(tree, name), "__dataclass_fields__")
}


def to_document(node: object) -> dict[str, Json]:
    """The node as JSON values: decimals and dates are texts."""
    document: dict[str, Json] = {"is": type(node).__name__}
    for field in fields_of(type(node)):
        value = getattr(node, field.name)
        if field.default is MISSING or value != field.default:
            document[field.name] = _encode(value)
    return document


def from_document(document: object) -> Node:
    """The node that JSON values spell. Raises DefinitionError where they are no node."""
    return cast("Node", _decode_node(document))


def fields_of(kind: type[Any]) -> list[Field[Any]]:
    """The fields of a node that a document holds: all but its place in the text."""
    return [field for field in fields(kind) if field.name != "at"]


def _encode(value: object) -> Json:
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | str):
        return str(value)
    return to_document(value)


def _decode_node(document: object) -> object:
    if not isinstance(document, Mapping) or not isinstance(document.get("is"), str):
        raise DefinitionError("a node is a table with 'is'", hint='for example {"is": "Reachable", "channel": "email"}')
    name = document["is"]
    kind = NODES.get(name)
    if kind is None:
        near = nearest(name, NODES)
        raise DefinitionError(f"there is no node '{name}'", hint=f"did you mean '{near}'?" if near else None)
    known = {field.name: field for field in fields_of(kind)}
    strange = [key for key in document if key != "is" and key not in known]
    missing = [key for key, field in known.items() if field.default is MISSING and key not in document]
    if strange or missing:
        what = f"has no '{strange[0]}'" if strange else f"needs '{missing[0]}'"
        raise DefinitionError(f"the node {name} {what}", hint=f"fields: {', '.join(known)}")
    given = {key: _decode(field, document[key], name) for key, field in known.items() if key in document}
    return kind(**given)


def _decode(field: Field[Any], value: object, owner: str) -> object:
    """A field's value: how is read from its annotation."""
    wanted, optional = str(field.type).removesuffix(" | None"), str(field.type).endswith(" | None")
    if value is None and optional:
        return None
    try:
        if wanted.startswith("tuple["):
            items = value if isinstance(value, list) else []
            inner = _SCALARS.get(wanted.removeprefix("tuple[").removesuffix(", ...]"), _decode_node)
            return tuple(inner(item) for item in items)
        return _SCALARS.get(wanted, _decode_node)(value)
    except (ValueError, TypeError, InvalidOperation):
        raise DefinitionError(f"'{field.name}' of {owner} is not {wanted}: {value!r:.60}") from None


def _exactly(kind: type[Any]) -> Callable[[object], object]:
    def read(value: object) -> object:
        if type(value) is not kind:
            raise TypeError(value)
        return value

    return read


def _from_text(read: Callable[[str], object]) -> Callable[[object], object]:
    def convert(value: object) -> object:
        if not isinstance(value, str):
            raise TypeError(value)
        return read(value)

    return convert


def _enum(kind: type[StrEnum]) -> Callable[[object], object]:
    return _from_text(kind)


_SCALARS: dict[str, Callable[[object], object]] = {
    "bool": _exactly(bool),
    "int": _exactly(int),
    "str": _exactly(str),
    "Decimal": _from_text(Decimal),
    "date": _from_text(date.fromisoformat),
    "datetime": _from_text(datetime.fromisoformat),
    "Unit": _enum(Unit),
    "Type": _enum(Type),
}
