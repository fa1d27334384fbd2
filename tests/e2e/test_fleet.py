"""A folder of clients in one command: each has a process of its own, and whatever one of them does the others do not feel."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from answers import misfits
from hand_clock import HandClock
from round_lab import CONFIG, NOW, Lab, Said, told
from typer.testing import CliRunner

from engine import fleet, show
from engine.cli import app
from engine.errors import ConfigError

OWN = {"LIN_KEY": "planted-lin", "SEL_KEY": "planted-sel", "GONE_API_TOKEN": "planted-gone", "LANGUAGE": "fr_FR"}
STUB = """import json, os, signal, sys
told = dict(os.environ)
sys.stderr.write("said by " + sys.argv[sys.argv.index("--config") + 1] + "\\n")
print(json.dumps({"result": {"environment": told, "words": sys.argv[1:]}}))
"""


def client(folder: Path, name: str, *, variable: str = "", more: str = "") -> Path:
    """A config that says who it is, and which secret it needs."""
    file = folder / name / "ciblage.toml"
    file.parent.mkdir(parents=True)
    key = f'\n[destinations.news]\napi_key = "${{{variable}}}"\n' if variable else ""
    file.write_text(f'client = "{name}"\n{more}{key}', "utf-8")
    return file


def stub(tmp_path: Path, text: str = STUB) -> list[str]:
    """A program in the place of `ciblage run`."""
    file = tmp_path / "stub.py"
    file.write_text(text, "utf-8")
    return [sys.executable, str(file)]


def fleet_of(lab: Lab, *arguments: object, json_: bool = True) -> Said:
    """`ciblage run --all` over the folder above a client."""
    words = ["run", "--all", str(lab.folder.parent), "--now", lab.now.isoformat(), *map(str, arguments)]
    done = CliRunner().invoke(app, [*words, *(["--json"] if json_ else [])], catch_exceptions=False)
    return Said(done.exit_code, done.stdout, done.stderr)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else's hold of a ledger."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def street(begun: Lab) -> Lab:
    """Beside the one that is well: one mistaken, one unreadable, one whose account is dead, one that runs already, and a library."""
    folder = begun.folder.parent
    well = begun.config.read_text("utf-8")
    client(folder, "a-mistaken", more='timezon = "Europe/Paris"\n')
    (folder / "b-unreadable").mkdir()
    (folder / "b-unreadable" / "ciblage.toml").write_text('client = "b-unreadable', "utf-8")
    for name, change in (("d-dead", (begun.url, "http://127.0.0.1:9")), ("e-busy", ("", ""))):
        place = folder / name
        place.mkdir()
        (place / "data").symlink_to(begun.data)
        (place / "secrets").symlink_to(begun.folder / "secrets")
        text = well.replace('client = "maison-lin"', f'client = "{name}"').replace(*change)
        (place / "ciblage.toml").write_text(text, "utf-8")
    (folder / "segments.toml").write_text('[segments.old]\nwhere = "count(orders) > 9"\n', "utf-8")
    return begun


def test_whatever_becomes_of_one_client_the_others_have_their_run(street: Lab) -> None:
    street.shop.change(2, name="Renamed")
    street.stock()
    street.later(hours=3)
    with locked(street.folder.parent / "e-busy" / "state" / "e-busy.sqlite.lock"):
        said = fleet_of(street, "--jobs", 2)
    document = said.document
    assert misfits(said.out) == [], "the published schema"
    ends = {one["client"]: one["exit_code"] for one in document["result"]["clients"]}
    assert ends == {"a-mistaken": 2, "b-unreadable": 2, "maison-lin": 0, "d-dead": 4, "e-busy": 5}
    assert said.exit_code == document["result"]["exit_code"] == 2, "the first of 70, 2, 5, 4, 3, 6, 1"
    assert document["warnings"] == [
        f"{street.folder.parent / 'segments.toml'} is no client's config: it has no `client`"
    ]
    assert street.values("mailchimp", "c02@example.com")["first_name"] == "Renamed"
    by_name = {one["client"]: one for one in document["result"]["clients"]}
    assert by_name["maison-lin"]["result"]["pushed"]["results"]
    assert "timezon" in json.dumps(by_name["a-mistaken"]["error"])
    assert by_name["e-busy"]["error"]["kind"] == "locked"
    for key in OWN.values():
        assert key not in said.out + said.err


def test_people_read_a_line_as_each_ends_and_a_table_of_80_columns(street: Lab) -> None:
    with locked(street.folder.parent / "e-busy" / "state" / "e-busy.sqlite.lock"):
        said = fleet_of(street, json_=False)
    told = [line.partition(":")[0].split() for line in said.err.splitlines() if "/5 " in line]
    assert [turn for turn, _ in told] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert {name for _, name in told} == {"a-mistaken", "b-unreadable", "maison-lin", "d-dead", "e-busy"}
    table = [line for line in said.out.splitlines() if not line.startswith(("✗", "!", " ", "/"))]
    assert max(map(len, table)) <= 80
    assert any(line.startswith("maison-lin") and "0 done" in line for line in table)
    assert "1 of 5 clients is done" in said.out
    assert "Traceback" not in said.out + said.err


def test_each_process_knows_only_the_secrets_that_its_own_config_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OWN.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "clients"
    client(folder, "lin", variable="LIN_KEY")
    client(folder, "sel", variable="SEL_KEY", more='include = ["../shared.toml"]\n')
    (folder / "shared.toml").write_text('[traits.x]\nvalue = "${LIN_KEY_OF_NOBODY}"\n', "utf-8")
    night = fleet.run_all(folder, clock=HandClock(NOW), program=stub(tmp_path), jobs=2)
    known = {one.client: one.document["result"]["environment"] for one in night.clients}
    planted = {one: sorted(OWN.keys() & found.keys()) for one, found in known.items()}
    assert planted == {"lin": ["LANGUAGE", "LIN_KEY"], "sel": ["LANGUAGE", "SEL_KEY"]}
    assert all(found["PATH"] == os.environ["PATH"] for found in known.values())


def test_time_is_shared_evenly_and_what_one_does_not_need_goes_to_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "clients"
    for name in ("a", "b", "c", "d"):
        client(folder, name)
    seen: list[float] = []

    def tell(one: fleet.Ended) -> None:
        words = one.document["result"]["words"]
        seen.append(float(words[words.index("--max-minutes") + 1]))
        clock.sleep(12 * 60 if one.client == "b" else 60)

    clock = HandClock(NOW)
    night = fleet.run_all(folder, clock=clock, program=stub(tmp_path), jobs=1, max_minutes=40, tell=tell)
    assert [one.exit_code for one in night.clients] == [0, 0, 0, 0]
    assert seen == [10.0, 13.0, 13.5, 26.0], "40 by 4, 39 by 3, 27 by 2, and all that is left"


def test_who_had_to_stop_for_time_goes_on_when_all_have_had_their_turn(tmp_path: Path) -> None:
    folder = tmp_path / "clients"
    for name in ("a", "b"):
        client(folder, name)
    text = f"""{STUB}
