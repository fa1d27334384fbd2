"""What came of it: rates by campaign, what a segment's holdout shows, and what codes sold."""

from engine.measure.holdout import Arm, Interval, Lift, Verdict, as_of, lift, wilson
from engine.measure.rates import COUNTS, RATES, fraction, rates
from engine.measure.sold import Sold, sold

__all__ = [
    "COUNTS",
    "RATES",
    "Arm",
    "Interval",
    "Lift",
    "Sold",
    "Verdict",
    "as_of",
    "fraction",
    "lift",
    "rates",
    "sold",
    "wilson",
]
