"""Discount policies: who may get a code now, minting it, and its life at the shop."""

from engine.offers.life import Confirmed, confirm, export, settle
from engine.offers.mint import mint, restock
from engine.offers.policy import ISSUES, Policy, Stock, issues

__all__ = ["ISSUES", "Confirmed", "Policy", "Stock", "confirm", "export", "issues", "mint", "restock", "settle"]
