"""The config: what is read, and what each mistake says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from engine.config import Config, load
from engine.errors import ConfigError

GOOD = """\
client = "maison-lin"
timezone = "Europe/Paris"
currency = "EUR"
lang = "fr"
consent_basis = ["consent", "existing_customer"]

[shop]
kind = "files"
path = "data"

[traits]
favourite = "most_frequent(order_lines.category)"

[segments]
loyal = "count(orders) >= 3"

[segments.spring]
where = "in segment loyal"
title = { en = "Spring", fr = "Printemps" }
size = { min = 5, max = "40%" }
holdout = { share = "10%", salt = "spring" }

[offers.thanks]
segment = "loyal"
percent = "10%"
minimum = "60 EUR"
valid = "30 days"
budget = { codes = 20, amount = "500 EUR" }

[merge_tags]
first_name = { trait = "first_name" }
code = { offer = "thanks" }

[destinations.news]
connector = "klaviyo"
api_key = "${KLAVIYO_API_KEY}"
segments = ["loyal", "spring"]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "ciblage.toml"
    path.write_text(text, "utf-8")
    return path


def read(tmp_path: Path, text: str, **environment: str) -> Config:
    return load(written(tmp_path, text), {"KLAVIYO_API_KEY": "pk_1"} | environment)


def refused(tmp_path: Path, text: str, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, **environment)
    return f"{caught.value.place}: {caught.value}".replace(str(tmp_path) + "/", "")


def test_every_section_arrives_typed(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD).settings
    assert settings.segments["loyal"].where == "count(orders) >= 3"
    assert settings.segments["spring"].title == {"en": "Spring", "fr": "Printemps"}
    assert settings.segments["spring"].holdout is not None
    assert settings.segments["spring"].holdout.share == Decimal("0.1")
    assert settings.offers["thanks"].minimum is not None
    assert settings.offers["thanks"].minimum.value == 60
    assert settings.destinations["news"].options == {"api_key": "pk_1"}
    assert settings.zone.key == "Europe/Paris"


def test_the_hash_follows_the_meaning_and_not_the_secret(tmp_path: Path) -> None:
    first = read(tmp_path, GOOD).hash
    assert read(tmp_path, "# a comment\n" + GOOD, KLAVIYO_API_KEY="pk_2").hash == first
    assert read(tmp_path, GOOD.replace(">= 3", ">= 4")).hash != first


