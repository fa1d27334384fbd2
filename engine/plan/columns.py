"""What should be at a destination, and what is: two sets of columns, keyed by address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from connectors.types import AddCode, Outcome, Reason, State, Suppress, TargetKind
from engine.ledger import packing
from engine.ledger.outcomes import Known, Sending, known_after
from engine.ledger.packing import WORD_BITS
from engine.plan.destination import Destination, MergeTag, WhenUnknown, flag_name

if TYPE_CHECKING:
    import pyarrow as pa

    from connectors.spec import Spec
    from engine.ledger import Ledger
    from engine.ledger.accounts import KnownTarget

__all__ = ["Present", "Wanted", "present", "wanted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The population of a destination: one row a person, columns of the same length.

    `members` by segment (booleans), `values` by merge tag (JSON scalars of fitted values, null = unknown), `defaults`
    by merge tag (the value stands in for an unknown), `status` the explicit consent, `basis` why they may be mailed.
    """

    address: pa.Array[Any]
    customer_id: pa.Array[Any]
    status: pa.Array[Any]
    basis: pa.Array[Any]
    members: Mapping[str, pa.Array[Any]]
    values: Mapping[str, pa.Array[Any]]
    defaults: Mapping[str, pa.Array[Any]]
    unfit: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by merge tag and reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What the destination has, acknowledged or on its way: one row a contact."""

    table: pa.Table
    targets: Mapping[tuple[TargetKind, str], KnownTarget]
    suppressed: pa.Array[Any]  # who left there, and whom we are about to tell it
    told: pa.Array[Any]  # of these who left there: what is on its way falls with a new consent
    words: dict[tuple[str, int], Any] = field(default_factory=dict)  # unpacked once each

    def member(self, segment: str) -> pa.Array[Any]:
        """Whether we put the contact there."""
        return self._bits("members", segment)

    def foreign(self, segment: str) -> pa.Array[Any]:
        """Whether the contact was there before us."""
        return self._bits("foreign_members", segment)

    def value(self, tag: str) -> pa.Array[Any]:
        """The value that we set, as a JSON scalar; null where there is none of ours."""
        import pyarrow as pa

        known = self.targets.get((TargetKind.FIELD, tag))
        if known is None:
            return pa.nulls(len(self.table), pa.string())
        return packing.field_column(self.table["fields"], known.position)

    def _bits(self, column: str, segment: str) -> pa.Array[Any]:
        import pyarrow as pa

        known = self.targets.get((TargetKind.SEGMENT, segment))
        if known is None:
            return pa.repeat(pa.scalar(value=False), len(self.table))
        word, bit = divmod(known.position, WORD_BITS)
        if (column, word) not in self.words:
            self.words[column, word] = packing.word_column(self.table[column], word)
        return packing.bit_column(self.words[column, word], bit)


def present(destination: Destination, ledger: Ledger, *, recreate: frozenset[str] = frozenset()) -> Present:
    """The ledger's contacts, with what is on its way counted as done; what a settlement finds wrong, it corrects.

    `recreate`: "destination/segment" (of a pool "destination/offers.NAME") of what is gone there: nobody is in it.
    """
    import pyarrow as pa

    name = destination.name
    table = ledger.contacts.table(name)
    known = ledger.targets.of(name)
    changes = [change for change in ledger.sending.of(name) if change.kind != AddCode.__name__]
    if changes:
        table = _with_sending(table, changes, ledger, name, known)
    gone = ledger.suppressions.table(name)["address"].combine_chunks().cast(pa.string())
    leaving = pa.array([change.address for change in changes if change.kind == Suppress.__name__], pa.string())
    shelves = (TargetKind.SEGMENT, TargetKind.POOL)
    known = {
        key: at for key, at in known.items() if f"{name}/{flag_name(*key)}" not in recreate or key[0] not in shelves
    }
    suppressed = pa.concat_arrays([gone, leaving])
    return Present(table=table.combine_chunks(), targets=known, suppressed=suppressed, told=gone)


def _with_sending(
    table: pa.Table,
    changes: Sequence[Sending],
    ledger: Ledger,
    destination: str,
    known: Mapping[tuple[TargetKind, str], KnownTarget],
) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    families = {
        kind: Known({name: at for (group, name), at in known.items() if group is kind})
        for kind in (TargetKind.FIELD, TargetKind.SEGMENT)
    }
    contacts = ledger.contacts.of(destination, list({change.address for change in changes}))
    for change in changes:
        family = TargetKind.SEGMENT if change.kind.endswith("Member") else TargetKind.FIELD
        done = Outcome(id=change.change_id, state=State.APPLIED)
        after = known_after(contacts.get(change.address), change, done, families[family])
        if after is not None:
            contacts[change.address] = after
    rest = table.filter(pc.invert(pc.is_in(table["address"], value_set=pa.array(list(contacts), pa.string()))))
    rows = [
        {
            "address": contact.address,
            "customer_id": contact.customer_id,
            "ref": contact.ref,
            "state": contact.state.value,
            "members": packing.pack_bits(contact.members),
            "foreign_members": packing.pack_bits(contact.foreign_members),
            "fields": contact.packed,
        }
        for contact in contacts.values()
    ]
    return pa.concat_tables([rest, pa.Table.from_pylist(rows, schema=table.schema)]).sort_by("address")


def wanted(destination: Destination, people: pa.Table, codes: pa.Table, members: Mapping[str, Any]) -> Wanted:
    """The columns of those rows of `people` that are members of any segment; `members` is aligned with `people`."""
    values, defaults, unfit = {}, {}, {}
    codes = codes.append_column("last_day", _last_days(codes, destination.zone))
    for tag in destination.merge_tags:
        values[tag.name], defaults[tag.name], unfit[tag.name] = _value(destination.spec, tag, people, codes)
    return Wanted(
        address=_array(people["email"]),
        customer_id=_array(people["customer_id"]),
        status=_array(people["consent_email"]),
        basis=_array(people["basis"]),
        members=members,
        values=values,
        defaults=defaults,
        unfit={name: reasons for name, reasons in unfit.items() if reasons},
    )


def _value(
    spec: Spec, tag: MergeTag, people: pa.Table, codes: pa.Table
) -> tuple[pa.Array[Any], pa.Array[Any], dict[str, int]]:
    """One tag's fitted values, which of them are defaults, and how many do not fit, by reason."""
    import pyarrow as pa
    import pyarrow.compute as pc

    raw = _array(people[f"trait:{tag.trait}"]) if tag.trait else _code_part(tag, people, codes)
    fitted, unfit = _fit(spec, tag, raw)
    if tag.when_unknown is not WhenUnknown.DEFAULT or tag.offer:
        return fitted, pa.repeat(pa.scalar(value=False), len(fitted)), unfit
    stand_in = spec.fit(tag.kind, tag.default)
    is_default = pc.is_null(raw)
    if isinstance(stand_in, Reason):
        return fitted, pc.and_(is_default, False), {**unfit, stand_in.value: pc.sum(is_default).as_py() or 0}
    return pc.if_else(is_default, packing.scalar(stand_in), fitted), is_default, unfit


