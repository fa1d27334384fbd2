"""The rounds of a small client in phases, a tree of them: what the world does first, then commands; each is a place to die in."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kill_others import GUEST, LISTS_UNREAD, Colleague, post

if TYPE_CHECKING:
    from kill_world import Bench, Said

PROVIDERS = ("mailchimp", "klaviyo", "brevo", "activecampaign")
CASTS: Mapping[str, Sequence[str]] = {**{name: (name,) for name in PROVIDERS}, "all": PROVIDERS}


def _nothing(bench: Bench) -> None:
    """The world stands still."""


@dataclass(frozen=True)
class Step:
    """One command; `first` is what people do before it, `asked` its options; `may_stay_dead`: the next may come at once."""

    verb: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    first: Callable[[Bench], None] = _nothing
    may_stay_dead: bool = False

    def options(self, bench: Bench, noted: Mapping[str, str]) -> dict[str, Any]:
        """Its options where the client is."""
        told = {key: ASKED[key](bench, value) if key in ASKED else {key: value} for key, value in self.asked.items()}
        asked = {key: value for one in told.values() for key, value in one.items()}
        return {**asked, "checksum": noted["checksum"]} if "plan" in asked else asked


def _file(name: str) -> Callable[[Bench, Any], dict[str, Any]]:
    return lambda bench, value: {name: str(bench.folder / value)}


def _adoptable(bench: Bench, segment: str) -> dict[str, Any]:
    able = [name for name, connector in bench.destinations.items() if connector not in LISTS_UNREAD]
    return {"targets": [f"{name}/{segment}" for name in able]}


ASKED: Mapping[str, Callable[[Bench, Any], dict[str, Any]]] = {
    **{name: _file(name) for name in ("out", "file", "plan", "posted")},
    "is_forced": lambda bench, _: {"force": list(bench.destinations)},
    "is_of_last_run": lambda bench, _: {"run": bench.last_run()},
    "is_of_first_push": lambda bench, _: {"run": bench.first_push()},
    "list": _adoptable,
    "is_told_once": lambda bench, _: {"taken": str(bench.taken)},
}


@dataclass(frozen=True)
class Phase:
    """A part of the story after another one; `leaver` may leave in the middle of it, and who is `erased` is nowhere at its end."""

    name: str
    happens: Callable[[Bench], None]
    steps: Sequence[Step]
    leaver: int
    after: str = ""
    erased: Sequence[str] = ()
    not_for: Container[str] = ()  # casts whose provider lacks the ability


def _tills(bench: Bench) -> None:
    bench.take_codes()


CONFIRM = Step("confirm", {"file": "confirmed.csv"}, _tills)


def _days_later(bench: Bench) -> None:
    """Mails were read; somebody is new, renamed, buys more, buys other things, left one platform, took the consent back."""
    bench.read_mail(2, seed=3)
    bench.leave("c11@example.com", next(iter(bench.sandbox.providers)))
    bench.change(3, name="Renée")
    bench.change(9, category="soap")
    bench.change(12, orders=3)
    bench.change(13, consent="unsubscribed", told="2026-11-21T10:00:00Z")
    bench.change(20, orders=2, category="tea")
    bench.change(21, orders=1, category="tea")
    bench.write()


def _weeks_later(bench: Bench) -> None:
    """A code was used, an address changed, somebody new, somebody returned goods and is loyal no more."""
    bench.later(days=12)
    codes = {one["customer_id"]: one["code"] for one in bench.codes()}
    bench.change(2, coupon=codes.get("c02", "").lower())
    bench.change(10, email="ten@example.com")
    bench.change(5, orders=1)
    bench.change(22, orders=2, category="tea", name="Zoë")
    bench.write()


def _months_later(bench: Bench) -> None:
    """Codes are over, nobody has read for long, and a segment is carried no more."""
    bench.later(days=40)
    bench.segments = ("loyal", "readers")
    bench.change(23, orders=2, category="soap")
    bench.write()


def _somebody_new(bench: Bench) -> None:
    """A run brings somebody, which is regretted; and somebody wants to be forgotten."""
    bench.later(days=1)
    bench.change(24, orders=1, category="tea")
    bench.change(25, orders=2, category="soap")
    bench.change(9, name="Anaïs")
    bench.write()
    bench.later(hours=1)
    assert bench.command("run", {}).exit == 0


def _readable(bench: Bench) -> list[str]:
    """Providers that say who is in a list."""
    return [name for name in bench.sandbox.providers if name not in LISTS_UNREAD]


def _a_list_of_others(bench: Bench) -> None:
    """Somebody makes a list of a title that a new segment of ours has; some of ours, some of theirs and a stranger are in it."""
    bench.later(days=1)
    for name in _readable(bench):
        Colleague(bench, name).makes("Soap", GUEST, "c01@example.com", "c05@example.com")
    bench.segments = (*bench.segments, "soap")
    bench.write()


def _soap_no_more(bench: Bench) -> None:
    """Three leave the segment: two who were in the list before us, and one whom we put there."""
    for number in (1, 3, 5):
        bench.change(number, category="tea")
    bench.write()


def _others_at_work(bench: Bench) -> None:
    """Somebody takes people out of our lists, writes over values, deletes a contact and adds a stranger; the shop goes on."""
    bench.later(days=1)
    for name in _readable(bench):
        one = Colleague(bench, name)
        tea, loyal = one.mailable("Tea"), one.mailable("Loyal")
        one.takes_out("Tea", tea[-1])
        one.takes_out("Loyal", loyal[0])
        one.rewrites(loyal[0], "code", "BYHAND")
        one.rewrites(tea[1], "favourite", "Somebody")
        one.deletes(tea[2])
        one.adds("Tea", GUEST)
    bench.change(9, name="Anaïs")
    bench.change(24, orders=2, category="tea")
    bench.write()


def _regretted(bench: Bench) -> None:
    """Nothing but time; then all of the first load is taken back."""
    bench.later(days=1)


def _to_be_forgotten(bench: Bench) -> None:
    """Somebody with two addresses, one of them former, wants to be forgotten, while a run has something to send them."""
    bench.later(days=1)
    bench.change(10, name="Anaïs", orders=3)
    bench.change(24, orders=2, category="tea")
    bench.write()


def _called_back(bench: Bench) -> None:
    """Mails are read, somebody leaves; the providers call."""
    bench.read_mail(2, seed=5)
    bench.leave("c02@example.com", next(iter(bench.sandbox.providers)))
    bench.change(9, name="Anaïs")
    bench.write()


FIRST = Phase(
    "first", lambda bench: bench.later(hours=1),
    (Step("pull"), Step("push", {"yes": True}), CONFIRM, Step("push")), leaver=8,
)  # fmt: skip
DAYS = Phase("days", _days_later, (Step("run"), CONFIRM, Step("run")), leaver=20, after="first")
WEEKS = Phase(
    "weeks", _weeks_later,
    (
        Step("pull"), Step("plan", {"out": "plan.parquet"}), Step("approve", {"file": "plan.parquet"}),
        Step("push", {"plan": "plan.parquet"}), Step("export"), CONFIRM, Step("run"),
    ),
    leaver=22, after="days",
)  # fmt: skip
MONTHS = Phase(
    "months", _months_later, (Step("run", {"is_forced": True}), CONFIRM, Step("run")), leaver=23, after="weeks"
)
UPKEEP = Phase(
    "upkeep", _somebody_new,
    (Step("undo", {"is_of_last_run": True}), Step("push", {"yes": True}), Step("erase", {"email": "c12@example.com"}), Step("run")),
    leaver=24, after="months",
)  # fmt: skip
ADOPT = Phase(
    "adopt", _a_list_of_others,
    (Step("adopt", {"list": "soap"}), Step("run"), Step("run", {"is_forced": True}, _soap_no_more)),
    leaver=9, after="days", not_for=LISTS_UNREAD,
)  # fmt: skip
DRIFT = Phase(
    "drift", _others_at_work, (Step("run", may_stay_dead=True), Step("drift", {"is_forced": True}), Step("run")),
    leaver=12, after="first", not_for=LISTS_UNREAD,
)  # fmt: skip
REGRET = Phase(
    "regret", _regretted,
    (Step("undo", {"is_of_first_push": True, "is_forced": True}), Step("push", {"yes": True}), CONFIRM, Step("run")),
    leaver=4, after="days",
)  # fmt: skip
FORGET = Phase(
    "forget", _to_be_forgotten,
    (Step("run", may_stay_dead=True), Step("erase", {"email": "ten@example.com"}), Step("run")),
    leaver=24, after="weeks", erased=("c10@example.com", "ten@example.com"),
)  # fmt: skip
RECEIVE = Phase(
    "receive", _called_back, (Step("receive", {"posted": "posted.json", "is_told_once": True}, post), Step("run")),
    leaver=12, after="days",
)  # fmt: skip
STORY = (FIRST, DAYS, WEEKS, MONTHS, UPKEEP, ADOPT, DRIFT, REGRET, FORGET, RECEIVE)
PHASES: Mapping[str, Phase] = {one.name: one for one in STORY}


def note(said: Said, noted: dict[str, str]) -> None:
    """What a later command needs of this one."""
    if said.checksum:
        noted["checksum"] = said.checksum
