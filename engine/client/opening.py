"""One client, opened: its config, ledger, shop, catalogue, membership and destinations, each when first needed."""

from __future__ import annotations

import os
from collections import ChainMap
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError, SettingsError, Unauthorized
from connectors.http import SystemClock, Wire
from connectors.pace import LocalPace
from engine import logs
from engine.client.clock import FastClock
from engine.config import Config, load
from engine.config.mistakes import refuse
from engine.errors import ConfigError, WrongSetting, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from connectors.base import Connector
    from connectors.http import Clock, Handler
    from connectors.pace import Pace
    from connectors.spec import Spec
    from engine.compute import Membership
    from engine.config.settings import Settings
    from engine.engagement.parts import Parts
    from engine.ledger import Ledger
    from engine.offers import Policy
    from engine.plan.destination import Destination
    from engine.segments import Catalogue
    from engine.shop import Shop
    from engine.shop.erased import Erased
    from engine.warehouse import WarehouseShop

__all__ = ["Client", "open_client"]


def open_client(
    path: Path,
    now: str | None = None,
    *,
    clock: Clock | None = None,
    handler: Handler | None = None,
    calls: bool = True,
) -> Client:
    """The client of a config file, at a moment (ISO 8601; local to the client without an offset; default: the clock's).

    One that `calls` no destination opens without their secrets.
    """
    config = load(path, calls=calls)
    logs.hide(config.secrets)
    sandbox = config.settings.sandbox
    given = None if now is None else _moment(now, config.settings)
    clock = clock or (FastClock(sandbox.speed, given) if sandbox else SystemClock())
    moment = given or clock.utc()
    if handler is not None:
        return Client(config, moment, clock, handler)
    wire = Wire()
    client = Client(config, moment, clock, wire)
    client.at_close(wire.close)
    return client


def _moment(text: str, settings: Settings) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"'{text}' is not a moment", place="--now", hint="write for example 2026-11-22T09:00Z"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=settings.zone)).astimezone(UTC)


