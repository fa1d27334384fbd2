"""Discount policies: who may get a code now, minting it, and its life at the shop."""

from engine.offers.life import Confirmed, confirm, export, settle
from engine.offers.mint import mint
from engine.offers.policy import ISSUES, Policy, issues

__all__ = ["ISSUES", "Confirmed", "Policy", "confirm", "export", "issues", "mint", "settle"]
