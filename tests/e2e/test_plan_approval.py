"""`plan --document` and `plan --from` on the whole command line: what a client reads is what is approved and pushed."""

from __future__ import annotations

import re
import shutil

import pytest
from round_lab import KEYS, PROVIDERS, TITLES, Lab, contact, writes

NAMES = ("plan.html", "plan.md")


def documents(lab: Lab, folder: str) -> list[object]:
    (lab.folder / folder).mkdir()
    return [word for name in NAMES for word in ("--document", lab.folder / folder / name)]


def read(lab: Lab, folder: str) -> dict[str, str]:
    return {name: (lab.folder / folder / name).read_text("utf-8") for name in NAMES}


def changed(lab: Lab) -> Lab:
    """People come, go, change and leave."""
    lab.shop.change(12, orders=4, name="Maria-Alexandra")
    lab.shop.change(15, orders=0)
    lab.shop.change(20, consent="unsubscribed")
    lab.shop.change(2, name="Béatrice")
    lab.stock()
    lab.later(hours=5)
    return lab


def test_documents_are_written_and_nothing_else_anywhere(begun: Lab) -> None:
    changed(begun)
    before = begun.files()
    with begun.calls() as calls:
        plain = begun.done("plan")
        told = begun.done("plan", "--out", begun.folder / "plan.parquet", *documents(begun, "out"))
    assert calls
    assert writes(calls) == []
    assert begun.files() == before
    assert told["checksum"] == plain["checksum"]
    assert told["documents"] == [str(begun.folder / "out" / name) for name in NAMES]
    assert sorted(path.name for path in (begun.folder / "out").iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_a_saved_plan_is_shown_again_as_it_was_without_a_call_and_without_the_shop(begun: Lab, lang: str) -> None:
    begun.edit('currency = "EUR"', f'currency = "EUR"\nlang = "{lang}"')
    changed(begun)
    file = begun.folder / "plan.parquet"
    first = begun.ciblage("plan", "--out", file, *documents(begun, "first"))
    shutil.rmtree(begun.data)
    before = begun.files()
    with begun.calls() as calls:
        again = begun.ciblage("plan", "--from", file, *documents(begun, "again"))
        told = begun.done("plan", "--from", file)
    assert calls == []
    assert begun.files() == before
    assert read(begun, "again") == read(begun, "first")
    assert again.out.replace("/again/", "/first/") == first.out
    assert told["side_effects"]["first_mails"] == 1
    assert f'lang="{lang}"' in read(begun, "again")["plan.html"]


def test_no_document_shows_an_address_a_key_a_code_or_a_name_of_one_person(begun: Lab) -> None:
    changed(begun)
    begun.ciblage("plan", *documents(begun, "out"))
    codes = {row.split(",")[0] for row in (begun.folder / "state" / "codes.csv").read_text("utf-8").splitlines()[1:]}
    assert codes
    for text in read(begun, "out").values():
        assert "example.com" not in text
        assert [word for word in (*KEYS.values(), *codes, "Béatrice", "Maria") if word in text] == []
        assert "B…" in text


def test_what_a_client_approves_is_recorded_by_name_and_pushed(fresh: Lab) -> None:
    fresh.done("pull")
    file = fresh.folder / "plan.parquet"
    checksum = fresh.done("plan", "--out", file, *documents(fresh, "out"))["checksum"]
    assert checksum in read(fresh, "out")["plan.html"]
    assert fresh.ciblage("push", "--plan", file, "--checksum", checksum).exit_code == 3, "nobody has agreed"
    again = fresh.folder / "again.parquet"
    checksum = fresh.done("plan", "--out", again)["checksum"]
    command = re.search(
        r"ciblage (approve \S+) --by NAME", fresh.ciblage("plan", "--from", again).out.replace("\\\n    ", "")
    )
    assert command is not None
    assert command.group(1) == f"approve {again}"
    fresh.done("approve", again, "--by", "Lin Duval")
    [run] = [one for one in fresh.done("history")["runs"] if one["command"] == "approve"]
    assert "Lin Duval" in fresh.ciblage("history", run["id"]).out
    told = fresh.done("plan", "--from", again)
    assert told["refusals"] == [], "nothing speaks against it any more"
    fresh.done("push", "--plan", again, "--checksum", checksum)
    assert fresh.members("mailchimp", TITLES["tea"]) == fresh.shop.expected("tea")
    assert fresh.ciblage("plan", "--from", again, json=True).document["warnings"] == [], "its own push is no move"
    fresh.confirm()
    fresh.done("push")
    moved = fresh.ciblage("plan", "--from", again, json=True).document["warnings"]
    assert moved == ["a push of it will be refused: the ledger has moved since this plan was made"]


def test_lists_of_somebody_else_are_shown_with_the_way_to_adopt_them_and_nothing_is_touched(begun: Lab) -> None:
    for path in sorted((begun.folder / "state").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    before = begun.truth()
    begun.done("pull")
    file = begun.folder / "plan.parquet"
    with begun.calls() as calls:
        said = begun.ciblage("plan", "--out", file, *documents(begun, "out"))
    assert said.exit_code == 3
    assert writes(calls) == []
    assert begun.truth() == before
    for name in PROVIDERS:
        assert f"ciblage adopt {name}/" in read(begun, "out")["plan.md"]
    assert begun.ciblage("plan", "--from", file).exit_code == 3, "the file knows what it was told"


def test_r_grd_07_values_of_people_who_were_there_before_us_are_told_before_they_are_written_over(fresh: Lab) -> None:
    theirs = {f"c{number:02}@example.com" for number in (3, 4, 5, 10)}
    fresh.seed("mailchimp", *(contact(email, fields={"FIRST_NAME": "Their own"}) for email in sorted(theirs)))
    fresh.done("pull")
    with fresh.calls() as calls:
        planned = fresh.done("plan", *documents(fresh, "out"))
    assert writes(calls) == []
    [newsletter] = [one for one in planned["plan"]["destinations"] if one["name"] == "newsletter"]
    told = newsletter["overwritten"]["first_name"]
    assert told["newcomers"] == newsletter["contacts_new"]
    assert told["looked"] == told["newcomers"]
    assert 0 < told["other"] <= len(theirs)
    assert f"another value at {told['other']} of {told['looked']} looked at" in read(fresh, "out")["plan.md"]
    assert "FIRST_NAME" not in newsletter["fields_created"], "it is there"
    fresh.done("push", "--yes")
    assert {
        fresh.values("mailchimp", email)["first_name"] for email in theirs & fresh.members("mailchimp", TITLES["tea"])
    } <= {one.name for one in fresh.shop.customers.values()}


def test_newcomers_above_the_bound_wait_for_their_flag_and_departures_do_not(begun: Lab) -> None:
    begun.edit("[merge_tags]", "[guard]\nnew_contacts = 1\n\n[merge_tags]")
    for number in range(61, 67):
        begun.shop.change(number, orders=4)
    begun.shop.change(4, consent="unsubscribed")
    begun.stock()
    begun.later(hours=5)
    said = begun.ciblage("run", json=True)
    assert said.exit_code == 3
    flags = {one["flag"] for one in said.result["planned"]["refusals"]}
    assert flags == {f"--force {name}/guard.new_contacts" for name in ("newsletter", "flows", "mailing")}
    assert not begun.there("mailchimp")["c04@example.com"].mailable, "who left has left"
    assert "c61@example.com" not in begun.there("mailchimp")
    wrong = begun.ciblage("run", "--force", "newsletter/guard.new_contact")
    assert wrong.exit_code == 2
    assert "did you mean 'newsletter/guard.new_contacts'?" in wrong.err
    assert begun.ciblage("run", "--force", "newsletter/guard.new_contacts").exit_code == 3, "the others still wait"
    assert "c61@example.com" in begun.there("mailchimp")
    assert "c61@example.com" not in begun.there("klaviyo")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("plan", "--document", "plan.pdf"), "a document ends in .md or .html"),
        (("plan", "--from", "plan.parquet", "--out", "other.parquet"), "a saved plan is shown as it is"),
        (("plan", "--from", "nowhere.parquet"), "there is no file nowhere.parquet"),
    ],
)
def test_what_cannot_be_shown_is_told_before_any_work(begun: Lab, words: tuple[str, ...], says: str) -> None:
    with begun.calls() as calls:
        said = begun.ciblage(*words)
    assert said.exit_code == 2
    assert says in said.err
    assert calls == []
