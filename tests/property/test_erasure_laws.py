"""Erasing somebody, cut off at any step and gone on with: the same end, nobody else touched, and nothing left of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hand_clock import HandClock
from plan_lab import NOW, Crash, Fuse, Person, fragile, table

from connectors import registry
from connectors.http import Request, Response
from connectors.memory.dictionary import Dictionary
from connectors.types import EngagementEvent, EventKind, Left, Outcome, State, Suppression, Target, TargetKind
from engine.engagement.parts import Parts
from engine.erasure import Erasure, Site, erase, erased, find, resume, trace
from engine.errors import ConfigError
from engine.ledger import Ledger, schema
from engine.ledger.codes import Code
from engine.ledger.outcomes import Sending
from engine.ledger.sending import Settlement
from engine.ledger.store import connect
from engine.ledger.suppressions import KnownSuppression

KEY = "memory-key"
ANNA, OLD, BEN = "anna@shop.example", "anna.old@shop.example", "ben@shop.example"
PEOPLE = [Person("c1", email=ANNA), Person("c2", email=BEN)]
_NUMBERS = count()
CONTACTS = Target(kind=TargetKind.CONTACTS, name="contacts", title="contacts")


class Shelf:
    """Plans of earlier runs: who stands in each."""

    def __init__(self, fuse: Fuse) -> None:
        self.plans, self._fuse = [{"c1", "c2"}, {"c2"}], fuse

    def without(self, customer_id: str) -> int:
        self._fuse.tick()
        named = [plan for plan in self.plans if customer_id in plan]
        for plan in named:
            plan.discard(customer_id)
            self._fuse.tick()
        return len(named)


class FragileParts(Parts):
    """Parts that may break off before and after they are rewritten."""

    fuse: Fuse

    def without(self, addresses: Collection[str]) -> tuple[int, int]:
        self.fuse.tick()
        gone = super().without(addresses)
        self.fuse.tick()
        return gone


class Wire(Dictionary):
    """A provider on whose line the process may die, or which is away."""

    fuse: Fuse
    is_away = False

    def handle(self, request: Request) -> Response:
        if self.is_away:
            return Response(503, {}, b"")
        self.fuse.tick()
        answer = super().handle(request)
        self.fuse.tick()
        return answer


@dataclass
class Shop:
    """Ids by address, as a shop knows them."""

    ids: dict[str, list[str]] = field(default_factory=lambda: {ANNA: ["c1", "anna-nine"], BEN: ["c2"]})

    def known_as(self, address: str) -> list[str]:
        return self.ids.get(address, [])


@dataclass
class Lab:
    """A client with two accounts; Anna had another address once, of which one account knows."""

    folder: Path
    fuse: Fuse = field(default_factory=Fuse)
    server: str | None = None  # keeps the ledger, where there is one

    def __post_init__(self) -> None:
        (self.folder / "state").mkdir(parents=True)
        url = self.server or f"sqlite:///{self.folder / 'state' / 'ledger.sqlite'}"
        self.database = connect(url, f"erasing-{next(_NUMBERS)}")
        self.shop, self.shelf, self.clock = Shop(), Shelf(self.fuse), HandClock(NOW)
        self.stores: dict[str, dict[str, Any]] = {"news": {}, "flows": {}}
        self.wires = {name: Wire(store, KEY) for name, store in self.stores.items()}
        for wire in self.wires.values():
            wire.fuse = self.fuse
        ledger = Ledger(self.database, "client")
        for name, addresses in {"news": (ANNA, BEN), "flows": (OLD, BEN)}.items():
            self.fill(ledger, name, addresses)
        told = KnownSuppression(suppression=Suppression(email=OLD, left=Left.BOUNCED), customer_id="c1", first_seen=NOW)
        ledger.suppressions.record("news", [told])
        codes = [code("one", "c1"), code("two", "anna-nine"), code("three", "c2")]
        ledger.codes.reserve(codes)
        self.parts(ledger).keep("news", None, [event("1", ANNA), event("2", BEN)])
        self.parts(ledger).keep("flows", None, [event("3", OLD)])
        (self.folder / "state" / "client.shop").mkdir()
        (self.folder / "state" / "client.shop" / "customers.parquet").write_bytes(ANNA.encode())

    def fill(self, ledger: Ledger, name: str, addresses: Collection[str]) -> None:
        contacts = {
            email: {"ref": f"r-{email}", "fields": {}, "lists": [], "status": "subscribed"} for email in addresses
        }
        self.stores[name]["contacts"].update(contacts)
        ledger.targets.expect(name, [CONTACTS], is_owned=True)
        settlement = Settlement(destination=name, at=NOW, version="1", targets=ledger.targets.of(name))
        sent = [change(name, email, "c2" if email == BEN else "c1") for email in addresses]
        ledger.sending.begin(name, sent, at=NOW)
        ledger.sending.settle(settlement, [(one, Outcome(id=one.change_id, state=State.APPLIED)) for one in sent])

    def parts(self, ledger: Ledger) -> FragileParts:
        folder = self.folder / "state"
        key = folder / "client.erasure-key"
        parts = FragileParts(folder / "engagement", lambda: erased(key, ledger.erasures.hashes()))
        parts.fuse = self.fuse
        return parts

    def site(self) -> Site:
        """What a new process sees."""
        ledger = Ledger(fragile(self.database, self.fuse), "client")
        connectors = {
            name: partial(registry.build, "memory", {"store": wire, "api_key": KEY}, handler=wire, clock=self.clock)
            for name, wire in self.wires.items()
        }
        return Site(
            client="client", ledger=ledger, parts=self.parts(ledger), plans=self.shelf, state=self.folder / "state",
            destinations=connectors, settle=lambda _: None, told=lambda _, error: str(error), clock=self.clock, now=NOW,
        )  # fmt: skip

    def erase(self, email: str = ANNA) -> Erasure:
        site = self.site()
        return erase(site, find(email, lambda: self.shop, lambda: table(PEOPLE, []), site))

    def end(self) -> object:
        """Everything that is left, but for the hashes and the times."""
        ledger = Ledger(self.database, "client")
        return (
            {name: sorted(store["contacts"].items()) for name, store in self.stores.items()},
            {name: ledger.contacts.table(name).to_pylist() for name in self.stores},
            ledger.suppressions.table().to_pylist(),
            [(row["code"], row["state"], row["customer_id"] == "c2") for row in ledger.codes.table().to_pylist()],
            self.shelf.plans,
            sorted(path.name for path in self.parts(ledger).paths()),
            len(ledger.erasures.hashes()),
            ledger.erasures.open(),
        )

    def bytes(self) -> bytes:
        """All that is on the disk, and in every row on the server."""
        files = b"".join(path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file())
        with self.database.read() as connection:
            tables = [connection.execute(sa.select(table)).all() for table in schema.metadata.sorted_tables]
        return files + repr(tables).encode()


def change(name: str, email: str, customer: str) -> Sending:
    key = f"{name}-{email}".encode().hex()
    return Sending(
        change_id=key[:24], content_hash=key, kind="AddContact", target="contacts", customer_id=customer, address=email
    )


def code(text: str, customer: str) -> Code:
    return Code(code_id=text, offer="thanks", customer_id=customer, code=text.upper(), issued_at=NOW)


def event(key: str, email: str) -> EngagementEvent:
    return EngagementEvent(id=key, kind=EventKind.OPEN, email=email, happened_at=NOW - timedelta(days=1))


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """A new folder each time."""
    return (tmp_path / str(number) for number in range(10_000))


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> str | None:
    """Where the ledger is kept, if not in a file."""
    url: str | None = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return url


def test_cut_off_anywhere_and_gone_on_with_it_ends_the_same(folders: Iterator[Path], server: str | None) -> None:
    whole = Lab(next(folders), server=server)
    assert whole.erase().is_done
    end = whole.end()
    boundaries = whole.fuse.count
    assert boundaries > 30
    for at in range(1, boundaries + 1, 3 if server else 1):
        lab = Lab(next(folders), server=server)
        lab.fuse.count, lab.fuse.at = 0, at
        with pytest.raises(Crash):
            lab.erase()
        lab.fuse.at = None
        site = lab.site()
        done = resume(site) if site.ledger.erasures.hashes() else [lab.erase()]
        assert all(one.is_done for one in done)
        assert lab.end() == end, f"cut off at boundary {at}"
        assert not any(word in lab.bytes() for word in (ANNA.encode(), OLD.encode(), b"anna-nine")), at
        lab.database.close()
    whole.database.close()


def test_nobody_else_is_touched_and_every_address_of_the_person_goes(folders: Iterator[Path]) -> None:
    lab = Lab(next(folders))
    done = lab.erase()
    assert done.destinations == {"news": "erased", "flows": "erased"}
    ledger = Ledger(lab.database, "client")
    assert [row["address"] for name in lab.stores for row in ledger.contacts.table(name).to_pylist()] == [BEN, BEN]
    for store in lab.stores.values():
        assert store["contacts"][BEN]["status"] == "subscribed"
    states = {row["code"]: (row["state"], row["customer_id"]) for row in ledger.codes.table().to_pylist()}
    assert states["THREE"] == ("reserved", "c2")
    assert {state for word in ("ONE", "TWO") for state in states[word][:1]} == {"expired"}
    assert len({states["ONE"][1], states["TWO"][1]}) == 1, "nobody's, and the same nobody's"
    assert done.facts["engagement"] == {"events": 2, "parts": 2}
    assert done.facts["plans"] == 1


def test_what_comes_in_later_is_not_kept(folders: Iterator[Path]) -> None:
    lab = Lab(next(folders))
    lab.erase()
    site = lab.site()
    assert site.parts.keep("news", "later", [event("9", OLD), event("10", ANNA.upper())]) == {}
    assert site.parts.keep("news", "later", [event("11", BEN)]) == {"open": 1}


def test_a_destination_that_is_away_keeps_its_errand_and_nothing_else_waits_for_it(folders: Iterator[Path]) -> None:
    lab = Lab(next(folders))
    lab.wires["flows"].is_away = True
    done = lab.erase()
    assert not done.is_done
    assert done.exit_code == 4
    assert done.destinations == {"news": "erased", "flows": "failed"}
    lab.wires["flows"].is_away = False
    (again,) = resume(lab.site())
    assert again.is_done
    assert OLD not in {email for email, one in lab.stores["flows"]["contacts"].items() if one["status"] != "erased"}
    assert resume(lab.site()) == []


def test_a_change_that_is_on_its_way_is_waited_for(folders: Iterator[Path]) -> None:
    lab = Lab(next(folders))
    site = lab.site()
    late = change("news", ANNA, "c1")
    site.ledger.sending.begin("news", [late], at=NOW)
    site.ledger.sending.wait("news", {late.change_id: "job-1"})
    done = lab.erase()
    assert done.destinations["news"] == "waiting"
    assert lab.stores["news"]["contacts"][ANNA]["status"] == "subscribed", "else the job would bring them back"
    assert done.exit_code == 6
    lab.site().ledger.sending.withdraw("news", [late.change_id])
    (again,) = resume(lab.site())
    assert again.destinations["news"] == "erased"
    assert again.is_done


def test_an_address_that_is_somebody_else_s_today_stays_theirs(folders: Iterator[Path]) -> None:
    lab = Lab(next(folders))
    lab.shop.ids[OLD] = ["c3"]
    site = lab.site()
    people = table([*PEOPLE, Person("c3", email=OLD)], [])
    person = find(ANNA, lambda: lab.shop, lambda: people, site)
    assert person.addresses == (ANNA,)
    assert trace(site, person).customers == 2
    erase(site, person)
    assert lab.stores["flows"]["contacts"][OLD]["status"] == "subscribed"


def test_without_its_key_nobody_is_taken_in(folders: Iterator[Path]) -> None:
    lab = Lab(next(folders))
    lab.erase()
    key = lab.folder / "state" / "client.erasure-key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    with pytest.raises(ConfigError, match="key"):
        lab.site().parts.keep("news", "later", [event("9", BEN)])


def test_a_destination_of_an_older_config_is_named_for_a_person_to_see_to(folders: Iterator[Path]) -> None:
    lab = Lab(next(folders))
    del lab.wires["flows"]
    done = lab.erase()
    assert done.is_done
    assert done.destinations == {"news": "erased", "flows": "by_hand"}
    assert "config" in done.why["flows"]
