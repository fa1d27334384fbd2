"""The kill hunt: `python tests/hunt/kill.py --points 500 --seed 1` kills commands of a small client at seeded points and starts them again.

The end must be the end of an undisturbed run of the same phase: the same members and values, one code a person, no acknowledgement that
is not true, nobody left in a list, every event once. A point is a line of words that `--point` repeats; faults found stand in
`kill_seeds.txt` for good.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # what all tests share

from kill_laws import different, lies, outcome, remains, stays
from kill_story import CASTS, PHASES, STORY, Phase, note
from kill_world import Bench, Kept, Said, bench

READS_WHO_LEFT = frozenset({"push", "run", "undo", "drift"})
KINDS = ("request", "commit", "statement", "write", "rename")
STAYS_DEAD = "stays dead"
SEEDS = Path(__file__).with_name("kill_seeds.txt")


@dataclass(frozen=True)
class Death:
    """Before or after the nth of a kind."""

    kind: str
    nth: int
    is_after: bool = False

    @property
    def fate(self) -> dict[str, Any]:
        return {"kind": self.kind, "nth": self.nth, "is_after": self.is_after}

    def __str__(self) -> str:
        return f"{'after' if self.is_after else 'before'} {self.kind} {self.nth}"

    @classmethod
    def parse(cls, text: str) -> Death:
        when, *kind, nth = text.split()
        return cls(" ".join(kind), int(nth), is_after=when == "after")


@dataclass(frozen=True)
class Point:
    """Where to die: `all/first/1/after request brevo 7/before commit 3/leaves shop`; `stays dead`: the next command comes."""

    cast: str
    phase: str
    step: int
    deaths: tuple[Death, ...]
    leaves: str = ""  # "shop" or a provider: the leaver of the phase leaves there between death and restart
    stays_dead: bool = False

    def __str__(self) -> str:
        words = [self.cast, self.phase, str(self.step), *map(str, self.deaths)]
        words += [f"leaves {self.leaves}"] if self.leaves else []
        return "/".join([*words, STAYS_DEAD] if self.stays_dead else words)

    @classmethod
    def parse(cls, text: str) -> Point:
        cast, phase, step, *rest = text.strip().split("/")
        stays_dead = rest[-1:] == [STAYS_DEAD] and bool(rest.pop())
        leaves = rest.pop().removeprefix("leaves ") if rest and rest[-1].startswith("leaves ") else ""
        return cls(cast, phase, int(step), tuple(map(Death.parse, rest)), leaves, stays_dead)


@dataclass
class Scene:
    """A phase: the moment before each of its commands, what each counts, and the undisturbed end."""

    phase: Phase
    starts: list[Kept] = field(default_factory=list)
    notes: list[dict[str, str]] = field(default_factory=list)
    counts: list[dict[str, int]] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)
    finish: Kept | None = None


@dataclass
class Verdict:
    """What became of a point."""

    point: Point
    deaths: int
    faults: list[str]
    seconds: float


class Hunt:
    """Scenes are played once, when first needed; then any number of points."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.scenes: dict[tuple[str, str], Scene] = {}

    def scene(self, cast: str, name: str) -> Scene:
        """The phase of this cast, after all phases before it."""
        if (cast, name) not in self.scenes:
            phase = PHASES[name]
            self.scenes[cast, name] = self._play(cast, phase, self.scene(cast, phase.after) if phase.after else None)
        return self.scenes[cast, name]

    def _play(self, cast: str, phase: Phase, before: Scene | None) -> Scene:
        if before is None or before.finish is None:
            self.bench.furnish(CASTS[cast])
        else:
            self.bench.back(before.finish)
        phase.happens(self.bench)
        scene, noted = Scene(phase), dict[str, str]()
        for place in range(len(phase.steps)):
            scene.starts.append(self.bench.keep())
            scene.notes.append(dict(noted))
            self.bench.back(scene.starts[place])
            said = self._step(phase, place, noted)
            assert said.exit in {0, 1}, (cast, phase.name, place, said)
            scene.counts.append(said.counts)
        scene.end, scene.finish = outcome(self.bench), self.bench.keep()
        self.bench.back(scene.finish)
        faults = [*lies(self.bench), *self._unwritten(), *remains(self.bench, phase.erased)]
        assert faults == [], (cast, phase.name, faults)
        return scene

    def _step(self, phase: Phase, place: int, noted: dict[str, str], fate: Mapping[str, Any] | None = None) -> Said:
        step = phase.steps[place]
        step.first(self.bench)
        self.bench.later(hours=1)
        said = self.bench.command(step.verb, step.options(self.bench, noted), fate)
        note(said, noted)
        return said

    def _unwritten(self) -> list[str]:
        """One more run has nothing to write."""
        self.bench.later(hours=1)
        self.bench.writes()
        said = self.bench.command("run", {})
        writes = [one for one in self.bench.writes() if "/export" not in one]  # Brevo's way to read
        told = [f"another run writes {writes}"] if writes else []
        return told if said.exit == 0 else [*told, f"another run ends with {said.exit}: {said.error or said.words}"]

    def try_(self, point: Point) -> Verdict:
        """Die there, start again, go on to the phase's end, and compare."""
        scene = self.scene(point.cast, point.phase)
        self.bench.back(scene.starts[point.step])
        noted = dict(scene.notes[point.step])
        faults: list[str] = []
        deaths, seconds, has_left = 0, 0.0, False
        for place in range(point.step, len(scene.phase.steps)):
            if place == point.step:
                for death in point.deaths:
                    said = self._step(scene.phase, place, noted, death.fate)
                    deaths += said.signal == -9
                has_left = bool(point.leaves) and self._leave(scene.phase, point.leaves)
                if point.stays_dead:
                    continue
            said = self._step(scene.phase, place, noted)
            seconds += said.seconds
            if said.exit not in {0, 1}:
                faults.append(
                    f"step {place} ({scene.phase.steps[place].verb}) ends with {said.exit}: {said.error or said.words}"
                )
        person = f"c{scene.phase.leaver:02}" if has_left else ""
        faults += different(scene.end, outcome(self.bench), person)
        faults += [*lies(self.bench), *(stays(self.bench, person) if person else ()), *self._unwritten()]
        faults += remains(self.bench, scene.phase.erased)
        return Verdict(point, deaths, faults, seconds)

    def _leave(self, phase: Phase, where: str) -> bool:
        person = self.bench.people[phase.leaver]
        if where != "shop":
            return self.bench.leave(person.address, where)
        told = self.bench.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.bench.change(phase.leaver, consent="unsubscribed", told=told)
        self.bench.write()
        return True

    def draw(self, seed: int, casts: Sequence[str], phases: Sequence[Phase] = STORY, verb: str = "") -> Point:
        """The point of a seed: kinds and providers evenly, then any of that kind in the phase, or in its steps of a verb."""
        dice = random.Random(f"kill {seed}")  # noqa: S311 - a search that can be repeated
        cast = dice.choice(casts)
        phase = dice.choice([one for one in phases if cast not in one.not_for])
        steps = [place for place, step in enumerate(phase.steps) if verb in {"", step.verb}]
        if dice.random() < 0.5:
            steps = [dice.choice(steps)]  # short commands too
        counts = [each if at in steps else {} for at, each in enumerate(self.scene(cast, phase.name).counts)]
        at, death = self._death(dice, counts, dice.choice(KINDS), cast)
        deaths = [death]
        if dice.random() < 0.25:
            only = [each if place == at else {} for place, each in enumerate(counts)]
            deaths.append(self._death(dice, only, dice.choice(KINDS), cast)[1])
        step, leaves = phase.steps[at], ""
        if dice.random() < 0.3 and any(one.verb in READS_WHO_LEFT for one in phase.steps[at:]):
            leaves = dice.choice(("shop", *CASTS[cast]))
        stays_dead = step.may_stay_dead and dice.random() < 0.5
        return Point(cast, phase.name, at, tuple(deaths), leaves, stays_dead)

    @staticmethod
    def _death(dice: random.Random, counts: Sequence[Mapping[str, int]], kind: str, cast: str) -> tuple[int, Death]:
        """One of a kind; where there is none, of any kind that there is."""
        name = f"request {dice.choice(list(CASTS[cast]))}" if kind == "request" else kind
        if not any(name in each for each in counts):
            name = dice.choice(sorted({one for each in counts for one in each}))
        places = [(step, nth) for step, each in enumerate(counts) for nth in range(1, each.get(name, 0) + 1)]
        step, nth = dice.choice(places)
        return step, Death(name, nth, is_after=name != "statement" and dice.random() < 0.5)


