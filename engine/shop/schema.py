"""The neutral shop schema as data: tables and their columns, and the sources of the language over them.

`kind` of a column is a word of the language's types (text, number, money, date, instant, boolean, list). At rest
text is VARCHAR, numbers and money DECIMAL(18,4) (`lat`, `lon` DOUBLE), instants naive UTC TIMESTAMP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from engine.errors import nearest

CONSENT = ("subscribed", "pending", "unsubscribed", "never")
LISTS = ("interests", "values", "topics", "pref_content")  # traits of every shop, unknown where it has no such list
BASES = ("consent", "existing_customer", "b2b")
KINDS = ("send", "delivered", "open", "click", "bounce", "complaint", "unsubscribe", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: `exact` for ids (compared as they are), `required` must be there and known in every row.

    `blank`: the column must be there, its values need not be known. `values` is a closed list; a value outside it makes the row a bad one, or becomes `otherwise` where that is given.
    """

    type: str
    required: bool = False
    values: tuple[str, ...] = ()
    exact: bool = False
    otherwise: str | None = None
    blank: bool = False
    precise: bool = False  # DOUBLE instead of DECIMAL(18,4)
    numbered_in: str | None = field(default=None, compare=False)  # the table that has each value beside its number

    @property
    def physical(self) -> str:
        """DuckDB's type of the column at rest."""
        return "DOUBLE" if self.precise else PHYSICAL[self.type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What can be counted: rows of `table` with a customer_id and a time, those where `keep` (a BOOLEAN column) is true."""

    table: str
    time: str
    columns: Mapping[str, Column]
    keep: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One neutral table: what may be brought, what the load joins on (`joined`), and its unique key if it has one."""

    columns: Mapping[str, Column]
    joined: Mapping[str, Column] = field(default_factory=dict)
    key: str | None = None
    time: str | None = None

    @property
    def everything(self) -> dict[str, Column]:
        """Columns at rest: brought and joined."""
        return {**self.columns, **self.joined}


PHYSICAL: Mapping[str, str] = MappingProxyType(
    {
        "text": "VARCHAR",
        "number": "DECIMAL(18,4)",
        "money": "DECIMAL(18,4)",
        "date": "DATE",
        "instant": "TIMESTAMP",
        "boolean": "BOOLEAN",
        "list": "VARCHAR[]",
    }
)

_TEXT = Column(type="text")
_ID = Column(type="text", exact=True)
_KEY = Column(type="text", exact=True, required=True)
_NUMBER = Column(type="number")
_MONEY = Column(type="money")
_DATE = Column(type="date")
_INSTANT = Column(type="instant")
_TIME = Column(type="instant", required=True)
_FLAG = Column(type="boolean")
_PRECISE = Column(type="number", precise=True)


def _one_of(*values: str) -> Column:
    return Column(type="text", values=values, exact=True)


def _all(column: Column, names: str) -> dict[str, Column]:
    return dict.fromkeys(names.split(), column)


_PRODUCT = _all(_TEXT, "brand category colour")

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "customers": Table(
            key="customer_id",
            columns={
                "customer_id": _KEY,
                "email": Column(type="text", required=True, blank=True),
                **_all(_TEXT, "first_name last_name phone"),
                "birth_date": _DATE,
                "gender": replace(_one_of("female", "male", "other"), otherwise="other"),
                **_all(_TEXT, "language timezone country region city postcode"),
                **_all(_PRECISE, "lat lon"),
                **_all(_TEXT, "climate_zone density"),
                "income": _MONEY,
                **_all(_TEXT, "occupation education household company"),
                "company_size": _NUMBER,
                "company_sector": _TEXT,
                "created_at": _INSTANT,
                **_all(_TEXT, "utm_source utm_campaign loyalty_tier"),
                "loyalty_points": _NUMBER,
                "loyalty_points_expire_at": _INSTANT,
                "pref_frequency": _TEXT,
                "consent_email": _one_of(*CONSENT),
                "consent_email_at": _INSTANT,
                "consent_email_source": _TEXT,
                "consent_email_basis": _one_of(*BASES),
                "consent_tracking": _FLAG,
                "consent_sms": _one_of(*CONSENT),
            },
            joined={"email_invalid": _FLAG, "consent_email_left": _TEXT},
        ),
        "products": Table(
            key="product_id",
            columns={
                "product_id": _KEY,
                **_all(_TEXT, "name brand category colour"),
                **_all(_MONEY, "price cost"),
                **_all(_ID, "url image_url"),
                "consumable": _FLAG,
                **_all(_ID, "complements upgrade_of"),
                "in_stock": _FLAG,
                "launched_at": _INSTANT,
            },
        ),
        "orders": Table(
            key="order_id",
            time="ordered_at",
            columns={
                "order_id": _KEY,
                "customer_id": _KEY,
                "ordered_at": _TIME,
                "total": Column(type="money", required=True),
                **_all(_TEXT, "status currency"),
                "discount": _MONEY,
                "coupon": _TEXT,
                **_all(_MONEY, "shipping tax"),
                "channel": _TEXT,
                "refunded": _MONEY,
                "delivered_at": _INSTANT,
            },
            joined={"is_purchase": _FLAG},
        ),
        "order_lines": Table(
            time="ordered_at",
            columns={
                "order_id": _KEY,
                "product_id": _KEY,
                "quantity": Column(type="number", required=True),
                **_all(_MONEY, "price discount"),
            },
            joined={
                "customer_id": _ID,
                **_all(_INSTANT, "ordered_at delivered_at"),
                "status": _TEXT,
                **_PRODUCT,
                **_all(_ID, "complements upgrade_of"),
                "is_purchase": _FLAG,
            },
        ),
        "cart_adds": Table(
            time="happened_at",
            columns={
                **_all(_KEY, "customer_id product_id"),
                "happened_at": _TIME,
                "quantity": _NUMBER,
                **_all(_ID, "cart_id cart_url"),
            },
            joined=_PRODUCT,
        ),
        "views": Table(
            time="happened_at",
            columns={
                "customer_id": _KEY,
                "happened_at": _TIME,
                "product_id": _ID,
                "category": _TEXT,
                "url": _ID,
                "kind": _one_of("page", "product", "download"),
            },
            joined=_all(_TEXT, "brand colour"),
        ),
        "searches": Table(
            time="happened_at",
            columns={"customer_id": _KEY, "term": Column(type="text", required=True), "happened_at": _TIME},
        ),
        "sessions": Table(
            time="happened_at",
            columns={
                "customer_id": _KEY,
                "happened_at": _TIME,
                "duration_s": _NUMBER,
                **_all(_TEXT, "device os browser utm_source utm_campaign"),
            },
        ),
        "email_events": Table(
            key="event_id",
            time="happened_at",
            columns={
                **_all(_KEY, "event_id customer_id"),
                "kind": replace(_one_of(*KINDS), required=True, otherwise="other"),
                "happened_at": _TIME,
                **_all(_TEXT, "campaign message"),
                "url": _ID,
                "product_id": _ID,
                "brand": _TEXT,
                **_all(_FLAG, "hard is_machine"),
                **_all(_TEXT, "precision destination"),
                "raw": _ID,
            },
            joined=_all(
                _FLAG,
                "in_email_sends in_email_deliveries in_email_opens in_email_opens_all in_email_clicks"
                " in_email_bounces in_email_complaints in_email_unsubscribes",
            ),
        ),
        "referrals": Table(
            time="happened_at",
            columns={
                "customer_id": _KEY,
                "status": Column(type="text", required=True),
                "happened_at": _TIME,
                "referred_id": _ID,
            },
        ),
        "customer_lists": Table(
            columns={
                "customer_id": _KEY,
                "list": Column(type="text", required=True),
                "value": Column(type="text", required=True),
            },
        ),
        "codes": Table(
            time="issued_at",
            columns={
                **_all(_KEY, "code_id customer_id"),
                **_all(_TEXT, "offer state"),
                "issued_at": _TIME,
                **_all(_INSTANT, "expires_at redeemed_at"),
            },
        ),
    }
)