def _code_part(tag: MergeTag, people: pa.Table, codes: pa.Table) -> pa.Array[Any]:
    """The asked part of each person's live, confirmed code of the offer."""
    import pyarrow.compute as pc

    mine = codes.filter(pc.equal(codes["offer"], tag.offer))
    column = {"expires": "last_day"}.get(tag.field, tag.field)
    place = pc.index_in(people["customer_id"], value_set=_array(mine["customer_id"]))
    return _array(_array(mine[column]).take(_array(place)))


def _last_days(codes: pa.Table, zone: tzinfo) -> pa.Array[Any]:
    """The last local day on which each code is good: it ends with that day's last instant."""
    import pyarrow as pa

    ends = codes["expires_at"].to_pylist()
    days = [None if end is None else (end - timedelta(microseconds=1)).astimezone(zone).date() for end in ends]
    return pa.array(days, pa.date32())


def _fit(spec: Spec, tag: MergeTag, raw: pa.Array[Any]) -> tuple[pa.Array[Any], dict[str, int]]:
    """Fit each distinct value once; those that do not fit become unknown and are counted by reason."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(raw.type) or pa.types.is_large_list(raw.type):
        raw = pc.binary_join(raw, ", ")
    coded = pc.dictionary_encode(raw)
    texts: list[str | None] = []
    refused: dict[int, str] = {}
    for place, value in enumerate(coded.dictionary.to_pylist()):
        fitted = spec.fit(tag.kind, value)
        if isinstance(fitted, Reason):
            refused[place] = fitted.value
            texts.append(None)
        else:
            texts.append(packing.scalar(fitted))
    unfit: dict[str, int] = {}
    if refused:
        counted = pc.value_counts(coded.indices)
        for pair in counted.to_pylist():
            if pair["values"] in refused:
                reason = refused[pair["values"]]
                unfit[reason] = unfit.get(reason, 0) + pair["counts"]
    return pa.array(texts, pa.string()).take(coded.indices), unfit


def _array(column: pa.ChunkedArray | pa.Array[Any]) -> pa.Array[Any]:
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
