"""A client's own places and accounts, as an erasure wants to hear of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError

if TYPE_CHECKING:
    from engine.client.opening import Client
    from engine.erasure import Erasure, Person, Site

__all__ = ["erase", "erasure_site", "find_person", "resume_erasures"]


def erasure_site(client: Client) -> Site:
    """Everything of this client that may hold somebody."""
    from engine.erasure import Site
    from engine.ownership.keeping import Kept

    return Site(
        client=client.settings.client,
        ledger=client.ledger,
        parts=client.parts,
        plans=Kept(client.config.state / "plans"),
        state=client.config.state,
        destinations={name: partial(client.connector, name) for name in client.settings.destinations},
        settle=partial(_settle, client),
        told=client.told,
        clock=client.clock,
        now=client.now,
    )


def find_person(client: Client, email: str) -> Person:
    """Whom an address means. Raises ConfigError for what is no address."""
    from engine.erasure import find

    return find(email, lambda: client.shop, lambda: client.membership.table, erasure_site(client))


def erase(client: Client, email: str) -> Erasure:
    """Erase the person who has this address, as far as it goes now."""
    from engine.erasure import erase as begin

    person = find_person(client, email)
    client.forget()  # what is read of the shop from now on is read without them
    return begin(erasure_site(client), person)


def resume_erasures(client: Client) -> list[Erasure]:
    """Go on with erasures that have not ended: destinations that failed are asked again."""
    from engine.erasure import resume

    if not client.ledger.erasures.open():
        return []
    try:
        return resume(erasure_site(client))
    finally:
        client.forget()


def _settle(client: Client, name: str) -> None:
    """What earlier runs left on its way to a destination comes to its end; nothing else is sent. Raises connectors.errors."""
    from engine.plan.plan import Plan, ShopFacts
    from engine.plan.spool import Rows
    from engine.push.push import push
    from engine.push.trip import Carrier

    nothing = Plan(
        client=client.settings.client,
        now=client.now,
        config_hash=client.config.hash,
        ledger_version=client.ledger.version(),
        accounts={},
        shop=ShopFacts(),
        destinations=(),
        issues=(),
        stored=Rows(),
    )
    carrier = Carrier(client.destination(name), client.connector(name))
    people = client.membership.table
    (result,) = push(nothing, [carrier], client.ledger, people, clock=client.clock, now=client.now)
    if isinstance(result.error, ConnectorError):
        raise result.error
