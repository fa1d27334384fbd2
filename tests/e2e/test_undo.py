"""A run taken back on the command line, at three providers behind real sockets."""

from __future__ import annotations

from typing import Any

import pytest
from round_lab import PROVIDERS, TITLES, Lab, contact, told, writes

EVERYWHERE = [word for name in PROVIDERS for word in ("--force", name)]


def last_run(lab: Lab, command: str) -> int:
    return int(next(one["id"] for one in lab.done("history")["runs"] if one["command"] == command))


def story(lab: Lab) -> int:
    """A round that adds, removes and changes; returns its number."""
    lab.shop.change(2, category="soap")
    lab.shop.change(3, orders=0)
    lab.shop.change(5, name="Bo")
    lab.shop.change(80, orders=5, category="tea", newest=5)
    lab.stock()
    lab.later(days=1)
    lab.done("push", *EVERYWHERE)
    return last_run(lab, "push")


def held(lab: Lab) -> dict[str, Any]:
    """Who is in which segment's list with which values; contacts without either are left out."""
    found: dict[str, Any] = {}
    for name, people in lab.truth().items():
        ours = {
            email: (fields, sorted({*lists} & {*TITLES.values()})) for email, (_, _, fields, lists) in people.items()
        }
        found[name] = {email: held for email, held in ours.items() if any(held)}
    return found


def test_a_run_is_taken_back_at_every_provider_and_the_next_one_waits_for_a_person(begun: Lab) -> None:
    before = held(begun)
    run = story(begun)
    carried = held(begun)
    assert carried != before
    begun.later(hours=1)
    with begun.calls() as calls:
        shown = begun.ciblage("undo", run, *EVERYWHERE, json=True)
    assert shown.exit_code == 0
    assert writes(calls) == []
    assert {one["destination"] for one in shown.result["undone"] if one["removed"]} == set(PROVIDERS)
    done = begun.ciblage("undo", run, "--yes", *EVERYWHERE, json=True)
    assert done.exit_code == 0, done
    assert held(begun) == before
    assert done.result["planned"]["checksum"] == shown.result["planned"]["checksum"]
    again = begun.done("undo", run, "--yes")
    assert [one["changes"] for one in again["planned"]["plan"]["destinations"]] == [0, 0, 0]
    refused = begun.ciblage("run", json=True)
    assert refused.exit_code == 3
    assert {one["kind"] for one in refused.result["pushed"]["refusals"]} == {"undone"}
    assert held(begun) == before
    begun.done("push", "--yes", *EVERYWHERE)
    assert held(begun) == carried
    begun.done("run")


def test_an_undo_may_be_read_first_and_pushed_as_a_plan(begun: Lab) -> None:
    before = held(begun)
    run = story(begun)
    begun.later(hours=1)
    file = begun.folder / "back.parquet"
    checksum = begun.done("undo", run, "--out", file, *EVERYWHERE)["planned"]["checksum"]
    begun.done("push", "--plan", file, "--checksum", checksum, *EVERYWHERE)
    assert held(begun) == before
    assert begun.ciblage("run").exit_code == 3


def test_codes_that_nobody_has_seen_end_and_can_be_given_again(fresh: Lab) -> None:
    fresh.done("pull")
    fresh.done("push", "--yes")
    counts = fresh.done("codes")["counts"]["thanks"]
    assert set(counts) == {"exported"}
    fresh.later(hours=1)
    back = fresh.done("undo", last_run(fresh, "push"), "--yes", *EVERYWHERE)
    assert (back["withdrawn"], back["exported"], back["given"]) == (counts["exported"], counts["exported"], 0)
    assert fresh.done("codes")["counts"]["thanks"] == {"cleared": counts["exported"]}
    fresh.done("push", "--yes", *EVERYWHERE)
    assert fresh.done("codes")["counts"]["thanks"] == {"cleared": counts["exported"], "exported": counts["exported"]}


