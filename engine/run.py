"""The whole flow, top to bottom: pull → compute → plan → guard → push → verify; and its stages as verbs of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorError
from engine.errors import ConfigError, EngineError, GuardRefused

if TYPE_CHECKING:
    from engine.client import Client
    from engine.engagement import Pulled
    from engine.offers import Confirmed
    from engine.plan.guard import Refusal
    from engine.plan.plan import Plan
    from engine.plan.survey import Survey
    from engine.push.result import Result
    from engine.push.verifying import Proof

__all__ = [
    "Approved", "Exported", "Options", "Planned", "PulledAll", "Pushed", "Retried", "Review", "Round", "approve", "confirm_codes", "export_codes", "plan",
    "pull", "push", "retry", "run",
]  # fmt: skip

REJECTED, REFUSED, UNREACHABLE, MORE, TERMINATED = 1, 3, 4, 6, 143
_OVERLAID = {"email_events", "codes"}  # rows that the shop did not bring


def _silent(destination: str, done: int, total: int) -> None:
    """No progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line allows: `force` and `recreate` name DESTINATION or DESTINATION/SEGMENT."""

    force: Sequence[str] = ()
    recreate: Sequence[str] = ()
    max_minutes: float | None = None
    yes: bool = False
    progress: Callable[[str, int, int], None] = _silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A plan that a person has read: its file, the checksum that they saw, and how old it may be."""

    file: Path
    checksum: str | None
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledAll:
    """What came back: by destination, and codes that orders show as used or that are over."""

    destinations: Sequence[Pulled]
    redeemed: int = 0
    expired: int = 0

    @property
    def failed(self) -> Mapping[str, str]:
        """Destinations that could not be read, and why."""
        return {one.destination: one.error for one in self.destinations if one.error}

    @property
    def exit_code(self) -> int:
        """4 when a destination could not be read."""
        return UNREACHABLE if self.failed else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, what the guard says of it, and destinations that did not answer."""

    plan: Plan
    refusals: Sequence[Refusal] = ()
    unreachable: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    warnings: Sequence[str] = ()

    @property
    def exit_code(self) -> int:
        """4 and 3 as in a push; a plan that only waits for its approval is no refusal."""
        return _first(
            UNREACHABLE if self.unreachable else 0,
            REFUSED if any(one.kind != "unapproved" for one in self.refusals) else 0,
        )

    def document(self) -> dict[str, Any]:
        """Plain JSON, rows left out."""
        from dataclasses import asdict

        return {
            "checksum": self.plan.checksum,
            "file": self.file,
            "plan": self.plan.document(),
            "refusals": [asdict(one) for one in self.refusals],
            "unreachable": dict(self.unreachable),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What became of a plan: by destination, the proofs read back, codes minted and the file that holds them."""

    results: Sequence[Result]
    proofs: Sequence[Proof]
    refusals: Sequence[Refusal] = ()
    unreachable: Mapping[str, str] = field(default_factory=dict)
    minted: int = 0
    exported: Path | None = None
    is_terminated: bool = False

    @property
    def exit_code(self) -> int:
        """The first of 143, 4, 3, 6, 1 that holds."""
        return _first(
            TERMINATED if self.is_terminated else 0,
            UNREACHABLE
            if self.unreachable or any(isinstance(one.error, ConnectorError) for one in self.results)
            else 0,
            REFUSED if self.refusals or any(isinstance(one.error, GuardRefused) for one in self.results) else 0,
            MORE if any(one.stopped for one in self.results) else 0,
            REJECTED if any(one.rejected for one in self.results) else 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One whole round."""

    pulled: PulledAll
    planned: Planned
    pushed: Pushed

    @property
    def exit_code(self) -> int:
        """That of the push, or 4 when the pull failed somewhere."""
        return _first(TERMINATED if self.pushed.is_terminated else 0, self.pulled.exit_code, self.pushed.exit_code)


@dataclass(frozen=True, slots=True)
class Approved:
    """Who approved which plan, for which destinations."""

    checksum: str
    by: str
    destinations: Sequence[str]


@dataclass(frozen=True, slots=True)
class Retried:
    """How many refused changes the next push sends once more."""

    changes: int


@dataclass(frozen=True, slots=True)
class Exported:
    """Codes written for the shop."""

    codes: int
    file: Path


def run(client: Client, options: Options) -> Round:
    """What a schedule calls."""
    with _recorded(client, "run") as record:
        pulled = _pull(client)
        planned = _plan(client, options, skip=pulled.failed)
        pushed = _push(client, planned, options)
        record.ended(planned, pushed)
        return Round(pulled=pulled, planned=planned, pushed=pushed)


def pull(client: Client) -> PulledAll:
    """Bring back suppressions, engagement and redemptions."""
    with _recorded(client, "pull") as record:
        pulled = _pull(client)
        record.summary = {"destinations": len(pulled.destinations), "redeemed": pulled.redeemed}
        record.exit_code = pulled.exit_code
        return pulled


def plan(client: Client, *, out: Path | None, force: Sequence[str] = (), recreate: Sequence[str] = ()) -> Planned:
    """What would change where. Reads only: nothing is written at a destination or in the ledger."""
    from engine.engagement import is_swept
    from engine.plan.file import save

    planned = _plan(client, Options(force=force, recreate=recreate), skip={})
    unread = [one.name for one in planned.plan.destinations if not is_swept(client.ledger, one.name)]
    warnings = [f"{name}: those who left were never read; `ciblage pull` reads them" for name in unread]
    if out is not None:
        save(planned.plan, out)
    return replace(planned, file=out, warnings=warnings)


def approve(client: Client, file: Path, by: str) -> Approved:
    """A person has read the plan in this file and agrees."""
    from engine.plan.file import load

    approved = load(file)
    if approved.client != client.settings.client:
        raise ConfigError(f"the plan is of the client {approved.client}", place=str(file))
    names = [one.name for one in approved.destinations]
    with _recorded(client, "approve") as record:
        client.ledger.approvals.record(approved.checksum, names, by=by, at=client.now)
        record.summary = {"plan": approved.checksum, "by": by}
        return Approved(approved.checksum, by, names)


def push(client: Client, options: Options, review: Review | None = None) -> Pushed:
    """Carry a plan: the reviewed one as it is, or one made now. Who left is read first, everywhere."""
    reviewed = _load(review) if review else None
    with _recorded(client, "push") as record:
        failed = _pull(client, engagement=False).failed
        if review and reviewed:
            planned = _reviewed(client, options, review, reviewed, failed)
        else:
            planned = _plan(client, options, skip=failed)
        pushed = _push(client, planned, options)
        record.ended(planned, pushed)
        return pushed


def export_codes(client: Client, out: Path | None) -> Exported:
    """Write the codes that the shop does not know yet."""
    with _recorded(client, "codes export"):
        return _export(client, out)


def confirm_codes(client: Client, file: Path) -> Confirmed:
    """The shop redeems the codes of this file."""
    from engine.offers import confirm

    with _recorded(client, "codes confirm") as record:
        confirmed = confirm(client.ledger, file, now=client.now)
        record.summary = {"confirmed": confirmed.moved, "unknown": confirmed.unknown}
        return confirmed


def retry(client: Client) -> Retried:
    """Let every refused change be sent once more; returns how many."""
    with _recorded(client, "rejected"):
        return Retried(client.ledger.rejections.forgive())


# the stages


def _pull(client: Client, *, engagement: bool = True) -> PulledAll:
    """Every destination in turn; one that fails is told and left out of the rest of the run."""
    from engine.engagement import Patience, Pulled, pull
    from engine.offers import settle

    found = []
    for name in client.settings.destinations:
        connector = client.connector(name)
        try:
            found.append(
                pull(
                    name, connector, client.ledger, client.parts,
                    now=client.now, patience=Patience(client.clock), engagement=engagement,
                )
            )  # fmt: skip
        except ConnectorError as error:
            found.append(Pulled(destination=name, is_complete=False, error=str(error)))
    client.forget()
    redeemed, expired = (0, 0)
    if client.settings.offers:
        redeemed, expired = settle(client.ledger, client.shop.coupons(), now=client.now)
        if redeemed or expired:
            client.forget()
    return PulledAll(destinations=found, redeemed=redeemed, expired=expired)


def _plan(client: Client, options: Options, *, skip: Mapping[str, str]) -> Planned:
    from engine.offers import issues
    from engine.plan.plan import ShopFacts
    from engine.plan.plan import plan as make

    surveys, unreachable = _surveys(client, skip)
    people, shop = client.membership.table, client.shop
    made = make(
        [client.destination(name) for name in surveys],
        people,
        client.ledger,
        now=client.now,
        config_hash=client.config.hash,
        accounts={name: seen.account.id for name, seen in surveys.items()},
        shop=ShopFacts(
            fingerprint=shop.fingerprint,
            newest=shop.newest,
            rows=sum(count for name, count in shop.counts.items() if name not in _OVERLAID),
        ),
        issues=issues(client.policies(), people, client.ledger.codes.table()) if client.settings.offers else None,
        recreate=frozenset(options.recreate),
    )
    return _guarded(client, Planned(plan=made, unreachable=unreachable), surveys, options)


def _surveys(client: Client, skip: Mapping[str, str]) -> tuple[dict[str, Survey], dict[str, str]]:
    """What each destination says of itself, and which do not answer."""
    from engine.plan.survey import survey

    surveys, unreachable = {}, dict(skip)
    for name in client.settings.destinations:
        if name in skip:
            continue
        try:
            surveys[name] = survey(client.destination(name), client.connector(name), client.ledger)
        except ConnectorError as error:
            unreachable[name] = str(error)
    return surveys, unreachable


def _guarded(client: Client, planned: Planned, surveys: Mapping[str, Survey], options: Options) -> Planned:
    from engine.plan.guard import Permits, guard

    permits = Permits(force=frozenset(options.force), recreate=frozenset(options.recreate), is_approved=options.yes)
    return replace(planned, refusals=guard(planned.plan, client.ledger, surveys, permits))


def _load(review: Review) -> Plan:
    """The plan of a file, before anybody is called."""
    from engine.plan.file import load

    if review.checksum is None:
        raise ConfigError("a plan from a file needs --checksum", place="--checksum", hint="`ciblage plan` printed it")
    return load(review.file, checksum=review.checksum)


def _reviewed(client: Client, options: Options, review: Review, made: Plan, failed: Mapping[str, str]) -> Planned:
    """A reviewed plan, if nothing moved since; it is never added to."""
    from engine.plan.file import check_fresh

    surveys, unreachable = _surveys(client, failed)
    check_fresh(
        made,
        client.ledger,
        now=client.now,
        config_hash=client.config.hash,
        accounts={name: seen.account.id for name, seen in surveys.items()},
        max_age=review.max_age,
    )
    return _guarded(client, Planned(plan=made, unreachable=unreachable, file=review.file), surveys, options)


def _push(client: Client, planned: Planned, options: Options) -> Pushed:
    """Mint, carry, verify, export. A destination that the guard refused hears of departures at most."""
    from engine.push.push import push as carry
    from engine.push.trip import Carrier, Limits
    from engine.push.verifying import verify

    refused = {one.destination for one in planned.refusals}
    stopped = {one.destination for one in planned.refusals if not one.lets_consent_pass} | planned.unreachable.keys()
    carriers = [
        Carrier(client.destination(one.name), client.connector(one.name), is_consent_only=one.name in refused)
        for one in planned.plan.destinations
        if one.name not in stopped
    ]
    minted = _mint(client, planned.plan) if any(not one.is_consent_only for one in carriers) else 0
    until = None if options.max_minutes is None else client.clock.monotonic() + options.max_minutes * 60
    results = carry(
        planned.plan,
        carriers,
        client.ledger,
        client.membership.table,
        clock=client.clock,
        now=client.now,
        limits=Limits(until=until, is_stopped=client.stop.is_set),
        progress=options.progress,
        recreate=frozenset(options.recreate),
    )
    by_name = {carrier.destination.name: carrier for carrier in carriers}
    proofs = [proof for result in results for proof in verify(result, by_name[result.name], client.ledger)]
    exported = _export(client, None) if minted else None
    return Pushed(
        results=results,
        proofs=proofs,
        refusals=planned.refusals,
        unreachable=planned.unreachable,
        minted=minted,
        exported=exported.file if exported else None,
        is_terminated=client.stop.is_set(),
    )


def _mint(client: Client, made: Plan) -> int:
    """The plan's codes, committed; those that an interrupted push minted before are not minted again."""
    import pyarrow.compute as pc

    from engine.ledger.codes import LIVE
    from engine.offers import mint
    from engine.plan.rows import ISSUE

    rows = made.rows.filter(pc.equal(made.rows["kind"], ISSUE))
    wanted = list(dict.fromkeys(zip(rows["target"].to_pylist(), rows["customer_id"].to_pylist(), strict=True)))
    given = client.ledger.codes.table(states=LIVE)
    live = set(zip(given["offer"].to_pylist(), given["customer_id"].to_pylist(), strict=True))
    missing = [pair for pair in wanted if pair not in live]
    policies = {policy.name: policy for policy in client.policies()}
    client.ledger.codes.reserve(mint(missing, policies, now=client.now), plan=made.checksum)
    return len(missing)


def _export(client: Client, out: Path | None) -> Exported:
    from engine.offers import export

    path = out or client.config.state / "codes.csv"
    return Exported(export(client.ledger, path, now=client.now), path)


# history


@dataclass(slots=True)
class _Record:
    """What the history keeps of a command."""

    summary: Mapping[str, Any] = field(default_factory=dict)
    shop: Mapping[str, Any] | None = None
    exit_code: int = 0

    def ended(self, planned: Planned, pushed: Pushed) -> None:
        """A shop that the guard did not refuse is what the next run is compared with."""
        self.exit_code = pushed.exit_code
        self.summary = {
            "plan": planned.plan.checksum,
            "destinations": [one.document() for one in pushed.results],
            "minted": pushed.minted,
        }
        if not planned.refusals:
            facts = planned.plan.shop
            self.shop = {"fingerprint": facts.fingerprint, "newest": facts.newest, "rows": facts.rows}


@contextmanager
def _recorded(client: Client, command: str) -> Iterator[_Record]:
    """Hold the client's lock and write the command into its history, however it ends."""
    from engine.ledger.runs import Run

    client.write()
    ledger, started = client.ledger, client.clock.utc()
    with ledger.lock(who=command, since=started):
        run_id = ledger.runs.begin(
            Run(command=command, started_at=started, now=client.now, config_hash=client.config.hash, summary={})
        )
        record = _Record(exit_code=70)
        try:
            yield record
            record.exit_code = 0 if record.exit_code == 70 else record.exit_code  # noqa: PLR2004 - the code of a defect
        except EngineError as error:
            record.exit_code = error.exit_code
            raise
        finally:
            ledger.runs.end(run_id, summary=record.summary, exit_code=record.exit_code, shop=record.shop)


def _first(*codes: int) -> int:
    return next((code for code in codes if code), 0)
