"""One destination as whoever puts it right finds it: what the ledger says, who may be written to, what was read there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

from connectors.types import TargetKind
from engine.ownership.later import Later
from engine.plan import rows

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger.accounts import KnownTarget
    from engine.ownership.reading import Seen
    from engine.plan.columns import Present
    from engine.plan.destination import Destination, MergeTag

__all__ = ["Site", "Undone", "UndoneDocument", "digests"]

Column = Any  # an Arrow array; Arrow ships no types


class UndoneDocument(TypedDict):
    """What `Undone` says as JSON."""

    destination: str
    removed: Mapping[str, int]
    returned: Mapping[str, int]
    restored: Mapping[str, int]
    cleared: Mapping[str, int]
    created: int
    mailed: int
    suppressed: int
    pooled: int
    unreachable: int
    absent: int
    superseded: Mapping[str, int]
    changed: Mapping[str, int]
    unknown: Mapping[str, int]
    gone: Mapping[str, int]
    why: str | None


@dataclass(slots=True, kw_only=True)
class Undone:
    """What taking a run back does at one destination, counted; and, from `created` on, what cannot be taken back.

    By segment: `removed` leave again, `returned` come back, `gone` have no list any more. By merge tag: `restored` and
    `cleared` values, `changed` by others since, `unknown` (what stood there before us nobody knows: they are emptied).
    `superseded` counts changes by the later run that has the last word; `unreachable` people who may not be written to
    by now; `absent` changes of which nothing stands any more: never carried, left since, or their contact is gone.
    """

    destination: str
    removed: Counter[str] = field(default_factory=Counter)
    returned: Counter[str] = field(default_factory=Counter)
    restored: Counter[str] = field(default_factory=Counter)
    cleared: Counter[str] = field(default_factory=Counter)
    created: int = 0
    suppressed: int = 0
    pooled: int = 0  # codes in a provider's own pool
    unreachable: int = 0
    absent: int = 0
    superseded: Counter[int] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)
    why: str | None = None  # nothing is undone there: not in the config any more, or it does not answer

    @property
    def mailed(self) -> int:
        """People whom it put into lists: flows may have written to them."""
        return self.removed.total()

    def document(self) -> UndoneDocument:
        """Plain JSON."""
        return {
            "destination": self.destination,
            "removed": _some(self.removed),
            "returned": _some(self.returned),
            "restored": _some(self.restored),
            "cleared": _some(self.cleared),
            "created": self.created,
            "mailed": self.mailed,
            "suppressed": self.suppressed,
            "pooled": self.pooled,
            "unreachable": self.unreachable,
            "absent": self.absent,
            "superseded": {str(run): count for run, count in self.superseded.items() if count},
            "changed": _some(self.changed),
            "unknown": _some(self.unknown),
            "gone": _some(self.gone),
            "why": self.why,
        }


def _some(counts: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _no_codes() -> pa.Table:
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ("offer", "customer_id", "code")]).empty_table()


@dataclass(frozen=True, kw_only=True)
class Site:
    """A destination, the ledger's contacts there, the computed membership, later plans, and what was read there.

    `codes`: offer, customer_id and code of those that can be used.
    """

    destination: Destination
    here: Present
    people: pa.Table
    later: Later = field(default_factory=Later)
    seen: Seen | None = None
    codes: pa.Table = field(default_factory=_no_codes)

    @cached_property
    def code_tags(self) -> Mapping[str, MergeTag]:
        """Merge tags that carry a part of a code."""
        return {tag.name: tag for tag in self.destination.merge_tags if tag.offer}

    @property
    def name(self) -> str:
        """The destination's name."""
        return self.destination.name

    def column(self, name: str) -> Column:
        """A column of the contacts."""
        return self.here.table[name].combine_chunks()

    @cached_property
    def is_there(self) -> Column:
        """Of the contacts: still there, as far as we know."""
        import pyarrow.compute as pc

        return pc.not_equal(self.column("state"), "left")

    @cached_property
    def may(self) -> Column:
        """Of the contacts: may be written to now; nobody's consent rises by what is put back."""
        import pyarrow.compute as pc

        from engine.push.people import People

        address = self.column("address")
        is_free = pc.invert(pc.is_in(address, value_set=self.here.suppressed))
        return pc.and_(pc.and_(People(self.people).may(address), is_free), self.is_there)

    def segment(self, name: str) -> KnownTarget | None:
        """The list of a segment, under the name that it has now; None where there is none, or two that had the name."""
        known = [at for (kind, _), at in self.here.targets.items() if kind is TargetKind.SEGMENT and at.ref]
        found = [at for at in known if name in (at.target.name, *at.was)]
        return found[0] if len(found) == 1 else None


def digests(destination: str, kind: str, target: str, address: Column) -> Column:
    """Content hashes of changes without values."""
    import pyarrow as pa

    return (
        rows.hashes(rows.contents(destination, kind, target, address, {}))
        if len(address)
        else pa.array([], pa.string())
    )
