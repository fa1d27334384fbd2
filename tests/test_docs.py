"""The docs say what is so: pages are generated, examples parsed, snippets found or run, links followed, laws proven."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from documents import PAGES, RENEW

from engine.language.mistakes import LanguageError
from engine.language.parser import parse_test, parse_value
from engine.language.tree import Type
from engine.language.vocabulary import Fact, Source, Vocabulary
from engine.shop.schema import LISTS, TABLES, Column, facts, sources

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TEXTS = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in sorted(ROOT.glob("**/*.md"))
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
}


def fences(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXTS[page], re.DOTALL | re.MULTILINE)


# generated pages


@pytest.mark.parametrize("page", PAGES)
def test_a_generated_page_is_up_to_date(page: str) -> None:
    path = DOCS / page
    if os.environ.get("GOLDEN") == "write":
        path.write_text(PAGES[page](), "utf-8")
    assert path.read_text("utf-8") == PAGES[page](), f"renew it: {RENEW}"


# the language


def _fact(column: Column) -> Fact:
    return Fact(type=Type(column.type), values=column.values, exact=column.exact, optional=not column.required)


VOCABULARY = Vocabulary(
    facts={name: _fact(column) for name, column in facts(TABLES["customers"], LISTS).items()},
    sources={
        name: Source(columns={column: _fact(kind) for column, kind in source.columns.items()}, time=source.time)
        for name, source in sources(TABLES).items()
    },
    segments=frozenset({"loyal", "win_back"}),
    places=frozenset({"lyon"}),
)


def lines(language: str) -> list[str]:
    return "".join(fences("docs/language.md", language)).splitlines()


def inline() -> list[str]:
    """Definitions inside sentences: code that compares something."""
    bare = re.sub(r"^```.*?^```$", "", TEXTS["docs/language.md"], flags=re.DOTALL | re.MULTILINE)
    return [code for code in re.findall(r"`([^`\n]+)`", bare) if re.search(r"\w (<|>|!=) |\(", code)]


WRONG = lines("wrong")
EXAMPLES = [*lines("segment"), *(code for code in inline() if code not in WRONG)]
VALUES = lines("trait")


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_of_the_language_is_a_segment(text: str) -> None:
    parse_test(text, VOCABULARY)


@pytest.mark.parametrize("text", VALUES)
def test_an_example_of_the_language_is_a_trait(text: str) -> None:
    parse_value(text, VOCABULARY)


@pytest.mark.parametrize("text", WRONG)
def test_an_example_of_a_mistake_is_one(text: str) -> None:
    with pytest.raises(LanguageError):
        parse_test(text, VOCABULARY)


def test_the_mistake_that_is_shown_reads_like_that() -> None:
    with pytest.raises(LanguageError) as caught:
        parse_test(WRONG[0], VOCABULARY)
    assert caught.value.mistake.render("").strip() in TEXTS["docs/language.md"]


def test_the_names_that_the_text_gives_are_there() -> None:
    told = re.search(r"What can be counted: (.*?)\.", TEXTS["docs/language.md"], re.DOTALL)
    assert told is not None
    named = set(re.findall(r"`(\w+)`", told.group(1)))
    assert named == VOCABULARY.sources.keys() - {"email_opens_all"}


def test_the_config_of_the_language_page_loads(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from engine.cli import app

    written = "\n".join(fences("docs/language.md", "toml"))
    include, config = re.findall(r"^include = .*\n", written, re.MULTILINE), re.sub(r"(?m)^include = .*\n", "", written)
    (tmp_path / "reviews.csv").write_text("customer_id,score,written_at\nc1,5,2026-01-01\n", "utf-8")
    (tmp_path / "ciblage.toml").write_text(
        "".join(include) + 'client = "docs"\n\n[shop]\npath = "."\n\n' + config, "utf-8"
    )
    (tmp_path / "customers.csv").write_text("customer_id,email\nc1,lin@example.com\n", "utf-8")
    done = CliRunner().invoke(app, ["members", "prospect", "--config", str(tmp_path / "ciblage.toml")])
    assert (done.exit_code, done.stdout.split()) == (0, ["customer_id", "c1"]), done.output


# snippets

QUOTED = [
    (page, file, text)
    for page, content in TEXTS.items()
    for file, text in re.findall(r"^<!-- from (\S+) -->\n```\w*\n(.*?)^```$", content, re.DOTALL | re.MULTILINE)
]
RUN = "\n".join(
    re.findall(r"^<!-- run -->\n```python\n(.*?)^```$", TEXTS["docs/writing-a-connector.md"], re.DOTALL | re.MULTILINE)
)


@pytest.mark.parametrize(("page", "file", "text"), QUOTED, ids=lambda one: str(one).splitlines()[0].strip()[:60])
def test_a_quoted_snippet_stands_in_its_file(page: str, file: str, text: str) -> None:
    assert text in (ROOT / file).read_text("utf-8"), f"{page} quotes {file}"


def test_every_snippet_of_the_walk_is_quoted_or_run() -> None:
    page = TEXTS["docs/writing-a-connector.md"]
    unmarked = re.findall(r"(?<!-->)\n```(?:python|toml)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert unmarked == []


def test_the_snippets_that_run_do_what_they_say() -> None:
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# links and laws


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_leads_somewhere(page: str) -> None:
    bare = re.sub(r"^```.*?^```$", "", TEXTS[page], flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"\]\(([^)\s]+)\)", bare)
    lost = [
        link for link in found if "://" not in link and not (ROOT / page).parent.joinpath(link.split("#")[0]).exists()
    ]
    assert lost == []


LAWS = re.split(r"^## ", TEXTS.get("docs/invariants.md", ""), flags=re.MULTILINE)[1:]


def names_of(path: Path) -> set[str]:
    """Every test of a file, those of a class both with and without its name; and a machine that is a test as a whole."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found |= {node.targets[0].id} if node.targets[0].id.startswith("Test") else set()
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        found |= {one.name for one in inner if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")}
    return found


def test_the_ten_laws_are_there() -> None:
    assert [law.split(".")[0] for law in LAWS] == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.splitlines()[0])