SYNONYMS: Mapping[str, Mapping[str, str | None]] = MappingProxyType(
    {
        "gender": {
            **dict.fromkeys(("f", "w", "woman", "femme", "mme", "mrs", "ms"), "female"),
            **dict.fromkeys(("m", "man", "homme", "mr"), "male"),
            **dict.fromkeys(("na", "n/a", "unknown", "u"), None),
        }
    }
)
PURCHASES = "is_purchase"
PURCHASE = (
    "coalesce(lower({o}status), '') NOT IN ('cancelled', 'canceled', 'test', 'refunded')"
    " AND NOT coalesce({o}refunded >= {o}total AND {o}total > 0, FALSE)"
)
_MACHINE = "NOT coalesce(is_machine, FALSE)"
EMAIL_SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "email_sends": "kind = 'send'",
        "email_deliveries": "kind = 'delivered'",
        "email_opens": f"kind = 'open' AND {_MACHINE}",
        "email_opens_all": "kind = 'open'",
        "email_clicks": f"kind = 'click' AND {_MACHINE}",
        "email_bounces": "kind = 'bounce'",
        "email_complaints": "kind = 'complaint'",
        "email_unsubscribes": "kind = 'unsubscribe'",
    }
)
_SOURCES: Mapping[str, tuple[str, bool]] = MappingProxyType(  # name -> table, has a filter column `in_<name>`
    {
        "orders": ("orders", True),
        "all_orders": ("orders", False),
        "order_lines": ("order_lines", True),
        **{name: (name, False) for name in ("cart_adds", "views", "searches", "sessions", "referrals", "codes")},
        **dict.fromkeys(EMAIL_SOURCES, ("email_events", True)),
    }
)
NOT_FACTS = frozenset({"email_invalid", "consent_email_left"})


