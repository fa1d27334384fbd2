"""What the ledger and the pulled engagement know of a shop's customers, laid over its own data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.shop.erased import Erased


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlays:
    """Rows to lay over a shop; times are UTC.

    - `suppressions`: customer_id or NULL, email, destination, left (a word of `connectors.types.Left`), at or NULL, first_seen.
    - `email_events`: Parquet files of the neutral table, with `email` in place of customer_id.
    - `codes`: the neutral table, ids as the ledger keeps them (an alias's id is the person's).
    - `erased`: addresses that are set aside wherever the shop still has them.
    - `only_tracked`: opens of people who do not accept tracking are no opens.
    """

    suppressions: pa.Table | None = None
    email_events: Sequence[Path] | None = None
    codes: pa.Table | None = None
    erased: Erased | None = None
    only_tracked: bool = False
