"""A destination that fails costs nobody else; what is gone, taken, late or tampered with is refused and says what to do."""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import dataclass, field

import pyarrow.parquet as pq
import pytest
from round_lab import PROVIDERS, SEGMENTS, TITLES, Lab, Said, told, writes

from connectors.http import Request, Response
from connectors.sandbox import Faults, json_response

WRONG = {"MAILCHIMP_KEY": "wrongsecret-us9", "KLAVIYO_KEY": "pk_wrongsecret", "BREVO_KEY": "xkeysib-wrongsecret"}
KEY_OF = {"newsletter": "MAILCHIMP_KEY", "flows": "KLAVIYO_KEY", "mailing": "BREVO_KEY"}


def free_port() -> int:
    """A port at which nobody answers."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def rename_somebody(lab: Lab) -> None:
    """Something to send to each destination."""
    for number in (2, 3, 4, 13):
        lab.shop.change(number, name="Renamed")
    lab.stock()
    lab.later(hours=3)


def others(destination: str) -> set[str]:
    return {provider for name, provider in PROVIDERS.items() if name != destination}


@pytest.mark.parametrize("destination", PROVIDERS)
def test_a_dead_destination_is_told_and_the_others_go_on(begun: Lab, destination: str) -> None:
    rename_somebody(begun)
    prefix = begun.sandbox.providers[PROVIDERS[destination]].prefix
    begun.edit(f"{begun.url}{prefix}", f"http://127.0.0.1:{free_port()}{prefix}")
    with begun.calls() as calls:
        said = begun.ciblage("run", json=True)
    assert said.exit_code == 4
    assert set(said.result["pushed"]["unreachable"]) == {destination}
    assert {call.provider for call in writes(calls)} == others(destination)
    text = begun.ciblage("check")
    assert text.exit_code == 4
    assert "✗" in text.out
    assert text.out.count("✓") == 2


def test_an_audience_that_is_not_there_is_a_mistake_in_the_config_and_the_others_go_on(begun: Lab) -> None:
    rename_somebody(begun)
    begun.edit('audience = "Newsletter"', 'audience = "Newsleter"')
    with begun.calls() as calls:
        said = begun.ciblage("run", json=True)
    assert said.exit_code == 2
    assert {call.provider for call in writes(calls)} == others("newsletter")
    line = begun.config.read_text("utf-8").splitlines().index('audience = "Newsleter"') + 1
    assert f"{begun.config}:{line}" in said.result["pushed"]["unreachable"]["newsletter"]
    assert begun.ciblage("check").exit_code == 2


@pytest.mark.parametrize("destination", PROVIDERS)
def test_a_wrong_key_is_told_without_showing_it_and_the_others_go_on(begun: Lab, destination: str) -> None:
    rename_somebody(begun)
    (begun.folder / "secrets" / KEY_OF[destination]).write_text(WRONG[KEY_OF[destination]], "utf-8")
    with begun.calls() as calls:
        said = begun.ciblage("run", json=True)
    assert said.exit_code == 4
    assert set(said.result["pushed"]["unreachable"]) == {destination}
    assert {call.provider for call in writes(calls)} == others(destination)
    checked = begun.ciblage("check", json=True)
    assert checked.exit_code == 4
    wrong = [one for one in checked.result["destinations"] if one["error"]]
    assert [(one["name"], one["is_unauthorized"]) for one in wrong] == [(destination, True)]
    line = begun.config.read_text("utf-8").splitlines().index(f'api_key = "${{{KEY_OF[destination]}}}"') + 1
    assert wrong[0]["error"] == f"the key is refused (401); see api_key at {begun.config}:{line}"
    assert "401" in wrong[0]["words"]
    text = begun.ciblage("check")
    assert "the key is refused (401)" in text.out
    for one in (said, checked, text):
        assert "wrongsecret" not in one.out + one.err


@dataclass
class Sick(Faults):
    """A provider whose writes all fail for a while."""

    name: str
    refused: list[Request] = field(default_factory=list)

    def next(self, provider: str, request: Request) -> Response | None:
        if provider != self.name or request.method in {"GET", "HEAD"}:
            return None
        self.refused.append(request)
        return Response(503, {"content-type": "text/plain"}, b"busy")


def test_a_destination_that_fails_in_the_middle_is_finished_by_the_next_run(begun: Lab) -> None:
    rename_somebody(begun)
    sick = Sick("brevo")
    begun.sandbox.world.faults = sick
    said = begun.ciblage("run", json=True)
    assert said.exit_code == 4
    assert sick.refused
    failed = {one["destination"] for one in said.result["pushed"]["results"] if one["error"]}
    assert failed == {"mailing"}
    assert begun.values("mailchimp", "c02@example.com")["first_name"] == "Renamed"
    begun.sandbox.world.faults = Sick("nobody")
    begun.done("run")
    assert begun.values("brevo", "c02@example.com")["first_name"] == "Renamed"


@pytest.mark.parametrize("destination", PROVIDERS)
def test_a_list_deleted_at_the_provider_is_made_again_only_when_somebody_says_so(begun: Lab, destination: str) -> None:
    provider, segment = PROVIDERS[destination], SEGMENTS[destination][-1]
    begun.tell("POST", "/sandbox/lists/delete", {"provider": provider, "title": TITLES[segment]})
    begun.later(hours=3)
    with begun.calls() as calls:
        said = begun.ciblage("run", json=True)
    assert said.exit_code == 3
    flag = f"--recreate {destination}/{segment}"
    refused = [(one["destination"], one["kind"], one["flag"]) for one in said.result["planned"]["refusals"]]
    assert refused == [(destination, "gone", flag)]
    assert writes(calls) == []
    assert flag in begun.ciblage("run").out
    begun.done("run", *flag.split())
    assert begun.members(provider, TITLES[segment]) == begun.shop.expected(segment) != set()
    with begun.calls() as calls:
        begun.done("run")
    assert writes(calls) == []


def test_who_leaves_has_left_where_somebody_deleted_the_list_of_all_contacts(begun: Lab) -> None:
    title = next(name for name in begun.sandbox.providers["brevo"].lists().values() if name.endswith("contacts"))
    begun.tell("POST", "/sandbox/lists/delete", {"provider": "brevo", "title": title})
    begun.later(hours=3)
    leaver = min(
        email for email, one in begun.there("brevo").items() if one.mailable and email in begun.there("klaviyo")
    )
    begun.unsubscribe("klaviyo", leaver)
    begun.shop.change(61, orders=3, newest=5)
    begun.stock()
    begun.ciblage("run")
    assert not begun.there("brevo")[leaver].mailable
    begun.later(hours=1)
    begun.done("run")
    assert title in begun.sandbox.providers["brevo"].lists().values()
    assert begun.members("brevo", TITLES["tea"]) == begun.shop.expected("tea") - {leaver}
    assert begun.done("rejected")["rows"] == []
    with begun.calls() as calls:
        begun.done("run")
    assert writes(calls) == []


@dataclass
class Rival(Faults):
    """Starts another run of the same client while the first one is under way."""

    lab: Lab
    said: Said | None = None

    def next(self, provider: str, request: Request) -> Response | None:
        if self.said is None:
            process = self.lab.process("run", "--json")
            out, err = process.communicate(timeout=60)
            self.said = Said(process.returncode, out, err)
        return None


def test_a_second_run_at_the_same_time_is_refused_and_told_who_runs(begun: Lab) -> None:
    begun.later(hours=3)
    rival = Rival(begun)
    begun.sandbox.world.faults = rival
    first = begun.ciblage("run", json=True)
    assert rival.said is not None
    assert rival.said.exit_code == 5
    assert rival.said.error["kind"] == "locked"
    assert "another run of maison-lin holds the lock: 'run' (process " in rival.said.error["message"]
    assert first.exit_code == 0, "and the first one goes on"


def test_a_push_that_has_no_time_stops_at_a_safe_point_and_the_next_one_ends_it(begun: Lab) -> None:
    rename_somebody(begun)
    with begun.calls() as calls:
        said = begun.ciblage("run", "--max-minutes", "0", json=True)
    assert said.exit_code == 6
    assert writes(calls) == []
    assert {one["stopped"] for one in said.result["pushed"]["results"]} == {"time"}
    begun.done("run")
    assert begun.values("klaviyo", "c03@example.com")["first_name"] == "Renamed"


def reviewed(lab: Lab) -> list[object]:
    """A plan in a file, approved: the words that push it."""
    rename_somebody(lab)
    file = lab.folder / "plan.parquet"
    checksum = lab.done("plan", "--out", file)["checksum"]
    lab.done("approve", file, "--by", "Lin")
    return ["push", "--plan", file, "--checksum", checksum]


def assert_stale(lab: Lab, words: list[object], says: str, kind: str = "stale_plan") -> None:
    with lab.calls() as calls:
        told(lab, *words, exit_code=3, kind=kind, says=(says,))
    assert writes(calls) == []


def test_a_reviewed_plan_is_refused_when_the_config_has_changed(begun: Lab) -> None:
    words = reviewed(begun)
    begun.edit("count(orders) = 1", "count(orders) = 2")
    assert_stale(begun, words, "the config has changed since this plan was made")


def test_a_reviewed_plan_is_refused_when_the_ledger_has_moved(begun: Lab) -> None:
    words = reviewed(begun)
    begun.shop.change(5, name="Moved")
    begun.stock()
    begun.done("run")
    assert_stale(begun, words, "the ledger has moved since this plan was made")


def test_a_reviewed_plan_is_refused_when_it_is_too_old(begun: Lab) -> None:
    words = reviewed(begun)
    begun.later(hours=30)
    assert_stale(begun, words, "longer ago than --max-age")
    begun.done(*words, "--max-age", "2 days")


def test_a_plan_that_was_tampered_with_is_refused(begun: Lab) -> None:
    words = reviewed(begun)
    file = begun.folder / "plan.parquet"
    table = pq.read_table(file)
    pq.write_table(table.slice(0, table.num_rows - 1), file)
    assert_stale(begun, words, "is not the plan that was reviewed")


def test_another_checksum_is_refused(begun: Lab) -> None:
    *words, checksum = reviewed(begun)
    assert_stale(begun, [*words, str(checksum)[::-1]], "is not the plan that was reviewed")


def test_a_reviewed_plan_is_pushed_as_it_is_and_only_once(begun: Lab) -> None:
    words = reviewed(begun)
    begun.shop.change(5, name="After the review")
    begun.stock()
    begun.done(*words)
    assert begun.values("mailchimp", "c02@example.com")["first_name"] == "Renamed"
    assert begun.values("mailchimp", "c05@example.com")["first_name"] == "Anna", "nothing is added to it"
    with begun.calls() as calls:
        begun.ciblage(*words)
    assert writes(calls) == []


@dataclass
class Exchanged(Faults):
    """Brevo's key opens another account from now on."""

    lab: Lab

    def next(self, provider: str, request: Request) -> Response | None:
        if provider != "brevo" or not request.url.endswith("/account"):
            return None
        about = self.lab.sandbox.providers["brevo"].handle(request, "/account", {}).json()
        return json_response(200, {**about, "organization_id": "feedfacefeedfacefeedface"})


