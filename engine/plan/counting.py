"""How the summary of one destination is counted: from its rows and its population, column by column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from connectors.types import AddCode, AddContact, AddMember, ClearTraits, RemoveMember, SetTraits, Suppress, TargetKind
from engine.plan.destination import CONTACTS, REMOVABLE, flag_name, targets
from engine.plan.directory import Directory
from engine.plan.estimate import Estimate, estimate
from engine.plan.overwriting import Read, overwritten
from engine.plan.pools import Filling, pool_summaries
from engine.plan.samples import samples
from engine.plan.spool import Rows
from engine.plan.summary import DestinationSummary, TargetSummary

if TYPE_CHECKING:
    import pyarrow as pa

    from connectors.types import Target
    from engine.plan.columns import Present, Wanted
    from engine.plan.destination import Destination
    from engine.plan.diff import Difference
    from engine.plan.population import Population
    from engine.plan.survey import Survey

__all__ = ["NEW_AT_ONCE", "NEW_SHARE", "Counted", "summarise"]

NEW_AT_ONCE = 1000
NEW_SHARE = 0.1
"""New contacts that may come in one plan where the config does not say: a thousand, or a tenth of those there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Everything that is known of one destination's plan when it is summed up."""

    destination: Destination
    here: Present
    wanted: Wanted
    population: Population
    difference: Difference
    filling: Filling
    rows: Rows
    survey: Survey | None = None
    read: Read | None = None  # asks for values that stand there
    on_its_way: int = 0


def summarise(it: Counted) -> DestinationSummary:
    """The summary; its account is filled in by whoever knows it."""
    import pyarrow.compute as pc

    counted = _changes(it.rows)
    named = targets(it.destination, it.here.targets)
    created = _created(it, named)
    before = len(it.here.table.filter(pc.not_equal(it.here.table["state"], "left")))
    values, cleared = (_by_field(it.rows, kind.__name__) for kind in (SetTraits, ClearTraits))
    return DestinationSummary(
        name=it.destination.name,
        connector=it.destination.connector,
        account=it.survey.account.id if it.survey else None,
        targets=_targets(it, counted),
        contacts_before=before,
        contacts_new=counted[AddContact.__name__, CONTACTS],
        most_new=_most_new(it.destination, before),
        matched=it.population.matched,
        by_basis=_by(it.wanted.basis),
        values=values,
        cleared=cleared,
        samples=samples(it.rows, {tag.name for tag in it.destination.merge_tags if tag.is_private}),
        overwritten=overwritten(it.difference, it.wanted, it.here, it.survey, it.read),
        offers=_offers(it.destination),
        code_tags=tuple(tag.name for tag in it.destination.merge_tags if tag.offer is not None),
        codes_sent=_by_offer(it, Counter(values) + Counter(_by_field(it.rows, AddContact.__name__))),
        codes_cleared=_by_offer(it, cleared),
        leaving=_whys(it.rows),
        suppressed=counted[Suppress.__name__, CONTACTS],
        blocked=it.population.blocked,
        held_out=it.population.held_out,
        withheld=it.difference.withheld + it.filling.withheld,
        unfit=it.wanted.unfit,
        lists_created=_titles(created, TargetKind.SEGMENT),
        fields_created=_titles(created, TargetKind.FIELD),
        pools=pool_summaries(it.destination, named, it.here.targets, it.filling),
        pools_created=_titles(created, TargetKind.POOL),
        foreign=it.survey.foreign if it.survey else (),
        gone=it.survey.gone if it.survey else (),
        hears_departures=Suppress in it.destination.spec.carries,
        on_its_way=it.on_its_way,
        changes=counted.total(),
        estimate=_estimate(it, named, created),
        resubscriptions=_resubscriptions(it),
    )


def _changes(stored: Rows) -> Counter[tuple[str, str]]:
    """Changes by kind and target."""
    counted: Counter[tuple[str, str]] = Counter()
    for run in stored.runs:
        counted[run.kind, run.target] += run.changes
    return counted


def _created(it: Counted, named: Mapping[tuple[TargetKind, str], Target]) -> list[Target]:
    """Targets that are to be created: neither a field that is there already nor a list of somebody else's."""
    known = it.here.targets
    there = {*it.survey.fields, *it.survey.foreign} if it.survey else set()
    return [
        target
        for key, target in named.items()
        if (key not in known or known[key].ref is None) and flag_name(*key) not in there
    ]


def _titles(created: Sequence[Target], kind: TargetKind) -> tuple[str, ...]:
    return tuple(target.title for target in created if target.kind is kind)


def _most_new(destination: Destination, before: int) -> int:
    if destination.new_contacts is not None:
        return destination.new_contacts
    return max(NEW_AT_ONCE, int(NEW_SHARE * before))


