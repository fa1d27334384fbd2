"""A table of a database as the neutral schema reads it: which column is what, of which type, and why a row is a bad one.

Columns must have the types of what they hold: text that should be an amount or a time is refused with what to do,
because no two engines read text alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from sqlglot import exp

from engine.compute.backends.protocol import Backend, spell
from engine.compute.literals import literal
from engine.compute.spelling import call, column, every, known, named, when
from engine.errors import ConfigError, DataError
from engine.shop.files import Raw
from engine.shop.instants import boundaries
from engine.shop.loading import planned
from engine.shop.mapping import TableMapping, read_mapping
from engine.shop.own import shapes
from engine.shop.schema import SYNONYMS, Column, Table, hint_for
from engine.shop.values import MISFITS, Reading
from engine.warehouse.host import Warehouse
from engine.warehouse.words import WORDS, Words, clean, hashed


class Kind(StrEnum):
    """What a column of a database holds; as DuckDB's words, so that `engine.shop` reads it like a column of a file."""

    TEXT = "VARCHAR"
    WHOLE = "BIGINT"
    EXACT = "DECIMAL(38,9)"
    FLOAT = "DOUBLE"
    MOMENT = "TIMESTAMP WITH TIME ZONE"
    WALL = "TIMESTAMP"
    DATE = "DATE"
    FLAG = "BOOLEAN"
    OTHER = "OTHER"


_WRAPPED = re.compile(r"^nullable\((.*)\)$")
_TYPES = tuple(
    (re.compile(f"^({pattern})$"), kind)
    for pattern, kind in (
        (r"u?(tiny|small|medium|big|huge)?int(eger)?\d*|long|short|byte", Kind.WHOLE),
        (r"(numeric|decimal)(\(.*\))?", Kind.EXACT),
        (r"double( precision)?|real|float\d*", Kind.FLOAT),
        (r"timestamp(\(\d\))? with time zone|timestamptz|datetime(64)?(\(.*\))?", Kind.MOMENT),
        (r"timestamp(_\w+)?(\(\d\))?( without time zone)?", Kind.WALL),
        (r"date(32)?", Kind.DATE),
        (r"bool(ean)?", Kind.FLAG),
        (r"(varchar|character varying|character|char|bpchar)(\(\d+\))?|text|string", Kind.TEXT),
    )
)
_OF_ENGINE: Mapping[str, Mapping[str, Kind]] = MappingProxyType({"spark": {"timestamp": Kind.MOMENT}})
_FITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "number": (Kind.WHOLE, Kind.EXACT, Kind.FLOAT),
        "money": (Kind.WHOLE, Kind.EXACT, Kind.FLOAT),
        "instant": (Kind.MOMENT, Kind.WALL, Kind.DATE),
        "date": (Kind.MOMENT, Kind.WALL, Kind.DATE),
    }
)
_MISFITTING = {"number", "money", "boolean"}  # a typed time is a time
_MOST = 10**14  # DECIMAL(18,4) has fourteen digits before its point
_TRUE, _FALSE = ("true", "t", "yes", "y", "1", "1.0", "oui", "o"), ("false", "f", "no", "n", "0", "0.0", "non")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one table is read: where it is, what its columns are, and which stand for the neutral ones (`readings`)."""

    table: str
    shape: Table
    foreign: str
    types: Mapping[str, Kind]  # the columns as they are → our word of their type
    mapping: TableMapping
    readings: Mapping[str, Reading]
    extras: frozenset[str]
    has_email: bool  # whether an address may name the person of a row

    @property
    def columns(self) -> dict[str, Column]:
        """Neutral columns and the table's own further ones, as they will be at rest."""
        return {
            **self.shape.columns,
            **{name: self.readings[name].column for name in self.readings if name in self.extras},
        }

    @property
    def everything(self) -> Table:
        """The table at rest."""
        return Table(columns=self.columns, joined=self.shape.joined, key=self.shape.key, time=self.shape.time)


