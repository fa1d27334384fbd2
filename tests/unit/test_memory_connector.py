"""What the reference connector does beyond the laws: its store, its values, its limits."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from connectors import errors, registry
from connectors.base import Connector, PullsEngagement, ReadsMembers, ReadsSuppressions, ReadsTraits, RunsJobs
from connectors.http import Request, Response, SystemClock
from connectors.memory.dictionary import MAX_BYTES, MAX_RECORDS, Dictionary
from connectors.memory.wire import fit
from connectors.types import (
    AddContact,
    AddMember,
    Batch,
    Change,
    Consent,
    EventKind,
    Profile,
    Reason,
    SetTraits,
    State,
    Target,
    TargetKind,
    ValueKind,
)

CONTACTS = Target(kind=TargetKind.CONTACTS, name="contacts", title="contacts")
VIP = Target(kind=TargetKind.SEGMENT, name="vip", title="VIP")
CITY = Target(kind=TargetKind.FIELD, name="city", title="city", value=ValueKind.TEXT)


class Nobody:
    """A network that must not be met."""

    def handle(self, request: Request) -> Response:
        raise AssertionError(f"memory needs no network: {request}")


def account(store: object, **more: object) -> Connector:
    return registry.build("memory", {"store": store, **more}, handler=Nobody(), clock=SystemClock())


def ada(value: str = "Lyon") -> list[Change]:
    profile = Profile("ada@example.com")
    return [AddContact(id="1", profile=profile, status=Consent.SUBSCRIBED, traits={"city": value})]


def arrive(connector: Connector, changes: list[Change]) -> None:
    assert isinstance(connector, RunsJobs)
    [outcome] = connector.push(Batch(CONTACTS, "contacts", changes))
    from connectors.types import Job

    job = Job(ref=outcome.job or "", batch=Batch(CONTACTS, "contacts", changes), started_at=datetime.now(UTC))
    assert list(connector.poll([job])) == []
    [done] = connector.poll([job])
    assert done.state is State.APPLIED


def test_a_file_keeps_the_account_between_runs(tmp_path: Path) -> None:
    store = str(tmp_path / "account.json")
    first = account(store)
    refs = first.create([VIP, CITY])
    arrive(first, ada())
    list(first.push(Batch(VIP, refs[VIP], [AddMember(id="2", profile=Profile("ada@example.com"))])))
    second = account(store)
    assert isinstance(second, ReadsMembers)
    assert isinstance(second, ReadsTraits)
    assert second.find([VIP, CITY]) == refs
    assert second.count(VIP, refs[VIP]) == 1
    [page] = second.members(VIP, refs[VIP])
    assert [(profile.email, page.last) for profile in page.items] == [("ada@example.com", True)]
    assert second.traits([Profile("ada@example.com"), Profile("bob@example.com")]) == {
        "ada@example.com": {"city": "Lyon"}
    }
    assert json.loads(Path(store).read_text("utf-8"))["contacts"]["ada@example.com"]["status"] == "subscribed"


def test_the_account_is_known_and_a_wrong_key_refused() -> None:
    assert account({}).check().id == "memory"
    wrong = account(Dictionary({}, "right"), api_key="wrong")
    with pytest.raises(errors.Unauthorized):
        wrong.check()


def test_the_key_is_not_shown() -> None:
    settings = registry.load("memory").spec.settings(store={}, api_key="hush-hush")
    assert "hush" not in repr(settings)


def test_an_erased_contact_is_never_imported_again() -> None:
    store = {"contacts": {"ada@example.com": {"ref": "1", "status": "erased", "fields": {}, "lists": []}}}
    connector = account(store)
    connector.create([CITY])
    changes = ada()
    [pending] = connector.push(Batch(CONTACTS, "contacts", changes))
    assert isinstance(connector, RunsJobs)
    from connectors.types import Job

    job = Job(ref=pending.job or "", batch=Batch(CONTACTS, "contacts", changes), started_at=datetime.now(UTC))
    assert [*connector.poll([job]), *connector.poll([job])][0].reason is Reason.ERASED


def test_an_unknown_field_is_told() -> None:
    store = {"contacts": {"ada@example.com": {"ref": "1", "status": "subscribed", "fields": {}, "lists": []}}}
    change = SetTraits(id="1", profile=Profile("ada@example.com"), traits={"nope": "x"})
    [outcome] = account(store).push(Batch(CONTACTS, "contacts", [change]))
    assert (outcome.state, outcome.reason) == (State.REJECTED, Reason.UNKNOWN_FIELD)
    assert "nope" in (outcome.words or "")


def test_the_provider_refuses_what_is_too_much() -> None:
    provider = Dictionary({}, "key")
    headers = {"authorization": "Bearer key"}
    many = json.dumps({"records": [{"email": "x"}] * (MAX_RECORDS + 1)}).encode()
    assert provider.handle(Request("POST", "https://x/contacts", headers, many)).status == 400
    assert provider.handle(Request("POST", "https://x/contacts", headers, b" " * (MAX_BYTES + 1))).status == 413
    assert provider.handle(Request("PUT", "https://x/else", headers, b"{}")).status == 404
    assert provider.handle(Request("GET", "https://x/else", headers)).status == 404


def test_a_job_and_a_list_that_nobody_knows_are_told() -> None:
    provider = Dictionary({}, "key")
    headers = {"authorization": "Bearer key"}
    assert provider.handle(Request("GET", "https://x/jobs/job-9", headers)).json()["state"] == "unknown"
    assert provider.handle(Request("POST", "https://x/members/lists-9", headers, b'{"records": []}')).status == 404


def test_a_change_without_a_result_is_a_broken_contract() -> None:
    class Mute(Dictionary):
        def handle(self, request: Request) -> Response:
            return Response(200, {}, b'{"results": []}')

    connector = account(Mute({}, "memory"))
    change = AddMember(id="1", profile=Profile("ada@example.com"))
    with pytest.raises(errors.UnexpectedResponse):
        list(connector.push(Batch(VIP, "lists-1", [change])))


def test_other_settings_are_refused() -> None:
    class Strange:
        base_url = ""

        def headers(self) -> dict[str, str]:
            return {}

    from connectors.http import Http

    with pytest.raises(errors.SettingsError):
        registry.load("memory")(Strange(), Http("", {}, handler=Nobody(), clock=SystemClock()))


def test_an_unknown_event_is_other_and_keeps_its_row() -> None:
    row = {"type": "forwarded", "email": "ada@example.com", "at": "2018-01-01T09:00:00+00:00"}
    connector = account({"events": {"e1": row}})
    assert isinstance(connector, PullsEngagement)
    [page] = connector.pull(None, datetime.now(UTC))
    [event] = page.items
    assert (event.id, event.kind, json.loads(event.raw)["type"]) == ("memory:e1", EventKind.OTHER, "forwarded")


def test_suppressions_say_why() -> None:
    people = {
        f"{status}@x.fr": {"ref": status, "status": status, "fields": {}, "lists": []}
        for status in ("subscribed", "never", "complained", "cleaned", "erased")
    }
    connector = account({"contacts": people})
    assert isinstance(connector, ReadsSuppressions)
    found = {
        item.email: item.left.value for page in connector.suppressions(None, datetime.now(UTC)) for item in page.items
    }
    assert found == {"complained@x.fr": "complaint", "cleaned@x.fr": "bounced", "erased@x.fr": "other"}


@pytest.mark.parametrize(
    ("kind", "value", "fitted"),
    [
        (ValueKind.TEXT, "Zoë", "Zoë"),
        (ValueKind.TEXT, "é" * 128, Reason.TOO_LONG),
        (ValueKind.URL, "https://x.fr/a", "https://x.fr/a"),
        (ValueKind.NUMBER, Decimal("12.50"), 12.5),
        (ValueKind.NUMBER, Decimal(12), 12),
        (ValueKind.NUMBER, 7, 7),
        (ValueKind.NUMBER, float("nan"), Reason.INVALID_VALUE),
        (ValueKind.NUMBER, True, Reason.INVALID_VALUE),
        (ValueKind.NUMBER, "7", Reason.INVALID_VALUE),
        (ValueKind.BOOLEAN, True, True),
        (ValueKind.BOOLEAN, "yes", Reason.INVALID_VALUE),
        (ValueKind.DATE, date(2018, 2, 28), "2018-02-28"),
        (ValueKind.DATE, datetime(2018, 2, 28, 23, tzinfo=UTC), "2018-02-28"),
        (ValueKind.DATE, "2018", Reason.INVALID_VALUE),
        (ValueKind.INSTANT, datetime(2018, 2, 28, 23, tzinfo=UTC), "2018-02-28T23:00:00Z"),
        (ValueKind.INSTANT, datetime(2018, 2, 28, 23), Reason.INVALID_VALUE),  # noqa: DTZ001 - the fault to find
    ],
)
def test_values_are_fitted_or_refused(kind: ValueKind, value: object, fitted: object) -> None:
    assert fit(kind, value) == fitted
    assert type(fit(kind, value)) is type(fitted)
