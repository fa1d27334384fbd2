"""What a scheduler asks in the morning: how it ended, what is refused and what to do about it, what waits for whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from round_lab import Lab, told

LOYAL = [4, 10, 16, 22, 40, 46]


def refused(lab: Lab) -> None:
    """Brevo refuses the records of two people, Klaviyo of one."""
    for number in (12, 24, 36):
        lab.shop.change(number, orders=4, consent="subscribed")
    lab.stock()
    lab.later(hours=5)
    for provider in ("brevo", "klaviyo"):
        lab.tell("POST", "/sandbox/faults", {"fault": "bad-record", "provider": provider, "times": 3})
    said = lab.ciblage("run", json=True)
    assert said.exit_code == 1, said
    lab.tell("DELETE", "/sandbox/faults")


def of(status: Any, name: str) -> dict[str, Any]:
    [found] = [one for one in status["destinations"] if one["name"] == name]
    return dict(found)


def test_what_is_refused_is_counted_first_and_each_reason_says_what_to_do(begun: Lab) -> None:
    refused(begun)
    result = begun.done("rejected")
    assert result["total"] == len(result["rows"]) > 1
    assert sum(group["changes"] for group in result["groups"]) == result["total"]
    assert all(group["advice"] for group in result["groups"])
    first = result["rows"][0]
    assert first.keys() == {"destination", "customer_id", "kind", "target", "reason", "words", "at", "not_before"}
    assert datetime.fromisoformat(first["at"]).tzinfo is not None
    text = begun.ciblage("rejected").out
    assert text.index("→") < text.index(first["customer_id"])


def test_a_destination_a_reason_and_a_limit_choose_among_them(begun: Lab) -> None:
    refused(begun)
    everything = begun.done("rejected")
    for name in {row["destination"] for row in everything["rows"]}:
        mine = begun.done("rejected", "--destination", name)
        assert mine["rows"] == [row for row in everything["rows"] if row["destination"] == name]
    reason = everything["rows"][0]["reason"]
    assert {row["reason"] for row in begun.done("rejected", "--reason", reason)["rows"]} == {reason}
    assert begun.done("rejected", "--reason", "erased")["total"] == 0
    one = begun.done("rejected", "--limit", "1")
    assert (len(one["rows"]), one["total"]) == (1, everything["total"])
    assert f"… and {everything['total'] - 1} more" in begun.ciblage("rejected", "--limit", "1").out


def test_a_name_that_is_not_there_is_told_with_the_nearest(begun: Lab) -> None:
    told(begun, "rejected", "--destination", "mailin", exit_code=2, says=["mailin", "'mailing'"], place="--destination")
    told(begun, "rejected", "--reason", "to_long", exit_code=2, says=["to_long", "'too_long'"], place="--reason")
    told(begun, "rejected", "--retry", "--reason", "to_long", exit_code=2, says=["'too_long'"], place="--reason")


def test_only_what_is_chosen_is_sent_once_more(begun: Lab) -> None:
    refused(begun)
    before = begun.done("rejected")
    name = before["rows"][0]["destination"]
    mine = sum(1 for row in before["rows"] if row["destination"] == name)
    assert begun.done("rejected", "--retry", "--destination", name)["changes"] == mine
    after = begun.done("rejected")
    assert after["rows"] == [row for row in before["rows"] if row["destination"] != name]
    begun.later(hours=1)
    assert begun.ciblage("run").exit_code == 0
    assert begun.done("rejected", "--destination", name)["total"] == 0


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_both_pages_fit_80_columns_when_there_is_much_to_say(begun: Lab, lang: str) -> None:
    begun.edit('currency = "EUR"', f'currency = "EUR"\nlang = "{lang}"')
    refused(begun)
    for number in range(1, 40):
        begun.shop.change(number, orders=0)
    begun.stock()
    begun.later(hours=5)
    assert begun.ciblage("run").exit_code == 3
    for command in ("status", "rejected"):
        said = begun.ciblage(command)
        assert said.exit_code == 0
        assert [line for line in said.out.splitlines() if len(line) > 80] == []


def test_a_destination_is_fine_since_the_first_of_its_good_runs(begun: Lab) -> None:
    status = begun.done("status")
    since = {one["name"]: one["fine_since"] for one in status["destinations"]}
    assert all(since.values())
    begun.later(hours=5)
    begun.done("run")
    later = begun.done("status")
    assert {one["name"]: one["fine_since"] for one in later["destinations"]} == since
    assert of(later, "flows")["fine_at"] > since["flows"]
    assert later["commands"][0]["command"] == "run"
    assert {one["command"]: one["exit"] for one in later["commands"]} == {
        "run": 0,
        "push": 0,
        "pull": 0,
        "codes confirm": 0,
    }
    assert later["ledger_bytes"] > 0
    assert later["holder"] is None


def test_a_destination_that_is_unreachable_is_not_fine_and_says_why(begun: Lab) -> None:
    begun.later(hours=5)
    begun.tell("POST", "/sandbox/faults", {"fault": "key-expired", "provider": "brevo", "times": None})
    assert begun.ciblage("run").exit_code == 4
    status = begun.done("status")
    assert of(status, "mailing")["fine_since"] is None
    assert of(status, "mailing")["fine_at"] is not None
    assert "key" in of(status, "mailing")["error"]
    assert of(status, "flows")["fine_since"] is not None
    assert status["commands"][0]["exit"] == 4
    text = begun.ciblage("status").out
    assert "✗ mailing" in text
    assert "✓ flows" in text


def test_what_the_guard_held_back_is_there_with_its_flag(begun: Lab) -> None:
    for number in range(1, 40):
        begun.shop.change(number, orders=0)
    begun.stock()
    begun.later(hours=5)
    assert begun.ciblage("run").exit_code == 3
    flows = of(begun.done("status"), "flows")
    assert flows["fine_since"] is None
    assert flows["held_back"]
    assert all(one["flag"].startswith("--force flows") for one in flows["held_back"])
    assert all(one["way"] == one["flag"] for one in flows["held_back"])
    assert flows["held_back"][0]["flag"] in begun.ciblage("status").out


def test_a_first_push_waits_for_an_approval_and_codes_for_the_shop(fresh: Lab) -> None:
    fresh.done("pull")
    assert fresh.ciblage("run").exit_code == 3
    waiting = fresh.done("status")
    assert {one["awaits"] for one in waiting["destinations"]} == {"approval"}
    assert {one["fine_since"] for one in waiting["destinations"]} == {None}
    assert "approve" in fresh.ciblage("status").out
    fresh.done("push", "--yes")
    status = fresh.done("status")
    assert {one["awaits"] for one in status["destinations"]} == {None}
    assert status["codes_waiting"] > 0
    fresh.confirm()
    assert fresh.done("status")["codes_waiting"] == 0


def test_how_old_each_reading_is_stands_there(begun: Lab) -> None:
    begun.later(days=3)
    reads = {one["stream"]: one["hours"] for one in of(begun.done("status"), "mailing")["reads"]}
    assert reads.keys() == {"engagement", "suppressions"}
    assert min(reads.values()) >= 72
    assert "3 days ago" in begun.ciblage("status").out
