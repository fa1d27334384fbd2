"""The verbs that only read: check, segments, members, traits, explain, status, codes, connectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorError, Unauthorized
from engine.errors import ConfigError
from engine.look.codes import CodesByState, OfferCodes, RefusedCodes, RefusedPerson, codes, refused_codes
from engine.look.conditions import Condition
from engine.look.explanation import Explained, StandsOn, explain
from engine.look.person import ConsentAct, ConsentState, Held, person
from engine.look.rejections import Rejected, RejectedChange, RejectedGroup, rejected
from engine.look.rereading import reread
from engine.look.standing import DestinationState, HeldBack, LastRun, Read, RunRow, Status, status
from engine.look.wording import in_words, known_segment, sql_of
from engine.results import unreachable
from engine.words import say

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.client import Client
    from engine.segments.segment import Segment

__all__ = [
    "Capabilities",
    "Checked",
    "CodesByState",
    "Condition",
    "ConsentAct",
    "ConsentState",
    "DestinationState",
    "Explained",
    "Held",
    "HeldBack",
    "LastRun",
    "Listed",
    "OfferCodes",
    "Reached",
    "Read",
    "RefusedCodes",
    "RefusedPerson",
    "Rejected",
    "RejectedChange",
    "RejectedGroup",
    "RunRow",
    "SegmentRow",
    "Segments",
    "StandsOn",
    "Statement",
    "Status",
    "check",
    "codes",
    "connectors",
    "explain",
    "members",
    "person",
    "refused_codes",
    "rejected",
    "reread",
    "segments",
    "statement",
    "status",
    "traits",
]  # fmt: skip

_MERGED = "SELECT count(*) AS merged FROM aliases WHERE customer_id <> canonical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One destination as `check` found it: the account that its key opens, or why not; `words` are the provider's own."""

    name: str
    connector: str
    account: str | None = None
    account_name: str | None = None
    error: str | None = None
    is_unauthorized: bool = False
    words: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The base on one page: rows by table, rows set aside, reachable by basis, why others are not, destinations.

    `merged`: ids that became another customer's, because the address is the same.
    """

    counts: Mapping[str, int]
    customers: int
    reachable: Mapping[str, int]
    blocked: Mapping[str, int]
    set_aside: Sequence[tuple[str, int, str, int]]
    merged: int
    destinations: Sequence[Reached]
    warnings: Sequence[str] = ()

    @property
    def exit_code(self) -> int:
        """4 when a destination cannot be opened, 2 when one is set wrongly."""
        return unreachable(one.error for one in self.destinations if one.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRow:
    """One segment, in people: matched = before any consent gate. `warning`: "size" outside its bounds; `why` says it in words."""

    name: str
    title: str
    words: str
    matched: int
    reachable: int
    by_basis: Mapping[str, int]
    held_out: int
    blocked: int
    warning: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Every segment of the client, and what its definitions warn of."""

    base: int
    rows: Sequence[SegmentRow]
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The SQL that computes everything, in a backend's words."""

    sql: str
    backend: str
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Rows for people or programs: as a table, or already written to `file`."""

    title: str
    table: pa.Table = field(repr=False)
    file_format: str = "csv"
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The installed connectors and what each can do: one row a connector."""

    rows: Sequence[Mapping[str, Any]]


def check(client: Client, *, call: bool = True) -> Checked:
    """Read config, shop and definitions; `call` the destinations. Nothing is changed anywhere."""
    shop, people = client.shop, client.membership.table
    return Checked(
        counts={name: count for name, count in shop.counts.items() if count},
        customers=people.num_rows,
        reachable=_by_basis(people, "reachable_email"),
        blocked=_blocked(client),
        set_aside=[(one.file, one.line, one.reason, one.count) for one in shop.set_aside],
        merged=int(shop.database.query(_MERGED)["merged"][0].as_py()),
        destinations=[_reach(client, name) for name in client.settings.destinations] if call else [],
        warnings=[*_emptiness(client), *client.catalogue.warnings],
    )


def _emptiness(client: Client) -> Iterator[str]:
    """A shop that was read wrongly rather than one whose rows are bad."""
    aside = sum(one.count for one in client.shop.set_aside)
    if not client.membership.table.num_rows:
        yield say("check.nobody", client.lang)
    elif aside > sum(client.shop.counts.values()):
        yield say("check.most_aside", client.lang)


def _by_basis(people: pa.Table, flag: str) -> dict[str, int]:
    import pyarrow.compute as pc

    pairs = pc.value_counts(pc.fill_null(people["basis"], "none").filter(people[flag])).to_pylist()
    return {str(pair["values"]): int(pair["counts"]) for pair in sorted(pairs, key=lambda pair: -pair["counts"])}


