"""`report`: what a client's last weeks were. Audiences, what was sent, who left, what was read and bought, what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.types import Reason
from engine.errors import ConfigError
from engine.words import say

if TYPE_CHECKING:
    from engine.client import Client
    from engine.ledger.runs import Run
    from engine.measure import Lift, Sold
    from engine.shop import Shop

__all__ = ["Audience", "Campaign", "Carried", "Departed", "LiftShown", "RefusedThere", "Report", "report"]

DAYS = 30
_LOOKED_AT = 2000  # runs
_RATED = {"opened": "open_rate", "clicked": "click_rate", "unsubscribed": "unsubscribe_rate"}
_CARRYING = frozenset({"push", "run"})  # rounds; what puts right and takes back sends too
_SENDING = _CARRYING | {"drift", "undo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """One segment: its people now, those of the first run in the time (None: not measured), who can be reached, held out."""

    name: str
    title: str
    before: int | None
    now: int
    reachable: int
    held_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What one destination took: changes by kind as they were acknowledged."""

    destination: str
    changes: Mapping[str, int]
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """People whom a destination mails no more since some day of the time, by why."""

    destination: str
    left: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """People of one campaign: of those to whom it was sent in the time, or all where nobody tells to whom.

    Shares are of those to whom it was sent, None where nobody tells. `precision`: of the times of its opens.
    """

    destination: str | None
    campaign: str | None
    sent: int
    opened: int
    clicked: int
    unsubscribed: int
    open_rate: float | None
    click_rate: float | None
    precision: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftShown:
    """What a segment's mails changed: buyers among its reachable members of the first day, and among those of them held out.

    `revenue`: what they paid until the last one, less refunds, in the client's currency. `difference` and its 95 % interval are shares; `verdict`: higher, lower, no_difference, not_enough_data.
    """

    segment: str
    title: str
    treated: int
    treated_buyers: int
    treated_revenue: Decimal
    held_out: int
    held_out_buyers: int
    held_out_revenue: Decimal
    difference: float | None
    low: float | None
    high: float | None
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedThere:
    """Changes that a destination refused in the time and that still are, and what to do."""

    destination: str
    reason: Reason
    changes: int
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The last weeks of one client, in people, counts and money; no name, no address.

    `lifts` are measured from `lift_since` on: the beginning, or the first run ever that changed something, if that is later.
    """

    client: str
    since: datetime
    until: datetime
    lang: str
    currency: str
    lift_since: datetime
    runs: int
    held_back: int
    audiences: Sequence[Audience]
    carried: Sequence[Carried]
    departed: Sequence[Departed]
    campaigns: Sequence[Campaign]
    codes: Sequence[Sold]
    lifts: Sequence[LiftShown]
    refused: Sequence[RefusedThere]
    is_measured: bool = True  # mails, codes and lifts: not of a shop that is computed where it stands
    file: Path | None = None


def report(client: Client, *, since: str | None = None, lang: str | None = None) -> Report:
    """The time from `since` (ISO 8601; default: thirty days) to now; nobody is called. Raises ConfigError."""
    from engine.ownership.story import has_changed
    from engine.shop import Shop

    spoken = lang or client.lang
    if spoken not in {"en", "fr"}:
        raise ConfigError(f"there is no language '{spoken}'", place="--lang", hint="en or fr")
    begin = _begin(client, since)
    known = [one for one in client.ledger.runs.last(_LOOKED_AT) if one.now <= client.now and one.command in _SENDING]
    sending = [one for one in known if begin <= one.now]
    carrying = [one for one in sending if one.command in _CARRYING]
    lift_since = max(begin, min((one.now for one in known if has_changed(one)), default=begin))
    shop = client.shop if isinstance(client.shop, Shop) else None
    return Report(
        client=client.settings.client,
        since=begin.astimezone(client.settings.zone),
        until=client.now.astimezone(client.settings.zone),
        lift_since=lift_since.astimezone(client.settings.zone),
        lang=spoken,
        currency=client.settings.currency,
        runs=len(carrying),
        held_back=sum(1 for one in carrying if one.summary.get("refusals") or one.exit == 3),  # noqa: PLR2004 - the guard's exit code
        audiences=list(_audiences(client, carrying, spoken)),
        carried=_carried(client, sending),
        departed=_departed(client, begin),
        campaigns=[] if shop is None else _campaigns(client, shop, begin),
        codes=[] if shop is None else _sold(client, shop, begin),
        lifts=[] if shop is None else _lifts(client, shop, lift_since, spoken),
        refused=_refused(client, begin, spoken),
        is_measured=shop is not None,
    )


def _begin(client: Client, since: str | None) -> datetime:
    if since is None:
        return client.now - timedelta(days=DAYS)
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise ConfigError(f"'{since}' is not a day", place="--since", hint="write for example 2026-11-01") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=client.settings.zone)
    if moment >= client.now:
        raise ConfigError(f"{since} is not before now", place="--since", hint="--now says what now is")
    return moment


def _title(client: Client, segment: str, lang: str) -> str:
    """In the report's language where the config says it."""
    found = client.catalogue.segments[segment]
    return found.titles.get(lang, found.title)


