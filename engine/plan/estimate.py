"""What a plan costs: its write calls, counted as they will be cut; its polls and its time, from least to most.

The same limits, windows and shares as the push keeps: `connectors.spec.cut` and `connectors.http`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from connectors.pace import EVERY
from connectors.spec import Limit, Spec
from connectors.types import ClearTraits, Target
from engine.plan.destination import KINDS
from engine.plan.rows import UNDER_WAY, unpacked

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.plan.spool import Rows, Run

__all__ = ["Estimate", "estimate"]

_CALL = 1.0  # seconds that a bulk call takes, about
_SHARE = 0.8  # of every declared window
_ASKS = 2  # calls of one look at a job: the job, and what it tells of its changes
_SIZE = "size"  # the column of a row's address, in bytes
_SETTING, _CLEARING, _JOINT = '[null, null, {}, ""]', '[[], null, {}, ""]', ", "  # what spec.cut weighs around values
_NAME = len('""') + len(_JOINT)
_PAIR = len('"": ') + len(_JOINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Write calls: exact for what the ledger knows. Polls and seconds: from least to most, when jobs end as declared."""

    calls: int
    polls: int = 0
    polls_most: int = 0
    seconds: float = 0.0
    seconds_most: float = 0.0


def estimate(
    spec: Spec,
    stored: Rows,
    titles: Mapping[str, str],
    *,
    missing: Iterable[Target] = (),
    sizes: Callable[[pa.Table], Any],
) -> Estimate:
    """`stored`: a destination's rows; `titles`: fields there, by merge tag; `missing`: targets to create.

    `sizes` gives the bytes of each row's address, for one kind; it is asked where a provider limits the bytes of a call.
    """
    calls: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    changes: Counter[str] = Counter()  # that jobs carry
    for run in stored.runs:
        kind = run.kind
        limit = spec.carries[KINDS[kind]]
        for count in _batches(run, limit, titles, sizes):
            is_few = limit.few is not None and count <= limit.few[0]
            calls[limit.rate] += math.ceil(count / limit.few[1]) if limit.few and is_few else 1
            if limit.is_job and not is_few:
                jobs[kind] += 1
                changes[kind] += count
    calls["default"] += sum(spec.creates.get(target.kind, 0) for target in missing)
    rounds = sum(math.ceil(count / UNDER_WAY) for count in changes.values())
    return _told(spec, calls, jobs.total(), rounds)


def _told(spec: Spec, calls: Counter[str], jobs: int, rounds: int) -> Estimate:
    """`rounds`: how often the push waits for jobs before it sends more."""
    looks = len(spec.poll_after) or 1
    busy = max(
        calls.total() * _CALL / max(1, spec.in_flight),
        *(_last(spec, family, count) for family, count in calls.items()),
        _last(spec, EVERY, calls.total()),
        0.0,
    )
    waits = spec.poll_after if jobs else ()
    return Estimate(
        calls=calls.total(),
        polls=1 if jobs else 0,  # a poll may ask for all jobs at once
        polls_most=jobs * looks * _ASKS,
        seconds=round(busy + (waits[0] if waits else 0.0), 1),
        seconds_most=round(busy + rounds * sum(waits), 1),
    )


def _last(spec: Spec, family: str, calls: int) -> float:
    """Seconds before the last of so many calls may leave, when each window is empty at the start."""
    share = spec.share.get(family, _SHARE)
    windows = spec.rates.get(family, ())
    return max((max(0, calls - 1) // max(1, int(rate.calls * share)) * rate.seconds for rate in windows), default=0.0)


def _batches(run: Run, limit: Limit, titles: Mapping[str, str], sizes: Callable[[pa.Table], Any]) -> Iterator[int]:
    """How many changes each batch holds."""
    if not limit.bytes:
        yield from chain.from_iterable(_cut([0] * part.changes, limit) for part in run.parts)
        return
    for part in run.tables():
        yield from _cut(_weights(part.append_column(_SIZE, sizes(part)), limit, titles), limit)


def _cut(weights: Sequence[int], limit: Limit) -> Iterator[int]:
    """As connectors.spec.cut does."""
    count = size = 0
    for weight in weights:
        if count and (count >= limit.items or (limit.bytes and size + weight > limit.bytes)):
            yield count
            count = size = 0
        count, size = count + 1, size + weight
    if count:
        yield count


def _weights(part: pa.Table, limit: Limit, titles: Mapping[str, str]) -> list[int]:
    """What each change weighs, where calls are limited in bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = unpacked(part)
    is_clear = rows["kind"][0].as_py() == ClearTraits.__name__
    names = pa.array([len(title.encode()) + (_NAME if is_clear else _PAIR) for title in titles.values()], pa.int32())
    name = names.take(pc.index_in(rows["field"].combine_chunks(), value_set=pa.array(list(titles), pa.string())))
    text = 0 if is_clear else pc.fill_null(pc.binary_length(pc.coalesce(rows["after"], rows["before"])), 0)
    value = pc.fill_null(pc.add(text, name), 0)  # a row without a field of ours tells who, not what
    sized = pa.table({"key": rows["change_id"], "value": value, "email": part[_SIZE]})
    whole = sized.group_by("key", use_threads=False).aggregate([("value", "sum"), ("email", "max")])
    joints = pc.if_else(pc.greater(whole["value_sum"], 0), -len(_JOINT), 0)
    weights = pc.add(pc.add(pc.add(whole["value_sum"], joints), whole["email_max"]), limit.each)
    weights = pc.add(weights, len(_CLEARING if is_clear else _SETTING))
    found: list[int] = weights.to_pylist()
    return found
