"""The pace at one provider account, kept together by all processes that call it: one small database.

Its own time, in microseconds, only grows: it advances by what the slower of the two clocks says has passed since the last
call, so a clock that was put back or forward never makes a call look older than it is. A reboot restarts the monotonic
clock; then UTC alone counts. On a server (`[pace] url`) the server's clock is the only one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import sys
import threading
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from connectors.pace import LocalPace
from engine.ledger.opening import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connectors.http import Clock
    from connectors.pace import Rate

__all__ = ["SharedPace", "account_key", "state_folder"]

T = TypeVar("T")

_log = logging.getLogger("ciblage.pace")
_SECOND = 1_000_000  # microseconds
_LEASE = 900 * _SECOND  # of a slot whose process we cannot see: longer than any call lasts
_PATIENCE = 30.0  # seconds that another process may hold the database
_KNOCKS = (0.002, 0.004, 0.008, 0.016, 0.032)  # seconds between tries to enter the database; the last repeats
_TURNS = (0.02, 0.05, 0.1, 0.25)  # seconds between tries to get a slot; the last repeats
_BUSY = frozenset({5, 6})  # SQLite's SQLITE_BUSY and SQLITE_LOCKED, without their extension
_SWEEP = 64  # calls between two sweeps of those that no window sees any more
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_metadata = sa.MetaData()


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


_accounts = sa.Table(  # the account's own time, and what the two clocks said then
    "pace_accounts", _metadata, _key("account"), _count("at"), _count("utc"), _count("monotonic"),
)  # fmt: skip
_families = sa.Table(  # the number of the last call, and the end of a silence that the provider asked for
    "pace_families", _metadata, _key("account"), _key("family"), _count("last"), _count("rest"),
)  # fmt: skip
_calls = sa.Table(
    "pace_calls", _metadata, _key("account"), _key("family"),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False), _count("at"),
    sqlite_with_rowid=False,
)  # fmt: skip
_slots = sa.Table(  # calls under way; a lease ends with its process, or in time
    "pace_slots", _metadata, _key("account"), _key("holder"), sa.Column("machine", sa.Text), _count("pid"),
    sa.Column("born", sa.Text), _count("until"),
)  # fmt: skip


def account_key(*parts: object) -> str:
    """The name of an account's pace: a hash, so that neither key nor account can be read from it."""
    return hashlib.blake2b("\x1f".join(map(repr, parts)).encode(), digest_size=16).hexdigest()


