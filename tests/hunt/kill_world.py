"""A very small client beside emulated accounts, kept and brought back in moments, and what must hold of both at the end."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from copies import copied
from kill_others import HOOK, listen

from connectors.http import Request
from connectors.sandbox import Contact, Sandbox, World
from connectors.sandbox.server import Server, serving
from connectors.types import TargetKind
from engine.ledger import Ledger
from engine.ledger.packing import unpack_bits, unpack_fields

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SPEED = 600
CLIENT = "maison-lin"
CHILD = Path(__file__).with_name("kill_child.py")
KEYS = {
    "MAILCHIMP_KEY": "sandbox-us1",
    "KLAVIYO_KEY": "pk_sandbox",
    "BREVO_KEY": "xkeysib-sandbox",
    "AC_KEY": "sandbox-key",
    "HOOK": HOOK,
}
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "mailchimp": {"api_key": "MAILCHIMP_KEY", "base_url": "@URL@/mailchimp/3.0", "audience": "Newsletter"},
    "klaviyo": {"api_key": "KLAVIYO_KEY", "base_url": "@URL@/klaviyo/api"},
    "brevo": {"api_key": "BREVO_KEY", "base_url": "@URL@/brevo/v3"},
    "activecampaign": {"api_key": "AC_KEY", "base_url": "@URL@/activecampaign", "list_name": "Newsletter"},
}
SECRET = ("api_key", "webhook_secret")
SEGMENTS = ("loyal", "tea", "readers")

HEAD = """client = "maison-lin"
timezone = "Europe/Paris"
currency = "EUR"
secrets = { folder = "secrets" }

[sandbox]
speed = @SPEED@

[shop]
path = "data"

[segments.loyal]
where = "count(orders) >= 2"

[segments.tea]
where = "category = 'tea'"

[segments.soap]
where = "category = 'soap'"

[segments.readers]
where = "did(email_opens, last 30 days)"

[offers.thanks]
segment = "loyal"
percent = "10%"
valid = "30 days"

