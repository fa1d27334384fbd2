"""Discount policies: who may get a code now, minting it, and its life at the shop."""

from engine.offers.deciding import CODES, ISSUES, Decision, Standing, Why, decide
from engine.offers.life import Settled, clear, settle
from engine.offers.mint import mint, redraw
from engine.offers.owners import owned
from engine.offers.policy import Policy, Renewal, Stock
from engine.offers.shopfile import BadLine, Confirmed, confirm, export

__all__ = [
    "CODES", "ISSUES", "BadLine", "Confirmed", "Decision", "Policy", "Renewal", "Settled", "Standing", "Stock", "Why", "clear", "confirm",
    "decide", "export", "mint", "owned", "redraw", "settle",
]  # fmt: skip
