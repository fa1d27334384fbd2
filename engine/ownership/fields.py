"""Values taken back: each field holds again what it held before, where what the run wrote still stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.types import ClearTraits, SetTraits, TargetKind
from engine.ownership.later import effects
from engine.ownership.site import Site, Undone
from engine.plan import rows
from engine.plan.changes import Changes
from engine.plan.destination import CONTACTS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["placed", "values_back"]

Column = Any  # an Arrow array; Arrow ships no types

_AT_ONCE = 10 * rows.PART  # changes whose rows are whole in memory


@dataclass(slots=True)
class _Back:
    """By merge tag: places of contacts, what goes back there, and what stands there now."""

    places: dict[str, list[Column]] = field(default_factory=dict)
    former: dict[str, list[Column]] = field(default_factory=dict)
    now: dict[str, list[Column]] = field(default_factory=dict)

    def add(self, tag: str, places: Column, former: Column, now: Column) -> None:
        """Some more of one tag."""
        for parts, column in ((self.places, places), (self.former, former), (self.now, now)):
            parts.setdefault(tag, []).append(column)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What the run wrote into one field: the plan's rows, with the place of each contact."""

    site: Site
    undone: Undone
    tag: str
    rows: pa.Table

    def column(self, name: str) -> Column:
        """A column of the rows."""
        return self.rows[name].combine_chunks()

    @property
    def places(self) -> Column:
        """Where each contact is in the ledger's table."""
        return self.column("place")

    @property
    def now(self) -> Column:
        """What stands there now, as far as the ledger knows."""
        return self.site.here.value(self.tag).take(self.places)


def values_back(site: Site, runs: Sequence[pa.Table], undone: Undone) -> Iterator[Changes]:
    """Changes that give fields their former value, or empty those that had none: one a contact and kind."""
    import pyarrow.compute as pc

    back = _Back()
    for run in runs:
        kind = run["kind"][0].as_py()
        for several in rows.parts(run, _AT_ONCE):
            part, lost = placed(site, kind, rows.unpacked(several))
            undone.absent += lost
            for tag in part["field"].unique().to_pylist():
                mine = part.filter(pc.equal(part["field"], tag)).combine_chunks()
                _one(_Written(site=site, undone=undone, tag=tag, rows=mine), kind, back)
    yield from _changes(site, back, undone)


def placed(site: Site, kind: str, part: pa.Table) -> tuple[pa.Table, int]:
    """The rows of fields whose contact the ledger knows, with its place there: found by the hash of what was sent.

    And how many changes are of nobody whom it knows.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    contents = _contents(part)
    people = pa.table(
        {
            "customer_id": site.column("customer_id"),
            "place": pa.array(range(len(site.here.table)), pa.int64()),
            "is_there": site.is_there,
        }
    )
    people = people.filter(people["is_there"]).select(["customer_id", "place"])
    pairs = contents.join(people, "customer_id", join_type="inner", use_threads=False).combine_chunks()
    places = pairs["place"].combine_chunks() if len(pairs) else pa.array([], pa.int64())
    address = site.column("address").take(places)
    told = [pa.scalar(text, pa.string()) for text in (site.name, kind, CONTACTS)]
    hashes = pairs["content_hash"].combine_chunks() if len(pairs) else pa.array([], pa.string())
    tails = pairs["tail"].combine_chunks() if len(pairs) else hashes
    sums = rows.hashes(pc.binary_join_element_wise(*told, address, tails, rows.SEPARATOR))
    is_theirs = pc.equal(sums, hashes)
    places, known = places.filter(is_theirs), hashes.filter(is_theirs)
    valued = part.filter(pc.is_valid(part["field"]))
    at = places.take(pc.index_in(valued["content_hash"].combine_chunks(), value_set=known))
    return valued.append_column("place", at).filter(pc.is_valid(at)).combine_chunks(), len(contents) - len(known)


def _contents(part: pa.Table) -> pa.Table:
    """Each change's customer, hash, and the end of its content: status and values in the order that was hashed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    name = pc.fill_null(part["field"], "")
    line = pc.binary_join_element_wise(name, pc.coalesce(part["after"], part["before"]), "=")
    lined = pa.table(
        {"customer_id": part["customer_id"], "content_hash": part["content_hash"], "name": name, "line": line}
    )
    lined = lined.filter(pc.is_valid(lined["line"])).sort_by([("content_hash", "ascending"), ("name", "ascending")])
    grouped = lined.group_by(["content_hash", "customer_id"], use_threads=False).aggregate([("line", "list")])
    return pa.table(
        {
            "content_hash": grouped["content_hash"],
            "customer_id": grouped["customer_id"],
            "tail": pc.binary_join(grouped["line_list"], rows.SEPARATOR),
        }
    )


def _one(written: _Written, kind: str, back: _Back) -> None:
    """One merge tag: which of its values go back."""
    import pyarrow as pa
    import pyarrow.compute as pc

    site, undone, tag = written.site, written.undone, written.tag
    if (TargetKind.FIELD, tag) not in site.here.targets:
        undone.gone[tag] += len(written.rows)
        return
    is_clear = kind == ClearTraits.__name__
    places, now = written.places, written.now
    after = pa.nulls(len(places), pa.string()) if is_clear else written.column("after")
    stands = pc.is_null(now) if is_clear else pc.fill_null(pc.equal(now, after), False)
    undone.absent += len(places) - (pc.sum(stands).as_py() or 0)
    stands = _same_there(written, _last_word(written, after, stands))
    former = written.column("before")
    if tag in site.code_tags:
        former = _if_alive(written, former)
        stands = pc.and_(stands, pc.or_(pc.is_valid(former), not is_clear))
    may = pc.or_(site.may.take(places), pc.is_null(former))
    undone.unreachable += pc.sum(pc.and_not(stands, may)).as_py() or 0
    stands = pc.and_(stands, may)
    places, former, now = (column.filter(stands) for column in (places, former, now))
    back.add(tag, places, former, now)
    undone.unknown[tag] += _unknown(site, places, former)


