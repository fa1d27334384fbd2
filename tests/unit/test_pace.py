"""The pace that processes share: who counts, what outlives a process, and what happens where nothing can be kept."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.http import Http, Request, Response, SystemClock
from connectors.pace import Rate
from engine.errors import ConfigError
from engine.ledger.pace import SharedPace, account_key, state_folder

ACCOUNT = account_key("klaviyo", "https://a.example", "XyZ")
START = datetime(2027, 3, 1, 9, tzinfo=UTC)
PROCESSES = multiprocessing.get_context("spawn")


class Hands:
    """Two clocks turned by hand, apart where a test wants it."""

    def __init__(self, at: float = 100.0) -> None:
        self.at, self.step = at, 0.0

    def utc(self) -> datetime:
        return START + timedelta(seconds=self.at + self.step)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@contextmanager
def paces(folder: Path, *clocks: Any) -> Iterator[list[SharedPace]]:
    """As many processes as clocks, as far as the database can tell."""
    made = [SharedPace(ACCOUNT, clock, folder=folder) for clock in clocks]
    try:
        yield made
    finally:
        for pace in made:
            pace.close()


def test_a_call_of_one_process_counts_for_the_other(tmp_path: Path) -> None:
    clock, window = Hands(), (Rate(2, 10),)
    with paces(tmp_path, clock, clock) as (one, other):
        assert one.take({"bulk": window}, clock.at) == 0
        clock.sleep(4)
        assert other.take({"bulk": window}, clock.at) == 0
        assert one.take({"bulk": window}, clock.at) == pytest.approx(6, abs=1e-5)
        assert one.take({"lists": window}, clock.at) == 0
        clock.sleep(6.00001)
        assert one.take({"bulk": window}, clock.at) == 0


def test_every_window_of_a_family_counts(tmp_path: Path) -> None:
    clock, windows = Hands(), (Rate(1, 1), Rate(3, 60))
    with paces(tmp_path, clock) as [pace]:
        waits = []
        for _ in range(4):
            waits.append(pace.take({"bulk": windows}, clock.at))
            clock.sleep(1.5)
    assert waits == [0, 0, 0, pytest.approx(55.5, abs=1e-5)]


def test_a_silence_is_kept_by_all_and_never_shortened(tmp_path: Path) -> None:
    clock = Hands()
    with paces(tmp_path, clock, clock) as (one, other):
        one.rest("bulk", clock.at + 30)
        other.rest("bulk", clock.at + 5)
        assert other.take({"bulk": ()}, clock.at) == pytest.approx(30, abs=1e-5)
        assert other.take({"lists": ()}, clock.at) == 0
        clock.sleep(30.00001)
        assert other.take({"bulk": ()}, clock.at) == 0


def test_the_pace_outlives_the_process(tmp_path: Path) -> None:
    clock, window = Hands(), (Rate(1, 60),)
    with paces(tmp_path, clock) as [pace]:
        assert pace.take({"bulk": window}, clock.at) == 0
    with paces(tmp_path, clock) as [pace]:
        assert pace.take({"bulk": window}, clock.at) > 59


@pytest.mark.parametrize("step", [-7200.0, -0.5, 7200.0, 86_400.0 * 365])
def test_a_clock_that_is_put_never_makes_a_call_look_older(tmp_path: Path, step: float) -> None:
    clock, window = Hands(), (Rate(1, 60),)
    with paces(tmp_path, clock) as [pace]:
        assert pace.take({"bulk": window}, clock.at) == 0
        clock.step = step
        clock.sleep(10)
        wait = pace.take({"bulk": window}, clock.at)
        assert 50 <= wait <= 60.001
        clock.sleep(wait)
        assert pace.take({"bulk": window}, clock.at) == 0, "and it stalls no longer than the window"


def test_after_a_reboot_utc_alone_counts(tmp_path: Path) -> None:
    clock, window = Hands(at=500_000.0), (Rate(1, 60),)
    with paces(tmp_path, clock) as [pace]:
        assert pace.take({"bulk": window}, clock.at) == 0
        clock.step, clock.at = 500_000.0 - 5 + 20, 5.0  # up for five seconds, twenty after the call
        assert pace.take({"bulk": window}, clock.at) == pytest.approx(40, abs=1e-4)


def test_calls_that_no_window_sees_are_forgotten(tmp_path: Path) -> None:
    clock = Hands()
    with paces(tmp_path, clock) as [pace]:
        for _ in range(300):
            assert pace.take({"bulk": (Rate(10, 1),)}, clock.at) == 0
            clock.sleep(0.5)
        engine = pace._engine
        assert engine is not None
        with engine.connect() as connection:
            kept = connection.exec_driver_sql("SELECT count(*) FROM pace_calls").scalar_one()
    assert kept <= 80


def test_the_file_is_the_user_s_alone(tmp_path: Path) -> None:
    clock = Hands()
    with paces(tmp_path / "state" / "pace", clock) as [pace]:
        assert not (tmp_path / "state").exists(), "nothing before the first call"
        pace.take({"bulk": (Rate(1, 1),)}, clock.at)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state" / "pace").iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "state" / "pace").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "state" / "pace").iterdir()] == [f"{ACCOUNT}.sqlite"]


def test_an_account_s_key_tells_nothing_and_differs_by_account() -> None:
    keys = {
        account_key("klaviyo", None, "pk_1"),
        account_key("klaviyo", None, "pk_2"),
        account_key("brevo", None, "pk_1"),
    }
    assert len(keys) == 3
    assert not any("pk" in key for key in keys)


@pytest.mark.parametrize(
    ("environment", "platform", "end"),
    [
        ({"XDG_STATE_HOME": "/x"}, "linux", "/x/ciblage"),
        ({"XDG_STATE_HOME": "/x"}, "darwin", "/x/ciblage"),
        ({}, "linux", ".local/state/ciblage"),
        ({"XDG_STATE_HOME": ""}, "linux", ".local/state/ciblage"),
        ({}, "darwin", "Library/Application Support/ciblage"),
        ({"LOCALAPPDATA": "/c"}, "win32", "/c/ciblage"),
    ],
)
def test_the_state_folder_is_the_platform_s(environment: dict[str, str], platform: str, end: str) -> None:
    assert state_folder(environment, platform).as_posix().endswith(end)


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/pace"])
def test_a_url_that_keeps_no_pace_is_a_mistake_in_the_config(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SharedPace(ACCOUNT, Hands(), url=url)
    assert caught.value.place == "pace.url"


def test_one_database_may_hold_several_accounts(tmp_path: Path) -> None:
    clock, window, url = Hands(), (Rate(1, 60),), f"sqlite:///{tmp_path}/pace.sqlite"
    first, second = SharedPace("a1", clock, url=url), SharedPace("a2", clock, url=url)
    assert first.take({"bulk": window}, clock.at) == second.take({"bulk": window}, clock.at) == 0
    assert first.take({"bulk": window}, clock.at) > 0
    first.close()
    second.close()


@pytest.mark.parametrize("trouble", ["a file in the way", "no database"])
def test_where_nothing_can_be_kept_the_process_keeps_its_own_and_says_so_once(
    tmp_path: Path, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock, window, folder = Hands(), (Rate(1, 60),), tmp_path / "pace"
    if trouble == "no database":
        folder.mkdir()
        (folder / f"{ACCOUNT}.sqlite").write_bytes(b"this is no database, and long enough to be one " * 9)
    else:
        folder.write_text("a file")
    with caplog.at_level(logging.WARNING), paces(folder, clock) as [pace]:
        with pace.slot(2):
            assert pace.take({"bulk": window}, clock.at) == 0
        assert pace.take({"bulk": window}, clock.at) == pytest.approx(60)
        pace.rest("lists", clock.at + 9)
        assert pace.take({"lists": window}, clock.at) == pytest.approx(9)
    assert len(caplog.records) == 1
    assert "are not counted" in caplog.text


def test_a_database_that_is_held_is_waited_for_through_the_clock(tmp_path: Path) -> None:
    window = (Rate(5, 60),)

    class Patient(Hands):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            slept.append(seconds)
            if len(slept) == 4:
                holder.commit()

    slept: list[float] = []
    clock = Patient()
    with paces(tmp_path, clock, Hands()) as (pace, other):
        pace.take({"bulk": window}, clock.at)
        holder = other._opened()
        assert pace.take({"bulk": window}, clock.at) == 0
        holder.close()
    assert slept == sorted(slept)
    assert len(slept) == 4


# slots


def test_a_slot_is_free_again_when_its_call_ends_however_it_ends(tmp_path: Path) -> None:
    clock = Hands()
    with paces(tmp_path, clock, clock) as (one, other):
        with pytest.raises(ValueError, match="boom"), one.slot(1):
            raise ValueError("boom")
        with other.slot(1):
            at = clock.at
    assert clock.at == at == 100.0, "nobody waited"


def test_a_process_waits_while_others_hold_every_slot(tmp_path: Path) -> None:
    class Watching(Hands):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.at > 105:
                held.close()

    clock = Watching()
    with paces(tmp_path, Hands(), clock) as (one, other):
        held = _Held(one)
        with other.slot(1):
            assert clock.at > 105


class _Held:
    """A slot that another thread holds until it is closed."""

    def __init__(self, pace: SharedPace) -> None:
        self._free, has_it = threading.Event(), threading.Event()

        def hold() -> None:
            with pace.slot(1):
                has_it.set()
                self._free.wait()

        self._thread = threading.Thread(target=hold)
        self._thread.start()
        has_it.wait()

    def close(self) -> None:
        self._free.set()
        self._thread.join()


def test_a_lease_of_a_machine_that_we_cannot_see_ends_in_time(tmp_path: Path) -> None:
    clock = Hands()
    with paces(tmp_path, clock) as [pace]:
        pace.take({"bulk": ()}, clock.at)
        engine = pace._engine
        assert engine is not None
        with engine.begin() as connection:
            lease = f"INSERT INTO pace_slots VALUES ('{ACCOUNT}', 'x', 'elsewhere', 1, '77', 900000000)"
            connection.exec_driver_sql(lease)
        with pace.slot(1):
            assert 1000 <= clock.at < 1002


# processes


class FileClock:
    """A hand clock that several processes turn: it lies in a file, and only a sleeper moves it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def monotonic(self) -> float:
        return float(self.file.read_text() or 0)

    def utc(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def sleep(self, seconds: float) -> None:
        import fcntl

        with self.file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            new = self.file.with_suffix(".new")
            new.write_text(repr(self.monotonic() + seconds))
            new.replace(self.file)


class Diary:
    """Writes down when each call came."""

    def __init__(self, clock: FileClock, file: Path) -> None:
        self.clock, self.file = clock, file

    def handle(self, request: Request) -> Response:
        with self.file.open("a") as diary:
            diary.write(json.dumps(self.clock.monotonic()) + "\n")
        return Response(200)


WINDOWS = (Rate(5, 1), Rate(40, 30))


def call_often(folder: str, number: int) -> None:
    clock = FileClock(Path(folder) / "clock")
    pace = SharedPace(ACCOUNT, clock, folder=Path(folder))
    diary = Diary(clock, Path(folder) / f"calls{number}")
    http = Http("https://x.example", {}, handler=diary, clock=clock, pace=pace, rates={"bulk": WINDOWS}, share={"bulk": 1.0}, in_flight=2)  # fmt: skip
    for _ in range(40):
        http("POST", "/", rate="bulk")
    pace.close()


def test_several_processes_never_exceed_a_window_together(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("1000.0")
    started = [PROCESSES.Process(target=call_often, args=(str(tmp_path), number)) for number in range(3)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0, 0, 0]
    calls = [json.loads(line) for number in range(3) for line in (tmp_path / f"calls{number}").read_text().splitlines()]
    assert len(calls) == 120
    # a call is taken at one reading of the clock and written down at a later one: it can only be counted too late by
    # what others slept in between, so the database's own times are the measure
    pace = SharedPace(ACCOUNT, FileClock(tmp_path / "clock"), folder=tmp_path)
    pace.take({"other": ()}, 0.0)
    engine = pace._engine
    assert engine is not None
    with engine.connect() as connection:
        query = "SELECT at FROM pace_calls WHERE family = 'bulk' ORDER BY number"
        taken = [at / 1e6 for (at,) in connection.exec_driver_sql(query)]
    pace.close()
    for rate in WINDOWS:
        assert max(sum(start <= at < start + rate.seconds for at in taken) for start in taken) <= rate.calls


def hold_forever(folder: str, ready: Any) -> None:
    with SharedPace(ACCOUNT, SystemClock(), folder=Path(folder)).slot(1):
        ready.set()
        signal.pause()


def test_a_killed_process_gives_its_slot_back(tmp_path: Path) -> None:
    ready = PROCESSES.Event()
    process = PROCESSES.Process(target=hold_forever, args=(str(tmp_path), ready))
    process.start()
    ready.wait()

    class Killing(Hands):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if process.is_alive():
                os.kill(process.pid or 0, signal.SIGKILL)
                process.join()

    clock = Killing()
    with paces(tmp_path, clock) as [pace], pace.slot(1):
        assert process.exitcode == -signal.SIGKILL
        assert clock.at < 101, "it came back at once, not when the lease ended"