def state_folder(environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Where a program of this user keeps its state: `XDG_STATE_HOME`, or the platform's own place."""
    if environment.get("XDG_STATE_HOME"):
        return Path(environment["XDG_STATE_HOME"]) / "ciblage"
    if platform == "win32" and environment.get("LOCALAPPDATA"):
        return Path(environment["LOCALAPPDATA"]) / "ciblage"
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "ciblage"
    return Path.home() / ".local" / "state" / "ciblage"


class SharedPace:
    """A Pace for all threads and processes: `SharedPace(account_key(…), clock, folder=…)`, or `url=…` for fleets.

    Nothing is opened before the first call. A database that refuses is told once, and this process then keeps the
    pace by itself. Raises ConfigError for a URL that is none.
    """

    def __init__(self, account: str, clock: Clock, *, folder: Path | None = None, url: str | None = None) -> None:
        self._account = account
        self._clock = clock
        self._file = None if folder is None or url else folder / f"{account}.sqlite"
        self._url = parse(url or f"sqlite:///{self._file}", "pace.url")
        self._own = LocalPace()
        self._turn = threading.RLock()
        self._engine: sa.Engine | None = None
        self._is_alone = False

    def take(self, windows: Mapping[str, Sequence[Rate]], now: float) -> float:
        """Sliding windows, as LocalPace keeps them, over the calls of all processes."""

        def ask(connection: sa.Connection, at: int) -> float:
            places = {_Place(self._account, family): rates for family, rates in windows.items()}
            return _taken(connection, places, at) / _SECOND

        return self._among_all(ask, lambda: self._own.take(windows, now))

    def rest(self, family: str, until: float) -> None:
        """Keep the later of the known and the new end, for all processes."""

        def tell(connection: sa.Connection, at: int) -> None:
            end = at + _micro(until - self._clock.monotonic())
            place = _Place(self._account, family)
            last, known = place.read(connection)
            place.write(connection, last, max(end, known))

        self._among_all(tell, lambda: self._own.rest(family, until))

    @contextmanager
    def slot(self, count: int) -> Iterator[None]:
        """A lease of one of `count`; threads of this process queue before it, processes ask again now and then."""
        with self._own.slot(count):
            holder = uuid.uuid4().hex
            delays = _growing(_TURNS)
            while not self._among_all(lambda connection, at: self._leased(connection, holder, count, at), lambda: True):
                self._clock.sleep(next(delays))
            try:
                yield
            finally:
                self._among_all(lambda connection, _: self._release(connection, [holder]), lambda: None)

    def close(self) -> None:
        """Let go of the database."""
        with self._turn:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def _among_all(self, act: Callable[[sa.Connection, int], T], alone: Callable[[], T]) -> T:
        """One transaction at the account's own time, nobody else within; or this process's own pace."""
        with self._turn:
            if not self._is_alone:
                try:
                    with self._entered() as connection:
                        return act(connection, self._now(connection))
                except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
                    self._is_alone = True
                    where = self._file or "[pace] url"
                    _log.warning("%s cannot be used (%s): calls of other runs are not counted", where, _why(error))
        return alone()

    @contextmanager
    def _entered(self) -> Iterator[sa.Connection]:
        with self._knocked() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(int(self._account[:15], 16))))
            yield connection
            connection.commit()

    def _knocked(self) -> sa.Connection:
        """A connection with its transaction begun. SQLite's own waiting would not go through the Clock."""
        patience, delays = _PATIENCE, _growing(_KNOCKS)
        while True:
            try:
                return self._opened()
            except sa.exc.OperationalError as error:
                if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF not in _BUSY or patience <= 0:
                    raise
            delay = next(delays)
            patience -= delay
            self._clock.sleep(delay)

    def _opened(self) -> sa.Connection:
        if self._engine is None:
            if self._file is not None:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file.touch(mode=0o600)
            engine = _engine(self._url)
            with engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(0)))  # one creator at a time
                _metadata.create_all(connection)
            self._engine = engine
        connection = self._engine.connect()
        try:
            connection.begin()
        except sa.exc.SQLAlchemyError:
            connection.close()
            raise
        return connection

    def _now(self, connection: sa.Connection) -> int:
        utc, monotonic = self._clocks(connection)
        here = _accounts.c.account == self._account
        row = connection.execute(sa.select(_accounts).where(here)).one_or_none()
        if row is None:
            start = {"account": self._account, "at": 0, "utc": utc, "monotonic": monotonic}
            connection.execute(sa.insert(_accounts), start)
            return 0
        at = int(row.at + _passed(utc - row.utc, monotonic - row.monotonic))
        connection.execute(sa.update(_accounts).where(here).values(at=at, utc=utc, monotonic=monotonic))
        return at

    def _clocks(self, connection: sa.Connection) -> tuple[int, int]:
        if connection.dialect.name == "postgresql":
            seconds = connection.scalar(sa.select(sa.extract("epoch", sa.func.clock_timestamp())))
            return (_micro(float(seconds or 0)),) * 2
        return (self._clock.utc() - _EPOCH) // timedelta(microseconds=1), _micro(self._clock.monotonic())

    def _leased(self, connection: sa.Connection, holder: str, count: int, at: int) -> bool:
        rows = connection.execute(sa.select(_slots).where(_slots.c.account == self._account)).all()
        if len(rows) >= count:
            lost = [row.holder for row in rows if _is_lost(row, at)]
            self._release(connection, lost)
            if len(rows) - len(lost) >= count:
                return False
        machine, pid = _machine(), os.getpid()
        lease = {"account": self._account, "holder": holder, "machine": machine, "pid": pid, "born": _born(pid)}
        connection.execute(sa.insert(_slots), {**lease, "until": at + _LEASE})
        return True

    def _release(self, connection: sa.Connection, holders: Sequence[str]) -> None:
        if holders:
            mine = (_slots.c.account == self._account, _slots.c.holder.in_(holders))
            connection.execute(sa.delete(_slots).where(*mine))


