"""Commands killed at drawn points, and started again: a short hunt. `python tests/hunt/kill.py --points 500` is the long one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kill import Hunt, Point, seeds
from kill_story import STORY, Phase
from kill_world import bench

CAST = "all"  # a client with one account at each provider
DRAWN = 24
SEED = 7


@pytest.fixture(scope="module")
def hunt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hunt]:
    with bench(tmp_path_factory.mktemp("hunt")) as stage:
        yield Hunt(stage)


@pytest.mark.parametrize("phase", STORY, ids=[phase.name for phase in STORY])
def test_a_command_killed_anywhere_and_started_again_ends_where_an_undisturbed_one_ends(
    hunt: Hunt, phase: Phase
) -> None:
    numbers = range(STORY.index(phase), DRAWN, len(STORY))
    points = [hunt.draw(SEED * 100_000 + number, [CAST], [phase]) for number in numbers]
    verdicts = [hunt.try_(point) for point in points]
    assert {str(one.point): one.faults for one in verdicts if one.faults} == {}
    assert sum(one.deaths for one in verdicts) >= len(points) - 1, (
        "a few polls more or less move a command's last calls"
    )


@pytest.mark.parametrize("point", seeds(), ids=str)
def test_what_a_hunt_found_once_holds_now(hunt: Hunt, point: Point) -> None:
    assert hunt.try_(point).faults == [], str(point)


LINES = (
    "all/first/1/after request brevo 7/before commit 3/leaves shop",
    "brevo/drift/0/before statement 12/leaves brevo/stays dead",
    "klaviyo/forget/1/after rename 2",
)


@pytest.mark.parametrize("line", LINES)
def test_a_point_is_a_line_that_repeats_it(line: str) -> None:
    assert str(Point.parse(line)) == line


def test_a_point_that_is_drawn_is_one_of_the_phase(hunt: Hunt) -> None:
    for number in range(40):
        point = hunt.draw(number, [CAST], STORY[:1])
        assert Point.parse(str(point)) == point
        assert point.phase == STORY[0].name
        assert point.step < len(STORY[0].steps)
