"""A config to begin with: it names what the folder holds, passes `check` at once, and is written over nothing."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from round_lab import KEYS, Lab
from typer.testing import CliRunner

from engine.cli import app

CLIENTS = """N° Client;Prénom;Courriel;Newsletter;Date d'inscription;Taille
c1;Anna;anna@example.com;Oui;2026-01-02;M
c2;Zoë;zoe@example.com;Non;2026-02-02;L
c3;Léo;leo@example.com;peut-être;2026-02-03;L
"""
COMMANDES = """Numéro commande;Code client;Date commande;Montant TTC;Statut
10;c1;2026-10-02;20.00;payée
11;c2;2026-10-03;22.50;payée
"""
DESTINATIONS = {
    "mailchimp": ("mailchimp/3.0", "MAILCHIMP_KEY", ["--set", "audience=Newsletter"]),
    "klaviyo": ("klaviyo/api", "KLAVIYO_KEY", []),
    "brevo": ("brevo/v3", "BREVO_KEY", []),
}


def init(*words: object) -> Any:
    return CliRunner().invoke(app, ["init", *map(str, words)])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "Boutique du Lac"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "clients.csv").write_text(CLIENTS, "utf-8")
    (folder / "data" / "commandes.csv").write_text(COMMANDES, "utf-8")
    (folder / "data" / "divers.csv").write_text("a,b\n", "utf-8")
    return folder


@pytest.mark.parametrize("connector", DESTINATIONS)
def test_what_it_writes_passes_check_at_once_and_a_round_goes_through(
    fresh: Lab, tmp_path: Path, connector: str
) -> None:
    path, key, more = DESTINATIONS[connector]
    folder = tmp_path / "new"
    done = init(folder, "--data", fresh.data, "--connector", connector, "--set", f"base_url={fresh.url}/{path}", *more)
    assert done.exit_code == 0, done.output
    (folder / "secrets").mkdir()
    (folder / "secrets" / f"{connector.upper()}_API_KEY").write_text(KEYS[key], "utf-8")
    lab = Lab(folder, fresh.server, fresh.shop)
    checked = lab.done("check")
    assert [one["error"] for one in checked["destinations"]] == [None]
    assert checked["customers"] == len(fresh.shop.customers)
    assert {row["name"] for row in lab.done("segments")["rows"]} == {"contactable", "regulars", "asleep"}
    lab.done("pull")
    lab.done("push", "--yes")
    assert lab.done("status")["destinations"][0]["contacts"] > 0


def test_a_french_shop_s_own_names_are_found(shop: Path) -> None:
    done = init(shop, "--lang", "fr", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)["result"]
    tables = {one["table"]: one for one in result["tables"]}
    assert tables["customers"]["columns"]["customer_id"] == "N° Client"
    assert tables["customers"]["values"] == {"consent_email": {"Non": "never", "Oui": "subscribed"}}
    assert tables["orders"]["columns"]["ordered_at"] == "Date commande"
    assert result["ignored"] == ["divers.csv"]
    assert any("peut-être" in note for note in result["notes"])
    config = tomllib.loads((shop / "ciblage.toml").read_text("utf-8"))
    assert (config["client"], config["lang"], config["timezone"]) == ("boutique-du-lac", "fr", "Europe/Paris")
    assert (shop / ".gitignore").read_text("utf-8").split() == ["state/", "secrets/"]
    segments = CliRunner().invoke(app, ["members", "contactable", "--config", str(shop / "ciblage.toml")])
    assert segments.stdout.split() == ["customer_id", "c1"], segments.output


def test_nothing_is_ever_written_over(shop: Path) -> None:
    (shop / ".gitignore").write_text("state/\n", "utf-8")
    done = init(shop)
    assert done.exit_code == 0
    assert (shop / ".gitignore").read_text("utf-8") == "state/\n"
    assert "add secrets/" in done.stdout
    before = (shop / "ciblage.toml").read_text("utf-8")
    again = init(shop, "--client", "other")
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert (shop / "ciblage.toml").read_text("utf-8") == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--data", "nowhere"], "there is no folder"),
        (["--client", "Big Name"], "no client's name"),
        (["--connector", "klavio"], "did you mean 'klaviyo'?"),
        (["--connector", "mailchimp"], "--set audience=…"),
        (["--connector", "klaviyo", "--set", "base_ur=x"], "'base_url'"),
        (["--connector", "klaviyo", "--set", "nonsense"], "KEY=VALUE"),
        (["--connector", "klaviyo", "--set", "api_key=pk_123456"], "secrets folder"),
        (["--url", "postgresql://me:password@db/shop"], "${NAME}"),
        (["--timezone", "Paris"], "timezone"),
        (["--lang", "de"], "lang"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_what_cannot_be_is_told_and_nothing_is_written(shop: Path, words: list[str], says: str) -> None:
    done = init(shop, *words)
    assert done.exit_code == 2, done.output
    assert says in done.stderr
    assert "pk_123456" not in done.output
    assert sorted(path.name for path in shop.iterdir()) == ["data"]


def test_a_column_that_must_be_there_and_is_not_is_told(shop: Path) -> None:
    (shop / "data" / "clients.csv").write_text("Prénom;Courriel\nAnna;anna@example.com\n", "utf-8")
    done = init(shop)
    assert "clients.csv: no column found for customer_id" in " ".join(done.stdout.split())
    assert "# customer_id is missing" in (shop / "ciblage.toml").read_text("utf-8")


def test_names_as_exports_have_them_are_found_and_a_bridge_between_two_tables_is_neither(tmp_path: Path) -> None:
    """Humps, a system's name in front, `data` or a year behind; a table that only ends in such a word lacks what must be there."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "Acme_Customers_2026.csv").write_text("CustomerKey,EmailAddress,FirstName\n1,a@example.com,Anna\n", "utf-8")
    (data / "acme_order_data.csv").write_text("OrderNumber,CustomerKey,OrderDate,Total\n10,1,2026-10-02,20\n", "utf-8")
    (data / "acme_cart_order_data.csv").write_text("order_id,cart\n10,7\n", "utf-8")
    (data / "acme_collection_product_data.csv").write_text("product_id,collection\np1,7\n", "utf-8")
    (data / "acme_product_data.csv").write_text("ProductKey,ProductName\np1,Tea\n", "utf-8")
    (data / "broken_orders.csv").write_text("a,,b\n", "utf-8")
    done = init(tmp_path, "--json", "--client", "acme")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)["result"]
    assert {one["table"]: one["file"] for one in result["tables"]} == {
        "customers": "Acme_Customers_2026.csv",
        "products": "acme_product_data.csv",
        "orders": "acme_order_data.csv",
    }
    assert set(result["ignored"]) == {
        "acme_cart_order_data.csv",
        "acme_collection_product_data.csv",
        "broken_orders.csv",
    }
    members = CliRunner().invoke(app, ["traits", "1", "--config", str(tmp_path / "ciblage.toml"), "--json"])
    assert "Anna" in members.stdout, members.output


