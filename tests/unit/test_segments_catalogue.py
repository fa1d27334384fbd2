"""From definitions to the catalogue: recipes, groups, holdouts, and every mistake told at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from language_lab import fact
from recipe_lab import BARE, PLACES

from engine.errors import DefinitionError
from engine.language import tree
from engine.language.printer import to_text
from engine.language.tree import Type
from engine.language.vocabulary import Vocabulary
from engine.segments import (
    Catalogue,
    Definitions,
    GroupDefinition,
    HoldoutDefinition,
    SegmentDefinition,
    SizeDefinition,
    TagDefinition,
    build_catalogue,
)
from engine.traits import TraitDefinition


def segment(name: str, where: str, line: int = 1, **more: object) -> SegmentDefinition:
    return SegmentDefinition(name=name, where=where, place=f"ciblage.toml:{line}", **more)


def trait(name: str, value: str, line: int = 1, **more: str) -> TraitDefinition:
    return TraitDefinition(name=name, value=value, place=f"ciblage.toml:{line}", **more)


def catalogue(*segments: SegmentDefinition, vocabulary: Vocabulary = BARE, **more: object) -> Catalogue:
    return build_catalogue(Definitions(segments=segments, **more), vocabulary, PLACES)


def refused(*segments: SegmentDefinition, **more: object) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        catalogue(*segments, **more)
    return caught.value.mistakes


def from_recipe(name: str, **parameters: object) -> SegmentDefinition:
    return SegmentDefinition(name="s", recipe=name, parameters=parameters, place="ciblage.toml:7")


def recipe(**values: object) -> Mapping[str, Mapping[str, object]]:
    return {"r": {"where": "count(orders, last {months} months) >= {n}", "parameters": {"months": {"type": "whole", "default": 6, "min": 1, "max": 60}, "n": {"type": "number"}}, **values}}  # fmt: skip


def test_traits_are_built_in_the_order_in_which_they_need_each_other() -> None:
    built = catalogue(
        segment("hot", "score >= 50 and kind = 'new'"),
        traits=(trait("score", "base * 2 + if(vip, 10, 0)"), trait("base", "count(orders)"), trait("vip", "base > 9"), trait("kind", "if(vip, 'new', 'old')")),
    )  # fmt: skip
    assert list(built.traits) == ["score", "base", "vip", "kind"]
    assert {name: one.type for name, one in built.traits.items()} == {"score": Type.NUMBER, "base": Type.NUMBER, "vip": Type.BOOLEAN, "kind": Type.TEXT}  # fmt: skip
    assert built.vocabulary.facts["score"].type is Type.NUMBER
    assert built.traits["score"].text == "base * 2 + if(vip, 10, 0)"


def test_a_trait_may_be_called_as_a_source_or_a_column_of_its_rows_is() -> None:
    traits = (trait("views", "count(views)"), trait("brand", "most_frequent(order_lines.brand where brand != 'x')"))
    built = catalogue(segment("s", "views > 3 and brand = 'y'"), traits=traits)
    assert set(built.traits) == {"views", "brand"}


def test_a_trait_keeps_the_closed_list_of_what_it_repeats() -> None:
    assert "'video'" in refused(segment("s", "seen = 'video'"), traits=(trait("seen", "last(views.kind)"),))[0]


def test_segments_come_after_those_that_they_need() -> None:
    built = catalogue(segment("a", "in segment b and is_vip"), segment("b", "not in segment c"), segment("c", "is_vip"))
    assert list(built.segments) == ["c", "b", "a"]


def test_rule_20_a_circle_is_told_with_its_path() -> None:
    assert refused(segment("a", "in segment b", 3), segment("b", "not in segment a", 5)) == (
        "ciblage.toml:3: segments.a: Segments depend on each other: a -> b -> a\n  hint: break the circle",
    )
    assert "Traits depend on each other: x -> y -> x" in refused(traits=(trait("x", "y + 1"), trait("y", "x + 1")))[0]
    assert "x -> x" in refused(traits=(trait("x", "x + 1"),))[0]
    mixed = refused(segment("a", "t > 3"), traits=(trait("t", "if(in segment a, 1, 2)"),))
    assert "segment a -> trait t -> segment a" in mixed[0]
    assert "reachable email" in refused(segment("a", "reachable(email)"), reachable={"email": "in segment a"})[0]


def test_rule_20_a_segment_that_looks_ahead_in_its_group_is_a_circle() -> None:
    group = GroupDefinition(name="g", exclusive=("a", "b"))
    assert "a -> b -> a" in refused(segment("a", "in segment b"), segment("b", "is_vip"), groups=(group,))[0]
    assert list(catalogue(segment("a", "is_vip"), segment("b", "in segment a"), groups=(group,)).segments) == ["a", "b"]


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    found = refused(
        segment("late", "count(ordres) > 1", 40),
        segment("fine", "is_vip", 20),
        segment("early", "gender = 'femme'", 12),
        segment("on_wrong_trait", "broken > 3", 15),
        traits=(trait("broken", "sum(orders)", 30), trait("on_broken", "broken + 1", 31)),
        groups=(GroupDefinition(name="g", exclusive=("fine", "nobody"), place="ciblage.toml:50"),),
    )
    assert [one.splitlines()[0] for one in found] == [
        "ciblage.toml:12: segments.early: 'femme' is not a value of gender",
        "ciblage.toml:30: traits.broken: sum() needs a column, for example sum(orders.total)",
        "ciblage.toml:40: segments.late: Unknown source 'ordres'",
        "ciblage.toml:50: groups.g: Unknown segment 'nobody'",
    ]


def test_a_trait_does_not_hide_a_column() -> None:
    assert "'city' is a column of customers too" in refused(traits=(trait("city", "last(orders.channel)"),))[0]


def test_a_group_adds_the_segment_of_everyone_else() -> None:
    group = GroupDefinition(name="lifecycle", exclusive=("new", "old"), otherwise="prospect")
    built = catalogue(
        segment("new", "is_vip"), segment("old", "age > 3"), segment("x", "in segment prospect"), groups=(group,)
    )
    assert built.segments["prospect"].text == "not (in segment new or in segment old)"
    assert built.groups["lifecycle"].exclusive == ("new", "old")
    assert list(built.segments)[-2:] == ["prospect", "x"]


def test_a_segment_is_in_one_group_only() -> None:
    groups = (GroupDefinition(name="g", exclusive=("a",)), GroupDefinition(name="h", exclusive=("a",), otherwise="a"))
    assert any("in a group more than once" in one for one in refused(segment("a", "is_vip"), groups=groups))
    assert any("'a' is a segment of its own" in one for one in refused(segment("a", "is_vip"), groups=groups))


def test_reach_asks_for_consent_and_an_accepted_basis() -> None:
    built = catalogue(consent_basis=("consent", "b2b"))
    assert to_text(built.reachable["email"]) == (
        "consent.email = 'subscribed' and never(email_bounces where hard = true) and never(email_complaints)"
        " and default(consent.email_basis, 'consent') in ('consent', 'b2b')"
    )
    loose = catalogue(reachable={"email": "consent.email in ('subscribed', 'pending') or is_vip"})
    assert to_text(loose.reachable["email"]) == (
        "(consent.email in ('subscribed', 'pending') or is_vip) and default(consent.email_basis, 'consent') in ('consent')"
    )


def test_reach_is_checked_like_any_definition() -> None:
    wrong = {"email": "consent.email != 'never'"}
    assert refused(reachable=wrong, reachable_places={"email": "ciblage.toml:9"})[0].startswith("ciblage.toml:9: reachable.email: Consent")  # fmt: skip


def test_rule_18_a_holdout_is_a_draw_by_its_salt() -> None:
    held = HoldoutDefinition(share=Decimal("0.1"), salt="holdout-2027")
    built = catalogue(segment("s", "is_vip", holdout=held))
    holdout = built.segments["s"].holdout
    assert holdout is not None
    assert to_text(holdout.test()) == "bucket('holdout-2027') < 10"
    assert built.warnings == ()


@pytest.mark.parametrize(("share", "salt"), [("0", "x"), ("1", "x"), ("0.1", " ")])
def test_a_holdout_needs_a_share_and_a_salt(share: str, salt: str) -> None:
    assert "holdout" in refused(segment("s", "is_vip", holdout=HoldoutDefinition(share=Decimal(share), salt=salt)))[0]


def test_rule_18_a_salt_named_after_the_segment_is_warned_of() -> None:
    built = catalogue(segment("s", "is_vip", holdout=HoldoutDefinition(share=Decimal("0.1"), salt="s")))
    assert built.warnings == (
        "ciblage.toml:1: segments.s: the holdout's salt is the segment's name; give it a name of its own, or a rename reshuffles",
    )


def test_rule_03_a_negation_that_lets_the_unknown_in_is_warned_of() -> None:
    built = catalogue(segment("s", "city != 'Paris'"), segment("t", "city not in ('Paris') and city is known"))
    assert len(built.warnings) == 1
    assert "segments.s: customers with unknown city are included; add `and city is known`" in built.warnings[0]


@pytest.mark.parametrize(
    ("size", "count", "fits"),
    [((50, "40%"), 50, True), ((50, "40%"), 49, False), ((None, "40%"), 401, False), (("1%", None), 9, False), ((None, 400), 400, True)],
)  # fmt: skip
def test_a_size_has_bounds_in_people_or_shares(
    *, size: tuple[int | str | None, int | str | None], count: int, fits: bool
) -> None:
    built = catalogue(segment("s", "is_vip", size=SizeDefinition(min=size[0], max=size[1])))
    bounds = built.segments["s"].size
    assert bounds is not None
    assert bounds.fits(count, 1000) is fits
    assert "no bound" in refused(segment("s", "is_vip", size=SizeDefinition(min="many")))[0]


def test_fixed_members_may_be_many_and_hold_anything() -> None:
    ids = tuple(f"c'{n}" for n in range(1000))
    built = catalogue(SegmentDefinition(name="vips", customers=(*ids, ids[0])))
    node = built.segments["vips"].node
    assert isinstance(node, tree.OneOf)
    assert (len(node.values), built.segments["vips"].is_static) == (1000, True)


def test_titles_are_in_the_clients_language() -> None:
    titled = segment("win_back", "is_vip", title={"en": "Win back", "fr": "À reconquérir"})
    assert catalogue(titled, lang="fr").segments["win_back"].title == "À reconquérir"
    assert catalogue(segment("win_back", "is_vip")).segments["win_back"].title == "Win back"


def test_rgrd04_a_sensitive_trait_drives_nothing_without_a_legal_basis() -> None:
    health = trait("diet", "most_frequent(order_lines.category)", sensitive="health")
    derived = trait("on_diet", "if(diet = 'x', 1, 0)")
    found = refused(segment("s", "on_diet = 1", 4), traits=(health, derived))
    assert "ciblage.toml:4: segments.s: 'diet' is sensitive (health)" in found[0]
    allowed = replace(health, legal_basis="explicit consent")
    assert "s" in catalogue(segment("s", "on_diet = 1"), traits=(allowed, derived)).segments


def test_rgrd04_no_merge_tag_carries_a_sensitive_trait_or_what_stands_on_it() -> None:
    health = trait("diet", "most_frequent(order_lines.category)", sensitive="health")
    derived = trait("on_diet", "if(diet = 'x', 'yes', 'no')")
    tags = (
        TagDefinition(owner="merge_tags.diet", trait="diet", place="ciblage.toml:9"),
        TagDefinition(owner="destinations.news.merge_tags.d", trait="on_diet", place="ciblage.toml:12"),
        TagDefinition(owner="merge_tags.city", trait="city"),
    )
    found = refused(traits=(health, derived), tags=tags)
    assert len(found) == 2
    assert found[0].startswith(
        "ciblage.toml:9: merge_tags.diet: 'diet' is sensitive (health) and cannot leave this machine"
    )
    assert found[1].startswith("ciblage.toml:12: destinations.news.merge_tags.d: 'diet' is sensitive (health)")
    assert 'name the legal basis: [traits.diet] legal_basis = "…"' in found[0]


def test_rgrd04_every_use_that_the_config_allows_is_listed_with_its_basis() -> None:
    health = trait("diet", "most_frequent(order_lines.category)", sensitive="health", legal_basis="explicit consent")
    tags = (TagDefinition(owner="merge_tags.d", trait="diet"), TagDefinition(owner="merge_tags.city", trait="city"))
    built = catalogue(segment("s", "diet = 'x'"), segment("t", "in segment s"), traits=(health,), tags=tags)
    assert built.warnings == (
        "'diet' is sensitive (health) and used by segments.s, merge_tags.d; legal basis: explicit consent",
    )
    assert catalogue(traits=(health,)).warnings == ()


# recipes


def test_a_recipe_takes_its_defaults_and_literals() -> None:
    built = catalogue(from_recipe("r", n=2, months=3), recipes=recipe(id="R-SEG-07", title={"en": "{n} in {months}"}))
    found = built.segments["s"]
    assert (found.text, found.requirement, found.title) == ("count(orders, last 3 months) >= 2", "R-SEG-07", "2 in 3")
    assert (
        catalogue(from_recipe("r", n=2.5), recipes=recipe()).segments["s"].text == "count(orders, last 6 months) >= 2.5"
    )


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "needs 'n'"), ({"n": 1, "month": 3}, "did you mean 'months'?"), ({"n": "1 or true"}, "write a number"),
        ({"n": 1, "months": 61}, "from 1 up to 60"), ({"n": 1, "months": 0}, "out of bounds"), ({"n": 1, "months": 1.5}, "whole number"),
        ({"n": True}, "does not fit"), ({"n": float("nan")}, "does not fit"), ({"n": [1]}, "does not fit"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_told_with_what_fits(parameters: Mapping[str, object], said: str) -> None:
    assert said in refused(from_recipe("r", **parameters), recipes=recipe())[0]


def test_a_hole_takes_a_literal_and_nothing_else() -> None:
    hostile = "x' or true or city = 'y"
    text = {"r": {"where": "city = {city}", "parameters": {"city": {"type": "text"}}}}
    node = catalogue(from_recipe("r", city=hostile), recipes=text).segments["s"].node
    assert node == tree.Compare("=", tree.Trait("city", Type.TEXT), tree.Text(hostile))


def test_a_wrong_recipe_is_told_once_where_it_is_used() -> None:
    assert "the hole {months} has no parameter" in refused(from_recipe("r", n=1), recipes=recipe(parameters={"n": {"type": "number"}}))[0]  # fmt: skip
    assert "needs a type" in refused(from_recipe("r"), recipes=recipe(parameters={"n": {"type": "novel"}}))[0]
    assert "unknown key 'wher'" in refused(from_recipe("r"), recipes=recipe(wher="x"))[0]
    assert "did you mean 'r'?" in refused(from_recipe("rr"), recipes=recipe())[0]
    assert "include a library" in refused(from_recipe("rr"))[0]
    assert "r" not in catalogue(segment("s", "is_vip"), recipes=recipe(wher="x")).segments


def test_a_vocabulary_without_basis_asks_for_none() -> None:
    facts = {**BARE.facts}
    del facts["consent.email_basis"]
    built = catalogue(vocabulary=replace(BARE, facts={**facts, "extra": fact("text")}))
    assert "basis" not in to_text(built.reachable["email"])


def test_a_merge_tag_of_no_trait_is_told_with_the_other_mistakes() -> None:
    tags = (
        TagDefinition(owner="merge_tags.c", trait="cty", place="ciblage.toml:9"),
        TagDefinition(owner="merge_tags.d", trait="city"),
    )
    found = refused(segment("s", "count(ordres) > 1", 3), tags=tags)
    assert found[1] == "ciblage.toml:9: merge_tags.c: there is no trait 'cty'\n  hint: did you mean 'city'?"
    assert len(found) == 2
