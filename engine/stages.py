"""The stages of a run, each on its own: pull, plan, review, carry."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError
from engine.errors import ConfigError
from engine.results import Exported, Options, Planned, PulledAll, Pushed, Review

if TYPE_CHECKING:
    from engine.client import Client
    from engine.engagement.totals import Compared
    from engine.plan.plan import Plan
    from engine.plan.survey import Survey

__all__ = ["carry_plan", "compare_totals", "load_review", "make_plan", "pull_all", "reviewed_plan", "write_codes"]

_REPORTED = timedelta(days=30)  # after the last event of a campaign its figures hardly move
_OVERLAID = {"email_events", "codes"}  # rows that the shop did not bring


def pull_all(client: Client, *, engagement: bool = True) -> PulledAll:
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
            found.append(Pulled(destination=name, is_complete=False, error=client.told(name, error)))
        client.tell("pull.destination", **asdict(found[-1]))
    client.forget()
    redeemed, expired = (0, 0)
    if client.settings.offers:
        redeemed, expired = settle(client.ledger, client.shop.coupons(), now=client.now)
        if redeemed or expired:
            client.forget()
    return PulledAll(destinations=found, redeemed=redeemed, expired=expired)


def compare_totals(client: Client, *, skip: Collection[str]) -> list[Compared]:
    """The campaigns of the last thirty days as we hold them, beside what each provider reports of them."""
    from connectors.base import ReadsTotals
    from engine.engagement.totals import Compared, compare

    found = []
    for name in client.settings.destinations:
        connector = client.connector(name)
        if name in skip or not isinstance(connector, ReadsTotals):
            continue
        try:
            found.append(compare(name, connector, client.parts, since=client.now - _REPORTED))
        except ConnectorError as error:
            found.append(Compared(destination=name, error=client.told(name, error)))
    return found


def make_plan(client: Client, options: Options, *, skip: Mapping[str, str]) -> Planned:
    """The difference as of now, guarded; destinations in `skip`, and those that do not answer, are left out and told."""
    from engine.offers import issues
    from engine.plan.plan import ShopFacts
    from engine.plan.plan import plan as make

    surveys, unreachable = _surveys(client, skip)
    people, shop = client.membership.table, client.shop
    policies = [one for one in client.policies() if one.pool is None or one.pool.destination in surveys]
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
        issues=issues(policies, people, client.ledger.codes.table()) if policies else None,
        policies=policies,
        surveys=surveys,
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
            unreachable[name] = client.told(name, error)
    return surveys, unreachable


def _guarded(client: Client, planned: Planned, surveys: Mapping[str, Survey], options: Options) -> Planned:
    from engine.plan.guard import Permits, guard

    permits = Permits(force=frozenset(options.force), recreate=frozenset(options.recreate), is_approved=options.yes)
    refusals = guard(planned.plan, client.ledger, surveys, permits)
    for one in planned.plan.destinations:
        client.tell("plan.destination", destination=one.name, changes=one.changes, calls=one.estimate.calls)
    for refusal in refusals:
        client.tell("guard.refused", **refusal.document())
    return replace(planned, refusals=refusals)


def load_review(review: Review) -> Plan:
    """The plan of a file, before anybody is called."""
    from engine.plan.file import load

    if review.checksum is None:
        raise ConfigError("a plan from a file needs --checksum", place="--checksum", hint="`ciblage plan` printed it")
    return load(review.file, checksum=review.checksum)


def reviewed_plan(client: Client, options: Options, review: Review, made: Plan, failed: Mapping[str, str]) -> Planned:
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


def carry_plan(client: Client, planned: Planned, options: Options) -> Pushed:
    """Mint, carry, verify, export. A destination that the guard refused hears of departures at most."""
    from engine.ledger.codes import CodeState
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
    minted = mint_codes(client, planned.plan) if any(not one.is_consent_only for one in carriers) else 0
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
    for result in results:
        client.tell("push.destination", **result.document())
    proofs = [proof for result in results for proof in verify(result, by_name[result.name], client.ledger)]
    exported = write_codes(client, None) if client.ledger.codes.table(states=[CodeState.RESERVED]).num_rows else None
    return Pushed(
        results=results,
        proofs=proofs,
        refusals=planned.refusals,
        unreachable=planned.unreachable,
        minted=minted,
        exported=exported.file if exported else None,
        is_terminated=client.stop.is_set(),
    )


def mint_codes(client: Client, made: Plan) -> int:
    """The plan's codes, committed; those that an interrupted push minted before are not minted again."""
    import pyarrow.compute as pc

    from engine.ledger.codes import LIVE
    from engine.ledger.packing import value
    from engine.offers import mint, restock
    from engine.plan.rows import CODE

    rows = made.issued()
    pooled = pc.fill_null(pc.equal(rows["field"], CODE), False)
    stock = rows.filter(pooled)
    ids = [str(value(text)) for text in stock["after"].to_pylist()]
    rows = rows.filter(pc.invert(pooled))
    wanted = list(dict.fromkeys(zip(rows["target"].to_pylist(), rows["customer_id"].to_pylist(), strict=True)))
    given = client.ledger.codes.table(states=LIVE)
    live = set(zip(given["offer"].to_pylist(), given["customer_id"].to_pylist(), strict=True))
    missing = [pair for pair in wanted if pair not in live]
    known = set(client.ledger.codes.table()["code_id"].to_pylist()) if ids else set()
    lacking = [pair for pair in zip(stock["target"].to_pylist(), ids, strict=True) if pair[1] not in known]
    policies = {policy.name: policy for policy in client.policies()}
    codes = [*mint(missing, policies, now=client.now), *restock(lacking, policies, now=client.now)]
    client.ledger.codes.reserve(codes, plan=made.checksum)
    return len(codes)


def write_codes(client: Client, out: Path | None) -> Exported:
    """Codes that no shop has confirmed, as a file for it: `out`, or codes.csv in the state folder."""
    from engine.offers import export

    path = out or client.config.state / "codes.csv"
    return Exported(export(client.ledger, path, now=client.now), path)
