"""R-GRD-07: values that are not ours and would go. Where they may be is counted; what some of them hold is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorError
from connectors.types import Fitted, Ref, TargetKind
from engine.ledger.packing import value
from engine.plan.summary import Overwritten

if TYPE_CHECKING:
    from connectors.http import Handler, Request, Response
    from engine.plan.columns import Present, Wanted
    from engine.plan.diff import Difference
    from engine.plan.survey import Survey

__all__ = ["CALLS", "FEW", "MOST", "Budget", "Read", "Spent", "overwritten"]

Read = Callable[[Sequence[str], int], Mapping[str, Mapping[Ref, Fitted]]]
"""What a destination holds of these addresses, in so many calls: by address, then by the field's ref there. Reads only."""
_NOTHING = (None, "")
MOST, CALLS = 5_000, 60  # contacts looked at where that takes no more calls: half a minute at the slowest of the paces
FEW, FEW_CALLS = 20, 45  # contacts looked at where it would take more: of so few every provider answers one by one


class Spent(ConnectorError):
    """As many calls were made as this was worth."""


class Budget:
    """A handler that carries so many calls, and refuses the next one."""

    def __init__(self, handler: Handler, calls: int) -> None:
        self._handler, self._left = handler, calls

    def handle(self, request: Request) -> Response:
        """The answer. Raises Spent, and what Handler raises."""
        if self._left <= 0:
            raise Spent("more calls than this is worth")
        self._left -= 1
        return self._handler.handle(request)


def overwritten(
    difference: Difference, wanted: Wanted, here: Present, survey: Survey | None, read: Read | None
) -> dict[str, Overwritten]:
    """By merge tag; of these people, all or some that are spread over all, how many hold something else.

    A failed read tells nothing.
    """
    counts, come = difference.overwritten, difference.written
    tags = [tag for tag in wanted.values if tag in counts or tag in come]
    met, held = _looked(difference, read) if read is not None and tags else ([], {})
    ours = _ours(wanted, met, tags) if met else {}
    refs = _refs(here, survey)
    return {
        tag: Overwritten(
            contacts=counts.get(tag, 0),
            newcomers=come.get(tag, 0),
            looked=len(ours.get(tag, ())),
            other=_others(ours.get(tag, {}), held, refs.get(tag)),
        )
        for tag in tags
    }


def _looked(difference: Difference, read: Read) -> tuple[list[str], Mapping[str, Mapping[Ref, Fitted]]]:
    """Who was looked at, and what they hold: as many as are worth it, else a few; nobody where the read failed."""
    for people, calls in ((MOST, CALLS), (FEW, FEW_CALLS)):
        met = _some(difference.met, people)
        met += _some(difference.come, people - len(met))
        with suppress(ConnectorError):
            return met, read(met, calls)
        if len(met) <= FEW:
            break
    return [], {}


def _some(addresses: Any, most: int) -> list[str]:  # noqa: ANN401 - Arrow's columns carry no type
    """So many of them at most, from the first to the last at equal distances."""
    import pyarrow as pa

    count = 0 if addresses is None else len(addresses)
    if count == 0 or most <= 0:
        return []
    places = dict.fromkeys(place * count // min(count, most) for place in range(min(count, most)))
    found: list[str] = addresses.take(pa.array(places, pa.int64())).to_pylist()
    return found


def _ours(wanted: Wanted, met: Sequence[str], tags: Sequence[str]) -> dict[str, dict[str, Fitted]]:
    """What would be written to these addresses, by merge tag and address."""
    import pyarrow as pa
    import pyarrow.compute as pc

    places = pc.index_in(pa.array(met, pa.string()), value_set=wanted.address)
    found = {}
    for tag in tags:
        texts = wanted.values[tag].take(places).to_pylist()
        stands_in = wanted.defaults[tag].take(places).to_pylist()
        found[tag] = {
            address: value(text)
            for address, text, is_default in zip(met, texts, stands_in, strict=True)
            if text is not None and not is_default
        }
    return found


def _refs(here: Present, survey: Survey | None) -> dict[str, Ref]:
    """The provider's name of each field that is there, by merge tag."""
    known = {name: at.ref for (kind, name), at in here.targets.items() if kind is TargetKind.FIELD and at.ref}
    return {**(survey.fields if survey else {}), **known}


def _others(ours: Mapping[str, Fitted], held: Mapping[str, Mapping[Ref, Fitted]], ref: Ref | None) -> int:
    if ref is None:
        return 0
    there = {address: held.get(address, {}).get(ref) for address in ours}
    return sum(told not in _NOTHING and told != ours[address] for address, told in there.items())
