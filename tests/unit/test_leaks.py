"""The search for what must never come out: it finds every form, and the test that lets one out fails."""

from __future__ import annotations

import base64
import hashlib
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from leaks import KEYS, Watch, find

from connectors.masking import mask, mask_all
from engine import logs

ADDRESS = "c04@example.com"
TESTS = Path(__file__).parents[1]
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "quoted": lambda text: quote(text, safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 without its end": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "a user of basic": lambda text: "Basic " + base64.b64encode(f"{text}:x".encode()).decode(),
    "md5": lambda text: hashlib.md5(text.encode()).hexdigest(),  # noqa: S324 - what Mailchimp calls a member
}


@pytest.mark.parametrize("form", FORMS)
def test_an_address_is_found_in_every_form(form: str) -> None:
    told = FORMS[form](ADDRESS)
    assert find(f"GET /members/{told}?fields=id") != []
    assert find(f'{{"path": "/members", "who": "{told}"}}') != []


@pytest.mark.parametrize("form", [one for one in FORMS if one != "md5"])
@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_found_in_every_form(form: str, name: str) -> None:
    assert find(f"authorization: {FORMS[form](KEYS[name])};") != []


@pytest.mark.parametrize("form", FORMS)
def test_what_is_masked_is_not_found(form: str) -> None:
    told = FORMS[form](ADDRESS)
    assert find(mask(f"GET /members/{told}?fields=id")) == []
    assert find(mask(f'{{"who": "{told}"}}')) == []


@pytest.mark.parametrize("text", ["", "a word", "maison-lin Loyal customers", "5a0db0x000000000000000001", "0" * 64, "sandbox", "#12"])  # fmt: skip
def test_ordinary_words_stay(text: str) -> None:
    assert find(text) == []
    assert mask(text) == text


def record(**about: object) -> logging.LogRecord:
    made = logging.LogRecord("ciblage.x", logging.INFO, __file__, 1, f"call of {ADDRESS}", None, None)
    made.about = about
    return made


@pytest.mark.parametrize("form", FORMS)
def test_the_formatter_masks_whatever_a_record_holds(form: str) -> None:
    told = FORMS[form](ADDRESS)
    hidden = KEYS.values()
    line = logs.JsonLines(hidden).format(
        record(path=f"/members/{told}", words={told: [told, {told}]}, error=ValueError(told), key=KEYS["BREVO_KEY"])
    )
    assert find(line) == []
    assert "\n" not in line


def test_the_formatter_masks_a_chain_of_exceptions() -> None:
    made = record()
    try:
        try:
            raise ValueError(ADDRESS)
        except ValueError as error:
            raise KeyError(KEYS["KLAVIYO_KEY"]) from error
    except KeyError:
        made.exc_info = sys.exc_info()
    told = logs.JsonLines(KEYS.values()).format(made)
    assert "ValueError" in told
    assert find(told) == []


def test_a_secret_is_hidden_within_a_word() -> None:
    assert mask_all("https://x:pk_sandbox@host", KEYS.values()) == "https://x:…@host"


# the watch


def test_the_answer_of_a_command_is_searched_but_where_addresses_are_asked_for() -> None:
    for words in (("members", "loyal", "--reachable"), ("person", ADDRESS)):
        watch = Watch()
        watch.ran(words, ADDRESS)
        assert watch.taken() == []
    watch = Watch()
    watch.ran(("members", "loyal"), "c04", f"not {ADDRESS}")
    assert watch.taken() == [f"members loyal: {ADDRESS}"]
    assert watch.taken() == []


def test_files_beside_the_config_are_searched_but_the_shop_the_ledger_and_the_codes(tmp_path: Path) -> None:
    for name in (
        "data/customers.csv",
        "state/x.sqlite",
        "state/codes.csv",
        "secrets/KEY",
        "state/engagement/1.parquet",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(ADDRESS, "utf-8")
    watch = Watch()
    watch.ran(("plan", "--config", str(tmp_path / "ciblage.toml")), "")
    assert watch.taken() == []
    (tmp_path / "plan.html").write_text(f"<p>{ADDRESS}</p>", "utf-8")
    pq.write_table(pa.table({"after": [ADDRESS]}), tmp_path / "state" / "plan.parquet")
    watch.ran(
        ("members", "loyal", "--reachable", "--config", str(tmp_path / "c.toml"), "--out", str(tmp_path / "m")), ""
    )
    (tmp_path / "m").write_text(ADDRESS, "utf-8")
    found = watch.taken()
    assert [Path(one.split(":")[0]).name for one in found] == ["plan.html", "plan.parquet"]


LEAKING = {
    "log": "import logging\ndef test_it(): logging.getLogger('ciblage.x').debug('to %s', 'c04@example.com')\n",
    "runner": "from typer import Typer\nfrom typer.testing import CliRunner\napp = Typer()\n@app.command()\n"
    "def say(): print('pk_sandbox')\ndef test_it(): CliRunner().invoke(app, [])\n",
    "chain": "from typer import Typer\nfrom typer.testing import CliRunner\napp = Typer()\n@app.command()\n"
    "def say(): raise ValueError('c04@example.com')\ndef test_it(): CliRunner().invoke(app, [])\n",
    "process": "import sys\nfrom leaks import Process\nimport subprocess\n"
    "def test_it():\n    with Process([sys.executable, '-c', 'print(\"c04@example.com\")'], stdout=subprocess.PIPE, text=True) as it:"
    " it.communicate()\n",
    "nothing": "def test_it(): pass\n",
}  # fmt: skip


def test_a_test_that_lets_something_out_fails(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from leaks import discreet, watching\n", "utf-8")
    for name, text in LEAKING.items():
        (tmp_path / f"test_{name}.py").write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-rEFp", str(tmp_path)]
    environment = {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "PATH": "/usr/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    failed = {
        line.split("::")[0].rpartition("test_")[2] for line in done.stdout.splitlines() if line.startswith("ERROR")
    }
    assert failed == {"log.py", "runner.py", "chain.py", "process.py"}, done.stdout
