"""Upgrades ledgers of version 1 in processes that are killed, each some steps later: `python killed_upgrade.py PLACE STRIDE`.

Ends when one lives to its end; prints the URLs of those that did not.
"""

from __future__ import annotations

import os
import signal
import sys

import alembic.migration
import alembic.operations
import sqlalchemy as sa
import sqlalchemy.dialects.postgresql.psycopg
from homes import poured

from engine.ledger import Ledger, batches, migrations, upgrade
from engine.ledger.migrations import v2_pools, v3_unattended

LOADED = (alembic, batches, migrations, upgrade, v2_pools, v3_unattended)  # before any fork: each copy only upgrades


def killed_after(url: str, steps: int) -> bool:
    """Whether an upgrade dies that may take this many steps: statements and commits."""
    child = os.fork()
    if child == 0:
        left = steps

        def step(*_: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        for event in ("before_cursor_execute", "commit"):
            sa.event.listen(sa.Engine, event, step)
        Ledger.open(url, f"client{steps}").close()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main(place: str, stride: int) -> None:
    number = 0
    while killed_after(url := poured(1, place, f"killed{number}"), stride * number):
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
