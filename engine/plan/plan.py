"""The plan: everything that would change, where, for whom, and what it would cost. Nothing here writes or calls."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.types import AddCode, Suppress, Target, TargetKind
from engine.plan import rows
from engine.plan.columns import Present, Wanted, present, wanted
from engine.plan.destination import REMOVABLE, Destination, check, targets
from engine.plan.diff import differ
from engine.plan.estimate import Estimate, estimate
from engine.plan.pools import Filling, PoolSummary, fill, pool_summaries
from engine.plan.population import Population, SegmentCount, populate

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger import Ledger

__all__ = ["DestinationSummary", "IssueSummary", "Plan", "ShopFacts", "TargetSummary", "plan"]

_LINES = 10_000  # rows that are text at one time
_PART = 100_000  # rows; between two such parts the checksum has no separator
_LIVE = ("confirmed", "pushed")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopFacts:
    """What the plan was made from: the shop's fingerprint, its newest fact (UTC) and how many rows it has."""

    fingerprint: str | None = None
    newest: datetime | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSummary:
    """One list of ours: how many of our members are there, join and leave; people behind it, in `counts`."""

    name: str
    title: str
    is_new: bool
    before: int
    joins: int
    leaves: int
    counts: SegmentCount | None = None
    removable: float = REMOVABLE  # share of its members that may leave at once
    jump: float | None = None  # share by which its size may change since the last run

    @property
    def after(self) -> int:
        """Members of ours once the plan is carried."""
        return self.before + self.joins - self.leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSummary:
    """What would change at one destination, counted. `resubscriptions` counts consents that would rise: 0 by law."""

    name: str
    connector: str
    account: str | None
    targets: tuple[TargetSummary, ...]
    contacts_before: int
    contacts_new: int
    by_basis: Mapping[str, int]
    values: Mapping[str, int]
    cleared: Mapping[str, int]
    suppressed: int
    blocked: Mapping[str, int]
    held_out: int
    withheld: int
    unfit: Mapping[str, Mapping[str, int]]
    lists_created: tuple[str, ...]
    fields_created: tuple[str, ...]
    pools: tuple[PoolSummary, ...] = ()
    pools_created: tuple[str, ...] = ()
    on_its_way: int
    changes: int
    estimate: Estimate
    resubscriptions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueSummary:
    """Codes to issue for one offer, and the most that they can cost, in the client's currency.

    None where nobody knows: a percentage, or the shipping, of orders of those to whom a provider hands them out.
    """

    offer: str
    codes: int
    highest_cost: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All changes, ordered and counted. `packed` holds the rows as `rows.packed` has them, and no address."""

    client: str
    now: datetime
    config_hash: str
    ledger_version: int
    accounts: Mapping[str, str]
    shop: ShopFacts
    destinations: tuple[DestinationSummary, ...]
    issues: tuple[IssueSummary, ...]
    packed: pa.Table
    currency: str = "EUR"
    warnings: tuple[str, ...] = field(default=())

    @property
    def rows(self) -> pa.Table:
        """All rows, with the schema of rows.py: three times as much memory."""
        return rows.unpacked(self.packed)

    @property
    def checksum(self) -> str:
        """SHA-256 of everything that the plan says."""
        return checksum(self.document(), self.packed)

    @property
    def is_empty(self) -> bool:
        """Nothing to send and nothing to issue."""
        return len(self.packed) == 0

    def of(self, destination: str) -> pa.Table:
        """The rows of one destination, packed, in the order in which they are carried."""
        return rows.chosen(self.packed, destination=destination)

    def issued(self) -> pa.Table:
        """The rows of codes to mint."""
        return rows.unpacked(rows.chosen(self.packed, kind=rows.ISSUE))

    def document(self) -> dict[str, Any]:
        """Everything but the rows, as plain JSON."""
        return {
            "client": self.client,
            "now": self.now.astimezone(UTC).isoformat(),
            "config_hash": self.config_hash,
            "ledger_version": self.ledger_version,
            "accounts": dict(sorted(self.accounts.items())),
            "shop": _plain(asdict(self.shop)),
            "destinations": [
                {**_plain(asdict(one)), "targets": [_plain({**asdict(at), "after": at.after}) for at in one.targets]}
                for one in self.destinations
            ],
            "issues": [_plain(asdict(one)) for one in self.issues],
            "currency": self.currency,
            "warnings": list(self.warnings),
        }


def checksum(document: Mapping[str, Any], table: pa.Table) -> str:
    """SHA-256 over the document and each row's cells, the same before and after the file."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digest = hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False).encode())
    names = rows.schema().names
    for start in range(0, len(table), _LINES):
        lines = rows.unpacked(table.slice(start, _LINES))
        part = [lines[name].cast(pa.string()) for name in names]
        digest.update(b"\x1e" if start % _PART else b"")
        texts = pc.binary_join_element_wise(*part, "\x1f", null_handling="replace", null_replacement="\x00")
        whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts.combine_chunks())
        digest.update(pc.binary_join(whole, "\x1e")[0].as_buffer())
    return digest.hexdigest()


