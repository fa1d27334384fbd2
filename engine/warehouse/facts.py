"""What customers did, as views over a shop's own tables: attached to persons, joined flat, bad rows apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlglot
from sqlglot import exp

from engine.compute.literals import literal
from engine.compute.spelling import column, complement, known, named, relation, when
from engine.shop.schema import EMAIL_SOURCES, PURCHASE, PURCHASES, TABLES, Table
from engine.warehouse.reading import Plan

ASIDE, PEOPLE, KNOWN_EVENTS, OWN_EVENTS = "orders_aside", "spelled_people", "known_email_events", "own_email_events"
CONSENT_KINDS = ("complaint", "unsubscribe", "bounce")  # what is known of them decides who may be written to
_LATER = 2**60  # row numbers of a database's rows are below it (engine.warehouse.words)
_OF_ORDER = ("customer_id", "ordered_at", "delivered_at", "status", PURCHASES)
_OF_PRODUCT = frozenset({"brand", "category", "colour", "complements", "upgrade_of"})
_NO_CUSTOMER, _NO_ORDER = "its customer is not in customers", "its order is not in orders"
_ORDER_ASIDE, _FOREIGN = "its order was set aside", "is in another currency than {}"


def typed_name(table: str) -> str:
    """The view of a table's typed rows."""
    return f"typed_{table}"


def placed_name(table: str) -> str:
    """All rows of a table with their persons, and why some are bad: a table of ours, or a view."""
    return f"placed_{table}"


def placed(plan: Plan, currency: str) -> exp.Select:
    """All rows of a table: `row_id`, `reason`, and every column at rest."""
    if plan.table == "products":
        return exp.select(exp.Star()).from_(relation(typed_name("products")))
    if plan.table == "order_lines":
        return _lines(plan)
    return _attached(plan, currency)


def good(plan: Plan, *, once: bool) -> exp.Select:
    """The good rows of a placed table; `once` keeps one row of each key. Events that touch consent are known here."""
    cells = [column(name) for name in ("row_id", *plan.everything.everything)]
    rows = exp.select(*cells).from_(relation(placed_name(plan.table)))
    rows = rows.where(_is_good())
    if plan.table == "email_events":
        rows = rows.where(complement(_is_consent()), copy=False)
    if not once or plan.shape.key is None:
        return rows
    over = exp.Window(
        this=exp.RowNumber(),
        partition_by=[column(plan.shape.key)],
        order=exp.Order(expressions=[exp.Ordered(this=column("row_id"))]),
    )
    numbered = rows.select(named(over, "place"), copy=False).subquery(exp.to_identifier("t", quoted=True))
    return exp.select(*(cell.copy() for cell in cells)).from_(numbered).where(column("place").eq(1))


def repeated(plan: Plan) -> exp.Select | None:
    """How many good rows repeat a key that must not; None where there is none."""
    if plan.shape.key is None:
        return None
    rows = exp.select(column(plan.shape.key)).from_(relation(placed_name(plan.table)))
    rows = rows.where(_is_good())
    twice = rows.select(named(exp.Count(this=exp.Star()), "rows")).group_by(column(plan.shape.key))
    twice = twice.having(exp.GT(this=exp.Count(this=exp.Star()), expression=literal(1)))
    total = exp.Sum(this=exp.Sub(this=column("rows"), expression=literal(1)))
    return exp.select(named(total, "rows")).from_(twice.subquery(exp.to_identifier("t", quoted=True)))


def orders_aside() -> exp.Select:
    """The orders that were set aside."""
    rows = exp.select(column("order_id")).distinct().from_(relation(placed_name("orders")))
    return rows.where(known(column("reason")), known(column("order_id")))


def unplaced_addresses(plan: Plan) -> exp.Select:
    """Spellings of addresses that stand for a person in rows whose id does not."""
    rows = exp.select(column("email", "t")).distinct().from_(_alias(typed_name(plan.table), "t"))
    rows = rows.join(_alias("aliases", "a"), on=_same("t", "a", "customer_id"), join_type="left")
    return rows.where(exp.Is(this=column("canonical", "a"), expression=exp.null()), known(column("email", "t")))


