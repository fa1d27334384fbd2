"""A client's first config: what its folder or its database holds, one destination, commented; nothing is ever written over."""

from engine.starter.beginning import Begun, begin
from engine.starter.tables import FoundTable
from engine.starter.wishes import Wishes

__all__ = ["Begun", "FoundTable", "Wishes", "begin"]
