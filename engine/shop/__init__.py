"""A shop's own data against the neutral schema: files, identity, consent, overlays."""

from engine.shop.cache import Cache
from engine.shop.loading import SetAside
from engine.shop.opening import Shop, ShopSource, open_shop
from engine.shop.overlays import Overlays
from engine.shop.own import OwnTable
from engine.shop.schema import Column, Source, Table, physical, spoken

__all__ = [
    "Cache",
    "Column",
    "Overlays",
    "OwnTable",
    "SetAside",
    "Shop",
    "ShopSource",
    "Source",
    "Table",
    "open_shop",
    "physical",
    "spoken",
]