def _audiences(client: Client, runs: Sequence[Run], lang: str) -> list[Audience]:
    from engine.look import segments

    known = [one.summary["sizes"] for one in reversed(runs) if "sizes" in one.summary]
    rows = segments(client).rows
    first = {row.name: next((sizes[row.name] for sizes in known if row.name in sizes), None) for row in rows}
    return [
        Audience(
            name=row.name, title=_title(client, row.name, lang), before=first[row.name], now=row.matched, reachable=row.reachable,
            held_out=row.held_out,
        )
        for row in rows
    ]  # fmt: skip


def _carried(client: Client, runs: Sequence[Run]) -> list[Carried]:
    found = []
    for name in client.settings.destinations:
        ends = [one for run in runs for one in run.summary.get("destinations") or () if one["destination"] == name]
        changes: Counter[str] = sum((Counter(one["applied"]) for one in ends), Counter())
        rejected = sum(sum(one["rejected"].values()) for one in ends)
        found.append(Carried(destination=name, changes=dict(changes), rejected=rejected))
    return found


def _departed(client: Client, begin: datetime) -> list[Departed]:
    rows = client.ledger.suppressions.table().to_pylist()
    left = [row for row in rows if row["origin"] != "ours" and begin <= (row["at"] or row["first_seen"]) <= client.now]
    counts = {
        name: Counter(row["left"] for row in left if row["destination"] == name)
        for name in client.settings.destinations
    }
    return [Departed(destination=name, left=dict(count)) for name, count in counts.items()]


def _campaigns(client: Client, shop: Shop, begin: datetime) -> list[Campaign]:
    from connectors.types import EventKind
    from engine.measure import fraction, rates

    found = []
    for row in rates(shop, since=begin, now=client.now).to_pylist():
        name = row["destination"]
        told = client.spec(name).reports if name in client.settings.destinations else {}
        precision = told.get(EventKind.OPEN)
        opened, clicked = fraction(row["open_rate"]), fraction(row["click_rate"])
        people = {count: int((row[rate] or {"part": row[count]})["part"]) for count, rate in _RATED.items()}
        found.append(
            Campaign(
                destination=name, campaign=row["campaign"], sent=row["sent"], **people, open_rate=None if opened is None else float(opened),
                click_rate=None if clicked is None else float(clicked),
                precision=None if precision is None else precision.value,
            )
        )  # fmt: skip
    return found


def _sold(client: Client, shop: Shop, begin: datetime) -> list[Sold]:
    from engine.measure import sold

    codes = client.ledger.codes.table()
    return sold(shop, codes, since=begin, now=client.now) if codes.num_rows else []


def _lifts(client: Client, shop: Shop, begin: datetime, lang: str) -> list[LiftShown]:
    """Segments as they were at the beginning: those who bought since may have left them, and others the mails."""
    from engine.compute import compute
    from engine.measure import as_of, lift

    measured = [
        one
        for one in client.catalogue.segments.values()
        if f"holdout:{one.name}" in client.membership.table.column_names
    ]
    if not measured:
        return []
    settings = client.settings
    with as_of(shop, begin):
        then = compute(
            shop,
            client.catalogue,
            begin,
            settings.zone,
            week_starts=settings.week_starts,
            leap_day=settings.leap_day,
        )
    return [
        _shown(lift(shop, then.table, one.name, since=begin, now=client.now), _title(client, one.name, lang))
        for one in measured
    ]


def _shown(one: Lift, title: str) -> LiftShown:
    interval = one.interval
    return LiftShown(
        segment=one.segment, title=title, treated=one.treated.people, treated_buyers=one.treated.buyers,
        treated_revenue=one.treated.revenue, held_out=one.held_out.people, held_out_buyers=one.held_out.buyers,
        held_out_revenue=one.held_out.revenue,
        difference=None if one.difference is None else float(one.difference),
        low=None if interval is None else interval.low, high=None if interval is None else interval.high,
        verdict=one.verdict.value,
    )  # fmt: skip


def _refused(client: Client, begin: datetime, lang: str) -> list[RefusedThere]:
    counts = Counter((one.destination, one.reason) for one in client.ledger.rejections.of() if one.at >= begin)
    return [
        RefusedThere(destination=name, reason=reason, changes=count, advice=say(f"advice.{reason.value}", lang))
        for (name, reason), count in counts.most_common()
    ]
