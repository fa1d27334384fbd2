"""What becomes of codes: used in an order, over, one too many for a person who was two, and gone from every destination."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.types import TargetKind
from engine.ledger.codes import ENDED, LIVE, CodeState
from engine.ledger.packing import field_column
from engine.offers.owners import owned

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from engine.ledger import Ledger

__all__ = ["Settled", "clear", "settle"]

_PART = 50_000  # coupons that are looked up at one time
_UNSENT = (CodeState.RESERVED.value, CodeState.EXPORTED.value, CodeState.CONFIRMED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of codes, in codes.

    `redeemed` in an order; of them `unsent` before we had sent them to anybody, and `by_another` by somebody else than
    the one they were given to. `expired`: over by their time. `merged`: ended, because their owner turned out to have
    another one.
    """

    redeemed: int = 0
    unsent: int = 0
    by_another: int = 0
    expired: int = 0
    merged: int = 0

    def __bool__(self) -> bool:
        return any((self.redeemed, self.expired, self.merged))


def settle(ledger: Ledger, used: pa.Table, *, now: datetime, aliases: pa.Table | None = None) -> Settled:
    """Codes found in orders are redeemed, those whose time is over expired; a person keeps one live code of an offer.

    `used`: coupon (any case), order_id, ordered_at, and customer_id where it is known; the first order of a coupon
    counts. `aliases`: customer_id, canonical.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    first = _first(used)
    parts = [_unused(ledger, first.slice(start, _PART), aliases) for start in range(0, len(first), _PART)]
    found = pa.concat_tables(parts) if parts else None
    counts = {"redeemed": 0, "unsent": 0, "by_another": 0}
    if found is not None and len(found):
        counts["redeemed"] = ledger.codes.use(found.sort_by("code_id"))  # as they lie in the ledger
        counts["unsent"] = pc.sum(pc.is_in(found["state"], value_set=pa.array(_UNSENT))).as_py()
        counts["by_another"] = pc.sum(found["by_another"]).as_py()
    expired = ledger.codes.expire(now)
    return Settled(**counts, expired=expired, merged=_merge(ledger, aliases, now))


def _first(used: pa.Table) -> pa.Table:
    """The first order of each coupon, in upper case."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "customer_id" not in used.column_names:
        used = used.append_column("customer_id", pa.nulls(len(used), pa.string()))
    used = used.set_column(
        used.column_names.index("coupon"), "coupon", pc.utf8_upper(pc.utf8_trim_whitespace(used["coupon"]))
    )
    used = used.sort_by([("ordered_at", "ascending"), ("order_id", "ascending")])
    names = ("order_id", "ordered_at", "customer_id")
    options = pc.ScalarAggregateOptions(skip_nulls=False)
    first = used.group_by("coupon", use_threads=False).aggregate([(name, "first", options) for name in names])
    return first.rename_columns({f"{name}_first": name for name in names})


def _unused(ledger: Ledger, coupons: pa.Table, aliases: pa.Table | None) -> pa.Table:
    """Those of the coupons that are codes of ours and that no order has used, with their order."""
    import pyarrow.compute as pc

    columns = ("code_id", "code", "state", "customer_id", "redeemed_at")
    found = ledger.codes.find(coupons["coupon"].to_pylist(), columns=columns)
    found = found.filter(pc.is_null(found["redeemed_at"]))
    place = pc.index_in(found["code"], value_set=coupons["coupon"].combine_chunks())
    buyer = owned(coupons.select(["customer_id"]).take(place.combine_chunks()), aliases)["customer_id"]
    differs = pc.fill_null(pc.not_equal(owned(found, aliases)["customer_id"], buyer), False)
    told = {"order_id": "order_id", "ordered_at": "redeemed_at"}
    found = found.drop_columns(["redeemed_at"]).append_column("by_another", differs)
    for name, ours in told.items():
        found = found.append_column(ours, coupons[name].take(place.combine_chunks()))
    return found


def _merge(ledger: Ledger, aliases: pa.Table | None, now: datetime) -> int:
    """End the live codes that a person has beside another one of the same offer, since two customers became one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if aliases is None or not len(aliases):
        return 0
    columns = ("code_id", "code", "offer", "customer_id", "state", "issued_at")
    live = ledger.codes.table(states=LIVE, columns=columns)
    several = pa.concat_arrays([aliases[name].combine_chunks() for name in ("customer_id", "canonical")])
    live = owned(live.filter(pc.is_in(live["customer_id"], value_set=several)), aliases, keeps_order=False)
    kept = live.group_by(["offer", "customer_id"], use_threads=False).aggregate([("code", "first")])["code_first"]
    spare = live.filter(pc.invert(pc.is_in(live["code"], value_set=kept.combine_chunks())))
    return ledger.codes.advance(spare["code"].to_pylist(), CodeState.EXPIRED, at=now)


def clear(ledger: Ledger, *, now: datetime) -> int:
    """Ended codes of customers that no destination holds any more, nor is about to be given, are cleared; returns how many."""
    import pyarrow.compute as pc

    ended = ledger.codes.table(states=ENDED, columns=("code", "customer_id"))
    ended = ended.filter(pc.is_valid(ended["customer_id"])).combine_chunks()
    if not len(ended):
        return 0
    texts = pc.binary_join_element_wise('"', ended["code"], '"', "")
    for name in ledger.targets.destinations():
        for held in _held(ledger, name):
            free = pc.invert(pc.is_in(texts, value_set=held))
            ended, texts = ended.filter(free), texts.filter(free)
    return ledger.codes.advance(ended["code"].to_pylist(), CodeState.CLEARED, at=now)


def _held(ledger: Ledger, destination: str) -> Iterator[pa.Array]:
    """Every value that stands at a destination, or is on its way there, as the ledger packs them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    contacts = ledger.contacts.table(destination)
    packed = contacts["fields"].filter(pc.not_equal(contacts["state"], "left"))
    for (kind, _), known in ledger.targets.of(destination).items():
        if kind is TargetKind.FIELD and len(packed):
            yield field_column(packed, known.position)
    under_way = [text for change in ledger.sending.of(destination) for text in change.fields.values()]
    yield pa.array(under_way, pa.string())
