"""Laws of the cache: whatever happens to the files, an opening with it finds what one without it finds, to the row."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.shop import OwnTable, Shop, ShopSource, open_shop
from engine.shop.cache import Cache
from engine.tables import Database, name

NOW = datetime(2018, 1, 1, tzinfo=UTC)
HEADERS: Mapping[str, tuple[str, ...]] = {
    "customers": ("customer_id", "email", "city", "created_at", "Score"),
    "products": ("product_id", "brand", "category"),
    "orders": ("order_id", "customer_id", "ordered_at", "total", "status", "Note"),
    "order_lines": ("order_id", "product_id", "quantity"),
    "views": ("customer_id", "happened_at", "product_id"),
    "customer_lists": ("customer_id", "email", "list", "value"),
    "reviews": ("customer_id", "happened_at", "stars"),
}
CELLS: Mapping[str, tuple[str, ...]] = {
    "customer_id": ("c1", "c2", "c3", "c4", "é5"),
    "email": ("a@example.com", "A@Example.com", "b@example.com", "none", ""),
    "city": ("Lyon", " Paris ", "Zoe\u0308", "two\nlines", 'with "quotes"', ""),
    "created_at": ("2016-01-01", "2017-01-01T10:00:00+02:00", "", "never"),
    "Score": ("1", "2.5", "1e3", "2017-01-01", "true", "x", ""),
    "product_id": ("p1", "p2", "p3"),
    "brand": ("Acme", "acme", ""),
    "category": ("shoes", "hats", ""),
    "order_id": ("o1", "o2", "o3", "o4"),
    "ordered_at": ("2017-05-01", "2017-10-29 02:30:00", "2017-06-01T10:00:00Z", "soon"),
    "total": ("10", "10.50", "ten"),
    "status": ("paid", "cancelled", ""),
    "Note": ("", "7", "a;b"),
    "quantity": ("1", "2", "many"),
    "happened_at": ("2017-05-01", "2017-12-31 23:59:59", "2017-07-01T00:00:00.25"),
    "stars": ("1", "5", "*"),
    "list": ("topics", "Sports", "sports", "email"),
    "value": ("art", "music", ""),
}
ZONES = ("Europe/Paris", "America/New_York")
MAPPINGS: tuple[dict[str, Any], ...] = (
    {},
    {"orders": {"values": {"status": {"paid": "ok"}}}},
    {"views": {"only": "product_id"}},
    {"customers": {"columns": {"city": "Score"}}},
)
OWN = {"reviews": OwnTable(table="reviews", columns={"stars": "number"})}


class Folder:
    """Files of a shop that are edited as a shop's files are; `words` draws from Hypothesis."""

    def __init__(self, path: Path, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.path, self.draw = path, draw
        self.zone, self.mapping = ZONES[0], MAPPINGS[0]
        for table in HEADERS:
            self.replace(path / f"{table}.csv")

    def rows(self, header: tuple[str, ...], most: int = 5) -> list[list[str]]:
        cells = st.tuples(*(st.sampled_from(CELLS[column]) for column in header)).map(list)
        found: list[list[str]] = self.draw(st.lists(cells, max_size=most))
        return found

    def any(self) -> Path:
        return Path(self.draw(st.sampled_from(sorted(path for path in self.path.rglob("*") if path.is_file()))))

    def header(self, path: Path) -> tuple[str, ...]:
        return HEADERS[path.stem if path.stem in HEADERS else path.parent.name]

    def replace(self, path: Path) -> None:
        path.write_bytes(written([self.header(path), *self.rows(self.header(path))]))

    def append(self, path: Path) -> None:
        if path.suffix == ".csv":
            end = self.draw(
                st.sampled_from(["", "\r\n", "\n\n", "\ufeff", '"never closed,', "too,many,cells,in,a,row,of,all\n"])
            )
            with path.open("ab") as file:
                file.write(written(self.rows(self.header(path))) + end.encode())

    def change(self, path: Path) -> None:
        lines = path.read_bytes().splitlines(keepends=True)
        if path.suffix == ".csv" and len(lines) > 1:
            at = self.draw(st.integers(1, len(lines) - 1))
            lines[at : at + 1] = [written(self.rows(self.header(path), 1))]
            path.write_bytes(b"".join(lines))

    def truncate(self, path: Path) -> None:
        content = path.read_bytes()
        if path.suffix == ".csv":
            path.write_bytes(
                content[: self.draw(st.integers(min(len(content), content.find(b"\n") + 1), len(content)))]
            )

    def rename_a_column(self, path: Path) -> None:
        header, rest = path.read_bytes().split(b"\n", 1) if path.suffix == ".csv" else (b"", b"")
        for old, new in ((b"city", b"town"), (b"Note", b"ordered note"), (b"brand", b"Maker")):
            if old in header:
                path.write_bytes(header.replace(old, new) + b"\n" + rest)

    def split(self, path: Path) -> None:
        """One file becomes a folder of files, to which another is added."""
        if path.parent == self.path:
            inside = self.path / path.stem
            inside.mkdir()
            path.rename(inside / f"2017-01{path.suffix}")
            path = inside / f"2017-01{path.suffix}"
        header = self.header(path)
        number = len(list(path.parent.iterdir())) + 1
        self.replace(path.parent / f"2017-{number:02}.csv")
        rows = [dict(zip(header, row, strict=True)) for row in self.rows(header)]
        pq.write_table(
            pa.Table.from_pylist(rows, schema=pa.schema([(column, pa.string()) for column in header])),
            path.parent / f"2017-{number:02}b.parquet",
        )

    def swap_zone(self, _: Path) -> None:
        self.zone = ZONES[self.zone == ZONES[0]]

    def remap(self, _: Path) -> None:
        self.mapping = self.draw(st.sampled_from(MAPPINGS))

    def nothing(self, _: Path) -> None:
        pass


EDITS = (
    Folder.append, Folder.append, Folder.append, Folder.change, Folder.replace, Folder.truncate, Folder.rename_a_column,
    Folder.split, Folder.swap_zone, Folder.remap, Folder.nothing,
)  # fmt: skip


def written(rows: list[Any]) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode()


@contextmanager
def opened(folder: Folder, cache: Cache | None) -> Iterator[Shop]:
    with Database() as database:
        source = ShopSource(path=folder.path, mapping=folder.mapping, own=OWN, cache=cache)
        yield open_shop(source, zone=ZoneInfo(folder.zone), currency="EUR", now=NOW, overlays=None, database=database)


def everything(folder: Folder, cache: Cache | None) -> dict[str, Any]:
    """All that an opening finds, or why there is none."""
    with opened(folder, cache) as shop:
        tables = {
            table: (shop.database.columns(table), sorted(shop.database.rows(f"SELECT * FROM {name(table)}"), key=repr))
            for table in [*shop.tables, "aliases", "addresses", "suppressions"]
        }
        return {
            **tables, "aside": shop.set_aside, "counts": shop.counts, "newest": shop.newest, "fingerprint": shop.fingerprint,
            "facts": shop.vocabulary_facts(), "sources": shop.sources(), "lists": shop.lists,
        }  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_an_opening_with_the_cache_is_one_without_it(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "shop")
        path.mkdir()
        folder = Folder(path, data.draw)
        cache = Path(place, "cache")
        everything(folder, Cache(cache, least=0))
        for edit in data.draw(st.lists(st.sampled_from(EDITS), min_size=1, max_size=3)):
            edit(folder, folder.any())
            assert everything(folder, Cache(cache, least=0)) == everything(folder, None)
