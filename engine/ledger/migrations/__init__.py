"""The ledger's tables from version to version, in Alembic's operations; which version it is, its own `meta` says.

A new version is a module here, named in `_STEPS`, beside a new number in `schema.py`. Its tables and columns are spelled
as they are at that version: `schema.py` will move on. A new ledger has no history: it is made as `schema.py` says.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["apply"]

_STEPS = {2: "v2_pools", 3: "v3_unattended"}


def apply(connection: sa.Connection, found: int) -> None:
    """Every step that is missing, within the transaction that the connection is in."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection))
    for version, name in sorted(_STEPS.items()):
        if version > found:
            import_module(f"{__name__}.{name}").upgrade(operations)
