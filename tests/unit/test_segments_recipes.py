"""The shipped recipes: complete, in both languages, over what every shop has, and as a marketer words each need."""

from __future__ import annotations

import itertools
import operator
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from language_lab import shared
from recipe_lab import FILES, RECIPES, library_catalogue, library_segment

from engine.config import load
from engine.language import tree
from engine.language.words import in_words
from engine.segments import GroupDefinition

LATER = {"R-SEG-25", "R-SEG-26", "R-SEG-31", "R-SEG-32"}  # predictions, discovered segments, freshness, look-alikes
NEEDS = {f"R-SEG-{n:02d}" for n in range(1, 37)} - LATER
SIGNS = {"=": operator.eq, "<=": operator.le, ">=": operator.ge}
HOLE = re.compile(r"\{([a-z_]+)\}")


@pytest.mark.parametrize("name", RECIPES)
def test_every_shipped_recipe_is_complete_in_both_languages(name: str) -> None:
    shipped = RECIPES[name]
    assert shipped["id"] in NEEDS
    for words in (shipped["title"], shipped["description"]):
        assert set(words) == {"en", "fr"}
        assert all(words.values())
        assert set(HOLE.findall(words["en"])) == set(HOLE.findall(words["fr"]))
    assert set(HOLE.findall(shipped["where"])) == set(shipped.get("parameters", {}))


@pytest.mark.parametrize("need", sorted(NEEDS))
def test_every_need_of_the_catalogue_has_a_recipe(need: str) -> None:
    assert need in {one["id"] for one in RECIPES.values()}


def test_the_needs_are_those_that_the_requirements_list() -> None:
    listed = set(re.findall(r"^\| (R-SEG-\d+) \|", shared("REQUIREMENTS.md").read_text("utf-8"), re.MULTILINE))
    assert listed == NEEDS | LATER


def test_every_shipped_recipe_fits_the_neutral_shop() -> None:
    built = library_catalogue()
    assert set(built.segments) == set(RECIPES)
    now, zone = datetime(2026, 3, 1, 12, tzinfo=UTC), ZoneInfo("Europe/Paris")
    for one in built.segments.values():
        assert "{" not in one.title + in_words(one.node, "fr", now, zone) + in_words(one.node, "en", now, zone)
        assert all("{" not in text for text in one.descriptions.values())
        assert one.requirement == RECIPES[one.name]["id"]


def config(folder: Path, *include: str) -> dict[str, Any]:
    listed = ", ".join(f'"{one}"' for one in include)
    (folder / "ciblage.toml").write_text(f'client = "a"\ninclude = [{listed}]\n', "utf-8")
    return dict(load(folder / "ciblage.toml", {}).recipes)


def test_the_library_brings_all_its_files(tmp_path: Path) -> None:
    assert config(tmp_path, "library:ecommerce") == RECIPES


@pytest.mark.parametrize("name", FILES)
def test_each_file_of_the_library_stands_alone_and_beside_all(tmp_path: Path, name: str) -> None:
    assert config(tmp_path, f"library:ecommerce/{name}") == FILES[name]["recipes"]
    assert config(tmp_path, f"library:ecommerce/{name}", "library:ecommerce") == RECIPES


@pytest.mark.parametrize("name", FILES)
def test_each_file_of_the_library_has_the_traits_that_its_recipes_need(name: str) -> None:
    built = library_catalogue(*(library_segment(one) for one in FILES[name]["recipes"]))
    needed = {one.name for segment in built.segments.values() for one in _traits(segment.node)} & set(built.traits)
    assert needed <= set(FILES[name].get("traits", {}))


def _traits(node: tree.Test) -> list[tree.Trait]:
    from engine.language.walk import walk

    return [one for one in walk(node) if isinstance(one, tree.Trait)]


