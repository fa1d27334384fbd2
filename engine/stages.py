"""The stages of a run, each on its own: pull, plan, review, carry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError
from engine.client.sizes import outsiders
from engine.errors import ConfigError
from engine.results import Exported, Options, Planned, PulledAll, Pushed, Review

if TYPE_CHECKING:
    from connectors.types import Fitted, Ref
    from engine.client import Client
    from engine.engagement.totals import Compared
    from engine.offers import Decision, Policy
    from engine.plan.destination import Destination
    from engine.plan.overwriting import Read
    from engine.plan.plan import Plan
    from engine.plan.survey import Survey
    from engine.push.issuing import Issued
    from engine.push.trip import Carrier

__all__ = [
    "carry_plan",
    "compare_totals",
    "decide_codes",
    "guard_plan",
    "load_review",
    "make_plan",
    "pull_all",
    "reviewed_plan",
    "write_codes",
]

_REPORTED = timedelta(days=30)  # after the last event of a campaign its figures hardly move
_OVERLAID = {"email_events", "codes"}  # rows that the shop did not bring


def pull_all(client: Client, *, engagement: bool = True) -> PulledAll:
    """Every destination in turn; one that fails is told and left out of the rest of the run. Erasures go on."""
    from engine.client.erasing import resume_erasures
    from engine.engagement import Patience, Pulled, pull
    from engine.offers import Settled, settle

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
    erasures = resume_erasures(client)
    settled = Settled()
    if client.settings.offers:
        settled = settle(client.ledger, client.shop.coupons(), now=client.now, aliases=client.aliases)
        if settled:
            client.forget()
    return PulledAll(destinations=found, erasures=erasures, **asdict(settled))


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


def make_plan(client: Client, options: Options, *, skip: Mapping[str, str], is_shown: bool = False) -> Planned:
    """The difference as of now, guarded; destinations in `skip`, and those that do not answer, are left out and told.

    For one that a person is to read, destinations are asked for values that would be written over.
    """
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
        issues=decide_codes(client, policies) if policies else None,
        aliases=client.aliases if policies else None,
        surveys=surveys,
        reads=_reads(client, surveys) if is_shown else {},
        recreate=frozenset(options.recreate),
    )
    carried = [segment for name in surveys for segment in client.settings.destinations[name].segments]
    planned = Planned(plan=made, unreachable=unreachable, warnings=list(outsiders(client, carried)))
    return guard_plan(client, planned, surveys, options)


def decide_codes(client: Client, policies: Sequence[Policy]) -> Decision:
    """Who would get a code of these offers now, and why the others would not."""
    from engine.offers import CODES, decide, owned

    codes = owned(client.ledger.codes.table(columns=CODES), client.aliases)
    most = client.settings.live_offers
    return decide(policies, client.membership.table, codes, now=client.now, live_offers=most)


def _reads(client: Client, names: Iterable[str]) -> dict[str, Read]:
    """How each destination that can is asked for values of contacts."""
    from connectors.base import ReadsTraits

    built = {name: client.connector(name) for name in names}
    return {name: partial(_read, client, name) for name, one in built.items() if isinstance(one, ReadsTraits)}


def _read(client: Client, name: str, addresses: Sequence[str], most: int) -> Mapping[str, Mapping[Ref, Fitted]]:
    """What a destination holds of these people, in so many calls at most. Raises the connector's errors, and Spent."""
    from connectors.base import ReadsTraits
    from connectors.types import Profile
    from engine.plan.overwriting import Budget

    connector = client.connector_through(name, Budget(client.handler, most))
    if not isinstance(connector, ReadsTraits):
        return {}
    return connector.traits([Profile(address) for address in addresses])


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


def guard_plan(client: Client, planned: Planned, surveys: Mapping[str, Survey], options: Options) -> Planned:
    """The plan with what the guard says of it."""
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
    return guard_plan(client, Planned(plan=made, unreachable=unreachable, file=review.file), surveys, options)


def carry_plan(client: Client, planned: Planned, options: Options) -> Pushed:
    """Mint, carry, verify, export. A destination that the guard refused hears of departures at most."""
    from engine.offers import clear
    from engine.ownership.carrying import begin
    from engine.push.people import People
    from engine.push.push import push as carry
    from engine.push.trip import Limits
    from engine.push.verifying import verify

    carriers = _carriers(client, planned)
    passed = [one.destination for one in carriers if not one.is_consent_only]
    begin(planned.plan, client.ledger, client.membership.table, now=client.now, carried=passed)
    issued = mint_codes(client, planned) if any(not one.is_consent_only for one in carriers) else None
    people = People(client.membership.table)
    client.forget_members()  # a push of many people takes long, and needs no more of them
    until = None if options.max_minutes is None else client.clock.monotonic() + options.max_minutes * 60
    results = carry(
        planned.plan,
        carriers,
        client.ledger,
        people,
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
    if client.settings.offers:
        clear(client.ledger, now=client.now)
    exported = write_codes(client, None) if client.ledger.codes.unexported() else None
    return Pushed(
        results=results,
        proofs=proofs,
        refusals=planned.refusals,
        unreachable=planned.unreachable,
        warnings=planned.warnings,
        minted=issued.minted if issued else 0,
        renewed=issued.renewed if issued else 0,
        exported=exported.file if exported else None,
        is_terminated=client.stop.is_set(),
    )


def _carriers(client: Client, planned: Planned) -> list[Carrier]:
    """The destinations that something goes to."""
    from engine.push.trip import Carrier

    refused = {one.destination for one in planned.refusals}
    stopped = {one.destination for one in planned.refusals if not one.lets_consent_pass} | planned.unreachable.keys()
    return [
        Carrier(_carried(client, planned, one.name), client.connector(one.name), is_consent_only=one.name in refused)
        for one in planned.plan.destinations
        if one.name not in stopped
    ]


def _carried(client: Client, planned: Planned, name: str) -> Destination:
    """The destination; where the plan only puts right what was, without what is not there yet."""
    from engine.ownership.planning import as_known, is_own

    destination = client.destination(name)
    if not is_own(planned.plan, name):
        return destination
    return as_known(destination, client.ledger.targets.of(name))


def mint_codes(client: Client, planned: Planned) -> Issued:
    """The plan's codes, committed, but none of an offer whose budget the guard refuses."""
    from engine.push.issuing import Minter, issue_codes

    minter = Minter(
        ledger=client.ledger,
        policies=client.policies(),
        people=client.membership.table,
        now=client.now,
        aliases=client.aliases,
    )
    return issue_codes(planned.plan, minter, without=planned.refused_offers)


def write_codes(client: Client, out: Path | None) -> Exported:
    """Codes that no shop has confirmed, as a file for it: `out`, or codes.csv in the state folder."""
    from engine.offers import export

    path = out or client.config.state / "codes.csv"
    return Exported(export(client.ledger, path, now=client.now), path)