def _if_alive(written: _Written, former: Column) -> Column:
    """Parts of codes that can still be used: one that ended is never put back."""
    import pyarrow as pa
    import pyarrow.compute as pc

    tag = written.site.code_tags[written.tag]
    live = written.site.codes.filter(pc.equal(written.site.codes["offer"], tag.offer))
    place = pc.index_in(written.column("customer_id"), value_set=live["customer_id"].combine_chunks())
    code = pc.binary_join_element_wise('"', live["code"].combine_chunks().take(place), '"', "")
    is_alive = pc.fill_null(pc.equal(code, former), False) if tag.field == "code" else pc.is_valid(place)
    return pc.if_else(is_alive, former, pa.scalar(None, pa.string()))


def _last_word(written: _Written, after: Column, stands: Column) -> Column:
    """Which values no later plan wrote too, whatever the customer is called by now."""
    import pyarrow as pa
    import pyarrow.compute as pc

    site, undone = written.site, written.undone
    names = pa.repeat(pa.scalar(written.tag, pa.string()), len(after))
    either = (written.column("customer_id"), site.column("customer_id").take(written.places))
    asked = pc.unique(pa.concat_arrays([effects(one, names, after).filter(stands) for one in either]))
    for run, rows_ in site.later.values(site.name, asked):
        theirs = _effects(site, written.tag, rows_)
        is_later = pc.and_(stands, pc.is_in(_placed(written.places, after), value_set=theirs))
        undone.superseded[run] += pc.sum(is_later).as_py() or 0
        stands = pc.and_not(stands, is_later)
    return stands


def _effects(site: Site, tag: str, later: pa.Table) -> Column:
    """What these changes come to in one field: places of contacts with the value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = [pa.array([], pa.string())]
    for kind in later["kind"].unique().to_pylist():
        changes, _ = placed(site, kind, later.filter(pc.equal(later["kind"], kind)).combine_chunks())
        mine = changes.filter(pc.equal(changes["field"], tag)).combine_chunks()
        found.append(_placed(mine["place"].combine_chunks(), mine["after"].combine_chunks()))
    return pa.concat_arrays(found)


def _placed(places: Column, after: Column) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(places.cast(pa.string()), pc.fill_null(after, ""), rows.SEPARATOR)


def _same_there(written: _Written, stands: Column) -> Column:
    """Which values nobody else has changed, as far as they were read."""
    import pyarrow.compute as pc

    site = written.site
    if site.seen is None:
        return stands
    differing = site.seen.differing(written.tag)
    is_other = pc.and_(stands, pc.is_in(site.column("address").take(written.places), value_set=differing))
    written.undone.changed[written.tag] += pc.sum(is_other).as_py() or 0
    return pc.and_not(stands, is_other)


def _unknown(site: Site, places: Column, former: Column) -> int:
    """Values of people who were there before us: what they held before is not known."""
    import pyarrow.compute as pc

    is_found = pc.equal(site.column("state").take(places), "found")
    return pc.sum(pc.and_(is_found, pc.is_null(former))).as_py() or 0


def _changes(site: Site, back: _Back, undone: Undone) -> Iterator[Changes]:
    """One change a contact and kind: values set again, values emptied."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not back.places:
        return
    touched = pc.unique(pa.concat_arrays([column for parts in back.places.values() for column in parts]))
    here = {tag: pc.index_in(touched, value_set=pa.concat_arrays(parts)) for tag, parts in back.places.items()}
    former = {tag: pa.concat_arrays(back.former[tag]).take(at) for tag, at in here.items()}
    now = {tag: pa.concat_arrays(back.now[tag]).take(at) for tag, at in here.items()}
    ends = {tag: pc.if_else(pc.is_null(former[tag]), now[tag], pa.scalar(None, pa.string())) for tag in now}
    kinds = {SetTraits.__name__: (former, now, undone.restored)}
    if ClearTraits in site.destination.spec.carries:
        kinds[ClearTraits.__name__] = (ends, ends, undone.cleared)
    for kind, (fields, before, tally) in kinds.items():
        yield from _change(site, kind, touched, fields, before)
        tally.update({tag: len(column) - column.null_count for tag, column in fields.items()})


def _change(
    site: Site, kind: str, touched: Column, fields: Mapping[str, Column], before: Mapping[str, Column]
) -> Iterator[Changes]:
    import functools

    import pyarrow.compute as pc

    any_ = functools.reduce(pc.or_, [column.is_valid() for column in fields.values()])
    places = touched.filter(any_)
    if len(places):
        yield Changes(
            site.name, kind, CONTACTS, site.column("address").take(places), site.column("customer_id").take(places),
            {tag: column.filter(any_) for tag, column in fields.items()},
            before={tag: before[tag].filter(any_) for tag in fields}, why=rows.UNDO,
        )  # fmt: skip
