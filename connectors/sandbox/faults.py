"""Faults on demand: asked for by name, or drawn from a seeded mix; `trouble.FAULTS` is the list of them."""

from __future__ import annotations

import difflib
import io
import itertools
import pickle
import random
import re
import types
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.sandbox.trouble import FAULTS, READ, WRITE, Case
from connectors.sandbox.world import Faults, Provider, Windows, World, answered

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

    from connectors.http import Request, Response

__all__ = ["FAULTS", "Asked", "FaultBook", "nearest"]

_READS = frozenset({"GET", "HEAD"})
_DRAWN = 10  # a seed chooses among so many records


@dataclass(slots=True)
class Asked:
    """A fault in force: at whose calls, which of them, how many times yet (None: until it is taken back).

    `skip` matching calls pass first. `when`: "read", "write", "any" or a pattern to be found in "METHOD /path".
    `record`: a pattern of the addresses that `bad-record` and `job-fails` choose from. `list`: its id or title.
    """

    fault: str
    provider: str = ""  # empty: any
    times: int | None = 1
    when: str = "any"
    skip: int = 0
    seconds: float = 1.0
    takes_effect: bool = False
    record: str = ""
    list: str = ""
    struck: int = 0

    @property
    def is_spent(self) -> bool:
        """It happened as often as it was asked for."""
        return self.times is not None and self.struck >= self.times

    def meets(self, provider: str, request: Request) -> bool:
        """This call is one of those that it is about."""
        if self.is_spent or self.provider not in {"", provider} or not FAULTS[self.fault].fits(provider):
            return False
        is_read = request.method in _READS
        if self.when in {READ, WRITE}:
            return is_read == (self.when == READ)
        return self.when == "any" or bool(re.search(self.when, f"{request.method} {urlsplit(request.url).path}"))


class FaultBook(Faults):
    """What is asked to go wrong in one world: `book.ask("throttled", provider="brevo", times=2, when="write")`.

    Asked in that order, several may meet one call: the first is the outermost.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked: list[Asked] = []
        self._mix: tuple[float, random.Random, tuple[str, ...]] | None = None
        self._struck: list[str] = []
        self._held: Asked | None = None
        self._past: dict[str, list[tuple[datetime, Provider]]] = {}
        self._known: dict[str, Provider] = {}

    def ask(self, fault: str, **about: Any) -> Asked:  # noqa: ANN401 - the fields of Asked
        """Let it happen; what is not said is the fault's own default. Raises ValueError with the nearest valid name.

        `seed`: chooses one of the first ten records for `bad-record` and `job-fails`, instead of the first.
        """
        known = FAULTS.get(fault)
        if known is None:
            raise ValueError(nearest("fault", fault, FAULTS))
        provider = about.get("provider") or ""
        if provider and not known.fits(provider):
            message = f"{provider} never does '{fault}': it is a fault of {', '.join(known.providers)}"
            raise ValueError(message)
        seed = about.pop("seed", None)
        fields = [name for name in Asked.__slots__ if name not in {"fault", "struck"}]
        if strange := about.keys() - set(fields):
            raise ValueError(nearest("word about a fault", min(strange), fields))
        defaults = {"times": known.times, "when": known.when, "seconds": known.seconds}
        asked = Asked(fault, **(defaults | about | {"provider": provider}))
        _check(asked)
        if seed is not None and known.act is None:
            asked.skip = random.Random(seed).randrange(_DRAWN)
        self.asked.append(asked)
        return asked

    def ask_mix(self, share: float, *, seed: int, faults: Collection[str] = ()) -> None:
        """Let that share of all calls meet a fault that passes by itself, or one of these, drawn by a seed."""
        if not 0 <= share <= 1:
            raise ValueError(f"a mix is a share of all calls, between 0 and 1: not {share}")
        for fault in faults:
            if fault not in FAULTS or FAULTS[fault].act is None:
                raise ValueError(nearest("fault of a mix", fault, [name for name in FAULTS if FAULTS[name].act]))
        chosen = tuple(faults) or tuple(name for name, fault in FAULTS.items() if fault.is_passing)
        self._mix = (share, random.Random(seed), chosen)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self.asked.clear()
        self._past.clear()
        self._mix, self._held = None, None

    def told(self) -> list[dict[str, object]]:
        """What is in force, for people."""
        fields = ("fault", "provider", "times", "when", "skip", "seconds", "struck")
        rows: list[dict[str, object]] = [
            {name: getattr(asked, name) for name in fields} for asked in self.asked if not asked.is_spent
        ]
        return rows + ([{"mix": self._mix[0], "faults": list(self._mix[2])}] if self._mix else [])

    @property
    def struck(self) -> str:
        """What went wrong with the last call."""
        return ", ".join(self._struck)

    def strike(self, asked: Asked) -> None:
        """It happened."""
        asked.struck += 1
        self._struck.append(asked.fault)

    # what the sandbox asks

    def serve(self, provider: Provider, request: Request) -> Response:
        """Through every fault that meets the call, to the provider."""
        self._struck.clear()
        self._known[provider.name] = provider
        serve = answered
        for asked in reversed([*self._due(provider, request), *self._drawn(provider, request)]):
            serve = partial(_between, self, asked, serve)
        return serve(provider, request)

    def _due(self, provider: Provider, request: Request) -> list[Asked]:
        met = [one for one in self.asked if FAULTS[one.fault].act and one.meets(provider.name, request)]
        due = [one for one in met if not one.skip]
        for one in met:
            one.skip = max(0, one.skip - 1)
        return due

    def _drawn(self, provider: Provider, request: Request) -> list[Asked]:
        """One of the mix, by chance; chances are drawn for every call, so that a seed means one course of things."""
        if self._mix is None:
            return []
        share, dice, faults = self._mix
        chance, place, effect = dice.random(), dice.random(), dice.random()
        can = [name for name in faults if FAULTS[name].fits(provider.name)]
        if chance >= share or not can:
            return []
        name = can[int(place * len(can))]
        known = FAULTS[name]
        asked = Asked(name, when=known.when, seconds=known.seconds, takes_effect=effect < 0.5 and name.startswith("5"))  # noqa: PLR2004 - a coin
        return [asked] if asked.meets(provider.name, request) else []

    def refuses(self, provider: str, fault: str, record: str) -> bool:
        """A record of a call or of a job is to be refused."""
        for asked in self.asked:
            is_meant = asked.fault == fault and not asked.is_spent and asked.provider in {"", provider}
            if is_meant and re.search(asked.record, record, re.IGNORECASE):
                if not asked.skip:
                    self.strike(asked)
                    return True
                asked.skip -= 1
        return False

    def dated(self, provider: str, at: datetime) -> datetime:
        """The time of an event, or one far ahead."""
        for asked in self.asked:
            is_meant = asked.fault == "future-dated" and not asked.is_spent and asked.provider in {"", provider}
            if is_meant and FAULTS["future-dated"].fits(provider):
                self.strike(asked)
                return at + timedelta(seconds=asked.seconds)
        return at

    @contextmanager
    def holding(self, asked: Asked) -> Iterator[None]:
        """While it lasts, what is put off never happens; the first such thing is one time of the fault."""
        self._held, before = asked, asked.struck
        try:
            yield
        finally:
            self._held = None
            asked.struck = min(asked.struck, before + 1)

    def holds(self) -> bool:
        """What is now put off will never happen."""
        if self._held is not None and self._held.fault not in self._struck:
            self.strike(self._held)
        return self._held is not None

    # the past

    def changing(self) -> None:
        """Whoever's reads lag is remembered as it was."""
        lagging = [asked for asked in self.asked if asked.fault == "lagging-reads" and not asked.is_spent]
        for asked in lagging:
            for name in [asked.provider] if asked.provider else list(self._known):
                if name in self._known:
                    self.remember(self._known[name])

    def remember(self, provider: Provider) -> None:
        """Keep the provider as it is before something changes."""
        self._known[provider.name] = provider
        self._past.setdefault(provider.name, []).append((self.world.now(), _copy(provider)))

    def past(self, provider: Provider, seconds: float) -> Provider | None:
        """The provider as it was that long ago; None when nothing changed since."""
        kept, horizon = self._past.get(provider.name, []), self.world.now() - timedelta(seconds=seconds)
        kept[:] = [(at, copy) for at, copy in kept if at > horizon]
        return kept[0][1] if kept else None


