"""The cache of a shop's typed rows: what is read again, what is not, and what may happen to it."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from shop_folder import NOW, rows

from engine.shop import Cache, Shop, ShopSource, open_shop
from engine.shop.cache import Part
from engine.tables import Database

HEADER = "customer_id,happened_at,product_id\n"


@dataclass
class Lab:
    """A shop with one table of events, its cache, and what an opening finds of it."""

    path: Path
    least: int = 0

    @property
    def views(self) -> Path:
        return self.path / "shop/views.csv"

    @property
    def parts(self) -> dict[str, int]:
        """Parts by name, with the identity of the file on the disk."""
        return {path.name: path.stat().st_ino for path in self.cache().folder.glob("*.parquet")}

    @property
    def spans(self) -> list[str]:
        """Which bytes of the table each part holds."""
        return sorted(name.split(".")[1] for name in self.parts if name.startswith("views"))

    def cache(self, **options: Any) -> Cache:
        return Cache(self.path / "cache", **{"least": self.least, **options})

    def add(self, *lines: str) -> None:
        with self.views.open("a", encoding="utf-8", newline="") as file:
            file.writelines(f"{line}\n" for line in lines)

    def seen(self, cache: Cache | None) -> list[Any]:
        with opened(self.path / "shop", cache) as shop:
            found = rows(shop, "SELECT row_id, customer_id, happened_at, product_id FROM views ORDER BY row_id")
            return [found, shop.set_aside, shop.counts, shop.newest, shop.fingerprint]

    def agrees(self) -> bool:
        return self.seen(self.cache()) == self.seen(None)


@contextmanager
def opened(path: Path, cache: Cache | None) -> Iterator[Shop]:
    from zoneinfo import ZoneInfo

    with Database() as database:
        source = ShopSource(path=path, cache=cache)
        yield open_shop(
            source, zone=ZoneInfo("Europe/Paris"), currency="EUR", now=NOW, overlays=None, database=database
        )


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (tmp_path / "shop").mkdir()
    lab = Lab(tmp_path)
    (tmp_path / "shop/customers.csv").write_text("customer_id,email\nc1,a@example.com\nc2,b@example.com\n", "utf-8")
    lab.views.write_text(HEADER, "utf-8")
    lab.add("c1,2017-01-01,p1", "c2,2017-01-02,p2")
    lab.seen(lab.cache())
    return lab


def test_what_did_not_change_is_not_read_again(lab: Lab) -> None:
    before = lab.parts
    assert lab.agrees()
    assert lab.parts == before
    assert len(before) == 2


def test_a_file_that_grew_is_read_from_where_it_ended(lab: Lab) -> None:
    end, before = lab.views.stat().st_size, lab.parts
    lab.add("c1,2017-01-03,p3", "c9,2017-01-03,p3", "c1,soon,p3")
    assert lab.agrees()
    assert lab.spans == [f"0-{end}", f"{end}-{lab.views.stat().st_size}"]
    assert before.items() <= lab.parts.items()


def test_many_small_additions_become_one_part(lab: Lab) -> None:
    for day in range(3, 15):
        lab.add(f"c1,2017-01-{day:02},p3")
        lab.seen(lab.cache())
    assert lab.agrees()
    assert len(lab.spans) < 8


def test_rows_that_changed_near_the_end_of_a_large_file_cost_its_end(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    lab = Lab(tmp_path)
    (tmp_path / "shop/customers.csv").write_text("customer_id,email\nc1,a@example.com\n", "utf-8")
    lab.views.write_text(HEADER, "utf-8")
    lab.add(*(f"c1,2017-01-01 10:00:{number % 60:02},product {number:020}" for number in range(200_000)))
    lab.seen(lab.cache())
    content = (
        lab.views.read_text("utf-8").replace(f"{199_990:020}", "another").replace(f"{199_995:020}\n", "\nnobody,x,y\n")
    )
    lab.views.write_text(content, "utf-8")
    assert lab.agrees()
    (cut,) = (int(span.split("-")[0]) for span in lab.spans if not span.startswith("0-"))
    assert cut >= 8 << 20
    lab.add("c1,2017-01-02,p9")
    assert lab.agrees()


@pytest.mark.parametrize(
    "end", ["", "\n", "\r\n", '"c1",2017-01-01,"p\n3"\n', '"c1,2017-01-01', "\ufeffc1,2017-01-01,p1\n", "c1\n"]
)
def test_however_a_file_goes_on_it_is_read_as_a_whole_would_be(lab: Lab, end: str) -> None:
    for more in (end, "c2,2017-01-09,p9\n", end):
        with lab.views.open("a", encoding="utf-8", newline="") as file:
            file.write(more)
        assert lab.agrees()


def test_a_line_that_was_not_finished_is_read_again(lab: Lab) -> None:
    with lab.views.open("a", encoding="utf-8") as file:
        file.write("c1,2017-01-03,p")
    assert lab.agrees()
    lab.add("4")
    assert lab.agrees()


def test_a_file_of_the_same_length_and_time_is_seen_to_have_changed(lab: Lab) -> None:
    before = lab.views.stat()
    lab.views.write_text(lab.views.read_text("utf-8").replace("p1", "p7"), "utf-8")
    os.utime(lab.views, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert lab.views.stat().st_size == before.st_size
    assert lab.agrees()
    assert "p7" in {row[3] for row in lab.seen(lab.cache())[0]}


def test_parts_of_files_that_are_gone_are_removed(lab: Lab) -> None:
    lab.views.unlink()
    assert lab.seen(lab.cache())[2]["views"] == 0
    assert lab.spans == []


def test_the_cache_is_for_its_owner_alone(lab: Lab) -> None:
    folder = lab.cache().folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_cache_that_is_only_read_is_left_as_it_is(lab: Lab) -> None:
    before = lab.parts
    lab.add("c1,2017-01-03,p3")
    assert lab.seen(lab.cache(is_readonly=True)) == lab.seen(None)
    assert lab.parts == before


def test_few_bytes_are_not_worth_a_part(lab: Lab) -> None:
    shutil.rmtree(lab.cache().folder)
    lab.seen(lab.cache(least=1 << 16))
    assert lab.parts == {}


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)


BREAKS = {
    "a bit": _flipped,
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "empty": lambda path: path.write_bytes(b""),
    "no Parquet": lambda path: path.write_bytes(b"PAR1 no"),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_a_broken_part_is_read_anew(lab: Lab, fault: str) -> None:
    for path in lab.cache().folder.glob("*.parquet"):
        BREAKS[fault](path)
    assert lab.agrees()
    assert lab.agrees()


class Vanishing(Cache):
    """Another opening removes each part as soon as it was chosen."""

    def take(self, part: Part) -> bool:
        is_taken = super().take(part)
        part.path.unlink()
        return is_taken


def test_a_part_that_goes_away_meanwhile_breaks_nothing(lab: Lab) -> None:
    assert lab.seen(Vanishing(lab.cache().folder, least=0)) == lab.seen(None)
    assert lab.agrees()


def test_two_openings_at_once_find_the_same(lab: Lab) -> None:
    lab.add("c1,2017-01-03,p3")
    with opened(lab.path / "shop", lab.cache()) as first:
        lab.add("c1,2017-01-04,p4")
        with opened(lab.path / "shop", lab.cache()) as second:
            assert (first.counts["views"], second.counts["views"]) == (3, 4)
    assert lab.agrees()


def test_a_place_where_no_folder_can_be_costs_the_cache_alone(lab: Lab) -> None:
    shutil.rmtree(lab.cache().folder)
    lab.cache().folder.write_text("a file", "utf-8")
    assert lab.agrees()


@pytest.fixture
def full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_costs_the_cache_alone(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("customer_id,email\nc1,a@example.com\n", "utf-8")
    cache = Cache(tmp_path / "cache", least=0)
    with opened(tmp_path, cache) as shop:
        assert shop.counts["customers"] == 1
    assert list(cache.folder.iterdir()) == []
