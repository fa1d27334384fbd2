"""A small shop, three emulated accounts on a socket, and the command line between them."""

from __future__ import annotations

import copy
import csv
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from answers import misfits
from copies import copied
from leaks import KEYS, Process
from typer.testing import CliRunner

from connectors.http import Request
from connectors.sandbox import Call, Contact, Sandbox, World
from connectors.sandbox.server import Server, serving
from engine.cli import app

__all__ = [
    "CONFIG", "KEYS", "NOW", "PROVIDERS", "SEGMENTS", "TITLES", "Customer", "Lab", "Said", "Shop", "contact", "emptied", "furnished", "laboratory",
    "mentions", "told", "twin", "writes",
]  # fmt: skip

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SPEED = 600
PROVIDERS = {"newsletter": "mailchimp", "flows": "klaviyo", "mailing": "brevo"}
SEGMENTS = {
    "newsletter": ("loyal", "tea", "lc_active"),
    "flows": ("loyal", "lc_new"),
    "mailing": ("tea", "readers", "lc_active"),
}
TITLES = {
    "loyal": "maison-lin Loyal customers",
    "tea": "maison-lin Tea",
    "readers": "maison-lin Readers",
    "lc_new": "maison-lin Lc new",
    "lc_active": "maison-lin Lc active",
}
COUNT = 60
HELD_OUT = 0.15

CONFIG = """client = "maison-lin"
timezone = "Europe/Paris"
currency = "EUR"
secrets = { folder = "secrets" }

[sandbox]
speed = @SPEED@

[shop]
path = "data"

[traits]
favourite = "most_frequent(order_lines.category)"
spent = "sum(orders.total)"

[segments.loyal]
where = "count(orders, last 12 months) >= 3"
title = { en = "Loyal customers", fr = "Clients fidèles" }
holdout = { share = "15%", salt = "holdout-2026" }

[segments.tea]
where = "favourite = 'tea'"

[segments.readers]
where = "did(email_opens, last 30 days)"

[segments.lc_new]
where = "count(orders) = 1"

[segments.lc_active]
where = "did(orders, last 90 days)"

[groups.lifecycle]
exclusive = ["lc_new", "lc_active"]
otherwise = "prospect"

[offers.thanks]
segment = "loyal"
percent = "10%"
minimum = "30 EUR"
budget = { codes = 50 }

[merge_tags]
first_name = { trait = "first_name" }
favourite = { trait = "favourite" }
spent = { trait = "spent" }
code = { offer = "thanks" }
code_until = { offer = "thanks", field = "expires" }

[destinations.newsletter]
connector = "mailchimp"
api_key = "${MAILCHIMP_KEY}"
base_url = "@URL@/mailchimp/3.0"
audience = "Newsletter"
segments = ["loyal", "tea", "lc_active"]

[destinations.flows]
connector = "klaviyo"
api_key = "${KLAVIYO_KEY}"
base_url = "@URL@/klaviyo/api"
segments = ["loyal", "lc_new"]

[destinations.mailing]
connector = "brevo"
api_key = "${BREVO_KEY}"
base_url = "@URL@/brevo/v3"
segments = ["tea", "readers", "lc_active"]
"""


@dataclass(frozen=True)
class Customer:
    """One customer of the shop and how many orders they have made, of one category each."""

    number: int
    consent: str = "subscribed"
    orders: int = 0
    category: str = "tea"
    newest: int = 10  # days before NOW
    email: str | None = None
    name: str = "Anna"

    @property
    def id(self) -> str:
        return f"c{self.number:02}"

    @property
    def address(self) -> str:
        return self.email or f"{self.id}@example.com"

    @property
    def is_held_out(self) -> bool:
        return int(hashlib.md5(f"holdout-2026:{self.id}".encode()).hexdigest()[:8], 16) < HELD_OUT * 2**32  # noqa: S324 - the language's bucket

    def is_in(self, segment: str) -> bool:
        """The config's definitions, said once more in plain Python."""
        match segment:
            case "loyal":
                return self.orders >= 3
            case "tea":
                return self.orders > 0 and self.category == "tea"
            case "lc_new":
                return self.orders == 1
            case "lc_active":
                return self.orders > 1 and self.newest < 90
        return False