def plan_tables(warehouse: Warehouse, zone: ZoneInfo) -> dict[str, Plan]:
    """Plan every table that is there, by neutral name or name of an own source. Raises DataError, ConfigError."""
    there, tables = warehouse.host.tables(warehouse.schema), shapes(warehouse.own)
    names, mapping = _mapped(warehouse, tables)
    found = {}
    for table, shape in tables.items():
        if table == "codes":  # the ledger's own
            continue
        foreign = _foreign(warehouse, table, names, there)
        if foreign is None:
            continue
        given = warehouse.host.columns(foreign, warehouse.schema)
        types = {name: kind_of(text, warehouse.host.name) for name, text in given.items()}
        own = warehouse.own.get(table)
        one = mapping.get(table, TableMapping())
        if own is not None and not own.is_neutral:
            one = replace(one, columns={"customer_id": own.customer, **one.columns})
        try:
            whole = planned(Raw(file=foreign, relation="", columns=types, dialect="parquet"), (table, shape), one, zone)
        except DataError as error:
            raise DataError(str(error), place=warehouse.place(foreign), hint=error.hint) from None
        found[table] = Plan(
            table=table,
            shape=shape,
            foreign=foreign,
            types=types,
            mapping=one,
            readings=whole.readings,
            extras=whole.extras,
            has_email=whole.has_email,
        )
    if "customers" not in found:
        raise warehouse.missing("customers")
    return found


def check_types(warehouse: Warehouse, plan: Plan) -> None:
    """Refuse columns whose type another must be made of. Raises DataError with what to do."""
    for name, reading in plan.readings.items():
        if reading.type not in _FITS.get(reading.column.type, (reading.type,)):
            kind = warehouse.host.columns(plan.foreign, warehouse.schema)[reading.source]
            raise DataError(
                f"{plan.table}: {reading.source!r} is {kind}, and {name} is {reading.column.type}",
                place=warehouse.place(plan.foreign),
                hint='cast it in a view; or [compute] backend = "duckdb", which reads text as it reads that of files',
            )
    if plan.mapping.dates or plan.mapping.decimal:
        hint = 'leave them out; or [compute] backend = "duckdb"'
        raise ConfigError("dates and decimal say how text is read", place=f"shop.mapping.{plan.table}", hint=hint)


def select_raw(warehouse: Warehouse, plan: Plan) -> exp.Select:
    """The table as it is, of types that travel: what is neither number, text, truth nor time as text."""
    words = WORDS[warehouse.host.name]
    cells = [named(_travelling(words, column(name), kind), name) for name, kind in plan.types.items()]
    return exp.select(*cells, copy=False).from_(_relation(warehouse, plan), copy=False)


def select_typed(warehouse: Warehouse, plan: Plan, backend: Backend) -> exp.Select:
    """`row_id`, `reason` (NULL for a good row), the columns at rest (joined ones apart), and `email` where it may stand for a person."""
    words = WORDS[warehouse.host.name]
    inner = [named(_cleaned(words, reading), f"r:{name}") for name, reading in plan.readings.items()]
    cleaned = exp.select(*inner, copy=False).from_(_relation(warehouse, plan), copy=False)
    if plan.mapping.only is not None:
        only = clean(words, exp.cast(column(_named_like(plan, plan.mapping.only)), exp.DType.VARCHAR))
        cleaned = cleaned.where(known(only), copy=False)
    values = {name: _value(words, reading, backend) for name, reading in plan.readings.items()}
    absent = {name: words.nothing(kind.physical) for name, kind in plan.columns.items() if name not in values}
    cells = [named(value, name) for name, value in {**values, **absent}.items()]
    first = [named(_row_id(words, plan), "row_id"), named(_reason(words, plan, values), "reason")]
    return exp.select(*first, *cells, copy=False).from_(cleaned.subquery("t", copy=False), copy=False)


def _mapped(warehouse: Warehouse, tables: Mapping[str, Table]) -> tuple[dict[str, str], dict[str, TableMapping]]:
    """Foreign names of tables, and the rest of the mapping. In a database `table = "…"` stands where `file` does in a folder."""
    if isinstance(warehouse.mapping, str):
        return {}, read_mapping(warehouse.mapping, tables)
    names, rest = {}, {}
    for table, keys in warehouse.mapping.items():
        rest[table] = keys
        if isinstance(keys, Mapping):
            if "file" in keys:
                raise ConfigError("a database has tables", place=f"shop.mapping.{table}", hint='table = "…" names it')
            rest[table] = {key: value for key, value in keys.items() if key != "table"}
            if "table" in keys:
                names[table] = str(keys["table"])
    return names, read_mapping(rest, tables)


