"""`explain` through the command line: the definition in words, what it stands on, its SQL, and what decided for whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp
from typer.testing import CliRunner

from engine.cli import app

NOW = "2026-11-20T09:00"
FILES = {
    "customers": "customer_id,email,consent_email,city,birth_date\na,a@example.com,subscribed,Paris,1990-01-02\n"
    "b,b@example.com,unsubscribed,Lyon,\nc,c@example.com,subscribed,,1980-12-31\n",
    "orders": "order_id,customer_id,ordered_at,total,discount\no1,a,2026-11-01T23:30,80.50,0\no2,a,2026-10-02T10:00,20,5\no3,b,2025-03-01,40,0\n",
}
CONFIG = """client = "maison-lin"
timezone = "Europe/Paris"
lang = "{lang}"
include = ["library:ecommerce/purchases"]

[traits]
spent = "sum(orders.total)"

[segments]
recent = "did(orders, last 1 month)"
asleep = "count(orders) > 0"
mixed = "(spent >= 100 EUR or city = 'Lyon') and not (in segment recent or city = 'Bron') and reachable(email)"
unknown = "age > 30 and avg_gap(orders) <= 45 days and last(orders.ordered_at) in last 3 months"
halves = "share(orders where discount > 0) >= 50%"

[segments.best]
recipe = "big_spenders"
amount = "50 EUR"
title = {{ en = "Best", fr = "Les meilleurs" }}
holdout = {{ share = "99%", salt = "held-2026" }}

[segments.listed]
customers = ["a", "b"]

