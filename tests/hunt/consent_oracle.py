"""Seeded stories of a client with two accounts, in which nobody's consent may rise by what the engine does.

A round is a shop, two accounts at emulated providers in a drawn reading, people in every state, and several runs of the
engine with faults and deaths between and within them. After every call and every wait each contact is compared with
what it was: only what a person did may have raised anybody. `consent.py` plays as many rounds as one asks for.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from consent_accounts import PROVIDERS, READINGS, STATES, Account, World
from consent_reference import Act, Event, Person, Row, persons
from consent_shop import SEGMENTS, Customer, Opener
from dying import Crash, Fuse

from connectors.errors import ConnectorError
from connectors.types import EventKind, ValueKind
from engine.client.inputs import neutral_suppressions
from engine.engagement import Patience, pull
from engine.engagement.parts import Parts
from engine.errors import EngineError
from engine.ledger import Ledger
from engine.ledger.store import Store, connect
from engine.plan.destination import Destination, MergeTag
from engine.plan.plan import plan
from engine.push.push import push
from engine.push.trip import Carrier, Limits
from engine.shop import Overlays

__all__ = ["Found", "Story", "play"]

PEOPLE = 7
ACTS = frozenset({"unsubscribed", "complaint", "other"})
GONE = frozenset({"unsubscribed", "complained"})  # what a complete read must bring
CREATING = frozenset({"klaviyo", "brevo"})  # providers without a bulk route that cannot create: a known hole
TAGS = (MergeTag(name="first_name", trait="first_name", kind=ValueKind.TEXT),)


class Found(AssertionError):
    """The engine did what it must never do; the message is the round's whole log."""


class _FragileStore(Store):
    """A store that dies with its process."""

    fuse: Fuse

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        self.fuse.tick()
        with super().write() as connection:
            yield connection
        self.fuse.tick()