def test_a_key_that_opens_another_account_is_refused_and_the_others_go_on(begun: Lab) -> None:
    rename_somebody(begun)
    begun.sandbox.world.faults = Exchanged(begun)
    with begun.calls() as calls:
        said = begun.ciblage("run", json=True)
    assert said.exit_code == 3
    refusals = said.result["planned"]["refusals"]
    assert [(one["destination"], one["kind"]) for one in refusals] == [("mailing", "account")]
    assert "feedfacefeedfacefeedface" in refusals[0]["message"]
    assert {call.provider for call in writes(calls)} == others("mailing")


def test_sigterm_stops_a_process_at_a_safe_point(begun: Lab) -> None:
    rename_somebody(begun)

    @dataclass
    class Ending(Faults):
        process: subprocess.Popen[str] | None = None
        is_sent: bool = False

        def next(self, provider: str, request: Request) -> Response | None:
            if self.process is not None and not self.is_sent and request.method not in {"GET", "HEAD"}:
                self.process.terminate()
                self.is_sent = True
            return None

    ending = Ending()
    begun.sandbox.world.faults = ending
    with begun.sandbox.lock:
        ending.process = begun.process("run", "--json")
    out, err = ending.process.communicate(timeout=60)
    assert ending.process.returncode == 143, err
    assert json.loads(out)["result"]["pushed"]["is_terminated"] is True
    begun.done("run")
    assert begun.values("brevo", "c02@example.com")["first_name"] == "Renamed"