@dataclass
class Client:
    """Everything of one client at one `now`. Nothing is read before it is asked for; `close` lets all of it go."""

    config: Config
    now: datetime
    clock: Clock
    handler: Handler
    is_writing: bool = False
    stop: Event = field(default_factory=Event, repr=False)
    run_id: dict[str, object] = field(default_factory=dict)  # "run": the history's number, once there is one
    _connectors: dict[str, Connector] = field(default_factory=dict, repr=False)
    _paces: dict[tuple[object, ...], Pace] = field(default_factory=dict, repr=False)
    _open: ExitStack = field(default_factory=ExitStack, repr=False)

    def close(self) -> None:
        """Let go of the ledger, the shop and the sockets of its own."""
        self._open.close()

    def at_close(self, release: Callable[[], None]) -> None:
        """Something more to let go of."""
        self._open.callback(release)

    @property
    def about(self) -> Mapping[str, object]:
        """What every line of the log tells."""
        return ChainMap(self.run_id, {"client": self.settings.client})

    def tell(self, event: str, **facts: object) -> None:
        """A line of the log, where it is asked for."""
        logs.tell(event, self.about, **facts)

    def write(self) -> None:
        """From now on the ledger is open for writing."""
        if not self.is_writing:
            self.is_writing = True
            self.__dict__.pop("ledger", None)

    def forget(self) -> None:
        """Read the shop and what follows from it anew at the next use: suppressions or engagement have come in."""
        for name in ("shop", "aliases", "catalogue", "membership"):
            self.__dict__.pop(name, None)

    def forget_members(self) -> None:
        """Let go of the membership: it is computed anew should anything more be asked of it."""
        self.__dict__.pop("membership", None)

    @property
    def settings(self) -> Settings:
        """The typed settings."""
        return self.config.settings

    @property
    def lang(self) -> str:
        """What marketers read."""
        return self.settings.lang

    @cached_property
    def ledger(self) -> Ledger:
        """The client's ledger: read-only unless the command writes."""
        from engine.client.inputs import renamed
        from engine.ledger import Ledger

        former = renamed(self.config)
        ledger = Ledger.open(self._ledger_url(), self.settings.client, is_readonly=not self.is_writing)
        self._open.callback(ledger.close)
        ledger.call(former)
        return ledger

    def _ledger_url(self) -> str:
        url = self.settings.ledger.url or f"sqlite:///state/{self.settings.client}.sqlite"
        file = url.removeprefix("sqlite:///")
        if file == url:
            return url
        return f"sqlite:///{self.config.folder / file}"

    @cached_property
    def parts(self) -> Parts:
        """Pulled engagement at rest."""
        from engine.engagement.parts import Parts

        return Parts(self.config.state / "engagement", self.erased)

    def erased(self) -> Erased | None:
        """Who is never taken in again, as the ledger knows it at this moment."""
        from engine import erasure

        hashes = self.ledger.erasures.hashes()
        return erasure.erased(self.config.state / f"{self.settings.client}.erasure-key", hashes)

    @cached_property
    def shop(self) -> Shop | WarehouseShop:
        """The shop with what the ledger and the engagement know laid over it."""
        from engine.client.inputs import neutral_codes, neutral_suppressions
        from engine.client.shops import open_for
        from engine.shop import Overlays

        overlays = Overlays(
            suppressions=neutral_suppressions(self.ledger.suppressions.table()),
            email_events=self.parts.paths(),
            codes=neutral_codes(self.ledger.codes.table()),
            erased=self.erased(),
            only_tracked=self.settings.engagement.opens == "consented",
        )
        return open_for(self.config, self.now, overlays, self.at_close, keeps=self.is_writing)

    @cached_property
    def aliases(self) -> pa.Table:
        """Customers who are one person with another: customer_id, canonical."""
        import pyarrow as pa

        found = self.shop.database.query("SELECT customer_id, canonical FROM aliases WHERE customer_id <> canonical")
        return found.cast(pa.schema([("customer_id", pa.string()), ("canonical", pa.string())]))

    def became(self, customer: str) -> str:
        """Whom a customer was merged into; the customer itself where it was not."""
        import pyarrow.compute as pc

        row = pc.index(self.aliases["customer_id"], customer).as_py()
        return customer if row < 0 else str(self.aliases["canonical"][row])

    @cached_property
    def catalogue(self) -> Catalogue:
        """Traits and segments, checked against the shop's columns."""
        from engine.client.inputs import definitions, vocabulary
        from engine.segments import build_catalogue

        points = {name: (Decimal(str(at.lat)), Decimal(str(at.lon))) for name, at in self.settings.places.items()}
        return build_catalogue(definitions(self.config), vocabulary(self.shop, self.settings.currency), points)

    @cached_property
    def membership(self) -> Membership:
        """Who is in which segment, and every trait that something uses."""
        from engine.compute import compute

        return compute(
            self.shop,
            self.catalogue,
            self.now,
            self.settings.zone,
            also=tuple(sorted(self._columns())),
            week_starts=self.settings.week_starts,
            leap_day=self.settings.leap_day,
        )

    def _columns(self) -> set[str]:
        """Columns of customers that merge tags carry."""
        tables = [self.settings.merge_tags, *(one.merge_tags for one in self.settings.destinations.values())]
        tags = [tag for table in tables for tag in table.values()]
        return {tag.trait for tag in tags if tag.trait and tag.trait not in self.catalogue.traits}

    def connector(self, name: str) -> Connector:
        """The connector of a destination, built once. Raises ConfigError for its settings, with the nearest valid key."""
        if name not in self._connectors:
            self._connectors[name] = self._built(name)
        return self._connectors[name]

    def connector_through(self, name: str, handler: Handler) -> Connector:
        """The same account at the same pace, its calls carried by another handler; built anew."""
        return self._built(name, handler)

    def _built(self, name: str, handler: Handler | None = None) -> Connector:
        from connectors import registry

        refuse(self.config.unset.get(name, ()))
        destination = self.settings.destinations[name]
        pace = self._pace(name)
        options = {"prefix": self._prefix(name), **destination.options}
        share = None if destination.share is None else float(destination.share)
        try:
            return registry.build(
                destination.connector, options, handler=handler or self.handler, clock=self.clock, pace=pace, share=share,
                about=ChainMap({"destination": name}, self.run_id, {"client": self.settings.client}),
            )  # fmt: skip
        except SettingsError as error:
            place = self.config.place("destinations", name, error.key or "connector")
            raise ConfigError(str(error), place=place) from None

    def _pace(self, name: str) -> Pace:
        """The pace of the account that a destination opens: whoever calls it keeps the same one."""
        destination = self.settings.destinations[name]
        known = self.ledger.accounts.get(name) or destination.options.get(
            "api_key"
        )  # the key, until the account is known
        account = (destination.connector, destination.options.get("base_url"), known)
        if account not in self._paces:
            self._paces[account] = LocalPace() if self.settings.sandbox else self._shared_pace(account)
        return self._paces[account]

    def _shared_pace(self, account: tuple[object, ...]) -> Pace:
        from engine.ledger.pace import SharedPace, account_key, state_folder

        folder = state_folder(os.environ) / "pace"
        pace = SharedPace(account_key(*account), self.clock, folder=folder, url=self.settings.pace.url)
        self._open.callback(pace.close)
        return pace

    def told(self, name: str, error: ConnectorError) -> str:
        """Why a destination does not go on: a refused key or setting points at its line, anything else is the call's own words."""
        if isinstance(error, SettingsError):
            return WrongSetting(f"{error}; see {self.config.place('destinations', name, error.key or 'connector')}")
        if not isinstance(error, Unauthorized):
            return str(error)
        return (
            f"the key is refused ({error.status}); see api_key at {self.config.place('destinations', name, 'api_key')}"
        )

    def _prefix(self, name: str) -> str:
        prefix = self.settings.destinations[name].prefix
        return self.settings.client if prefix is None else prefix

    def destination(self, name: str) -> Destination:
        """A destination as the plan sees it."""
        from engine.client.inputs import destination

        return destination(self.config, self.catalogue, name, spec=self.spec(name), prefix=self._prefix(name))

    def spec(self, name: str) -> Spec:
        """What the connector declares, with the share that the config gives us."""
        from connectors import registry

        spec = registry.load(self.settings.destinations[name].connector).spec
        share = self.settings.destinations[name].share
        return spec if share is None else replace(spec, share=dict.fromkeys(spec.rates, float(share)))

    def check_flag(self, flag: str, named: Sequence[str]) -> None:
        """`--force` and `--recreate` name what there is: DESTINATION or DESTINATION/SEGMENT. Raises ConfigError."""
        from connectors.types import TargetKind
        from engine.plan.destination import flag_name
        from engine.plan.guard import FORCED

        known = []
        for name, destination in self.settings.destinations.items():
            ours = [
                flag_name(*key)
                for key in self.ledger.targets.of(name)
                if key[0] in {TargetKind.SEGMENT, TargetKind.POOL}
            ]
            ours += [*FORCED, *(f"offers.{offer}" for offer in self.settings.offers)] if flag == "--force" else []
            known += [name, *(f"{name}/{what}" for what in dict.fromkeys([*destination.segments, *ours]))]
        for one in named:
            if one not in known:
                near = nearest(one, known)
                hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(known)}"
                raise ConfigError(f"there is no '{one}' to {flag.removeprefix('--')}", place=flag, hint=hint)

    def policies(self) -> list[Policy]:
        """The offers, their spans resolved from now."""
        from engine.client.inputs import policies

        return policies(self.settings, self.now)
