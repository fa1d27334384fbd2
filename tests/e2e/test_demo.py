"""`ciblage demo` as a newcomer types it: to its end, in both languages, readable where there is no terminal."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.demo.shop import is_available

WIDTH = 80
PATIENCE = 240.0  # seconds, on a busy machine
STORIES = {
    "en": (
        "2,469 customers",
        "can be reached by e-mail",
        "rows set aside:",
        "in the segment “New customers”",
        "Why Andrew is in “Champions”:",
        "codes to mint for 'thanks': $",
        "0 re-subscriptions",
        "Write calls that reached a platform while planning: 0",
        "Approved by Lin: newsletter, flows, mailing",
        "proven by reading back",
        "The shop's till confirms 370 codes",
        "unsubscribes in Brevo",
        "is mailed by none of the three any more",
        "Nothing was sent. Exit code 3",
        "0 writes",
        "ciblage check --config",
    ),
    "fr": (
        "2 469 clients",
        "joignables par e-mail",
        "lignes mises de côté",
        "Pourquoi Andrew est dans « Champions » :",
        "0 réabonnement",
        "Appels d’écriture reçus par une plateforme pendant le plan : 0",
        "La caisse confirme 370 codes",
        "se désabonne chez Brevo",
        "ne reçoit plus rien d’aucune des trois",
        "Rien n’est parti. Code de sortie 3",
        "0 écriture",
        "ciblage check --config",
    ),
}

pytestmark = pytest.mark.skipif(
    not is_available(), reason="the example shop's data (the extra `demo`) is not installed"
)


def demo(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("ciblage")
    return subprocess.run(
        [program, "demo", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


@pytest.mark.parametrize("lang", STORIES)
def test_the_demo_keeps_every_promise_of_its_story(tmp_path: Path, lang: str) -> None:
    done = demo("--lang", lang, folder=tmp_path)
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    told = re.sub(r"( \\\n)?\s+", " ", done.stdout)  # a long command goes on behind a backslash
    assert [sentence for sentence in STORIES[lang] if sentence not in told] == []
    assert [chapter for chapter in range(1, 11) if f"\n{chapter}. " not in done.stdout] == []
    assert [line for line in done.stdout.splitlines() if len(line) > WIDTH] == []
    assert "\x1b" not in done.stdout, "no colours where there is no terminal"


def test_a_language_that_it_does_not_speak_is_told(tmp_path: Path) -> None:
    done = demo("--lang", "de", folder=tmp_path)
    assert done.returncode == 2
    assert "there is no language 'de'" in done.stderr
    assert list(tmp_path.iterdir()) == []
