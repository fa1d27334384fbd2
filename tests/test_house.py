"""The house rules that a machine can hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from engine.config import load

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("engine/**/*.py"), *ROOT.glob("connectors/**/*.py")])
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CEILING, LONGEST_FUNCTION = 500, 50


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("path", [*SOURCES, *ROOT.glob("tests/**/*.py")], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= CEILING
    too_long = [f.name for f in functions(path) if (f.end_lineno or 0) - f.lineno + 1 > LONGEST_FUNCTION]
    assert too_long == []


def test_the_contract_fits_on_one_screen() -> None:
    assert len((ROOT / "connectors/base.py").read_text("utf-8").splitlines()) <= 90


@pytest.mark.parametrize("provider", ["mailchimp", "klaviyo", "brevo", "memory"])
def test_each_provider_has_the_same_files(provider: str) -> None:
    files = {path.name for path in (ROOT / "connectors" / provider).iterdir()}
    assert {"__init__.py", "connector.py", "wire.py", "events.py", "README.md"} <= files


@pytest.mark.parametrize("provider", ["mailchimp", "klaviyo"])
def test_a_vendor_sdk_is_met_in_sixty_lines(provider: str) -> None:
    assert len((ROOT / "connectors" / provider / "sdk.py").read_text("utf-8").splitlines()) <= 60


def test_the_example_config_loads() -> None:
    keys = {"MAILCHIMP_API_KEY": "a", "KLAVIYO_API_KEY": "b", "BREVO_API_KEY": "c"}
    settings = load(ROOT / "config.example.toml", keys).settings
    assert set(settings.destinations) == {"newsletter", "flows", "mailing"}


def test_the_changelog_names_the_version() -> None:
    version = PYPROJECT["project"]["version"]
    first = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert first is not None
    assert first.group(1) == version


def test_ci_runs_the_readmes_own_test_command() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    block = re.search(r"```sh\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    commands = [line.split("#")[0].strip() for line in block.group(1).splitlines()]
    assert commands[:2] == ["make demo", "make test"]
    assert "make test" in (ROOT / ".ci/run").read_text("utf-8")


def test_the_catalogue_speaks_both_languages_everywhere() -> None:
    catalogue = tomllib.loads((ROOT / "engine/words.toml").read_text("utf-8"))
    for section, entries in catalogue.items():
        for key, words in entries.items():
            assert {"en", "fr"} <= set(words), f"{section}.{key}"
            holes = {lang: set(re.findall(r"{(\w+)", words[lang])) for lang in ("en", "fr")}
            assert holes["en"] == holes["fr"], f"{section}.{key}"


def test_every_sentence_that_the_code_asks_for_is_in_the_catalogue_and_none_is_left_over() -> None:
    catalogue = tomllib.loads((ROOT / "engine/words.toml").read_text("utf-8"))
    known = {f"{section}.{key}" for section, entries in catalogue.items() for key in entries}
    text = "\n".join(path.read_text("utf-8") for path in SOURCES)
    asked = set(re.findall(r"\bsay\(\s*[\"']([a-z_]+\.[a-z_0-9]+)[\"']", text))
    assert asked <= known, asked - known
    mentioned = set(re.findall(r"[\"']([a-z_]+\.\w+)[\"']", text))
    whole = set(re.findall(r"f[\"']([a-z_]+)\.\{", text)) | set(re.findall(r"pairs\([^,]+, \"([a-z_]+)\"", text))
    whole |= set(re.findall(r"\"([a-z_]+)\.\" \+", text))
    left_over = {name for name in known - mentioned if name.partition(".")[0] not in whole}
    assert left_over == set()


def test_help_imports_nothing_heavy() -> None:
    heavy = [
        "duckdb",
        "pyarrow",
        "sqlglot",
        "sqlalchemy",
        "httpx",
        "lark",
        "pydantic",
        "babel",
        "klaviyo_api",
        "mailchimp_marketing",
    ]
    code = (
        "import sys; sys.argv = ['ciblage', '--help']\n"
        "from engine.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_nothing_names_a_package_registry() -> None:
    hosts = ["py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js.org"]
    files = [
        path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts and ".git" not in path.parts
    ]
    named = [
        str(path.relative_to(ROOT))
        for path in files
        if path.suffix in {".py", ".md", ".toml", ".lock", ".yaml", ""}
        and any(host in path.read_text("utf-8", "ignore") for host in hosts)
    ]
    assert named == []
