"""Files as raw tables of a Spark session: a numbered row each, what is wrong with it, and its columns as text.

Parquet keeps its types. Any path that the executors can read will do: a file, a folder of parts, or an object store's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructField

Kind: TypeAlias = Literal["csv", "json", "parquet"]

ROW, PROBLEM = "row_id", "problem"
_BROKEN = "_broken_record"
_BROKEN_RECORDS = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _BROKEN}
_PROBLEMS = {"csv": "has another number of fields than the header", "json": "is not a JSON object"}
_IN_PART = 2**33 - 1  # monotonically_increasing_id: the part in the upper bits, the row's place in the lower 33


def frame(session: SparkSession, path: str, kind: Kind, mark: str = ",", *, multiline: bool = True) -> DataFrame:
    """`row_id` in the file's order, `problem` (NULL, or why the row cannot be read), and the file's columns.

    Rows of a Parquet file and of a CSV file with `multiline` are numbered from 1; elsewhere, and in folders, numbers
    grow and have gaps. Without `multiline` many tasks share one CSV file, and no quoted cell may hold a line break.
    """
    readers: Mapping[str, Callable[[], DataFrame]] = {
        "csv": lambda: _csv(session, path, mark, multiline=multiline),
        "json": lambda: session.read.options(primitivesAsString=True, **_BROKEN_RECORDS).json(path),
        "parquet": lambda: session.read.parquet(path),
    }
    found = readers[kind]()
    taken = (_BROKEN, ROW, PROBLEM)
    columns = [
        _text(field) if kind == "json" else _quoted(field.name) for field in found.schema if field.name not in taken
    ]
    # as SQL: in a process that also drives a cluster, pyspark's functions would be that one's
    return found.selectExpr(f"{_number(found, kind)} AS {ROW}", f"{_problem(found, kind)} AS {PROBLEM}", *columns)


def _csv(session: SparkSession, path: str, mark: str, *, multiline: bool) -> DataFrame:
    from pyspark.sql.types import StringType, StructType

    reader = session.read.options(
        header=True, sep=mark, quote='"', escape='"', multiLine=multiline, encoding="UTF-8", columnPruning=False,
        **_BROKEN_RECORDS,
    )  # fmt: skip
    schema = StructType()
    for field in reader.csv(path).schema:
        schema.add(field.name, StringType())
    return reader.schema(schema.add(_BROKEN, StringType())).csv(path)


def _text(field: StructField) -> str:
    name = _quoted(field.name)
    return name if field.dataType.simpleString() == "string" else f"to_json({name}) AS {name}"


def _problem(found: DataFrame, kind: Kind) -> str:
    """The words where the record is broken; Spark refuses a query that reads nothing else, so one more column is read."""
    if _BROKEN not in found.columns:
        return "CAST(NULL AS STRING)"
    other = next((name for name in found.columns if name != _BROKEN), _BROKEN)
    is_read = f"length(concat_ws('', {_quoted(other)}, {_BROKEN})) >= 0"
    return f"CASE WHEN {_BROKEN} IS NOT NULL AND {is_read} THEN '{_PROBLEMS[kind]}' END"


def _number(found: DataFrame, kind: Kind) -> str:
    if len(found.inputFiles()) != 1:
        return "monotonically_increasing_id() + 1"
    if kind == "parquet":
        return "_metadata.row_index + 1"
    # a part begins after as many bytes as rows come before it, or more
    return f"_metadata.file_block_start + (monotonically_increasing_id() & {_IN_PART}) + 1"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
