"""The whole life of codes as a machine that may be driven anywhere, crashes included, beside a model in plain Python."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pyarrow as pa
from code_model import PATHS, Held, Model, Offer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from plan_lab import NOW, Crash, Frail, Fuse, Lab, Person, fragile, table

from connectors.types import ValueKind
from engine.errors import DataError
from engine.ledger import Ledger
from engine.offers import CODES, Policy, Renewal, clear, confirm, decide, export, owned, settle
from engine.plan.destination import MergeTag
from engine.push.issuing import Minter, issue_codes
from engine.push.push import push
from engine.push.trip import Carrier

WHO = ("c0", "c1", "c2", "c3")
OFFERS = (
    Offer("thanks", "loyal", timedelta(days=5), timedelta(days=10), timedelta(days=2)),
    Offer("gift", "fresh", timedelta(days=8), None),
)
TAGS = (
    MergeTag(name="code", offer="thanks"),
    MergeTag(name="until", offer="thanks", field="expires", kind=ValueKind.DATE),
    MergeTag(name="gift", offer="gift"),
)
_CASES = (str.upper, str.lower, str.title)


class FrailPath(type(Path())):  # type: ignore[misc]  # the class of paths of this system
    """A file beside which the process may die before and after it gets its name."""

    fuse = Fuse()

    def replace(self, target: object) -> object:
        self.fuse.tick()
        moved = super().replace(target)
        self.fuse.tick()
        return moved


def policy(offer: Offer, now: datetime) -> Policy:
    return Policy(
        name=offer.name, segment=offer.segment, prefix="", value="5 EUR", minimum=None, percent=None, amount=Decimal(5),
        valid_until=now + offer.valid, cooled_since=None if offer.cooldown is None else now - offer.cooldown,
        renewal=Renewal(ends_by=now + offer.renew, times=1) if offer.renew else None,
    )  # fmt: skip


class Dice:
    """Random bytes that are the same in every run, and every third time those of an earlier throw: codes that somebody has."""

    def __init__(self) -> None:
        self.random = Random(1)  # noqa: S311 - the same codes in every run
        self.thrown: list[bytes] = []

    def __call__(self, count: int) -> bytes:
        known = [one for one in self.thrown if len(one) >= count]
        if known and self.random.randrange(3) == 0:
            return self.random.choice(known)[:count]
        self.thrown.append(self.random.randbytes(count))
        return self.thrown[-1]


class CodeMachine(RuleBasedStateMachine):
    """A shop of four people and two offers; whatever happens, in any order, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.lab = Lab(tags=TAGS)
        self.folder = Path(tempfile.mkdtemp())
        self.dice = Dice()
        self.files: list[list[dict[str, str]]] = []  # every file that the shop was ever given

    @initialize(most=st.sampled_from([None, 1]), without=st.sampled_from([None, "loyal", "fresh"]))
    def open(self, most: int | None, without: str | None) -> None:
        inside = {"loyal", "fresh"} - {without}
        self.model = Model(offers=OFFERS, most=most, now=NOW, segments={one: set(inside) for one in WHO})
        self.turn(None, again=False)

    # what happens outside

    @rule(hours=st.sampled_from([1, 30, 72, 200]))
    def wait(self, hours: int) -> None:
        self.model.now += timedelta(hours=hours)

    @precondition(lambda self: any(one.is_live for one in self.model.codes.values()))
    @rule(data=st.data(), before=st.booleans())
    def wait_for_an_end(self, data: st.DataObject, before: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        ends = sorted({one.expires for one in self.model.codes.values() if one.expires > self.model.now})
        if ends:
            end = data.draw(st.sampled_from(ends))
            self.model.now = end - timedelta(microseconds=1) if before else end

    @rule(who=st.sampled_from(WHO), segment=st.sampled_from(["loyal", "fresh"]))
    def join_or_leave(self, who: str, segment: str) -> None:
        self.model.segments[who] ^= {segment}

    @rule(one=st.sampled_from(WHO), other=st.sampled_from(WHO))
    def turn_out_to_be_one(self, one: str, other: str) -> None:
        first, second = sorted((self.model.person(one), self.model.person(other)))
        if first != second:
            self.model.alias = {who: first if whose == second else whose for who, whose in self.model.alias.items()}
            self.model.alias[second] = first

    @precondition(lambda self: self.model.codes)
    @rule(data=st.data(), buyer=st.sampled_from(WHO), case=st.sampled_from(_CASES), late=st.integers(0, 40))
    def order(self, data: st.DataObject, buyer: str, case: object, late: int) -> None:
        code = data.draw(st.sampled_from(sorted(self.model.codes)))
        number = len(self.model.orders)
        when = self.model.now - timedelta(hours=late)
        self.model.orders.append((when, f"o{number}", case(code), buyer))  # type: ignore[operator]  # one of _CASES

    @precondition(lambda self: self.files)
    @rule(data=st.data(), case=st.sampled_from(_CASES), dated=st.booleans(), at=st.none() | st.integers(1, 5))
    def confirm(self, data: st.DataObject, case: object, dated: bool, at: int | None) -> None:  # noqa: FBT001 - drawn by Hypothesis
        file = data.draw(st.sampled_from(self.files))
        rows = data.draw(st.lists(st.sampled_from(file), max_size=6))
        lines = [(case(row["code"]), row["expires_at"] if dated else "") for row in rows]  # type: ignore[operator]  # one of _CASES
        lines += data.draw(st.lists(st.just(("SUMMER", "")), max_size=2))
        path = self.folder / "back.csv"
        with path.open("w", encoding="utf-8", newline="") as sink:
            csv.writer(sink).writerows([("code", "expires_at"), *lines])
        if at is not None:
            with suppress(Crash, DataError):
                confirm(self.frail(Fuse(at=at)), path, now=self.model.now)
        if lines and not rows:
            with suppress(DataError):
                confirm(self.lab.ledger, path, now=self.model.now)
                raise AssertionError("a file without a code of ours confirms nothing, and says so")
        else:
            confirm(self.lab.ledger, path, now=self.model.now)
        self.model.confirm(lines)
        self.agree()

    @precondition(lambda self: self.files)
    @rule()
    def confirm_the_newest_file_and_go_on(self) -> None:
        path = self.folder / "all.csv"
        with path.open("w", encoding="utf-8", newline="") as sink:
            writer = csv.DictWriter(sink, list(self.files[-1][0]))
            writer.writeheader()
            writer.writerows(self.files[-1])
        confirm(self.lab.ledger, path, now=self.model.now)
        self.model.confirm([(row["code"], row["expires_at"]) for row in self.files[-1]])
        self.agree()
        self.turn(None, again=False)

    # what we do

    @rule(at=st.none() | st.integers(1, 60), again=st.booleans())
    def turn(self, at: int | None, again: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        """A run; where it dies at the given boundary, it is run again, or is left as it is until another one."""
        was = {code: one.state for code, one in self.model.codes.items()}
        self.model.settle()
        expected = self.model.issues()
        before = set(self.model.codes)
        if at is not None:
            with suppress(Crash):
                self.run(self.frail(fuse := Fuse(at=at)), fuse)
            self.sound()
            self.onward(was)  # it may have died before it wrote down what is over
            if not again:
                self.resume(expected)
                return
            self.run(self.lab.ledger, Fuse())  # what was on its way is looked up; what it left is in the next plan
        self.run(self.lab.ledger, Fuse())
        self.model.renew()
        self.model.push()
        self.learn(expected, before)
        self.model.export()
        self.swept()
        self.agree()
        version, writes = self.lab.ledger.version(), self.lab.writes()
        self.run(self.lab.ledger, Fuse())
        assert (self.lab.ledger.version(), self.lab.writes()) == (version, writes), "a second run has nothing to do"
        self.agree()

    def frail(self, fuse: Fuse) -> Ledger:
        return Ledger(fragile(self.lab.database, fuse), "client")

    def run(self, ledger: Ledger, fuse: Fuse) -> None:
        """What `run` does, stage by stage."""
        model, now = self.model, self.model.now
        aliases = pa.table(
            {
                "customer_id": pa.array(list(model.alias), pa.string()),
                "canonical": pa.array(list(model.alias.values()), pa.string()),
            }
        )
        settle(ledger, self.used(), now=now, aliases=aliases)
        who = [Person(one, frozenset(model.segments[one])) for one in model.people()]
        wide = table(who, ["loyal", "fresh"])
        policies = [policy(offer, now) for offer in OFFERS]
        codes = owned(ledger.codes.table(columns=CODES), aliases)
        decision = decide(policies, wide, codes, now=now, live_offers=model.most)
        self.lab.now, kept, self.lab.ledger = now, self.lab.ledger, ledger
        try:
            made = self.lab.plan(who, issues=decision, aliases=aliases)
        finally:
            self.lab.ledger = kept
        minter = Minter(ledger=ledger, policies=policies, people=wide, now=now, aliases=aliases, draw=self.dice)
        issue_codes(made, minter)
        carrier = Carrier(self.lab.destination, Frail(self.lab.connector(), fuse))  # type: ignore[arg-type]  # carries as one
        push(made, [carrier], ledger, wide, clock=self.lab.clock, now=now)
        clear(ledger, now=now)
        path = FrailPath(self.folder / "codes.csv")
        FrailPath.fuse = fuse
        if ledger.codes.unexported():
            try:
                export(ledger, path, now=now)
            finally:
                self.take_file()

    def take_file(self) -> None:
        """The shop takes whatever file is there, even one of which we do not know that it is."""
        path = self.folder / "codes.csv"
        if path.exists():
            with path.open(encoding="utf-8", newline="") as source:
                rows = list(csv.DictReader(source))
            if rows and rows not in self.files:
                self.files.append(rows)

    def used(self) -> pa.Table:
        rows = [(code, key, when, who) for when, key, code, who in self.model.orders]
        columns = list(zip(*rows, strict=True)) if rows else [()] * 4
        kinds = [pa.string(), pa.string(), pa.timestamp("us", "UTC"), pa.string()]
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        return pa.table(arrays, names=["coupon", "order_id", "ordered_at", "customer_id"])

    # what must hold

    def rows(self) -> dict[str, dict[str, object]]:
        return {row["code"]: row for row in self.lab.ledger.codes.table().to_pylist()}

    def there(self) -> set[str]:
        """Every text that stands at the provider."""
        return {str(text) for _, fields, _ in self.lab.there().values() for text in fields.values()}

    def learn(self, expected: list[tuple[str, str]], before: set[str]) -> None:
        """The texts of the codes that were minted: exactly the expected ones."""
        new = {code: row for code, row in self.rows().items() if code not in before}
        assert sorted((row["offer"], row["customer_id"]) for row in new.values()) == expected
        self.take(new)

    def take(self, new: dict[str, dict[str, object]]) -> None:
        for code, row in new.items():
            offer = next(one for one in OFFERS if one.name == row["offer"])
            assert row["expires_at"] == self.model.now + offer.valid
            self.model.codes[code] = Held(
                code, str(row["code_id"]), offer.name, str(row["customer_id"]), self.model.now, self.model.now + offer.valid
            )  # fmt: skip

    def resume(self, expected: list[tuple[str, str]]) -> None:
        """What the crash left: only what this run could do, and the model goes on from there."""
        rows = self.rows()
        new = {code: row for code, row in rows.items() if code not in self.model.codes}
        assert sorted((row["offer"], row["customer_id"]) for row in new.values()) in ([], expected), "all or none"
        self.take(new)
        for code, held in self.model.codes.items():
            row = rows[code]
            held.pushed, held.used = row["pushed_at"] is not None, row["redeemed_at"] is not None
            held.state, held.pending = str(row["state"]), row["renewed_to"]  # type: ignore[assignment]  # an instant

    def swept(self) -> None:
        """Ended codes that stand nowhere any more are cleared."""
        for held in self.model.codes.values():
            if held.state in {"redeemed", "expired"} and held.code not in self.there():
                held.move("cleared")

    def agree(self) -> None:
        """The ledger says of every code what the model says."""
        rows = self.rows()
        assert rows.keys() == self.model.codes.keys()
        found = {code: (row["state"], row["expires_at"], row["renewals"]) for code, row in rows.items()}
        assert found == {code: (one.state, one.expires, one.renewals) for code, one in self.model.codes.items()}
        live = {code: row["renewed_to"] for code, row in rows.items() if self.model.codes[code].is_live}
        assert live == {code: one.pending for code, one in self.model.codes.items() if one.is_live}

    @invariant()
    def sound(self) -> None:
        """No code stands at a provider that the shop has not confirmed; none is said to be cleared that stands there."""
        rows, there = self.rows(), self.there()
        for code, row in rows.items():
            assert code not in there or row["confirmed_at"] is not None
            assert row["state"] != "cleared" or code not in there

    @invariant()
    def never_back(self) -> None:
        """Every code is where the model has it, or further on."""
        self.onward({code: one.state for code, one in self.model.codes.items()})

    def onward(self, states: Mapping[str, str]) -> None:
        rows = self.rows()
        for code, state in states.items():
            assert rows[code]["state"] in reachable(state)

    @invariant()
    def exported_before_confirmed(self) -> None:
        """Only what stood in a file can be confirmed."""
        told = {row["code"] for file in self.files for row in file}
        assert {code for code, row in self.rows().items() if row["confirmed_at"] is not None} <= told

    def teardown(self) -> None:
        self.lab.close()
        shutil.rmtree(self.folder)


def reachable(state: str) -> set[str]:
    """A state and all that may follow."""
    return {state}.union(*(reachable(then) for then in PATHS[state]))


def test_whatever_happens_in_whatever_order_codes_are_where_the_model_says() -> None:
    calm = [HealthCheck.too_slow]  # each step is a whole run, and the machine may be busy
    often = settings(max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=calm)
    run_state_machine_as_test(CodeMachine, settings=often)
