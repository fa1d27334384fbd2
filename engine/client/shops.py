"""Where a client's shop is opened: files here; a database where it is, or copied here; files carried to another engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from engine.config import Config
    from engine.shop import Overlays, OwnTable, Shop
    from engine.tables import Database
    from engine.warehouse import Host, WarehouseShop

__all__ = ["open_for"]

_HERE = "duckdb"


def open_for(
    config: Config, now: datetime, overlays: Overlays, at_close: Callable[[Callable[[], None]], None], *, keeps: bool
) -> Shop | WarehouseShop:
    """A client's shop at a moment, as its config says; `at_close` is told what to let go of. Raises DataError, ConfigError.

    `keeps`: what is read of files is kept in the state folder for the next opening; else what was kept is only used.
    """
    if config.settings.shop.kind == "sql":
        return _of_database(config, now, overlays, at_close)
    shop = _of_files(config, now, overlays, at_close, keeps=keeps)
    if config.settings.engine == _HERE:
        return shop
    from engine.warehouse import carry_shop

    return carry_shop(shop, _connected(config, at_close)[0])


def _of_files(
    config: Config, now: datetime, overlays: Overlays, at_close: Callable[[Callable[[], None]], None], *, keeps: bool
) -> Shop:
    from engine.shop import Cache, ShopSource, open_shop

    settings, database = config.settings, _database(config)
    at_close(database.close)
    path = config.folder / settings.shop.path
    cache = Cache(config.state / f"{settings.client}.shop", is_readonly=not keeps)
    source = ShopSource(path=path, mapping=settings.shop.mapping, own=_own(config), cache=cache)
    return open_shop(
        source, zone=settings.zone, currency=settings.currency, now=now, overlays=overlays, database=database
    )


def _of_database(
    config: Config, now: datetime, overlays: Overlays, at_close: Callable[[Callable[[], None]], None]
) -> Shop | WarehouseShop:
    from engine.shop import open_shop
    from engine.warehouse import Terms, Warehouse, copy_shop, open_there, plan_tables

    settings = config.settings
    host, schema = _connected(config, at_close)
    warehouse = Warehouse(host=host, schema=schema, mapping=settings.shop.mapping, own=_own(config))
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.engine != _HERE:
        terms = Terms(zone=settings.zone, currency=settings.currency, now=now, overlays=overlays)
        with _database(config) as scratch:
            return open_there(warehouse, terms, config.state, scratch)
    database = _database(config)
    at_close(database.close)
    source = copy_shop(warehouse, plan_tables(warehouse, settings.zone), config.state / "shop", database)
    host.close()
    return open_shop(
        source, zone=settings.zone, currency=settings.currency, now=now, overlays=overlays, database=database
    )


def _connected(config: Config, at_close: Callable[[Callable[[], None]], None]) -> tuple[Host, str]:
    """The database of the shop, or the engine that computes files."""
    from engine.warehouse import Address, connect

    shop, compute = config.settings.shop, config.settings.compute
    address = Address(
        url=compute.url or shop.url,
        schema=shop.tables,
        overlays=compute.overlays,
        memory_limit=compute.memory_limit,
        threads=compute.threads,
    )
    host, schema = connect(shop.engine or config.settings.engine, address)
    at_close(host.close)
    return host, schema


def _database(config: Config) -> Database:
    from engine.tables import Database

    limit, threads = config.settings.compute.memory_limit, config.settings.compute.threads
    return Database.temporary(memory_limit=limit, threads=threads) if limit else Database(threads=threads)


def _own(config: Config) -> dict[str, OwnTable]:
    from engine.shop import OwnTable

    return {
        name: OwnTable(table=source.table, customer=source.customer, time=source.time, columns=source.columns)
        for name, source in config.settings.sources.items()
    }
