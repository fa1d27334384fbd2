"""Where the demo plays: its own folder again and again, nobody else's ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.demo.story import begin_anew
from engine.errors import ConfigError


def test_an_earlier_demo_makes_room_for_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    begin_anew(folder)
    (folder / "state").mkdir()
    (folder / "state" / "corner-market.sqlite").write_bytes(b"old")
    begin_anew(folder)
    assert [path.name for path in folder.iterdir()] == ["ciblage.toml"]


@pytest.mark.parametrize("name", ["ciblage.toml", "customers.csv"])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('client = "mine"\n', "utf-8")
    (tmp_path / "state").mkdir()
    with pytest.raises(ConfigError, match="holds something else"):
        begin_anew(tmp_path)
    assert (tmp_path / "state").exists()
    assert (tmp_path / name).read_text("utf-8") == 'client = "mine"\n'
