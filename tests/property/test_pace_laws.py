"""Laws of the pace on a simulated clock: no window is ever exceeded, and next to nothing of the tightest is wasted."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pace_lab import TICK, SharedHands, best, call_all, most, shares, used

from connectors import registry
from connectors.pace import EVERY, LocalPace, Pace, Rate
from engine.ledger.pace import SharedPace

RATES = st.lists(
    st.builds(Rate, calls=st.integers(1, 40), seconds=st.sampled_from([0.1, 1.0, 3.3, 10.0, 60.0, 3600.0, 86_400.0])),
    min_size=1,
    max_size=4,
).map(tuple)
BUILT_IN = ("mailchimp", "klaviyo", "brevo", "activecampaign")
FAMILIES = [(name, family) for name in BUILT_IN for family in registry.load(name).spec.rates]


@contextmanager
def threads(clock: SharedHands, count: int) -> Iterator[list[Pace]]:
    pace = LocalPace()
    yield [pace] * count


@contextmanager
def processes(clock: SharedHands, count: int) -> Iterator[list[Pace]]:
    """As the database sees them: each has a connection of its own to one file."""
    with tempfile.TemporaryDirectory() as folder:
        paces = [SharedPace("account", clock, folder=Path(folder)) for _ in range(count)]
        yield list(paces)
        for pace in paces:
            pace.close()


KINDS = pytest.mark.parametrize("kind", [threads, processes])


@KINDS
@settings(max_examples=40, deadline=None)
@given(windows=RATES, callers=st.integers(1, 5), count=st.integers(1, 90))
def test_no_window_is_exceeded_and_the_tightest_is_used(
    kind: Callable[..., Iterator[list[Pace]]], windows: tuple[Rate, ...], callers: int, count: int
) -> None:
    clock = SharedHands()
    with kind(clock, callers) as paces:  # type: ignore[attr-defined]  # a context manager
        calls = call_all(clock, paces, "bulk", windows, count)
    for rate in windows:
        assert most(calls, rate.seconds) <= rate.calls
    assert used(calls, windows) >= 0.95


@settings(max_examples=40, deadline=None)
@given(
    windows=st.dictionaries(st.sampled_from("abc"), RATES, min_size=1),
    every=st.none() | RATES,
    steps=st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.floats(0, 5), st.booleans()), max_size=80),
)
def test_families_processes_and_silences_in_any_order_keep_every_window(
    windows: dict[str, tuple[Rate, ...]], every: tuple[Rate, ...] | None, steps: Sequence[tuple[int, str, float, bool]]
) -> None:
    clock = SharedHands()
    calls: dict[str, list[float]] = {}
    both = {} if every is None else {EVERY: every}
    silent: dict[str, float] = {}
    with processes(clock, 4) as paces:
        for number, family, gap, is_throttled in steps:
            clock.sleep(gap)
            if is_throttled:
                silent[family] = max(clock.at + gap, silent.get(family, 0.0))
                paces[number].rest(family, clock.at + gap)
            elif paces[number].take({family: windows.get(family, ()), **both}, clock.at) == 0:
                assert clock.at >= silent.get(family, 0.0) - 1e-5
                for name in (family, *both):
                    calls.setdefault(name, []).append(clock.at)
    for family, rates in (windows | both).items():
        for rate in rates:
            assert most(calls.get(family, []), rate.seconds) <= rate.calls


@KINDS
@settings(max_examples=20, deadline=None)
@given(every=RATES, callers=st.integers(1, 4), count=st.integers(1, 60))
def test_families_that_share_a_window_use_all_of_it_together(
    kind: Callable[..., Iterator[list[Pace]]], every: tuple[Rate, ...], callers: int, count: int
) -> None:
    clock, calls = SharedHands(), list[float]()
    begin = clock.at
    with kind(clock, callers) as paces:  # type: ignore[attr-defined]  # a context manager
        while len(calls) < count:
            number = len(calls)
            wait = paces[number % callers].take({"ab"[number % 2]: (Rate(1000, 1),), EVERY: every}, clock.at)
            calls += [clock.at - begin] if wait <= 0 else []
            clock.sleep(max(wait, TICK) if wait > 0 else 0.0)
    assert all(most(calls, rate.seconds) <= rate.calls for rate in every)
    assert used(calls, every) >= 0.95


@settings(max_examples=30, deadline=None)
@given(windows=RATES, steps=st.lists(st.floats(-4000, 4000), min_size=1, max_size=20))
def test_a_clock_that_is_put_back_and_forward_exceeds_nothing(windows: tuple[Rate, ...], steps: list[float]) -> None:
    class Put(SharedHands):
        step = 0.0

        def utc(self) -> datetime:
            return super().utc() + timedelta(seconds=self.step)

    clock, calls = Put(), list[float]()
    with processes(clock, 2) as paces:
        for number, step in enumerate(steps * 3):
            clock.step = step
            wait = paces[number % 2].take({"bulk": windows}, clock.at)
            if wait == 0:
                calls.append(clock.at)
            clock.sleep(min(wait, 100.0) + 0.05)
    for rate in windows:
        assert most(calls, rate.seconds) <= rate.calls


@pytest.mark.parametrize(("name", "family"), FAMILIES)
def test_a_built_in_connector_uses_its_share_of_every_family(name: str, family: str) -> None:
    windows = shares(registry.load(name).spec, family)
    count = min(40_000, 2 * max((rate.calls for rate in windows), default=1) + 1)
    clock = SharedHands()
    with threads(clock, 4) as paces:
        calls = call_all(clock, paces, family, windows, count)
    assert all(most(calls, rate.seconds) <= rate.calls for rate in windows)
    assert used(calls, windows) >= 0.95
    told = ", ".join(f"{most(calls, rate.seconds)} of {rate.calls} in {rate.seconds:g} s" for rate in windows)
    sys.stdout.write(f"{name} {family}: {used(calls, windows):.1%} used; at most {told}\n")


def test_the_best_is_known_where_it_can_be_seen() -> None:
    assert best((Rate(2, 1), Rate(3, 10)), 7) == [0, 0, 1, 10, 10, 11, 20]