def test_secrets_do_not_show_in_repr(tmp_path: Path) -> None:
    assert "pk_1" not in repr(read(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('currency = "EUR"', 'curency = "EUR"', "unknown key 'curency' (did you mean 'currency'?)"),
        ('percent = "10%"', 'percnt = "10%"', "unknown key 'percnt' in offers.thanks (did you mean"),
        ("title = { en", "titel = { en", "unknown key 'titel' in segments.spring (did you mean 'title'?)"),
        ('"Europe/Paris"', '"Europe/Pari"', "timezone: 'Europe/Pari' is not a time zone"),
        ('"loyal", "spring"', '"loyal", "sprin"', "destinations.news.segments[1]: there is no segment 'sprin' (did you mean 'spring'?)"),
        ('{ offer = "thanks" }', '{ offer = "thank" }', "merge_tags.code.offer: there is no offer 'thank' (did you mean 'thanks'?)"),
        ('"60 EUR"', '"60 USD"', "offers.thanks.minimum: amounts are in EUR, not USD"),
        ('client = "maison-lin"', "", "client is missing"),
        ('lang = "fr"', 'lang = "de"', "lang: input should be 'en' or 'fr'"),
        ('"count(orders) >= 3"', "3", "segments.loyal"),
        ('"${KLAVIYO_API_KEY}"', '"pk_live_1"', 'destinations.news.api_key holds a secret; write "${NEWS_API_KEY}"'),
        ('"${KLAVIYO_API_KEY}"', '"${NOT_SET}"', "destinations.news.api_key needs the environment variable NOT_SET"),
        ('client = "maison-lin"', 'client = "Maison Lin"', "client: a client's name has small letters, digits, - and _"),
        ('currency = "EUR"', 'currency = "euro"', "currency: a currency is three capital letters, for example EUR"),
        ("[shop]", "[shop", "not TOML"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_line_and_the_nearest_choice(tmp_path: Path, before: str, after: str, said: str) -> None:
    line = GOOD[: GOOD.index(before)].count("\n") + 1
    place = "ciblage.toml" if said == "client is missing" else f"ciblage.toml:{line}"
    assert refused(tmp_path, GOOD.replace(before, after, 1)).startswith(f"{place}: {said}")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = refused(tmp_path, GOOD.replace("timezone", "timezon").replace("valid =", "vald ="))
    assert "timezon" in text
    assert "vald" in text


def test_a_literal_secret_is_not_repeated_in_the_message(tmp_path: Path) -> None:
    assert "pk_live" not in refused(tmp_path, GOOD.replace("${KLAVIYO_API_KEY}", "pk_live_1"))


def test_a_secret_may_stand_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ONLY_HERE").write_text("pk_file\n", "utf-8")
    text = GOOD.replace("${KLAVIYO_API_KEY}", "${ONLY_HERE}").replace('lang = "fr"', 'secrets = { folder = "keys" }')
    assert read(tmp_path, text).settings.destinations["news"].options["api_key"] == "pk_file"
    (tmp_path / "keys" / "ONLY_HERE").unlink()
    missing = "needs the environment variable ONLY_HERE, which is not set, nor is there a file keys/ONLY_HERE"
    assert refused(tmp_path, text).endswith(missing)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIBLAGE_LANG", "en")
    assert read(tmp_path, GOOD).settings.lang == "en"


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no config file") as caught:
        load(tmp_path / "none.toml", {})
    assert caught.value.hint


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "ciblage.toml").write_bytes(b'client = "a"\nlang = "\xff"\n')
    with pytest.raises(ConfigError, match="UTF-8") as caught:
        load(tmp_path / "ciblage.toml", {})
    assert str(caught.value.place).endswith("ciblage.toml:2")


def test_an_agency_library_is_included_and_may_be_overridden(tmp_path: Path) -> None:
    (tmp_path / "agency.toml").write_text(
        '[segments]\nloyal = "count(orders) > 9"\nvip = "count(orders) > 99"\n', "utf-8"
    )
    head = GOOD.replace('lang = "fr"', 'include = ["agency.toml"]')
    text = refused(tmp_path, head)
    assert "agency.toml:2: segments.loyal is defined twice" in text
    ours = head.replace('loyal = "count(orders) >= 3"', 'loyal = { where = "count(orders) >= 3", override = true }')
    settings = read(tmp_path, ours).settings
    assert settings.segments["vip"].where == "count(orders) > 99"
    assert settings.segments["loyal"].where == "count(orders) >= 3"


def test_an_unknown_library_names_the_nearest(tmp_path: Path) -> None:
    text = refused(tmp_path, GOOD.replace('lang = "fr"', 'include = ["library:ecomerce"]'))
    assert "there is no library 'ecomerce'" in text


def test_a_split_makes_segments_that_destinations_may_name(tmp_path: Path) -> None:
    text = GOOD + '\n[splits.welcome]\nsalt = "w-2027"\narms = { a = "0% to 50%", b = "50% to 100%" }\n'
    assert read(tmp_path, text).settings.splits["welcome"].arms["b"] == "50% to 100%"
    named = text.replace('["loyal", "spring"]', '["loyal", "welcome_a", "welcome_c"]')
    assert named != text
    told = refused(tmp_path, named)
    assert "there is no segment 'welcome_c'" in told
    assert "there is no segment 'welcome_a'" not in told


def test_every_mistake_of_a_file_is_told_at_once_in_the_order_of_its_lines(tmp_path: Path) -> None:
    text = """\
client = "a"
curency = "EUR"
[segments]
fine = "true"
[segments.both]
where = "true"
recipe = "x"
[splits.s]
salt = "s-1"
arms = { a = "0% to 50%" }
[offers.o]
segment = "nobody"
percent = "ten"
[offers.p]
segment = "nobody"
percent = "5%"
[destinations.d]
connector = "memory"
api_key = "plain-secret"
segments = ["fine", "both", "missing", "s_a", "s_b"]
[merge_tags]
code = { offer = "o" }
other = { offer = "q" }
"""
    told = [line.partition("ciblage.toml:")[2] for line in refused(tmp_path, text).splitlines()]
    assert [line.split(":")[0] for line in told] == ["2", "5", "13", "15", "19", "20", "20", "23"]
    assert "unknown key 'curency'" in told[0]
    assert "write exactly one of" in told[1]
    assert "there is no segment 'nobody'" in told[3]
    assert "holds a secret" in told[4]
    assert "'missing'" in told[5]
    assert "'s_b'" in told[6]
    assert "there is no offer 'q'" in told[7]
    assert not any("'both'" in line or "offer 'o'" in line for line in told)  # what is wrong itself is told once


def test_what_calls_nobody_reads_the_config_without_the_keys_of_destinations(tmp_path: Path) -> None:
    text = GOOD.replace('"${KLAVIYO_API_KEY}"', '"${NOT_SET}"')
    config = load(written(tmp_path, text), {}, calls=False)
    line = text[: text.index("${NOT_SET}")].count("\n") + 1
    [told] = config.unset["news"]
    assert told.startswith(
        f"{tmp_path}/ciblage.toml:{line}: destinations.news.api_key needs the environment variable NOT_SET"
    )
    assert config.warnings == [f"{told}: what calls news needs it"]
    assert config.hash == read(tmp_path, text, NOT_SET="pk_1").hash


def test_a_database_without_its_password_is_refused_to_everybody(tmp_path: Path) -> None:
    text = GOOD.replace(
        'kind = "files"\npath = "data"', 'kind = "sql"\nurl = "postgresql://shop:${SHOP_PASSWORD}@db/shop"'
    )
    with pytest.raises(ConfigError, match=r"shop\.url needs the environment variable SHOP_PASSWORD"):
        load(written(tmp_path, text), {}, calls=False)


TYPOS = [
    ('wher = "count(orders) > 1"', ["3: unknown key 'wher' in segments.typo (did you mean 'where'?)"]),
    ('recip = "inactive_buyers"\nmonths = 9', ["3: unknown key 'recip' in segments.typo (did you mean 'recipe'?)"]),
    ('houldout = { share = "10%", salt = "s" }', ["2: segments.typo: write exactly one of where, recipe, customers or file",
                                                "3: unknown key 'houldout' in segments.typo (did you mean 'holdout'?)"]),
    ("zzz = 1", ["2: segments.typo: write exactly one of where, recipe, customers or file", "3: unknown key 'zzz' in segments.typo"]),
    ('where = "true"\nwher = "true"', ["4: unknown key 'wher' in segments.typo (did you mean 'where'?)"]),
    ('title = "Typo"', ["2: segments.typo: write exactly one of where, recipe, customers or file"]),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "said"), TYPOS)
def test_a_misspelt_key_of_a_segment_is_told_at_its_own_line(tmp_path: Path, keys: str, said: list[str]) -> None:
    lines = refused(tmp_path, f'client = "a"\n[segments.typo]\n{keys}\n').splitlines()
    assert [line.partition("ciblage.toml:")[2] for line in lines] == said
