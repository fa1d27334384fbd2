"""Text and foreign types into the neutral types, as SQL: a value that cannot be read is NULL, and its row a bad one.

Each column goes through three steps, so that no long expression is written twice: `cleaned` (the file's value, blank
is NULL), `parsed` (the type, instants still local), `finished` (instants in UTC).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from engine.shop.instants import to_utc
from engine.shop.schema import SYNONYMS, Column
from engine.tables import name, text

_BLANKS = text(" \t\r\n\f\u00a0\u200b\u202f\ufeff")
_OFFSET = r"\s*([Zz]|UTC|GMT|[+-]\d{2}(:?\d{2})?)$"
_MOMENT = rf"^[1-9]\d{{3}}[-/]\d{{1,2}}[-/]\d{{1,2}}([T ]\d{{1,2}}:\d{{2}}(:\d{{2}}(\.\d{{1,9}})?)?({_OFFSET[:-1]})?)?$"
_DAY = r"^[1-9]\d{3}[-/]\d{1,2}[-/]\d{1,2}([T ].*)?$"
_TRUE, _FALSE = ("true", "t", "yes", "y", "1", "1.0", "oui", "o"), ("false", "f", "no", "n", "0", "0.0", "non")
_FLOATS = ("DOUBLE", "FLOAT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How one column is read: where it comes from, DuckDB's type there, and the habits of its file."""

    column: Column
    source: str
    type: str
    zone: ZoneInfo
    dates: tuple[str, ...] = ()
    decimal: str = "."
    values: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    @property
    def cleaned(self) -> str:
        """SQL of the file's value: text trimmed, NFC, blank as NULL; a float that is no number is NULL."""
        quoted = name(self.source)
        if self.type == "VARCHAR":
            composed = f"nfc_normalize({quoted})"
            return f"CASE WHEN {_is_trimmed(quoted)} THEN {composed} ELSE nullif(trim({composed}, {_BLANKS}), '') END"
        return f"CASE WHEN NOT isnan({quoted}) THEN {quoted} END" if self.type in _FLOATS else quoted

    def parsed(self, value: str) -> str:
        """SQL of the typed value (an instant from naive text: still local)."""
        return _PARSERS[self.column.type](self, value)

    def finished(self, value: str, parsed: str) -> str:
        """SQL of the value at rest."""
        if self.column.type != "instant" or self.type.endswith("TIME ZONE"):
            return parsed
        if self.type != "VARCHAR":
            return to_utc(parsed, self.zone)
        offset = (
            f"length({value}) > 16 AND CAST({parsed} AS VARCHAR) <> {value} AND NOT ({_is_plain(value)})"
            f" AND regexp_matches({value}, {text('[:T ]' + chr(92) + 'd{2}.*' + _OFFSET)})"
        )
        return f"CASE WHEN {offset} THEN {parsed} - to_minutes({_minutes(value)}) ELSE {to_utc(parsed, self.zone)} END"


def _is_trimmed(value: str) -> str:
    """Recognise text that begins and ends with a visible ASCII character: eight times as fast as trimming it."""
    return f"{value} >= '!' AND {value} < chr(127) AND {value}[-1] BETWEEN '!' AND '~'"


def _is_canonical(value: str) -> str:
    """Recognise a local time that is spelled as DuckDB itself spells it."""
    return f"{value} >= '1' AND {value} < ':' AND {value}[5] = '-' AND CAST(TRY_CAST({value} AS TIMESTAMP) AS VARCHAR) = {value}"


def _is_plain(value: str) -> str:
    """Recognise the two commonest spellings of a local time without a regular expression."""
    clock = f"length({value}) = 19 AND {value}[11] IN ('T', ' ') AND {value}[14] = ':' AND {value}[17] = ':' AND {value}[19] BETWEEN '0' AND '9'"
    return f"left({value}, 2) IN ('19', '20') AND {value}[5] = {value}[8] AND (length({value}) = 10 OR {clock})"


def _minutes(value: str) -> str:
    found = f"regexp_extract({value}, '([+-])(\\d{{2}}):?(\\d{{2}})?$', ['sign', 'h', 'm'])"
    total = f"60 * coalesce(TRY_CAST({found}.h AS INTEGER), 0) + coalesce(TRY_CAST({found}.m AS INTEGER), 0)"
    return f"CASE WHEN {found}.sign = '-' THEN -1 ELSE 1 END * ({total})"


