"""The emulated writes: lists, memberships and the asynchronous jobs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from connectors.sandbox.klaviyo import reads
from connectors.sandbox.klaviyo.shapes import Refused, answer, invalid, missing, problem
from connectors.sandbox.klaviyo.state import Account, Job, Mailing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.http import Response
    from connectors.sandbox.klaviyo.provider import Call

_ADDRESS = re.compile(r"[^@\s\"(),:;<>\[\]]+@[^@\s.]+(\.[^@\s.]+)+")
_PROFILES = "/data/attributes/profiles/data"
_STANDARD = {"first_name", "last_name", "organization", "locale", "title", "image", "location", "phone_number"}
_ATTRIBUTES = _STANDARD | {"email", "external_id", "_kx", "properties"}
_MOST_PROFILES, _MOST_BYTES, _MOST_PROFILE_BYTES = 10_000, 5_000_000, 100_000
_MOST_MEMBERS, _MOST_SUPPRESSED, _MOST_SUBSCRIBED = 1_000, 100, 1_000


def create_list(call: Call) -> Response:
    """A list, by name."""
    named = call.document()["data"].get("attributes") or {}
    name = named.get("name")
    opt_in = named.get("opt_in_process") or "single_opt_in"
    if not isinstance(name, str) or not name.strip():
        raise invalid("'name' is a required field.", pointer="/data/attributes/name")
    if set(named) - {"name", "opt_in_process"} or opt_in not in {"single_opt_in", "double_opt_in"}:
        raise invalid("Not a valid field of a list.", pointer="/data/attributes")
    taken = any(mailing.name == name for mailing in call.account.lists.values())
    if taken and call.options["names_unique"] == "yes":
        raise Refused(409, problem(409, "duplicate", "A list of this name exists.", pointer="/data/attributes/name"))
    made = Mailing(call.account.short(), name, opt_in, call.account.world.now())
    call.account.lists[made.id] = made
    return answer(201, {"data": reads.list_resource(call, made)})


def attach(call: Call) -> Response:
    """Put profiles on a list, by id: all or none."""
    mailing, refs = _membership(call)
    for ref in refs:
        call.account.join(mailing, ref)
    return answer(204)


def detach(call: Call) -> Response:
    """Take profiles off a list, by id: all or none; their consent stays."""
    mailing, refs = _membership(call)
    absent = [ref for ref in refs if ref not in mailing.joined]
    if absent and call.options["absent_member"] != "204":
        raise _bad_ids(absent)
    for ref in refs:
        call.account.leave(mailing, ref)
    return answer(204)


def _membership(call: Call) -> tuple[Mailing, list[str]]:
    mailing = call.account.lists.get(call.place[0])
    if mailing is None:
        raise missing("list", call.place[0])
    data = call.document()["data"]
    if not isinstance(data, list) or any(set(item) != {"type", "id"} or item["type"] != "profile" for item in data):
        raise invalid("'data' must be an array of profile identifiers.")
    if len(data) > _MOST_MEMBERS:
        raise invalid(f"A maximum of {_MOST_MEMBERS} profiles is allowed.")
    refs = [item["id"] for item in data]
    faults = call.account.world.faults
    unknown = [r for r in refs if r not in call.account.people or faults.refuses("klaviyo", "bad-record", r)]
    if unknown:
        raise _bad_ids(unknown)
    return mailing, refs


def _bad_ids(refs: list[str]) -> Refused:
    return invalid(f"Invalid profile IDs: {', '.join(refs)}", pointer="/data/")


def import_profiles(call: Call) -> Response:
    """Queue an import: one malformed address refuses it whole; nothing of it can change a consent."""
    if len(call.request.body) > _MOST_BYTES:
        raise Refused(413, problem(413, "payload_too_large", "The payload is larger than 5MB."))
    data = job_data(call, "profile-bulk-import-job")
    records = _records(data, _MOST_PROFILES)
    lists = [item["id"] for item in ((data.get("relationships") or {}).get("lists") or {}).get("data") or ()]
    unknown = [ref for ref in lists if ref not in call.account.lists]
    if unknown:
        if call.options["unknown_list"] == "404":
            raise missing("list", unknown[0])
        raise invalid(f"List {unknown[0]} does not exist.", pointer="/data/relationships/lists/data/0/id")
    found = list(_record_problems(records, call.options))
    found += _refused_records(call, records)
    if found:
        raise Refused(400, *found)
    job = queue(call, "profile-bulk-import-job", records)
    job.lists = lists
    seconds = float(call.options["import_seconds"]) + len(records) / 1000
    world = call.account.world
    world.later(min(1.0, seconds), lambda: _start(call.account, job))
    world.later(seconds, lambda: _finish_import(call, job))
    return answer(202, {"data": reads.job_resource(call, job)})


def job_data(call: Call, kind: str) -> dict[str, Any]:
    """The job that a body asks for. Raises Refused."""
    data: dict[str, Any] = call.document()["data"]
    if data.get("type") != kind or not isinstance(data.get("attributes"), dict):
        raise invalid(f"'type' must be '{kind}', with attributes.", pointer="/data/type")
    return data


def _records(data: dict[str, Any], most: int) -> list[dict[str, Any]]:
    records = (data["attributes"].get("profiles") or {}).get("data")
    if not isinstance(records, list) or not records:
        raise invalid("'profiles' is a required field.", pointer=_PROFILES)
    if len(records) > most:
        raise invalid(f"A maximum of {most} profiles is allowed.", pointer=_PROFILES)
    return records


def _record_problems(records: list[dict[str, Any]], options: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    is_strict, most = options["address_check"] == "sync", int(options["properties_max"])
    for index, record in enumerate(records):
        inner = record.get("attributes")
        place = f"{_PROFILES}/{index}"
        if record.get("type") != "profile" or not isinstance(inner, dict):
            yield problem(400, "invalid", "'type' must be 'profile', with attributes.", pointer=place)
            continue
        unknown = sorted(set(inner) - _ATTRIBUTES) + sorted(set(record) - {"type", "id", "attributes", "meta"})
        if unknown:
            told = f"'{unknown[0]}' is not a valid field for the resource 'profile'."
            yield problem(400, "invalid", told, pointer=f"{place}/attributes/{unknown[0]}")
        if not isinstance(inner.get("properties"), dict | None):
            yield problem(400, "invalid", "'properties' must be an object.", pointer=f"{place}/attributes/properties")
        if most and len(inner.get("properties") or ()) > most:
            told = f"A profile may not have more than {most} properties."
            yield problem(400, "invalid", told, pointer=f"{place}/attributes/properties")
        if is_strict and not _ADDRESS.fullmatch(str(inner.get("email") or "")):
            yield problem(400, "invalid", "Invalid email address", pointer=f"{place}/attributes/email")
        if len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()) > _MOST_PROFILE_BYTES:
            yield problem(400, "invalid", "A profile may not be larger than 100KB.", pointer=place)


def _refused_records(call: Call, records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those that are refused on demand."""
    for index, record in enumerate(records):
        email = str((record.get("attributes") or {}).get("email") or "")
        if call.account.world.faults.refuses("klaviyo", "bad-record", email):
            yield problem(400, "invalid", "Invalid email address", pointer=f"{_PROFILES}/{index}/attributes/email")


