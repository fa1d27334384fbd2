"""The rounds of a small client in phases: what the world does first, then commands; each phase is a place to die in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kill_world import Bench, Said

PROVIDERS = ("mailchimp", "klaviyo", "brevo", "activecampaign")
CASTS: Mapping[str, Sequence[str]] = {**{name: (name,) for name in PROVIDERS}, "all": PROVIDERS}


def _nothing(bench: Bench) -> None:
    """The world stands still."""


@dataclass(frozen=True)
class Step:
    """One command; `first` is what people do before it, `asked` its options."""

    verb: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    first: Callable[[Bench], None] = _nothing

    def options(self, bench: Bench, noted: Mapping[str, str]) -> dict[str, Any]:
        """Its options where the client is."""
        names = ("out", "file", "plan")
        asked = {key: str(bench.folder / value) if key in names else value for key, value in self.asked.items()}
        if asked.pop("is_forced", False):
            asked["force"] = list(bench.destinations)
        if asked.pop("is_of_last_run", False):
            asked["run"] = bench.last_run()
        return {**asked, "checksum": noted["checksum"]} if "plan" in asked else asked


@dataclass(frozen=True)
class Phase:
    """A part of the story; `leaver` may leave in the middle of it."""

    name: str
    happens: Callable[[Bench], None]
    steps: Sequence[Step]
    leaver: int


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


FIRST = Phase(
    "first", lambda bench: bench.later(hours=1),
    (Step("pull"), Step("push", {"yes": True}), CONFIRM, Step("push")), leaver=8,
)  # fmt: skip
DAYS = Phase("days", _days_later, (Step("run"), CONFIRM, Step("run")), leaver=20)
WEEKS = Phase(
    "weeks", _weeks_later,
    (
        Step("pull"), Step("plan", {"out": "plan.parquet"}), Step("approve", {"file": "plan.parquet"}),
        Step("push", {"plan": "plan.parquet"}), Step("export"), CONFIRM, Step("run"),
    ),
    leaver=22,
)  # fmt: skip
MONTHS = Phase("months", _months_later, (Step("run", {"is_forced": True}), CONFIRM, Step("run")), leaver=23)
UPKEEP = Phase(
    "upkeep", _somebody_new,
    (Step("undo", {"is_of_last_run": True}), Step("push", {"yes": True}), Step("erase", {"email": "c12@example.com"}), Step("run")),
    leaver=24,
)  # fmt: skip
STORY = (FIRST, DAYS, WEEKS, MONTHS, UPKEEP)


def note(said: Said, noted: dict[str, str]) -> None:
    """What a later command needs of this one."""
    if said.checksum:
        noted["checksum"] = said.checksum