from pathlib import Path
mark = Path(sys.argv[sys.argv.index("--config") + 1]).with_name("begun")
is_first = "/a/" in str(mark) and not mark.exists()
mark.touch()
sys.exit(6 if is_first else 0)
"""
    order: list[tuple[str, int]] = []
    clock = HandClock(NOW)
    night = fleet.run_all(
        folder, clock=clock, program=stub(tmp_path, text), jobs=1, max_minutes=30,
        tell=lambda one: order.append((one.client, one.exit_code)),
    )  # fmt: skip
    assert order == [("a", 6), ("b", 0), ("a", 0)]
    assert [(one.client, one.exit_code, one.starts) for one in night.clients] == [("a", 0, 2), ("b", 0, 1)]
    assert night.exit_code == 0


def test_when_the_time_is_over_nobody_else_begins_and_there_is_more_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "clients"
    for name in ("a", "b", "c"):
        client(folder, name)
    clock = HandClock(NOW)
    night = fleet.run_all(
        folder, clock=clock, program=stub(tmp_path), jobs=1, max_minutes=5, tell=lambda _: clock.sleep(3600)
    )
    assert [(one.client, one.exit_code, one.starts) for one in night.clients] == [("a", 0, 1), ("b", 6, 0), ("c", 6, 0)]
    assert night.exit_code == 6


def test_a_process_that_tells_nothing_is_a_defect_of_its_client_alone(tmp_path: Path) -> None:
    folder = tmp_path / "clients"
    for name in ("a", "b"):
        client(folder, name)
    text = 'import os, signal, sys\nif "/a/" in sys.argv[-1]:\n    os.kill(os.getpid(), signal.SIGKILL)\n' + STUB
    night = fleet.run_all(folder, clock=HandClock(NOW), program=stub(tmp_path, text))
    assert [(one.client, one.exit_code) for one in night.clients] == [("a", 70), ("b", 0)]
    assert "ended by signal 9" in night.clients[0].why
    assert "memory is full; the next run goes on" in night.clients[0].why


FORTY = """import json, os, signal, sys
name = sys.argv[sys.argv.index("--config") + 1].split("/")[-2]
codes = {"c05": 4, "c12": 5, "c23": 3, "c31": 6, "c38": 1}
if name == "c28":
    os.kill(os.getpid(), signal.SIGKILL)