def test_a_folder_of_files_is_a_table(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "commandes").mkdir(parents=True)
    (data / "archive").mkdir()
    (data / "clients.csv").write_text(CLIENTS, "utf-8")
    (data / "commandes" / "2025.csv").write_text(COMMANDES, "utf-8")
    (data / "commandes" / "2026.csv").write_text(COMMANDES.replace("10;", "20;").replace("11;", "21;"), "utf-8")
    done = init(tmp_path, "--client", "lac", "--json")
    assert [one["file"] for one in json.loads(done.stdout)["result"]["tables"]] == ["clients.csv", "commandes"]
    checked = CliRunner().invoke(app, ["check", "--config", str(tmp_path / "ciblage.toml"), "--json"])
    assert json.loads(checked.stdout)["result"]["counts"]["orders"] == 4, checked.output


DATED = """customer_id,email,birth_date,created_at
c1,anna@example.com,{},{}
c2,bert@example.com,{},{}
"""


@pytest.mark.parametrize(
    ("values", "words", "forms", "says"),
    [
        (("1980-02-03", "2026-01-02", "1981-02-03", "2026-01-03 10:00"), [], None, ""),
        (("13/02/1980", "02/01/2026 10:30", "01/02/1981", "13/01/2026 11:00"), [], ["%d/%m/%Y", "%d/%m/%Y %H:%M"], ""),
        (("02/13/1980", "01/02/2026", "02/01/1981", "01/13/2026"), [], ["%m/%d/%Y"], ""),
        (("03.02.1980", "2026-01-02", "04.02.1981", "2026-01-03"), [], ["%d.%m.%Y", "%Y-%m-%d"], ""),
        (("03/02/1980", "2026-01-02", "04/02/1981", "2026-01-03"), [], ["%d/%m/%Y", "%Y-%m-%d"], "the other way round"),
        (("03/02/1980", "", "04/02/1981", ""), ["--currency", "USD"], ["%m/%d/%Y"], "the other way round"),
        (("un jour", "", "un autre", ""), [], None, "birth_date is no date that is known (un jour)"),
    ],
    ids=["iso", "day_first", "month_first", "mixed", "ambiguous", "dollars", "words"],
)
def test_how_dates_are_written_is_found_or_asked_for(
    tmp_path: Path, values: tuple[str, ...], words: list[str], forms: list[str] | None, says: str
) -> None:
    (tmp_path / "customers.csv").write_text(DATED.format(*values), "utf-8")
    done = init(tmp_path, "--client", "lac", *words)
    assert done.exit_code == 0, done.output
    assert says in " ".join(done.stdout.split())
    mapping = tomllib.loads((tmp_path / "ciblage.toml").read_text("utf-8"))["shop"].get("mapping", {})
    assert mapping.get("customers", {}).get("dates") == forms
    checked = CliRunner().invoke(app, ["check", "--config", str(tmp_path / "ciblage.toml"), "--json"])
    assert json.loads(checked.stdout)["result"]["customers"] == (0 if "known" in says else 2), checked.output