def _blocked(client: Client) -> dict[str, int]:
    """People who cannot be reached by e-mail, by the first reason that holds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    people = client.membership.table
    rest = pc.invert(people["reachable_email"])
    accepted = pa.array(client.settings.consent_basis)
    reasons = {
        "no_address": pc.is_null(people["email"]),
        **{word: pc.equal(people["consent_email"], word) for word in ("unsubscribed", "pending", "never")},
        "basis": pc.invert(pc.is_in(people["basis"], value_set=accepted)),
        "complaint_or_bounce": pc.is_valid(people["customer_id"]),
    }
    found = {}
    for name, holds in reasons.items():
        here = pc.and_(rest, pc.fill_null(holds, False))
        found[name] = int(pc.sum(here).as_py() or 0)
        rest = pc.and_(rest, pc.invert(here))
    return {name: count for name, count in found.items() if count}


def _reach(client: Client, name: str) -> Reached:
    connector = client.settings.destinations[name].connector
    try:
        account = client.connector(name).check()
    except ConnectorError as error:
        is_refused, told = isinstance(error, Unauthorized), client.told(name, error)
        words = str(error) if is_refused else None
        return Reached(name=name, connector=connector, error=told, is_unauthorized=is_refused, words=words)
    return Reached(name=name, connector=connector, account=account.id, account_name=account.name)


def segments(client: Client) -> Segments:
    """Each segment in words with its sizes, in the config's order; groups' `otherwise` after them."""
    people, catalogue = client.membership.table, client.catalogue
    order = [*client.settings.segments, *(name for name in catalogue.segments if name not in client.settings.segments)]
    rows = [_segment_row(client, people, catalogue.segments[name]) for name in order]
    return Segments(base=people.num_rows, rows=rows, warnings=list(catalogue.warnings))


def _segment_row(client: Client, people: pa.Table, segment: Segment) -> SegmentRow:
    import pyarrow.compute as pc

    from engine.client.sizes import outside

    matched = people[f"segment:{segment.name}"]
    reachable = pc.and_(matched, people["reachable_email"])
    held = f"holdout:{segment.name}"
    held_out = pc.sum(pc.and_(reachable, people[held])).as_py() or 0 if held in people.column_names else 0
    count = int(pc.sum(matched).as_py() or 0)
    why = outside(segment, count, people.num_rows, client.lang)
    return SegmentRow(
        name=segment.name,
        title=segment.title,
        words=in_words(client, segment.node),
        matched=count,
        reachable=int(pc.sum(reachable).as_py() or 0),
        by_basis=_by_basis(people.filter(matched), "reachable_email"),
        held_out=int(held_out),
        blocked=count - int(pc.sum(reachable).as_py() or 0),
        warning=None if why is None else "size",
        why=why,
    )


def statement(client: Client, backend: str | None = None) -> Statement:
    """The SQL of all traits and segments together, in the client's own backend's words or in another's."""
    from engine.compute.backends import backend as words

    found = words(backend or client.shop.database.name)
    told = f"{found.name}: spelled from its documentation, never run by our suite (docs/support-matrix.md)"
    sql = sql_of(client, client.catalogue, found.name)
    return Statement(sql=sql, backend=found.name, warnings=(told,) if found.untested else ())


def members(
    client: Client, segment: str, *, reachable: bool, file_format: str, out: Path | None, limit: int | None
) -> Listed:
    """The members of a segment: customer_id, sorted as text; with `reachable`, their address too."""
    known_segment(client, segment)
    if file_format not in {"csv", "jsonl", "parquet"}:
        raise ConfigError(f"there is no format '{file_format}'", place="--format", hint="csv, jsonl or parquet")
    if file_format == "parquet" and out is None:
        raise ConfigError("Parquet is not for the screen", place="--format", hint="name a file with --out")
    table = client.membership.members(segment, reachable="email" if reachable else None)
    table = table.select(["customer_id", "email"] if reachable else ["customer_id"])
    return Listed(title=segment, table=table.slice(0, limit), file_format=file_format, file=out)


def traits(client: Client, customers: Sequence[str]) -> Listed:
    """Named traits and carried columns: of these customers, or of the first twenty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from engine.offers.policy import BASKET

    table = client.membership.table
    hidden = {f"trait:{BASKET}"} - {f"trait:{name}" for name in client.settings.traits}
    names = [name for name in table.column_names if name.startswith("trait:") and name not in hidden]
    if customers:
        customers = [client.became(one) for one in customers]
        missing = set(customers) - set(table["customer_id"].to_pylist())
        if missing:
            raise ConfigError(
                f"there is no customer {min(missing)}", place="CUSTOMER", hint="see `ciblage members SEGMENT`"
            )
        table = table.filter(pc.is_in(table["customer_id"], value_set=pa.array(customers, pa.string())))
    else:
        table = table.slice(0, 20)
    renamed = ["customer_id", *(name.removeprefix("trait:") for name in names)]
    return Listed(title="traits", table=table.select(["customer_id", *names]).rename_columns(renamed))


def connectors() -> Capabilities:
    """Every installed connector: what it carries, its fields, its limits and what it brings back."""
    from connectors import base, registry

    abilities = (
        base.ReadsMembers, base.ReadsTraits, base.ReadsSuppressions, base.PullsEngagement, base.ReadsTotals, base.ReceivesEvents,
        base.RunsJobs, base.Recalls, base.Resolves, base.Erases,
    )  # fmt: skip
    rows: list[Mapping[str, Any]] = []
    for name in registry.names():
        try:
            connector = registry.load(name)
        except (ImportError, AttributeError) as error:  # one that is broken does not hide the others
            rows.append({"name": name, "broken": f"{type(error).__name__}: {error}"})
            continue
        spec = connector.spec
        rows.append(
            {
                "name": name,
                "carries": {kind.__name__: limit.items for kind, limit in spec.carries.items()},
                "fields": sorted(kind.value for kind in spec.fields),
                "max_fields": spec.max_fields,
                "reports": {kind.value: precision.value for kind, precision in spec.reports.items()},
                "abilities": [one.__name__ for one in abilities if issubclass(connector, one)],
            }
        )
    return Capabilities(rows)
