"""Erased people, opens of who does not accept tracking, and all that is held of one: the same in every engine as in files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from warehouse_lab import content, mixed, opened_from_files, opened_there

from engine.compute.backends.protocol import Engine
from engine.shop import Overlays
from engine.shop.erased import REASON, Erased

KEY = b"k" * 32


def test_erased_people_and_untracked_opens_are_left_out_alike(database: Engine, tmp_path: Path) -> None:
    raw = mixed(3, database.name)
    customers = raw.tables["customers"]
    count = len(customers)
    if "consent_tracking" in customers.column_names:
        customers = customers.drop_columns(["consent_tracking"])
    tracked = pa.array([place % 2 == 0 for place in range(count)], pa.bool_())
    raw = replace(raw, tables={**raw.tables, "customers": customers.append_column("consent_tracking", tracked)})
    everyone = opened_from_files(raw, tmp_path / "everyone")
    gone = next(str(row[0]) for row in everyone.database.rows("SELECT min(email) FROM customers"))
    everyone.database.close()
    overlays = Overlays(erased=Erased(KEY, frozenset({Erased(KEY, frozenset()).hashed(gone)})), only_tracked=True)
    files = opened_from_files(raw, tmp_path / "files", overlays)
    there = opened_there(database, raw, tmp_path, overlays)
    for table in ("customers", "email_events", "orders"):
        assert content(there, table) == content(files, table), table
    assert REASON in {one.reason for one in there.set_aside} & {one.reason for one in files.set_aside}
    assert files.known_as(gone) == there.known_as(gone) == []
    untracked = "SELECT count(*) FROM email_events e JOIN customers c USING (customer_id) WHERE in_email_opens AND c.consent_tracking IS NOT TRUE"
    assert files.database.scalar(untracked) == 0
    assert files.database.scalar("SELECT count(*) FROM email_events WHERE in_email_opens") > 0
    ((email, customer),) = files.database.rows(
        "SELECT email, customer_id FROM customers WHERE email IS NOT NULL ORDER BY email DESC LIMIT 1"
    )
    assert there.known_as(email) == files.known_as(email)
    told, known = there.rows_of(customer), files.rows_of(customer)
    assert {table: len(rows) for table, rows in told.items()} == {table: len(rows) for table, rows in known.items()}
    files.database.close()
