"""Who is to be erased: every address and every customer_id that is theirs, and what is held of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from connectors.types import normal
from engine.errors import ConfigError
from engine.shop.addresses import normalise

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.erasure.site import Site

__all__ = ["Knows", "Person", "Trace", "find", "trace"]


class Knows(Protocol):
    """A shop, as far as it is asked here."""

    def known_as(self, address: str) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Person:
    """One person: `addresses[0]` is the one that was asked for, all are normal; `ids` with those of merged duplicates."""

    addresses: tuple[str, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What is held of somebody, in rows; and where they would be erased."""

    addresses: int
    customers: int
    ledger: Mapping[str, int]
    events: int
    destinations: Sequence[str]


def find(email: str, shop: Callable[[], Knows], people: Callable[[], pa.Table], site: Site) -> Person:
    """Everything that is theirs: the shop's ids of the address, and addresses that they had before at destinations.

    An address that today belongs to somebody else is somebody else's. Raises ConfigError for what is no address.
    """
    address = normalise(email)
    if address is None:
        raise ConfigError("this is not an address", place="EMAIL", hint="write the whole address: name@domain")
    ids = set(shop().known_as(address))
    owners = _elsewhere(people(), ids, {address})
    ids |= {key for key in site.ledger.erasures.owners([address]) if key not in owners}
    theirs = {normal(one) for one in site.ledger.erasures.known(sorted(ids))} - {address}
    others = set(_emails(people(), theirs))
    return Person((address, *sorted(theirs - others)), tuple(sorted(ids)))


def trace(site: Site, person: Person) -> Trace:
    """Count; changes nothing."""
    under_way = sum(
        change.address in person.addresses for name in site.destinations for change in site.ledger.sending.of(name)
    )
    held = site.ledger.erasures.held(person.addresses, person.ids)
    return Trace(
        addresses=len(person.addresses),
        customers=len(person.ids),
        ledger=held | ({"batches": under_way} if under_way else {}),
        events=site.parts.held(person.addresses),
        destinations=sorted(site.destinations),
    )


def _elsewhere(people: pa.Table, ids: Collection[str], addresses: Collection[str]) -> set[str]:
    """Customers of the shop who are somebody else: they have an address, and another one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    mine = pc.is_in(people["customer_id"], value_set=pa.array(sorted(ids), pa.string()))
    same = pc.is_in(people["email"], value_set=pa.array(sorted(addresses), pa.string()))
    rows = people.filter(pc.invert(pc.or_(mine, same)))
    return set(rows["customer_id"].to_pylist())


def _emails(people: pa.Table, addresses: Collection[str]) -> list[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array(sorted(addresses), pa.string())
    found: list[str] = people["email"].filter(pc.is_in(people["email"], value_set=wanted)).to_pylist()
    return found