def _foreign(warehouse: Warehouse, table: str, names: Mapping[str, str], there: frozenset[str]) -> str | None:
    own = warehouse.own.get(table)
    is_own = own is not None and not own.is_neutral
    wanted = names.get(table) or (own.table if own is not None and is_own else table)
    found = next((name for name in sorted(there) if name.casefold() == wanted.casefold()), None)
    if found is None and (table in names or is_own):
        raise warehouse.missing(wanted)
    return found


def kind_of(text: str, engine: str) -> Kind:
    """What an engine's word for a type means."""
    plain = text.lower().strip()
    while (inner := _WRAPPED.match(plain)) is not None:
        plain = inner[1]
    given = _OF_ENGINE.get(engine, {}).get(plain)
    return given or next((kind for pattern, kind in _TYPES if pattern.match(plain)), Kind.OTHER)


def _named_like(plan: Plan, wanted: str) -> str:
    found = next((name for name in plan.types if name.strip().casefold() == wanted.strip().casefold()), None)
    if found is None:
        message = f"{plan.table}: the column {wanted!r} is missing"
        raise DataError(message, place=plan.foreign, hint=hint_for(wanted, plan.types))
    return found


def _relation(warehouse: Warehouse, plan: Plan) -> exp.Table:
    *catalog, schema = warehouse.schema.split(".")
    return exp.table_(plan.foreign, db=schema, catalog=catalog[0] if catalog else None, quoted=True)


def _travelling(words: Words, value: exp.Expr, kind: str) -> exp.Expr:
    if kind == Kind.EXACT and words.wrong_decimals and words.wrong is not None:
        return when(exp.Not(this=exp.paren(words.wrong(value.copy()), copy=False)), value)
    if kind in {Kind.TEXT, Kind.OTHER}:
        return words.text(value if kind == Kind.TEXT else exp.cast(value, exp.DType.VARCHAR))
    return _time(words, value, kind)


def _time(words: Words, value: exp.Expr, kind: str) -> exp.Expr:
    """A time or date in the engine's neutral type; anything else as it is."""
    makers: dict[str, Callable[[exp.Expr], exp.Expr]] = {
        Kind.MOMENT: words.moment,
        Kind.WALL: words.wall,
        Kind.DATE: words.day,
    }
    return makers[kind](value) if kind in makers else value


def _cleaned(words: Words, reading: Reading) -> exp.Expr:
    """The column's value, what means nothing as NULL."""
    value = column(reading.source)
    if reading.type == Kind.TEXT:
        return clean(words, value)
    if words.wrong is not None and (
        reading.type == Kind.FLOAT or (reading.type == Kind.EXACT and words.wrong_decimals)
    ):
        return when(exp.Not(this=exp.paren(words.wrong(value.copy()), copy=False)), value)
    if reading.type == Kind.OTHER:
        return clean(words, exp.cast(value, exp.DType.VARCHAR))
    return _time(words, value, reading.type)


def _value(words: Words, reading: Reading, backend: Backend) -> exp.Expr:
    return _MAKERS[reading.column.type](words, reading, backend)


def _held(reading: Reading) -> exp.Column:
    return column(f"r:{reading.name}")


def _as_text(words: Words, reading: Reading, _: Backend) -> exp.Expr:
    value: exp.Expr = _held(reading)
    if reading.type == Kind.FLOAT:  # ids that went through a float column: 17850.0
        cut = exp.EQ(this=value, expression=call("floor", value.copy()))
        is_whole = every([cut, exp.LT(this=call("abs", value.copy()), expression=literal(10**15))])
        whole = exp.cast(exp.cast(value.copy(), exp.DType.BIGINT), exp.DType.VARCHAR)
        value = when(is_whole, words.text(whole), words.text(exp.cast(value.copy(), exp.DType.VARCHAR)))
    elif reading.type not in {Kind.TEXT, Kind.OTHER}:
        value = words.text(exp.cast(value, exp.DType.VARCHAR))
    kind = reading.column
    if not kind.values and not reading.values:
        return value
    spelled = {word.strip().lower(): to for word, to in reading.values.items()}
    told = {**SYNONYMS.get(reading.name, {}), **{word: word for word in kind.values}, **spelled}
    rest = value.copy() if not kind.values else exp.null() if kind.otherwise is None else literal(kind.otherwise)
    ifs = [exp.If(this=literal(word), true=exp.null() if to is None else literal(to)) for word, to in told.items()]
    return when(known(value.copy()), exp.Case(this=exp.Lower(this=value.copy()), ifs=ifs, default=rest))


