"""What is wrong in a config or on the command line is told with its place and the nearest valid choice, and nothing is called."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from round_lab import KEYS, Lab, told

AUDIENCE = 'audience = "Newsletter"'
LOYAL = "count(orders, last 12 months) >= 3"


@dataclass(frozen=True)
class Mistake:
    """What is replaced by what, at which line of the config it must be told, and how."""

    name: str
    old: str
    new: str
    says: tuple[str, ...]
    command: tuple[str, ...] = ("check",)
    kind: str = "config"

    def __str__(self) -> str:
        return self.name


MISTAKES = (
    Mistake("unknown_key", "timezone =", "timezon =", ("unknown key 'timezon'", "did you mean 'timezone'?")),
    Mistake("unknown_nested_key", "percent =", "percnt =", ("'percnt' in offers.thanks", "did you mean 'percent'?")),
    Mistake("unknown_key_of_a_segment", "holdout =", "houldout =", ("unknown key 'houldout'", "did you mean 'holdout'?")),
    Mistake("wrong_type", 'currency = "EUR"', "currency = 3", ("currency", "valid string")),
    Mistake("unknown_time_zone", "Europe/Paris", "Europe/Pari", ("'Europe/Pari' is not a time zone",)),
    Mistake("no_share", '"15%"', '"a lot%"', ("'a lot%' is not a share", "'10%'")),
    Mistake("no_amount", '"30 EUR"', '"thirty EUR"', ("'thirty EUR' is not an amount", "'60 EUR'")),
    Mistake("another_currency", '"30 EUR"', '"30 USD"', ("amounts are in EUR, not USD",)),
    Mistake("no_length_of_time", 'minimum = "30 EUR"', 'valid = "some days"', ("'some days' is not a length of time", "'30 days'")),
    Mistake("unknown_segment_of_a_destination", '["loyal", "lc_new"]', '["loyl", "lc_new"]', ("there is no segment 'loyl'", "did you mean 'loyal'?")),
    Mistake("unknown_segment_of_an_offer", 'segment = "loyal"', 'segment = "loyall"', ("there is no segment 'loyall'", "did you mean 'loyal'?")),
    Mistake("unknown_offer_of_a_merge_tag", 'code = { offer = "thanks" }', 'code = { offer = "thank" }', ("there is no offer 'thank'", "did you mean 'thanks'?")),
    Mistake("unknown_trait_of_a_merge_tag", '{ trait = "first_name" }', '{ trait = "first_nam" }', ("there is no trait 'first_nam'", "did you mean 'first_name'?"), kind="definition"),
    Mistake("unknown_connector", '"mailchimp"', '"mailchim"', ("there is no connector 'mailchim'", "did you mean 'mailchimp'?")),
    Mistake("unknown_connector_key", AUDIENCE, f'{AUDIENCE}\ncolour = "red"', ("mailchimp: unknown key 'colour'", "valid: api_key, audience, base_url, ")),
    Mistake("misspelt_connector_key", AUDIENCE, 'audiance = "Newsletter"', ("mailchimp: unknown key 'audiance'", "did you mean 'audience'?")),
    Mistake("missing_connector_key", AUDIENCE, "", ("mailchimp: 'audience' is missing",)),
    Mistake("connector_key_of_another_type", AUDIENCE, "audience = 7", ("mailchimp: 'audience' must be text",)),
    Mistake("literal_secret", '"${BREVO_KEY}"', '"xkeysib-1234567"', ("destinations.mailing.api_key holds a secret", "${MAILING_API_KEY}")),
    Mistake("missing_variable", "${BREVO_KEY}", "${BREVO_KEYS}", ("needs the environment variable BREVO_KEYS",)),
    Mistake("two_definitions", f'where = "{LOYAL}"', f'where = "{LOYAL}"\ncustomers = ["c1"]', ("exactly one of where, recipe, customers or file",)),
)  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_in_the_config_is_told_with_file_line_and_the_nearest_valid_choice(
    fresh: Lab, mistake: Mistake
) -> None:
    fresh.edit(mistake.old, mistake.new)
    lines = fresh.config.read_text("utf-8").splitlines()
    with fresh.calls() as calls:
        error = told(fresh, *mistake.command, exit_code=2, kind=mistake.kind, says=mistake.says)
    assert calls == []
    file, _, line = str(error["place"]).rpartition(":")
    assert file == str(fresh.config)
    near = "\n".join(lines[int(line) - 2 : int(line) + 1])
    assert (mistake.new.splitlines() or ["destinations.newsletter"])[-1] in near or mistake.name in {
        "missing_connector_key",
        "two_definitions",
    }


def test_every_mistake_of_the_file_is_told_at_once(fresh: Lab) -> None:
    fresh.edit('["loyal", "lc_new"]', '["loyl", "lc_nu"]')
    fresh.edit('segment = "loyal"', 'segment = "loyall"')
    told(fresh, "check", exit_code=2, kind="config", says=("'loyl'", "'lc_nu'", "'loyall'"))


def test_a_secret_never_shows_when_it_is_refused(fresh: Lab) -> None:
    fresh.edit('"${BREVO_KEY}"', '"xkeysib-1234567"')
    for json in (False, True):
        said = fresh.ciblage("check", json=json)
        assert "1234567" not in said.out + said.err


def test_mistakes_in_definitions_are_shown_with_a_caret_and_a_suggestion_all_at_once(fresh: Lab) -> None:
    fresh.edit(LOYAL, "count(order, last 12 months) >= 3")
    fresh.edit("favourite = 'tea'", "sum(orders.totl) > 3")
    fresh.edit("count(orders) = 1", "favorite = 'tea'")
    fresh.edit("did(orders, last 90 days)", "first_name > 3")
    says = (
        "Unknown source 'order'", "did you mean 'orders'?", "'totl' is not a column of orders", "did you mean 'total'?",
        "Unknown trait 'favorite'", "did you mean 'favourite'?", "'first_name' (a text) cannot be compared with 3",
    )  # fmt: skip
    error = told(fresh, "segments", exit_code=2, kind="definition", says=says)
    assert len(error["mistakes"]) == 4
    lines = fresh.ciblage("segments").err.splitlines()
    caret = next(place for place, line in enumerate(lines) if line.strip() == "^")
    assert lines[caret - 1][lines[caret].index("^") :].startswith("order")
    assert lines[caret - 2].startswith(f"{fresh.config}:")


def test_a_sentence_that_breaks_off_is_told_where(fresh: Lab) -> None:
    fresh.edit(LOYAL, "count(orders, last month) >= 3")
    told(fresh, "segments", exit_code=2, kind="definition", says=("Unexpected 'month'", "last 1 month"))


FILES = {
    b'client = "caf\xe9"': ("the file is not UTF-8", ":1"),
    b"": ("client is missing", ""),
    b'client = "a"\ncurrency = [': ("not TOML", ":2"),
}


@pytest.mark.parametrize("content", FILES)
def test_a_config_that_cannot_be_read_is_told(fresh: Lab, content: bytes) -> None:
    fresh.config.write_bytes(content)
    says, line = FILES[content]
    error = told(fresh, "check", exit_code=2, kind="config", says=(says,))
    assert error["place"].startswith(f"{fresh.config}{line}")


def test_a_missing_config_is_told(fresh: Lab) -> None:
    fresh.config.unlink()
    told(
        fresh,
        "check",
        exit_code=2,
        kind="config",
        place=str(fresh.config),
        says=("there is no config file", "--config"),
    )


@dataclass(frozen=True)
class Misuse:
    """A command line, and what is said of it."""

    words: tuple[str, ...]
    place: str
    says: tuple[str, ...]

    def __str__(self) -> str:
        return "_".join(self.words).replace("/", "-")


MISUSES = (
    Misuse(("members", "loyl"), "SEGMENT", ("there is no segment 'loyl'", "did you mean 'loyal'?")),
    Misuse(("members", "xxxxx"), "SEGMENT", ("there is no segment 'xxxxx'", "there are: loyal, tea")),
    Misuse(("explain", "te"), "SEGMENT", ("there is no segment 'te'", "did you mean 'tea'?")),
    Misuse(("traits", "c99"), "CUSTOMER", ("there is no customer c99", "ciblage members")),
    Misuse(("members", "tea", "--format", "xml"), "--format", ("there is no format 'xml'", "csv, jsonl or parquet")),
    Misuse(("members", "tea", "--format", "parquet"), "--format", ("Parquet is not for the screen", "--out")),
    Misuse(("push", "--plan", "plan.parquet"), "--checksum", ("a plan from a file needs --checksum", "ciblage plan")),
    Misuse(("push", "--plan", "nix.parquet", "--checksum", "x"), "nix.parquet", ("nix.parquet", "ciblage plan --out FILE")),
    Misuse(("push", "--plan", "x", "--checksum", "x", "--max-age", "soon"), "--max-age", ("'soon' is not a length of time", "24 hours")),
    Misuse(("approve", "nix.parquet", "--by", "Lin"), "nix.parquet", ("nix.parquet",)),
    Misuse(("codes", "confirm", "nix.csv"), "nix.csv", ("there is no file nix.csv",)),
    Misuse(("run", "--force", "newsleter"), "--force", ("there is no 'newsleter'", "did you mean 'newsletter'?")),
    Misuse(("push", "--recreate", "newsletter/teas"), "--recreate", ("there is no 'newsletter/teas'", "did you mean 'newsletter/tea'?")),
    Misuse(("plan", "--force", "newsletter/te"), "--force", ("there is no 'newsletter/te'", "did you mean 'newsletter/tea'?")),
)  # fmt: skip


@pytest.mark.parametrize("misuse", MISUSES, ids=str)
def test_a_mistake_on_the_command_line_is_told_with_the_nearest_valid_choice(fresh: Lab, misuse: Misuse) -> None:
    error = told(fresh, *misuse.words, exit_code=2, says=misuse.says)
    assert error["place"] == misuse.place
    assert [call for call in fresh.sandbox.calls if not call.is_read] == []


@pytest.mark.parametrize("now", ["yesterday", "2026-13-01", "", "09:00"])
def test_a_moment_that_is_none_is_refused(fresh: Lab, now: str) -> None:
    said = fresh.ciblage("segments", "--now", now, json=True, is_dated=False)
    assert said.exit_code == 2
    assert said.error["place"] == "--now"
    assert said.error["message"] == f"'{now}' is not a moment"
    assert "2026-11-22T09:00Z" in said.error["hint"]


def command(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Our command as people start it, in a folder."""
    program = Path(sys.executable).with_name("ciblage")
    known = {name: value for name, value in os.environ.items() if name not in KEYS}
    return subprocess.run(
        [program, *words], cwd=folder, env=known | environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_secrets_come_from_the_environment_too_and_the_config_from_the_current_folder(fresh: Lab) -> None:
    fresh.edit('secrets = { folder = "secrets" }\n', "")
    done = command("check", "--json", folder=fresh.folder, **KEYS)
    assert done.returncode == 0, done.stderr
    refused = command("check", folder=fresh.folder)
    assert refused.returncode == 2
    for name in KEYS:
        assert name in refused.stderr


def test_an_unknown_option_is_one_document_too(fresh: Lab) -> None:
    done = command("run", "--bogus", "--json", folder=fresh.folder)
    assert done.returncode == 2
    assert done.stdout.startswith("{")
    assert "No such option: --bogus" in done.stdout
    plain = command("members", "tea", "--limit", "0", folder=fresh.folder)
    assert plain.returncode == 2
    assert "--limit" in plain.stderr
    assert plain.stdout == ""
