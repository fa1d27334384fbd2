"""JSON Schemas (draft 2020-12) of what each command answers with `--json`, made from the types of its results.

`GOLDEN=write pytest tests/unit/test_answers.py` writes docs/schemas. A new command is one line in `COMMANDS`; a class that
says its JSON itself (`document()`) gives a TypedDict there as what it returns, or stands in `SAID`.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import types
import typing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from jsonschema import Draft202012Validator

from engine import errors
from engine.plan.effects import SideEffects

__all__ = ["COMMANDS", "FOLDER", "file_of", "misfits", "schema_of"]

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
ERROR = "error"

COMMANDS: Mapping[str, Sequence[str]] = {
    "check": ["engine.look:Checked"],
    "segments": ["engine.look:Segments", "engine.look:Statement"],
    "members": ["engine.look:Listed"],
    "traits": ["engine.look:Listed"],
    "explain": ["engine.look:Explained"],
    "init": ["engine.starter.beginning:Begun"],
    "status": ["engine.look:Status"],
    "report": ["engine.look.reporting:Report"],
    "history": ["engine.ownership.story:History", "engine.ownership.story:Told"],
    "undo": ["engine.upkeep:TakenBack", "engine.upkeep:GivenBack"],
    "drift": ["engine.upkeep:Drifted"],
    "adopt": ["engine.upkeep:Adopted"],
    "rejected": ["engine.look:Rejected", "engine.results:Retried"],
    "connectors": ["engine.look:Capabilities"],
    "connectors new": ["engine.scaffold:Scaffold"],
    "codes": ["engine.look:CodesByState"],
    "person": ["engine.look:Held"],
    "erase": ["engine.erasure:Erasure", "engine.erasure:Trace"],
    "codes refused": ["engine.look:RefusedCodes"],
    "codes export": ["engine.results:Exported"],
    "codes confirm": ["engine.offers:Confirmed"],
    "plan": ["engine.results:Planned"],
    "approve": ["engine.results:Approved"],
    "push": ["engine.results:Pushed"],
    "pull": ["engine.results:PulledAll"],
    "run": ["engine.results:Round"],
    "run --all": ["engine.fleet:Night"],
}
"""Every command that has `--json`, and what it may answer, as module:class."""


class OneOfMany(TypedDict):
    """How one client's run ended among those of a folder: its result, or its error, as the command alone says them."""

    client: str
    file: str
    exit_code: int
    seconds: float
    starts: int
    now: NotRequired[str | None]
    result: NotRequired[dict[str, Any] | None]
    error: NotRequired[dict[str, Any] | None]
    warnings: NotRequired[list[str]]


OWN = object()  # as the class's own annotation says
SAID: Mapping[str, Mapping[str, object]] = {
    "Planned": {
        "checksum": str, "file": OWN, "documents": OWN, "plan": OWN, "side_effects": SideEffects, "refusals": OWN,
        "unreachable": OWN, "warnings": OWN,
    },
    "Refusal": {"destination": str, "kind": str, "target": OWN, "message": str, "flag": str},
    "Night": {"folder": str, "exit_code": int, "clients": Sequence[OneOfMany]},
    "Result": {
        "destination": str, "applied": OWN, "noop": OWN, "rejected": Mapping[str, int], "pending": int, "withheld": OWN,
        "settled": OWN, "created": OWN, "calls": int, "error": str | None, "stopped": str | None,
    },
}  # fmt: skip
"""What `document()` of these classes gives. `PLAIN` ones give their fields, less some and more."""
PLAIN: Mapping[str, tuple[AbstractSet[str], Mapping[str, object]]] = {
    "Plan": ({"stored"}, {}),
    "TargetSummary": (set(), {"after": int}),
}


def file_of(command: str) -> Path:
    """Where the schema of a command stands."""
    return FOLDER / f"{command.replace('--', '').replace(' ', '-')}.json"


def schema_of(command: str) -> dict[str, Any]:
    """The schema of one command's document, or of `error`."""
    if command == ERROR:
        return _error()
    kinds = [_loaded(name) for name in COMMANDS[command]]
    defs: dict[str, Any] = {}
    found = [_top(kind, defs) for kind in kinds]
    return {
        "$schema": DRAFT,
        "title": f"ciblage {command} --json",
        **_object(
            {
                "command": {"const": command},
                "client": {"type": ["string", "null"]},
                "now": {"type": ["string", "null"], "format": "date-time"},
                "result": found[0] if len(found) == 1 else {"anyOf": found},
                "warnings": {"type": "array", "items": {"type": "string"}},
            }
        ),
        "$defs": dict(sorted(defs.items())),
    }


def _error() -> dict[str, Any]:
    kinds = {one.kind for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.EngineError)}
    text = {"type": ["string", "null"]}
    said = {
        "kind": {"enum": sorted({*kinds, "internal", "usage"})}, "message": {"type": "string"}, "place": text, "hint": text,
        "mistakes": {"type": "array", "items": {"type": "string"}},
    }  # fmt: skip
    body = _object(said, optional={"mistakes"})
    document = _object({"command": {"type": "string"}, "error": body}, optional={"command"})
    return {"$schema": DRAFT, "title": "ciblage … --json, when it fails", **document}