def sources(tables: Mapping[str, Table]) -> dict[str, Source]:
    """Build the language's sources over these tables; a table of the shop's own is one under its own name."""
    found = {
        name: _source(name, tables[table], table, filtered=filtered) for name, (table, filtered) in _SOURCES.items()
    }
    own = {name: table for name, table in tables.items() if name not in TABLES and table.time}
    return {**found, **{name: _source(name, table, name, filtered=False) for name, table in own.items()}}


def _source(name: str, table: Table, physical: str, *, filtered: bool) -> Source:
    keep = PURCHASES if table.everything.get(PURCHASES) else f"in_{name}"
    time = table.time or "happened_at"
    return Source(table=physical, time=time, columns=countable(table), keep=keep if filtered else None)


def countable(table: Table) -> dict[str, Column]:
    """Name the columns of a table that the language sees: those that only say which source a row is in are left out."""
    hidden = {PURCHASES, *(f"in_{name}" for name in EMAIL_SOURCES)}
    return {column: kind for column, kind in table.everything.items() if column not in hidden}


def facts(customers: Table, lists: Iterable[str]) -> dict[str, Column]:
    """Name the customers' columns as the language does; `age` and `birthday` come from birth_date, lists are traits."""
    named = {spoken(name): column for name, column in customers.everything.items() if name not in NOT_FACTS}
    derived = {"age": _NUMBER, "birthday": _DATE}
    return {**named, **derived, **dict.fromkeys(lists, Column(type="list"))}


def spoken(column: str) -> str:
    """Name a column of customers as the language does: `consent_email_at` is `consent.email_at`."""
    return column.replace("consent_", "consent.", 1) if column.startswith("consent_") else column


def physical(fact: str) -> str:
    """Name the column of customers that holds a fact: the inverse of `spoken`."""
    return fact.replace("consent.", "consent_", 1) if fact.startswith("consent.") else fact


def hint_for(name: str, known: Iterable[str]) -> str:
    """Say which names are there, the nearest first."""
    choices = sorted(known)
    near = nearest(name, choices)
    return f"did you mean {near!r}? " * bool(near) + f"there: {', '.join(choices) or 'nothing'}"
