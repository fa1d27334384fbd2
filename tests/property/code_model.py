"""Codes and their life in plain Python: small enough to be obviously right, the oracle of the machine beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

RANK = ("reserved", "exported", "confirmed", "pushed")
PATHS = {
    "reserved": {"exported", "confirmed", "redeemed", "expired"},
    "exported": {"confirmed", "redeemed", "expired"},
    "confirmed": {"pushed", "redeemed", "expired"},
    "pushed": {"redeemed", "expired"},
    "redeemed": {"cleared"},
    "expired": {"redeemed", "cleared"},
    "cleared": set(),
}


@dataclass
class Offer:
    """Who, how long, how often, and when its codes are renewed."""

    name: str
    segment: str
    valid: timedelta
    cooldown: timedelta | None
    renew: timedelta | None = None


@dataclass
class Held:
    """One code as the model has it."""

    code: str
    code_id: str
    offer: str
    customer: str
    issued: datetime
    expires: datetime
    state: str = "reserved"
    pushed: bool = False
    used: bool = False
    pending: datetime | None = None
    renewals: int = 0

    @property
    def is_live(self) -> bool:
        return self.state in RANK

    def move(self, state: str) -> None:
        assert state in PATHS[self.state], f"{self.state} → {state}"
        self.state = state


@dataclass
class Model:
    """The shop's people, its orders, and what should have become of every code."""

    offers: tuple[Offer, ...]
    most: int | None
    now: datetime
    segments: dict[str, set[str]]
    alias: dict[str, str] = field(default_factory=dict)
    codes: dict[str, Held] = field(default_factory=dict)
    orders: list[tuple[datetime, str, str, str]] = field(default_factory=list)  # when, id, code, customer

    def person(self, customer: str) -> str:
        return self.alias.get(customer, customer)

    def people(self) -> list[str]:
        return sorted(one for one in self.segments if one not in self.alias)

    def live(self, offer: str, person: str) -> list[Held]:
        found = [one for one in self.codes.values() if one.is_live and one.offer == offer]
        mine = [one for one in found if self.person(one.customer) == person and one.expires > self.now]
        return sorted(mine, key=lambda one: (-RANK.index(one.state), one.issued, one.code_id))

    def settle(self) -> None:
        for _, _, code, _ in sorted(self.orders):
            held = self.codes.get(code.upper())
            if held is not None and not held.used:
                held.used = True
                if held.state != "cleared":
                    held.move("redeemed")
        for held in self.codes.values():
            if held.is_live and held.expires <= self.now:
                held.move("expired")
        for offer in self.offers:
            for person in self.people():
                for spare in self.live(offer.name, person)[1:]:
                    spare.move("expired")

    def issues(self) -> list[tuple[str, str]]:
        """Offer and person of every code to mint, after `settle`."""
        given: list[tuple[str, str]] = []
        for offer in self.offers:
            given += [
                (offer.name, person)
                for person in self.people()
                if offer.segment in self.segments[person] and self.may(offer, person, given)
            ]
        return sorted(given)

    def may(self, offer: Offer, person: str, given: list[tuple[str, str]]) -> bool:
        if self.live(offer.name, person):
            return False
        mine = [one for one in self.codes.values() if one.offer == offer.name and self.person(one.customer) == person]
        seen = [one for one in mine if one.pushed or one.used]
        if offer.cooldown is None and seen:
            return False
        if offer.cooldown is not None and any(one.issued > self.now - offer.cooldown for one in seen):
            return False
        others = sum(len(self.live(other.name, person)) for other in self.offers)
        others += sum(who == person for _, who in given)
        return self.most is None or others < self.most

    def renew(self) -> None:
        for offer in self.offers:
            for person in self.people():
                for held in self.live(offer.name, person) if offer.segment in self.segments[person] else []:
                    until = self.now + offer.valid
                    is_near = offer.renew is not None and held.expires <= self.now + offer.renew
                    is_new = held.pending is None and held.renewals < 1 and held.expires < until
                    if is_near and is_new and held.state in {"confirmed", "pushed"}:
                        held.pending = until

    def push(self) -> None:
        """Whoever is in a segment has their confirmed codes by now."""
        for person in self.people():
            for offer in self.offers if self.segments[person] else ():
                mine = [one for one in self.live(offer.name, person) if one.state in {"confirmed", "pushed"}]
                if mine and mine[0].state == "confirmed":
                    mine[0].move("pushed")
                    mine[0].pushed = True

    def export(self) -> None:
        for held in self.codes.values():
            if held.state == "reserved":
                held.move("exported")

    def confirm(self, lines: list[tuple[str, str]]) -> None:
        """Lines of a file: code in any case, and the end that it gives it."""
        for code, end in {code.upper(): end for code, end in reversed(lines)}.items():
            held = self.codes.get(code)
            if held is None or not held.is_live:
                continue
            if held.state in {"reserved", "exported"}:
                held.move("confirmed")
            elif held.pending is not None and end == held.pending.isoformat():
                held.expires, held.pending, held.renewals = held.pending, None, held.renewals + 1