@dataclass
class Story:
    """One round."""

    seed: int
    opener: Opener
    folder: Path
    dice: random.Random = field(init=False)
    customers: dict[str, Customer] = field(default_factory=dict)
    may: Mapping[str, Person] = field(default_factory=dict)  # by address, as of the run that goes on
    is_tidy: bool = True  # nothing went wrong in the run that goes on
    deleted: dict[tuple[str, str], bool] = field(default_factory=dict)  # by hand, whom the ledger had acknowledged
    rejoined: set[tuple[str, str]] = field(default_factory=set)  # by the provider's own form, which no read tells
    before: dict[str, dict[str, tuple[str, bool]]] = field(default_factory=dict)
    asked: set[tuple[str, str]] = field(default_factory=set)  # whom earlier runs asked to create, when they might be
    on_the_way: dict[tuple[str, str], int] = field(
        default_factory=dict
    )  # deleted when a job was about them: lines then
    begun: int = 0  # lines of the log before the run that goes on
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - a seeded story
        names = tuple(self.dice.sample(PROVIDERS, 2))
        readings = {name: self._reading(name) for name in names}
        options = {f"{name}.{key}": word for name, told in readings.items() for key, word in told.items()}
        self.world = World(names, options)
        self.accounts = [
            Account(f"d{place}", name, self.world, readings=readings[name]) for place, name in enumerate(names)
        ]
        self.database = connect("sqlite://")
        self.ledger = Ledger(self.database, "client")
        self.parts = Parts(self.folder)
        self.world.watchers.append(self._compare)
        self.world.note("round", f"{self.seed}: {names}, {options}")

    def _reading(self, name: str) -> dict[str, str]:
        if self.dice.random() < 0.4:
            return {}
        return {key: self.dice.choice(words) for key, words in READINGS[name].items() if self.dice.random() < 0.4}

    # the round

    def play(self) -> None:
        """People begin, runs and people alternate, and at the end everything is quiet."""
        self._begin()
        for _ in range(self.dice.randrange(1, 4)):
            self.run(is_quiet=self.dice.random() < 0.4)
            self._judge()
            for _ in range(self.dice.randrange(1, 5)):
                self.dice.choice(_HAPPENINGS)(self)
            self.world.pass_time(minutes=self.dice.choice((1, 30, 600, 3000)))
            self._judge()
        for _ in range(2):
            self.world.pass_time(hours=2)
            self.run(is_quiet=True)
        self._judge()
        self._all_told()
        self._judge()

    def _judge(self) -> None:
        if self.wrong:
            raise Found(self.told())

    def told(self) -> str:
        """The wire log, and what is wrong with it."""
        return "\n".join([*map(str, self.world.lines), *(f"WRONG: {one}" for one in self.wrong)])

    def _begin(self) -> None:
        for number in range(PEOPLE):
            if self.dice.random() < 0.8:
                self.customers[f"c{number}"] = self._customer(f"c{number}", f"p{number}@example.com")
            for account in self.accounts:
                if self.dice.random() < 0.4:
                    self._put(account, f"p{number}@example.com", self.dice.choice(STATES[account.provider]))
        self.world.note("people", "as they are when we come")

    def _customer(self, key: str, email: str) -> Customer:
        state = self.dice.choice(("subscribed",) * 4 + ("unsubscribed", "pending", "never"))
        ago = self.dice.choice((None, 3000, 300, 3))
        at = None if ago is None else self.world.now() - timedelta(hours=ago)
        basis = self.dice.choice(("consent",) * 3 + (None, "existing_customer"))
        row = Row(id=key, email=email, state=state, at=at, basis=basis)
        return Customer(row, frozenset(name for name in SEGMENTS if self.dice.random() < 0.7))

    # what the engine does

    def run(self, *, is_quiet: bool) -> None:
        """One run of the client: pull, open the shop, plan, push; it may meet trouble, and may die."""
        self.world.sandbox.faults.clear()
        for account in self.accounts:
            account.wire.trouble = []
        self.world.fuse = Fuse()
        self.is_tidy = is_quiet
        if not is_quiet:
            self._trouble()
        fragile = _FragileStore(self.database.engine, is_readonly=False, is_shared=True)
        fragile.fuse = self.world.fuse
        for account in self.accounts:
            account.connector = account.opened()
        self.world.note("run", f"begins{'' if is_quiet else ' in trouble'}, dies at {self.world.fuse.at}")
        try:
            self._run(Ledger(fragile, "client"))
        except Crash:
            self.world.note("run", "dies")
            self.is_tidy = False
        except EngineError as error:
            self.world.note("run", f"{type(error).__name__}: {error}")
            self.is_tidy = False
        finally:
            self.world.fuse = Fuse()

    def _trouble(self) -> None:
        if self.dice.random() < 0.5:
            self.world.fuse.at = self.dice.randrange(1, 90)
        for account in self.accounts:
            for _ in range(self.dice.choice((0, 0, 1, 1, 2))):
                self.world.note(account.name, f"trouble: {account.upset(self.dice)}")
        if self.dice.random() < 0.2:
            self.world.sandbox.faults.ask_mix(0.1, seed=self.seed)
            self.world.note("trouble", "a mix")

    def _run(self, ledger: Ledger) -> None:
        now = self.world.now()
        if self.dice.random() < 0.1:
            now -= timedelta(hours=self.dice.choice((1, 30)))  # a clock that went back
            self.world.note("run", f"its now is {now:%m-%d %H:%M}")
        going = [account for account in self.accounts if self._pulled(account, ledger, now)]
        people = self._opened(ledger, now)
        destinations = {account.name: self._destination(account) for account in going}
        surveyed = {}
        for account in list(going):
            try:
                surveyed[account.name] = account.connector.check().id
            except ConnectorError as error:
                self.world.note(account.name, f"{type(error).__name__}: {error}")
                self.is_tidy = False
                going.remove(account)
        made = plan(
            [destinations[account.name] for account in going],
            people,
            ledger,
            now=now,
            config_hash="h",
            accounts=surveyed,
        )
        stop = (
            None
            if self.is_tidy or self.dice.random() < 0.8
            else self.world.clock.monotonic() + self.dice.choice((0, 1))
        )
        for account in going:
            is_guarded = not self.is_tidy and self.dice.random() < 0.1
            carrier = Carrier(destinations[account.name], account.connector, is_consent_only=is_guarded)
            limits = Limits(until=stop, job_deadline=self.dice.choice((60.0, 1800.0)))
            result = push(made, [carrier], ledger, people, clock=self.world.clock, now=now, limits=limits)[0]
            if (
                result.error is not None
                or result.stopped is not None
                or result.pending
                or is_guarded
                or result.rejected
            ):
                self.is_tidy = False
            self.world.note(account.name, f"pushed: {dict(result.document())}")

    def _pulled(self, account: Account, ledger: Ledger, now: datetime) -> bool:
        patience = Patience(self.world.clock, 120.0)
        is_whole = self.dice.random() < 0.5
        try:
            found = pull(
                account.name, account.connector, ledger, self.parts, now=now, patience=patience, engagement=is_whole
            )
        except ConnectorError as error:
            self.world.note(account.name, f"{type(error).__name__}: {error}")
            self.is_tidy = False
            return False
        self.world.note(account.name, f"pulled: {found}")
        return found.error is None

    def _opened(self, ledger: Ledger, now: datetime) -> pa.Table:
        """The shop as the engine opens it, which must be what plain rules say."""
        shop = [self.customers[key] for key in sorted(self.customers)]
        acts = [_act(row) for row in ledger.suppressions.table().to_pylist()]
        events = [event for path in self.parts.paths() for event in _events(path)]
        known = persons([one.row for one in shop], acts, events, now=now)
        self.asked |= {
            (account.name, change.address)
            for account in self.accounts
            for change in ledger.sending.of(account.name)
            if change.kind == "AddContact" and self._might(change.address)
        }
        self.begun = len(self.world.lines)
        self.may = {person.email: person for person in known.values() if person.email is not None}
        if self.dice.random() < 0.8:  # what plain rules say is as good, and costs nothing
            return self.opener.told(shop, known)
        suppressions = neutral_suppressions(ledger.suppressions.table())
        people = self.opener.open(shop, Overlays(suppressions=suppressions, email_events=self.parts.paths()), now)
        found = {row["customer_id"]: row for row in people.to_pylist()}
        for key, person in known.items():
            row = found[key]
            told = (row["consent_email"], row["reachable_email"])
            if told != (person.state, person.is_reachable()):
                self.wrong.append(f"{key}: the engine says {told}, plain rules {person}")
        return people

    def _destination(self, account: Account) -> Destination:
        return Destination(
            name=account.name, connector=account.provider, spec=account.connector.spec, segments=SEGMENTS,
            merge_tags=TAGS, prefix="c",
        )  # fmt: skip

    # what must hold

    def _compare(self) -> tuple[str, ...]:
        """What changed since the last look; people's own doing is looked at by `_put`, all the rest is ours."""
        changed = []
        for account in self.accounts:
            now, before = account.truth(), self.before.get(account.name, {})
            for email in sorted(now.keys() | before.keys()):
                was, is_ = before.get(email), now.get(email)
                if was == is_:
                    continue
                changed.append(f"{account.name} {account.provider} {email}: {was} → {is_}")
                why = self._forbidden(account, email, was, is_)
                if why is not None:
                    self.wrong.append(f"{account.name} {account.provider} {email}: {was} → {is_}: {why}")
            self.before[account.name] = now
        return tuple(changed)

    def _forbidden(
        self, account: Account, email: str, was: tuple[str, bool] | None, is_: tuple[str, bool] | None
    ) -> str | None:
        """Why this may not be the engine's doing; None where it may."""
        if is_ is None:
            return None
        if is_[0] == "pending" and (was is None or was[0] != "pending"):
            return "an opt-in mail was sent"
        return self._risen(was, is_) if was is not None else self._made(account, email, is_)

    @staticmethod
    def _risen(was: tuple[str, bool], is_: tuple[str, bool]) -> str | None:
        if is_[1] and not was[1]:
            return "consent rose"
        is_up = is_[0] == "subscribed" != was[0] and was[0] not in {"never", "transactional"}
        return "the status rose" if is_up else None

    def _might(self, email: str) -> bool:
        person = self.may.get(email)
        return person is not None and person.is_reachable()

    def _made(self, account: Account, email: str, is_: tuple[str, bool]) -> str | None:
        if is_[1] and not self._might(email) and not self._is_late(account, email):
            return f"was created as someone to be mailed: {self.may.get(email)}"
        is_back = self.deleted.get((account.name, email)) and account.provider not in CREATING
        then = self.on_the_way.get((account.name, email))
        is_late = then is not None and not self._is_sent(account, email, then)
        return "came back after they were deleted there" if is_back and not is_late else None

    def _is_late(self, account: Account, email: str) -> bool:
        """A job that was accepted while the person might be written to ends after they left, and this run sent nothing of it."""
        return (account.name, email) in self.asked and not self._is_sent(account, email, self.begun)

    def _is_sent(self, account: Account, email: str, since: int) -> bool:
        lines = map(str, self.world.lines[since:])
        return any(email in line and account.name in line and "POST" in line for line in lines)

    def _put(self, account: Account, email: str, status: str) -> None:
        """Somebody's own doing: nothing of it counts as ours."""
        account.put(email, status)
        self.before.setdefault(account.name, {}).update({email: account.truth()[email]})

    def _all_told(self) -> None:
        """After quiet runs everyone who has left is mailed nowhere where we have them, and every departure was read."""
        if not self.is_tidy:
            return
        left = {email for email, person in self.may.items() if person.state == "unsubscribed"}
        for account in self.accounts:
            contacts = self.ledger.contacts.table(account.name).to_pylist()
            ours = {row["address"] for row in contacts if row["state"] != "left"}
            known = set(self.ledger.suppressions.table(account.name)["address"].to_pylist())
            for email, (status, is_mailed) in account.truth().items():
                if is_mailed and email in left & ours and (account.name, email) not in self.rejoined:
                    self.wrong.append(f"{account.name} {account.provider} {email}: has left, and is still mailed")
                is_hidden = account.readings.get("unsubscribe_moves_modified") == "no"
                if status in GONE and email not in known and not is_hidden:
                    self.wrong.append(f"{account.name} {account.provider} {email}: is {status}, which was never read")

    # what people do

    def anyone(self) -> str:
        return f"p{self.dice.randrange(PEOPLE)}@example.com"

    def note(self, what: str) -> None:
        self.world.note("people", what)

    def shop(self, **more: Any) -> None:
        """A row of the shop changes."""
        if self.customers:
            key = self.dice.choice(sorted(self.customers))
            one = self.customers[key]
            self.customers[key] = replace(one, row=replace(one.row, **more))
            self.note(f"shop: {self.customers[key].row}")