def _between(book: FaultBook, asked: Asked, serve: Any, provider: Provider, request: Request) -> Response:  # noqa: ANN401 - a Serve, bound by position
    act = FAULTS[asked.fault].act
    return act(Case(book, asked, provider, request), serve) if act else serve(provider, request)


def _check(asked: Asked) -> None:
    """Raises ValueError: what is asked for makes no sense."""
    for name in ("when", "record"):
        try:
            re.compile(getattr(asked, name))
        except re.error as error:
            message = f"`{name}` is no pattern: {error}"
            raise ValueError(message) from None
    if asked.times is not None and asked.times < 1:
        raise ValueError("`times` is at least 1, or null for ever")


def nearest(what: str, said: str, known: Collection[str] | Mapping[str, object]) -> str:
    """A refusal that names what was probably meant."""
    near = difflib.get_close_matches(said, known, n=1, cutoff=0.0)
    return f"there is no {what} '{said}': did you mean '{near[0]}'? Known: {', '.join(known)}"


_SHARED = (
    World,
    Windows,
    Faults,
    random.Random,
    itertools.count,
    types.MappingProxyType,
    types.FunctionType,
    re.Pattern,
)


def _copy(provider: Provider) -> Provider:
    """The provider as it is now; its world, windows, counters and functions are the same ones."""
    shared: list[object] = []
    target = io.BytesIO()

    class Keeping(pickle.Pickler):
        def persistent_id(self, obj: object) -> int | None:
            if not isinstance(obj, _SHARED):
                return None
            shared.append(obj)
            return len(shared) - 1

    class Given(pickle.Unpickler):
        def persistent_load(self, pid: int) -> object:
            return shared[pid]

    Keeping(target).dump(provider)
    target.seek(0)
    copy: Provider = Given(target).load()
    return copy
