"""Hunts for a consent that rises: `python tests/hunt/consent.py --rounds 5000 --seed 1 [--jobs 2] [--wire]`.

`--wire` prints the log of every call of the rounds, with what each changed of people: the proof, or what disproves it.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path


def main() -> int:
    """How many rounds were played and what they found; 1 when they found something."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=100)
    asked.add_argument("--seed", type=int, default=1, help="of the first round")
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--wire", action="store_true", help="print the log of every round, not only of those that fail")
    told = asked.parse_args()
    found = 0
    seeds = range(told.seed, told.seed + told.rounds)
    with ProcessPoolExecutor(told.jobs, initializer=_ready) as pool:
        for seed, wrong, log in pool.map(_played, seeds, chunksize=8):
            found += bool(wrong)
            if told.wire or wrong:
                print(f"--- round {seed}\n{log}", flush=True)
            if (seed - told.seed + 1) % 500 == 0:
                print(f"{seed - told.seed + 1} rounds, {found} with a fault", file=sys.stderr, flush=True)
    print(f"{told.rounds} rounds from seed {told.seed}: {found} with a fault")
    return 1 if found else 0


_OPENED: list[object] = []


def _ready() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from consent_shop import Opener

    _OPENED[:] = [Opener()]


def _played(seed: int) -> tuple[int, bool, str]:
    from consent_oracle import Found, play

    try:
        return seed, False, play(seed, _OPENED[0]).told()
    except Found as error:
        return seed, True, str(error)
    except Exception:
        return seed, True, traceback.format_exc()


if __name__ == "__main__":
    sys.exit(main())
