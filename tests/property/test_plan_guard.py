"""Plans that frighten are refused, by destination and with the flag; plans in files are what was reviewed."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from plan_lab import NOW, Lab, Person, people, replace

from connectors.memory import Memory
from connectors.spec import Names
from connectors.types import AddMember, ValueKind
from engine.errors import ConfigError, GuardRefused, StalePlan
from engine.ledger.runs import Run
from engine.offers import Decision
from engine.plan.destination import MergeTag, check, fit_name
from engine.plan.file import check_fresh, load, save
from engine.plan.guard import Permits, Refusal, guard, refuse
from engine.plan.plan import ShopFacts
from engine.plan.survey import survey

FREE = Permits(is_approved=True)


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


def refusals(lab: Lab, who: list[Person], permits: Permits = FREE, **more: object) -> list[Refusal]:
    seen = survey(lab.destination, lab.connector(), lab.ledger)
    return guard(lab.plan(who, **more), lab.ledger, {lab.name: seen}, permits)


def told(found: list[Refusal]) -> list[tuple[str, str | None, str]]:
    return [(one.kind, one.target, one.flag) for one in found]


def test_three_in_ten_may_leave_and_four_may_not(lab: Lab) -> None:
    who = people(10)
    lab.round(who)
    assert refusals(lab, who[3:]) == []
    found = refusals(lab, who[4:])
    assert told(found) == [("removals", "loyal", "--force news/loyal"), ("removals", "fresh", "--force news/fresh")]
    assert refusals(lab, who[4:], Permits(force=frozenset({"news"}))) == []
    assert told(refusals(lab, who[4:], Permits(force=frozenset({"news/loyal"})))) == [
        ("removals", "fresh", "--force news/fresh")
    ]


def test_a_target_is_not_emptied_unasked_however_small(lab: Lab) -> None:
    lab.round(people(2))
    assert {one.kind for one in refusals(lab, [])} == {"emptied"}


def test_a_small_target_may_lose_most_of_its_members(lab: Lab) -> None:
    lab.round(people(9))
    assert refusals(lab, people(1)) == []


def _ran(lab: Lab, *, rows: int) -> None:
    run = Run(command="run", started_at=NOW, now=NOW, config_hash="h", summary={})
    shop = {"rows": rows, "newest": NOW, "fingerprint": "f"}
    lab.ledger.runs.end(lab.ledger.runs.begin(run), summary={}, exit_code=0, shop=shop)


def test_a_shop_older_or_far_smaller_than_the_last_run_saw_is_refused(lab: Lab) -> None:
    lab.round(people(2))
    _ran(lab, rows=100)
    old = ShopFacts(newest=NOW - timedelta(days=1), rows=100)
    small = ShopFacts(newest=NOW, rows=49)
    assert told(refusals(lab, people(3), shop=old)) == [("older_shop", None, "--force news/guard.older_shop")]
    assert told(refusals(lab, people(3), shop=small)) == [("smaller_shop", None, "--force news/guard.smaller_shop")]
    assert refusals(lab, people(3), shop=ShopFacts(newest=NOW, rows=50)) == []
    assert refusals(lab, people(2), shop=old) == []


def test_a_list_that_is_gone_is_made_again_only_when_asked(lab: Lab) -> None:
    who = people(3)
    lab.round(who)
    ref = next(ref for ref, title in lab.store["lists"].items() if title == "c loyal")
    del lab.store["lists"][ref]
    lab.store["lists"]["another"] = "somebody's"
    for contact in lab.store["contacts"].values():
        contact["lists"] = [one for one in contact["lists"] if one != ref]
    assert told(refusals(lab, who)) == [("gone", "loyal", "--recreate news/loyal")]
    asked = frozenset({"news/loyal"})
    assert refusals(lab, who, Permits(recreate=asked, is_approved=True), recreate=asked) == []
    lab.push(lab.plan(who, recreate=asked), who, recreate=asked)
    assert all(lists == {"c loyal", "c fresh"} for _, _, lists in lab.there().values())
    assert lab.plan(who).is_empty
    assert refusals(lab, who) == []


def test_a_list_of_the_same_name_that_is_not_ours_is_not_taken_over(lab: Lab) -> None:
    lab.store["lists"]["theirs"] = "c loyal"
    assert [one.kind for one in refusals(lab, people(2))] == ["foreign"]
    assert isinstance(lab.round(people(2)).error, GuardRefused)
    assert lab.store["contacts"] == {}


def test_an_account_that_changed_is_refused(lab: Lab) -> None:
    lab.round(people(2))
    lab.ledger.accounts.record("news", "another", name="news", connector="memory")
    assert [one.kind for one in refusals(lab, people(3))] == ["account"]


def test_the_first_push_needs_an_approval(lab: Lab) -> None:
    plan = lab.plan(people(2))
    assert [one.kind for one in refusals(lab, people(2), Permits())] == ["unapproved"]
    lab.ledger.approvals.record(plan.checksum, ["news"], by="Ada", at=NOW)
    assert refusals(lab, people(2), Permits()) == []


def test_a_refusal_names_its_flags() -> None:
    refuse([])
    one = Refusal(
        destination="news", kind="removals", flag="--force news/loyal",
        facts={"leaves": 4, "before": 10, "title": "Loyal", "share": 0.3},
    )  # fmt: skip
    with pytest.raises(GuardRefused) as caught:
        refuse([one, replace(one, flag="--force news/fresh")])
    assert caught.value.hint == "--force news/loyal --force news/fresh"
    assert caught.value.place == "destinations.news"


def test_a_plan_survives_its_file_and_is_for_its_owner_only(lab: Lab, tmp_path: Path) -> None:
    lab.round(people(3))
    issues = pa.table({"offer": ["thanks"], "customer_id": ["c0"], "cost": [Decimal("5.0000")]})
    made = lab.plan([*people(2), Person("z", frozenset({"fresh"}))], issues=Decision(issues=issues))
    path = tmp_path / "plan.parquet"
    checksum = save(made, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    read = load(path, checksum=checksum)
    assert read.document() == made.document()
    assert read.rows.equals(made.rows)
    assert read.checksum == checksum
    assert read.issues[0].highest_cost == 5


def test_a_plan_that_was_touched_is_refused(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "plan.parquet"
    save(lab.plan(people(3)), path)
    with pytest.raises(StalePlan):
        load(path, checksum="0" * 64)
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(StalePlan):
        load(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(ConfigError):
        load(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(ConfigError):
        load(path)


def test_a_plan_goes_stale_with_config_account_age_and_ledger(lab: Lab) -> None:
    plan = lab.plan(people(2))
    good = {"now": NOW, "config_hash": "h", "accounts": {"news": "memory"}}
    check_fresh(plan, lab.ledger, **good)
    for bad in ({"config_hash": "other"}, {"accounts": {"news": "other"}}):
        with pytest.raises(StalePlan):
            check_fresh(plan, lab.ledger, **(good | bad))
    late = good | {"now": NOW + timedelta(hours=2)}
    check_fresh(plan, lab.ledger, max_age=timedelta(hours=2), **late)
    with pytest.raises(StalePlan):
        check_fresh(plan, lab.ledger, max_age=timedelta(hours=1), **late)
    lab.round(people(1))
    with pytest.raises(StalePlan):
        check_fresh(plan, lab.ledger, **good)


def test_what_a_connector_cannot_carry_is_found_at_plan_time(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Memory.spec
    few = replace(spec, max_fields=1)
    monkeypatch.setattr(Memory, "spec", few)
    with pytest.raises(ConfigError, match="3 merge tags"):
        lab.plan(people(1))
    monkeypatch.setattr(Memory, "spec", replace(spec, fields={ValueKind.TEXT: spec.fields[ValueKind.TEXT]}))
    with pytest.raises(ConfigError, match="no field for a number"):
        lab.plan(people(1))
    without = {kind: limit for kind, limit in spec.carries.items() if kind is not AddMember}
    monkeypatch.setattr(Memory, "spec", replace(spec, carries=without))
    with pytest.raises(ConfigError, match="does not carry AddMember"):
        lab.plan(people(1))


def test_a_field_gets_a_name_that_fits_once() -> None:
    names = Names(length=10, upper=True, reserved=frozenset({"EMAIL"}))
    assert fit_name(names, "favourite_category", []) == "FAVOURITE_"
    assert fit_name(names, "favourite_colour", ["FAVOURITE_"]) == "FAVOURITE2"
    assert fit_name(names, "email", []) == "EMAIL2"


def test_values_that_do_not_fit_are_counted_and_left_out(lab: Lab) -> None:
    who = [Person("c0", frozenset({"loyal"}), name="x" * 10_000), Person("c1", frozenset({"loyal"}))]
    summary = lab.plan(who).destinations[0]
    assert list(summary.unfit) == ["first_name"]
    lab.round(who)
    assert "first_name" not in lab.there()["c0@shop.example"][1]
    assert lab.plan(who).is_empty


def test_tags_of_a_destination_stay_when_one_is_added(lab: Lab) -> None:
    lab.round(people(2))
    lab.tags = (*lab.tags, MergeTag(name="again", trait="first_name"))
    plan = lab.plan(people(2))
    assert plan.destinations[0].fields_created == ("again",)
    lab.round(people(2))
    assert {one[1]["again"] for one in lab.there().values()} == {"Anna"}
    assert lab.plan(people(2)).is_empty


def test_two_lists_of_one_title_and_a_title_that_no_list_may_have_are_refused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = replace(lab.destination, titles={"loyal": "Best", "fresh": "Best"})
    with pytest.raises(ConfigError, match=r"'c ?Best' is the title of loyal too"):
        check(same, {})
    limit = replace(Memory.spec.carries[AddMember], names=".{1,5}")
    monkeypatch.setattr(Memory, "spec", replace(Memory.spec, carries={**Memory.spec.carries, AddMember: limit}))
    lab.segments = ("loyal",)
    with pytest.raises(ConfigError, match="cannot be the name of a list"):
        lab.plan(people(1))