def _resubscriptions(it: Counted) -> int:
    """Contacts to create whom the destination has suppressed: none, by law."""
    import pyarrow.compute as pc

    address = it.wanted.address
    fresh = address.filter(pc.invert(pc.is_in(address, value_set=it.here.table["address"].combine_chunks())))
    return pc.sum(pc.is_in(fresh, value_set=it.here.suppressed)).as_py() or 0


def _estimate(it: Counted, named: Mapping[tuple[TargetKind, str], Target], created: Sequence[Target]) -> Estimate:
    titles = {name: target.title for (kind, name), target in named.items() if kind is TargetKind.FIELD}
    is_sent = len(it.rows) or any(target.kind is not TargetKind.CONTACTS for target in created)
    missing = created if is_sent else ()
    return estimate(it.destination.spec, it.rows, titles, missing=missing, sizes=_sizes(it))


def _sizes(it: Counted) -> Callable[[pa.Table], Any]:
    """What each row is weighed by: the bytes of its person's address; a code weighs as much as an address of its length."""
    import pyarrow as pa
    import pyarrow.compute as pc

    people, filling = it.population, it.filling

    emails = Directory(people.known_customers, pa.table({"size": pc.binary_length(people.known_emails)}))
    codes = Directory(filling.hashes, pa.table({"size": pc.binary_length(filling.codes)}))

    def looked_up(known: Directory, column: Any) -> Any:  # noqa: ANN401 - Arrow's columns carry no type
        found = [known.of(chunk.dictionary)["size"].combine_chunks().take(chunk.indices) for chunk in column.chunks]
        return pa.chunked_array(found, pa.int32())

    def found(part: pa.Table) -> Any:  # noqa: ANN401 - Arrow's columns carry no type
        sizes = looked_up(emails, part["customer_id"])
        if part["kind"][0].as_py() == AddCode.__name__:
            sizes = pc.coalesce(sizes, looked_up(codes, part["content_hash"]))
        return pc.fill_null(sizes, 0)

    return found


def _targets(it: Counted, counted: Mapping[tuple[str, str], int]) -> tuple[TargetSummary, ...]:
    import pyarrow.compute as pc

    destination, here = it.destination, it.here
    named = targets(destination, here.targets)
    dropped = [name for kind, name in here.targets if kind is TargetKind.SEGMENT and name not in destination.segments]
    found = []
    for name in [*destination.segments, *sorted(dropped)]:
        key = (TargetKind.SEGMENT, name)
        before = pc.sum(here.member(name)).as_py() or 0
        if name in dropped and not before:
            continue
        found.append(
            TargetSummary(
                name=name,
                title=named[key].title if key in named else here.targets[key].target.title,
                is_new=key not in here.targets,
                before=before,
                joins=counted.get((AddMember.__name__, name), 0),
                leaves=counted.get((RemoveMember.__name__, name), 0),
                counts=it.population.counts.get(name),
                removable=destination.removable.get(name, REMOVABLE),
                jump=destination.jumps.get(name),
            )
        )
    return tuple(found)


def _by_field(stored: Rows, kind: str) -> dict[str, int]:
    """Values by merge tag; an AddContact's status is none."""
    counts = _words(stored.chosen(kind=kind), "field")
    return {name: counts[name] for name in sorted(counts)}


def _whys(stored: Rows) -> dict[str, int]:
    """Removals from lists by why."""
    counts = _words(stored.chosen(kind=RemoveMember.__name__), "why")
    return {why: counts[why] for why in sorted(counts)}


def _words(stored: Rows, column: str) -> Counter[str]:
    import pyarrow.compute as pc

    counts: Counter[str] = Counter()
    for chunk in chain.from_iterable(table[column].chunks for table in stored.tables()):
        pairs = pc.value_counts(chunk).to_pylist()
        counts.update({str(pair["values"]): pair["counts"] for pair in pairs if pair["values"] is not None})
    return counts


def _offers(destination: Destination) -> tuple[str, ...]:
    return tuple(sorted({*destination.pools, *(tag.offer for tag in destination.merge_tags if tag.offer)}))


def _by_offer(it: Counted, by_tag: Mapping[str, int]) -> dict[str, int]:
    """Codes by offer: the most that any of its tags carries, for two tags may hold the same code."""
    found: dict[str, int] = {}
    for tag in it.destination.merge_tags:
        if tag.offer is not None and tag.field == "code" and by_tag.get(tag.name):
            found[tag.offer] = max(found.get(tag.offer, 0), by_tag[tag.name])
    return dict(sorted(found.items()))


def _by(column: Any) -> dict[str, int]:  # noqa: ANN401 - Arrow's columns carry no type
    import pyarrow.compute as pc

    pairs = pc.value_counts(column).to_pylist()
    return {str(pair["values"]): pair["counts"] for pair in sorted(pairs, key=lambda pair: str(pair["values"]))}