def _leaves(story: Story) -> None:
    account, email = story.dice.choice(story.accounts), story.anyone()
    kind = story.dice.choice((EventKind.UNSUBSCRIBE, EventKind.COMPLAINT, EventKind.BOUNCE))
    status = {EventKind.UNSUBSCRIBE: "unsubscribed", EventKind.COMPLAINT: "complained", EventKind.BOUNCE: "cleaned"}[
        kind
    ]
    story.note(f"{account.name} {email}: {kind}")
    if story.dice.random() < 0.5 and account.act(email, kind):
        story.note("by a mail")
    elif email in account.truth() and status in STATES[account.provider]:
        story._put(account, email, status)


def _comes_back_there(story: Story) -> None:
    account, email = story.dice.choice(story.accounts), story.anyone()
    if story.dice.random() < 0.5 and account.truth().get(email, ("", True))[0] != "complained":
        story.note(f"{account.name} {email}: subscribes by the provider's own form")
        story._put(account, email, "subscribed")
        story.rejoined.add((account.name, email))


def _is_deleted_there(story: Story) -> None:
    account, email = story.dice.choice(story.accounts), story.anyone()
    contact = story.ledger.contacts.of(account.name, [email]).get(email)
    story.note(f"{account.name} {email}: deleted by hand")
    if any(change.address == email for change in story.ledger.sending.of(account.name)):
        story.on_the_way[account.name, email] = len(story.world.lines)  # what was accepted is carried out
    if email in account.truth() and account.delete(email):
        story.deleted[account.name, email] = contact is not None
        story.note("gone")


