"""A shop of files, opened here and computed in another engine: its tables at rest are carried there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.shop.numbers import numbered, without_numbers
from engine.warehouse.opening import WarehouseShop

if TYPE_CHECKING:
    from engine.shop import Shop
    from engine.warehouse.host import Host

__all__ = ["carry_shop"]


def carry_shop(shop: Shop, host: Host) -> WarehouseShop:
    """Have a shop's tables, as they are at rest, in another engine; nothing of the shop's reading is done twice."""
    for table in (*shop.tables, "aliases"):
        host.register(table, shop.database.query(without_numbers(shop.database, table)))
    return WarehouseShop(
        database=host,
        tables={table: numbered(shape, ()) for table, shape in shop.tables.items()},
        lists=shop.lists,
        set_aside=shop.set_aside,
        counts=shop.counts,
        newest=shop.newest,
        fingerprint=shop.fingerprint,
        readings=shop.readings,
    )
