"""Random shops × random definitions on every engine: the query and the row-by-row reference agree exactly."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from compute_shop import ToyShop, catalogue, run
from drawing import MOMENTS, Drawing, customers, events
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from reference import Eye

from engine.compute.backends.protocol import Engine
from engine.language.printer import to_text
from engine.language.tree import Type

HABITS = st.fixed_dictionaries(
    {"week_starts": st.sampled_from(["monday", "sunday"]), "leap_day": st.sampled_from(["feb28", "mar1"])}
)


EXAMPLES = {"duckdb": 80, "postgres": 40, "clickhouse": 40, "spark": 24}  # times CIBLAGE_HUNT


def alike(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, float) or isinstance(theirs, float):
        return mine is not None and theirs is not None and math.isclose(float(mine), float(theirs), rel_tol=1e-15)
    return bool(mine == (Decimal(theirs) if isinstance(mine, Decimal) else theirs))


@cache
def drawing(now: datetime, *, rich: bool) -> Drawing:
    return Drawing(now, {"score": Type.NUMBER, "mark": Type.TEXT} if rich else {}, ["base", "other"] if rich else [])


def test_one_query_and_the_row_by_row_reference_agree(database: Engine) -> None:
    examples = EXAMPLES[database.name] * int(os.environ.get("CIBLAGE_HUNT", "1"))
    found = given(data=st.data())(lambda data: agree(database, data))
    settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))(found)()


def agree(database: Engine, data: st.DataObject) -> None:
    now, zone = data.draw(st.sampled_from(MOMENTS))
    shop = ToyShop(data.draw(customers(now)), data.draw(events(now)), data.draw(events(now)), database=database)
    plain, rich = drawing(now, rich=False), drawing(now, rich=True)
    traits = {"score": data.draw(plain.number(1, in_row=False)), "mark": data.draw(plain.text(in_row=False))}
    first = {"base": data.draw(plain.test(1, in_row=False)), "other": data.draw(plain.test(0, in_row=False))}
    drawn = [rich.test(2, in_row=False), rich.test(2, in_row=False), rich.did(), rich.did(), rich.about_text()]
    segments = first | {f"s{index}": data.draw(one) for index, one in enumerate(drawn)}
    groups = {"life": ("base", "other")}
    habits = data.draw(HABITS)

    found = run(shop, catalogue(segments, traits, groups), now, zone, **habits)

    world = shop.world(
        now.replace(tzinfo=UTC), zone, traits=traits, segments=segments, groups=tuple(groups.values()), **habits,
        places={"lyon": (45.0, 4.0)},
    )  # fmt: skip
    for name, node in segments.items():
        event(type(node).__name__)
        assert set(found.members(name)["customer_id"].to_pylist()) == world.member_of(name), to_text(node)
        assert found.table[f"segment:{name}"].null_count == 0
    for index, customer in enumerate(world.customers):
        for name, node in traits.items():
            computed = found.table[f"trait:{name}"][index].as_py()
            assert alike(computed, Eye(world, customer).value(node)), (to_text(node), customer["customer_id"])
