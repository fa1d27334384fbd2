"""Nobody's consent rises, and who leaves one platform has left all of them before anything else is sent."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from round_lab import PROVIDERS, Lab, contact, mentions

from connectors.http import Request, Response
from connectors.sandbox import Faults, Sandbox

STATES = ("subscribed", "unsubscribed", "pending", "cleaned", "archived", "never", "suppressed", "complained")
LEAVER = "c04@example.com"  # in lists of all three


@dataclass
class Witness(Faults):
    """Looks at one person's truth everywhere at the moment a write arrives, before it is served."""

    sandbox: Sandbox
    email: str
    seen: list[tuple[Request, bool]] = field(default_factory=list)

    def next(self, provider: str, request: Request) -> Response | None:
        if request.method not in {"GET", "HEAD"}:
            told = [one.contacts().get(self.email) for one in self.sandbox.providers.values()]
            self.seen.append((request, any(contact.mailable for contact in told if contact)))
        return None


@pytest.mark.parametrize(
    ("provider", "hours"),
    [("mailchimp", 4), ("klaviyo", 4), ("brevo", 4), ("mailchimp", -1)],
)
def test_who_leaves_one_platform_has_left_all_before_any_other_write(begun: Lab, provider: str, hours: int) -> None:
    """Also who leaves when the run has begun and its `now` is a moment ago."""
    others = [one.address for one in begun.shop.customers.values() if one.address != LEAVER]
    assert all(begun.there(name)[LEAVER].mailable for name in PROVIDERS.values())
    begun.later(hours=20)
    begun.unsubscribe(provider, LEAVER)
    for number in (2, 3, 5, 10, 13):
        begun.shop.change(number, name="Renamed")
    begun.shop.change(12, orders=4)
    begun.stock()
    if hours > 0:
        begun.later(hours=hours)
    else:
        begun.now += timedelta(hours=hours)
    witness = Witness(begun.sandbox, LEAVER)
    begun.sandbox.world.faults = witness
    with begun.calls() as calls:
        begun.done("run")
    assert not any(begun.there(name)[LEAVER].mailable for name in PROVIDERS.values())
    arrived = [call for call in calls if not call.is_read]
    assert len(arrived) == len(witness.seen)
    still = [call for call, (_, is_mailable) in zip(arrived, witness.seen, strict=True) if is_mailable]
    after = [call for call, (_, is_mailable) in zip(arrived, witness.seen, strict=True) if not is_mailable]
    refs = {email: one.ref for email, one in begun.there("klaviyo").items()}
    assert still, "the other two had to be told"
    for call in still:
        assert mentions(call, LEAVER, refs[LEAVER]), (call.method, call.path, call.body)
        assert not [email for email in others if mentions(call, email, refs.get(email, ""))]
    assert {call.provider for call in after} == set(PROVIDERS.values()), "there was more to send"
    assert arrived[: len(still)] == still, "and it came later"


def populate(lab: Lab) -> None:
    """Members of segments were there before, in every state and at every provider; the shop says that they all agreed."""
    members = [one.number for one in lab.shop.customers.values() if one.is_in("loyal") or one.is_in("lc_active")]
    for place, state in enumerate(STATES):
        mine = members[place :: len(STATES)]
        for number in mine:
            lab.shop.change(number, consent="subscribed")
        seeds = [contact(f"c{number:02}@example.com", state) for number in mine]
        for provider in PROVIDERS.values():
            lab.seed(provider, *seeds, contact(f"{state}@stranger.example", state))
    lab.stock()


def story(lab: Lab) -> Iterator[dict[str, dict[str, Any]]]:
    """Two rounds with readers between them; the truth after each step."""
    permits = [word for name in PROVIDERS for word in ("--force", name)]  # many leave at once
    for command in (["pull"], ["push", "--yes"]):
        lab.done(*command)
        yield lab.truth()
    lab.confirm()
    lab.done("push")
    yield lab.truth()
    lab.later(days=1)
    until = (lab.now + timedelta(hours=20)).isoformat()
    lab.tell("POST", "/sandbox/readers", {"until": until, "unsubscribe": 0.2, "complaint": 0.05})
    lab.later(days=1)
    yield lab.truth()
    for number in (3, 9, 12, 15, 21):
        lab.shop.change(number, orders=(number + 3) % 6, name="Renamed")
    lab.stock()
    for _ in range(2):
        lab.done("run", *permits)
        yield lab.truth()


def test_over_the_whole_story_nobodys_consent_rises(fresh: Lab) -> None:
    populate(fresh)
    before = fresh.truth()
    history = [before, *story(fresh)]
    for provider in PROVIDERS.values():
        gone = {one[0] for one in before[provider].values() if not one[1]}
        assert len(gone) >= 2, "several kinds of refusal"
        assert any(one[1] for one in history[-1][provider].values()), "some are mailed to the end"
        for earlier, later in pairwise(history):
            risen = {
                email: (was[0], later[provider][email][0])
                for email, was in earlier[provider].items()
                if later[provider][email][1] and not was[1]
            }
            assert risen == {}
        strangers = [f"{state}@stranger.example" for state in STATES]
        assert all(history[3][provider].get(one) == before[provider].get(one) for one in strangers), "never touched"


@pytest.mark.parametrize("provider", PROVIDERS.values())
def test_who_had_left_one_platform_before_we_came_is_written_to_at_none(fresh: Lab, provider: str) -> None:
    fresh.seed(provider, contact(LEAVER.upper(), "unsubscribed"))
    fresh.later(hours=1)
    fresh.done("pull")
    assert "c04," not in fresh.ciblage("members", "loyal", "--reachable").out
    fresh.done("push", "--yes")
    for name in PROVIDERS.values():
        there = fresh.there(name)
        assert len(there) > 20
        assert (LEAVER in there) == (name == provider)
    assert not fresh.there(provider)[LEAVER].mailable
    assert LEAVER not in (fresh.folder / "state" / "codes.csv").read_text("utf-8")


