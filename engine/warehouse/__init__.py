"""A shop whose tables are in a database: copied to DuckDB, or computed where they are."""

from engine.warehouse.carrying import carry_shop
from engine.warehouse.copying import copy_shop
from engine.warehouse.host import Address, Host, Warehouse, connect
from engine.warehouse.opening import Terms, WarehouseShop, open_there
from engine.warehouse.reading import plan_tables

__all__ = [
    "Address",
    "Host",
    "Terms",
    "Warehouse",
    "WarehouseShop",
    "carry_shop",
    "connect",
    "copy_shop",
    "open_there",
    "plan_tables",
]
