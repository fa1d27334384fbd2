"""The rows of a plan at rest: the same however they were cut, in memory or in a file that nobody can open by a name."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_lab import Lab, Person

from engine.plan import rows
from engine.plan.file import load, save
from engine.plan.plan import checksum
from engine.plan.spool import Rows, Spool, merged

PLACES = [(phase, place, target) for phase in (-3, 1, 4) for place in ("a", "b") for target in ("x", "y")]
KINDS = {-3: "RemoveMember", 1: "SetTraits", 4: "AddMember"}


def table(sizes: dict[tuple[int, str, str], list[int]], salt: str = "") -> pa.Table:
    """Some changes a run, each of so many rows, in the order of a plan."""
    found = []
    for phase, place, target in sorted(sizes):
        for number, size in enumerate(sizes[phase, place, target]):
            digest = f"{place}{target}{phase}{salt}{number:030}"[-32:]
            same = {
                "destination": place, "target": target, "kind": KINDS[phase], "phase": phase, "is_default": False,
                "customer_id": f"c{number:04}{salt}", "content_hash": digest, "change_id": digest[: rows.ID_LENGTH], "why": salt or "segment",
            }  # fmt: skip
            found += [
                {**same, "field": f"f{at}", "before": None, "after": f'"{number} {at}"'} for at in range(max(size, 1))
            ]
    return pa.Table.from_pylist(found, schema=rows.schema())


SIZES = st.dictionaries(st.sampled_from(PLACES), st.lists(st.integers(1, 4), min_size=1, max_size=12), max_size=6)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PART", 3)


@pytest.mark.usefixtures("small_parts")
@settings(deadline=None, max_examples=60)
@given(sizes=SIZES, cuts=st.lists(st.integers(0, 200), max_size=6), most=st.sampled_from([0, 7, 1000]))
def test_rows_are_the_same_however_they_come_and_wherever_they_lie(
    sizes: dict[tuple[int, str, str], list[int]], cuts: list[int], most: int
) -> None:
    whole = table(sizes)
    bounds = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    stored = Rows.of((whole.slice(start, end - start) for start, end in pairwise(bounds)), Spool(most))
    assert rows.unpacked(stored.table()).equals(whole)
    assert len(stored) == len(whole)
    assert [(run.phase, run.destination, run.target) for run in stored.runs] == sorted(sizes)
    for run in stored.runs:
        assert run.changes == len(sizes[run.phase, run.destination, run.target])
        held = [len(set(part["content_hash"].to_pylist())) for part in run.tables()]
        assert held == [part.changes for part in run.parts]
        assert held == [min(3, run.changes - at) for at in range(0, run.changes, 3)], "calls are cut within a part"
    assert checksum({}, stored) == checksum({}, Rows.of([whole]))


@pytest.mark.usefixtures("small_parts")
@settings(deadline=None, max_examples=40)
@given(one=SIZES, other=SIZES)
def test_runs_that_come_twice_are_one_in_order(
    one: dict[tuple[int, str, str], list[int]], other: dict[tuple[int, str, str], list[int]]
) -> None:
    spool = Spool(5)
    stored = merged([Rows.of([table(one)], spool), Rows.of([table(other, "z")], spool)], spool)
    assert rows.unpacked(stored.table()).equals(
        rows.unpacked(rows.ordered([rows.packed(table(one)), rows.packed(table(other, "z"))]))
    )
    places = [(run.phase, run.destination, run.target) for run in stored.runs]
    assert places == sorted({*one, *other})


def test_what_is_kept_in_a_file_has_no_name_and_is_read_by_many_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(rows, "PART", 5)
    stored = Rows.of([table({PLACES[0]: [2] * 200, PLACES[5]: [1] * 50})], Spool(0))
    assert all(part.table is None for run in stored.runs for part in run.parts)
    assert list(tmp_path.iterdir()) == [], "a process that dies leaves nothing"
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: stored.table(), range(40)))
    assert all(one.equals(read[0]) for one in read)
    assert len(read[0]) == 450


FULL = """
import resource, sys
import pyarrow as pa
from engine.errors import unwritable
from engine.plan import rows
from engine.plan.spool import Rows, Spool
row = dict.fromkeys(rows.schema().names, "x") | {"phase": 1, "is_default": False}
table = pa.Table.from_pylist([row | {"content_hash": f"{number:032}"} for number in range(1000)], schema=rows.schema())
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    Rows.of([table], Spool(0))
except OSError as error:
    print(unwritable(error), unwritable(error).place)
"""


def test_a_temporary_folder_that_is_full_is_named(tmp_path: Path) -> None:
    """What is not kept for later fails at once."""
    words = {**os.environ, "TMPDIR": str(tmp_path)}
    said = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True, env=words)
    assert "no room" in said.stdout
    assert str(tmp_path) in said.stdout
    assert said.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_a_plan_beyond_what_memory_holds_is_the_same_plan(tmp_path: Path) -> None:
    lab = Lab()
    who = [Person(f"c{number:05}", frozenset({"loyal", "fresh"})) for number in range(6000)]
    made = lab.plan(who)
    kept = [part.table is None for run in made.stored.runs for part in run.parts]
    assert set(kept) == {False, True}, "some of it lies in a file"
    save(made, tmp_path / "plan.parquet")
    again = load(tmp_path / "plan.parquet", checksum=made.checksum)
    assert again.rows.equals(made.rows)
    (tmp_path / "plan.parquet").unlink()  # what was checked is what is carried, whatever becomes of the file
    assert lab.push(again, who).applied == {"AddContact": 6000, "AddMember": 12_000}
    assert lab.plan(who).is_empty
    lab.close()