def departed(lab: Lab) -> None:
    """Somebody leaves Klaviyo, others change, and a day passes."""
    lab.later(hours=20)
    lab.unsubscribe("klaviyo", LEAVER)
    for number in (2, 3, 5, 10, 13):
        lab.shop.change(number, name="Renamed")
    lab.stock()
    lab.later(hours=4)


def mailed_at(lab: Lab) -> set[str]:
    return {name for name in PROVIDERS.values() if lab.there(name)[LEAVER].mailable}


@dataclass
class Away(Faults):
    """One provider does not answer, or takes no writes."""

    provider: str
    is_readable: bool = False

    def next(self, provider: str, request: Request) -> Response | None:
        is_hit = provider == self.provider and not (self.is_readable and request.method in {"GET", "HEAD"})
        return Response(503, {}, b"") if is_hit else None


@pytest.mark.parametrize("away", [Away("mailchimp"), Away("mailchimp", is_readable=True)], ids=["silent", "readable"])
def test_a_destination_that_fails_hears_of_departures_as_soon_as_it_answers_and_the_others_now(
    begun: Lab, away: Away
) -> None:
    departed(begun)
    begun.sandbox.world.faults = away
    assert begun.ciblage("run").exit_code == 4
    assert mailed_at(begun) == {"mailchimp"}
    begun.sandbox.world.faults = witness = Witness(begun.sandbox, LEAVER)
    begun.later(hours=1)
    begun.done("run")
    assert mailed_at(begun) == set()
    assert witness.seen[0][1], "the first write"
    still = [request for request, is_mailable in witness.seen if is_mailable]
    assert all("mailchimp" in request.url for request in still)
    assert b"Renamed" not in b"".join(request.body for request in still), "before anything else"


def test_departures_do_not_wait_for_another_day_when_the_time_is_up(begun: Lab) -> None:
    departed(begun)
    with begun.calls() as calls:
        said = begun.ciblage("run", "--max-minutes", "0", json=True)
    assert said.exit_code == 6
    assert mailed_at(begun) == set() or all(one["pending"] for one in pending(said.result))
    refs = {email: one.ref for email, one in begun.there("klaviyo").items()}
    written = [call for call in calls if not call.is_read]
    assert written, "they were told"
    assert all(mentions(call, LEAVER, refs[LEAVER]) for call in written), "and nothing else was sent"
    begun.later(hours=1)
    begun.done("run")
    assert mailed_at(begun) == set()
    assert begun.values("brevo", "c02@example.com")["first_name"] == "Renamed"


def pending(result: Any) -> list[dict[str, Any]]:
    return [one for one in result["pushed"]["results"] if one["destination"] != "flows"]


def test_sigterm_leaves_departures_first_in_line(begun: Lab) -> None:
    departed(begun)

    @dataclass
    class Ending(Faults):
        process: subprocess.Popen[str] | None = None
        before: tuple[Request, ...] = ()

        def next(self, provider: str, request: Request) -> Response | None:
            if self.process is not None and request.method not in {"GET", "HEAD"}:
                self.before += (request,)
                self.process.terminate()
            return None

    ending = Ending()
    begun.sandbox.world.faults = ending
    with begun.sandbox.lock:
        ending.process = begun.process("run", "--json")
    _, err = ending.process.communicate(timeout=60)
    assert ending.process.returncode == 143, err
    bodies = [request.body for request in ending.before]
    assert bodies
    assert [body for body in bodies if b"Renamed" in body] == [], "nothing but departures was sent"
    begun.sandbox.world.faults = witness = Witness(begun.sandbox, LEAVER)
    begun.later(hours=1)
    begun.done("run")
    assert mailed_at(begun) == set()
    still = [request for request, is_mailable in witness.seen if is_mailable]
    assert b"Renamed" not in b"".join(request.body for request in still)
    assert begun.values("brevo", "c02@example.com")["first_name"] == "Renamed"


def test_a_guard_that_refuses_lists_lets_departures_pass(begun: Lab) -> None:
    departed(begun)
    for one in list(begun.shop.customers.values()):
        if one.number % 2:
            begun.shop.change(one.number, orders=0)
    begun.stock()
    said = begun.ciblage("run", json=True)
    assert said.exit_code == 3
    assert {one["destination"] for one in said.result["planned"]["refusals"]} == set(PROVIDERS)
    assert mailed_at(begun) == set()
    assert begun.values("brevo", "c02@example.com")["first_name"] != "Renamed"


def test_a_reviewed_plan_writes_to_nobody_who_has_left_since_and_the_next_run_tells_the_others_first(
    begun: Lab,
) -> None:
    begun.later(hours=1)
    for number in (2, 3, 4, 5):
        begun.shop.change(number, name="Renamed")
    begun.stock()
    file = begun.folder / "plan.parquet"
    checksum = begun.done("plan", "--out", file)["checksum"]
    begun.unsubscribe("klaviyo", LEAVER)
    begun.later(hours=1)
    with begun.calls() as calls:
        begun.done("push", "--plan", file, "--checksum", checksum)
    ref = begun.there("klaviyo")[LEAVER].ref
    assert [call for call in calls if not call.is_read], "the others' names"
    assert [call for call in calls if not call.is_read and mentions(call, LEAVER, ref)] == []
    assert mailed_at(begun) == {"mailchimp", "brevo"}, "a plan that was read is never added to"
    begun.sandbox.world.faults = witness = Witness(begun.sandbox, LEAVER)
    begun.done("run")
    assert mailed_at(begun) == set()
    assert witness.seen[0][1]
