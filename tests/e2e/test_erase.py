"""A person erased: nothing of them is left here or at any destination, they do not come back, and it resumes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from round_lab import PROVIDERS, Lab, contact, told

from connectors.http import Request, Response
from connectors.sandbox import Faults

GONE = "c04@example.com"  # in lists of all three
KEY = "maison-lin.erasure-key"


def bytes_of(lab: Lab) -> dict[str, bytes]:
    """Every file of the state folder that holds something; SQLite's shared memory is left out."""
    paths = [path for path in sorted((lab.folder / "state").rglob("*")) if path.is_file() and path.stat().st_size]
    return {str(path.relative_to(lab.folder)): path.read_bytes() for path in paths if not path.name.endswith("-shm")}


def holding(lab: Lab, words: str) -> list[str]:
    return [name for name, content in bytes_of(lab).items() if words.encode() in content]


def erased(lab: Lab, email: str = GONE) -> dict[str, object]:
    result: dict[str, object] = lab.done("erase", email, "--yes")
    return result


def test_without_yes_it_only_says_what_would_be_erased(begun: Lab) -> None:
    before = bytes_of(begun)
    with begun.calls() as calls:
        done = begun.done("erase", GONE)
    assert calls == []
    assert bytes_of(begun) == before
    assert done["customers"] == 1
    assert done["ledger"]["contacts"] == 3
    assert done["ledger"]["codes"] >= 1
    assert set(done["destinations"]) == set(PROVIDERS)
    said = begun.ciblage("erase", GONE)
    assert said.exit_code == 0
    assert "--yes" in said.out
    assert GONE not in said.out


def test_nothing_of_the_person_is_left_anywhere_and_they_do_not_come_back(begun: Lab) -> None:
    mailed(begun)
    others = {name: set(begun.there(name)) - {GONE} for name in PROVIDERS.values()}
    assert holding(begun, GONE)
    done = erased(begun)
    assert done["is_done"]
    assert done["destinations"] == dict.fromkeys(PROVIDERS, "erased")
    for name in PROVIDERS.values():
        assert GONE not in begun.there(name)
        assert set(begun.there(name)) == others[name], "and nobody else went"
    assert holding(begun, GONE) == []
    begun.later(days=1)
    with begun.calls() as calls:
        begun.done("run")
    assert [call for call in calls if GONE.encode() in call.body] == []
    assert all(GONE not in begun.there(name) for name in PROVIDERS.values())
    assert holding(begun, GONE) == [], "the shop still has them, and still nothing of it is kept"
    assert (begun.folder / "state" / KEY).stat().st_mode & 0o777 == 0o600


def mailed(lab: Lab) -> None:
    """The person reads a mail, so that there is engagement, and the run after it brings it."""
    until = (lab.now.replace(hour=23)).isoformat()
    lab.tell(
        "POST",
        "/sandbox/readers",
        {"until": until, "open": 0.9, "click": 0.5, "unsubscribe": 0.0, "complaint": 0.0, "bounce": 0.0},
    )
    lab.later(days=1)
    lab.done("run")
    assert any("engagement" in name for name in holding(lab, GONE))


def test_the_receipt_names_what_went_where_and_no_address(begun: Lab) -> None:
    done = erased(begun)
    receipt = json.loads(Path(str(done["receipt"])).read_text("utf-8"))
    assert receipt["ledger"]["contacts"] == 3
    assert receipt["done_at"] == begun.now.isoformat()
    assert {name: one["state"] for name, one in receipt["destinations"].items()} == dict.fromkeys(PROVIDERS, "erased")
    assert "@" not in json.dumps(receipt)
    assert any("shop" in line for line in receipt["left"])
    assert len(receipt["erasure"]) == 64
    assert receipt["erasure"] != hashlib.sha256(GONE.encode()).hexdigest(), "a hash that nobody can try"
    (aside,) = [row for row in begun.done("check")["set_aside"] if "erased" in row[2]]
    assert (aside[0], aside[3]) == ("customers.csv", 1)
    assert begun.done("erase", GONE, "--yes")["is_done"], "twice is harmless"


def test_codes_keep_their_text_for_ever_and_lose_their_owner(begun: Lab) -> None:
    before = begun.done("codes")
    erased(begun)
    after = begun.done("codes")
    assert sum(map(sum, (one.values() for one in counts(before).values()))) == sum(
        map(sum, (one.values() for one in counts(after).values()))
    )
    assert counts(after)["thanks"].get("expired", 0) == counts(before)["thanks"].get("expired", 0) + 1


def counts(answer: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Codes by offer and state."""
    found: dict[str, dict[str, int]] = answer["counts"]
    return found


class Down(Faults):
    """One provider does not answer."""

    def __init__(self, provider: str) -> None:
        self.provider = provider

    def next(self, provider: str, request: Request) -> Response | None:
        return Response(503, {}, b"") if provider == self.provider else None


def test_a_destination_that_fails_is_told_and_asked_again_by_the_next_run(begun: Lab) -> None:
    world = begun.sandbox.world
    faults, world.faults = world.faults, Down("brevo")
    said = begun.ciblage("erase", GONE, "--yes", json=True)
    assert said.exit_code == 4
    assert said.result["destinations"] == {"newsletter": "erased", "flows": "erased", "mailing": "failed"}
    assert GONE not in said.out + said.err
    assert GONE in begun.there("brevo")
    world.faults = faults
    begun.later(hours=1)
    begun.done("run")
    assert GONE not in begun.there("brevo")
    assert holding(begun, GONE) == []


def test_somebody_whom_only_a_destination_knows_is_erased_there(begun: Lab) -> None:
    begun.seed("brevo", contact("stranger@example.com"))
    done = erased(begun, "Stranger@Example.com")
    assert done["destinations"] == {"newsletter": "absent", "flows": "absent", "mailing": "erased"}
    assert "stranger@example.com" not in begun.there("brevo")


def test_what_is_no_address_is_refused(begun: Lab) -> None:
    told(begun, "erase", "c04", "--yes", exit_code=2, says=["not an address"], kind="config", place="EMAIL")


def test_all_that_is_held_of_a_person_is_one_file_for_its_reader_alone(begun: Lab) -> None:
    mailed(begun)
    begun.unsubscribe("klaviyo", GONE)
    begun.later(hours=4)
    begun.done("pull")
    file = begun.folder / "person.json"
    held = begun.done("person", GONE, "--out", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert held["customers"] == ["c04"]
    assert held["addresses"] == [GONE]
    (mail, sms) = held["consent"]
    assert (mail["channel"], mail["state"], mail["source"]) == ("email", "unsubscribed", "flows")
    assert sms["channel"] == "sms"
    assert ("flows", "unsubscribed") in {(act["source"], act["what"]) for act in held["history"]}
    assert set(held["destinations"]) == set(PROVIDERS)
    assert held["destinations"]["mailing"]["contacts"][0]["values"]["FIRST_NAME"]
    assert {"customers", "orders", "order_lines"} <= held["shop"].keys()
    assert held["events"]
    assert held["codes"]
    assert held["plans"], "kept plans name them by their id"
    written = json.loads(file.read_text("utf-8"))
    assert written["customers"] == ["c04"]
    assert written.keys() == held.keys() - {"file"}
    assert begun.done("person", "c04")["addresses"] == [GONE], "by the customer_id, too"
    said = begun.ciblage("person", "c04")
    assert "unsubscribed" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_who_is_not_known_is_told(begun: Lab) -> None:
    told(begun, "person", "nobody", exit_code=2, says=["no such customer"], kind="config", place="CUSTOMER|EMAIL")
