"""What must hold whenever a client has been started again: the end of an undisturbed run, and a ledger that tells the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kill_others import GUEST

if TYPE_CHECKING:
    from kill_world import Bench

LIVE = frozenset({"reserved", "exported", "confirmed", "pushed"})
TITLES = frozenset({"Loyal", "Tea", "Soap", "Readers"})


def outcome(bench: Bench) -> dict[str, Any]:
    """The state that must not depend on any death: codes by their owner only, since they are random."""
    return {
        "there": {name: {email: _masked(one) for email, one in found.items()} for name, found in bench.there().items()},
        "ledger": {
            name: {email: {**_masked(one), "state": None} for email, one in found.items()}
            for name, found in bench.claims().items()
        },
        "codes": Counter((one["offer"], _whose(one), one["state"]) for one in bench.codes()),
        "events": bench.events(),
        "under way": bench.under_way(),
    }


def _whose(code: Mapping[str, Any]) -> str | None:
    """A code's customer; of one who was erased that they were."""
    customer: str | None = code["customer_id"]
    return "erased" if customer and customer.startswith("erased-") else customer


def _masked(person: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: "…" if name.startswith("code") else value for name, value in person["fields"].items()}
    return {**person, "fields": fields}


def different(wanted: Mapping[str, Any], found: Mapping[str, Any], person: str) -> Iterator[str]:
    """What differs, the one who left in between aside."""
    address = f"{person}@example.com"
    for what in ("there", "ledger"):
        for provider in wanted[what]:
            one, other = wanted[what][provider], found[what][provider]
            for email in sorted(one.keys() | other.keys()):
                if email != address and one.get(email) != other.get(email):
                    yield f"{what} {provider} {email}: {one.get(email)} became {other.get(email)}"
    codes = [Counter({key: n for key, n in each["codes"].items() if key[1] != person}) for each in (wanted, found)]
    if codes[0] != codes[1]:
        yield f"codes: {codes[0] - codes[1]} became {codes[1] - codes[0]}"
    if wanted["events"] != found["events"]:
        yield f"events lost {wanted['events'] - found['events']}, doubled or new {found['events'] - wanted['events']}"
    if found["under way"]:
        yield f"under way for ever: {found['under way']}"


def lies(bench: Bench) -> Iterator[str]:
    """What the ledger says and the provider does not, or the other way round; and codes that nobody stands behind."""
    there, codes = bench.there(), bench.codes()
    known = {one["code"] for one in codes} & bench.sandbox.control.till.codes.keys()
    for provider, claims in bench.claims().items():
        for email, claim in claims.items():
            if claim["state"] != "left":
                yield from (
                    f"phantom: {provider} {email} {words}" for words in _phantoms(claim, there[provider].get(email))
                )
        for email, truth in there[provider].items():
            claim = claims.get(email, {"lists": [], "foreign": []})
            strange = set(_ours(truth)) - {*claim["lists"], *claim["foreign"]}
            if strange and email != GUEST:
                yield f"orphan: {provider} {email} is in {strange}"
            code = truth["fields"].get("code")
            if code and code not in known:
                yield f"a code that nobody issued, or confirmed: {provider} {email} {code}"
    yield from _codes(bench, codes)


def _phantoms(claim: Mapping[str, Any], truth: Mapping[str, Any] | None) -> Iterator[str]:
    if truth is None:
        yield "is not there"
        return
    if gone := set(claim["lists"]) - set(truth["lists"]):
        yield f"is not in {gone}"
    for name, value in claim["fields"].items():
        found = truth["fields"].get(name, "")
        if value not in (None, "") and str(found) != str(value):
            yield f"has {name} {found!r}, not {value!r}"


def _codes(bench: Bench, codes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    live = Counter((one["offer"], one["customer_id"]) for one in codes if one["state"] in LIVE)
    yield from (f"{count} live codes of {pair}" for pair, count in live.items() if count > 1)
    exported = bench.state / "codes.csv"
    listed = exported.read_text("utf-8") if exported.exists() else ""
    if lost := [one["code"] for one in codes if one["state"] == "exported" and one["code"] not in listed]:
        yield f"exported codes that no file holds: {lost}"


def _ours(truth: Mapping[str, Any]) -> list[str]:
    """The lists that we made."""
    return [title for title in truth["lists"] if title.split(" ")[-1] in TITLES]


def stays(bench: Bench, person: str) -> Iterator[str]:
    """The one who left must be out everywhere."""
    for provider, found in bench.there().items():
        truth = found.get(f"{person}@example.com")
        if truth and (_ours(truth) or truth["mailable"]):
            yield f"{provider}: {person} left and is {truth}"


def remains(bench: Bench, addresses: Sequence[str]) -> Iterator[str]:
    """Who was erased must be nowhere: at no provider, in no file of ours."""
    for address in addresses:
        yield from (f"{name} still has {address}" for name, found in bench.there().items() if address in found)
        yield from (f"{file} still holds {address}" for file in bench.holding(address))
