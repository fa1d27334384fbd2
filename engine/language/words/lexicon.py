"""What a language needs to put a definition into words: phrases with holes, and names for rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

Forms = tuple[str, str, str, str]
"""`an order`, `no order`, `order`, `orders`."""


_PLURAL = 2  # in French


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """One language.

    `rows` names the rows of a source; `labels` the columns and traits, with the article where the language wants one;
    `sums` a column whose sum has a name of its own (`item bought`, `items bought`, `the number of items bought`).
    """

    lang: str
    phrases: Mapping[str, str]
    rows: Mapping[str, Forms]
    labels: Mapping[str, str]
    sums: Mapping[tuple[str, str], tuple[str, str, str]]
    units: Mapping[str, tuple[str, str]]
    unknown_rows: Forms

    def say(self, key: str, **holes: object) -> str:
        """The phrase with its holes filled."""
        return self.phrases[key].format(**holes)

    def forms(self, source: str) -> Forms:
        """How rows of a source are called."""
        found = self.rows.get(source)
        a, none, one, many = found or self.unknown_rows
        return found or (
            a.format(source=source),
            none.format(source=source),
            one.format(source=source),
            many.format(source=source),
        )

    def single(self, number: Decimal) -> bool:
        """Whether a number takes the singular: French counts 0 and 1.5 as singular."""
        return number == 1 if self.lang == "en" else abs(number) < _PLURAL
