"""What a segment's mails changed: the same figures for those who were written to and those who were held out."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError
from engine.tables import name

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from engine.measure.rates import Shop

__all__ = ["Arm", "Interval", "Lift", "Verdict", "as_of", "lift", "wilson"]

CONFIDENCE = 0.95
LEAST_EXPECTED = 5
"""The smallest count that chance alone must be expected to put into each of the four cells, buyers and not, of two
arms (Cochran, "Some methods for strengthening the common chi-squared tests", Biometrics 10, 1954, p. 417-451)."""

_GIVEN = "measured_people"


class Verdict(StrEnum):
    """What the figures allow to be said of the conversion."""

    HIGHER = "higher"  # the treated bought more often
    LOWER = "lower"
    NO_DIFFERENCE = "no_difference"  # none was shown, which does not mean that there is none
    NOT_ENOUGH_DATA = "not_enough_data"  # a normal answer


@dataclass(frozen=True, slots=True)
class Interval:
    """A range that holds the true value in 95 of 100 such measurements."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One of the two groups. `buyers`: people with at least one purchase; `revenue`: paid, less refunds, in the client's currency."""

    people: int
    buyers: int
    revenue: Decimal

    @property
    def conversion(self) -> Fraction | None:
        """Buyers among the people; None for nobody."""
        return Fraction(self.buyers, self.people) if self.people else None

    @property
    def interval(self) -> Interval | None:
        """The 95 % Wilson interval of the conversion; None for nobody."""
        return wilson(self.buyers, self.people)

    @property
    def revenue_per_person(self) -> Fraction | None:
        """Revenue among all people, buyers or not; None for nobody."""
        return Fraction(self.revenue) / self.people if self.people else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """A segment since a date: `treated` could be written to, `held_out` could have been and were kept out by the draw."""

    segment: str
    since: datetime
    now: datetime
    treated: Arm
    held_out: Arm

    @property
    def difference(self) -> Fraction | None:
        """Conversion of the treated less that of the held out, in points; None where an arm is empty."""
        treated, held_out = self.treated.conversion, self.held_out.conversion
        return None if treated is None or held_out is None else treated - held_out

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of the difference, made of the two Wilson intervals.

        Method 10 of Newcombe, "Interval estimation for the difference between independent proportions",
        Statistics in Medicine 17, 1998, p. 873-890.
        """
        ours, theirs = self.treated.interval, self.held_out.interval
        if self.difference is None or ours is None or theirs is None:
            return None
        here, there = float(self.treated.conversion or 0), float(self.held_out.conversion or 0)
        down = sqrt((here - ours.low) ** 2 + (theirs.high - there) ** 2)
        up = sqrt((ours.high - here) ** 2 + (there - theirs.low) ** 2)
        return Interval(max(-1.0, here - there - down), min(1.0, here - there + up))

    @property
    def is_enough(self) -> bool:
        """Whether the arms are large enough to be compared: at least 5 expected in each of the four cells."""
        people, buyers = self.treated.people + self.held_out.people, self.treated.buyers + self.held_out.buyers
        if not people:
            return False
        smaller = min(self.treated.people, self.held_out.people)
        return smaller * min(buyers, people - buyers) >= LEAST_EXPECTED * people

    @property
    def verdict(self) -> Verdict:
        """Higher or lower only where the interval of the difference leaves out zero."""
        interval = self.interval
        if interval is None or not self.is_enough:
            return Verdict.NOT_ENOUGH_DATA
        if interval.low > 0:
            return Verdict.HIGHER
        return Verdict.LOWER if interval.high < 0 else Verdict.NO_DIFFERENCE


def wilson(hits: int, people: int) -> Interval | None:
    """The 95 % score interval of a share; None for nobody.

    Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22, 1927, p. 209-212.
    """
    if not people:
        return None
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, spread = hits / people, z * z / people
    middle = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / people + spread / (4 * people)) / (1 + spread)
    return Interval(min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


@contextmanager
def as_of(shop: Shop, since: datetime) -> Iterator[None]:
    """While it lasts, who has left since then is in the shop as before: what mails drive away are people whom they reached.

    Only the treated leave because of mails: without those who did, they would look like better buyers than the held out.
    """
    database = shop.database
    there = f"{name(str(database.scalar('SELECT current_database()')))}.main.customers"
    left = f"consent_email = 'unsubscribed' AND consent_email_at > TIMESTAMP '{_naive(since)}'"
    consent = f"CASE WHEN {left} THEN 'subscribed' ELSE consent_email END AS consent_email"
    database.define("customers", f"SELECT * REPLACE ({consent}) FROM {there}")
    try:
        yield
    finally:
        database.unregister("customers")


def lift(shop: Shop, people: pa.Table, segment: str, *, since: datetime, now: datetime) -> Lift:
    """Compare a segment's reachable members who were held out with the others: purchases in [since, now], UTC-aware.

    `people` is the membership computed with `since` as its now, in the shop `as_of` then (customer_id, reachable_email,
    `segment:…`, `holdout:…`): one of today has lost those whom the mails moved out of the segment, buyers of "has not
    bought" among them, and those who left because of them. Raises ConfigError for a segment without a holdout.
    """
    held = f"holdout:{segment}"
    if held not in people.column_names:
        message = f"the segment '{segment}' has no holdout to measure against"
        raise ConfigError(message, place=f"segments.{segment}", hint='holdout = { share = "10%", salt = "…" }')
    chosen = _chosen(people, segment)
    database, times = shop.database, {"since": _naive(since), "now": _naive(now)}
    database.register(_GIVEN, chosen)
    try:
        found = {bool(row[0]): row[1:] for row in database.rows(_SQL, times)}
    finally:
        database.unregister(_GIVEN)
    treated, held_out = (_arm(found.get(is_held)) for is_held in (False, True))
    return Lift(segment=segment, since=since, now=now, treated=treated, held_out=held_out)


_SQL = (
    "WITH bought AS (SELECT customer_id, sum(total - coalesce(refunded, 0)) AS paid FROM orders"
    " WHERE is_purchase AND ordered_at BETWEEN $since AND $now GROUP BY customer_id)"
    " SELECT is_held, count(*), count(bought.customer_id), coalesce(sum(paid), 0)"
    f" FROM {_GIVEN} LEFT JOIN bought USING (customer_id) GROUP BY is_held"
)


def _chosen(people: pa.Table, segment: str) -> pa.Table:
    """The members who could be written to, and whether the draw kept them out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    members = people.filter(pc.and_(people[f"segment:{segment}"], people["reachable_email"]))
    return pa.table({"customer_id": members["customer_id"], "is_held": members[f"holdout:{segment}"]})


def _arm(row: tuple[Any, ...] | None) -> Arm:
    people, buyers, revenue = row or (0, 0, 0)
    return Arm(people=people, buyers=buyers, revenue=Decimal(revenue))


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