def test_many_files_that_stand_for_nothing_are_counted_not_listed(shop: Path) -> None:
    for number in range(40):
        (shop / "data" / f"divers_{number:02}.csv").write_text("a,b\n", "utf-8")
    said = " ".join(init(shop).stdout.split())
    assert "and 33 more" in said
    assert said.count("divers_") < 9


def test_a_database_is_written_by_reference(tmp_path: Path) -> None:
    done = init(tmp_path / "new", "--url", "postgresql://me:${SHOP_PASSWORD}@db/shop")
    assert done.exit_code == 0, done.output
    shop = tomllib.loads((tmp_path / "new" / "ciblage.toml").read_text("utf-8"))["shop"]
    assert shop == {"kind": "sql", "url": "postgresql://me:${SHOP_PASSWORD}@db/shop"}


def test_a_shop_s_own_export_is_known_by_its_files(tmp_path: Path) -> None:
    for name in ("customers_export.csv", "orders_export.csv"):
        (tmp_path / name).write_text("Name\n", "utf-8")
    done = init(tmp_path, "--client", "lac")
    assert done.exit_code == 0, done.output
    shop = tomllib.loads((tmp_path / "ciblage.toml").read_text("utf-8"))["shop"]
    assert shop == {"kind": "files", "path": ".", "mapping": "shopify"}


def test_on_a_terminal_it_asks_for_what_was_not_said_until_it_can_be(shop: Path) -> None:
    ours, theirs = pty.openpty()
    program = Path(sys.executable).with_name("ciblage")
    with subprocess.Popen(
        [program, "init", str(shop)],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as process:
        os.write(ours, b"Lac!\nlac\nnowhere\n\nParis\nEurope/Paris\nklavio\nmailchimp\nNewsletter\n")
        out, _ = process.communicate(timeout=60)
    asked = os.read(ours, 10_000).decode()
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, out
    assert "client's name" in asked
    assert "boutique-du-lac" in asked
    for wrong in (
        "'Lac!' is no client's name",
        "There is no folder",
        "There is no time zone 'Paris'",
        "There is no 'klavio'",
    ):
        assert wrong in asked
    config = tomllib.loads((shop / "ciblage.toml").read_text("utf-8"))
    assert (config["client"], config["timezone"]) == ("lac", "Europe/Paris")
    assert config["destinations"]["newsletter"]["audience"] == "Newsletter"
