"""What a person may do where the guard refuses: flags as they are typed, all other words in the marketer's language."""

from __future__ import annotations

import pytest

from engine.plan.guard import Refusal
from engine.show.planning import refused

FOUND = (
    Refusal(destination="news", kind="removals", target="loyal", flag="--force news/loyal",
            facts={"leaves": 12, "before": 30, "title": "Loyal", "share": 0.3}),
    Refusal(destination="news", kind="older_shop", flag="--force news/guard.older_shop", facts={"newest": "1", "before": "2"}),
    Refusal(destination="news", kind="foreign", target="tea", facts={"name": "tea"},
            flag="ciblage adopt news/tea | another prefix in destinations.news"),
    Refusal(destination="news", kind="foreign", target="offers.welcome", facts={"name": "offers.welcome"},
            flag="another prefix in destinations.news"),
    Refusal(destination="flows", kind="unapproved", flag="approve FILE --by NAME | push --yes"),
)  # fmt: skip


def test_flags_stay_as_they_are_typed_and_on_one_line_and_the_words_around_them_are_french() -> None:
    ways = [note.text for note in refused(FOUND, "fr") if note.text.startswith("pour passer outre")]
    assert ways == [
        "pour passer outre : --force news/loyal --force news/guard.older_shop",
        "pour passer outre : ciblage adopt news/tea, ou un autre prefix dans destinations.news",
        "pour passer outre : un autre prefix dans destinations.news",
        "pour passer outre : ciblage approve FICHIER --by NOM, ou ciblage push --yes",
    ]


def test_what_is_told_elsewhere_is_not_told_again() -> None:
    assert not any("approve" in note.text for note in refused(FOUND, "en", told={"unapproved"}))


@pytest.mark.parametrize("kind", ["account", "foreign", "unapproved", "undone"])
def test_every_way_out_that_is_no_flag_is_said_in_each_language_and_programs_read_the_same_as_ever(kind: str) -> None:
    facts = {"now": "b", "before": "a", "name": "tea", "run": 3}
    one = Refusal(destination="news", kind=kind, target="tea", flag="as programs read it", facts=facts)
    assert len({one.way("en"), one.way("fr"), one.flag}) == 3
    assert one.document()["flag"] == one.flag