[merge_tags]
first_name = { trait = "first_name" }
favourite = { trait = "category" }
code = { offer = "thanks" }
code_until = { offer = "thanks", field = "expires" }
"""


@dataclass(frozen=True)
class Person:
    """One customer of the shop."""

    number: int
    name: str = "Anna"
    consent: str = "subscribed"
    told: str = "2026-01-05T10:00:00Z"
    orders: int = 1
    category: str = "tea"
    email: str = ""
    coupon: str = ""

    @property
    def id(self) -> str:
        return f"c{self.number:02}"

    @property
    def address(self) -> str:
        return self.email or f"{self.id}@example.com"


def _person(number: int) -> Person:
    consent = {6: "pending", 7: "unsubscribed"}.get(number % 8, "subscribed")
    names = ("Anna", "Zoë", "李")
    return Person(number, names[number % 3], consent, orders=1 + number % 3, category=("tea", "soap")[number % 2])


@dataclass
class Said:
    """How a command ended: `signal` is negative where one ended it."""

    exit: int
    signal: int = 0
    error: str | None = None
    words: str = ""
    checksum: str | None = None
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)


class Zygote:
    """The other side of `kill_child.py`."""

    def __init__(self) -> None:
        words = [sys.executable, str(CHILD)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, asked: Mapping[str, Any]) -> Said:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Said(**{"exit": 0, **json.loads(self._process.stdout.readline())})

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()


@dataclass
class Kept:
    """A moment to come back to: the folder's copy, the accounts' copies, the till and the shop."""

    folder: Path
    moment: datetime
    providers: Any
    world: World
    till: dict[str, datetime]
    people: dict[int, Person]
    destinations: dict[str, str]
    segments: tuple[str, ...]


@dataclass
class Bench:
    """The client in a folder, the accounts behind a socket, and the process that has children."""

    base: Path
    server: Server
    zygote: Zygote
    destinations: dict[str, str] = field(default_factory=dict)  # name → connector
    segments: tuple[str, ...] = SEGMENTS
    people: dict[int, Person] = field(default_factory=dict)
    now: datetime = NOW
    _kept: int = 0

    @property
    def folder(self) -> Path:
        return self.base / "client"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def sandbox(self) -> Sandbox:
        return self.server.sandbox

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def taken(self) -> Path:
        """Where a delivery that was acknowledged is written down, out of reach of any death."""
        return self.base / "taken"

    def settings(self, connector: str) -> dict[str, str]:
        """Of somebody who works at the account."""
        told = {key: value.replace("@URL@", self.url) for key, value in SETTINGS[connector].items()}
        return {**told, "api_key": KEYS[told["api_key"]]}

    # the client

    def furnish(self, connectors: Sequence[str]) -> None:
        """A client that has never run, and accounts where a few people were before us."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "secrets").mkdir(parents=True)
        for name, key in KEYS.items():
            (self.folder / "secrets" / name).write_text(key, "utf-8")
        options = {"klaviyo.webhook_secret": HOOK} if "klaviyo" in connectors else {}
        self._serve(Sandbox(NOW, speed=SPEED, only=connectors, keep_bodies=False, options=options))
        listen(self)
        self.destinations = {f"d{place}": connector for place, connector in enumerate(connectors)}
        self.segments, self.now = SEGMENTS, NOW
        self.people = {number: _person(number) for number in range(1, 15)}
        for provider in self.sandbox.providers.values():
            provider.seed(Contact("c04@example.com", "unsubscribed", mailable=False))  # left long ago
            provider.seed(Contact("c05@example.com"))  # was there before us
        self.write()

    def write(self) -> None:
        """The config and the shop's data as they are now."""
        named = ", ".join(f'"{one}"' for one in self.segments)
        blocks = [
            f'[destinations.{name}]\nconnector = "{connector}"\n{_about(connector)}\nsegments = [{named}]\n'
            for name, connector in self.destinations.items()
        ]
        text = "\n".join([HEAD, *blocks]).replace("@URL@", self.url).replace("@SPEED@", str(SPEED))
        (self.folder / "ciblage.toml").write_text(text, "utf-8")
        self._stock()

    def _stock(self) -> None:
        folder = self.folder / "data"
        folder.mkdir(exist_ok=True)
        people = [self.people[number] for number in sorted(self.people)]
        orders = [(one, place) for one in people for place in range(one.orders)]
        day = {place: (NOW - timedelta(days=10 + 20 * place)).strftime("%Y-%m-%dT12:00:00Z") for place in range(9)}
        _csv(
            folder / "customers.csv",
            ("customer_id", "email", "first_name", "consent_email", "consent_email_at", "category"),
            [(one.id, one.address, one.name, one.consent, one.told, one.category) for one in people],
        )
        _csv(
            folder / "orders.csv",
            ("order_id", "customer_id", "ordered_at", "total", "status", "currency", "coupon"),
            [
                (f"{one.id}-{at}", one.id, day[at], "20.00", "paid", "EUR", "" if at else one.coupon)
                for one, at in orders
            ],
        )

    def change(self, number: int, **values: Any) -> None:
        """One customer is different from now on, or new."""
        self.people[number] = replace(self.people.get(number) or _person(number), **values)

    def later(self, **more: float) -> None:
        """Time passes in the shop and at the providers, whose clocks never go back."""
        self.now = max(self.now + timedelta(**more), self.sandbox.world.now())
        with self.sandbox.lock:
            self.sandbox.world.set(self.now)

    def command(self, verb: str, asked: Mapping[str, Any], fate: Mapping[str, Any] | None = None) -> Said:
        """One command in a child, which the fate may end."""
        with self.sandbox.lock:
            self.sandbox.world.set(self.now)
        about = {"config": str(self.folder / "ciblage.toml"), "now": self.now.isoformat(), "verb": verb}
        return self.zygote.do({**about, **asked, "fate": dict(fate or {})})

    def take_codes(self) -> None:
        """The till takes the exported codes; its answer is the file to confirm."""
        exported = self.state / "codes.csv"
        body = exported.read_bytes() if exported.exists() else b"code\n"
        answer = self.sandbox.handle(Request("POST", "http://sandbox/sandbox/till", {}, body))
        (self.folder / "confirmed.csv").write_bytes(answer.body)

    def read_mail(self, days: float, seed: int) -> None:
        """Each list gets a mail, and people read."""
        until = self.now + timedelta(days=days)
        body = {
            "until": until.isoformat(),
            "seed": seed,
            "open": 0.7,
            "click": 0.3,
            "unsubscribe": 0.04,
            "bounce": 0.02,
        }
        request = Request("POST", "http://sandbox/sandbox/readers", {}, json.dumps(body).encode())
        assert self.sandbox.handle(request).status == 200
        self.later(days=days)

    def leave(self, email: str, provider: str) -> bool:
        """A person unsubscribes there; False where they are not there at all."""
        body = json.dumps({"provider": provider, "email": email}).encode()
        return self.sandbox.handle(Request("POST", "http://sandbox/sandbox/unsubscribe", {}, body)).status == 200

    # moments

    def keep(self) -> Kept:
        """This moment, to come back to."""
        self._kept += 1
        folder = self.base / f"kept{self._kept}"
        shutil.copytree(self.folder, folder)
        with self.sandbox.lock:
            self.sandbox.world.finish()
            providers = copied(self.sandbox.providers, self.sandbox.world, self.sandbox.world)
        self.now = max(self.now, self.sandbox.world.now())
        till = dict(self.sandbox.control.till.codes)
        return Kept(
            folder, self.now, providers, self.sandbox.world, till, dict(self.people), dict(self.destinations), self.segments
        )  # fmt: skip

    def back(self, kept: Kept) -> None:
        """That moment again: everything that happened since is undone."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(kept.folder, self.folder)
        world = World(kept.moment, speed=SPEED)
        world.random.setstate(kept.world.random.getstate())
        sandbox = Sandbox(world=world, only=tuple(kept.providers), keep_bodies=False)
        sandbox.providers = copied(kept.providers, kept.world, world)
        sandbox.control.till.codes = dict(kept.till)
        self._serve(sandbox)
        self.people, self.now = dict(kept.people), kept.moment
        self.destinations, self.segments = dict(kept.destinations), kept.segments

    def _serve(self, sandbox: Sandbox) -> None:
        world, port = sandbox.world, self.server.server_port
        world.base_url, world.archive_url = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
        self.server.sandbox = sandbox

    # the truth

    def writes(self) -> list[str]:
        """Calls since the last look that could have changed something; the log starts anew."""
        with self.sandbox.lock:
            found = [f"{one.method} {one.path}" for one in self.sandbox.calls if not one.is_read]
            self.sandbox.calls.clear()
        return found

    def there(self) -> dict[str, dict[str, Any]]:
        """Everyone at every provider: status, whether mailable, fields, titles of lists."""
        told = {}
        with self.sandbox.lock:
            self.sandbox.world.settle()
            for name, provider in self.sandbox.providers.items():
                titles = provider.lists()
                told[name] = {
                    email: {
                        "status": one.status, "mailable": one.mailable,
                        "fields": {_plain(title): value for title, value in one.fields.items() if value not in (None, "")},
                        "lists": sorted(titles[ref] for ref in one.lists if ref in titles),
                    }
                    for email, one in provider.contacts().items()
                }  # fmt: skip
        return told

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        path = self.state / f"{CLIENT}.sqlite"
        with Ledger.open(f"sqlite:///{path}", CLIENT, is_readonly=True) as ledger:
            yield ledger

    def claims(self) -> dict[str, dict[str, Any]]:
        """What the ledger believes of each destination: by address, lists by title and fields by name."""
        told = {}
        with self.ledger() as ledger:
            for name, connector in self.destinations.items():
                targets = ledger.targets.of(name)
                lists = {
                    at.position: at.target.title for (kind, _), at in targets.items() if kind is TargetKind.SEGMENT
                }
                fields = {at.position: tag for (kind, tag), at in targets.items() if kind is TargetKind.FIELD}
                told[connector] = {
                    row["address"]: {
                        "state": row["state"],
                        "lists": sorted(lists[bit] for bit in unpack_bits(row["members"])),
                        "foreign": sorted(lists[bit] for bit in unpack_bits(row["foreign_members"])),
                        "fields": {
                            fields[place]: json.loads(text) for place, text in unpack_fields(row["fields"]).items()
                        },
                    }
                    for row in ledger.contacts.table(name).to_pylist()
                }
        return told

    def codes(self) -> list[dict[str, Any]]:
        with self.ledger() as ledger:
            found: list[dict[str, Any]] = ledger.codes.table().to_pylist()
        return found

    def last_run(self) -> int:
        """The number of the latest `run`."""
        with self.ledger() as ledger:
            return ledger.runs.last(1, command="run")[0].id

    def first_push(self) -> int:
        """The number of the push that made the accounts what they are."""
        with self.ledger() as ledger:
            return min(run.id for run in ledger.runs.carrying())

    def holding(self, words: str) -> list[str]:
        """Files of the state that hold these words; SQLite's shared memory is left out."""
        files = (path for path in sorted(self.state.rglob("*")) if path.is_file() and not path.name.endswith("-shm"))
        return [path.name for path in files if words.encode() in path.read_bytes()]

    def under_way(self) -> list[str]:
        """Changes that no outcome has ended."""
        with self.ledger() as ledger:
            return [
                f"{one.kind} {one.target} {one.customer_id}"
                for name in self.destinations
                for one in ledger.sending.of(name)
            ]

    def events(self) -> Counter[str]:
        """Ids of all events at rest."""
        parts = sorted((self.state / "engagement").glob("*.parquet"))
        return Counter(one for path in parts for one in pq.read_table(path)["event_id"].to_pylist())


def _about(connector: str) -> str:
    """Its settings as the config says them: secrets by their names."""
    told = {**SETTINGS[connector], "webhook_secret": "HOOK"}
    return "\n".join(
        f'{key} = "${{{value}}}"' if key in SECRET else f'{key} = "{value}"' for key, value in told.items()
    )


def _plain(title: str) -> str:
    return title.lower().replace(" ", "_")


def _csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)


@contextmanager
def bench(base: Path) -> Iterator[Bench]:
    """Everything that a hunt needs, on a socket of its own."""
    with serving(Sandbox(NOW, speed=SPEED, only=())) as server:
        zygote = Zygote()
        try:
            yield Bench(base, server, zygote)
        finally:
            zygote.close()
