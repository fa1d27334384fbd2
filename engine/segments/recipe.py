"""Recipes: ready definitions with holes, filled with literals that we print ourselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from engine.language.mistakes import Mistake, suggest
from engine.language.printer import number_text, quote

_HOLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_KEYS = frozenset({"id", "where", "parameters", "title", "description"})


class Unfit(Exception):
    """A recipe or its parameters are wrong; the catalogue adds the place."""

    def __init__(self, name: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.mistake = Mistake(name, message, hint, 0, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A hole: its type, what fills it when nothing is said, and its bounds."""

    type: str
    default: object = None
    min: Decimal | None = None
    max: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A definition with holes, in words in both languages; `id` is the requirement that it answers."""

    name: str
    id: str
    where: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    title: Mapping[str, str] = field(default_factory=dict)
    description: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A recipe with its holes filled."""

    where: str
    title: Mapping[str, str]
    description: Mapping[str, str]


def read_recipe(name: str, values: Mapping[str, object]) -> Recipe:
    """The recipe that a TOML table holds. Raises Unfit."""
    strange = sorted(values.keys() - _KEYS)
    if strange:
        raise Unfit("recipe", f"unknown key '{strange[0]}'", suggest(strange[0], _KEYS, "keys"))
    where, parameters = values.get("where"), values.get("parameters", {})
    if not isinstance(where, str) or not isinstance(parameters, Mapping):
        raise Unfit("recipe", "a recipe needs 'where' (a text) and may have 'parameters' (a table)")
    known = {key: _parameter(key, value) for key, value in parameters.items()}
    for hole in _HOLE.findall(where):
        if hole not in known:
            raise Unfit("recipe", f"the hole {{{hole}}} has no parameter", suggest(hole, known, "parameters"))
    return Recipe(
        name=name,
        id=str(values.get("id", "")),
        where=where,
        parameters=known,
        title=_titles(values.get("title")),
        description=_titles(values.get("description")),
    )


def fill_recipe(recipe: Recipe, given: Mapping[str, object], currency: str) -> Filled:
    """The recipe with the given values, else its defaults. Raises Unfit."""
    for name in given:
        if name not in recipe.parameters:
            hint = suggest(name, recipe.parameters, "parameters") or f"'{recipe.name}' takes none"
            raise Unfit("unknown-parameter", f"'{name}' is not a parameter of the recipe '{recipe.name}'", hint)
    literals: dict[str, str] = {}
    spoken: dict[str, str] = {}
    for name, parameter in recipe.parameters.items():
        value = given.get(name, parameter.default)
        if value is None:
            raise Unfit("missing-parameter", f"the recipe '{recipe.name}' needs '{name}'", _wanted(parameter))
        literals[name] = _literal(name, parameter, value, currency)
        spoken[name] = literals[name] if parameter.type in {"amount", "percent"} else _spoken(value)
    return Filled(
        where=_HOLE.sub(lambda hole: literals[hole[1]], recipe.where),
        title=_fill_titles(recipe.title, spoken),
        description=_fill_titles(recipe.description, spoken),
    )


def _parameter(name: str, value: object) -> Parameter:
    if not isinstance(value, Mapping) or value.get("type") not in _LITERALS:
        types = ", ".join(sorted(_LITERALS))
        raise Unfit("recipe", f"the parameter '{name}' needs a type", f"types: {types}")
    bounds = {key: _decimal(value[key]) for key in ("min", "max") if key in value}
    return Parameter(type=str(value["type"]), default=value.get("default"), **bounds)


def _literal(name: str, parameter: Parameter, value: object, currency: str) -> str:
    write = _LITERALS[parameter.type]
    text = write(value, currency)
    if text is None:
        raise Unfit("wrong-parameter", f"'{name}' is {_spoken(value)}, which does not fit", _wanted(parameter))
    number = _decimal(value)
    if number is not None and (
        (parameter.min is not None and number < parameter.min) or (parameter.max is not None and number > parameter.max)
    ):
        raise Unfit("wrong-parameter", f"'{name}' is {_spoken(value)}, which is out of bounds", _wanted(parameter))
    return text


def _wanted(parameter: Parameter) -> str:
    """`write a whole number from 1 to 60`."""
    words = f"write {_WORDS[parameter.type]}"
    if parameter.min is not None:
        words += f" from {number_text(parameter.min)}"
    return words + (f" up to {number_text(parameter.max)}" if parameter.max is not None else "")


def _decimal(value: object) -> Decimal | None:
    """The number in `6`, `0.5`, `"80 EUR"` or `"10%"`; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float, Decimal)):
        return Decimal(str(value))
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*(?:%|[A-Z]{3})?", value) if isinstance(value, str) else None
    return Decimal(found[1]) if found else None


def _number(value: object, _currency: str) -> str | None:
    number = None if isinstance(value, str) else _decimal(value)
    return None if number is None or not number.is_finite() else number_text(number)


def _whole(value: object, currency: str) -> str | None:
    text = _number(value, currency)
    return text if text is not None and "." not in text else None


def _percent(value: object, _currency: str) -> str | None:
    number = _decimal(value)
    return None if number is None else f"{number_text(number)}%"


def _amount(value: object, currency: str) -> str | None:
    """`80` and `"80 EUR"`: another currency's code is left for the language to refuse."""
    number = _decimal(value)
    code = re.search(r"[A-Z]{3}$", value) if isinstance(value, str) else None
    return None if number is None else f"{number_text(number)} {code[0] if code else currency}"


def _text(value: object, _currency: str) -> str | None:
    return quote(value) if isinstance(value, str) and value.strip() else None


def _texts(value: object, currency: str) -> str | None:
    listed = value if isinstance(value, list) else [value]
    texts = [_text(one, currency) for one in listed]
    return ", ".join(one for one in texts if one) if texts and all(texts) else None


def _date(value: object, _currency: str) -> str | None:
    if isinstance(value, date):
        return value.isoformat()[:10]
    return value if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) else None


def _month_day(value: object, _currency: str) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"\d{2}-\d{2}", value) else None


def _name(value: object, _currency: str) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_]*", value) else None


def _unit(value: object, _currency: str) -> str | None:
    return value if value in {"hours", "days", "weeks", "months", "years"} else None


_LITERALS: dict[str, Callable[[object, str], str | None]] = {
    "whole": _whole, "number": _number, "percent": _percent, "amount": _amount, "text": _text, "texts": _texts,
    "date": _date, "month_day": _month_day, "name": _name, "unit": _unit,
}  # fmt: skip
_WORDS = {
    "whole": "a whole number", "number": "a number", "percent": 'a share, for example "10%"',
    "amount": 'an amount, for example 80 or "80 EUR"', "text": "a text", "texts": "a list of texts",
    "date": 'a date, for example "2026-11-24"', "month_day": 'a day of the year, for example "12-24"', "name": "a name: of a place, a source, a list or a column",
    "unit": "hours, days, weeks, months or years",
}  # fmt: skip


def _spoken(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _titles(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(lang): str(text) for lang, text in value.items()}
    return {"en": value, "fr": value} if isinstance(value, str) else {}


def _fill_titles(titles: Mapping[str, str], spoken: Mapping[str, str]) -> dict[str, str]:
    return {lang: _HOLE.sub(lambda hole: spoken.get(hole[1], hole[0]), text) for lang, text in titles.items()}