def _customer(number: int) -> Customer:
    """Orders, category and consent follow the number, so that every combination occurs."""
    consent = {7: "pending", 8: "unsubscribed", 9: "never"}.get(number % 10, "subscribed")
    names = ("Anna", "Zoë", "D'Arcy", "李", "Renée")
    return Customer(
        number,
        consent=consent,
        orders=number % 6,
        category=("tea", "soap", "linen")[number % 3],
        newest=(5, 40, 200)[number % 3 if number % 2 else 0],
        name=names[number % 5],
    )


@dataclass
class Shop:
    """The shop's data; `write` makes CSV files of it."""

    customers: dict[int, Customer] = field(default_factory=lambda: {n: _customer(n) for n in range(1, COUNT + 1)})

    def change(self, number: int, **values: Any) -> None:
        """Change a customer, or add one."""
        self.customers[number] = replace(self.customers.get(number, Customer(number)), **values)

    def expected(self, segment: str) -> set[str]:
        """Addresses that belong in the list of a segment."""
        return {
            one.address
            for one in self.customers.values()
            if one.is_in(segment) and one.consent == "subscribed" and not (segment == "loyal" and one.is_held_out)
        }

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        people = sorted(self.customers.values(), key=lambda one: one.number)
        head = ["customer_id", "email", "first_name", "birth_date", "created_at", "consent_email", "consent_email_at"]
        _csv(folder / "customers.csv", head, [self._row(one) for one in people])
        orders = [(one, place) for one in people for place in range(one.orders)]
        head = ["order_id", "customer_id", "ordered_at", "total", "status", "currency"]
        rows = [
            [f"{one.id}-{place}", one.id, _day(one.newest + 20 * place), f"{20 + place * 5}.00", "paid", "EUR"]
            for one, place in orders
        ]
        _csv(folder / "orders.csv", head, rows)
        lines = [[f"{one.id}-{place}", one.category, 1 + place, "10.00"] for one, place in orders]
        _csv(folder / "order_lines.csv", ["order_id", "product_id", "quantity", "price"], lines)
        products = [[name, name.title(), name, "10.00"] for name in ("tea", "soap", "linen")]
        _csv(folder / "products.csv", ["product_id", "name", "category", "price"], products)

    @staticmethod
    def _row(one: Customer) -> list[str]:
        told = "" if one.consent == "never" else "2026-01-05T10:00:00Z"
        born = date(1960 + one.number % 40, 1 + one.number % 12, 1 + one.number % 28)
        return [one.id, one.address, one.name, born.isoformat(), "2025-06-01T08:00:00Z", one.consent, told]


def _day(ago: int) -> str:
    return (NOW - timedelta(days=ago)).strftime("%Y-%m-%dT12:00:00Z")


def _csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def result(self) -> Any:
        return self.document["result"]

    @property
    def error(self) -> Any:
        return self.document["error"]