def queue(call: Call, kind: str, records: list[dict[str, Any]]) -> Job:
    """A new job, waiting."""
    job = Job(call.account.ulid(), kind, call.account.world.now(), records)
    call.account.jobs[job.id] = job
    return job


def _start(account: Account, job: Job) -> None:
    job.status, job.started = "processing", account.world.now()


def _finish_import(call: Call, job: Job) -> None:
    account, marker = call.account, call.options["async_errors"]
    seen: set[str] = set()
    for record in job.records:
        inner = record["attributes"]
        email = str(inner.get("email") or "")
        is_refused = account.world.faults.refuses("klaviyo", "job-fails", email)
        if is_refused or not _ADDRESS.fullmatch(email) or (marker and marker in email):
            job.errors.append(_import_error(call, record, len(job.errors)))
            continue
        is_late = email.lower() in seen and call.options["duplicates"] == "first"
        seen.add(email.lower())
        if not is_late:
            _merge(account, record)
        person = account.upsert(email)
        for ref in job.lists:
            if ref in account.lists:
                account.join(account.lists[ref], person.id)
    job.done = len(job.records) - len(job.errors)
    job.status, job.completed = "complete", account.world.now()
    job.records = []


def _merge(account: Account, record: dict[str, Any]) -> None:
    """Named fields change, null clears, missing ones stay."""
    inner = record["attributes"]
    person = account.upsert(inner["email"])
    person.updated = account.world.now()
    for name in _STANDARD & inner.keys():
        person.standard[name] = inner[name]
    for name, value in (inner.get("properties") or {}).items():
        if value is None:
            person.properties.pop(name, None)
        else:
            person.properties[name] = value
    unset = ((record.get("meta") or {}).get("patch_properties") or {}).get("unset") or ()
    for name in [unset] if isinstance(unset, str) else unset:
        person.properties.pop(name, None)


