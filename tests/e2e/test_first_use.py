"""What somebody meets in the first hour, and was told wrongly or not at all."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version
from pathlib import Path

import pytest
from round_lab import PROVIDERS, Lab
from typer.testing import CliRunner

from engine.cli import app


def typed(shown: str, word: str) -> list[str]:
    """The command that is printed for people to copy, as a shell reads it."""
    text = shown.replace("\\\n", "")
    [line] = [line for line in text.splitlines() if line.strip().startswith(f"ciblage {word} ")]
    return shlex.split(line)[1:]


def test_the_commands_that_a_plan_prints_work_where_they_are_typed(fresh: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fresh.folder.parent)
    fresh.done("pull")
    dated = ["--now", fresh.now.isoformat()]
    config = ["--config", "client/ciblage.toml"]
    shown = CliRunner().invoke(app, ["plan", "--out", "client/plan.parquet", *config, *dated]).stdout
    approve, push = typed(shown, "approve"), typed(shown, "push")
    assert CliRunner().invoke(app, [*approve, *dated]).exit_code == 0
    assert CliRunner().invoke(app, [*push, *dated]).exit_code == 0
    monkeypatch.chdir(fresh.folder)
    assert "--config" not in CliRunner().invoke(app, ["plan", "--out", "plan.parquet", *dated]).stdout


def test_a_plan_that_was_carried_may_be_pushed_again_and_does_nothing(begun: Lab) -> None:
    """It frightened once, and was forced: nothing is left of what frightened, and nothing has gone wrong."""
    for number in range(1, 40):
        begun.shop.change(number, orders=0)
    begun.stock()
    begun.later(hours=5)
    file = begun.folder / "plan.parquet"
    checksum = begun.ciblage("plan", "--out", file, json=True).result["checksum"]
    carry = ("push", "--plan", file, "--checksum", checksum)
    assert begun.ciblage(*carry).exit_code == 3
    begun.done(*carry, "--force", "newsletter", "--force", "flows", "--force", "mailing")
    again = begun.done(*carry)
    assert [one["calls"] for one in again["results"]] == [0, 0, 0]
    assert again["refusals"] == []
    assert all(one["fine_since"] for one in begun.done("status")["destinations"])


def test_nobody_is_asked_to_agree_to_a_plan_without_destinations(fresh: Lab) -> None:
    for provider in PROVIDERS.values():
        fresh.tell("POST", "/sandbox/faults", {"fault": "key-expired", "provider": provider})
    said = fresh.ciblage("plan", "--document", fresh.folder / "plan.html")
    page = (fresh.folder / "plan.html").read_text("utf-8")
    assert said.exit_code == 4
    for text in (said.out, page):
        assert "no destination is in this plan" in " ".join(text.split())
        assert "is left out: the key is refused" in " ".join(text.split())
        assert "ciblage approve" not in text
        assert "ciblage plan --out" not in text
        assert "nobody's consent rises" not in text


def test_what_a_provider_answers_is_told_as_a_sentence(begun: Lab) -> None:
    begun.edit('currency = "EUR"', 'currency = "EUR"\nlang = "fr"')
    fault = {"fault": "500", "provider": "mailchimp", "times": 50}
    begun.tell("POST", "/sandbox/faults", fault)
    for command in ("check", "run", "status"):
        text = " ".join(begun.ciblage(command).out.split())
        assert "Something broke." in text
        assert "developer/marketing" not in text
        assert "{" not in text
    assert "newsletter est laissé de côté :" in " ".join(begun.ciblage("run").out.split())


def test_what_a_shop_read_wrongly_looks_like_is_told(fresh: Lab) -> None:
    people = fresh.data / "customers.csv"
    text = people.read_text("utf-8")
    people.write_text(re.sub(r"(\d{4})-(\d\d)-(\d\d),2025", r"\3/\2/\1,2025", text), "utf-8")
    told = fresh.done("check")
    assert told["customers"] == 0
    assert fresh.ciblage("check", json=True).document["warnings"][0].startswith("There is no customer: [shop.mapping]")
    people.write_text(text, "utf-8")
    orders = fresh.data / "orders.csv"
    orders.write_text(re.sub(r"(\d{4})-(\d\d)-(\d\d)T", r"\3.\2.\1 ", orders.read_text("utf-8")), "utf-8")
    warned = fresh.ciblage("check", json=True).document["warnings"]
    assert warned[0].startswith("More rows were set aside than read")
    fresh.edit('currency = "EUR"', 'currency = "EUR"\nlang = "fr"')
    assert "Plus de lignes mises de côté que lues" in fresh.ciblage("check").out


def test_a_difference_is_not_put_down_to_mails_where_none_is_known(begun: Lab) -> None:
    said = " ".join(begun.ciblage("report").out.split())
    assert "No mail was sent, or none is known of." in said
    assert said.index("What the mails changed") < said.index("what differs below was not brought by one")


def test_a_history_tells_the_clients_own_time(begun: Lab) -> None:
    begun.edit('timezone = "Europe/Paris"', 'timezone = "Asia/Tokyo"')
    run = begun.done("history")["runs"][0]
    assert run["now"].endswith("+09:00")
    assert "JST" in begun.ciblage("history", run["id"]).out


def test_what_is_held_of_a_person_is_named_in_their_language(begun: Lab) -> None:
    begun.edit('currency = "EUR"', 'currency = "EUR"\nlang = "fr"')
    text = begun.ciblage("person", "c04@example.com").out
    assert "commandes" in text
    assert "order_lines" not in text
    assert "perdent leur titulaire" not in text  # what becomes of them belongs to an erasure


def test_what_is_held_of_a_person_is_told_in_the_clients_own_time(begun: Lab) -> None:
    begun.edit('timezone = "Europe/Paris"', 'timezone = "Asia/Tokyo"')
    consent = begun.done("person", "c04")["consent"][0]
    assert (consent["state"], consent["since"]) == ("subscribed", "2026-01-05T19:00:00+09:00")
    assert "5 Jan 2026, 19:00" in begun.ciblage("person", "c04").out


def test_a_push_that_finds_everything_there_says_so(begun: Lab) -> None:
    begun.later(hours=5)
    assert "nothing to send: everything is there already" in begun.ciblage("push").out
    run = begun.done("history")["runs"][0]
    assert "×" not in begun.ciblage("history", "--limit", "1").out, run
    begun.shop.change(5, name="Bo")
    begun.stock()
    begun.later(hours=5)
    assert "nothing to send" not in begun.ciblage("push").out


def test_the_list_of_commands_says_of_each_what_it_does_in_a_whole_sentence() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.parametrize(
    "words", [("plan",), ("members",), ("codes", "confirm"), ("connectors", "new"), ("receive",)], ids="-".join
)
def test_what_a_command_takes_has_a_name_that_people_know(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*words, "--help"]).stdout
    usage, _, options = shown.partition("Options:")
    assert re.findall(r"--\w+ [<\[{]", options) == [], "types of Python are nobody's words"
    assert not re.search(r"\b[a-z_]+\b", usage.partition("\n")[0].partition("[OPTIONS]")[2])
    assert "--json" not in options or "--config FILE" in options or words[0] == "connectors"


def test_the_version_is_the_packages() -> None:
    said = CliRunner().invoke(app, ["--version"])
    assert (said.exit_code, said.stdout) == (0, f"ciblage {version('ciblage')}\n")


def test_one_row_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "customers.csv").write_text("customer_id,email\n1,a@example.com\n", "utf-8")
    (tmp_path / "data" / "orders.csv").write_text("order_id,customer_id,ordered_at,total\n1,1,2026-01-01,3\n", "utf-8")
    assert CliRunner().invoke(app, ["init", str(tmp_path), "--client", "one"]).exit_code == 0
    said = CliRunner().invoke(app, ["check", "--config", str(tmp_path / "ciblage.toml")]).stdout
    assert "Read: 1 order\n" in said
