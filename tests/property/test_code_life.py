"""A code's life beside the machine that drives it: in either database, told line by line, late, by others, twice."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from homes import Home
from plan_lab import NOW, Lab, Person, people, table

from engine.errors import DataError
from engine.ledger import Ledger
from engine.ledger.codes import TRANSITIONS, Code, CodeState
from engine.ledger.store import LedgerError
from engine.offers import (
    CODES,
    BadLine,
    Decision,
    Policy,
    Renewal,
    Settled,
    clear,
    confirm,
    decide,
    export,
    mint,
    owned,
    redraw,
    settle,
)
from engine.offers.mint import ALPHABET, length_for
from engine.push.issuing import Issued, Minter, issue_codes

END = NOW + timedelta(days=30)
THANKS = Policy(
    name="thanks", segment="loyal", prefix="THX", value="5 EUR", minimum=None, percent=None, amount=Decimal(5),
    valid_until=END, cooled_since=NOW - timedelta(days=90), products="tea",
)  # fmt: skip
ALIASES = pa.table({"customer_id": ["c1"], "canonical": ["c0"]})


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    with home.open() as opened:
        yield opened


def code(number: int, customer: str, **more: object) -> Code:
    return replace(
        Code(
            code_id=str(number), offer="thanks", customer_id=customer, code=f"CODE{number}", issued_at=NOW + timedelta(hours=number),
            expires_at=END, value="5 EUR", cost=50_000,
        ),
        **more,
    )  # fmt: skip


def states(ledger: Ledger) -> dict[str, str]:
    found = ledger.codes.table(columns=("code", "state"))
    return dict(zip(found["code"].to_pylist(), found["state"].to_pylist(), strict=True))


def used(*rows: tuple[str, str, datetime, str | None]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 4
    kinds = [pa.string(), pa.string(), pa.timestamp("us", "UTC"), pa.string()]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, names=["coupon", "order_id", "ordered_at", "customer_id"])


# the table of transitions


def test_every_transition_happens_once_and_none_leads_back_to_a_usable_code() -> None:
    followers = {state: set(then) for state, then in TRANSITIONS.items()}
    reached = dict(followers)
    for _ in TRANSITIONS:
        reached = {state: then.union(*(reached[one] for one in then)) for state, then in reached.items()}
    assert all(state not in after for state, after in reached.items())
    assert not reached[CodeState.REDEEMED] & {CodeState.RESERVED, CodeState.CONFIRMED, CodeState.PUSHED}
    assert CodeState.PUSHED not in followers[CodeState.RESERVED] | followers[CodeState.EXPORTED], "the shop first"


@pytest.mark.parametrize("state", [state for state in CodeState if state is not CodeState.RESERVED])
def test_a_state_is_entered_from_those_of_the_table_and_from_no_other(ledger: Ledger, state: CodeState) -> None:
    paths = {
        "reserved": [], "exported": ["exported"], "confirmed": ["confirmed"], "pushed": ["confirmed", "pushed"],
        "redeemed": ["redeemed"], "expired": ["expired"], "cleared": ["expired", "cleared"],
    }  # fmt: skip
    ledger.codes.reserve([code(number, f"c{number}") for number in range(len(paths))])
    for number, path in enumerate(paths.values()):
        assert [ledger.codes.advance([f"code{number}"], CodeState(one), at=NOW) for one in path] == [1] * len(path)
    assert list(states(ledger).values()) == list(paths)
    moved = {
        before for number, before in enumerate(paths) if ledger.codes.advance([f"code{number}"], state, at=NOW) == 1
    }
    assert moved == {before.value for before, then in TRANSITIONS.items() if state in then}


# what cannot be guessed


@pytest.mark.parametrize(("live", "length"), [(0, 8), (1, 8), (2, 9), (1_000, 10), (1_000_000, 12), (10**9, 14)])
def test_a_code_is_as_long_as_its_offer_is_large(live: int, length: int) -> None:
    assert length_for(live) == length
    assert live / len(ALPHABET) ** length < 1.6e-12


def test_a_text_that_somebody_has_is_drawn_anew_in_whatever_case(ledger: Ledger) -> None:
    class Repeating:
        """Throws the same bytes until it has been asked three times."""

        asked = 0

        def __call__(self, count: int) -> bytes:
            self.asked += 1
            return bytes([min(self.asked, 3)]) * count

    draw = Repeating()
    issues = pa.table(
        {
            "offer": ["thanks", "thanks"],
            "customer_id": ["c1", "c2"],
            "code_id": ["1", "2"],
            "cost": pa.array([Decimal(5)] * 2, pa.decimal128(18, 4)),
        }
    )
    taken = code(9, "c9", code=f"THX-{'1' * 9}".lower())
    ledger.codes.reserve([taken])
    minted = mint(
        issues,
        {"thanks": THANKS},
        {"thanks": 2},
        now=NOW,
        draw=lambda count: draw(count // 2) + b"\x02" * (count - count // 2),
    )
    assert ledger.codes.issue(minted, redraw=lambda rows: redraw(rows, draw)) == 2
    texts = list(states(ledger))
    assert len({text.upper() for text in texts}) == 3
    assert all(text == text.upper() for text in texts)
    with pytest.raises(LedgerError, match="never issued again"):
        ledger.codes.reserve([code(10, "c10", code=taken.code.upper())])


# the shop's file


def issued(ledger: Ledger, count: int = 3) -> None:
    ledger.codes.reserve([code(number, f"c{number}") for number in range(count)])


def test_each_line_that_confirms_nothing_is_told_by_number_and_why(ledger: Ledger, tmp_path: Path) -> None:
    issued(ledger)
    ledger.codes.advance(["code2"], CodeState.EXPIRED, at=NOW)
    path = tmp_path / "back.csv"
    path.write_text(" Code ;x\n code0 ;1\nCODE0;\n;2\n\nSUMMER;3\ncode2;4\ncode1\n", "utf-8-sig")
    found = confirm(ledger, path, now=NOW)
    assert (found.moved, found.known, found.unknown, found.repeated, found.empty, found.over) == (2, 0, 1, 1, 1, 1)
    assert list(found.lines) == [BadLine(3, "repeated"), BadLine(4, "empty"), BadLine(6, "unknown"), BadLine(7, "over")]
    assert confirm(ledger, path, now=NOW).known == 2


def test_a_file_of_another_client_confirms_nothing_and_says_so(ledger: Ledger, tmp_path: Path) -> None:
    issued(ledger)
    path = tmp_path / "back.csv"
    path.write_text("code\nOTHER1\nOTHER2\n", "utf-8")
    with pytest.raises(DataError, match="none of the 2 codes"):
        confirm(ledger, path, now=NOW)
    assert set(states(ledger).values()) == {"reserved"}


def test_a_file_whose_quotes_do_not_end_is_told_with_its_line(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "back.csv"
    path.write_text("code\n" + '"' + "x" * 200_000, "utf-8")
    with pytest.raises(DataError, match="not a CSV"):
        confirm(ledger, path, now=NOW)


# orders


def test_an_order_that_is_read_after_the_end_is_still_a_use(ledger: Ledger) -> None:
    issued(ledger)
    assert settle(ledger, used(), now=END) == Settled(expired=3)
    clear(ledger, now=END)
    ledger.codes.reserve([code(7, "c7", expires_at=END + timedelta(days=1))])
    orders = used(("code0", "o1", END - timedelta(hours=1), "c0"), ("CODE7", "o2", END, None))
    assert settle(ledger, orders, now=END).redeemed == 2
    rows = {row["code"]: row for row in ledger.codes.table().to_pylist()}
    assert (rows["CODE0"]["state"], rows["CODE0"]["order_id"]) == ("cleared", "o1"), "it is over, and was used"
    assert not settle(ledger, orders, now=END)


def test_a_code_ends_at_its_instant_and_not_before(ledger: Ledger) -> None:
    issued(ledger)
    assert settle(ledger, used(), now=END - timedelta(microseconds=1)) == Settled()
    assert settle(ledger, used(), now=END) == Settled(expired=3)


def test_a_use_by_somebody_else_or_before_it_was_sent_is_told(ledger: Ledger) -> None:
    issued(ledger)
    for state in (CodeState.CONFIRMED, CodeState.PUSHED):
        ledger.codes.advance(["code1", "code2"], state, at=NOW)
    orders = used(("code0", "o1", NOW, "c0"), ("code1", "o2", NOW, "c0"), ("code2", "o3", NOW, "c9"))
    assert settle(ledger, orders, now=NOW, aliases=ALIASES) == Settled(redeemed=3, unsent=1, by_another=1)
    tallies = ledger.codes.tallies()
    assert [(one.state.value, one.count, one.redeemed, one.by_another, one.cost) for one in tallies] == [
        ("redeemed", 3, 3, 1, 150_000)
    ]


# two customers who are one


def test_of_two_live_codes_of_one_person_the_one_in_their_hands_stays(ledger: Ledger) -> None:
    ledger.codes.reserve([code(0, "c0"), code(1, "c1"), code(2, "c2")])
    for state in (CodeState.CONFIRMED, CodeState.PUSHED):
        ledger.codes.advance(["code1"], state, at=NOW)
    assert settle(ledger, used(), now=NOW, aliases=ALIASES) == Settled(merged=1)
    assert states(ledger) == {"CODE0": "expired", "CODE1": "pushed", "CODE2": "reserved"}
    assert settle(ledger, used(), now=NOW, aliases=ALIASES) == Settled()


def test_of_two_codes_that_went_equally_far_the_older_stays_and_both_count_for_the_budget(ledger: Ledger) -> None:
    ledger.codes.reserve([code(1, "c0"), code(0, "c1")])
    settle(ledger, used(), now=NOW, aliases=ALIASES)
    assert states(ledger) == {"CODE0": "reserved", "CODE1": "expired"}
    wide = table([Person("c0", frozenset({"loyal"})), Person("c2", frozenset({"loyal"}))], ["loyal"])
    codes = owned(ledger.codes.table(columns=CODES), ALIASES)
    decision = decide([replace(THANKS, most_codes=2)], wide, codes, now=NOW)
    assert decision.standings[0].refused == {"has_code": 1, "budget_codes": 1}


def test_the_code_of_an_alias_is_pushed_to_the_person(ledger: Ledger) -> None:
    del ledger
    lab = Lab()
    lab.ledger.codes.reserve([code(1, "c1")])
    lab.ledger.codes.advance(["code1"], CodeState.CONFIRMED, at=NOW)
    who = people(1)
    lab.push(lab.plan(who, aliases=ALIASES), who)
    assert lab.there()["c0@shop.example"][1]["code"] == "CODE1"
    assert states(lab.ledger) == {"CODE1": "pushed"}
    lab.close()


# gone from everywhere


def test_only_a_confirmed_code_is_pushed_and_an_ended_one_is_cleared() -> None:
    lab = Lab()
    who = people(1)
    given = Code(code_id="1", offer="thanks", customer_id="c0", code="AAAA", issued_at=lab.now)
    lab.ledger.codes.reserve([given])
    lab.round(who)
    assert "code" not in lab.there()["c0@shop.example"][1]
    lab.ledger.codes.advance(["aaaa"], CodeState.CONFIRMED, at=lab.now)
    lab.round(who)
    assert lab.there()["c0@shop.example"][1]["code"] == "AAAA"
    assert lab.ledger.codes.counts() == {"thanks": {"pushed": 1}}
    lab.ledger.codes.redeem({"AAAA": ("o1", lab.now)})
    lab.round(who)
    assert "code" not in lab.there()["c0@shop.example"][1]
    assert clear(lab.ledger, now=lab.now) == 1
    assert lab.ledger.codes.counts() == {"thanks": {"cleared": 1}}
    lab.close()


def test_a_code_is_cleared_when_no_destination_holds_it_any_more() -> None:
    lab = Lab()
    other = Lab(name="other")
    other.ledger.close()
    other.ledger = lab.ledger
    who = people(1)
    lab.ledger.codes.reserve([code(0, "c0")])
    lab.ledger.codes.advance(["code0"], CodeState.CONFIRMED, at=NOW)
    for one in (lab, other):
        one.round(who)
        assert one.there()["c0@shop.example"][1]["code"] == "CODE0"
    lab.ledger.codes.expire(END)
    lab.now = other.now = END
    lab.round(who)
    assert (clear(lab.ledger, now=END), states(lab.ledger)) == (0, {"CODE0": "expired"}), "the other one has it still"
    other.round(who)
    assert (clear(lab.ledger, now=END), states(lab.ledger)) == (1, {"CODE0": "cleared"})
    lab.close()


def test_a_code_that_was_never_sent_is_cleared_with_its_end(ledger: Ledger) -> None:
    issued(ledger)
    ledger.codes.expire(END)
    assert clear(ledger, now=END) == 3
    assert clear(ledger, now=END) == 0


# minting what a plan says


class Issuing(Lab):
    """A plan that brings codes, pushed more than once."""

    def decision(self, who: list[Person], *, policy: Policy = THANKS) -> Decision:
        wide, codes = table(who, ["loyal", "fresh"]), self.ledger.codes.table(columns=CODES)
        return decide([policy], wide, codes, now=self.now)

    def issue(self, made: object, who: list[Person], *, policy: Policy = THANKS) -> Issued:
        wide = table(who, ["loyal", "fresh"])
        return issue_codes(made, Minter(ledger=self.ledger, policies=[policy], people=wide, now=self.now))  # type: ignore[arg-type]  # a plan


def test_a_reviewed_plan_mints_once_even_when_a_code_of_it_was_used_meanwhile() -> None:
    lab, who = Issuing(), people(2)
    made = lab.plan(who, issues=lab.decision(who))
    assert lab.issue(made, who) == Issued(minted=2)
    settle(lab.ledger, used((next(iter(states(lab.ledger))), "o1", NOW, None)), now=NOW)
    assert lab.issue(made, who) == Issued()
    assert len(lab.ledger.codes.minted(made.checksum)) == 2
    rows = lab.ledger.codes.table().to_pylist()
    assert {(row["products"], row["cost"]) for row in rows} == {("tea", 50_000)}
    lab.close()


def test_nobody_gets_a_code_whose_consent_fell_since_the_plan() -> None:
    lab, who = Issuing(), people(2)
    made = lab.plan(who, issues=lab.decision(who))
    assert lab.issue(made, [who[0], replace(who[1], consent="unsubscribed")]) == Issued(minted=1)
    assert lab.ledger.codes.table()["customer_id"].to_pylist() == ["c0"]
    lab.close()


def test_an_undone_push_takes_back_what_nobody_has_seen(ledger: Ledger) -> None:
    issued(ledger)
    for state in (CodeState.CONFIRMED, CodeState.PUSHED):
        ledger.codes.advance(["code0"], state, at=NOW)
    assert ledger.codes.withdraw(["0", "1", "2"], at=NOW) == 2
    assert states(ledger) == {"CODE0": "pushed", "CODE1": "expired", "CODE2": "expired"}


@pytest.mark.parametrize("fate", ["used", "over"])
def test_a_reviewed_plan_pushes_no_code_that_was_used_or_ended_since(fate: str) -> None:
    lab, who = Lab(), people(2)
    lab.ledger.codes.reserve([code(0, "c0"), code(1, "c1")])
    lab.ledger.codes.advance(["code0", "code1"], CodeState.CONFIRMED, at=NOW)
    made = lab.plan(who)
    if fate == "used":
        lab.ledger.codes.redeem({"CODE0": ("o1", NOW)})
    else:
        lab.ledger.codes.advance(["CODE0"], CodeState.EXPIRED, at=NOW)
    result = lab.push(made, who)
    assert result.withheld["over"] == 1
    assert [fields["code"] for _, fields, _ in lab.there().values()] == ["CODE1"]
    lab.round(who)
    assert lab.there().keys() == {"c0@shop.example", "c1@shop.example"}, "the next plan has them without it"
    lab.close()


# renewal

RENEWED = replace(THANKS, renewal=Renewal(ends_by=END, times=1), valid_until=END + timedelta(days=23))


def held(lab: Issuing, who: list[Person]) -> None:
    """Everybody has a code that ends soon."""
    lab.ledger.codes.reserve([code(number, one.id) for number, one in enumerate(who)])
    for state in (CodeState.CONFIRMED, CodeState.PUSHED):
        lab.ledger.codes.advance([f"code{number}" for number in range(len(who))], state, at=NOW)


def test_a_later_end_is_asked_of_the_shop_and_holds_once_the_shop_has_said_it(tmp_path: Path) -> None:
    lab, who = Issuing(), people(3)
    held(lab, who)
    lab.now = NOW + timedelta(days=23)
    means = [who[0], replace(who[1], segments=frozenset({"fresh"})), replace(who[2], consent="unsubscribed")]
    decision = lab.decision(means, policy=RENEWED)
    made = lab.plan(means, issues=decision)
    assert [(one.codes, one.renewed) for one in made.issues] == [(0, 1)]
    assert lab.issue(made, means, policy=RENEWED) == Issued(renewed=1)
    assert lab.issue(made, means, policy=RENEWED) == Issued(), "asked once"
    assert lab.ledger.codes.unexported() == 1
    path = tmp_path / "codes.csv"
    assert export(lab.ledger, path, now=lab.now) == 1
    [row] = csv.DictReader(path.read_text("utf-8").splitlines())
    assert (row["code"], row["expires_at"]) == ("CODE0", RENEWED.valid_until.isoformat())
    assert lab.ledger.codes.unexported() == 0
    ends = dict(zip(*(lab.ledger.codes.table()[name].to_pylist() for name in ("code", "expires_at")), strict=True))
    assert ends["CODE0"] == END, "the shop has not said it"
    undated = tmp_path / "undated.csv"
    undated.write_text("code\nCODE0\n", "utf-8")
    assert confirm(lab.ledger, undated, now=lab.now).undated == 1
    assert confirm(lab.ledger, path, now=lab.now).renewed == 1
    [held_now] = [one for one in lab.ledger.codes.table().to_pylist() if one["code"] == "CODE0"]
    assert (held_now["expires_at"], held_now["renewals"], held_now["state"]) == (RENEWED.valid_until, 1, "pushed")
    later = replace(
        RENEWED, renewal=Renewal(ends_by=END + timedelta(days=60), times=1), valid_until=END + timedelta(days=90)
    )
    assert lab.plan(means, issues=lab.decision(means, policy=later)).issues[0].renewed == 0, "once"
    lab.close()


def test_a_code_whose_later_end_the_shop_never_confirmed_ends_as_it_was_to() -> None:
    lab, who = Issuing(), people(1)
    held(lab, who)
    lab.ledger.codes.renew({"CODE0": END + timedelta(days=9)})
    assert settle(lab.ledger, used(), now=END) == Settled(expired=1)
    assert lab.ledger.codes.unexported() == 0
    lab.close()