why = {"error": {"message": "no answer", "place": name}} if codes.get(name) == 4 else {"result": {}}
print(json.dumps(why))
sys.exit(codes.get(name, 0))
"""


def test_forty_clients_end_each_as_it_does_and_the_table_names_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "clients"
    for number in range(40):
        client(folder, f"c{number:02}")
    (folder / "c17" / "ciblage.toml").write_text('client = "c17', "utf-8")  # no TOML: called by its folder
    heard: list[fleet.Ended] = []
    program = stub(tmp_path, FORTY)
    night = fleet.run_all(folder, clock=HandClock(NOW), program=program, jobs=4, tell=heard.append)
    assert [one.client for one in night.clients] == [f"c{number:02}" for number in range(40)]
    codes = {one.client: one.exit_code for one in night.clients if one.exit_code}
    assert codes == {"c05": 4, "c12": 5, "c23": 3, "c28": 70, "c31": 6, "c38": 1}
    assert night.exit_code == 70
    assert [one.turn for one in heard] == list(range(1, 41))
    assert {one.clients for one in heard} == {40}
    show.render(night, "en")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("c") for line in lines) == 40 + 1
    assert "35 of 40 clients are done" in lines


def test_what_is_wrong_with_many_in_the_same_words_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    refused = {"error": {"message": "the first push to this account needs an approval", "place": "news"}}
    ends = [(name, 3, refused) for name in "abc"] + [("d", 2, {"error": {"message": "no TOML"}}), ("e", 0, {})]
    clients = [
        fleet.Ended(client=name, file=Path(f"{name}.toml"), exit_code=code, starts=1, document=document)
        for name, code, document in ends
    ]
    show.render(fleet.Night(folder=Path(), lang="en", clients=clients), "en")
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("✗")] == [
        "✗ a, b, c: news: the first push to this account needs an approval",
        "✗ d: no TOML",
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_reaches_every_process_and_is_waited_for(tmp_path: Path, number: signal.Signals, code: int) -> None:
    folder = tmp_path / "clients"
    for name in ("a", "b", "c"):
        client(folder, name)
    text = """import json, signal, sys
from pathlib import Path
file = Path(sys.argv[sys.argv.index("--config") + 1])
def stop(*_):
    file.with_name("asked").touch()
    print(json.dumps({"result": {}}))
    sys.stdout.flush()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
file.with_name("begun").touch()
signal.pause()
"""
    program = f"""import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from connectors.http import SystemClock
from engine import fleet, show
night = fleet.run_all(Path({str(folder)!r}), clock=SystemClock(), program={stub(tmp_path, text)!r}, jobs=2)
print([(one.client, one.exit_code, one.starts) for one in night.clients])
sys.exit(night.exit_code)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    while not all((folder / name / "begun").exists() for name in ("a", "b")):
        assert process.poll() is None
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert out.strip() == "[('a', 143, 1), ('b', 143, 1), ('c', 6, 0)]"
    assert [(folder / name / "asked").exists() for name in ("a", "b", "c")] == [True, True, False]


@pytest.mark.parametrize(
    ("codes", "first"), [((0, 1, 6, 3, 4, 5, 2, 70), 70), ((0, 1, 6, 3, 4, 5), 5), ((0, 1, 6), 6), ((0, 0), 0), ((0, 99), 70), ((143, 1), 6)]
)  # fmt: skip
def test_of_many_ends_the_worst_is_the_whole_s(codes: tuple[int, ...], first: int) -> None:
    assert fleet.first_code(codes) == first


def test_a_folder_without_clients_is_a_mistake_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "segments.toml").write_text('[segments.old]\nwhere = "count(orders) > 9"\n', "utf-8")
    with pytest.raises(ConfigError, match="no client has its config"):
        fleet.read_folder(tmp_path)
    with pytest.raises(ConfigError, match="there is no folder"):
        fleet.read_folder(tmp_path / "nowhere")


def test_flags_for_one_client_are_refused_with_a_folder(begun: Lab) -> None:
    words = ("run", "--all", begun.folder.parent, "--force", "newsletter")
    told(begun, *words, exit_code=2, kind="config", says=("--force and --recreate are for one client",))


def test_who_has_waited_longest_begins(tmp_path: Path) -> None:
    folder = tmp_path / "clients"
    for place, name in enumerate(("a", "b", "c")):
        state = client(folder, name).parent / "state"
        state.mkdir()
        if name != "c":
            (state / f"{name}.sqlite").touch()
            os.utime(state / f"{name}.sqlite", (1000 - place, 1000 - place))
    order: list[str] = []
    fleet.run_all(
        folder, clock=HandClock(NOW), program=stub(tmp_path), jobs=1, tell=lambda one: order.append(one.client)
    )
    assert order == ["c", "b", "a"]


def test_two_clients_at_one_account_do_not_mix(begun: Lab) -> None:
    """Run side by side, each has its own lists, its own ledger and its own people."""
    other = Lab(begun.folder.parent / "other", begun.server)
    other.folder.mkdir()
    (other.folder / "secrets").symlink_to(begun.folder / "secrets")
    other.shop.customers = {number: one for number, one in other.shop.customers.items() if number % 2}
    name = 'client = "atelier-sel"'
    text = CONFIG[: CONFIG.index("[destinations.newsletter]")] + CONFIG[CONFIG.index("[destinations.mailing]") :]
    other.write(text.replace('client = "maison-lin"', name))
    other.stock()
    other.now = begun.now
    other.later(hours=1)
    other.done("push", "--yes")
    begun.later(hours=3)
    begun.shop.change(4, orders=2, category="tea")
    begun.stock()
    said = fleet_of(begun, "--jobs", 2)
    assert said.exit_code == 0, said
    assert begun.members("brevo", "maison-lin Tea") == begun.shop.expected("tea")
    assert other.members("brevo", "atelier-sel Tea") == other.shop.expected("tea")
