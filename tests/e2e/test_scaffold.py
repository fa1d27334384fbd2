"""`ciblage connectors new`: what it writes runs at once, and the walk of docs/writing-a-connector.md makes it whole."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/writing-a-connector.md").read_text("utf-8")
STEP = re.compile(
    r"^<!-- (write|append|says|passes) ?(?P<file>[\w/]+\.py)?:? ?(?P<old>.*?) ?-->(?:\n```\w+\n(?P<text>.*?)^```)?$",
    re.DOTALL | re.MULTILINE,
)


def new(folder: Path, name: str = "acme", *more: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["connectors", "new", name, "--out", str(folder), *more])
    return done.exit_code, done.output


def laws(folder: Path) -> subprocess.CompletedProcess[str]:
    """Its own tests, as its author runs them."""
    command = [sys.executable, "-m", "pytest"]
    paths = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=folder, env=os.environ | paths, capture_output=True, text=True, check=False, encoding="utf-8"
    )


def written(path: Path, old: str, text: str) -> None:
    """Replace a function (`def name`) or the line that holds `old`; without `old`, append."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    if not old:
        path.write_text("".join(lines) + "\n" + text, "utf-8")
        return
    at = next(
        at for at, line in enumerate(lines) if line.lstrip().startswith(f"{old}(" if old.startswith("def ") else old)
    )
    end = at + 1
    if old.startswith("def "):
        depth = len(lines[at]) - len(lines[at].lstrip())
        while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > depth):
            end += 1
        while not lines[end - 1].strip():
            end -= 1
    path.write_text("".join([*lines[:at], text, *lines[end:]]), "utf-8")


def test_the_walk_leads_from_the_scaffold_to_a_connector_that_keeps_every_law(tmp_path: Path) -> None:
    folder = tmp_path / "ciblage-acme"
    assert new(folder)[0] == 0
    steps = list(STEP.finditer(PAGE))
    assert {step[1] for step in steps} == {"write", "append", "says", "passes"}
    assert steps[-1][1] == "passes"
    for step in steps:
        if step[1] in {"write", "append"}:
            written(folder / step["file"], step["old"], step["text"])
            continue
        done = laws(folder)
        assert "ERROR" not in done.stdout, done.stdout
        assert (done.returncode == 0) is (step[1] == "passes"), done.stdout
        for line in (step["text"] or "").splitlines():
            assert line in done.stdout, f"the page says\n{line}\nand the tests say\n{done.stdout}"
    for check in (["check", "--select", "E,F,I,UP,B,SIM"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check]
        ruled = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert ruled.returncode == 0, ruled.stdout


@pytest.mark.parametrize(("name", "title"), [("bird", "Bird"), ("two_words", "TwoWords")])
def test_what_is_written_bears_the_author_s_name_and_fails_the_first_law(tmp_path: Path, name: str, title: str) -> None:
    code, said = new(tmp_path / "it", name)
    assert code == 0
    assert f"{name}/connector.py" in said
    texts = {
        path.relative_to(tmp_path / "it").as_posix(): path.read_text("utf-8") for path in tmp_path.glob("it/**/*.*")
    }
    assert f'{name} = "{name}:{title}"' in texts["pyproject.toml"]
    assert f"class {title}:" in texts[f"{name}/connector.py"]
    assert not [path for path, text in texts.items() if "acme" in text.lower() or "acme" in path]
    assert "test_the_spec_holds_together" in laws(tmp_path / "it").stdout


def test_nothing_is_written_over(tmp_path: Path) -> None:
    mine = tmp_path / "acme" / "wire.py"
    mine.parent.mkdir()
    mine.write_text("# mine", "utf-8")
    code, said = new(tmp_path)
    assert code == 2
    assert "is there already" in said
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert mine.read_text("utf-8") == "# mine"


@pytest.mark.parametrize("name", ["Acme", "2c", "a-b", "class", "../x", "brevo", "tests", ""])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    code, said = new(tmp_path / "it", name, "--json")
    assert code == 2
    assert json.loads(said)["error"]["place"] == "NAME"
    assert not (tmp_path / "it").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    code, said = new(tmp_path / "file", "acme", "--json")
    assert (code, json.loads(said)["error"]["place"]) == (2, "--out")


def test_the_result_is_one_document(tmp_path: Path) -> None:
    code, said = new(tmp_path / "it", "acme", "--json")
    told = json.loads(said)
    assert (code, told["command"], told["result"]["name"]) == (0, "connectors new", "acme")
    assert all(Path(path).exists() for path in told["result"]["files"])
