"""The JSON Schema of the whole config file: what editors complete and check (`#:schema` in the first line)."""

from __future__ import annotations

from typing import Any

from engine.config.settings import Settings

__all__ = ["config_schema"]

_TITLES: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"en": {"type": "string"}, "fr": {"type": "string"}},
            "additionalProperties": False,
        },
    ]
}
_TYPES = ["amount", "date", "month_day", "name", "number", "percent", "text", "texts", "unit", "whole"]
# recipes are read by the segments' room, as tables of TOML
_RECIPE: dict[str, Any] = {
    "type": "object",
    "description": "A definition with holes like {months}, which take literals only.",
    "properties": {
        "id": {"type": "string", "description": "The requirement that it answers."},
        "where": {"type": "string"},
        "parameters": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {"type": {"enum": _TYPES}, "default": {}, "min": {}, "max": {}},
                "required": ["type"],
            },
        },
        "title": _TITLES,
        "description": _TITLES,
        "override": {"type": "boolean"},
    },
    "required": ["where"],
    "additionalProperties": False,
}


def config_schema() -> dict[str, Any]:
    """The schema of `ciblage.toml`, recipes included."""
    schema = _tidy(Settings.model_json_schema(mode="validation"))
    schema["properties"]["recipes"] = {"type": "object", "additionalProperties": _RECIPE}
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "The config of one client of ciblage"}
    return {**schema, **title}


def _tidy(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Without what TOML cannot say (null) and what says nothing: invented titles, defaults that are tables."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _tidy(value) for key, value in schema.items() if not _is_idle(key, value)}
    choices = [one for one in found.pop("anyOf", []) if one != {"type": "null"}]
    if "patternProperties" in found:
        found.setdefault("additionalProperties", False)
    if len(choices) == 1:
        return {**choices[0], **found}
    return {"anyOf": choices, **found} if choices else found


def _is_idle(key: str, value: object) -> bool:
    return (
        (key == "title" and isinstance(value, str))
        or (key == "default" and (value is None or isinstance(value, dict)))
        or (key in {"ge", "le", "gt"})
    )
