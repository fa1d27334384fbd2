"""A list that somebody else made, taken over on the command line at three providers; and a segment that is renamed."""

from __future__ import annotations

from typing import Any

import pytest
from round_lab import PROVIDERS, TITLES, Lab, contact, told, writes

from connectors import registry
from connectors.types import Target, TargetKind

CASES = {"newsletter": "tea", "flows": "loyal", "mailing": "tea"}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "mailchimp": ("mailchimp/3.0", {"api_key": "sandbox-us1", "audience": "Newsletter"}),
    "klaviyo": ("klaviyo/api", {"api_key": "pk_sandbox"}),
    "brevo": ("brevo/v3", {"api_key": "xkeysib-sandbox", "folder": "maison-lin"}),
}


def made_by_others(lab: Lab, provider: str, title: str, *addresses: str) -> None:
    """Somebody makes a list of our title there, and puts people into it."""
    path, options = OTHERS[provider]
    given = {**options, "prefix": "maison-lin", "base_url": f"{lab.url}/{path}"}
    from connectors.sandbox.lab import SandboxClock

    other = registry.build(provider, given, handler=lab.sandbox, clock=SandboxClock(lab.sandbox.world))
    target = Target(kind=TargetKind.SEGMENT, name="theirs", title=title)
    ref = other.create([target])[target]
    lab.seed(provider, *(contact(address, lists=[ref]) for address in addresses))


@pytest.mark.parametrize("destination", PROVIDERS)
def test_a_list_of_others_is_taken_over_and_nobody_in_it_ever_removed(fresh: Lab, destination: str) -> None:
    provider, segment = PROVIDERS[destination], CASES[destination]
    title, name = TITLES[segment], f"{destination}/{segment}"
    belongs = min(fresh.shop.expected(segment))
    there = {"guest@else.example", belongs}
    made_by_others(fresh, provider, title, *there)
    fresh.done("pull")
    refused = fresh.ciblage("push", "--yes", json=True)
    assert refused.exit_code == 3
    assert {one["kind"] for one in refused.result["refusals"]} == {"foreign"}
    before = fresh.files()
    with fresh.calls() as calls:
        shown = fresh.done("adopt", name)
    assert writes(calls) == []
    assert {file: held for file, held in fresh.files().items() if file in before} == before
    wanted = fresh.shop.expected(segment)
    assert (shown["there"], shown["ours_there"], shown["joins"], shown["is_taken"]) == (2, 1, len(wanted) - 1, False)
    with fresh.calls() as calls:
        assert fresh.done("adopt", name, "--yes")["is_taken"]
    assert writes(calls) == []
    fresh.done("push", "--yes")
    assert fresh.members(provider, title) == wanted | there
    for number in list(fresh.shop.customers):
        fresh.shop.change(number, orders=0)
    fresh.stock()
    fresh.later(days=1)
    fresh.done("push", "--force", destination, *(word for other in PROVIDERS for word in ("--force", other)))
    assert fresh.members(provider, title) == there
    told(fresh, "adopt", name, exit_code=2, says=["adopted already"], place="TARGET")
    fresh.later(hours=1)
    drift = next(one for one in fresh.done("drift")["destinations"] if one["destination"] == destination)
    assert sum(one["missing"] + one["foreign"] for one in drift["lists"]) == 0


def test_an_adoption_is_taken_back_once_nobody_of_ours_is_in_the_list(begun: Lab) -> None:
    made_by_others(begun, "brevo", TITLES["lc_new"], "guest@else.example")
    begun.edit('segments = ["tea", "readers", "lc_active"]', 'segments = ["tea", "readers", "lc_active", "lc_new"]')
    begun.later(hours=1)
    begun.done("adopt", "mailing/lc_new", "--yes")
    adoption, before = last(begun), begun.truth()
    begun.done("run")
    run = last(begun)
    told(begun, "undo", adoption, "--yes", exit_code=3, says=["came with us", "the latest first"], kind="guard")
    begun.later(hours=1)
    begun.done("undo", run, "--yes", "--force", "mailing")
    assert begun.members("brevo", TITLES["lc_new"]) == {"guest@else.example"}
    files = begun.files()
    with begun.calls() as calls:
        shown = begun.done("undo", adoption)
        assert begun.files() == files
        assert "1 person stays in it" in begun.ciblage("undo", adoption).out
        given = begun.done("undo", adoption, "--yes")
    assert calls == []
    assert (shown["theirs"], shown["is_given"], given["is_given"]) == (1, False, True)
    assert begun.truth()["brevo"]["guest@else.example"] == before["brevo"]["guest@else.example"]
    told(begun, "undo", adoption, "--yes", exit_code=2, says=["nothing of run"], place="RUN")
    assert last(begun, "undoes") == adoption
    refused = begun.ciblage("push", "--yes", json=True)
    assert {one["kind"] for one in refused.result["refusals"]} == {"foreign"}
    begun.done("adopt", "mailing/lc_new", "--yes")
    begun.done("push", "--yes")
    assert begun.members("brevo", TITLES["lc_new"]) == begun.shop.expected("lc_new") | {"guest@else.example"}


def last(lab: Lab, what: str = "id") -> Any:
    """Of the latest run that ended well."""
    return next(one[what] for one in lab.done("history")["runs"] if one["exit_code"] == 0)


def test_what_cannot_be_adopted_is_told(begun: Lab) -> None:
    told(begun, "adopt", "newsletter/tae", exit_code=2, says=["did you mean 'newsletter/tea'"], place="TARGET")
    told(begun, "adopt", "newsletter/tea", exit_code=2, says=["is ours"], place="TARGET")
    begun.edit("[segments.tea]\nwhere", "[segments.coffee]\nwhere = \"favourite = 'coffee'\"\n\n[segments.tea]\nwhere")
    begun.edit('segments = ["loyal", "tea", "lc_active"]', 'segments = ["loyal", "tea", "lc_active", "coffee"]')
    told(begun, "adopt", "newsletter/coffee", exit_code=2, says=["has no list called", "the next push makes one"])


def test_a_renamed_segment_goes_on_in_its_list(begun: Lab) -> None:
    before, lists = begun.truth(), {provider: begun.lists(provider) for provider in PROVIDERS.values()}
    begun.edit("[segments.tea]\n", '[segments.herbal]\nwas = "tea"\n')
    begun.edit('"tea"', '"herbal"')
    begun.edit('was = "herbal"', 'was = "tea"')
    file = begun.folder / "plan.parquet"
    with begun.calls() as calls:
        planned = begun.done("plan", "--out", file)
    assert [one["changes"] for one in planned["plan"]["destinations"]] == [0, 0, 0]
    assert writes(calls) == []
    begun.done("push", "--plan", file, "--checksum", planned["checksum"])
    begun.later(days=1)
    with begun.calls() as calls:
        begun.done("run")
    assert writes(calls) == []
    assert begun.truth() == before
    assert {provider: begun.lists(provider) for provider in PROVIDERS.values()} == lists
    begun.shop.change(80, orders=2, category="tea", newest=5)
    begun.stock()
    begun.done("push")
    assert "c80@example.com" in begun.members("mailchimp", TITLES["tea"])


def test_a_former_name_is_one_segments_alone(begun: Lab) -> None:
    begun.edit("[segments.tea]\n", '[segments.tea]\nwas = "loyal"\n')
    told(begun, "plan", exit_code=2, says=["cannot have been 'loyal'", "segments.loyal has that name"], kind="config")
