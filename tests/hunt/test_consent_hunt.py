"""A small part of the hunt: rounds that found something once, and the first few of a fresh range."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from consent_oracle import Found, Story, play
from consent_shop import Opener

SEEDS = [
    int(line.split()[0])
    for line in (Path(__file__).parent / "seeds" / "consent.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
ROUNDS = 200
PART = 20


@pytest.fixture(scope="module")
def opener() -> Iterator[Opener]:
    found = Opener()
    yield found
    found.database.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_round_that_found_something_once_finds_nothing_now(seed: int, opener: Opener) -> None:
    play(seed, opener)


@pytest.mark.parametrize("start", range(0, ROUNDS, PART))
def test_nobodys_consent_rises_in_any_round(start: int, opener: Opener) -> None:
    for seed in range(start, start + PART):
        play(seed, opener)


def test_the_hunt_sees_a_consent_that_rises(opener: Opener, tmp_path: Path) -> None:
    story = Story(3, opener, tmp_path)
    story._begin()
    account = story.accounts[0]
    story._put(account, "p0@example.com", "unsubscribed")
    account.put("p0@example.com", "subscribed")
    story.world.note("engine", "did this")
    with pytest.raises(Found, match=r"p0@example\.com: .* consent rose"):
        story._judge()


def test_the_hunt_sees_an_opt_in_mail_and_somebody_made_without_consent(opener: Opener, tmp_path: Path) -> None:
    for status, why in (("pending", "an opt-in mail was sent"), ("subscribed", "was created as someone to be mailed")):
        story = Story(1238, opener, tmp_path)
        account = next(one for one in story.accounts if one.provider == "mailchimp")
        account.put("nobody@example.com", status)
        story.world.note("engine", "did this")
        with pytest.raises(Found, match=why):
            story._judge()


def test_a_job_of_before_may_end_late_and_nothing_new_may_be_asked_for(opener: Opener, tmp_path: Path) -> None:
    for sent, is_wrong in (("GET /jobs", False), ("POST /import nobody@example.com", True)):
        story = Story(1238, opener, tmp_path)
        account = next(one for one in story.accounts if one.provider == "mailchimp")
        story.asked.add((account.name, "nobody@example.com"))
        account.put("nobody@example.com", "subscribed")
        story.world.note(account.name, sent)
        assert bool(story.wrong) is is_wrong


def test_its_log_shows_every_call_and_what_it_changed(opener: Opener) -> None:
    log = play(1238, opener).told()
    assert "POST" in log
    assert "None → ('subscribed', True)" in log
