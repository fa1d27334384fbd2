"""The whole command line on a small shop, with three accounts behind real sockets."""

from __future__ import annotations

import stat
from datetime import timedelta
from urllib.parse import unquote

import pytest
from round_lab import NOW, PROVIDERS, SEGMENTS, TITLES, Lab, contact, mentions, writes


def assert_in_step(lab: Lab) -> None:
    """Each list holds exactly who belongs there."""
    for destination, provider in PROVIDERS.items():
        for segment in SEGMENTS[destination]:
            assert lab.members(provider, TITLES[segment]) == lab.shop.expected(segment), (destination, segment)


def spent(orders: int) -> int:
    return sum(20 + place * 5 for place in range(orders))


def test_looking_at_the_shop_writes_nothing_and_agrees_with_its_definitions(fresh: Lab) -> None:
    with fresh.calls() as calls:
        checked = fresh.done("check")
        sizes = {row["name"]: row for row in fresh.done("segments")["rows"]}
        tea = fresh.ciblage("members", "tea", "--reachable")
        traits = fresh.ciblage("traits", "c03", "--json").result
    assert checked["customers"] == len(fresh.shop.customers)
    assert checked["reachable"] == {"consent": 42}
    assert sorted(one["name"] for one in checked["destinations"] if one["account"]) == sorted(PROVIDERS)
    for segment in ("loyal", "tea", "lc_new", "lc_active"):
        matching = [one for one in fresh.shop.customers.values() if one.is_in(segment)]
        assert sizes[segment]["matched"] == len(matching)
        assert sizes[segment]["reachable"] - sizes[segment]["held_out"] == len(fresh.shop.expected(segment))
    assert sizes["prospect"]["matched"] == sum(
        not (one.is_in("lc_new") or one.is_in("lc_active")) for one in fresh.shop.customers.values()
    )
    assert tea.out.splitlines()[0] == "customer_id,email"
    assert {line.split(",")[1] for line in tea.out.splitlines()[1:]} == fresh.shop.expected("tea")
    assert traits["table"][0] | {"favourite": "tea", "first_name": "李"} == traits["table"][0]
    assert writes(calls) == []
    assert fresh.files() == {}


def test_after_the_first_round_each_list_holds_exactly_who_belongs_there(begun: Lab) -> None:
    assert_in_step(begun)
    by_address = {one.address: one for one in begun.shop.customers.values()}
    codes: dict[str, set[object]] = {}
    for provider in PROVIDERS.values():
        assert begun.there(provider)
        for email, one in begun.there(provider).items():
            customer, told = by_address[email], begun.values(provider, email)
            assert one.mailable, email
            assert (told["first_name"], told["favourite"]) == (customer.name, customer.category)
            assert told["spent"] == spent(customer.orders)
            if "code" in told:
                assert told["code_until"] == "2026-12-20", "its last day in the shop's own zone"
                codes.setdefault(email, set()).add(told["code"])
    assert codes.keys() == begun.shop.expected("loyal")
    assert all(len(given) == 1 for given in codes.values()), "everywhere the same code"
    assert len(set.union(*codes.values())) == len(codes), "nobody has another one's code"
    assert begun.done("codes")["counts"] == {"thanks": {"pushed": len(codes)}}


def test_a_reviewed_plan_is_carried_as_it_is(fresh: Lab) -> None:
    file = fresh.folder / "plan.parquet"
    fresh.done("pull")
    planned = fresh.done("plan", "--out", file)
    assert {(one["destination"], one["kind"]) for one in planned["refusals"]} == {
        (name, "unapproved") for name in PROVIDERS
    }
    with fresh.calls() as calls:
        said = fresh.ciblage("push", json=True)
    assert said.exit_code == 3, "nobody has approved"
    assert writes(calls) == []
    assert sorted(fresh.done("approve", file, "--by", "Lin")["destinations"]) == sorted(PROVIDERS)
    fresh.shop.change(6, orders=5)  # after the review: not in this push
    fresh.stock()
    pushed = fresh.done("push", "--plan", file, "--checksum", planned["checksum"])
    assert "c06@example.com" not in fresh.there("mailchimp")
    fresh.shop.change(6, orders=0)
    assert_in_step(fresh)
    assert pushed["minted"] == len(fresh.shop.expected("loyal"))
    exported = (fresh.folder / "state" / "codes.csv").read_text("utf-8").splitlines()
    assert len(exported) == pushed["minted"] + 1
    told = [fresh.values(provider, email) for provider in PROVIDERS.values() for email in fresh.there(provider)]
    assert [one for one in told if "code" in one] == [], "not confirmed yet"
    assert {one["verdict"] for one in pushed["proofs"]} == {"proven"}
    assert fresh.done("codes")["counts"] == {"thanks": {"exported": pushed["minted"]}}
    fresh.confirm()
    assert fresh.done("codes")["counts"] == {"thanks": {"confirmed": pushed["minted"]}}