def misfits(text: str) -> list[str]:
    """Where a command's JSON says something else than its published schema; empty when it fits."""
    document = json.loads(text)
    name = ERROR if "error" in document else document["command"]
    if not file_of(name).exists():
        return [f"{name} has no schema: add it to COMMANDS of tests/answers.py, then GOLDEN=write its test"]
    found = _validator(name).iter_errors(document)
    return [f"{name}: {'.'.join(map(str, one.absolute_path))}: {one.message[:300]}" for one in _causes(found)]


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(file_of(name).read_text("utf-8")))


def _causes(found: Any) -> Iterator[Any]:
    """Behind "fits none of them" stands what does not fit."""
    for one in found:
        yield from _causes(one.context) if one.context else [one]


# types as schemas


def _loaded(name: str) -> type:
    module, _, attribute = name.partition(":")
    found: type = getattr(import_module(module), attribute)
    return found


def _top(kind: type, defs: dict[str, Any]) -> dict[str, Any]:
    """A result's own object: its warnings stand beside it in the document."""
    said = _schema(kind, defs)
    if "$ref" in said:
        body = defs[kind.__name__]
        body["properties"].pop("warnings", None)
        body["required"] = [name for name in body["required"] if name != "warnings"]
    return said


def _object(properties: Mapping[str, Any], optional: AbstractSet[str] = frozenset()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}


_SIMPLE: Mapping[Any, dict[str, Any]] = {
    Any: {}, object: {}, None: {"type": "null"}, type(None): {"type": "null"}, bool: {"type": "boolean"}, int: {"type": "integer"},
    float: {"type": "number"}, str: {"type": "string"}, Path: {"type": "string"},
    Decimal: {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?(E[+-]?[0-9]+)?$"},
    datetime: {"type": "string", "format": "date-time"}, date: {"type": "string", "format": "date"},
}  # fmt: skip


def _schema(kind: Any, defs: dict[str, Any]) -> dict[str, Any]:
    """A type as the JSON that `plain` makes of its values."""
    if kind in _SIMPLE:
        return dict(_SIMPLE[kind])
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is not None:
        return _generic(origin, inner, defs)
    if not isinstance(kind, type):
        raise TypeError(f"no schema of {kind!r}")
    if issubclass(kind, Enum):
        return {"enum": [one.value for one in kind]}
    if is_dataclass(kind) or hasattr(kind, "document") or typing.is_typeddict(kind):
        return _named(kind, defs)
    if issubclass(kind, (str, BaseException)):
        return {"type": "string"}
    if kind.__name__ == "Table":
        return {"type": "array", "items": {"type": "object"}}
    raise TypeError(f"no schema of {kind!r}")


def _generic(origin: Any, inner: tuple[Any, ...], defs: dict[str, Any]) -> dict[str, Any]:
    if origin in {typing.Union, types.UnionType}:
        return {"anyOf": list({json.dumps(one): one for one in (_schema(part, defs) for part in inner)}.values())}
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if origin is Counter:
        return {"type": "object", "additionalProperties": {"type": "integer"}}
    if issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(inner[1], defs)}
    if issubclass(origin, tuple) and inner[-1] is not Ellipsis:
        parts = [_schema(one, defs) for one in inner]
        return {"type": "array", "prefixItems": parts, "items": False, "minItems": len(parts)}
    return {"type": "array", "items": _schema(inner[0], defs)}


def _named(kind: type, defs: dict[str, Any]) -> dict[str, Any]:
    """A class of ours: described once, referred to by its name."""
    name = kind.__name__
    if name not in defs:
        defs[name] = {}
        about = (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")
        hints = _members(kind)
        optional = getattr(kind, "__optional_keys__", frozenset())
        properties = {key: _schema(one, defs) for key, one in hints.items()}
        defs[name] = {"description": about, **_object(properties, optional)}
    return {"$ref": f"#/$defs/{name}"}


def _members(kind: type) -> Mapping[str, Any]:
    name = kind.__name__
    if typing.is_typeddict(kind):
        return _hints(kind)
    if name in SAID:
        own = _hints(kind)
        return {key: own[key] if one is OWN else one for key, one in SAID[name].items()}
    if "document" in vars(kind) and name not in PLAIN:
        said = typing.get_type_hints(vars(kind)["document"], localns=_names(kind))["return"]
        if not typing.is_typeddict(said):
            raise TypeError(f"{name}.document() returns {said}: a TypedDict would say what is in it (tests/answers.py)")
        return _hints(said)
    less, more = PLAIN.get(name, (set(), {}))
    own = _hints(kind)
    return {
        **{one.name: own[one.name] for one in fields(kind) if one.metadata.get("shown", True) and one.name not in less},
        **more,
    }  # type: ignore[arg-type]  # a dataclass


def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, localns=_names(kind))


def _names(kind: type) -> dict[str, Any]:
    """What the annotations of a class may name: its module's names, those imported for the type checker alone too."""
    module = sys.modules[kind.__module__]
    found = dict(vars(module))
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for one in node.body:
                found.update(_imported(one))
    return found


def _imported(node: ast.stmt) -> Iterator[tuple[str, Any]]:
    if isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            yield alias.asname or alias.name, getattr(import_module(node.module), alias.name)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.asname or alias.name.split(".")[0], import_module(alias.name)
