"""No window is ever exceeded, and little of it is wasted, on a simulated clock."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.http import Http, Request, Response
from connectors.pace import LocalPace, Rate

RATES = st.lists(
    st.builds(Rate, calls=st.integers(1, 40), seconds=st.sampled_from([0.1, 1.0, 3.3, 10.0, 60.0, 3600.0])),
    min_size=1,
    max_size=3,
).map(tuple)


class Hands:
    """A clock that only moves when told; it remembers when calls came."""

    def __init__(self) -> None:
        self.at = 0.1  # no round binary number
        self.calls: list[float] = []

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def handle(self, request: Request) -> Response:
        self.calls.append(self.at)
        return Response(200)


def most(calls: list[float], seconds: float) -> int:
    """The most calls in any half-open window of that length (a microsecond less, for rounding)."""
    return max(sum(start <= at < start + seconds - 1e-6 for at in calls) for start in calls)


@settings(max_examples=60, deadline=None)
@given(rates=RATES, gaps=st.lists(st.floats(0, 5), min_size=1, max_size=150), share=st.floats(0.1, 1.0))
def test_no_window_is_ever_exceeded(rates: tuple[Rate, ...], gaps: list[float], share: float) -> None:
    hands = Hands()
    http = Http("https://x.example", {}, handler=hands, clock=hands, rates={"bulk": rates}, share={"bulk": share})
    for gap in gaps:
        hands.at += gap
        http("POST", "/", rate="bulk")
    for rate in rates:
        assert most(hands.calls, rate.seconds) <= max(1, int(rate.calls * share))


@settings(max_examples=40, deadline=None)
@given(rates=RATES)
def test_waiting_calls_use_the_tightest_window(rates: tuple[Rate, ...]) -> None:
    hands = Hands()
    http = Http("https://x.example", {}, handler=hands, clock=hands, rates={"bulk": rates}, share={"bulk": 1.0})
    count = 200
    for _ in range(count):
        http("POST", "/", rate="bulk")
    # the last call comes no later than when the slowest window alone would have let it
    slowest = max((count - 1) // rate.calls * rate.seconds for rate in rates)
    longest = max(rate.seconds for rate in rates)
    assert hands.calls[-1] - hands.calls[0] <= slowest + longest + 0.5


@settings(max_examples=30, deadline=None)
@given(rate=st.builds(Rate, calls=st.integers(1, 20), seconds=st.just(1.0)), rest=st.floats(0.1, 100))
def test_a_rest_is_kept(rate: Rate, rest: float) -> None:
    pace = LocalPace()
    pace.rest("bulk", 10 + rest)
    pace.rest("bulk", 10)  # a shorter one does not lift it
    wait = pace.take({"bulk": (rate,)}, 10.0)
    assert abs(wait - rest) < 1e-9
    assert pace.take({"bulk": (rate,)}, 10 + rest + 1e-9) == 0
    assert pace.take({"other": (rate,)}, 10.0) == 0


def test_threads_never_exceed_a_window_or_the_slots() -> None:
    pace, rate, inside, most_inside = LocalPace(), Rate(50, 1.0), [0], [0]
    taken: list[float] = []
    lock, barrier = threading.Lock(), threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for _ in range(30):
            with pace.slot(3):
                with lock:
                    inside[0] += 1
                    most_inside[0] = max(most_inside[0], inside[0])
                if pace.take({"bulk": (rate,)}, 5.0) == 0:
                    taken.append(5.0)
                with lock:
                    inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 50
    assert most_inside[0] <= 3
