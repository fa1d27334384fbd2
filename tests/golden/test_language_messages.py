"""Messages and sentences as a person reads them, kept beside this file; `GOLDEN=write` renews them for review."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from language_lab import VOCABULARY

from engine.language.mistakes import LanguageError
from engine.language.parser import parse_test, parse_value
from engine.language.words import in_words

FOLDER = Path(__file__).parent / "language"
NOW, NEW_YORK = datetime(2018, 1, 1, 14, 0, tzinfo=UTC), ZoneInfo("America/New_York")
WRONG = (FOLDER / "wrong.txt").read_text("utf-8").splitlines()
SAID = (FOLDER / "said.txt").read_text("utf-8").splitlines()


def compare(name: str, text: str) -> None:
    path = FOLDER / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


def message(text: str) -> str:
    with pytest.raises(LanguageError) as caught:
        parse_test(text, VOCABULARY)
    return f"[{caught.value.mistake.id}] {caught.value.mistake.render('ciblage.toml:42: segments.vip: ')}"


def test_messages_say_what_is_wrong_where_and_what_to_write() -> None:
    compare("messages.txt", "\n\n".join(message(text) for text in WRONG) + "\n")


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_sentences_read_as_a_marketer_speaks(lang: str) -> None:
    titles = {"segment holdout": "Témoin", "rfm_m": "score de dépense" if lang == "fr" else "spending score"}
    lines = [
        f"{text}\n    {in_words(parse_value(text, VOCABULARY), lang, NOW, NEW_YORK, titles=titles)}" for text in SAID
    ]
    compare(f"sentences.{lang}.txt", "\n".join(lines) + "\n")


def test_a_message_shows_the_wrong_line_of_several() -> None:
    shown = message("is_vip\n  and  gender = 'femme'\n  and age > 3")
    assert shown.splitlines()[1:3] == ["  and  gender = 'femme'", "                ^"]


def test_a_long_line_is_cut_around_the_place() -> None:
    shown = message("is_vip and " * 20 + "agee > 3 and " + "is_vip and " * 20 + "is_vip")
    line, caret = shown.splitlines()[1:3]
    assert len(line) < 110
    assert line[caret.index("^") :].startswith("agee > 3")
