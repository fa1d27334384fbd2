"""What came of it: rates by campaign, and what a segment's holdout shows."""

from engine.measure.holdout import Arm, Interval, Lift, Verdict, lift, wilson
from engine.measure.rates import COUNTS, RATES, fraction, rates

__all__ = ["COUNTS", "RATES", "Arm", "Interval", "Lift", "Verdict", "fraction", "lift", "rates", "wilson"]
