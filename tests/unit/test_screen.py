"""How lines break on a screen, and how days look: what French keeps together stays together, what is typed stays one line."""

from __future__ import annotations

import shlex
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from engine.ownership.drifting import Drift, ListDrift, ListState
from engine.show import command, console, view
from engine.show.blocks import Command, Part
from engine.show.screen import table
from engine.show.terminal import lines
from engine.upkeep.drifting import Drifted
from engine.words import LANGS, amount, day, moment, number, say

FRENCH = st.lists(
    st.sampled_from(["une", "liste", "« Clients", "fidèles »", "chez :", "vraiment ?", "oui !", "50 %", "1\u202f727", "9\u00a0€"]),
    min_size=1, max_size=30,
)  # fmt: skip


def shown(capsys: pytest.CaptureFixture[str], *what: object) -> list[str]:
    for one in what:
        console().print(one, crop=False)
    return capsys.readouterr().out.splitlines()


@given(words=FRENCH)
def test_no_line_begins_or_ends_where_french_keeps_two_things_together(words: list[str]) -> None:
    text = " ".join(words)
    screen = console()
    screen.width = 20
    with screen.capture() as caught:
        screen.print(Text(text))
    found = [line.strip(" ") for line in caught.get().splitlines()]
    assert " ".join(found) == text
    assert not [line for line in found if line[:1] in "»:?!%€" or line.endswith("«")]
    assert "1\u202f727" in "".join(found) or "1\u202f727" not in words


def test_a_cell_of_a_table_breaks_as_a_line_does(capsys: pytest.CaptureFixture[str]) -> None:
    cell = "« corner-market Clients fidèles » chez newsletter : 348 personnes"
    found = [line.strip() for line in shown(capsys, table([("", False), ("", False)], [("x" * 56, cell)]))]
    assert not [line for line in found if line.startswith((":", "»"))], found


@pytest.mark.parametrize("text", ["1\u202f727 clients", "« Oui » : 5 %"])
def test_what_is_shown_is_the_text_to_the_letter(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert shown(capsys, Text(text), text) == [text, text]


@pytest.mark.parametrize(
    "typed",
    [
        "ciblage check",
        f"ciblage check --config {'very-' * 20}long/ciblage.toml",
        f"mkdir -p {'deep/' * 30}secrets && nano {'deep/' * 30}secrets/KEY",
        f"ciblage push --plan p.parquet --checksum {'0' * 64} --config shop/ciblage.toml",
        "ciblage explain champions --config demo-shop/ciblage.toml --now 2018-01-04T12:00Z --customer 101",
    ],
)
def test_a_command_can_be_copied_into_a_shell_however_long_it_is(
    capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    for found in (shown(capsys, command(typed)), shown(capsys, *lines(Part("To agree", [Command(typed)])))[1:]):
        assert shlex.split("\n".join(found).replace("\\\n", "")) == shlex.split(typed)  # shlex knows no continued lines
        assert all(line.startswith("  ") for line in found)
        assert all(line.endswith(" \\") for line in found[:-1])
        assert not [line for line in found if len(line) > 80 and " --" in line.strip()]


def test_a_flag_keeps_its_value_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    flags = " ".join(f"--force newsletter/guard.rule_{'x' * size}" for size in range(12))
    found = shown(capsys, Text(f"to go on: {flags}"))
    assert len(found) > 1
    assert not [line for line in found if line.rstrip().endswith("--force")]


@pytest.mark.parametrize(
    ("when", "told"),
    [(date(2026, 3, 1), "1er mars 2026"), (date(2026, 3, 11), "11 mars 2026"), (date(2026, 3, 2), "2 mars 2026")],
)
def test_the_first_of_a_month_is_an_ordinal_in_french(when: date, told: str) -> None:
    assert day(when, "fr") == told
    assert moment(datetime(when.year, when.month, when.day, 9, 5, tzinfo=UTC), "fr").startswith(told)


def test_english_knows_no_ordinal_and_numbers_are_those_of_the_language() -> None:
    assert day(date(2026, 3, 1), "en") == "Mar 1, 2026"
    assert moment(datetime(2026, 3, 1, 9, 5, tzinfo=UTC), "en").startswith("1 Mar 2026")
    assert (number(1727, "fr"), amount(Decimal("9.50"), "EUR", "fr")) == ("1\u202f727", "9,50\u00a0€")


@pytest.mark.parametrize("lang", LANGS)
def test_a_count_in_a_sentence_is_written_as_numbers_are(lang: str) -> None:
    """Whether or not the sentence has a form of its own for one."""
    for key, words in (("effects.at", {"name": "news"}), ("plan.on_its_way", {}), ("members.written", {"file": "f"})):
        assert number(1830, lang) in say(key, lang, count=1830, **words)


@pytest.mark.parametrize(("state", "is_said"), [(ListState.THERE, True), (ListState.UNREAD, False)])
def test_what_could_not_be_read_is_not_said_to_be_as_we_left_it(
    capsys: pytest.CaptureFixture[str], state: ListState, *, is_said: bool
) -> None:
    one = Drift(destination="news", lists=[ListDrift(segment="tea", title="Tea", state=state, ours=3)])
    said = "\n".join(shown(capsys, view(Drifted(destinations=[one]), "en")))
    assert ("as we left it" in said) is is_said
    assert ("cannot be read there" in said) is not is_said