[groups.life]
exclusive = ["recent", "asleep"]
otherwise = "prospect"
"""


@pytest.fixture(params=["en", "fr"])
def lang(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def shop(folder: Path, lang: str = "en") -> Path:
    (folder / "data").mkdir()
    for name, text in FILES.items():
        (folder / "data" / f"{name}.csv").write_text(text, "utf-8")
    (folder / "ciblage.toml").write_text(CONFIG.format(lang=lang), "utf-8")
    return folder / "ciblage.toml"


def ciblage(config: Path, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, [*arguments, "--config", str(config), "--now", NOW])
    assert done.exit_code == code, done.output
    return done.output


def told(config: Path, *arguments: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(ciblage(config, "explain", *arguments, "--json"))["result"]
    return result


def test_a_definition_is_said_in_both_languages_with_its_dates(tmp_path: Path, lang: str) -> None:
    shown = " ".join(ciblage(shop(tmp_path, lang), "explain", "unknown").split())
    assert {"en": "between August 20, 2026 and now", "fr": "entre le 20 août 2026 et maintenant"}[lang] in shown
    assert "in last 3 months" in shown


def test_a_recipe_says_what_it_is_for_and_where_it_is_used(tmp_path: Path, lang: str) -> None:
    shown = ciblage(shop(tmp_path, lang), "explain", "best")
    assert {"en": "Best\n", "fr": "Les meilleurs\n"}[lang] in shown
    assert {"en": "Spent 50 EUR or more", "fr": "Ont dépensé au moins 50 EUR"}[lang] in shown
    assert "big_spenders (R-SEG-07)" in shown
    assert "ciblage.toml:" in "".join(shown.split())  # a long folder's name is folded


def test_what_a_segment_stands_on_is_said_too(tmp_path: Path) -> None:
    found = told(shop(tmp_path), "mixed")["stands_on"]
    assert {(one["kind"], one["name"]) for one in found} >= {
        ("trait", "spent"),
        ("segment", "recent"),
        ("channel", "email"),
    }
    said = {one["name"]: one["words"] for one in found}
    assert said["recent"] == "an order between October 20, 2026 and now"
    assert "complaint" in said["email"]


def test_a_group_says_who_comes_first(tmp_path: Path) -> None:
    config = shop(tmp_path)
    assert told(config, "asleep")["after"] == ["Recent"]
    assert told(config, "recent")["after"] == []


def test_the_sql_of_a_segment_is_one_statement_about_it_and_what_it_needs(tmp_path: Path) -> None:
    config = shop(tmp_path)
    [statement] = sqlglot.parse(told(config, "mixed", "--sql")["sql"], dialect="duckdb")
    assert isinstance(statement, exp.Select)
    named = {one.alias_or_name for one in statement.selects}
    assert named >= {"segment:mixed", "segment:recent", "trait:spent"}
    assert not named & {"segment:best", "segment:halves", "segment:asleep"}
    assert told(config, "mixed")["sql"] is None
    assert ciblage(config, "explain", "mixed", "--sql").rstrip().endswith('"customer_id"')


def test_the_sql_is_printed_as_it_is_however_long_its_lines(tmp_path: Path) -> None:
    config = shop(tmp_path)
    config.write_text(config.read_text("utf-8").replace("'Bron'", f"'{'long ' * 40}'"), "utf-8")
    for command in (("segments", "--sql"), ("explain", "mixed", "--sql")):
        assert f"'{'long ' * 40}'" in ciblage(config, *command)


DECIDED = [
    ("mixed", "a", False, ["reachable(email)"], "in segment recent", "did(orders, last 1 month)"),
    ("mixed", "b", False, [], "reachable(email)", "consent.email = 'subscribed'"),
    ("mixed", "c", False, [], "spent >= 100 EUR", "city = 'Lyon'"),
    ("asleep", "a", False, ["count(orders) > 0"], "not in segment recent", "did(orders, last 1 month)"),
    ("prospect", "c", True, [], "did(orders, last 1 month)", "count(orders) > 0"),
]


def leaves(conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [leaf for one in conditions for leaf in (leaves(one["parts"]) or [one])]


def every(conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for each in conditions for one in [each, *every(each["parts"])]]


@pytest.mark.parametrize(("segment", "customer", "is_member", "idle", "named", "leaf"), DECIDED)
def test_what_decided_is_marked_down_to_the_condition(
    tmp_path: Path, segment: str, customer: str, *, is_member: bool, idle: list[str], named: str, leaf: str
) -> None:
    found = told(shop(tmp_path), segment, "--customer", customer)
    assert found["is_member"] is is_member
    decided = {one["text"] for one in every(found["findings"]) if one["decides"]}
    assert {named, leaf} <= decided
    assert not {one["text"] for one in found["findings"] if one["text"] in idle and one["decides"]}


def test_values_are_shown_as_people_write_them_in_the_clients_zone(tmp_path: Path, lang: str) -> None:
    config = shop(tmp_path, lang)
    shown = " ".join(ciblage(config, "explain", "unknown", "--customer", "a").replace("\u202f", " ").split())
    assert {"en": "(36)", "fr": "(36)"}[lang] in shown
    assert {"en": "(30.6 days)", "fr": "(30,6 jours)"}[lang] in shown.replace("\u00a0", " ")
    assert {"en": "(1 Nov 2026, 23:30)", "fr": "(1er nov. 2026, 23:30)"}[lang] in shown
    money = ciblage(config, "explain", "best", "--customer", "a").replace("\u202f", " ").replace("\u00a0", " ")
    assert {"en": "(€100.50)", "fr": "(100,50 €)"}[lang] in money
    assert {"en": "(50%)", "fr": "(50 %)"}[lang] in ciblage(config, "explain", "halves", "--customer", "a").replace("\u202f", " ").replace("\u00a0", " ")  # fmt: skip
    assert {"en": "(unknown)", "fr": "(inconnu)"}[lang] in ciblage(config, "explain", "unknown", "--customer", "b")


def test_a_member_who_is_sent_nowhere_is_told(tmp_path: Path) -> None:
    config = shop(tmp_path)
    assert "held out of every destination" in ciblage(config, "explain", "best", "--customer", "a")
    assert "sent nowhere" in ciblage(config, "explain", "listed", "--customer", "b")
    assert "sent nowhere" not in ciblage(config, "explain", "listed", "--customer", "a")


def test_arrows_stand_only_where_something_did_not_decide(tmp_path: Path) -> None:
    config = shop(tmp_path)
    assert "→" not in ciblage(config, "explain", "recent", "--customer", "a")
    assert "→" in ciblage(config, "explain", "mixed", "--customer", "a")


def test_someone_who_is_not_there_is_named_with_the_flag(tmp_path: Path) -> None:
    shown = ciblage(shop(tmp_path), "explain", "best", "--customer", "nobody", code=2)
    assert "--customer: there is no customer nobody" in shown


def test_a_customer_who_was_merged_is_explained_as_whom_they_became(tmp_path: Path, lang: str) -> None:
    config = shop(tmp_path, lang)
    people = tmp_path / "data" / "customers.csv"
    people.write_text(people.read_text("utf-8") + "z, A@Example.com ,subscribed,Paris,\n", "utf-8")
    found = told(config, "recent", "--customer", "z")
    assert (found["asked"], found["customer"], found["is_member"]) == ("z", "a", True)
    assert {**found, "asked": None} == told(config, "recent", "--customer", "a")
    shown = ciblage(config, "explain", "recent", "--customer", "z")
    assert {"en": "z has the same address as a and was merged into it", "fr": "z a la même adresse que a"}[
        lang
    ] in shown
    assert json.loads(ciblage(config, "traits", "z", "--json"))["result"]["table"][0]["customer_id"] == "a"


def test_a_birthday_is_said_as_one_and_has_no_year(tmp_path: Path, lang: str) -> None:
    config = shop(tmp_path, lang)
    more = '[segments]\nsoon = "birthday in next 7 days"\nfar = "not birthday in next 7 days"\n'
    config.write_text(config.read_text("utf-8").replace("[segments]\n", more), "utf-8")
    said = {
        "en": "birthday between November 20 and November 26",
        "fr": "anniversaire entre le 20 novembre et le 26 novembre",
    }
    assert told(config, "soon")["words"] == said[lang]
    assert "«" not in told(config, "far")["words"]
    assert "2026" not in told(config, "far")["words"]
