"""Hunts for a consent that rises: `python tests/hunt/consent.py --rounds 5000 --seed 1 [--jobs 2] [--wire]`.

`--wire` prints the log of every call of the rounds, with what each changed of people: the proof, or what disproves it.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from connectors.errors import ConnectorError
from engine.errors import EngineError

_EVERY = 100  # rounds between two lines of progress


def main() -> int:
    """How many rounds were played and what they found; 1 when they found something."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=100)
    asked.add_argument("--seed", type=int, default=1, help="of the first round")
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--wire", action="store_true", help="print the log of every round, not only of those that fail")
    told = asked.parse_args()
    found = 0
    with ProcessPoolExecutor(told.jobs, initializer=_ready) as pool:
        rounds = [(seed, pool.submit(_played, seed)) for seed in range(told.seed, told.seed + told.rounds)]
        for count, (seed, future) in enumerate(rounds, 1):
            is_wrong, log = future.result()
            found += is_wrong
            if told.wire or is_wrong:
                sys.stdout.write(f"--- round {seed}\n{log}\n")
                sys.stdout.flush()
            if count % _EVERY == 0:
                sys.stderr.write(f"{count} rounds, {found} with a fault\n")
    sys.stdout.write(f"{told.rounds} rounds from seed {told.seed}: {found} with a fault\n")
    return 1 if found else 0


_OPENED: list[Any] = []


def _ready() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from consent_shop import Opener

    _OPENED[:] = [Opener()]


def _played(seed: int) -> tuple[bool, str]:
    """Whether a round found something, and its log; an error of the engine's is a finding like any other."""
    from consent_oracle import Found, play

    try:
        return False, play(seed, _OPENED[0]).told()
    except Found as error:
        return True, str(error)
    except (EngineError, ConnectorError, AttributeError, ArithmeticError, LookupError, OSError, TypeError, ValueError):
        return True, traceback.format_exc()


if __name__ == "__main__":
    sys.exit(main())