WORDED = [
    ("R-SEG-01", "les 25-34 ans", "age_band", {}, "age between 25 and 34"),
    ("R-SEG-02", "customers in Paris and its suburbs", "postcode_starting", {"prefix": "75"}, "postcode starts with '75'"),
    ("R-SEG-03", "à moins de 20 km de la boutique de Lyon", "near_store", {"km": 20, "place": "lyon"}, "within 20 km of lyon"),
    ("R-SEG-04", "bought P42 twice in 3 months", "bought_product_lately", {"product": "P42", "times": 2}, "count(order_lines where product_id = 'P42', last 3 months) >= 2"),
    ("R-SEG-04", "ever bought three pairs of shoes", "bought_category_ever", {"category": "shoes", "items": 3}, "sum(order_lines.quantity where category = 'shoes') >= 3"),
    ("R-SEG-05", "6 articles en 6 mois", "loyal_items", {}, "sum(order_lines.quantity, last 6 months) >= 6"),
    ("R-SEG-07", "order every month and a half", "short_gaps", {}, "count(orders) >= 3 and avg_gap(orders) <= 45 days"),
    ("R-SEG-08", "couleur favorite : bleu", "favourite_colour_is", {"colour": "bleu"}, "favourite_colour = 'bleu'"),
    ("R-SEG-11", "panier abandonné dans les 24 h", "abandoned_cart", {"within": 24, "after": 1}, "did(cart_adds, between 24 hours ago and 1 minute ago, then no orders)"),
    ("R-SEG-11", "24 h after the cart, not later than two days", "abandoned_cart", {"within": 48, "after": 1440}, "did(cart_adds, between 48 hours ago and 1440 minutes ago, then no orders)"),
    ("R-SEG-12", "looked at shoes this week, bought none", "category_viewed_not_bought", {"category": "shoes"}, "count(views where category = 'shoes', last 7 days) >= 2 and never(order_lines where category = 'shoes', last 7 days)"),
    ("R-SEG-13", "page tarifs vue deux fois", "viewed_page", {"part": "/tarifs"}, "count(views where url contains '/tarifs', last 30 days) >= 2"),
    ("R-SEG-16", "engagés 90 jours", "engaged_readers", {"days": 90}, "reachable(email) and (did(email_opens, last 90 days) or did(email_clicks, last 90 days))"),
    ("R-SEG-20", "hobby : randonnée ou yoga", "declares_any", {"list": "topics", "answers": ["rando", "yoga"]}, "topics has any ('rando', 'yoga')"),
    ("R-SEG-22", "has a machine, never its capsules", "no_complement", {"product": "CAPS"}, "did(order_lines where complements = 'CAPS') and never(order_lines where product_id = 'CAPS')"),
    ("R-SEG-22", "bought the basic one, none of its better ones", "no_upgrade", {"product": "P1"}, "did(order_lines where product_id = 'P1') and never(order_lines where upgrade_of = 'P1')"),
    ("R-SEG-23", "filleuls", "referred", {}, "did(referred)"),
    ("R-SEG-27", "n'achètent qu'avec un code", "code_only", {}, "count(orders) >= 2 and share(orders where coupon is known) >= 100%"),
    ("R-SEG-28", "a week after the sofa arrived", "after_product_delivery", {"product": "SOFA"}, "last(order_lines.delivered_at where product_id = 'SOFA') in 7 days ago"),
    ("R-SEG-33", "peau sèche ou mixte", "declares", {"question": "household", "answers": ["sèche", "mixte"]}, "household in ('sèche', 'mixte')"),
    ("R-SEG-35", "détracteurs", "answered_score", {"source": "surveys"}, "last(surveys.score) between 0 and 6"),
    ("R-SEG-35", "a joué au concours", "took_part", {"source": "surveys"}, "count(surveys, last 365 days) >= 1"),
    ("R-SEG-36", "no address for deliveries", "missing_fact", {"fact": "postcode"}, "postcode is unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("need", "said", "recipe", "parameters", "text"), WORDED, ids=[one[1] for one in WORDED])
def test_a_need_as_a_marketer_words_it_is_a_recipe_with_parameters(
    need: str, said: str, recipe: str, parameters: dict[str, object], text: str
) -> None:
    built = library_catalogue(library_segment(recipe, "it", **parameters))
    assert said
    assert (built.segments["it"].text, built.segments["it"].requirement) == (text, need)


def test_r_seg_09_every_buyer_is_in_exactly_one_of_the_named_groups() -> None:
    names = [name for name, one in RECIPES.items() if one["id"] == "R-SEG-09"]
    built = library_catalogue(*(library_segment(name) for name in names))
    for scores in itertools.product(range(1, 6), repeat=3):
        known = dict(zip(("rfm_r", "rfm_f", "rfm_m"), map(Decimal, scores), strict=True))
        found = [name for name in names if _holds(built.segments[name].node, known)]
        assert found == ["champions", "rfm_loyal"] or len(found) == 1, scores


def _holds(node: tree.Test, known: dict[str, Decimal]) -> bool:
    if isinstance(node, tree.And):
        return all(_holds(item, known) for item in node.items)
    assert isinstance(node, tree.Compare)
    assert isinstance(node.left, tree.Trait)
    assert isinstance(node.right, tree.Number)
    return bool(SIGNS[node.op](known[node.left.name], node.right.value))


def test_the_life_cycle_is_one_group() -> None:
    names = ("new", "regular", "active", "at_risk", "inactive", "lost")
    segments = tuple(library_segment(f"lifecycle_{name}") for name in names)
    group = GroupDefinition(name="lifecycle", exclusive=tuple(one.name for one in segments), otherwise="prospect")
    built = library_catalogue(*segments, groups=(group,))
    assert list(built.segments) == [*group.exclusive, "prospect"]


def test_no_shipped_recipe_is_called_empty_but_the_upsell_of_a_product_to_itself() -> None:
    [found] = [one for one in library_catalogue().warnings if "empty" in one]
    assert found.startswith("segments.upsell: always empty")
