"""Splits: everyone drawn into arms for good, by stretches of one draw, so that neither a rename nor a new order moves anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from engine.language.printer import number_text
from engine.language.tree import And, Bucket, Compare, Number, Test, Truth
from engine.segments.definition import SplitDefinition
from engine.segments.recipe import Unfit

_ALL = Decimal(100)
_STRETCH = re.compile(r"\s*(\d{1,3}(?:\.\d{1,6})?)\s*%?\s+to\s+(\d{1,3}(?:\.\d{1,6})?)\s*%\s*")
_SHARE = re.compile(r"\s*(\d{1,3}(?:\.\d{1,6})?)\s*%\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A split as it is kept: the arms are segments of the names on the right, from and to in percent of the draw."""

    name: str
    salt: str
    arms: Mapping[str, tuple[Decimal, Decimal]]
    place: str = ""


def segment_of(split: str, arm: str) -> str:
    """The name of the segment that an arm is."""
    return f"{split}_{arm}"


def read_split(definition: SplitDefinition) -> Split:
    """The split with its stretches; no two arms share a stretch. Raises Unfit."""
    if not definition.salt.strip():
        raise Unfit("split", "a split needs a salt", f'for example salt = "{definition.name}-2027"')
    if not definition.arms:
        raise Unfit("split", "the split has no arms", 'for example arms = { a = "0% to 50%", b = "50% to 100%" }')
    stretches = {arm: _stretch(arm, text, definition) for arm, text in definition.arms.items()}
    ordered = sorted(stretches.items(), key=lambda one: one[1])
    for (one, (_, end)), (other, (begin, _)) in pairwise(ordered):
        if begin < end:
            shared = f"{_percent(begin)} to {_percent(min(end, stretches[other][1]))}"
            hint = f"let '{other}' begin at {_percent(end)}, or '{one}' end at {_percent(begin)}"
            raise Unfit("split", f"the arms '{one}' and '{other}' share {shared}", hint)
    arms = {segment_of(definition.name, arm): found for arm, found in stretches.items()}
    return Split(name=definition.name, salt=definition.salt, arms=arms, place=definition.place)


def arm_test(salt: str, stretch: tuple[Decimal, Decimal], among: Test | None) -> Test:
    """True for those whose draw falls into the stretch, of those whom `among` means."""
    begin, end = stretch
    draws: list[Test] = []
    if begin > 0:
        draws.append(Compare(">=", Bucket(salt), Number(begin)))
    if end < _ALL:
        draws.append(Compare("<", Bucket(salt), Number(end)))
    before = among.items if isinstance(among, And) else () if among is None else (among,)
    items = (*before, *draws)
    return And(items) if len(items) > 1 else items[0] if items else Truth(True)


def gaps(split: Split) -> Iterator[str]:
    """What of the draw no arm takes, as `80% to 100%`."""
    at = Decimal(0)
    for begin, end in sorted(split.arms.values()):
        if begin > at:
            yield f"{_percent(at)} to {_percent(begin)}"
        at = max(at, end)
    if at < _ALL:
        yield f"{_percent(at)} to {_percent(_ALL)}"


def _stretch(arm: str, text: str, definition: SplitDefinition) -> tuple[Decimal, Decimal]:
    found = _STRETCH.fullmatch(text)
    if found is None:
        raise Unfit("split", f"'{text}' is no stretch of the draw", _hint(definition))
    begin, end = Decimal(found[1]), Decimal(found[2])
    if not begin < end <= _ALL:
        raise Unfit("split", f"the arm '{arm}' takes nobody: {text.strip()}", 'for example "0% to 50%"')
    return begin, end


def _hint(definition: SplitDefinition) -> str:
    """Where each arm would lie, if the shares were meant one after another."""
    shares = {arm: found for arm, text in definition.arms.items() if (found := _SHARE.fullmatch(text))}
    if len(shares) < len(definition.arms) or sum(Decimal(one[1]) for one in shares.values()) > _ALL:
        return 'write where it begins and ends: "0% to 50%"'
    at, parts = Decimal(0), []
    for arm, share in shares.items():
        parts.append(f'{arm} = "{_percent(at)} to {_percent(at + Decimal(share[1]))}"')
        at += Decimal(share[1])
    return f"say where each arm lies, so that a new order moves nobody: {', '.join(parts)}"


def _percent(value: Decimal) -> str:
    return f"{number_text(value)}%"
