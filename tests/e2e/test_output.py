"""What commands print: one document with `--json`, 80 columns without it, and no address or secret in either."""

from __future__ import annotations

import csv
import json
import stat

import pyarrow.parquet as pq
import pytest
from round_lab import KEYS, Lab

WIDTH = 80
COMMANDS = (
    ("check",),
    ("segments",),
    ("segments", "--sql"),
    ("members", "loyal"),
    ("traits",),
    ("traits", "c03", "c04"),
    ("explain", "loyal"),
    ("explain", "loyal", "--customer", "c04"),
    ("plan",),
    ("push",),
    ("pull",),
    ("run",),
    ("status",),
    ("rejected",),
    ("report",),
    ("codes",),
    ("codes", "export"),
    ("codes", "refused"),
    ("history",),
    ("drift",),
    ("connectors",),
)
HAS_NO_CLIENT = {"connectors"}
LONG = {("segments", "--sql")}  # for programs


def named(words: tuple[str, ...]) -> str:
    return "_".join(words)


def busy(lab: Lab) -> Lab:
    """Something to plan, to send and to read, and a row to set aside."""
    lab.shop.change(12, orders=4, name="Maria-Alexandra Konstantinopolskaya von und zu")
    lab.shop.change(15, orders=0)
    lab.stock()
    with (lab.data / "customers.csv").open("a", encoding="utf-8") as file:
        file.write("c01,second@example.com,Anna,,,subscribed,\n")
    lab.unsubscribe("brevo", "c04@example.com")
    lab.later(hours=5)
    return lab


@pytest.mark.parametrize("words", COMMANDS, ids=named)
def test_json_is_one_document_and_nothing_else(begun: Lab, words: tuple[str, ...]) -> None:
    said = busy(begun).ciblage(*words, json=True)
    assert said.exit_code == 0, said
    document = said.document
    assert list(document) == ["command", "client", "now", "result", "warnings"]
    assert document["command"] == (" ".join(words) if words[0] == "codes" else words[0])
    has_client = words[0] not in HAS_NO_CLIENT
    assert document["client"] == ("maison-lin" if has_client else None)
    assert document["now"] == (begun.now.isoformat() if has_client else None)
    assert isinstance(document["warnings"], list)
    assert json.loads(json.dumps(document)) == document
    assert said.err == ""
    assert_discreet(said.out)


@pytest.mark.parametrize("lang", ["en", "fr"])
@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in LONG], ids=named)
def test_text_fits_80_columns_without_colours_or_addresses(begun: Lab, words: tuple[str, ...], lang: str) -> None:
    begun.edit('currency = "EUR"', f'currency = "EUR"\nlang = "{lang}"')
    said = busy(begun).ciblage(*words)
    assert said.exit_code == 0, said
    assert said.out.strip()
    long = [line for line in said.out.splitlines() if len(line) > WIDTH]
    assert [
        line for line in long if str(begun.folder) not in line
    ] == []  # a path is not broken, so that it can be copied
    assert "\x1b" not in said.out + said.err
    assert_discreet(said.out + said.err)


def assert_discreet(text: str) -> None:
    assert "@example.com" not in text
    assert [key for key in KEYS.values() if key in text] == []


def test_members_are_sorted_as_text_in_every_format(fresh: Lab) -> None:
    expected = sorted(one.id for one in fresh.shop.customers.values() if one.is_in("tea"))
    rows = list(csv.reader(fresh.ciblage("members", "tea").out.splitlines()))
    assert rows == [["customer_id"], *([one] for one in expected)]
    lines = fresh.ciblage("members", "tea", "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == [{"customer_id": one} for one in expected]
    file = fresh.folder / "tea.parquet"
    written = fresh.ciblage("members", "tea", "--format", "parquet", "--out", file)
    assert written.exit_code == 0
    assert pq.read_table(file)["customer_id"].to_pylist() == expected
    assert len(fresh.ciblage("members", "tea", "--limit", "3").out.splitlines()) == 4


def test_what_holds_addresses_or_codes_is_readable_by_its_owner_alone(begun: Lab) -> None:
    begun.done("plan", "--out", begun.folder / "plan.parquet")
    begun.done("pull")
    private = [
        begun.folder / "plan.parquet",
        *(begun.folder / "state").glob("*.sqlite"),
        begun.folder / "state" / "codes.csv",
    ]
    assert len(private) == 3
    assert [path.name for path in private if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_every_proof_of_a_push_names_its_list(begun: Lab) -> None:
    begun.shop.change(12, orders=4)
    begun.stock()
    begun.later(hours=5)
    proofs = begun.done("push")["proofs"]
    assert {one["segment"] for one in proofs} >= {"loyal", "lc_active"}
    assert all(one["verdict"] == "proven" for one in proofs if one["segment"])


def test_what_nobody_approved_shows_no_empty_table_and_says_once_how_to_go_on(fresh: Lab) -> None:
    said = fresh.ciblage("push")
    assert said.exit_code == 3
    assert "created" not in said.out
    assert said.out.count("the first push to this account needs an approval") == 3
    assert said.out.count("ciblage approve FILE --by NAME, or ciblage push --yes") == 1


def test_only_what_was_read_back_is_counted(begun: Lab) -> None:
    begun.shop.change(5, name="Bo")
    begun.stock()
    begun.later(hours=5)
    assert "proven by reading back (checks of values: 2)" in begun.ciblage("push").out


def test_a_plan_holds_no_address(begun: Lab) -> None:
    busy(begun)
    file = begun.folder / "plan.parquet"
    begun.done("plan", "--out", file)
    table = pq.read_table(file)
    assert table.num_rows
    assert b"@example.com" not in file.read_bytes()
    assert "@" not in json.dumps(table.to_pylist(), default=str)