def seeds() -> list[Point]:
    """Points that found something once."""
    lines = SEEDS.read_text("utf-8").splitlines() if SEEDS.exists() else []
    return [Point.parse(line) for line in lines if line and not line.startswith("#")]


def main() -> int:
    """Hunt, and tell what was tried and what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cast", action="append", choices=CASTS, help="default: all of them in turn")
    parser.add_argument("--phase", action="append", choices=PHASES, help="default: all of them")
    parser.add_argument("--verb", default="", help="die in steps of this command only")
    parser.add_argument("--point", action="append", type=Point.parse, help="try this one instead")
    asked = parser.parse_args()
    tally: Counter[str] = Counter()
    phases = [one for one in STORY if one.name in (asked.phase or PHASES)]
    phases = [one for one in phases if any(asked.verb in {"", step.verb} for step in one.steps)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # what was tried until then is told
    with suppress(SystemExit), tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as stage:
        hunt = Hunt(stage)
        for place in range(len(asked.point) if asked.point else asked.points):
            seed = asked.seed * 100_000 + place
            point = (
                asked.point[place] if asked.point else hunt.draw(seed, asked.cast or list(CASTS), phases, asked.verb)
            )
            verdict = hunt.try_(point)
            tally += _counted(verdict)
            if verdict.faults:
                _tell(f"\n{point}", *verdict.faults)
    _tell("", *(f"{count:6} {what}" for what, count in sorted(tally.items())))
    return 1 if tally["points that found something"] else 0


def _counted(verdict: Verdict) -> Counter[str]:
    """What was tried, for the account of a hunt."""
    told = Counter({"points": 1, "deaths": verdict.deaths, f"cast {verdict.point.cast}": 1})
    told["points that found something"] += bool(verdict.faults)
    told[f"phase {verdict.point.phase}"] += 1
    told[f"in {PHASES[verdict.point.phase].steps[verdict.point.step].verb}"] += 1
    told["that stay dead"] += verdict.point.stays_dead
    told["with somebody who leaves in between"] += bool(verdict.point.leaves)
    for death in verdict.point.deaths:
        told[f"{'after' if death.is_after else 'before'} a {death.kind}"] += 1
    return told


def _tell(*lines: str) -> None:
    sys.stdout.write("\n  ".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