class _Place:
    """One family of an account."""

    def __init__(self, account: str, family: str) -> None:
        self.key = {"account": account, "family": family}
        self.here = (_families.c.account == account, _families.c.family == family)
        self.calls = (_calls.c.account == account, _calls.c.family == family)

    def read(self, connection: sa.Connection) -> tuple[int, int]:
        """The number of the last call (0: none yet) and the end of the silence."""
        row = connection.execute(sa.select(_families.c.last, _families.c.rest).where(*self.here)).one_or_none()
        if row is None:
            connection.execute(sa.insert(_families), {**self.key, "last": 0, "rest": 0})
            return 0, 0
        return row.last, row.rest

    def enter(self, connection: sa.Connection, number: int, rest: int, at: int) -> None:
        """One more call."""
        connection.execute(sa.insert(_calls), {**self.key, "number": number, "at": at})
        self.write(connection, number, rest)

    def write(self, connection: sa.Connection, last: int, rest: int) -> None:
        connection.execute(sa.update(_families).where(*self.here).values(last=last, rest=rest))


def _taken(connection: sa.Connection, places: Mapping[_Place, Sequence[Rate]], at: int) -> int:
    """Reserve a call in every place and return 0, or return how long to wait: until calls that fill a window have left it."""
    known = {place: place.read(connection) for place in places}
    waits = [
        max(rest - at, _filled(connection, place, places[place], last=last, at=at))
        for place, (last, rest) in known.items()
    ]
    if (wait := max(waits, default=0)) > 0:
        return wait
    for place, (last, rest) in known.items():
        if not places[place]:
            continue
        place.enter(connection, last + 1, rest, at)
        if last % _SWEEP == 0:
            _sweep(connection, place, at - max(_micro(rate.seconds) for rate in places[place]))
    return 0


def _filled(connection: sa.Connection, place: _Place, rates: Sequence[Rate], *, last: int, at: int) -> int:
    """How long one of these windows is full."""
    asked = {last + 1 - rate.calls for rate in rates}
    found = connection.execute(sa.select(_calls.c.number, _calls.c.at).where(*place.calls, _calls.c.number.in_(asked)))
    times = {row.number: row.at for row in found}
    full = [(times[last + 1 - rate.calls], rate) for rate in rates if last + 1 - rate.calls in times]
    return max(
        (then + _micro(rate.seconds) + 1 - at for then, rate in full), default=0
    )  # a reading is cut to a microsecond


def _sweep(connection: sa.Connection, place: _Place, before: int) -> None:
    number = _calls.c.number
    first = sa.select(number).where(*place.calls, _calls.c.at > before).order_by(number).limit(1)
    oldest = connection.scalar(first)
    here = place.calls if oldest is None else (*place.calls, number < oldest)
    connection.execute(sa.delete(_calls).where(*here))


def _passed(utc: int, monotonic: int) -> int:
    """Microseconds that have passed for certain; a monotonic clock that went back was restarted."""
    return max(0, utc if monotonic < 0 else min(utc, monotonic))


def _micro(seconds: float) -> int:
    return int(seconds * _SECOND)


def _growing(delays: tuple[float, ...]) -> Iterator[float]:
    yield from delays
    while True:
        yield delays[-1]


def _why(error: BaseException) -> str:
    """The kind of trouble: a driver's own words may hold the URL."""
    return type(getattr(error, "orig", None) or error).__name__


def _engine(url: sa.URL) -> sa.Engine:
    """One connection, used in turns."""
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True)
    engine = sa.create_engine(url, pool_size=1, max_overflow=0, connect_args={"timeout": 0})

    @sa.event.listens_for(engine, "connect")
    def _settle(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own connection
        connection.isolation_level = None  # the transaction begins where we say so
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@cache
def _machine() -> str:
    """Where process ids mean the same."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}"


def _born(pid: int) -> str:
    """When a process started, as the kernel says it; empty where it is gone, or where no kernel says so."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state in {"Z", "X"} else rest[18]


def _is_lost(lease: sa.Row[Any], at: int) -> bool:
    """Whether its holder is gone: a process that we see is asked (another may have its number by now), others time out."""
    if lease.machine == _machine() and lease.born:
        return bool(_born(lease.pid) != lease.born)
    return bool(lease.until <= at)