def test_a_law_names_tests_that_exist_and_says_what_is_not_proven(law: str) -> None:
    named = re.findall(r"^- `([\w/.]+)::(\w+)`", law, re.MULTILINE)
    assert named, "a law without a test is a wish"
    assert len(named) == len(set(named))
    missing = [f"{file}::{test}" for file, test in named if test not in names_of(ROOT / file)]
    assert missing == []
    assert "**Not proven:**" in law


def test_pytest_collects_every_test_that_a_law_names() -> None:
    """The kit's own are collected for the connectors; one of them is enough."""
    named = re.findall(r"^- `([\w/.]+)::(\w+)`", TEXTS["docs/invariants.md"], re.MULTILINE)
    files = sorted({file for file, _ in named if file.startswith("tests/")} | {"tests/conformance/test_memory.py"})
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-n0",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run([*command, *files, "-o", "addopts="], cwd=ROOT, capture_output=True, text=True, check=False)
    ids = [line.split("[")[0].split("::") for line in done.stdout.splitlines() if "::" in line]
    collected = {(file, name) for file, *names in ids for name in names}
    kit = {test for file, test in collected if file == "tests/conformance/test_memory.py"}
    lost = [
        (file, test)
        for file, test in named
        if (file, test) not in collected and (file.startswith("tests/") or test not in kit)
    ]
    assert lost == [], done.stdout[-2000:] + done.stderr


def test_every_file_of_property_tests_is_named_by_a_law_or_beside_them() -> None:
    there = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/property/test_*.py")}
    assert {one for one in there if one not in TEXTS["docs/invariants.md"]} == set()


