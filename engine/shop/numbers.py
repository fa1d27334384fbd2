"""Numbers beside ids and values at rest, by which rows are grouped and joined faster than by texts.

A person has a number, the place in the order of ids, in every table; brand, category and colour of a product have one,
the place in the order of all that the products have, wherever they are joined to. They are made at each opening.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from engine.shop.schema import Table
from engine.tables import Database, name

_COUNTED = ("brand", "category", "colour")  # of products: what people have a favourite of


def number(column: str) -> str:
    """Name the column that has the numbers of a column: no shop's is called so, since names are letters, digits and _."""
    return f"{column}#"


NUMBER = number("customer")


def number_products(database: Database) -> None:
    """Put each value's place in the order of all beside it, in the columns where no two values differ by case alone."""
    spelled = ", ".join(f"count(DISTINCT {column}) = count(DISTINCT lower({column}))" for column in _COUNTED)
    (is_once,) = database.rows(f"SELECT {spelled} FROM products")
    places = "".join(
        f", CAST(dense_rank() OVER (ORDER BY lower({column}) NULLS LAST) AS INTEGER) AS {name(number(column))}"
        for column, is_so in zip(_COUNTED, is_once, strict=True)
        if is_so
    )
    database.execute(f"CREATE OR REPLACE TABLE products AS SELECT *{places} FROM products")


def numbers_of_products(database: Database, joined: Container[str]) -> str:
    """The numbers of those columns of a product `p` that are joined, each after a comma."""
    known = database.columns("products")
    there = [number(column) for column in _COUNTED if column in joined and number(column) in known]
    return "".join(f", p.{name(column)}" for column in there)


def numbered(table: Table, columns: Container[str]) -> Table:
    """Say which of what is joined from products has its number beside it, of a table that has these columns at rest."""
    joined = {
        column: replace(kind, numbered_in="products" if number(column) in columns else None)
        for column, kind in table.joined.items()
    }
    return replace(table, joined=joined)


def without_numbers(database: Database, table: str) -> str:
    """Select a table's rows as another engine, or a person, is shown them."""
    columns = [name(column) for column in database.columns(table) if not column.endswith(number(""))]
    return f"SELECT {', '.join(columns)} FROM {name(table)}"
