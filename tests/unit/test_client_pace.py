"""Which pace a client's destinations keep: one an account, shared with everybody; a sandbox's clock is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.http import Request, Response, SystemClock
from connectors.pace import LocalPace, Rate
from engine.client.opening import Client, open_client
from engine.errors import ConfigError
from engine.ledger import Ledger
from engine.ledger.pace import SharedPace

CONFIG = """client = "x"
[segments.a]
where = "count(orders) > 0"
[destinations.one]
connector = "klaviyo"
api_key = "${KEY}"
segments = ["a"]
[destinations.two]
connector = "klaviyo"
api_key = "${KEY}"
segments = ["a"]
share = 0.5
[destinations.other]
connector = "klaviyo"
api_key = "${OTHER}"
segments = ["a"]
"""


class Silence:
    """Nobody is called."""

    def handle(self, request: Request) -> Response:
        raise AssertionError(request.url)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "pk_0123456789abcdef")
    monkeypatch.setenv("OTHER", "pk_fedcba9876543210")


def opened(folder: Path, more: str = "") -> Client:
    file = folder / "ciblage.toml"
    here = (
        'segments = ["a"]\nbase_url = "http://127.0.0.1:1/klaviyo/api"' if "[sandbox]" in more else 'segments = ["a"]'
    )
    file.write_text(CONFIG.replace('segments = ["a"]', here) + more)
    return open_client(file, clock=SystemClock(), handler=Silence())


def files(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.rglob("*") if path.is_file())


def test_destinations_at_one_account_share_a_file_and_nothing_else_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    client = opened(tmp_path)
    one, two, other = (client._pace(name) for name in ("one", "two", "other"))
    assert one is two
    assert isinstance(one, SharedPace)
    assert other is not one
    assert files(tmp_path) == [".toml"], "nothing before the first call"
    one.take({"bulk": (Rate(1, 60),)}, 0.0)
    client.close()
    assert files(tmp_path) == [".sqlite", ".toml"]
    later = opened(tmp_path)
    assert later._pace("two").take({"bulk": (Rate(1, 60),)}, 0.0) > 0, "and the next process knows of it"
    later.close()


def test_a_known_account_is_one_whatever_its_key(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with Ledger.open(f"sqlite:///{tmp_path}/state/x.sqlite", "x") as ledger:
        for name in ("one", "other"):
            ledger.accounts.record(name, "XyZ", name=name, connector="klaviyo")
    client = opened(tmp_path)
    assert client._pace("one") is client._pace("other")
    assert client._pace("two") is not client._pace("one"), "nobody has asked who it is yet"
    client.close()


def test_a_sandbox_keeps_its_pace_in_the_process(tmp_path: Path) -> None:
    client = opened(tmp_path, "[sandbox]\nspeed = 600\n")
    assert isinstance(client._pace("one"), LocalPace)
    client.close()


def test_a_fleet_keeps_it_where_the_config_says(tmp_path: Path) -> None:
    client = opened(tmp_path, f'[pace]\nurl = "sqlite:///{tmp_path}/fleet.sqlite"\n')
    client._pace("one").take({"bulk": (Rate(1, 60),)}, 0.0)
    client.close()
    assert (tmp_path / "fleet.sqlite").exists()
    client = opened(tmp_path, '[pace]\nurl = "oracle://somewhere"\n')
    with pytest.raises(ConfigError):
        client.connector("one")
    client.close()


def test_a_share_of_the_config_counts_in_the_estimate_too(tmp_path: Path) -> None:
    from connectors import registry

    client = opened(tmp_path)
    spec = client.spec("two")
    assert set(spec.share.values()) == {0.5}
    assert set(spec.share) == set(registry.load("klaviyo").spec.rates)
    assert client.spec("one").share == registry.load("klaviyo").spec.share
    client.close()