def test_nothing_but_the_clock_reads_the_time() -> None:
    """Law 10: the machine's time is read in connectors/http.py; the sandbox is another program with its own."""
    clock = {"now", "utcnow", "today", "time", "monotonic", "perf_counter", "time_ns", "sleep"}
    found = set()
    for path in [*ROOT.glob("engine/**/*.py"), *ROOT.glob("connectors/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in clock:
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id in {"datetime", "date", "time"}:
                    found.add(path.relative_to(ROOT).as_posix())
    assert {one for one in found if not one.startswith("connectors/sandbox/")} == {"connectors/http.py"}


DECISIONS = sorted((DOCS / "decisions").glob("*.md"))


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_three_parts_on_a_few_lines(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Choice", "Consequences"]
    assert len(text.splitlines()) <= 20


# what an author and a caller find


def test_an_author_finds_everything_in_one_place_and_nothing_heavy_comes_along() -> None:
    import connectors

    needed = set()
    for path in [*ROOT.glob("connectors/memory/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in {
                "connectors.base",
                "connectors.spec",
                "connectors.types",
                "connectors.http",
            }:
                needed |= {alias.name for alias in node.names}
    assert needed <= set(connectors.__all__)
    assert all(hasattr(connectors, name) for name in connectors.__all__)
    told = "import sys, connectors; print([m for m in sys.modules if m.split('.')[0] in {'httpx', 'engine', 'pyarrow', 'duckdb'}])"
    assert (
        subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_contract_s_words_are_all_given_to_an_author() -> None:
    import connectors
    from connectors import base, spec, types

    words = {
        name for module in (base, spec, types) for name, found in vars(module).items()
        if not name.startswith("_") and getattr(found, "__module__", "") == module.__name__
    }  # fmt: skip
    assert words - {"T"} <= set(connectors.__all__)


def test_the_verbs_are_where_the_engine_says() -> None:
    import engine

    assert engine.__doc__ is not None
    verbs = re.findall(r"`([\w.]+)`", engine.__doc__.splitlines()[2])
    assert verbs[0] == "open_client"
    assert len(verbs) == 9
    for verb in verbs:
        found: object = engine
        for part in verb.split("."):
            found = getattr(found, part)
        assert callable(found)
    assert dir(engine) == sorted(engine.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        engine.nothing  # noqa: B018 - asking is the test
    told = "import sys, engine; print([m for m in sys.modules if m.startswith('engine.')])"
    assert (
        subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_readme_s_segments_are_segments() -> None:
    blocks = [tomllib.loads(text) for text in fences("README.md", "toml")]
    known = Vocabulary(
        facts={**VOCABULARY.facts, **dict.fromkeys(("rfm_r", "rfm_f", "rfm_m"), Fact(type=Type.NUMBER))},
        sources=VOCABULARY.sources,
    )
    told = [text for block in blocks for text in block.get("segments", {}).values()]
    assert told
    for text in told:
        parse_test(text, known)


# commands


def spoken() -> list[tuple[str, str]]:
    """Every `ciblage …` that a page gives, as a line of a shell block or as code in a sentence."""
    found = []
    for page, text in TEXTS.items():
        blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        lines_of = [line.split("#")[0] for block in blocks for line in block.splitlines()]
        bare = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
        told = [*lines_of, *re.findall(r"`([^`\n]+)`", bare)]
        found += [(page, line.strip()) for line in told if line.startswith("ciblage ")]
    return sorted(set(found))


@pytest.mark.parametrize(("page", "line"), spoken())
def test_a_command_that_a_page_gives_exists_with_its_options(page: str, line: str) -> None:
    import typer

    from engine.cli import app

    group = typer.main.get_command(app)
    _, *words = line.split()
    command, under = group.commands[words[0]], words[1:2]  # type: ignore[attr-defined]  # a group
    if under and under[0] in getattr(command, "commands", {}):
        command = command.commands[under[0]]
    known = {option for parameter in command.params for option in parameter.opts}
    asked = {word.strip("[]") for word in words if word.startswith(("--", "[--"))}
    assert asked <= known, f"{page}: {line}"
