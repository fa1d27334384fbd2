"""One address at one destination: asked to erase it, and read back until it is gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.base import Connector, Erases, Resolves
from connectors.errors import ConnectorError
from connectors.http import mask
from connectors.types import Profile, State
from engine.push.delivery import retrying

if TYPE_CHECKING:
    from engine.erasure.site import Site
    from engine.ledger.erasures import Errand

__all__ = ["DONE", "FAILED", "Answer", "ask", "worst"]

ERASED, ABSENT, BY_HAND = "erased", "absent", "by_hand"
PENDING, WAITING, FAILED = "pending", "waiting", "failed"
DONE = frozenset({ERASED, ABSENT, BY_HAND})
_ORDER = (FAILED, WAITING, PENDING, BY_HAND, ERASED, ABSENT)
_PATIENCE = 90.0  # seconds that we look whether they are gone; later runs look again
_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How it went: erased (and verified), absent, by_hand (it cannot be asked for), pending, waiting or failed."""

    state: str
    why: str = ""


def worst(answers: Sequence[Answer]) -> Answer:
    """What a destination's addresses come to."""
    return min(answers, key=lambda answer: _ORDER.index(answer.state))


def ask(site: Site, errand: Errand) -> Answer:
    """Erase one address at one destination. Nothing is raised: what fails is tried again by the next run."""
    build = site.destinations.get(errand.destination)
    if build is None:
        return Answer(BY_HAND, "the config has this destination no more")
    try:
        if _is_under_way(site, errand):
            site.settle(errand.destination)
        if _is_under_way(site, errand):
            return Answer(WAITING, "a change of theirs is still on its way there")
        return _erased(site, build(), errand)
    except ConnectorError as error:
        return Answer(FAILED, mask(site.told(errand.destination, error)))


def _is_under_way(site: Site, errand: Errand) -> bool:
    return any(change.address == errand.address for change in site.ledger.sending.of(errand.destination))


def _erased(site: Site, connector: Connector, errand: Errand) -> Answer:
    if not isinstance(connector, Erases):
        return Answer(BY_HAND, f"{connector.spec.name} cannot be asked to erase somebody")
    profile = Profile(errand.address, errand.ref)
    if errand.state == PENDING and _is_gone(site, connector, profile):
        return Answer(ERASED)
    state = State.PENDING
    for attempt in retrying(site.clock):
        with attempt:
            state = connector.erase(profile)
    if state is State.NOOP:
        return Answer(ERASED if errand.state == PENDING else ABSENT)
    for pause in _pauses():
        if _is_gone(site, connector, profile):
            return Answer(ERASED)
        site.clock.sleep(pause)
    return Answer(PENDING, "the provider has not ended it yet")


def _pauses() -> Iterator[float]:
    return (_PAUSE for _ in range(int(_PATIENCE / _PAUSE)))


def _is_gone(site: Site, connector: Connector, profile: Profile) -> bool:
    """Read back; a connector that cannot look anybody up says by a second call that there is nobody."""
    for attempt in retrying(site.clock):
        with attempt:
            if isinstance(connector, Resolves):
                return profile.email not in connector.resolve([profile])
            return isinstance(connector, Erases) and connector.erase(profile) is State.NOOP
    return False