def plan(
    destinations: Sequence[Destination],
    people: pa.Table,
    ledger: Ledger,
    *,
    now: datetime,
    config_hash: str,
    accounts: Mapping[str, str],
    shop: ShopFacts | None = None,
    issues: pa.Table | None = None,
    recreate: frozenset[str] = frozenset(),
) -> Plan:
    """Compare what was computed with what each destination has acknowledged.

    `people`: the membership's table. `accounts`: the account id that each destination's key opens. `issues`: columns
    offer, customer_id, cost. `recreate`: "destination/segment" of lists that are gone there. Raises ConfigError for what a connector cannot carry.
    """
    codes = _live_codes(ledger, destinations)
    found = []
    for one in destinations:
        here = present(one, ledger, recreate=recreate)
        summary, table = _one(one, here, people, ledger, codes=codes, now=now)
        found.append((replace(summary, account=accounts.get(one.name)), table))
    tables = [table for _, table in found]
    told, issued = _issues(issues)
    return Plan(
        client=ledger.client,
        now=now,
        config_hash=config_hash,
        ledger_version=ledger.version(),
        accounts=accounts,
        shop=shop or ShopFacts(),
        destinations=tuple(summary for summary, _ in found),
        issues=told,
        currency=next((one.currency for one in destinations), "EUR"),
        warnings=tuple(
            f"{one.name}: {one.spec.name} cannot be told that somebody left; they leave our lists there"
            for one in destinations
            if Suppress not in one.spec.carries
        ),
        packed=_whole([*tables, issued]),
    )


def _whole(tables: Sequence[pa.Table]) -> pa.Table:
    """All rows in order; those of one destination alone are ordered already."""
    import pyarrow as pa

    full = [table for table in tables if len(table)]
    whole = full[0] if len(full) == 1 else rows.ordered(full)
    pa.default_memory_pool().release_unused()  # what sorting took
    return whole


def _live_codes(ledger: Ledger, destinations: Sequence[Destination]) -> pa.Table:
    offers = {tag.offer for destination in destinations for tag in destination.merge_tags if tag.offer}
    from engine.ledger.codes import CodeState

    return ledger.codes.table(states=[CodeState(state) for state in _LIVE], offers=sorted(offers) or ["\x00"])


def _one(
    destination: Destination, here: Present, people: pa.Table, ledger: Ledger, *, codes: pa.Table, now: datetime
) -> tuple[DestinationSummary, pa.Table]:
    import pyarrow.compute as pc

    check(destination, here.targets)
    population = populate(destination, people, here)
    usable = codes.filter(pc.fill_null(pc.greater(codes["expires_at"], now), True))
    should = wanted(destination, population.people, usable, population.members)
    held = ledger.rejections.held(destination.name, destination.spec.version, now)
    difference = differ(destination, should, here, population, held)
    under_way = ledger.sending.of(destination.name)
    sent = {change.address for change in under_way if change.kind == AddCode.__name__}
    filling = fill(destination, ledger, now=now, under_way=sent, held=held)
    table = rows.ordered([*difference.tables, filling.table])
    summary = _summary(destination, here, should, population, table=table, filling=filling)
    withheld = difference.withheld + filling.withheld
    return replace(summary, withheld=withheld, on_its_way=len(under_way)), table


def _summary(
    destination: Destination,
    here: Present,
    should: Wanted,
    population: Population,
    *,
    table: pa.Table,
    filling: Filling,
) -> DestinationSummary:
    import pyarrow.compute as pc

    counted: Counter[tuple[str, str]] = Counter()
    for run in rows.runs(table):
        counted[run["kind"][0].as_py(), run["target"][0].as_py()] += len(rows.starts(run))
    named = targets(destination, here.targets)
    missing = [target for key, target in named.items() if key not in here.targets or here.targets[key].ref is None]
    fresh = should.address.filter(pc.invert(pc.is_in(should.address, value_set=here.table["address"].combine_chunks())))
    new = counted.get(("AddContact", "contacts"), 0)
    return DestinationSummary(
        name=destination.name,
        connector=destination.connector,
        account=None,
        targets=_targets(destination, here, population, counted),
        contacts_before=len(here.table.filter(pc.not_equal(here.table["state"], "left"))),
        contacts_new=new,
        by_basis=_by(should.basis),
        values=_fields(table, "SetTraits"),
        cleared=_fields(table, "ClearTraits"),
        suppressed=counted.get(("Suppress", "contacts"), 0),
        blocked=population.blocked,
        held_out=population.held_out,
        withheld=0,
        unfit=should.unfit,
        lists_created=tuple(target.title for target in missing if target.kind is TargetKind.SEGMENT),
        fields_created=tuple(target.title for target in missing if target.kind is TargetKind.FIELD),
        pools=pool_summaries(destination, named, here.targets, filling),
        pools_created=tuple(target.title for target in missing if target.kind is TargetKind.POOL),
        on_its_way=0,
        changes=counted.total(),
        estimate=_estimate(destination, named, table, _addresses(population, filling), missing),
        resubscriptions=pc.sum(pc.is_in(fresh, value_set=here.suppressed)).as_py() or 0,
    )