def _is_archived_there(story: Story) -> None:
    account, email = story.dice.choice(story.accounts), story.anyone()
    if "archived" in STATES[account.provider] and email in account.truth():
        story.note(f"{account.name} {email}: archived by hand")
        story._put(account, email, "archived")


def _agrees_in_the_shop(story: Story) -> None:
    at = story.dice.choice(
        (None, story.world.now(), story.world.now() - timedelta(days=1), story.world.now() + timedelta(days=9))
    )
    story.shop(state="subscribed", at=at, basis="consent")


def _refuses_in_the_shop(story: Story) -> None:
    state = story.dice.choice(("unsubscribed", "never", "pending"))
    story.shop(state=state, at=story.dice.choice((None, story.world.now())))


def _moves(story: Story) -> None:
    story.shop(email=story.dice.choice((None, story.anyone(), story.anyone(), "new@example.com")))


def _joins(story: Story) -> None:
    key = f"c{story.dice.randrange(PEOPLE + 3)}"
    story.customers[key] = story._customer(key, story.anyone())
    story.note(f"shop: {story.customers[key]}")


def _goes(story: Story) -> None:
    if story.customers and story.dice.random() < 0.5:
        key = story.dice.choice(sorted(story.customers))
        story.note(f"shop: without {story.customers.pop(key).row}")