def _as_text(reading: Reading, value: str) -> str:
    column = reading.column
    if reading.type in _FLOATS:  # ids that went through a float column: 17850.0
        whole = f"{value} = trunc({value}) AND abs({value}) < 1e15"
        value = f"CASE WHEN {whole} THEN CAST(CAST({value} AS BIGINT) AS VARCHAR) ELSE CAST({value} AS VARCHAR) END"
    elif reading.type != "VARCHAR":
        value = f"CAST({value} AS VARCHAR)"
    if not column.values and not reading.values:
        return value
    known = {**SYNONYMS.get(reading.name, {}), **{word: word for word in column.values}, **_lowered(reading.values)}
    arms = " ".join(f"WHEN {text(word)} THEN {'NULL' if to is None else text(to)}" for word, to in known.items())
    rest = value if not column.values else "NULL" if column.otherwise is None else text(column.otherwise)
    return f"CASE lower({value}) {arms} ELSE CASE WHEN {value} IS NOT NULL THEN {rest} END END"


def _lowered(values: Mapping[str, str]) -> dict[str, str]:
    return {word.strip().lower(): to for word, to in values.items()}


def _as_number(reading: Reading, value: str) -> str:
    if reading.type == "VARCHAR":
        value = value if reading.decimal == "." else f"replace({value}, {text(reading.decimal)}, '.')"
    return f"TRY_CAST({value} AS {reading.column.physical})"


def _as_instant(reading: Reading, value: str) -> str:
    if reading.type.endswith("TIME ZONE"):
        return f"make_timestamp(epoch_us({value}))"
    if reading.type != "VARCHAR":
        return (
            f"TRY_CAST({value} AS TIMESTAMP)" if reading.type.startswith(("TIMESTAMP", "DATE")) else "NULL::TIMESTAMP"
        )
    if reading.dates:
        return _strptime(reading, value)
    bare = f"regexp_replace({value}, {text('([:T ]' + chr(92) + 'd{2}.*?)' + _OFFSET)}, '\\1')"
    plain = f"WHEN {_is_canonical(value)} OR {_is_plain(value)} THEN TRY_CAST({value} AS TIMESTAMP)"
    return f"CASE {plain} WHEN regexp_matches({value}, {text(_MOMENT)}) THEN TRY_CAST({bare} AS TIMESTAMP) END"


def _as_date(reading: Reading, value: str) -> str:
    if reading.type == "VARCHAR" and reading.dates:
        return f"CAST({_strptime(reading, value)} AS DATE)"
    if reading.type == "VARCHAR":
        bare = f"regexp_replace({value}, '[T ].*$', '')"
        return f"CASE WHEN regexp_matches({value}, {text(_DAY)}) THEN TRY_CAST({bare} AS DATE) END"
    if reading.type.endswith("TIME ZONE"):
        return f"CAST(make_timestamp(epoch_us({value})) AS DATE)"
    return f"TRY_CAST({value} AS DATE)" if reading.type.startswith(("TIMESTAMP", "DATE")) else "NULL::DATE"


def _strptime(reading: Reading, value: str) -> str:
    return f"try_strptime({value}, [{', '.join(text(form) for form in reading.dates)}])"


def _as_boolean(_: Reading, value: str) -> str:
    words, true, false = f"lower(CAST({value} AS VARCHAR))", _listed(_TRUE), _listed(_FALSE)
    return f"CASE WHEN {words} IN {true} THEN TRUE WHEN {words} IN {false} THEN FALSE END"


def _listed(words: tuple[str, ...]) -> str:
    return f"({', '.join(text(word) for word in words)})"


_PARSERS: Mapping[str, Callable[[Reading, str], str]] = {
    "text": _as_text,
    "number": _as_number,
    "money": _as_number,
    "instant": _as_instant,
    "date": _as_date,
    "boolean": _as_boolean,
}
MISFITS: Mapping[str, str] = {
    "text": "is none of its values",
    "number": "is not a number",
    "money": "is not an amount",
    "instant": "is not a date or time",
    "date": "is not a date",
    "boolean": "is neither yes nor no",
}
