"""What marketers read, in English and French: one catalogue, `words.toml`, and how numbers, money and dates look."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

__all__ = ["LANGS", "amount", "day", "knows", "moment", "number", "say", "share"]


LANGS = ("en", "fr")


@cache
def _catalogue() -> Mapping[str, Mapping[str, str]]:
    text = (files("engine") / "words.toml").read_text("utf-8")
    return {
        f"{section}.{key}": words for section, entries in tomllib.loads(text).items() for key, words in entries.items()
    }


def knows(key: str) -> bool:
    """Whether the catalogue has an entry `section.key`."""
    return key in _catalogue()


def say(key: str, lang: str, **values: object) -> str:
    """The catalogue's sentence for `section.key`, with its `{holes}` filled.

    `count=` is written as numbers are; where an entry has `en_one`, `fr_one`, they are for one (French: and for none).
    Raises KeyError for a key that the catalogue lacks: a test walks all of them.
    """
    entry = _catalogue()[key]
    text = entry[lang]
    count = values.get("count")
    if isinstance(count, int | Decimal):
        single = -2 < count < 2 if lang == "fr" else count == 1  # noqa: PLR2004 - French: 0 and 1 are singular
        text = entry.get(f"{lang}_one", text) if single else text
        values["count"] = number(count, lang)
    return text.format(**values)


def number(value: int | Decimal, lang: str) -> str:
    """`1,234` or `1 234`."""
    from babel.numbers import format_decimal

    return format_decimal(value, locale=lang)


def amount(value: Decimal, currency: str, lang: str) -> str:
    """`€1,234.50` or `1 234,50 €`; without cents when there are none."""
    from babel.numbers import format_currency

    whole = value == value.to_integral_value()
    return format_currency(
        value, currency, locale=lang, currency_digits=not whole, format=_whole(lang) if whole else None
    )


def _whole(lang: str) -> str:
    return "¤#,##0" if lang == "en" else "#,##0 ¤"


def share(value: float | Decimal, lang: str) -> str:
    """`12%` or `12 %`."""
    from babel.numbers import format_percent

    return format_percent(value, locale=lang)


def day(value: date, lang: str) -> str:
    """`Jan 4, 2018` or `4 janv. 2018`; French has an ordinal for the first of a month alone: `1er mars 2018`."""
    from babel.dates import format_date

    return _ordinal(format_date(value, format="medium", locale=lang), lang)


def moment(value: datetime, lang: str) -> str:
    """`4 Jan 2018, 09:00` or `4 janv. 2018, 09:00`, in the zone that `value` carries."""
    from babel.dates import format_datetime

    return _ordinal(format_datetime(value, format="d MMM y, HH:mm", locale=lang), lang)


def _ordinal(told: str, lang: str) -> str:
    return f"1er {told.removeprefix('1 ')}" if lang == "fr" and told.startswith("1 ") else told
