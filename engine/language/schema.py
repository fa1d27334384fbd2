"""The JSON Schema of the tree as JSON (`document`): what an editor with fields and lists may send."""

from __future__ import annotations

import re
from dataclasses import MISSING
from typing import Any, TypeAlias, get_args

from engine.language import tree
from engine.language.document import NODES, Json, fields_of
from engine.language.syntax import AGGREGATES
from engine.language.tree import Type, Unit

Schema: TypeAlias = "dict[str, Json]"

_GROUPS: dict[str, object] = {
    "Test": tree.Test, "Value": tree.Value, "Window": tree.Window, "Point": tree.Point,
}  # fmt: skip
_SCALARS: dict[str, Schema] = {
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "str": {"type": "string"},
    "Decimal": {"type": "string", "pattern": r"^-?\d+(\.\d+)?([Ee][+-]?\d+)?$"},
    "date": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
    "datetime": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}"},
    "Unit": {"enum": [unit.value for unit in Unit]},
    "Type": {"enum": [kind.value for kind in Type]},
}
_CHOICES: dict[tuple[str, str], list[Json]] = {
    ("Compare", "op"): ["=", "!=", "<", "<=", ">", ">="],
    ("Arithmetic", "op"): ["+", "-", "*", "/"],
    ("Aggregate", "fn"): list(AGGREGATES),
    ("TextTest", "how"): ["contains", "starts", "ends"],
    ("Has", "how"): ["any", "all", "none"],
    ("Rank", "parts"): [5, 10, 100],
    ("CalendarPart", "part"): ["hour", "weekday", "month"],
}
_ONE_LINE = re.compile(r"\s+")


def tree_schema() -> Schema:
    """The schema of a segment's test or a trait's value: one definition a node, told apart by `is`."""
    groups: Schema = {
        name: {"anyOf": [_reference(kind) for kind in _members(group)]} for name, group in _GROUPS.items()
    }
    nodes: Schema = {name: _node(name, kind) for name, kind in NODES.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A definition of the segment language",
        "description": "The tree of a segment's test or of a trait's value. What is at its default is left out.",
        "anyOf": [{"$ref": "#/$defs/Test"}, {"$ref": "#/$defs/Value"}],
        "$defs": {**groups, **nodes},
    }


def _members(group: object) -> list[str]:
    return sorted(kind.__name__ for kind in get_args(group))


def _node(name: str, kind: type[Any]) -> Schema:
    fields = fields_of(kind)
    properties: Schema = {field.name: _field(name, field.name, str(field.type)) for field in fields}
    needed: list[Json] = [field.name for field in fields if field.default is MISSING]
    return {
        "type": "object",
        "description": _ONE_LINE.sub(" ", (kind.__doc__ or "").strip()),
        "properties": {"is": {"const": name}, **properties},
        "required": ["is", *needed],
        "additionalProperties": False,
    }


def _field(owner: str, name: str, annotation: str) -> Json:
    if (owner, name) in _CHOICES:
        return {"enum": _CHOICES[owner, name]}
    parts = [_part(part.strip()) for part in _split(annotation)]
    return parts[0] if len(parts) == 1 else {"anyOf": parts}


def _split(annotation: str) -> list[str]:
    return annotation.split("|")


def _part(annotation: str) -> Json:
    if annotation == "None":
        return {"type": "null"}
    if annotation.startswith("tuple["):
        inner = annotation.removeprefix("tuple[").removesuffix(", ...]")
        return {"type": "array", "items": _part(inner)}
    return dict(_SCALARS[annotation]) if annotation in _SCALARS else _reference(annotation)


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
