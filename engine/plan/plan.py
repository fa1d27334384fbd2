"""The plan: everything that would change, where, for whom, and what it would cost. Nothing here writes or calls."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from connectors.types import AddCode, AddContact, Suppress, TargetKind
from engine.offers.owners import owned
from engine.plan import rows
from engine.plan.columns import Present, present, wanted
from engine.plan.counting import Counted, summarise
from engine.plan.destination import Destination, check
from engine.plan.diff import differ
from engine.plan.issuing import issued_codes
from engine.plan.pools import fill
from engine.plan.population import populate
from engine.plan.spool import Rows, Spool, merged
from engine.plan.summary import DestinationSummary, IssueSummary

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.ledger import Ledger
    from engine.offers import Decision
    from engine.plan.overwriting import Read
    from engine.plan.survey import Survey

__all__ = ["Plan", "ShopFacts", "plan"]

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
class Plan:
    """All changes, ordered and counted. `stored` holds the rows as `rows.packed` has them, and no address."""

    client: str
    now: datetime
    config_hash: str
    ledger_version: int
    accounts: Mapping[str, str]
    shop: ShopFacts
    destinations: tuple[DestinationSummary, ...]
    issues: tuple[IssueSummary, ...]
    stored: Rows
    first_mails: int = 0  # people who come and whom no destination has had before
    currency: str = "EUR"
    warnings: tuple[str, ...] = field(default=())

    @property
    def rows(self) -> pa.Table:
        """All rows in memory, with the schema of rows.py."""
        return rows.unpacked(self.stored.table())

    @property
    def checksum(self) -> str:
        """SHA-256 of everything that the plan says."""
        return checksum(self.document(), self.stored)

    @property
    def is_empty(self) -> bool:
        """Nothing to send and nothing to issue."""
        return len(self.stored) == 0

    def of(self, destination: str) -> pa.Table:
        """The rows of one destination in memory, packed, in the order in which they are carried."""
        return self.stored.chosen(destination=destination).table()

    def issued(self) -> pa.Table:
        """The rows of codes to mint."""
        return rows.unpacked(self.stored.chosen(kind=rows.ISSUE).table())

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
            "first_mails": self.first_mails,
            "currency": self.currency,
            "warnings": list(self.warnings),
        }


def checksum(document: Mapping[str, Any], stored: Rows) -> str:
    """SHA-256 over the document and each row's cells, the same before and after the file; summed once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    head = json.dumps(document, sort_keys=True, ensure_ascii=False).encode()
    if head in stored.sums:
        return stored.sums[head]
    digest = hashlib.sha256(head)
    names, place = rows.schema().names, 0
    for table in stored.tables():
        for lines in _lines(table, place):
            part = [lines[name].cast(pa.string()) for name in names]
            digest.update(b"\x1e" if place % _PART else b"")
            texts = pc.binary_join_element_wise(*part, "\x1f", null_handling="replace", null_replacement="\x00")
            whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts.combine_chunks())
            digest.update(pc.binary_join(whole, "\x1e")[0].as_buffer())
            place += len(lines)
    stored.sums[head] = digest.hexdigest()
    return stored.sums[head]


def _lines(table: pa.Table, place: int) -> Iterator[pa.Table]:
    """The rows as text, some at a time; none of them lies across the border of two parts. `place`: of its first row."""
    start = 0
    while start < len(table):
        count = min(_LINES - (place + start) % _LINES, len(table) - start)
        yield rows.unpacked(table.slice(start, count))
        start += count


def plan(
    destinations: Sequence[Destination],
    people: pa.Table,
    ledger: Ledger,
    *,
    now: datetime,
    config_hash: str,
    accounts: Mapping[str, str],
    shop: ShopFacts | None = None,
    issues: Decision | None = None,
    aliases: pa.Table | None = None,
    surveys: Mapping[str, Survey] | None = None,
    reads: Mapping[str, Read] | None = None,
    recreate: frozenset[str] = frozenset(),
) -> Plan:
    """Compare what was computed with what each destination has acknowledged.

    `people`: the membership's table. `accounts`: the account id that each destination's key opens. `issues`: what offers
    give. `aliases`: customer_id, canonical. `surveys`: what each destination said of itself; `reads` ask it what it holds
    where we would write over it. `recreate`: "destination/segment" of lists gone there. Raises ConfigError.
    """
    codes = _live_codes(ledger, destinations, aliases)
    spool, summaries, changes = Spool(), [], []
    known: dict[str, pa.ChunkedArray] = {}
    for one in destinations:
        here = present(one, ledger, recreate=recreate)
        survey, read = (surveys or {}).get(one.name), (reads or {}).get(one.name)
        summary, stored = _one(one, here, people, ledger, spool, codes=codes, now=now, survey=survey, read=read)
        summaries.append(replace(summary, account=accounts.get(one.name)))
        changes.append(stored)
        known[one.name] = here.table["customer_id"]
    told, issued = issued_codes(issues)
    return Plan(
        client=ledger.client,
        now=now,
        config_hash=config_hash,
        ledger_version=ledger.version(),
        accounts=accounts,
        shop=shop or ShopFacts(),
        destinations=tuple(summaries),
        issues=told,
        first_mails=_first_mails(changes, known, ledger),
        currency=next((one.currency for one in destinations), "EUR"),
        warnings=tuple(
            f"{one.name}: {one.spec.name} cannot be told that somebody left; they leave our lists there"
            for one in destinations
            if Suppress not in one.spec.carries
        ),
        stored=_whole([*changes, Rows.of([issued], spool)], spool),
    )