def _import_error(call: Call, record: dict[str, Any], index: int) -> dict[str, Any]:
    payload = {"flat": record["attributes"], "nested": record, "none": None}[call.options["payload"]]
    told = {
        "code": "invalid",
        "title": "Invalid input.",
        "detail": "The payload provided in the request is invalid.",
        "source": {"pointer": "/data/attributes/email"},
        "original_payload": payload,
    }
    return {"type": "import-error", "id": str(index), "attributes": told}


def suppress(call: Call) -> Response:
    """Queue a suppression by address; an unknown address becomes a profile that is suppressed at once."""
    data = job_data(call, "profile-suppression-bulk-create-job")
    records = _records(data, _MOST_SUPPRESSED)
    _check_addresses(records)
    job = queue(call, "profile-suppression-bulk-create-job", records)
    call.account.world.later(2, lambda: _finish_suppression(call.account, job))
    return answer(202, {"data": reads.job_resource(call, job)})


def _check_addresses(records: list[dict[str, Any]]) -> None:
    emails = [str((record.get("attributes") or {}).get("email") or "") for record in records]
    places = [index for index, email in enumerate(emails) if not _ADDRESS.fullmatch(email)]
    if places:
        pointers = (f"{_PROFILES}/{index}/attributes/email" for index in places)
        raise Refused(400, *(problem(400, "invalid", "Invalid email address", pointer=place) for place in pointers))


def _finish_suppression(account: Account, job: Job) -> None:
    for record in job.records:
        person = account.upsert(record["attributes"]["email"])
        job.skipped += bool(person.suppression)
        account.suppress(person, "USER_SUPPRESSED")
    job.done = len(job.records) - job.skipped
    job.started = job.completed = account.world.now()
    job.status = "complete"


def subscribe(call: Call) -> Response:
    """Raise consents and lift suppressions, two seconds later, without a job to poll."""
    records = _records(job_data(call, "profile-subscription-bulk-create-job"), _MOST_SUBSCRIBED)
    _check_addresses(records)
    call.account.world.later(2, lambda: _subscribe(call.account, records))
    return answer(202)


def _subscribe(account: Account, records: list[dict[str, Any]]) -> None:
    for record in records:
        account.subscribe(account.upsert(_email(record)))


def unsubscribe(call: Call) -> Response:
    """Unsubscribe addresses for the whole account, two seconds later, without a job to poll."""
    records = _records(job_data(call, "profile-subscription-bulk-delete-job"), _MOST_SUPPRESSED)
    _check_addresses(records)
    call.account.world.later(2, lambda: _unsubscribe(call.account, records))
    return answer(202)


def _unsubscribe(account: Account, records: list[dict[str, Any]]) -> None:
    for record in records:
        account.suppress(account.upsert(_email(record)), "UNSUBSCRIBE")


def _email(record: dict[str, Any]) -> str:
    return str(record["attributes"]["email"])


def erase(call: Call) -> Response:
    """Delete every profile of one identifier, later and without a job to poll; nobody is told that there was none."""
    profile = (job_data(call, "data-privacy-deletion-job")["attributes"].get("profile") or {}).get("data") or {}
    inner = profile.get("attributes")
    if profile.get("type") != "profile" or not isinstance(inner, dict):
        raise invalid("'profile' is a required field.", pointer="/data/attributes/profile")
    named = [name for name in (profile.get("id"), inner.get("email"), inner.get("phone_number")) if name]
    if len(named) != 1:
        raise invalid("Exactly one identifier is allowed.", pointer="/data/attributes/profile/data")
    call.account.world.later(float(call.options["erase_seconds"]), lambda: _erase(call.account, named[0]))
    return answer(202)


def _erase(account: Account, name: str) -> None:
    person = account.people.get(name) or account.person(name)
    if person is not None:
        account.forget(person)
