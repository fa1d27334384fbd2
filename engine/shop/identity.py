"""Who is one person: rows of customers with one normal address merge under the smallest id (as text).

A scalar is the latest non-empty by created_at, then id; other ids stay as aliases. Every person has a number, the place
in the order of ids, which stands beside the id in all tables: what is grouped by it is grouped faster. Consent is the most restrictive
of every row that names the person, among them rows that were set aside: a typing mistake never lifts a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.shop.addresses import add_addresses
from engine.shop.erased import REASON, Erased
from engine.shop.numbers import NUMBER
from engine.shop.schema import CONSENT, Column
from engine.tables import Database, name

_NUMBER = name(NUMBER)
_LARGE = 1_000_000  # ids: sorting for 250,000 cost 4 CPU seconds and saved one
_RESTRICTIVE = ("unsubscribed", "never", "pending", "subscribed")
_FOLDED = (
    "consent_email",
    "consent_email_at",
    "consent_email_source",
    "consent_email_basis",
    "consent_tracking",
    "consent_sms",
)
_PERSONS = (
    "FROM placed p JOIN aliases a USING (customer_id) LEFT JOIN folded_consent f ON a.canonical = f.canonical"
    " WHERE p.reason IS NULL"
)


def identify(database: Database, erased: Erased | None = None) -> None:
    """Turn `staged_customers` (row_id, reason, columns) into `aliases` (customer_id, canonical, number); `persons` are ids, numbers and normal addresses.

    Rows of an address that was erased are set aside.
    """
    add_addresses(database, "SELECT email FROM staged_customers")
    if erased is not None and (spellings := erased.among(database)):
        apart = "UPDATE staged_customers SET reason = $why WHERE list_contains($spellings, email)"
        database.execute(apart, {"why": REASON, "spellings": sorted(spellings)})
    database.execute(
        "CREATE OR REPLACE TEMP VIEW placed AS SELECT s.*, a.normal, s.email IS NOT NULL AND a.normal IS NULL AS email_invalid"
        " FROM staged_customers s LEFT JOIN addresses a ON s.email = a.raw"
    )
    database.execute(
        f"CREATE OR REPLACE TABLE aliases AS SELECT *, CAST(dense_rank() OVER (ORDER BY canonical) AS INTEGER) AS {_NUMBER} FROM (SELECT customer_id,"
        " CASE WHEN normal IS NULL THEN customer_id ELSE min(customer_id) OVER (PARTITION BY normal) END AS canonical"
        " FROM placed WHERE reason IS NULL)"
    )
    database.execute(
        f"CREATE OR REPLACE TEMP VIEW persons AS SELECT customer_id, a.{_NUMBER}, p.normal AS email FROM placed p JOIN aliases a"
        " USING (customer_id) WHERE p.reason IS NULL AND a.canonical = customer_id"
    )


def merge(database: Database, columns: Mapping[str, Column], lists: str) -> None:
    """Make `customers` of those who were identified, with the lists that a select (customer_id, lists) has of some.

    `customers` has `email` as the normal address (NULL when unknown or invalid), `email_invalid`, and the shop's own
    consent, never NULL. Where they are many, one person's rows lie together.
    """
    _fold_consent(database)
    scalars = [column for column in columns if column not in {"customer_id", "email", *_FOLDED}]
    database.execute(
        f"CREATE OR REPLACE TABLE customers AS WITH several AS (SELECT DISTINCT canonical FROM aliases WHERE canonical <> customer_id), merged AS ("
        f" SELECT p.row_id, a.canonical AS customer_id, a.{_NUMBER}, p.normal AS email{''.join(f', p.{name(column)}' for column in scalars)},"
        f" {', '.join(f'f.{column}' for column in _FOLDED)}, p.email_invalid, NULL::VARCHAR AS consent_email_left"
        f" {_PERSONS} AND a.canonical NOT IN (FROM several) UNION ALL"
        f" SELECT min(p.row_id), a.canonical, any_value(a.{_NUMBER}), any_value(p.normal){''.join(', ' + _latest(column) for column in scalars)},"
        f" {', '.join(f'any_value(f.{column})' for column in _FOLDED)}, bool_and(p.email_invalid), NULL"
        f" {_PERSONS} AND a.canonical IN (FROM several) GROUP BY a.canonical)"
        f" SELECT c.*, l.* EXCLUDE (customer_id) FROM merged c LEFT JOIN ({lists}) l ON c.customer_id = l.customer_id"
        f"{' ORDER BY c.customer_id' if is_large(database) else ''}"
    )
    database.execute(f"CREATE OR REPLACE TEMP VIEW persons AS SELECT customer_id, {_NUMBER}, email FROM customers")
    database.execute("DROP VIEW placed; DROP TABLE folded_consent")


def is_large(database: Database) -> bool:
    """Whether one person's rows should lie together: sorting costs less than what grouping then saves."""
    return int(database.scalar("SELECT count(*) FROM aliases")) >= _LARGE


def _latest(column: str) -> str:
    quoted = f"p.{name(column)}"
    order = "row(coalesce(p.created_at, TIMESTAMP '0001-01-01'), p.customer_id)"
    return f"arg_max({quoted}, {order}) FILTER ({quoted} IS NOT NULL) AS {name(column)}"


def _fold_consent(database: Database) -> None:
    """Build `folded_consent` (canonical, consent columns) from every row that names the person by id or address."""
    word = " ".join(f"WHEN '{state}' THEN {rank}" for rank, state in enumerate(_RESTRICTIVE))
    rank, sms = (f"CASE coalesce({column}, 'never') {word} END" for column in ("consent_email", "consent_sms"))
    states = "['" + "', '".join(_RESTRICTIVE) + "']"
    basis = "CASE consent_email_basis WHEN 'b2b' THEN 0 WHEN 'existing_customer' THEN 1 ELSE 2 END"
    order = f"row({rank}, -coalesce(epoch_us(consent_email_at), -9e18), {basis})"
    database.execute(
        "CREATE OR REPLACE TEMP TABLE folded_consent AS WITH named AS ("
        " SELECT p.*, a.canonical FROM placed p JOIN aliases a USING (customer_id)"
        " UNION ALL SELECT p.*, a.canonical FROM placed p JOIN"
        " (SELECT DISTINCT g.normal, b.canonical FROM placed g JOIN aliases b USING (customer_id) WHERE g.reason IS NULL) a"
        " ON p.normal = a.normal WHERE p.reason IS NOT NULL)"
        f", chosen AS (SELECT canonical, {states}[1 + min({rank})] AS consent_email, {states}[1 + min({sms})] AS consent_sms,"
        f" bool_and(consent_tracking) AS consent_tracking, arg_min({{'since': consent_email_at, 'source': consent_email_source,"
        f" 'basis': consent_email_basis}}, {order}) AS act FROM named GROUP BY canonical)"
        " SELECT canonical, consent_email, act.since AS consent_email_at, act.source AS consent_email_source,"
        " CASE WHEN consent_email IN ('subscribed', 'pending') THEN coalesce(act.basis, 'consent') ELSE act.basis END"
        " AS consent_email_basis, consent_tracking, consent_sms FROM chosen"
    )


if sorted(_RESTRICTIVE) != sorted(CONSENT):  # a state that is added must be given its place
    raise ImportError(_RESTRICTIVE)