def test_a_plan_writes_nothing_anywhere(begun: Lab) -> None:
    begun.shop.change(3, orders=0, name="Renamed")
    begun.shop.change(12, orders=4)
    begun.stock()
    begun.later(days=1)
    before = begun.files()
    with begun.calls() as calls:
        first = begun.done("plan", "--out", begun.folder / "plan.parquet")
        assert begun.done("plan")["checksum"] == first["checksum"]
    assert calls
    assert writes(calls) == []
    assert begun.files() == before
    assert stat.S_IMODE((begun.folder / "plan.parquet").stat().st_mode) == 0o600


@pytest.mark.parametrize("command", ["run", "push", "pull"])
def test_nothing_changed_is_nothing_written(begun: Lab, command: str) -> None:
    with begun.calls() as calls:
        begun.done(command)
    assert {call.provider for call in calls} == set(PROVIDERS.values())
    assert writes(calls) == []


def test_changed_data_sends_the_difference_and_nothing_else(begun: Lab) -> None:
    shop = begun.shop
    shop.change(12, orders=4, newest=3)  # had bought nothing: joins
    shop.change(2, name="Béatrice")  # a new value
    shop.change(15, orders=0)  # leaves every segment
    shop.change(61, orders=1)  # new
    touched = {shop.customers[number].address for number in (12, 2, 15, 61)}
    begun.stock()
    begun.later(hours=6)
    before = begun.truth()
    with begun.calls() as calls:
        begun.done("run")
    others = {one.address for one in shop.customers.values()} - touched
    refs = {email: one.ref for email, one in begun.there("klaviyo").items()}
    assert writes(calls)
    for call in writes(calls):
        strangers = [email for email in others if mentions(call, email, refs.get(email, ""))]
        assert strangers == [], (call.method, unquote(call.path))
    after = begun.truth()
    for provider in PROVIDERS.values():
        for email in before[provider].keys() - touched:
            assert after[provider][email] == before[provider][email]
    assert_in_step(begun)
    assert begun.values("mailchimp", "c02@example.com")["first_name"] == "Béatrice"
    assert begun.done("codes")["counts"]["thanks"]["exported"] == len({"c12@example.com"} & shop.expected("loyal"))
    with begun.calls() as calls:
        begun.done("run")
    assert writes(calls) == []


def test_who_leaves_a_segment_leaves_only_its_list(begun: Lab) -> None:
    begun.shop.change(15, orders=0)
    begun.stock()
    begun.later(hours=6)
    before = begun.truth()
    begun.done("run")
    after = begun.truth()
    for provider in PROVIDERS.values():
        was, now = before[provider]["c15@example.com"], after[provider]["c15@example.com"]
        assert now[:2] == was[:2], "status"
        assert [title for title in now[3] if title in TITLES.values()] == []
        kept = {name: value for name, value in was[2].items() if not name.upper().startswith("CODE")}
        assert {name: value for name, value in now[2].items() if value not in {"", None}} == kept, (
            "only the code is taken back"
        )


def test_people_whom_others_put_into_our_lists_stay_there(begun: Lab) -> None:
    foreign = {"friend@elsewhere.example", "c06@example.com"}  # a stranger, and a customer of no segment
    for provider in PROVIDERS.values():
        refs = [begun.lists(provider)[title] for title in TITLES.values() if title in begun.lists(provider)]
        begun.seed(provider, *(contact(email, lists=refs, fields={}) for email in sorted(foreign)))
    begun.shop.change(15, orders=0)
    begun.stock()
    begun.later(hours=6)
    before = begun.truth()
    begun.done("run")
    after = begun.truth()
    for provider in PROVIDERS.values():
        for email in foreign:
            assert after[provider][email] == before[provider][email]


def test_lists_of_the_same_title_that_somebody_else_made_are_left_alone(begun: Lab) -> None:
    for path in sorted((begun.folder / "state").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    before = begun.truth()
    begun.done("pull")
    with begun.calls() as calls:
        said = begun.ciblage("push", "--yes", json=True)
    assert said.exit_code == 3
    refused = {(one["destination"], one["kind"]) for one in said.result["refusals"]}
    assert refused == {(name, "foreign") for name in PROVIDERS}
    assert writes(calls) == []
    assert begun.truth() == before


def test_now_is_what_the_command_line_says(begun: Lab) -> None:
    begun.now = NOW + timedelta(days=400)
    rows = {row["name"]: row["matched"] for row in begun.done("segments")["rows"]}
    assert rows["loyal"] == 0
    assert rows["lc_active"] == 0
