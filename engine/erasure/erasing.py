"""An erasure from its first step to its receipt; cut off anywhere, it goes on from where it was.

First the files, then one transaction of the ledger that forgets the person, remembers the keyed hash and notes what is
left to do; then each destination in turn. Until a destination has confirmed, the ledger holds the address for it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

from engine.erasure.errands import DONE, FAILED, Answer, ask, worst
from engine.erasure.key import made
from engine.erasure.person import Person
from engine.erasure.site import Site
from engine.files import whole
from engine.ledger.erasures import HERE, Errand, Receipt

__all__ = ["Erasure", "erase", "resume"]

_UNREACHABLE, _MORE = 4, 6
_STILL = "the shop's own data still holds the person: have them erased there too"
_NOTE = "rows of an erased address are set aside whenever the shop is opened, and never sent anywhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What became of an erasure. `facts` is its receipt, without any address; `destinations` and `why` tell how each of them went."""

    erasure: str
    is_done: bool
    facts: Mapping[str, Any]
    receipt: Path
    destinations: Mapping[str, str] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)

    @property
    def failures(self) -> list[str]:
        """Why destinations failed."""
        return [self.why.get(name, name) for name, state in self.destinations.items() if state == FAILED]

    @property
    def exit_code(self) -> int:
        """4 when a destination failed, 6 when one has not ended it yet."""
        if self.failures:
            return _UNREACHABLE
        return 0 if self.is_done else _MORE


def erase(site: Site, person: Person) -> Erasure:
    """Erase somebody, as far as it goes now; the rest is in `resume`. Raises LedgerError."""
    hashing = made(site.key)
    hashes = {address: hashing.hashed(address) for address in person.addresses}
    erasure = hashes[person.addresses[0]]
    facts = {
        "client": site.client,
        "erasure": erasure,
        "asked_at": site.now.astimezone(UTC).isoformat(),
        "addresses": len(hashes),
        "customers": len(person.ids),
        **_files(site, person.addresses, person.ids),
    }
    places = [*site.destinations, *_unknown(site, person.addresses)]
    receipt = site.ledger.erasures.forget(
        erasure, hashes, person.ids, destinations=places, at=site.now, facts={**facts, "left": [_STILL, _NOTE]}
    )
    return _go_on(site, receipt)


def resume(site: Site) -> list[Erasure]:
    """Go on with every erasure that has not ended."""
    return [_go_on(site, receipt) for receipt in site.ledger.erasures.open()]


def _go_on(site: Site, receipt: Receipt) -> Erasure:
    erasures, facts = site.ledger.erasures, dict(receipt.facts)
    answers: dict[str, list[Answer]] = {}
    for errand in erasures.errands(receipt.erasure):
        answer = _here(site, errand) if errand.destination == HERE else ask(site, errand)
        if errand.destination != HERE:
            answers.setdefault(errand.destination, []).append(answer)
            facts["destinations"] = {**facts.get("destinations", {}), errand.destination: _said(answers, errand, site)}
        erasures.mark(errand, answer.state, facts, is_done=answer.state in DONE)
    is_done = not erasures.errands(receipt.erasure)
    facts["done_at"] = site.now.astimezone(UTC).isoformat() if is_done else None
    erasures.compact()
    path = site.receipt(receipt.erasure)
    _write(path, facts)
    if is_done:
        erasures.end(receipt.erasure, at=site.now)
    told = {name: worst(given) for name, given in answers.items()}
    return Erasure(
        erasure=receipt.erasure[:16],
        is_done=is_done,
        facts=facts,
        receipt=path,
        destinations={name: answer.state for name, answer in told.items()},
        why={name: answer.why for name, answer in told.items() if answer.why},
    )


def _said(answers: Mapping[str, Sequence[Answer]], errand: Errand, site: Site) -> dict[str, Any]:
    answer = worst(answers[errand.destination])
    return {"state": answer.state, "why": answer.why or None, "at": site.now.astimezone(UTC).isoformat()}


def _here(site: Site, errand: Errand) -> Answer:
    """What came in between the first look at the files and the moment from which nothing comes in any more."""
    _files(site, [errand.address], ())
    return Answer("erased")


def _files(site: Site, addresses: Collection[str], ids: Collection[str]) -> dict[str, Any]:
    events, parts = site.parts.without(frozenset(addresses))
    plans = sum(site.plans.without(key) for key in sorted(ids))
    copies = [folder for folder in site.copies if folder.exists()]
    for folder in copies:
        shutil.rmtree(folder)
    return {
        "engagement": {"events": events, "parts": parts},
        "plans": plans,
        "shop": {"copies": [folder.name for folder in copies]},
    }


def _unknown(site: Site, addresses: Collection[str]) -> list[str]:
    """Destinations that the config has no more and where the ledger knows them."""
    return sorted(site.ledger.erasures.places(addresses) - site.destinations.keys())


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with whole(path, is_text=True) as file:
        json.dump(facts, file, ensure_ascii=False, indent=2, sort_keys=True)
