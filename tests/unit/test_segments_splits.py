"""R-SEG-29: splits as the config writes them, what is refused with the text to write, and what is warned of."""

from __future__ import annotations

from decimal import Decimal

import pytest
from test_segments_catalogue import catalogue, refused, segment

from engine.language.printer import to_text
from engine.segments import Catalogue, GroupDefinition, HoldoutDefinition, SplitDefinition

ARMS = {"offer": "0% to 40%", "story": "40% to 80%", "control": "80% to 100%"}


def split(
    arms: dict[str, str] | None = None, name: str = "welcome", salt: str = "w-2027", **more: object
) -> SplitDefinition:
    chosen = ARMS if arms is None else arms
    places = {arm: f"ciblage.toml:{line}" for line, arm in enumerate(chosen, 21)}
    return SplitDefinition(name=name, salt=salt, arms=chosen, place="ciblage.toml:20", places=places, **more)


def built(*splits: SplitDefinition, **more: object) -> Catalogue:
    return catalogue(segment("loyal", "is_vip"), splits=splits, **more)


def wrong(one: SplitDefinition) -> str:
    [found] = refused(segment("loyal", "is_vip"), segment("taken_a", "is_vip"), splits=(one,))
    return found


def test_each_arm_is_a_segment_that_others_and_groups_may_name() -> None:
    made = built(split(among="in segment loyal and age > 18"), groups=(GroupDefinition(name="g", exclusive=("welcome_offer",)),))  # fmt: skip
    assert made.segments["welcome_offer"].text == "in segment loyal and age > 18 and bucket('w-2027') < 40"
    assert made.segments["welcome_story"].text == (
        "in segment loyal and age > 18 and bucket('w-2027') >= 40 and bucket('w-2027') < 80"
    )
    assert made.segments["welcome_control"].text == "in segment loyal and age > 18 and bucket('w-2027') >= 80"
    assert made.segments["welcome_control"].place == "ciblage.toml:23"
    assert made.warnings == ()


def test_an_arm_of_everything_and_an_or_among_keep_their_meaning() -> None:
    made = built(split({"all": "0% to 100%"}), split({"a": "0 to 50%", "b": "50 to 100%"}, "half", "h", among="is_vip or age > 3"))  # fmt: skip
    assert made.segments["welcome_all"].text == "true"
    assert made.segments["half_a"].text == "(is_vip or age > 3) and bucket('h') < 50"


def test_titles_name_the_split_and_the_arm() -> None:
    made = built(split(title={"fr": "Bienvenue", "en": "Welcome"}), lang="fr")
    assert made.segments["welcome_story"].title == "Bienvenue, story"
    assert built(split()).segments["welcome_story"].title == "Welcome story"


@pytest.mark.parametrize(
    ("arms", "more", "said", "hint"),
    [
        ({"a": "50%", "b": "30%", "c": "20%"}, {}, "'50%' is no stretch of the draw", 'a = "0% to 50%", b = "50% to 80%", c = "80% to 100%"'),
        ({"a": "70%", "b": "40%"}, {}, "'70%' is no stretch", '"0% to 50%"'), ({"a": "half"}, {}, "'half' is no stretch", '"0% to 50%"'),
        ({"a": "0% to 50%", "b": "40% to 60%"}, {}, "the arms 'a' and 'b' share 40% to 50%", "let 'b' begin at 50%, or 'a' end at 40%"),
        ({"b": "10% to 20%", "a": "0% to 100%"}, {}, "the arms 'a' and 'b' share 10% to 20%", "let 'b' begin"),
        ({"a": "50% to 50%"}, {}, "the arm 'a' takes nobody", "0% to 50%"), ({"a": "50% to 101%"}, {}, "takes nobody", "0% to 50%"),
        ({}, {}, "has no arms", "arms = {"), (ARMS, {"salt": " "}, "needs a salt", 'salt = "welcome-2027"'),
        ({"a": "0% to 100%"}, {"name": "taken"}, "there is a segment 'taken_a' already", "rename"),
        (ARMS, {"among": "cty = 'Paris'"}, "Unknown trait 'cty'", "did you mean 'city'?"),
    ],
)  # fmt: skip
def test_a_wrong_split_is_refused_with_its_place_and_the_text_to_write(
    arms: dict[str, str], more: dict[str, str], said: str, hint: str
) -> None:
    found = wrong(split(arms, **more))
    assert found.startswith(f"ciblage.toml:20: splits.{more.get('name', 'welcome')}: ")
    assert said in found
    assert hint in found


def test_a_split_that_leaves_somebody_out_is_warned_of() -> None:
    [start, middle, end] = built(split({"a": "10% to 40%", "b": "50% to 90%"})).warnings
    assert start.startswith("ciblage.toml:20: splits.welcome: nobody's arm: 0% to 10%")
    assert "40% to 50%" in middle
    assert "90% to 100%" in end


def test_rule_18_a_salt_is_a_splits_own() -> None:
    assert "the salt is the split's name" in built(split(salt="welcome")).warnings[0]
    assert "the salt is the split's name" in built(split(salt="welcome_offer")).warnings[0]
    assert "that of splits.welcome too" in built(split(), split(name="other")).warnings[0]
    held = segment("s", "is_vip", holdout=HoldoutDefinition(share=Decimal("0.1"), salt="w-2027"))
    [found] = catalogue(held, splits=(split(),)).warnings
    assert found.startswith("ciblage.toml:20: splits.welcome: the salt is that of the holdout of 's'")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("bucket('x') < 50", "bucket('x') >= 50"), ()), (("bucket('x') < 10",), ()), (("bucket('x') < 50", "bucket('y') >= 60"), ()),
        (("bucket('x') < 50 and is_vip", "bucket('x') >= 60"), ()),
        (("bucket('x') < 50", "bucket('x') >= 40"), ("segments.s1: 's0' draws some of the same people",)),
        (("bucket('x') < 50", "bucket('x') >= 60"), ("50% to 60% of bucket('x') is neither in 's0' nor in 's1'",)),
        (("bucket('x') >= 10 and bucket('x') < 50", "bucket('x') >= 50 and bucket('x') < 90"), ("0% to 10% of", "90% to 100% of bucket('x') is in no segment")),
    ],
)  # fmt: skip
def test_segments_that_split_one_draw_by_hand_are_looked_at_together(
    texts: tuple[str, ...], said: tuple[str, ...]
) -> None:
    found = catalogue(*(segment(f"s{index}", text, index) for index, text in enumerate(texts))).warnings
    assert len(found) == len(said)
    assert all(part in one for part, one in zip(said, found, strict=True))


def test_a_split_is_said_as_a_stretch_of_the_draw() -> None:
    made = built(split())
    assert to_text(made.segments["welcome_story"].node) == "bucket('w-2027') >= 40 and bucket('w-2027') < 80"
