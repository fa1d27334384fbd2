"""What is at a destination now, read as columns: who is in our lists, and which values differ from ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from connectors.base import ReadsMembers, ReadsTraits
from connectors.errors import InvalidRequest, UnexpectedResponse
from connectors.types import Profile, TargetKind
from engine.ledger.packing import scalar, unpack_fields, value
from engine.plan.rows import chosen, runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from connectors.base import Connector
    from connectors.types import Fitted, Ref
    from engine.ledger.accounts import KnownTarget
    from engine.plan.columns import Present

__all__ = ["ListSeen", "Seen", "read_list", "read_values", "read_written", "values_schema"]

Column = Any  # an Arrow array; Arrow ships no types

_VALUED = frozenset({"AddContact", "SetTraits", "ClearTraits"})
_AT_ONCE = 50_000  # contacts whose values are asked for, and held as objects, at one time


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSeen:
    """One list: everyone in it (None: it cannot be read), the provider's own count, and whether it is there at all.

    `is_renamed`: it answers by its id, and no longer bears our title.
    """

    addresses: Column | None = None
    count: int | None = None
    is_gone: bool = False
    is_renamed: bool = False

    @property
    def is_whole(self) -> bool:
        """As many were listed as the provider counts: who is missing is missing."""
        return self.addresses is not None and (self.count is None or len(self.addresses) >= self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Lists by segment; `values`: address, field (ours), there (a JSON scalar, null: empty), where not as we left it.

    `absent`: contacts that the account did not show when it was asked for their values. `looked`: contacts asked for.
    """

    lists: Mapping[str, ListSeen] = field(default_factory=dict)
    values: pa.Table | None = None
    absent: Column | None = None
    looked: int = 0

    def differing(self, tag: str) -> Column:
        """Addresses whose value is not the one that we left there."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.values is None:
            return pa.array([], pa.string())
        return self.values.filter(pc.equal(self.values["field"], tag))["address"].combine_chunks()


def values_schema() -> pa.Schema:
    """The columns of `Seen.values`."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ("address", "field", "there")])


def read_list(connector: Connector, known: KnownTarget, *, is_found: bool = True) -> ListSeen:
    """Everyone in a list, page by page; `is_found`: it bears our title. Raises the connector's errors while it is read."""
    import pyarrow as pa

    if not isinstance(connector, ReadsMembers) or known.ref is None:
        return ListSeen()
    try:
        count = connector.count(known.target, known.ref)
    except (InvalidRequest, UnexpectedResponse):
        if is_found:
            raise
        return ListSeen(is_gone=True)
    read = connector.members(known.target, known.ref)
    pages = [pa.array([profile.email for profile in page.items], pa.string()) for page in read]
    return ListSeen(
        addresses=pa.concat_arrays([pa.array([], pa.string()), *pages]).unique(), count=count, is_renamed=not is_found
    )


def read_values(connector: Connector, here: Present, *, only: Column | None = None) -> Seen | None:
    """Where fields hold something else than we left there; `only`: addresses to ask for. None: it cannot be read."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not isinstance(connector, ReadsTraits):
        return None
    fields = {
        at.position: (name, at.ref)
        for (kind, name), at in here.targets.items()
        if kind is TargetKind.FIELD and at.ref is not None
    }
    table = here.table.filter(
        pc.and_(pc.not_equal(here.table["state"], "left"), pc.not_equal(here.table["fields"], ""))
    )
    if only is not None:
        table = table.filter(pc.is_in(table["address"], value_set=only))
    found = [values_schema().empty_table()]
    absent = [pa.array([], pa.string())]
    for start in range(0, len(table), _AT_ONCE):
        part = table.slice(start, _AT_ONCE)
        differing, missing = _compare(connector, part, fields)
        found.append(differing)
        absent.append(missing)
    return Seen(values=pa.concat_tables(found), absent=pa.concat_arrays(absent), looked=len(table))


def _compare(connector: ReadsTraits, part: pa.Table, fields: Mapping[int, tuple[str, Ref]]) -> tuple[pa.Table, Column]:
    import pyarrow as pa

    columns = (part[name].to_pylist() for name in ("address", "ref", "fields"))
    contacts = {address: (ref, packed) for address, ref, packed in zip(*columns, strict=True)}
    read = connector.traits([Profile(address, ref) for address, (ref, _) in contacts.items()])
    rows: list[tuple[str, str, str | None]] = []
    for address, (_, packed) in contacts.items():
        if address in read:
            rows += _differences(address, packed, read[address], fields)
    columns_ = zip(*rows, strict=True) if rows else ((), (), ())
    table = pa.table([pa.array(list(column), pa.string()) for column in columns_], schema=values_schema())
    return table, pa.array([address for address in contacts if address not in read], pa.string())


def _differences(
    address: str, packed: str, there: Mapping[Ref, Fitted], fields: Mapping[int, tuple[str, Ref]]
) -> Iterable[tuple[str, str, str | None]]:
    for position, text in unpack_fields(packed).items():
        if position not in fields:
            continue
        name, ref = fields[position]
        if there.get(ref) != value(text):
            yield address, name, scalar(there[ref]) if ref in there else None


def read_written(connector: Connector, here: Present, run: pa.Table) -> Seen:
    """What a carried plan wrote, as it is there now: the lists that people left by it, and its people's values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = {part["kind"][0].as_py() for part in runs(run)} & _VALUED
    left = {part["target"][0].as_py() for part in runs(run) if part["kind"][0].as_py() == "RemoveMember"}
    lists = {
        at.target.name: read_list(connector, at)
        for (kind, _), at in here.targets.items()
        if kind is TargetKind.SEGMENT and left & {at.target.name, *at.was}
    }
    if not kinds:
        return Seen(lists=lists)
    valued = pa.concat_tables([chosen(run, kind=kind) for kind in sorted(kinds)])
    customers = valued["customer_id"].cast(pa.string()).unique()
    only = here.table.filter(pc.is_in(here.table["customer_id"], value_set=customers))["address"].combine_chunks()
    return replace(read_values(connector, here, only=only) or Seen(), lists=lists)
