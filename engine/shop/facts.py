"""What customers did: fact tables attached to persons, joined flat, orphans and foreign money set aside."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.shop.addresses import add_addresses
from engine.shop.files import ROW, Raw
from engine.shop.identity import is_large
from engine.shop.loading import SetAside, Typed, flag_repeats, planned, report
from engine.shop.mapping import TableMapping
from engine.shop.numbers import NUMBER, number_products, numbers_of_products
from engine.shop.schema import EMAIL_SOURCES, PURCHASE, TABLES
from engine.tables import Database, name, text

_ORDER = ("customer_id", "ordered_at", "delivered_at", "status")
_PRODUCT = {"brand", "category", "colour", "complements", "upgrade_of"}
_NUMBER = name(NUMBER)
_FLAGS = ", ".join(f"{condition} AS in_{source}" for source, condition in EMAIL_SOURCES.items())
UTC_ZONE = ZoneInfo("UTC")


def load_fact(database: Database, table: str, plan: Typed, *, currency: str) -> list[SetAside]:
    """Create one fact table from a typed file, rows attached to persons; list what was set aside."""
    if table == "order_lines":
        select = _lines(database, plan)
    elif table == "products":
        select = plan.select
    else:
        select = _attached(database, table, plan, currency)
    order = f" ORDER BY {_NUMBER}" if table != "products" and is_large(database) else ""
    database.execute(f"CREATE OR REPLACE TABLE {name(table)} AS SELECT * FROM ({select}){order}")
    shape = TABLES.get(table)
    if shape is not None and shape.key is not None:
        flag_repeats(database, table, shape.key)
    if table == "orders":
        database.execute(
            "CREATE OR REPLACE TEMP TABLE orders_aside AS WITH bad AS (SELECT DISTINCT order_id FROM orders WHERE reason IS NOT NULL)"
            " FROM bad WHERE order_id NOT IN (SELECT order_id FROM orders WHERE reason IS NULL AND order_id IN (FROM bad))"
        )
    found = report(database, table, plan.places)
    if table == "products":
        number_products(database)
    return found


def _attached(database: Database, table: str, plan: Typed, currency: str) -> str:
    person, place = "a.canonical", f"a.{_NUMBER}"
    joins = "LEFT JOIN aliases a ON t.customer_id = a.customer_id"
    if plan.has_email:
        add_addresses(database, f"SELECT email FROM ({plan.select})")
        person, place = "coalesce(a.canonical, c.customer_id)", f"coalesce({place}, c.{_NUMBER})"
        joins += " LEFT JOIN addresses n ON t.email = n.raw LEFT JOIN persons c ON n.normal = c.email"
    reasons = [f"WHEN {person} IS NULL THEN 'its customer is not in customers'"]
    if table == "orders":
        reasons.append(f"WHEN upper(t.currency) <> {text(currency)} THEN 'is in another currency than {currency}'")
    joined = "".join(f", {cell} AS {name(column)}" for column, cell in _joined(table).items())
    if table in {"cart_adds", "views"}:
        joins += " LEFT JOIN products p ON t.product_id = p.product_id"
        joined += numbers_of_products(database, _joined(table))
    own = "".join(f", {_own(table, column)}" for column in plan.columns if column != "customer_id")
    attached = f"SELECT t.row_id, coalesce(t.reason, CASE {' '.join(reasons)} END) AS reason, {person} AS customer_id, {place} AS {_NUMBER}{own}{joined} FROM ({plan.select}) t {joins}"
    return f"SELECT *, {_FLAGS} FROM ({attached})" if table == "email_events" else attached


def _own(table: str, column: str) -> str:
    if table == "views" and column == "category":
        return "coalesce(t.category, p.category) AS category"
    return f"t.{name(column)}"


def _joined(table: str) -> dict[str, str]:
    if table == "orders":
        return {"is_purchase": PURCHASE.format(o="t.")}
    if table == "email_events" or table not in TABLES:
        return {}
    return {column: f"p.{column}" for column in TABLES[table].joined}


def _lines(database: Database, plan: Typed) -> str:
    is_any_aside = bool(database.scalar("SELECT count(*) FROM orders_aside"))
    own = "".join(f", t.{name(column)}" for column in plan.columns)
    order = "".join(f", o.{column}" for column in _ORDER if column not in plan.columns)
    joined = sorted(_PRODUCT - plan.columns.keys())
    product = "".join(f", p.{column}" for column in joined) + numbers_of_products(database, joined)
    known = " LEFT JOIN orders_aside x ON t.order_id = x.order_id" if is_any_aside else ""
    why = "WHEN x.order_id IS NOT NULL THEN 'its order was set aside' " if is_any_aside else ""
    reason = f"CASE WHEN o.order_id IS NOT NULL THEN NULL {why}ELSE 'its order is not in orders' END"
    return (
        f"SELECT t.row_id, coalesce(t.reason, {reason}) AS reason{own}{order}, o.{_NUMBER}{product}, coalesce(o.is_purchase, FALSE) AS is_purchase"
        f" FROM ({plan.select}) t LEFT JOIN orders o ON t.order_id = o.order_id{known}"
        " LEFT JOIN products p ON t.product_id = p.product_id"
    )


def add_pulled_events(database: Database, files: Sequence[Path]) -> None:
    """Append pulled engagement (Parquet parts, times in UTC, people by address); an event of no customer is left out."""
    listed = ", ".join(text(str(file)) for file in files)
    source = f"read_parquet([{listed}], union_by_name = true)"
    columns = {str(row[0]): str(row[1]) for row in database.rows(f"DESCRIBE SELECT * FROM {source}")}
    number = f"row_number() OVER () + (SELECT coalesce(max(row_id), 0) FROM email_events) AS {name(ROW)}"
    raw = Raw(
        file="email_events",
        relation=f"(SELECT {number}, * FROM {source})",
        columns=columns,
        dialect="parquet",
        is_numbered=True,
    )
    shape = TABLES["email_events"]
    read = planned(raw, ("email_events", shape), TableMapping(), UTC_ZONE)
    absent = "".join(
        f", NULL::{kind.physical} AS {name(column)}"
        for column, kind in shape.columns.items()
        if column not in read.readings
    )
    plan = Typed(
        select=f"SELECT {name(ROW)} AS row_id, * EXCLUDE ({name(ROW)}){absent} FROM ({read.select(raw.relation)})",
        columns=shape.columns,
        has_email=read.has_email,
    )
    known = ", ".join(name(column) for column in ("row_id", NUMBER, *TABLES["email_events"].everything))
    select = _attached(database, "email_events", plan, "")
    same = " AND ".join(f"e.{column} = p.{column}" for column in ("destination", "campaign", "kind", "customer_id"))
    with database.in_order():  # rows are numbered as they are read
        database.execute(
            f"INSERT INTO email_events ({known}) WITH pulled AS (SELECT * FROM ({select}) WHERE reason IS NULL) SELECT {known} FROM pulled p"
            " WHERE event_id NOT IN (SELECT event_id FROM email_events)"
            # what a campaign's report tells without its own time is the same act that a message told with it
            f" AND NOT (p.precision IS NOT DISTINCT FROM 'campaign' AND EXISTS (SELECT 1 FROM pulled e WHERE e.precision = 'exact' AND {same}))"
            " QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY row_id) = 1"
        )


def finish_events(database: Database) -> None:
    """Fill brands from products and say which source of the language each event belongs to."""
    database.execute(
        "UPDATE email_events SET brand = p.brand FROM products p WHERE email_events.brand IS NULL AND email_events.product_id = p.product_id"
    )
    flags = ", ".join(f"in_{source} = {condition}" for source, condition in EMAIL_SOURCES.items())
    database.execute(f"UPDATE email_events SET {flags} WHERE in_email_sends IS NULL")  # those that no file brought


def keep_tracked_opens(database: Database) -> None:
    """Let opens count only where the person accepts tracking; an answer that is not known is none."""
    database.execute(
        "UPDATE email_events SET in_email_opens = FALSE, in_email_opens_all = FALSE WHERE kind = 'open'"
        " AND customer_id NOT IN (SELECT customer_id FROM customers WHERE consent_tracking)"
    )


def load_codes(database: Database) -> None:
    """Create `codes` from the registered overlay `given_codes`; a code of no customer is left out."""
    shape = TABLES["codes"]
    given = database.columns("given_codes")
    cells = ", ".join(
        _cell(column, kind.physical, given) for column, kind in shape.columns.items() if column != "customer_id"
    )
    database.execute(
        f"CREATE OR REPLACE TABLE codes AS SELECT row_number() OVER (ORDER BY g.code_id) AS row_id, a.canonical AS customer_id, a.{_NUMBER}, {cells}"
        " FROM given_codes g JOIN aliases a ON CAST(g.customer_id AS VARCHAR) = a.customer_id ORDER BY a.canonical"
    )


def _cell(column: str, kind: str, given: Mapping[str, str]) -> str:
    if column not in given:
        return f"NULL::{kind} AS {name(column)}"
    quoted = f"g.{name(column)}"
    if kind == "TIMESTAMP" and given[column].endswith("TIME ZONE"):
        return f"make_timestamp(epoch_us({quoted})) AS {name(column)}"
    return f"CAST({quoted} AS {kind}) AS {name(column)}"


def lists_of(taken: Container[str], words: Mapping[str, Sequence[str]]) -> tuple[list[str], str]:
    """Name each list (its name → its spellings), but one whose name is taken; a select has one VARCHAR[] of it a customer."""
    lists = {column: spelled for column, spelled in words.items() if column not in taken}
    cells = ", ".join(
        f"list_sort(list_distinct(list(value) FILTER (list IN ({', '.join(text(word) for word in spelled)})))) AS {name(column)}"
        for column, spelled in lists.items()
    )
    return sorted(lists), f"SELECT customer_id, {cells} FROM customer_lists GROUP BY customer_id"
