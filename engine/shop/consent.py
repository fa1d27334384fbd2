"""Effective consent, one column for every channel of mail: the newest explicit act of the person wins.

An act without a time can lift nothing; a suppression without a time counts from when it was first seen. Only what a
person did counts as an act (unsubscribed, complained, or left in a way that the provider does not name): a bounce
says something of the address and becomes a hard bounce among the email events, an archived or pending contact
matters at its own destination only.
"""

from __future__ import annotations

from datetime import UTC, datetime

from engine.shop.addresses import add_addresses
from engine.shop.numbers import NUMBER
from engine.shop.overlays import Overlays
from engine.tables import Database, name

_COLUMNS = {
    "customer_id": "VARCHAR",
    "email": "VARCHAR",
    "destination": "VARCHAR",
    "left": "VARCHAR",
    "at": "TIMESTAMP",
    "first_seen": "TIMESTAMP",
}
_ACTS = "('unsubscribed', 'complaint', 'other')"
_AS_EVENTS = (("complaint", "complaint", "FALSE"), ("bounced", "bounce", "TRUE"))  # left, kind, hard


def place_suppressions(database: Database, overlays: Overlays | None, now: datetime) -> None:
    """Build `suppressions` (customer_id canonical, destination, left, since): each matched by id and by address.

    What is known counts by now: a provider's clock may be ahead of ours, and ours may have gone back.
    """
    listed = ", ".join(f'NULL::{kind} AS "{column}"' for column, kind in _COLUMNS.items())
    rows = f"SELECT {listed} WHERE FALSE"
    if overlays is not None and overlays.suppressions is not None:
        database.register("given_suppressions", overlays.suppressions)
        given = database.columns("given_suppressions")
        rows = f"SELECT {', '.join(_cast(column, kind, given) for column, kind in _COLUMNS.items())} FROM given_suppressions"
    database.execute(f"CREATE OR REPLACE TEMP TABLE listed_suppressions AS {rows}")
    add_addresses(database, "SELECT trim(email) FROM listed_suppressions")
    database.execute(
        "CREATE OR REPLACE TABLE suppressions AS WITH found AS (SELECT s.*, a.canonical AS person FROM listed_suppressions s"
        " JOIN aliases a USING (customer_id) UNION ALL SELECT s.*, c.customer_id FROM listed_suppressions s"
        " JOIN addresses n ON trim(s.email) = n.raw JOIN customers c ON n.normal = c.email)"
        ' SELECT DISTINCT person AS customer_id, destination, "left",'
        ' CASE WHEN coalesce("at", first_seen) IS NOT NULL THEN least(coalesce("at", first_seen), $now) END AS since FROM found',
        {"now": now.astimezone(UTC).replace(tzinfo=None)},
    )
    database.execute("DROP TABLE listed_suppressions")


def add_suppressions_as_events(database: Database, now: datetime) -> None:
    """Let complaints and bounces that are known only from a suppression list be email events, as `[reachable]` asks for them."""
    columns = f"row_id, event_id, customer_id, {name(NUMBER)}, kind, happened_at, destination, hard, is_machine"
    for left, kind, hard in _AS_EVENTS:
        database.execute(
            f"INSERT INTO email_events ({columns}) SELECT coalesce((SELECT max(row_id) FROM email_events), 0) + row_number() OVER (ORDER BY customer_id),"
            f" 'suppression:{left}:' || customer_id, customer_id, any_value(c.{name(NUMBER)}), '{kind}', coalesce(min(since), TIMESTAMP '1970-01-01'), min(destination), {hard}, FALSE"
            f" FROM suppressions JOIN persons c USING (customer_id) WHERE \"left\" = '{left}' AND customer_id NOT IN"
            f" (SELECT customer_id FROM email_events WHERE kind = '{kind}'{' AND hard' if hard == 'TRUE' else ''}"
            " AND happened_at <= $now) GROUP BY customer_id",
            {"now": now.astimezone(UTC).replace(tzinfo=None)},
        )


def apply_consent(database: Database, now: datetime) -> None:
    """Lower the consent of customers whose newest explicit act was to leave; nothing here raises it."""
    local = now.astimezone(UTC).replace(tzinfo=None)
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE acts AS SELECT customer_id, bool_or(since IS NULL) AS endless, max(since) AS since,"
        f' coalesce(max("left") FILTER ("left" = \'complaint\'), arg_max("left", coalesce(since, TIMESTAMP \'9999-01-01\'))) AS why,'
        " arg_max(destination, (coalesce(since, TIMESTAMP '9999-01-01'), destination)) AS source"
        f' FROM (SELECT customer_id, destination, "left", since FROM suppressions WHERE "left" IN {_ACTS} UNION ALL SELECT customer_id, destination,'
        f" CASE kind WHEN 'complaint' THEN 'complaint' ELSE 'unsubscribed' END,"
        f" CASE WHEN destination IS NULL THEN happened_at ELSE least(happened_at, $now) END FROM email_events"
        f" WHERE kind IN ('complaint', 'unsubscribe')) WHERE since IS NULL OR since <= $now GROUP BY customer_id",
        {"now": local},
    )
    lifted = "NOT acts.endless AND customers.consent_email_at > acts.since AND customers.consent_email_at <= ?"
    left = "customers.consent_email = 'unsubscribed'"
    database.execute(
        f"UPDATE customers SET consent_email_left = acts.why, consent_email = 'unsubscribed',"
        f" consent_email_at = CASE WHEN {left} AND customers.consent_email_at > acts.since THEN customers.consent_email_at ELSE acts.since END,"
        f" consent_email_source = CASE WHEN {left} AND customers.consent_email_at > acts.since THEN customers.consent_email_source ELSE acts.source END"
        f" FROM acts WHERE customers.customer_id = acts.customer_id AND ({left} OR NOT coalesce({lifted}, FALSE))",
        [local],
    )
    database.execute("DROP TABLE acts")


def _cast(column: str, kind: str, given: dict[str, str]) -> str:
    if column not in given:
        return f'NULL::{kind} AS "{column}"'
    if kind == "TIMESTAMP" and given[column].endswith("TIME ZONE"):
        return f'make_timestamp(epoch_us("{column}")) AS "{column}"'
    return f'CAST("{column}" AS {kind}) AS "{column}"'
