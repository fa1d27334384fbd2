"""Version 3: changes on their way by the call, erasures, holds after an undo, and more of each code's life."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["upgrade"]


def upgrade(op: Operations) -> None:
    """Changes on their way are kept in another form; all else is added."""
    op.add_column("targets", sa.Column("was", sa.Text))
    op.add_column("runs", sa.Column("ended_at", sa.DateTime))
    op.add_column("runs", sa.Column("plan", sa.Text))
    _widen_codes(op)
    _add_erasures(op)
    op.create_table(
        "holds",
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    _add_batches(op)


def _widen_codes(op: Operations) -> None:
    op.add_column("codes", sa.Column("cost", sa.BigInteger))
    op.add_column("codes", sa.Column("products", sa.Text))
    op.add_column("codes", sa.Column("by_another", sa.Boolean))
    op.add_column("codes", sa.Column("renewed_to", sa.DateTime))
    op.add_column("codes", sa.Column("renewals", sa.Integer, nullable=False, server_default="0"))


def _add_erasures(op: Operations) -> None:
    op.create_table(
        "erasures",
        sa.Column("erasure", sa.Text, primary_key=True),
        sa.Column("asked_at", sa.DateTime, nullable=False),
        sa.Column("done_at", sa.DateTime),
        sa.Column("receipt", sa.Text, nullable=False),
    )
    op.create_table(
        "erased",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("erasure", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "erasing",
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("erasure", sa.Text, nullable=False),
        sa.Column("ref", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("asked_at", sa.DateTime, nullable=False),
    )


def _add_batches(op: Operations) -> None:
    from engine.ledger.batches import converted

    batches = op.create_table(
        "batches",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("job", sa.Text),
        sa.Column("plan", sa.Text),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("changes", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("batches_by_destination", "batches", ["destination"])
    before = sa.MetaData()
    before.reflect(op.get_bind(), only=["sending"])
    sending = before.tables["sending"]
    order = [sending.c[name] for name in ("destination", "kind", "target", "state", "job", "plan", "started_at")]
    rows = op.get_bind().execute(sa.select(sending).order_by(*order, sending.c.change_id)).mappings()
    op.bulk_insert(batches, list(converted(dict(row) for row in rows)))
    op.drop_table("sending")