def _whole(many: Sequence[Rows], spool: Spool) -> Rows:
    """All rows in order."""
    import pyarrow as pa

    whole = merged(many, spool)
    pa.default_memory_pool().release_unused()  # what sorting took
    return whole


def _live_codes(ledger: Ledger, destinations: Sequence[Destination], aliases: pa.Table | None) -> pa.Table:
    offers = {tag.offer for destination in destinations for tag in destination.merge_tags if tag.offer}
    from engine.ledger.codes import CodeState

    states = [CodeState(state) for state in _LIVE]
    columns = (
        "code_id",
        "code",
        "offer",
        "customer_id",
        "state",
        "value",
        "minimum",
        "products",
        "issued_at",
        "expires_at",
    )
    found = ledger.codes.table(states=states, offers=sorted(offers) or [""], columns=columns)
    return owned(found, aliases, keeps_order=False)


def _one(
    destination: Destination,
    here: Present,
    people: pa.Table,
    ledger: Ledger,
    spool: Spool,
    *,
    codes: pa.Table,
    now: datetime,
    survey: Survey | None = None,
    read: Read | None = None,
) -> tuple[DestinationSummary, Rows]:
    import pyarrow.compute as pc

    check(destination, here.targets)
    population = populate(destination, people, here)
    usable = codes.filter(pc.fill_null(pc.greater(codes["expires_at"], now), True))
    should = wanted(destination, population.people, usable, population.members)
    held = ledger.rejections.held(destination.name, destination.spec.version, now)
    found_fields = _found_fields(here, survey)
    difference = differ(destination, should, here, population, held, found_fields=found_fields, spool=spool)
    under_way = ledger.sending.of(destination.name)
    sent = {change.address for change in under_way if change.kind == AddCode.__name__}
    filling = fill(destination, ledger, now=now, under_way=sent, held=held)
    stored = merged([*difference.rows, Rows.of([filling.table], spool)], spool)
    counted = Counted(
        destination=destination, here=here, wanted=should, population=population, difference=difference,
        filling=filling, rows=stored, survey=survey, read=read, on_its_way=len(under_way),
    )  # fmt: skip
    return summarise(counted), stored


def _found_fields(here: Present, survey: Survey | None) -> frozenset[str]:
    """Merge tags whose field was there before us: the ledger knows it, or the destination says so now."""
    fields = {name: at for (kind, name), at in here.targets.items() if kind is TargetKind.FIELD}
    now = survey.fields.keys() - fields.keys() if survey else frozenset()
    return frozenset(now) | {name for name, at in fields.items() if not at.is_owned}


def _first_mails(many: Sequence[Rows], known: Mapping[str, pa.ChunkedArray], ledger: Ledger) -> int:
    """People among the new contacts whom no destination knows, planned for or not, however many of them they come to."""
    import pyarrow as pa
    import pyarrow.compute as pc

    tables = chain.from_iterable(one.chosen(kind=AddContact.__name__).tables() for one in many)
    chunks = chain.from_iterable(table["customer_id"].chunks for table in tables)
    words = [chunk.dictionary.take(pc.unique(chunk.indices)) for chunk in chunks]
    fresh = pc.unique(pa.chunked_array(words, pa.string()))  # a contact has a row a field: each is looked at once
    for name in dict.fromkeys([*known, *ledger.targets.destinations()]):
        if len(fresh) == 0:
            break
        customers = known[name] if name in known else ledger.contacts.table(name)["customer_id"]
        fresh = fresh.filter(pc.invert(pc.is_in(fresh, value_set=customers.combine_chunks())))
    return len(fresh)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Dataclasses' contents as plain JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, Decimal) else value
