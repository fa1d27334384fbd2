"""Texts that try to get out of where they stand, in data, files and names: found as they are, and nothing else happens."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hostile_lab import MARK, STORED, quoted
from shop_folder import Folder, folder_in, rows

from engine.client.inputs import vocabulary
from engine.compute import compute
from engine.errors import DataError, EngineError
from engine.segments import Definitions, SegmentDefinition, build_catalogue
from engine.segments.definition import SourceDefinition
from engine.shop import OwnTable

NOW, PARIS = datetime(2018, 1, 1, 12, tzinfo=UTC), ZoneInfo("Europe/Paris")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    yield from folder_in(tmp_path)


def table(folder: Folder, name: str, header: str, found: list[tuple[str, ...]], last: str | None = None) -> None:
    """A file of quoted cells; `last` is the name of a further column, as it is."""
    with (folder.path / f"{name}.csv").open("w", newline="", encoding="utf-8") as sink:
        writer = csv.writer(sink, quoting=csv.QUOTE_ALL)
        writer.writerow([*header.split(","), *([] if last is None else [last])])
        writer.writerows(row if last is None else (*row, "z") for row in found)


def test_hostile_values_in_the_data_are_found_by_the_same_text_and_by_no_other(folder: Folder) -> None:
    texts = [f"{one}{MARK}{index}" for index, one in enumerate(STORED)]
    ids = [f"c{index}" for index in range(len(texts))]
    table(folder, "customers", "customer_id,email,city", [(i, f"{i}@example.com", text) for i, text in zip(ids, texts, strict=True)])  # fmt: skip
    table(folder, "orders", "order_id,customer_id,ordered_at,total,coupon", [(f"o{i}", i, "2017-12-01", "5", text) for i, text in zip(ids, texts, strict=True)])  # fmt: skip
    table(folder, "customer_lists", "customer_id,list,value", [(i, "interests", text) for i, text in zip(ids, texts, strict=True)])  # fmt: skip
    shop = folder.open()
    segments = tuple(
        SegmentDefinition(name=f"{name}_{i}", where=where.replace("{}", quoted(text)))
        for i, text in zip(ids, texts, strict=True)
        for name, where in (
            ("city", "city = {}"),
            ("part", "city contains {}"),
            ("coupon", "did(orders where coupon = {})"),
            ("list", "interests has {}"),
            ("last", "last(orders.coupon) = {}"),
        )
    )
    found = compute(shop, build_catalogue(Definitions(segments=segments), vocabulary(shop, "EUR")), NOW, PARIS)
    for one in segments:
        assert found.members(one.name)["customer_id"].to_pylist() == [one.name.partition("_")[2]], one.where
    assert rows(shop, "SELECT count(*) FROM customers") == [(len(ids),)]


@pytest.mark.parametrize("text", STORED, ids=range(len(STORED)))
def test_hostile_names_in_the_files_hurt_nothing(folder: Folder, text: str) -> None:
    name = f"{text}{MARK}"
    table(folder, "customers", f"customer_id,email,{MARK}", [("a", "a@example.com", "x"), ("b", "b@example.com", "y")])
    table(folder, "customer_lists", "customer_id,list,value", [("a", name, "x")])
    assert members(folder) == ["a", "b"]
    table(folder, "customers", "customer_id,email", [("a", "a@example.com"), ("b", "b@example.com")], name)
    try:
        found = members(folder)
    except DataError as error:  # a mark that looks as if it parted the columns
        assert "stands twice" in str(error)  # noqa: PT017 - either way nothing is hurt
    else:
        assert found == ["a", "b"]


def members(folder: Folder) -> list[str]:
    """Those whose city is unknown, every named fact brought along."""
    shop = folder.open()
    words = vocabulary(shop, "EUR")
    built = build_catalogue(Definitions(segments=(SegmentDefinition(name="s", where="city is unknown"),)), words)
    found = compute(shop, built, NOW, PARIS, also=tuple(sorted(one for one in words.facts if MARK in one)))
    assert rows(shop, "SELECT count(*) FROM customers") == [(2,)]
    listed: list[str] = found.members("s")["customer_id"].to_pylist()
    return listed


OWN = ["table", "customer", "time", "columns", "where"]


@pytest.mark.parametrize("key", OWN)
@pytest.mark.parametrize("text", STORED, ids=range(len(STORED)))
def test_a_source_of_the_clients_own_takes_names_as_names(folder: Folder, key: str, text: str) -> None:
    name = f"{text[:50]}{MARK}"
    table(folder, "customers", "customer_id,email", [("a", "a@example.com")])
    table(folder, "reviews", "customer_id,happened_at,score", [("a", "2017-12-01", "5")])
    parts = {"table": "reviews", "customer": "customer_id", "time": "happened_at", "columns": {"score": "number"}}
    if key in parts:
        parts[key] = {name: "text"} if key == "columns" else name
    try:
        shop = folder.open(own={"reviews": OwnTable(**parts)})  # type: ignore[arg-type]  # what a config says
        where = (SourceDefinition(name="reviews", where=f"score > 3 and customer_id != {quoted(name)}"),)
        words = vocabulary(shop, "EUR")
        segment = SegmentDefinition(name="s", where="never(reviews)")
        built = build_catalogue(Definitions(segments=(segment,), sources=where if key == "where" else ()), words)
        compute(shop, built, NOW, PARIS)
    except EngineError:
        shop = folder.open()
    assert rows(shop, "SELECT count(*) FROM customers") == [(1,)]
