"""Simulated readers: each list gets a mail, and its people open, click, bounce, complain and unsubscribe.

Who does what depends on the seed, the mail and the person alone, so a simulation can be repeated. People differ:
few read nearly everything, many read little, as in real lists.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from connectors.types import EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from connectors.sandbox.world import Provider, World

__all__ = ["Act", "Habits", "Readers", "Sending"]

LINK = "https://shop.example/offers/"
SKEW = 9 / 5  # the mean of eagerness squared: who opens more also clicks more of what they open
STORY = 20  # recipients from which on at least one person unsubscribes, so that there is something to see


@dataclass(frozen=True, slots=True)
class Habits:
    """The share of a mail's recipients who do something, on average; `machine`: opened by a proxy, unread."""

    open: float = 0.35
    click: float = 0.08
    unsubscribe: float = 0.005
    complaint: float = 0.0005
    bounce: float = 0.01
    machine: float = 0.1


@dataclass(frozen=True, slots=True)
class Sending:
    """A mail that went out, and to whom."""

    provider: str
    campaign: str
    list_ref: str
    subject: str
    at: datetime
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """What one recipient will do with a mail, and how long after it was sent (a part of the time there is)."""

    email: str
    kind: EventKind
    after: float
    url: str | None = None
    is_machine: bool = False


Step: TypeAlias = "tuple[datetime, int, Callable[[], None]]"


@dataclass(slots=True)
class Readers:
    """A simulation from the world's now until another instant; afterwards it is that instant."""

    world: World
    seed: int
    habits: Habits
    until: datetime
    sendings: list[Sending] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    _steps: list[Step] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)
    _gone: set[tuple[str, str]] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)

    def run(self, providers: Mapping[str, Provider]) -> None:
        """Mail every list that has members, a while apart, and let people react in order of time."""
        start = self.world.now()
        span = (self.until - start) / 2
        for provider in providers.values():
            contacts = provider.contacts().values()
            inhabited = {ref for contact in contacts if contact.mailable for ref in contact.lists}
            lists = sorted((title, ref) for ref, title in provider.lists().items() if ref in inhabited)
            self.counts[provider.name] = {"mailable": sum(contact.mailable for contact in contacts)}
            for place, (title, ref) in enumerate(lists):
                self._later(start + span * place / len(lists), self._mailing(provider, ref, title))
        while self._steps:
            at, _, step = heapq.heappop(self._steps)
            self.world.set(max(at, self.world.now()))
            step()
        self.world.set(max(self.until, self.world.now()))

    def _later(self, at: datetime, step: Callable[[], None]) -> None:
        heapq.heappush(self._steps, (at, next(self._order), step))

    def _count(self, provider: Provider, what: str) -> None:
        counts = self.counts[provider.name]
        counts[what] = counts.get(what, 0) + 1

    def _mailing(self, provider: Provider, ref: str, title: str) -> Callable[[], None]:
        def send() -> None:
            contacts = provider.contacts()
            people = tuple(sorted(email for email, c in contacts.items() if c.mailable and ref in c.lists))
            if not people:
                return
            at = self.world.now()
            campaign = provider.mail(ref, title)
            self.sendings.append(Sending(provider.name, campaign, ref, title, at, people))
            self._count(provider, "campaigns")
            acts = [act for email in people for act in self._acts(f"{provider.name}:{title}", email)]
            acts += self._story(provider, people, acts)
            for act in acts:
                self._later(at + (self.until - at) * act.after, self._reaction(provider, campaign, act))

        return send

    def _reaction(self, provider: Provider, campaign: str, act: Act) -> Callable[[], None]:
        def react() -> None:
            person = (provider.name, act.email)
            if person in self._gone:
                return
            at = self.world.now()
            provider.react(campaign, act.email, act.kind, at, url=act.url, is_machine=act.is_machine)
            self._count(provider, "machine opens" if act.is_machine else act.kind.value)
            if act.kind in {EventKind.BOUNCE, EventKind.COMPLAINT, EventKind.UNSUBSCRIBE}:
                self._gone.add(person)

        return react

    def _acts(self, mail: str, email: str) -> Iterator[Act]:
        """What a person does with a mail: chances are drawn in one fixed order."""
        dice = random.Random(f"{self.seed}:{mail}:{email}")
        eager = 3 * random.Random(f"{self.seed}:{email}").random() ** 2  # the mean is 1
        bounce, machine, opens, clicks, leaves, complains = (dice.random() for _ in range(6))
        habits = self.habits
        if bounce < habits.bounce:
            yield Act(email, EventKind.BOUNCE, dice.uniform(0.0, 0.01))
            return
        if machine < habits.machine:
            yield Act(email, EventKind.OPEN, dice.uniform(0.0, 0.02), is_machine=True)
        read = dice.uniform(0.02, 0.6)
        if opens < min(0.95, habits.open * eager):
            yield Act(email, EventKind.OPEN, read)
            if clicks < min(0.8, habits.click / max(habits.open, habits.click, 1e-9) * eager / SKEW):
                url = f"{LINK}{dice.randint(1, 5)}"
                yield Act(email, EventKind.CLICK, read + dice.uniform(0.0, 0.1), url)
        if leaves < habits.unsubscribe:
            yield Act(email, EventKind.UNSUBSCRIBE, read + 0.2)
        elif complains < habits.complaint:
            yield Act(email, EventKind.COMPLAINT, read + 0.2)

    def _story(self, provider: Provider, people: tuple[str, ...], acts: list[Act]) -> list[Act]:
        """In a big enough mail somebody leaves, once a provider: the one who was nearest to it."""
        if len(people) < STORY or provider.name in self._told or not self.habits.unsubscribe:
            return []
        self._told.add(provider.name)
        if any(act.kind is EventKind.UNSUBSCRIBE for act in acts):
            return []
        bounced = {act.email for act in acts if act.kind is EventKind.BOUNCE}
        staying = [email for email in people if email not in bounced] or list(people)
        chosen = min(staying, key=lambda email: random.Random(f"{self.seed}:{provider.name}:leaves:{email}").random())
        return [Act(chosen, EventKind.UNSUBSCRIBE, 0.8)]