@pytest.mark.parametrize(("provider", "segment"), [("mailchimp", "tea"), ("klaviyo", "loyal"), ("brevo", "tea")])
def test_what_others_put_there_since_is_left_alone(begun: Lab, provider: str, segment: str) -> None:
    run = story(begun)
    title = TITLES[segment]
    begun.seed(provider, contact("guest@else.example", lists=[begun.lists(provider)[title]]))
    assert "guest@else.example" in begun.members(provider, title)
    begun.later(hours=1)
    begun.done("undo", run, "--yes", *EVERYWHERE)
    assert "guest@else.example" in begun.members(provider, title)


def test_an_unknown_run_and_one_that_changed_nothing_are_told(begun: Lab) -> None:
    pull = last_run(begun, "pull")
    told(begun, "undo", 99, exit_code=2, says=["no run 99", "('push' of"], kind="config", place="RUN")
    told(begun, "undo", pull, exit_code=2, says=["changed nothing at a destination"], kind="config", place="RUN")
    told(begun, "history", 99, exit_code=2, says=["no run 99", "the last are"], kind="config", place="RUN")


def test_a_push_that_was_refused_is_none_that_changed_something(fresh: Lab) -> None:
    fresh.done("pull")
    assert fresh.ciblage("push").exit_code == 3, "nobody has approved"
    refused = last_run(fresh, "push")
    told(fresh, "undo", 99, exit_code=2, says=["no run has changed anything yet"], kind="config", place="RUN")
    fresh.done("push", "--yes")
    carried = last_run(fresh, "push")
    says = [f"run {refused} ('push') changed nothing", f"these changed something: {carried} ('push' of"]
    told(fresh, "undo", refused, exit_code=2, says=says, kind="config", place="RUN")
    assert f"ciblage undo {refused}" not in fresh.ciblage("history", refused).out
    assert f"ciblage undo {carried}" in fresh.ciblage("history", carried).out


def test_the_history_tells_each_run_and_who_agreed_to_it(fresh: Lab) -> None:
    fresh.done("pull")
    file = fresh.folder / "plan.parquet"
    checksum = fresh.done("plan", "--out", file)["checksum"]
    fresh.done("approve", file, "--by", "Claire")
    fresh.done("push", "--plan", file, "--checksum", checksum)
    runs = fresh.done("history")["runs"]
    assert [one["command"] for one in runs] == ["push", "approve", "pull"]
    assert all(one["ended_at"] and one["exit_code"] == 0 for one in runs)
    one = fresh.done("history", runs[0]["id"])
    assert one["plan"] == checksum
    assert one["is_kept"]
    assert {agreed["by"] for agreed in one["approved"]} == {"Claire"}
    assert {did["destination"] for did in one["destinations"]} == set(PROVIDERS)
    assert all(one[fact] for fact in ("fingerprint", "config_hash", "now"))
    for lang, word in (("en", "approved by Claire"), ("fr", "approuvé par Claire")):
        fresh.edit('currency = "EUR"', f'currency = "EUR"\nlang = "{lang}"') if lang == "en" else fresh.edit(
            '"en"\n', '"fr"\n'
        )
        text = fresh.ciblage("history").out + fresh.ciblage("history", runs[0]["id"]).out
        assert all(len(line) <= 80 for line in text.splitlines())
        assert word in text
        assert "@" not in text


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_what_an_undo_would_do_fits_the_screen_and_names_nobody(begun: Lab, lang: str) -> None:
    begun.edit('currency = "EUR"', f'currency = "EUR"\nlang = "{lang}"')
    run = story(begun)
    begun.later(hours=1)
    shown, done = (begun.ciblage("undo", run, *more, *EVERYWHERE) for more in ([], ["--yes"]))
    drift, repair = begun.ciblage("drift"), begun.ciblage("drift", "--repair")
    for said in (shown, done, drift, repair):
        assert said.exit_code == 0, said
        assert [line for line in said.out.splitlines() if len(line) > 80] == []
        assert "@" not in said.out
    word = {"en": "leave our lists again", "fr": "quittent de nouveau nos listes"}[lang]
    assert word in shown.out
    assert f"ciblage undo {run} --yes" in shown.out
