"""The emulated world: its clock, windows, router, control, readers, till and page, around a provider of ten lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.http import Request, Response
from connectors.pace import Rate
from connectors.sandbox import Contact, Faults, Sandbox, Windows, World, json_response
from connectors.sandbox.lab import SandboxClock
from connectors.types import EventKind

START = datetime(2018, 1, 1, 9, tzinfo=UTC)
LEAVING = {
    EventKind.UNSUBSCRIBE: "unsubscribed",
    EventKind.COMPLAINT: "complained",
    EventKind.BOUNCE: "cleaned",
}


class Acme:
    """A provider with lists, contacts and mails, and one path."""

    prefix = "/acme/v1"
    name = "acme"

    def __init__(self, world: World, options: Mapping[str, str]) -> None:
        self.world = world
        self.options = options
        self.people: dict[str, Contact] = {}
        self.titles = {"1": "VIP", "2": "Sleepy <b>", "3": "Nobody"}
        self.acts: list[tuple[datetime, str, EventKind, str, bool]] = []
        self.mails: list[tuple[datetime, str]] = []

    def handle(self, request: Request, path: str, query: Mapping[str, str]) -> Response:
        return json_response(200, {"path": path, "query": dict(query), "size": len(request.body)})

    def contacts(self) -> dict[str, Contact]:
        return self.people

    def lists(self) -> dict[str, str]:
        return self.titles

    def seed(self, contact: Contact) -> None:
        self.people[contact.email] = contact

    def drop(self, list_ref: str) -> None:
        del self.titles[list_ref]

    def mail(self, list_ref: str, subject: str) -> str:
        self.mails.append((self.world.now(), list_ref))
        return f"mail-{len(self.mails)}"

    def react(
        self,
        campaign: str,
        email: str,
        kind: EventKind,
        at: datetime,
        *,
        url: str | None = None,
        is_machine: bool = False,
    ) -> None:
        self.acts.append((at, email, kind, campaign, is_machine))
        if kind in LEAVING:
            self.people[email] = replace(self.people[email], status=LEAVING[kind], mailable=False)


class Quiet:
    """A monotonic clock by hand."""

    at = 5.0

    def utc(self) -> datetime:
        return START

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def sandbox() -> Sandbox:
    sandbox = Sandbox(START, only=())
    sandbox.providers["acme"] = Acme(sandbox.world, {})
    return sandbox


@pytest.fixture
def acme(sandbox: Sandbox) -> Acme:
    acme = sandbox.providers["acme"]
    assert isinstance(acme, Acme)
    return acme


def fill(acme: Acme, count: int = 200) -> None:
    for number in range(count):
        lists = {"1", "2"} if number % 2 else {"1"}
        acme.seed(Contact(f"p{number}@example.com", "subscribed", {"CODE": f"C{number}"}, lists, f"id{number}"))
    acme.seed(Contact("gone@example.com", "unsubscribed", {}, {"1"}, "gone", mailable=False))


def ask(sandbox: Sandbox, method: str, path: str, body: object = None) -> Response:
    data = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
    return sandbox.handle(Request(method, f"http://sandbox.test{path}", {}, data))


def told(sandbox: Sandbox, method: str, path: str, body: object = None) -> Any:
    response = ask(sandbox, method, path, body)
    assert response.status == 200, response.body
    return response.json()


# the world


def test_time_stands_until_it_is_moved() -> None:
    world = World(START)
    world.advance(90)
    assert world.now() == START + timedelta(seconds=90)


def test_time_runs_at_its_speed_and_goes_on_after_a_move() -> None:
    clock = Quiet()
    world = World(START, speed=600, clock=clock)
    clock.sleep(2)
    assert world.now() == START + timedelta(minutes=20)
    world.advance(3600)
    clock.sleep(1)
    assert world.now() == START + timedelta(minutes=90)


def test_effects_happen_in_order_of_time_at_their_time() -> None:
    world, seen = World(START), []
    for seconds in (30, 10, 20):
        world.later(seconds, lambda seconds=seconds: seen.append((seconds, world.now())))
    world.advance(25)
    assert seen == [(10, START + timedelta(seconds=10)), (20, START + timedelta(seconds=20))]
    world.finish()
    assert [seconds for seconds, _ in seen] == [10, 20, 30]
    assert world.now() == START + timedelta(seconds=30)


def test_an_effect_may_have_an_effect() -> None:
    world, seen = World(START), []
    world.later(10, lambda: world.later(10, lambda: seen.append(world.now())))
    world.advance(15)
    assert seen == []
    world.finish()
    assert seen == [START + timedelta(seconds=20)]


def test_windows_refuse_what_is_too_much_and_say_how_long() -> None:
    world = World(START)
    windows = Windows(world, {"bulk": (Rate(2, 1.0), Rate(3, 60.0))})
    assert [windows.take("bulk"), windows.take("bulk"), windows.take("bulk")] == [0, 0, 1.0]
    assert windows.remaining("bulk") == (Rate(2, 1.0), 0, 1)
    world.advance(1)
    assert windows.take("bulk") == 0
    assert windows.take("bulk") == 59.0
    assert windows.take("unlimited") == 0
    assert windows.remaining("unlimited") is None


def test_the_lab_s_clock_is_the_world_s() -> None:
    world = World(START)
    clock = SandboxClock(world)
    before = clock.monotonic()
    clock.sleep(61)
    assert clock.monotonic() - before == 61
    assert clock.utc() == world.now() == START + timedelta(seconds=61)


# the router


def test_requests_find_their_provider_and_are_logged(sandbox: Sandbox) -> None:
    answer = told(sandbox, "POST", "/acme/v1/lists/7?count=10&name=%C3%A9", {"a": 1})
    assert answer == {"path": "/lists/7", "query": {"count": "10", "name": "é"}, "size": 8}
    [call] = sandbox.calls
    assert (call.provider, call.method, call.path, call.size, call.status) == (
        "acme",
        "POST",
        "/acme/v1/lists/7",
        8,
        200,
    )
    assert (call.query, call.body, call.is_read, call.at) == ("count=10&name=%C3%A9", b'{"a": 1}', False, START)


@pytest.mark.parametrize("path", ["/acme/v10/lists", "/nowhere", "/acme"])
def test_an_unknown_path_is_not_found(sandbox: Sandbox, path: str) -> None:
    assert ask(sandbox, "GET", path).status == 404
    assert sandbox.calls == []


def test_a_fault_takes_the_provider_s_place() -> None:
    class Storm(Faults):
        def next(self, provider: str, request: Request) -> Response | None:
            return json_response(503, {"of": provider}) if request.method == "POST" else None

    sandbox = Sandbox(world=World(START, faults=Storm()), only=())
    sandbox.providers["acme"] = Acme(sandbox.world, {})
    assert ask(sandbox, "POST", "/acme/v1/lists").json() == {"of": "acme"}
    assert ask(sandbox, "GET", "/acme/v1/lists").status == 200
    assert [call.status for call in sandbox.calls] == [503, 200]


def test_effects_that_are_due_happen_before_a_call_is_answered(sandbox: Sandbox, acme: Acme) -> None:
    sandbox.world.later(5, lambda: acme.titles.update({"9": "New"}))
    sandbox.world._base += timedelta(seconds=6)  # as a running clock would have moved
    assert "9" in told(sandbox, "GET", "/sandbox/lists")["acme"]


# the control


def test_the_clock_is_shown_and_moved(sandbox: Sandbox) -> None:
    assert told(sandbox, "GET", "/sandbox/clock") == {"now": START.isoformat()}
    assert told(sandbox, "POST", "/sandbox/clock", {"advance": 60})["now"] == "2018-01-01T09:01:00+00:00"
    assert (
        told(sandbox, "POST", "/sandbox/clock", {"now": "2018-01-04T10:00+01:00"})["now"] == "2018-01-04T09:00:00+00:00"
    )


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/sandbox/clock", {}),
        ("POST", "/sandbox/clock", {"now": "2018-01-04T09:00"}),
        ("POST", "/sandbox/clock", {"now": "tomorrow"}),
        ("POST", "/sandbox/clock", []),
        ("POST", "/sandbox/clock", "{half"),
        ("GET", "/sandbox/contacts", None),
        ("GET", "/sandbox/contacts?provider=nobody", None),
        ("GET", "/sandbox/contact", None),
        ("POST", "/sandbox/lists/delete", {"provider": "acme", "ref": "77"}),
        ("POST", "/sandbox/readers", {"until": "2017-01-01T00:00Z"}),
        ("POST", "/sandbox/readers", {"until": "2018-01-02T00:00Z", "dance": 1}),
        ("POST", "/sandbox/unsubscribe", {"provider": "acme", "email": "stranger@example.com"}),
        ("POST", "/sandbox/till", "id,value\n1,2\n"),
        ("POST", "/sandbox/till", ""),
    ],
)
def test_a_mistake_is_told_in_words(sandbox: Sandbox, method: str, path: str, body: object) -> None:
    response = ask(sandbox, method, path, body)
    assert response.status == 400
    assert response.json()["error"]


def test_an_unknown_control_path_names_the_known_ones(sandbox: Sandbox) -> None:
    response = ask(sandbox, "GET", "/sandbox/nothing")
    assert response.status == 404
    assert "/sandbox/clock" in response.json()["paths"]


def test_contacts_are_shown_by_list(sandbox: Sandbox, acme: Acme) -> None:
    fill(acme, 4)
    answer = told(sandbox, "GET", "/sandbox/contacts?provider=acme&list=2&limit=1")
    assert answer["count"] == 2
    assert answer["contacts"] == [
        {
            "email": "p1@example.com",
            "status": "subscribed",
            "mailable": True,
            "fields": {"CODE": "C1"},
            "lists": ["1", "2"],
            "ref": "id1",
        }
    ]


def test_one_customer_is_shown_side_by_side(sandbox: Sandbox, acme: Acme) -> None:
    sandbox.providers["other"] = Acme(sandbox.world, {})
    fill(acme, 4)
    answer = told(sandbox, "GET", "/sandbox/contact?email=P1@example.com")
    assert answer["other"] is None
    assert answer["acme"]["lists"] == {"1": "VIP", "2": "Sleepy <b>"}


def test_lists_are_counted(sandbox: Sandbox, acme: Acme) -> None:
    fill(acme, 4)
    lists = told(sandbox, "GET", "/sandbox/lists")["acme"]
    assert lists["1"] == {"title": "VIP", "members": 5, "mailable": 4}
    assert lists["3"] == {"title": "Nobody", "members": 0, "mailable": 0}


@pytest.mark.parametrize("named", [{"ref": "1"}, {"title": "VIP"}])
def test_a_list_is_deleted_by_hand(sandbox: Sandbox, acme: Acme, named: dict[str, str]) -> None:
    assert told(sandbox, "POST", "/sandbox/lists/delete", {"provider": "acme", **named}) == {"deleted": "1"}
    assert "1" not in acme.titles


def test_calls_are_counted_by_reads_and_writes_and_forgotten(sandbox: Sandbox) -> None:
    for method in ("GET", "POST", "DELETE"):
        ask(sandbox, method, "/acme/v1/x")
    answer = told(sandbox, "GET", "/sandbox/calls?limit=2")["acme"]
    assert (answer["reads"], answer["writes"]) == (1, 2)
    assert [call["method"] for call in answer["calls"]] == ["POST", "DELETE"]
    assert ask(sandbox, "DELETE", "/sandbox/calls").status == 204
    assert told(sandbox, "GET", "/sandbox/calls")["acme"] == {"reads": 0, "writes": 0, "calls": []}


def test_contacts_are_seeded(sandbox: Sandbox, acme: Acme) -> None:
    rows = [{"email": "a@b.fr", "fields": {"X": 1}, "lists": ["1"]}, {"email": "c@d.fr", "status": "unsubscribed"}]
    assert told(sandbox, "POST", "/sandbox/seed", {"provider": "acme", "contacts": rows}) == {"seeded": 2}
    assert acme.people["a@b.fr"].mailable
    assert not acme.people["c@d.fr"].mailable


# the readers


def simulate(sandbox: Sandbox, **more: object) -> dict[str, int]:
    answer = told(sandbox, "POST", "/sandbox/readers", {"until": "2018-01-04T09:00Z", "seed": 7, **more})
    assert answer["now"] == "2018-01-04T09:00:00+00:00"
    counts: dict[str, int] = answer["providers"]["acme"]
    return counts


def test_readers_do_the_same_again() -> None:
    seen = []
    for _ in range(2):
        sandbox = Sandbox(START, only=())
        sandbox.providers["acme"] = acme = Acme(sandbox.world, {})
        fill(acme)
        simulate(sandbox)
        seen.append(acme.acts)
    assert seen[0] == seen[1]
    assert seen[0]


def test_readers_act_in_order_between_now_and_until(sandbox: Sandbox, acme: Acme) -> None:
    fill(acme)
    simulate(sandbox)
    times = [at for at, *_ in acme.acts]
    assert times == sorted(times)
    assert times[0] >= START
    assert times[-1] <= START + timedelta(days=3)
    assert [ref for _, ref in acme.mails] == ["2", "1"]  # by title; a list without members gets no mail


def test_readers_behave_like_readers(sandbox: Sandbox, acme: Acme) -> None:
    fill(acme, 4000)
    counts = simulate(sandbox)
    sent = 6000
    assert 0.28 < counts["open"] / sent < 0.4
    assert 0.05 < counts["click"] / sent < 0.11
    assert 0.002 < counts["unsubscribe"] / sent < 0.01
    assert 0.003 < counts["bounce"] / sent < 0.02
    assert counts["machine opens"] > 0
    opens = [email for _, email, kind, _, machine in acme.acts if kind is EventKind.OPEN and not machine]
    assert len(set(opens)) < 0.7 * 4000  # some read nearly everything, many nothing
    assert max(opens.count(email) for email in opens[:50]) == 2


def test_who_has_left_does_nothing_more(sandbox: Sandbox, acme: Acme) -> None:
    fill(acme, 1000)
    simulate(sandbox, unsubscribe=0.2, complaint=0.1, bounce=0.1)
    gone: set[str] = set()
    for _, email, kind, _, _ in acme.acts:
        assert email not in gone
        if kind in LEAVING:
            gone.add(email)
    assert len(gone) > 200
    assert "gone@example.com" not in {email for _, email, *_ in acme.acts}


@pytest.mark.parametrize(("people", "leavers"), [(20, 1), (19, 0)])
def test_somebody_leaves_a_mail_of_twenty(sandbox: Sandbox, acme: Acme, people: int, leavers: int) -> None:
    for number in range(people):
        acme.seed(Contact(f"p{number}@example.com", lists={"1"}))
    assert simulate(sandbox, unsubscribe=1e-9, complaint=0).get("unsubscribe", 0) == leavers


def test_only_these_providers_are_read(sandbox: Sandbox, acme: Acme) -> None:
    fill(acme)
    answer = told(sandbox, "POST", "/sandbox/readers", {"until": "2018-01-02T00:00Z", "providers": []})
    assert answer["providers"] == {}
    assert acme.mails == []


def test_somebody_unsubscribes_by_the_last_mail_or_by_hand(sandbox: Sandbox, acme: Acme) -> None:
    fill(acme)
    by_hand = told(sandbox, "POST", "/sandbox/unsubscribe", {"provider": "acme", "email": "p1@example.com"})
    assert (by_hand["status"], by_hand["mailable"], by_hand["lists"]) == ("unsubscribed", False, ["1", "2"])
    assert acme.acts == []
    simulate(sandbox)
    stayer = next(email for email, contact in acme.people.items() if contact.mailable)
    by_mail = told(sandbox, "POST", "/sandbox/unsubscribe", {"provider": "acme", "email": stayer.upper()})
    assert by_mail["status"] == "unsubscribed"
    assert acme.acts[-1][1:3] == (stayer, EventKind.UNSUBSCRIBE)


# the till and the page


def test_the_till_confirms_what_was_exported(sandbox: Sandbox) -> None:
    first = ask(sandbox, "POST", "/sandbox/till", "\ufeffoffer,code\nthanks,AB-1\nthanks,AB-2\n\nthanks, \n")
    assert first.body.decode() == (
        "code,confirmed_at\nAB-1,2018-01-01T09:00:00+00:00\nAB-2,2018-01-01T09:00:00+00:00\n"
    )
    sandbox.world.advance(60)
    again = ask(sandbox, "POST", "/sandbox/till", "code\nAB-2\nAB-3\n").body.decode()
    assert again == "code,confirmed_at\nAB-2,2018-01-01T09:00:00+00:00\nAB-3,2018-01-01T09:01:00+00:00\n"
    assert ask(sandbox, "GET", "/sandbox/till").body.decode().count("\n") == 4


def test_a_reset_empties_everything(sandbox: Sandbox, acme: Acme) -> None:
    ask(sandbox, "POST", "/sandbox/till", "code\nA\n")
    ask(sandbox, "GET", "/acme/v1/x")
    assert ask(sandbox, "POST", "/sandbox/reset").status == 204
    assert sandbox.calls == []
    assert ask(sandbox, "GET", "/sandbox/till").body == b"code,confirmed_at\n"


def test_the_page_shows_what_arrived_and_escapes_it(sandbox: Sandbox, acme: Acme) -> None:
    fill(acme)
    ask(sandbox, "GET", "/acme/v1/x?email=<script>")
    ask(sandbox, "POST", "/sandbox/till", "code\nAB-1\n")
    page = ask(sandbox, "GET", "/")
    text = page.body.decode()
    assert page.headers["content-type"].startswith("text/html")
    for shown in ("Acme", "VIP", "p0@example.com", "C0", "AB-1", "Sleepy &lt;b&gt;", "/acme/v1/x", "151 more"):
        assert shown in text
    assert "<b>" not in text
    assert "<script>" not in text
