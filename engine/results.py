"""What each verb answers, and what the command line allows it: one place for `show`, `cli` and tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorError, SettingsError
from engine.errors import ConfigError, GuardRefused, WrongSetting
from engine.words import LANGS

if TYPE_CHECKING:
    from engine.engagement import Pulled
    from engine.engagement.totals import Compared
    from engine.erasure import Erasure
    from engine.plan.guard import Refusal
    from engine.plan.plan import Plan
    from engine.push.result import Result
    from engine.push.verifying import Proof

__all__ = [
    "Approved", "Exported", "Options", "Planned", "PulledAll", "Pushed", "Retried", "Review", "Round", "unreachable",
]  # fmt: skip

REJECTED, REFUSED, UNREACHABLE, MORE, TERMINATED = 1, 3, 4, 6, 143
ORDER = (TERMINATED, 70, 2, 5, UNREACHABLE, REFUSED, MORE, REJECTED)  # of mixed results the first that holds


def _silent(destination: str, done: int, total: int) -> None:
    """No progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line allows: `force` and `recreate` name DESTINATION or DESTINATION/SEGMENT."""

    force: Sequence[str] = ()
    recreate: Sequence[str] = ()
    max_minutes: float | None = None
    yes: bool = False
    progress: Callable[[str, int, int], None] = _silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A plan that a person has read: its file, the checksum that they saw, and how old it may be."""

    file: Path
    checksum: str | None
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledAll:
    """What came back: by destination, what became of codes, and campaigns compared if asked for.

    Codes: `redeemed` in orders, of them `unsent` before we had sent them and `by_another` than their owner; `expired`;
    `merged`, ended because their owner turned out to have another one.
    """

    destinations: Sequence[Pulled]
    redeemed: int = 0
    unsent: int = 0
    by_another: int = 0
    expired: int = 0
    merged: int = 0
    totals: Sequence[Compared] = ()
    erasures: Sequence[Erasure] = ()  # that had not ended, and went on

    @property
    def failed(self) -> Mapping[str, str]:
        """Destinations that could not be read, and why."""
        return {one.destination: one.error for one in self.destinations if one.error}

    @property
    def exit_code(self) -> int:
        """4 when a destination could not be read, or did not erase somebody; 2 when one is set wrongly."""
        return unreachable([*self.failed.values(), *(why for one in self.erasures for why in one.failures)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, what the guard says of it, and destinations that did not answer.

    `config`: the client's, where it is not the one that commands find by themselves.
    """

    plan: Plan
    refusals: Sequence[Refusal] = ()
    unreachable: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    documents: Sequence[Path] = ()
    warnings: Sequence[str] = ()
    config: Path | None = None

    @property
    def exit_code(self) -> int:
        """4 and 3 as in a push; a plan that only waits for its approval is no refusal."""
        return _first(
            unreachable(self.unreachable.values()),
            REFUSED if any(one.kind != "unapproved" for one in self.refusals) else 0,
        )

    @property
    def refused_offers(self) -> list[str]:
        """Offers whose budget is refused."""
        targets = {one.target or "" for one in self.refusals if one.kind in {"budget_codes", "budget_money"}}
        return sorted(target.removeprefix("offers.") for target in targets)

    def document(self) -> dict[str, Any]:
        """Plain JSON, rows left out."""
        from engine.plan.effects import side_effects

        return {
            "checksum": self.plan.checksum,
            "file": self.file,
            "documents": list(self.documents),
            "plan": self.plan.document(),
            "side_effects": side_effects(self.plan),
            "refusals": [one.document() for one in self.refusals],
            "unreachable": dict(self.unreachable),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What became of a plan: by destination, the proofs read back, codes minted and the file that holds them."""

    results: Sequence[Result]
    proofs: Sequence[Proof]
    refusals: Sequence[Refusal] = ()
    unreachable: Mapping[str, str] = field(default_factory=dict)
    minted: int = 0
    renewed: int = 0
    exported: Path | None = None
    is_terminated: bool = False
    warnings: Sequence[str] = ()

    def trouble(self) -> dict[str, Any]:
        """What the history keeps for `status`: refusals, lists not proven by destination, and who did not answer."""
        unproven = Counter(one.destination for one in self.proofs if one.segment and one.verdict.value == "unproven")
        return {
            "refusals": [
                {
                    **one.document(),
                    "said": {lang: one.told(lang) for lang in LANGS},
                    "ways": {lang: one.way(lang) for lang in LANGS},
                }
                for one in self.refusals
            ],
            "unproven": dict(unproven),
            "unreachable": {name: str(why) for name, why in self.unreachable.items()},
        }

    @property
    def exit_code(self) -> int:
        """The first of 143, 2, 4, 3, 6, 1 that holds."""
        return _first(
            TERMINATED if self.is_terminated else 0,
            unreachable(
                [
                    *self.unreachable.values(),
                    *(one.error for one in self.results if isinstance(one.error, ConnectorError)),
                ]
            ),
            REFUSED if self.refusals or any(isinstance(one.error, GuardRefused) for one in self.results) else 0,
            MORE if any(one.stopped for one in self.results) else 0,
            REJECTED if any(one.rejected for one in self.results) else 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One whole round."""

    pulled: PulledAll
    planned: Planned
    pushed: Pushed

    @property
    def exit_code(self) -> int:
        """The first of 143, 2, 4, 3, 6, 1 that the pull or the push ends with."""
        codes = {self.pulled.exit_code, self.pushed.exit_code}
        return next((code for code in ORDER if code in codes), 0)


@dataclass(frozen=True, slots=True)
class Approved:
    """Who approved which plan, for which destinations."""

    checksum: str
    by: str
    destinations: Sequence[str]


@dataclass(frozen=True, slots=True)
class Retried:
    """How many refused changes the next push sends once more."""

    changes: int


@dataclass(frozen=True, slots=True)
class Exported:
    """Codes written for the shop."""

    codes: int
    file: Path


def unreachable(why: Iterable[str | Exception]) -> int:
    """The exit code for destinations that did not go on, and why: 2 when one is set wrongly, else 4; 0 for none."""
    found = list(why)
    if any(isinstance(one, (WrongSetting, SettingsError)) for one in found):
        return ConfigError.exit_code
    return UNREACHABLE if found else 0


def _first(*codes: int) -> int:
    return next((code for code in codes if code), 0)