def consent_events(plan: Plan) -> exp.Select:
    """The rows of email_events that say something of a person's consent or address."""
    cells = [column(name) for name in (*plan.columns, *(("email",) if plan.has_email else ()))]
    rows = exp.select(*cells).from_(relation(typed_name(plan.table)))
    return rows.where(_is_good(), _is_consent())


def repeated_events() -> exp.Select:
    """Events of the shop that were pulled, too."""
    rows = exp.select(column("event_id", "t")).distinct().from_(_alias(placed_name("email_events"), "t"))
    rows = rows.join(_alias(KNOWN_EVENTS, "k"), on=_same("t", "k", "event_id"))
    return rows.where(_is_good("t"), complement(_is_consent("t")))


def events(shape: Table, own: str | None, *, only_tracked: bool = False) -> exp.Select:
    """email_events: what the shop has but for consent, what is known here, brands of products, and the sources of each.

    `only_tracked`: opens of people who do not accept tracking are no opens.
    """
    columns = list(shape.columns)
    row_id = exp.Add(this=column("row_id"), expression=literal(_LATER))
    rows: exp.Query = exp.select(named(row_id, "row_id"), *map(column, columns)).from_(relation(KNOWN_EVENTS))
    if own is not None:
        mine = exp.select(column("row_id"), *map(column, columns)).from_(relation(own))
        rows = exp.union(mine, rows, distinct=False)
    brand = exp.Coalesce(this=column("brand", "t"), expressions=[column("brand", "p")])
    cells = [named(brand, "brand") if name == "brand" else column(name, "t") for name in ("row_id", *columns)]
    flags = [
        named(
            _tracked(text) if only_tracked and source.startswith("email_opens") else _truth(text, "t"), f"in_{source}"
        )
        for source, text in EMAIL_SOURCES.items()
    ]
    found = exp.select(*cells, *flags).from_(rows.subquery(exp.to_identifier("t", quoted=True)))
    return found.join(_alias("products", "p"), on=_same("t", "p", "product_id"), join_type="left")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many rows of a table have a reason (None: good ones), the newest fact up to now, and what a change would change."""

    reason: str | None
    rows: int
    newest: datetime | None
    marks: tuple[object, ...]


def counting(plan: Plan, now: datetime) -> exp.Select:
    """One row a reason; `Count` says what of."""
    cells: list[exp.Expr] = [column("reason"), named(exp.Count(this=exp.Star()), "rows")]
    moment = now.astimezone(UTC).replace(tzinfo=None)
    time = plan.shape.time
    if time is not None:
        so_far = when(exp.LTE(this=column(time), expression=literal(moment)), column(time))
        cells += [named(exp.Max(this=so_far), "newest")]
        cells += [named(exp.Max(this=column(time)), "latest"), named(exp.Min(this=column(time)), "earliest")]
    for name, kind in plan.columns.items():
        if kind.type in {"number", "money"} and not kind.precise:
            cells.append(named(exp.Sum(this=column(name)), f"sum {name}"))
        elif kind.type in {"text", "boolean"}:
            cells.append(named(exp.Count(this=column(name)), f"known {name}"))
    return exp.select(*cells).from_(relation(placed_name(plan.table))).group_by(column("reason"))


def counted(row: Mapping[str, object]) -> Count:
    """One row of `counting`."""
    newest = row.get("newest")
    return Count(
        reason=None if row["reason"] is None else str(row["reason"]),
        rows=int(str(row["rows"])),
        newest=newest if isinstance(newest, datetime) else None,
        marks=tuple((name, str(value)) for name, value in row.items() if name != "newest"),
    )


def _attached(plan: Plan, currency: str) -> exp.Select:
    person: exp.Expr = column("canonical", "a")
    rows = exp.select().from_(_alias(typed_name(plan.table), "t"))
    rows = rows.join(_alias("aliases", "a"), on=_same("t", "a", "customer_id"), join_type="left")
    if plan.has_email:
        spelled = exp.EQ(this=column("email", "t"), expression=column("raw", "n"))
        rows = rows.join(_alias(PEOPLE, "n"), on=spelled, join_type="left")
        person = exp.Coalesce(this=person, expressions=[column("customer_id", "n")])
    if _joined_product(plan):
        rows = rows.join(_alias("products", "p"), on=_same("t", "p", "product_id"), join_type="left")
    arms = [exp.If(this=exp.Is(this=person.copy(), expression=exp.null()), true=literal(_NO_CUSTOMER))]
    if plan.table == "orders":
        other = exp.NEQ(this=exp.Upper(this=column("currency", "t")), expression=literal(currency))
        arms.append(exp.If(this=other, true=literal(_FOREIGN.format(currency))))
    reason = exp.Coalesce(this=column("reason", "t"), expressions=[exp.Case(ifs=arms)])
    cells = [column("row_id", "t"), named(reason, "reason"), named(person, "customer_id")]
    cells += [_own(plan, name) for name in plan.columns if name != "customer_id"]
    cells += [named(value, name) for name, value in _derived(plan).items()]
    return rows.select(*cells)


def _own(plan: Plan, name: str) -> exp.Expr:
    if plan.table == "views" and name == "category":
        return named(exp.Coalesce(this=column(name, "t"), expressions=[column(name, "p")]), name)
    return column(name, "t")


def _joined_product(plan: Plan) -> bool:
    return plan.table in {"cart_adds", "views"}


def _derived(plan: Plan) -> dict[str, exp.Expr]:
    if plan.table == "orders":
        return {PURCHASES: _truth(PURCHASE.format(o=""), "t")}
    if plan.table == "email_events":
        return dict.fromkeys(plan.shape.joined, exp.false())
    return {name: column(name, "p") for name in plan.shape.joined} if plan.table in TABLES else {}


def _lines(plan: Plan) -> exp.Select:
    rows = exp.select().from_(_alias(typed_name("order_lines"), "t"))
    rows = rows.join(_alias("orders", "o"), on=_same("t", "o", "order_id"), join_type="left")
    rows = rows.join(_alias(ASIDE, "x"), on=_same("t", "x", "order_id"), join_type="left")
    rows = rows.join(_alias("products", "p"), on=_same("t", "p", "product_id"), join_type="left")
    why = exp.Case(
        ifs=[
            exp.If(this=known(column("order_id", "o")), true=exp.cast(exp.null(), exp.DType.VARCHAR)),
            exp.If(this=known(column("order_id", "x")), true=literal(_ORDER_ASIDE)),
        ],
        default=literal(_NO_ORDER),
    )
    reason = exp.Coalesce(this=column("reason", "t"), expressions=[why])
    cells = [column("row_id", "t"), named(reason, "reason"), *(column(name, "t") for name in plan.columns)]
    cells += [column(name, "p" if name in _OF_PRODUCT else "o") for name in plan.shape.joined]
    return rows.select(*cells)


def _is_good(table: str | None = None) -> exp.Expr:
    return exp.Is(this=column("reason", table), expression=exp.null())


def _is_consent(table: str | None = None) -> exp.Expr:
    return exp.In(this=column("kind", table), expressions=[literal(kind) for kind in CONSENT_KINDS])


def _truth(text: str, table: str) -> exp.Expr:
    """A condition of the schema, as a column."""
    found = sqlglot.parse_one(text, dialect="duckdb")
    for one in list(found.find_all(exp.Column)):
        one.replace(column(one.name, table))
    return exp.cast(exp.paren(found), exp.DType.BOOLEAN)


def _tracked(text: str) -> exp.Expr:
    """The condition, of people who accept tracking."""
    people = exp.select(column("customer_id")).from_(relation("customers")).where(column("consent_tracking"))
    accepts = exp.In(this=column("customer_id", "t"), query=people.subquery())
    return exp.and_(_truth(text, "t"), accepts)


def _alias(name: str, alias: str) -> exp.Expr:
    return exp.alias_(relation(name), exp.to_identifier(alias, quoted=True), table=True)


def _same(left: str, right: str, name: str) -> exp.Expr:
    return exp.EQ(this=column(name, left), expression=column(name, right))
