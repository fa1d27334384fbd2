"""What one value of the config may look like: shares, amounts, lengths of time, titles, addresses; as typed, and for editors."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

__all__ = [
    "Amount",
    "Duration",
    "Jump",
    "Length",
    "Money",
    "Name",
    "Share",
    "Span",
    "Stretch",
    "Table",
    "Titles",
    "Url",
    "Zone",
    "engine_of",
    "one_of",
]

_NAME = r"^[a-z][a-z0-9_]*$"
_MANY = 100
_ENGINES = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "clickhouse": "clickhouse",
    "clickhouses": "clickhouse",
    "sc": "spark",
    "spark": "spark",
    "local": "spark",
    "yarn": "spark",
    "k8s": "spark",
}
_STRETCH = r"^\s*\d{1,3}(\.\d{1,6})?\s*%?\s+to\s+\d{1,3}(\.\d{1,6})?\s*%\s*$"
_UNITS = ("minute", "hour", "day", "week", "month", "year")


def _share(value: object) -> object:
    """`"10%"` or a number between 0 and 1, as a fraction."""
    if isinstance(value, str) and value.rstrip().endswith("%"):
        return _decimal(value.rstrip()[:-1], value, "a share (write for example '10%')") / _MANY
    return value


def _decimal(number: str, value: str, what: str) -> Decimal:
    try:
        found = Decimal(number.strip())
    except InvalidOperation:
        raise ValueError(f"'{value}' is not {what}") from None
    if not found.is_finite():
        raise ValueError(f"'{value}' is not {what}")
    return found


def _money(value: object) -> object:
    """`"60 EUR"` or a number; the currency is checked against the client's."""
    if isinstance(value, str):
        number, _, currency = value.strip().partition(" ")
        what = "an amount (write for example '60 EUR')"
        return {"value": _decimal(number, value, what), "currency": currency.strip() or None}
    if isinstance(value, (int, float, Decimal)):
        return {"value": Decimal(str(value)), "currency": None}
    return value


def _span(value: object) -> object:
    """`"30 days"`."""
    if isinstance(value, str):
        number, _, unit = value.strip().partition(" ")
        unit = unit.strip().removesuffix("s")
        if not number.isdecimal() or unit not in _UNITS:
            raise ValueError(f"'{value}' is not a length of time (write for example '30 days')")
        return {"n": int(number), "unit": unit}
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"'{value}' is not a time zone (write for example 'Europe/Paris')") from None
    return value


def _title(value: object) -> object:
    """A title for every language, or one a language."""
    return {"en": value, "fr": value} if isinstance(value, str) else value


def one_of(*names: str) -> dict[str, Any]:
    """A table with exactly one of these keys, for editors."""
    return {"oneOf": [{"required": [name]} for name in names]}


class Table(BaseModel):
    """A table of the config: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Money(Table):
    """An amount in the client's currency."""

    value: Decimal
    currency: str | None = None


class Span(Table):
    """A length of time in calendar units."""

    n: int = Field(gt=0)
    unit: Literal["minute", "hour", "day", "week", "month", "year"]


def engine_of(url: str) -> str:
    """The engine that an address names. Raises ValueError with the addresses that there are."""
    scheme = re.split(r"[:+\[]", url, maxsplit=1)[0].lower()
    if scheme not in _ENGINES:
        where = f"at '{scheme}:'" if "://" in url else "there"  # what is no address at all may be a secret
        raise ValueError(f"no engine is {where}; an address begins with {', '.join(_ENGINES)}")
    return _ENGINES[scheme]


def _address(url: str) -> str:
    engine_of(url)
    return url


Name = Annotated[str, Field(pattern=_NAME)]
Zone = Annotated[str, AfterValidator(_zone)]
Url = Annotated[str, AfterValidator(_address)]
_Percent = Annotated[str, Field(pattern=r"^\s*\d+(\.\d+)?\s*%\s*$", examples=["10%"])]
_Worth = Annotated[str, Field(pattern=r"^\d+(\.\d+)?( [A-Z]{3})?$", examples=["60 EUR"])]
Length = Annotated[str, Field(pattern=rf"^\d+ ({'|'.join(_UNITS)})s?$", examples=["30 days"])]
Stretch = Annotated[str, WithJsonSchema({"type": "string", "pattern": _STRETCH, "examples": ["0% to 50%"]})]
_ByLanguage = dict[Annotated[str, Field(pattern="^(en|fr)$")], str]
Share = Annotated[
    Decimal,
    BeforeValidator(_share, json_schema_input_type=Annotated[float, Field(ge=0, le=1)] | _Percent),
    Field(ge=0, le=1),
]
Jump = Annotated[
    Decimal, BeforeValidator(_share, json_schema_input_type=Annotated[float, Field(gt=0)] | _Percent), Field(gt=0)
]
Titles = Annotated[_ByLanguage, BeforeValidator(_title, json_schema_input_type=str | _ByLanguage)]
Amount = Annotated[Money, BeforeValidator(_money, json_schema_input_type=float | _Worth)]
Duration = Annotated[Span, BeforeValidator(_span, json_schema_input_type=Length)]