def _as_number(words: Words, reading: Reading, _: Backend) -> exp.Expr:
    value = _held(reading)
    if reading.column.precise:
        return exp.cast(value, exp.DType.DOUBLE)
    fits = exp.LT(this=call("abs", value.copy()), expression=literal(_MOST))
    return when(fits, exp.cast(words.rounded(value), reading.column.physical))


def _as_instant(words: Words, reading: Reading, backend: Backend) -> exp.Expr:
    value = _held(reading)
    if reading.type == Kind.MOMENT:
        return value
    return _universal(words.wall(value) if reading.type == Kind.DATE else value, reading.zone, backend)


def _universal(wall: exp.Expr, zone: ZoneInfo, backend: Backend) -> exp.Expr:
    """A local time as UTC, fold 0: the zone's changes as one CASE (engine.shop.instants)."""
    steps = boundaries(zone)
    if len(steps) == 1 and not steps[0][1]:
        return wall

    def east(part: tuple[tuple[object, int], ...]) -> exp.Expr:
        if len(part) == 1:
            return literal(-part[0][1])
        middle = len(part) // 2
        before = exp.LT(this=wall.copy(), expression=literal(part[middle][0]))  # type: ignore[arg-type] # only the first has none
        return when(before, east(part[:middle]), east(part[middle:]))

    return spell(backend, "plus_seconds", wall, east(steps))


def _as_date(words: Words, reading: Reading, _: Backend) -> exp.Expr:
    return _held(reading) if reading.type == Kind.DATE else words.day(_held(reading))


def _as_boolean(words: Words, reading: Reading, _: Backend) -> exp.Expr:
    if reading.type == Kind.FLAG:
        return _held(reading)
    said = exp.Lower(this=words.text(exp.cast(_held(reading), exp.DType.VARCHAR)))
    yes, no = (exp.In(this=said.copy(), expressions=[literal(word) for word in part]) for part in (_TRUE, _FALSE))
    truth = exp.Case(ifs=[exp.If(this=yes, true=exp.true()), exp.If(this=no, true=exp.false())])
    return exp.cast(truth, exp.DType.BOOLEAN)


_MAKERS: Mapping[str, Callable[[Words, Reading, Backend], exp.Expr]] = MappingProxyType(
    {
        "text": _as_text,
        "number": _as_number,
        "money": _as_number,
        "instant": _as_instant,
        "date": _as_date,
        "boolean": _as_boolean,
    }
)


def _reason(words: Words, plan: Plan, values: Mapping[str, exp.Expr]) -> exp.Expr:
    arms = []
    loose = {"customer_id"} if plan.has_email else set()
    for name, reading in plan.readings.items():
        kind, held = reading.column, _held(reading)
        if kind.required and not kind.blank and name not in loose:
            arms.append(exp.If(this=exp.Is(this=held, expression=exp.null()), true=literal(f"{name} is missing")))
        if kind.otherwise is None and (kind.type in _MISFITTING or kind.values):
            misfit = every([known(held.copy()), exp.Is(this=exp.paren(values[name].copy()), expression=exp.null())])
            arms.append(exp.If(this=misfit, true=literal(f"{name} {MISFITS[kind.type]}")))
    nothing = words.nothing("VARCHAR")
    return exp.Case(ifs=arms, default=nothing) if arms else nothing


def _row_id(words: Words, plan: Plan) -> exp.Expr:
    """A number for a row's content: a database's rows have no order, and what is last among equals must not change."""
    parts: list[exp.Expr] = []
    for name, reading in plan.readings.items():
        if name in plan.shape.columns and name != "raw":
            text = words.text(exp.cast(_held(reading), exp.DType.VARCHAR))
            parts += [exp.Coalesce(this=text, expressions=[literal("")]), literal("|")]
    return hashed(words, exp.Concat(expressions=parts))
