"""Version 2: a code is a person's, or nobody's and of the pool at a destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["upgrade"]


def upgrade(op: Operations) -> None:
    """Nothing that was there changes."""
    with op.batch_alter_table("codes") as codes:
        codes.alter_column("customer_id", nullable=True)
        codes.add_column(sa.Column("destination", sa.Text))
        codes.create_check_constraint(
            "a_code_is_a_persons_or_a_pools", "(customer_id IS NULL) <> (destination IS NULL)"
        )
