"""Engagement at rest: immutable Parquet parts of one client, named by destination and page cursor."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from connectors.types import normal
from engine.files import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from connectors.types import Cursor, EngagementEvent
    from engine.shop.erased import Erased

__all__ = ["Parts"]

_SUFFIX = ".parquet"
_TEXTS = ("event_id", "email", "kind", "campaign", "message", "url", "precision", "destination", "raw")


class Parts:
    """The parts in one folder. A part is written beside its name and renamed: a crash leaves none half-done."""

    def __init__(self, folder: Path, erased: Callable[[], Erased | None] = lambda: None) -> None:
        """`erased` is asked at each page: whom it names is not kept."""
        self.folder = folder
        self.erased = erased

    def paths(self) -> list[Path]:
        """All parts, in a stable order."""
        return sorted(self.folder.glob(f"*{_SUFFIX}"))

    def of(self, destination: str) -> list[Path]:
        """The parts of one destination, in a stable order."""
        return sorted(self.folder.glob(f"{destination}-*{_SUFFIX}"))  # no destination's name holds a hyphen

    def keep(self, destination: str, since: Cursor | None, events: Sequence[EngagementEvent]) -> Counter[str]:
        """Write those events of a page that no part holds yet; returns how many of each kind. Of people erased, none.

        `since` is the cursor that the page was read from: reading it again after a crash finds its events kept.
        """
        import pyarrow.compute as pc

        if (erased := self.erased()) is not None:
            gone = erased.of({event.email for event in events})
            events = [event for event in events if event.email not in gone]
        if not events:
            return Counter()
        table = _columns(destination, events)
        known = self._ids(destination, min(event.happened_at for event in events))
        fresh = table.filter(pc.invert(pc.is_in(table["event_id"], value_set=known)))
        if not fresh.num_rows:
            return Counter()
        ids = "\n".join(sorted(fresh["event_id"].to_pylist()))
        name = f"{destination}-{_hash(since or '')}-{_hash(ids)}{_SUFFIX}"
        self._write(name, fresh)
        return Counter(fresh["kind"].to_pylist())

    def held(self, addresses: Collection[str]) -> int:
        """How many events of these normal addresses are kept."""
        return sum(len(_theirs(path, addresses)) for path in self.paths())

    def of_people(self, addresses: Collection[str]) -> list[dict[str, Any]]:
        """Every event of these normal addresses, in the order of their time."""
        import pyarrow.parquet as pq

        found = [row for path in self.paths() for row in pq.read_table(path).to_pylist()
                 if row["email"] is not None and normal(row["email"]) in addresses]  # fmt: skip
        return sorted(found, key=lambda row: (row["happened_at"], row["event_id"]))

    def without(self, addresses: Collection[str]) -> tuple[int, int]:
        """Rewrite the parts that hold somebody without them; returns how many events went, and of how many parts.

        A part that holds nobody else goes altogether. Reading its page again brings nothing back, as long as `erased`
        names them.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        events = parts = 0
        for path in self.paths():
            theirs = _theirs(path, addresses)
            if not theirs:
                continue
            table = pq.read_table(path)
            kept = table.take(pa.array([row for row in range(len(table)) if row not in theirs], pa.int64()))
            if len(kept):
                self._write(path.name, kept)
            else:
                path.unlink()
            events, parts = events + len(theirs), parts + 1
        for half in self.folder.glob(f".*{_SUFFIX}.half") if parts else ():
            half.unlink(missing_ok=True)
        return events, parts

    def _write(self, name: str, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole(self.folder / name) as file:
            pq.write_table(table, file, compression="zstd")

    def _ids(self, destination: str, since: datetime) -> pa.Array:
        """Ids of the destination's events in parts that reach beyond `since`: only those can repeat."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        found = [pa.array([], pa.string())]
        for path in self.of(destination):
            part = pq.ParquetFile(path)
            at = part.schema_arrow.get_field_index("happened_at")
            groups = [part.metadata.row_group(index).column(at) for index in range(part.metadata.num_row_groups)]
            if any(group.statistics is None or group.statistics.max >= since.replace(tzinfo=None) for group in groups):
                found += part.read(columns=["event_id"])["event_id"].chunks
            part.close()
        return pa.concat_arrays(found)


def _theirs(path: Path, addresses: Collection[str]) -> set[int]:
    """Places of the rows of these people."""
    import pyarrow.parquet as pq

    emails = pq.read_table(path, columns=["email"])["email"].to_pylist()
    return {place for place, email in enumerate(emails) if email is not None and normal(email) in addresses}


def _columns(destination: str, events: Sequence[EngagementEvent]) -> pa.Table:
    """The page as the neutral table `email_events`; ids are unique across destinations, instants naive UTC."""
    import pyarrow as pa

    once = list({event.id: event for event in events}.values())
    rows = [
        {
            "event_id": f"{destination}:{event.id}", "email": event.email, "kind": event.kind.value,
            "happened_at": event.happened_at.replace(tzinfo=None), "campaign": event.campaign, "message": event.message,
            "url": event.url, "hard": event.hard, "is_machine": event.is_machine, "precision": event.precision.value,
            "destination": destination, "raw": event.raw,
        }
        for event in once
    ]  # fmt: skip
    schema = pa.schema(
        [(name, pa.string()) for name in _TEXTS]
        + [("happened_at", pa.timestamp("us")), ("hard", pa.bool_()), ("is_machine", pa.bool_())]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