@dataclass
class Lab:
    """One client in a folder, and the accounts it writes to."""

    folder: Path
    server: Server
    shop: Shop = field(default_factory=Shop)
    now: datetime = NOW

    @property
    def sandbox(self) -> Sandbox:
        return self.server.sandbox

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def config(self) -> Path:
        return self.folder / "ciblage.toml"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def write(self, text: str = CONFIG) -> None:
        """Write the config."""
        self.config.write_text(text.replace("@URL@", self.url).replace("@SPEED@", str(SPEED)), "utf-8")

    def edit(self, old: str, new: str) -> None:
        """Change the config that stands; what is replaced must be there."""
        text = self.config.read_text("utf-8")
        assert old in text
        self.config.write_text(text.replace(old, new), "utf-8")

    def stock(self) -> None:
        """Write the shop's data."""
        self.shop.write(self.data)

    def ciblage(self, *arguments: object, json: bool = False, is_dated: bool = True) -> Said:
        """One command of ours in this process."""
        words = [str(one) for one in arguments]
        when = ["--now", self.now.isoformat()] if is_dated else []
        more = ["--config", str(self.config), *when, *(["--json"] if json else [])]
        done = CliRunner().invoke(app, [*words, *more], catch_exceptions=False)
        wrong = misfits(done.stdout) if json else []
        assert not wrong, wrong
        return Said(done.exit_code, done.stdout, done.stderr)

    def done(self, *arguments: object) -> Any:
        """The result of a command that must succeed."""
        said = self.ciblage(*arguments, json=True)
        assert said.exit_code == 0, (arguments, said)
        return said.result

    def process(self, *arguments: object) -> subprocess.Popen[str]:
        """The same as a process of its own."""
        words = [str(one) for one in arguments]
        more = ["--config", str(self.config), "--now", self.now.isoformat()]
        program = Path(sys.executable).with_name("ciblage")
        return Process([program, *words, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def start(self) -> None:
        """The first pull, and the first push by hand; codes are confirmed and carried."""
        self.done("pull")
        self.done("push", "--yes")
        self.confirm()
        self.done("push")

    def confirm(self) -> None:
        """The till takes the codes that were exported last."""
        exported = self.folder / "state" / "codes.csv"
        answer = self.tell("POST", "/sandbox/till", exported.read_bytes())
        confirmed = self.folder / "confirmed.csv"
        confirmed.write_bytes(answer)
        self.done("codes", "confirm", confirmed)

    # the accounts

    def tell(self, method: str, path: str, body: object = b"") -> bytes:
        """The sandbox's own controls."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.sandbox.handle(Request(method, f"{self.url}{path}", {}, content))
        assert answer.status < 300, answer.body
        return answer.body

    def there(self, provider: str) -> dict[str, Contact]:
        """Everyone at a provider, by address."""
        with self.sandbox.lock:
            self.sandbox.world.settle()
            return self.sandbox.providers[provider].contacts()

    def lists(self, provider: str) -> dict[str, str]:
        """The provider's lists: title → id."""
        return {title: ref for ref, title in self.sandbox.providers[provider].lists().items()}

    def members(self, provider: str, title: str) -> set[str]:
        """Addresses in the list of this title."""
        ref = self.lists(provider)[title]
        return {email for email, one in self.there(provider).items() if ref in one.lists}

    def values(self, provider: str, email: str) -> dict[str, Any]:
        """What a contact's fields hold, by our names: one is `FIRST_NAME` here and `First name` there."""
        fields = self.there(provider)[email].fields
        return {title.lower().replace(" ", "_"): value for title, value in fields.items()}

    def truth(self) -> dict[str, dict[str, Any]]:
        """Status, fields and lists by title of every contact everywhere; ids left out."""
        told = {}
        for name, provider in self.sandbox.providers.items():
            titles = provider.lists()
            told[name] = {
                email: (
                    one.status,
                    one.mailable,
                    dict(one.fields),
                    sorted(titles[ref] for ref in one.lists if ref in titles),
                )
                for email, one in self.there(name).items()
            }
        return told

    def later(self, **more: float) -> None:
        """Time passes, in the shop and at the providers, whose clocks never go back."""
        self.now = max(self.now + timedelta(**more), self.sandbox.world.now())
        self.tell("POST", "/sandbox/clock", {"now": self.now.isoformat()})

    def unsubscribe(self, provider: str, email: str) -> None:
        """A person leaves at one provider."""
        self.tell("POST", "/sandbox/unsubscribe", {"provider": provider, "email": email})

    def seed(self, provider: str, *contacts: Mapping[str, Any]) -> None:
        """People who were there before us."""
        self.tell("POST", "/sandbox/seed", {"provider": provider, "contacts": list(contacts)})

    @contextmanager
    def calls(self) -> Iterator[list[Call]]:
        """The calls that arrive while the block runs, in order."""
        before, seen = len(self.sandbox.calls), []
        yield seen
        seen += self.sandbox.calls[before:]

    def files(self) -> dict[str, bytes]:
        """Every byte of the state folder; SQLite's shared memory is left out: it holds the marks of readers, no data."""
        paths = [path for path in sorted((self.folder / "state").rglob("*")) if path.is_file()]
        return {path.name: path.read_bytes() for path in paths if not path.name.endswith("-shm")}


def told(
    lab: Lab, *arguments: object, exit_code: int, says: Sequence[str], kind: str | None = None, place: str | None = None
) -> dict[str, Any]:
    """A command that fails as it should, as text and as JSON; returns the JSON's error."""
    said = lab.ciblage(*arguments)
    assert said.exit_code == exit_code, said
    assert said.out == ""
    assert [words for words in says if words not in said.err] == [], said.err
    assert "Traceback" not in said.err
    again = lab.ciblage(*arguments, json=True)
    assert again.exit_code == exit_code
    assert again.err == ""
    error: dict[str, Any] = again.error
    assert {"kind", "message", "place", "hint"} <= error.keys()
    shown = f"{error['message']} {error['hint']}"
    assert [words for words in says if words not in shown] == [], error
    assert kind is None or error["kind"] == kind
    assert place is None or error["place"] == place
    return error


def contact(email: str, status: str = "subscribed", **more: Any) -> dict[str, Any]:
    """A contact to seed."""
    return {"email": email, "status": status, **more}


def mentions(call: Call, email: str, ref: str = "") -> bool:
    """Whether a call is about this person: by address, by its hash, or by the provider's id where that is unmistakable."""
    text = unquote(call.path) + call.body.decode("utf-8", "replace")
    known = [email, hashlib.md5(email.encode()).hexdigest(), *([ref] if call.provider == "klaviyo" and ref else [])]  # noqa: S324 - Mailchimp's name of a member
    return any(one in text for one in known)


def writes(calls: Sequence[Call]) -> list[Call]:
    """Those that could change something."""
    return [call for call in calls if not call.is_read]


def emptied(server: Server) -> Sandbox:
    """Empty accounts behind the server, at the first moment."""
    server.sandbox = Sandbox(NOW, speed=SPEED)
    world = server.sandbox.world
    world.base_url, world.archive_url = (f"http://{host}:{server.server_port}" for host in ("127.0.0.1", "localhost"))
    return server.sandbox


def furnished(folder: Path, server: Server) -> Lab:
    """A client with its shop and its secrets; the accounts are what the server's sandbox holds."""
    lab = Lab(folder, server)
    (folder / "secrets").mkdir(parents=True)
    for name, key in KEYS.items():
        (folder / "secrets" / name).write_text(key, "utf-8")
    lab.write()
    lab.stock()
    return lab


def twin(lab: Lab, sandbox: Sandbox, moment: datetime, folder: Path) -> Lab:
    """A client in the state of another, its accounts in the state of `sandbox` at a moment; the original stays as it is."""
    shutil.copytree(lab.folder, folder, dirs_exist_ok=True)
    world = World(moment, speed=SPEED)
    world.base_url, world.archive_url = sandbox.world.base_url, sandbox.world.archive_url
    lab.server.sandbox = Sandbox(world=world)
    lab.server.sandbox.providers = copied(sandbox.providers, sandbox.world, world)
    return Lab(folder, lab.server, copy.deepcopy(lab.shop))


@contextmanager
def laboratory(folder: Path) -> Iterator[Lab]:
    """A client beside empty accounts on a socket of its own."""
    with serving(Sandbox(NOW, speed=SPEED)) as server:
        yield furnished(folder, server)