def _changes(story: Story) -> None:
    if story.customers:
        key = story.dice.choice(sorted(story.customers))
        segments = frozenset(name for name in SEGMENTS if story.dice.random() < 0.5)
        name = story.dice.choice(("Anna", "Zoë"))
        story.customers[key] = replace(story.customers[key], segments=segments, name=name)
        story.note(f"shop: {key} is in {sorted(segments)}, called {name}")


_HAPPENINGS = (
    _leaves, _leaves, _leaves, _comes_back_there, _is_deleted_there, _is_archived_there, _agrees_in_the_shop,
    _agrees_in_the_shop, _refuses_in_the_shop, _moves, _joins, _goes, _changes, _changes,
)  # fmt: skip


def _act(row: Mapping[str, Any]) -> Act:
    return Act(
        email=row["address"], left=row["left"], destination=row["destination"], id=row["customer_id"], at=row["at"],
        first_seen=row["first_seen"],
    )  # fmt: skip


def _events(path: Path) -> Sequence[Event]:
    import pyarrow.parquet as pq

    return [
        Event(email=row["email"], kind=row["kind"], at=row["happened_at"].replace(tzinfo=_UTC), hard=bool(row["hard"]))
        for row in pq.read_table(path).to_pylist()
    ]


_UTC = datetime.fromisoformat("2027-01-01T00:00Z").tzinfo


def play(seed: int, opener: Opener) -> Story:
    """One round; its story, with its log. Raises Found."""
    folder = Path(tempfile.mkdtemp(prefix="consent-"))
    try:
        story = Story(seed, opener, folder)
        story.play()
        story.ledger.close()
        return story
    finally:
        shutil.rmtree(folder, ignore_errors=True)