def _estimate(
    destination: Destination,
    named: Mapping[tuple[TargetKind, str], Target],
    table: pa.Table,
    addresses: Callable[[pa.Table], Any],
    missing: Sequence[Target],
) -> Estimate:
    titles = {name: target.title for (kind, name), target in named.items() if kind is TargetKind.FIELD}
    is_sent = len(table) or any(target.kind is not TargetKind.CONTACTS for target in missing)
    return estimate(destination.spec, table, titles, missing=missing if is_sent else (), addresses=addresses)


def _addresses(population: Population, filling: Filling) -> Callable[[pa.Table], Any]:
    """What each change is weighed by: its person's address; a code weighs as much as an address of its length."""
    import pyarrow.compute as pc

    def found(table: pa.Table) -> Any:  # noqa: ANN401 - Arrow's columns carry no type
        place = pc.index_in(table["customer_id"], value_set=population.known_customers)
        emails = population.known_emails.take(place.combine_chunks())
        if not len(filling.table):
            return emails
        place = pc.index_in(table["content_hash"], value_set=filling.hashes)
        return pc.coalesce(emails, filling.codes.take(place.combine_chunks()))

    return found


def _targets(
    destination: Destination, here: Present, population: Population, counted: Mapping[tuple[str, str], int]
) -> tuple[TargetSummary, ...]:
    import pyarrow.compute as pc

    named = targets(destination, here.targets)
    dropped = [name for kind, name in here.targets if kind is TargetKind.SEGMENT and name not in destination.segments]
    found = []
    for name in [*destination.segments, *sorted(dropped)]:
        key = (TargetKind.SEGMENT, name)
        before = pc.sum(here.member(name)).as_py() or 0
        leaves = counted.get(("RemoveMember", name), 0)
        if name in dropped and not before:
            continue
        found.append(
            TargetSummary(
                name=name,
                title=named[key].title if key in named else here.targets[key].target.title,
                is_new=key not in here.targets,
                before=before,
                joins=counted.get(("AddMember", name), 0),
                leaves=leaves,
                counts=population.counts.get(name),
                removable=destination.removable.get(name, REMOVABLE),
                jump=destination.jumps.get(name),
            )
        )
    return tuple(found)


def _fields(table: pa.Table, kind: str) -> dict[str, int]:
    import pyarrow.compute as pc

    counts: Counter[str] = Counter()
    for chunk in rows.chosen(table, kind=kind)["field"].chunks:
        counts.update({str(pair["values"]): pair["counts"] for pair in pc.value_counts(chunk).to_pylist()})
    return dict(sorted(counts.items()))


def _by(column: Any) -> dict[str, int]:  # noqa: ANN401 - Arrow's columns carry no type
    import pyarrow.compute as pc

    pairs = pc.value_counts(column).to_pylist()
    return {str(pair["values"]): pair["counts"] for pair in sorted(pairs, key=lambda pair: str(pair["values"]))}


def _issues(issues: pa.Table | None) -> tuple[tuple[IssueSummary, ...], pa.Table]:
    """The codes to mint: counted by offer, and as rows that name only offer and customer; of a pool's, the code's id."""
    import pyarrow.compute as pc

    from engine.plan.changes import Changes

    if issues is None or len(issues) == 0:
        return (), rows.empty()
    told, tables = [], []
    for offer in sorted(pc.unique(issues["offer"]).to_pylist()):
        mine = issues.filter(pc.equal(issues["offer"], offer)).combine_chunks()
        cost = None if mine["cost"].null_count else pc.sum(mine["cost"]).as_py()
        told.append(IssueSummary(offer=offer, codes=len(mine), highest_cost=cost))
        customers = mine["customer_id"].combine_chunks()
        if customers.null_count:
            ids = pc.binary_join_element_wise('"', mine["code_id"].combine_chunks(), '"', "")
            change = Changes("", rows.ISSUE, offer, ids, customers, {rows.CODE: ids}, why="offer")
        else:
            change = Changes("", rows.ISSUE, offer, customers, customers, why="offer")
        hashes = change.hashes()
        tables.append(change.rows(hashes, hashes.is_valid()))
    return tuple(told), rows.ordered(tables)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Dataclasses' contents as plain JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, Decimal) else value
