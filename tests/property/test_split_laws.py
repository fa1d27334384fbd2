"""Laws of splits: everyone is in exactly one arm, for good: neither a rename, nor a new order, nor more customers move anybody."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.client.inputs import vocabulary
from engine.compute import compute
from engine.segments import Definitions, SplitDefinition, build_catalogue
from engine.shop import Overlays, Shop, ShopSource, open_shop
from engine.tables import Database

NOW, UTC_ZONE = datetime(2027, 1, 1, tzinfo=UTC), ZoneInfo("UTC")
NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True), min_size=2, max_size=5, unique=True)
CALM = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("data")
    rows = "".join(f"c{n},c{n}@example.com\n" for n in range(400))
    (folder / "customers.csv").write_text("customer_id,email\n" + rows, "utf-8")
    with Database() as database:
        yield open_shop(
            ShopSource(path=Path(folder)),
            zone=UTC_ZONE,
            currency="EUR",
            now=NOW,
            overlays=Overlays(),
            database=database,
        )


def members(shop: Shop, name: str, salt: str, arms: dict[str, str]) -> dict[str, frozenset[str]]:
    """The customers of each arm."""
    definitions = Definitions(splits=(SplitDefinition(name=name, salt=salt, arms=arms),))
    found = compute(shop, build_catalogue(definitions, vocabulary(shop, "EUR")), NOW, UTC_ZONE)
    return {arm: frozenset(found.members(f"{name}_{arm}")["customer_id"].to_pylist()) for arm in arms}


@st.composite
def splits(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A salt, and arms that share out the whole draw."""
    names = draw(NAMES)
    cuts = sorted(draw(st.lists(st.integers(1, 9_999), min_size=len(names) - 1, max_size=len(names) - 1, unique=True)))
    ends = [0, *cuts, 10_000]
    stretches = [f"{low / 100:.2f}% to {high / 100:.2f}%" for low, high in itertools.pairwise(ends)]
    return draw(st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=8)), dict(
        zip(names, stretches, strict=True)
    )


@given(splits(), st.randoms(use_true_random=False))
@CALM
def test_r_seg_29_everyone_is_in_exactly_one_arm_whatever_the_names_and_their_order(
    shop: Shop, drawn: tuple[str, dict[str, str]], random: object
) -> None:
    salt, arms = drawn
    found = members(shop, "a", salt, arms)
    assert sum(len(one) for one in found.values()) == len(frozenset().union(*found.values())) == 400
    items = list(arms.items())
    random.shuffle(items)  # type: ignore[attr-defined]  # hypothesis' Random
    renamed = {f"x{index}": stretch for index, (_, stretch) in enumerate(items)}
    again = members(shop, "other_name", salt, renamed)
    assert {renamed[arm]: who for arm, who in again.items()} == {arms[arm]: who for arm, who in found.items()}


def test_r_seg_29_shares_are_about_what_they_say_and_another_salt_draws_others(shop: Shop) -> None:
    arms = {"a": "0% to 30%", "b": "30% to 100%"}
    one, other = (members(shop, "s", salt, arms) for salt in ("spring", "summer"))
    assert 90 <= len(one["a"]) <= 150
    assert one["a"] != other["a"]


def test_r_seg_29_a_smaller_arm_only_lets_people_go(shop: Shop) -> None:
    before = members(shop, "s", "spring", {"a": "0% to 50%", "control": "50% to 100%"})
    after = members(shop, "s", "spring", {"a": "0% to 50%", "b": "50% to 90%", "control": "90% to 100%"})
    assert before["a"] == after["a"]
    assert after["control"] < before["control"]
