"""What must never come out: every output of every test is searched for the lab's keys and the addresses of its people.

Commands in this process and in others, the files that they leave behind, and every record that is logged. Keys and
addresses are found as they are, in any case, quoted for a URL, in base64 and as a digest.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from typer.testing import CliRunner, Result

from engine.shop.schema import TABLES

__all__ = ["KEYS", "WATCH", "Process", "Watch", "discreet", "find", "watching"]

KEYS = {"MAILCHIMP_KEY": "sandbox-us1", "KLAVIYO_KEY": "pk_sandbox", "BREVO_KEY": "xkeysib-sandbox"}
_ADDRESS = re.compile(r"[\w.+'-]*@example\.(?:com|org|net)")
_BASE64 = [re.compile(rf"(?<![{one}])[{one}]{{12,4000}}={{0,2}}") for one in ("A-Za-z0-9+/", "A-Za-z0-9_-")]
_DIGEST = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})\b")
_PEOPLE = [f"c{number:02}@example.com" for number in range(1, 100)]
_DIGESTS = {
    hashlib.new(kind, one.encode(), usedforsecurity=False).hexdigest(): f"{one} as {kind}"
    for one in _PEOPLE for kind in ("md5", "sha1", "sha256")
}  # fmt: skip
_AT_REST = ("data", "secrets", "engagement", "pace")  # folders of a client that hold people by design
_SHOP = re.compile(rf"^({'|'.join(TABLES)})\.(csv|tsv|parquet|jsonl)$")  # where the folder of the config is the shop's
_STORES = re.compile(r"\.sqlite|^\.?codes.*\.csv|^confirmed\.csv|^ciblage\.toml$|\.duckdb")


def find(text: str) -> list[str]:
    """What is in the text and should not be."""
    found = list(_plain(text))
    found += [f"{one}, base64" for form in _BASE64 for word in form.findall(text) for one in _plain(_decoded(word))]
    found += [_DIGESTS[one] for one in _DIGEST.findall(text.lower()) if one in _DIGESTS]
    return sorted(set(found))


def _plain(text: str) -> Iterator[str]:
    for form in {text.lower(), unquote_plus(text).lower()}:
        yield from _ADDRESS.findall(form)
        yield from (name for name, key in KEYS.items() if key in form)


def _decoded(word: str) -> str:
    bare = word.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("ascii")
    except ValueError:
        return ""


def asks_for_addresses(words: Sequence[str]) -> bool:
    """The commands whose answer is a person's address, or all that is known of one."""
    return bool(words) and (words[0] == "person" or (words[0] == "members" and "--reachable" in words))


@dataclass
class Watch:
    """What came out during one test."""

    leaks: list[str] = field(default_factory=list)
    folders: set[Path] = field(default_factory=set)
    asked: set[Path] = field(default_factory=set)
    since: int = 0  # ns: older files were there before the test

    def saw(self, where: str, *texts: str) -> None:
        """Search what came out here."""
        self.leaks += [f"{where}: {one}" for text in texts for one in find(text)]

    def ran(self, words: Sequence[str], *texts: str) -> None:
        """Search what a command said, and later the files beside its config."""
        paths = {before: Path(word) for before, word in pairwise(words)}
        if "--config" in paths:
            self.folders.add(paths["--config"].parent)
        if not asks_for_addresses(words):
            self.saw(" ".join(words), *texts)
        elif "--out" in paths:
            self.asked.add(paths["--out"])

    def taken(self) -> list[str]:
        """All leaks, those in files too; the next test begins anew."""
        for folder in self.folders:
            for path in _written(folder):
                if path not in self.asked and path.stat().st_mtime_ns >= self.since:
                    self.saw(str(path), _read(path))
        found = sorted(set(self.leaks))
        self.leaks, self.folders, self.asked, self.since = [], set(), set(), time.time_ns()
        return found


def _written(folder: Path) -> Iterator[Path]:
    """The files of a client but its shop, its secrets, its ledger, and the codes on their way to the shop."""
    for path in folder.rglob("*") if folder.is_dir() else ():
        parts = path.relative_to(folder).parts
        is_at_rest = any(part in _AT_REST or part.endswith(".shop") for part in parts)
        if path.is_file() and not is_at_rest and not _STORES.search(path.name) and not _SHOP.search(path.name):
            yield path


def _read(path: Path) -> str:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        return f"{table.to_pylist()} {table.schema.metadata}"
    return path.read_bytes().decode("utf-8", "replace")


WATCH = Watch()


class Process(subprocess.Popen[str]):
    """A command of ours as a process: what it said is searched once it is read."""

    def communicate(self, *arguments: Any, **options: Any) -> tuple[str, str]:
        """Both outputs, once it has ended."""
        said = super().communicate(*arguments, **options)
        words = [str(one) for one in (self.args if isinstance(self.args, list) else [])]
        WATCH.ran(words[1:], *(text or "" for text in said))
        return said


class _Records(logging.Handler):
    """Every record, as itself and as our own formatter writes it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Search it."""
        from engine.logs import JsonLines

        told = JsonLines().format(record)
        chain = logging.Formatter().format(record) if record.exc_info else ""
        WATCH.saw(f"log {record.name}", record.getMessage(), told, chain)


def _watched(invoke: Any) -> Any:
    def watched(runner: CliRunner, app: Any, args: Any = None, *more: Any, **options: Any) -> Result:
        done: Result = invoke(runner, app, args, *more, **options)
        chain = "" if done.exception is None else "\n".join(map(str, _chain(done.exception)))
        WATCH.ran([str(one) for one in args or ()], done.stdout, done.stderr, chain)
        return done

    return watched


def _chain(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.fixture(scope="session", autouse=True)
def watching() -> Iterator[None]:
    """The runner of commands tells us what they said; so does every logger. Nothing of the product is changed."""
    handler, ours = _Records(logging.DEBUG), logging.getLogger("ciblage")
    before = ours.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CliRunner, "invoke", _watched(CliRunner.invoke))
        logging.getLogger().addHandler(handler)
        ours.setLevel(logging.DEBUG)
        yield
        ours.setLevel(before)
        logging.getLogger().removeHandler(handler)


@pytest.fixture(autouse=True)
def discreet() -> Iterator[None]:
    """No test lets a key or an address out."""
    yield
    if found := WATCH.taken():
        pytest.fail("it came out: " + "; ".join(found[:20]), pytrace=False)
