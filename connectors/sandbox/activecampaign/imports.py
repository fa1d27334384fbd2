"""Bulk imports: judged as a whole when they arrive, carried out one by one later."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from connectors.sandbox.activecampaign.account import ACTIVE, LEFT, Import

if TYPE_CHECKING:
    from connectors.sandbox.activecampaign.account import Account, Json, Person

__all__ = ["IMPORT_SECONDS", "is_address", "submit"]

IMPORT_SECONDS = 8.0
MOST, MOST_BYTES = 250, 400_000
_ADDRESS = re.compile(r"[^\s@<>(),;:\"\[\]\\]+@(?:[^\s@.,;]+\.)+[^\s@.,;]{2,}")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?")


def is_address(account: Account, email: str) -> bool:
    """ActiveCampaign accepts the address."""
    is_well_formed = _ADDRESS.fullmatch(email) is not None and ".." not in email
    return is_well_formed and not (account.world.strict_addresses and email.endswith(("@example.com", ".example")))


def submit(account: Account, body: Json, size: int) -> tuple[int, Json]:
    """POST /import/bulk_import: all or nothing; the answer says only that it is queued."""
    rows = body.get("contacts")
    if not isinstance(rows, list) or not rows:
        return 400, {"success": 0, "message": "No contacts were given."}
    if len(rows) > MOST or size > MOST_BYTES:
        return 400, {"success": 0, "message": "The request is too large."}
    first = int(account.switch("failure_index"))
    failures = [(place + first, _failure(account, row)) for place, row in enumerate(rows)]
    reasons = [{"contact": place, "failureReason": words} for place, words in failures if words]
    if reasons:
        return 400, {"success": 0, "message": "Some contacts are invalid.", "failureReasons": reasons}
    job = Import(f"{account.world.random.getrandbits(128):032x}", rows)
    account.imports[job.id] = job
    calm = body.get("exclude_automations") is True and account.switch("exclude_automations") == "payload"
    account.world.later(IMPORT_SECONDS, partial(_carry_out, account, job, is_calm=calm))
    told = {"queued_contacts": len(rows), "batchId": job.id, "message": "Contact import queued"}
    return 200, {"Success": 1, **told}


def _failure(account: Account, row: Json) -> str:
    email = str(row.get("email") or "").strip().lower()
    if not is_address(account, email) or account.world.faults.refuses("activecampaign", "bad-record", email):
        return "Field 'email' incorrect format"
    unknown = [one["id"] for one in row.get("fields") or () if one["id"] not in account.fields]
    if unknown and account.switch("unknown_field") == "refused":
        return f"Field '{unknown[0]}' does not exist"
    return ""


def _carry_out(account: Account, job: Import, *, is_calm: bool) -> None:
    for row in job.contacts:
        email = str(row["email"]).strip().lower()
        if account.world.faults.refuses("activecampaign", "job-fails", email):
            job.failure.append(row["email"])
        elif email in account.excluded:
            job.failure += [row["email"]] if account.switch("excluded") == "failure" else []
        else:
            calm = is_calm or (
                row.get("exclude_automations") is True and account.switch("exclude_automations") == "contact"
            )
            job.success.append(str(_write(account, row, email, is_calm=calm).id))
    job.is_done = True


def _write(account: Account, row: Json, email: str, *, is_calm: bool) -> Person:
    is_new = email not in account.by_email
    person = account.add_person(email)
    before = (dict(person.lists), dict(person.tags))
    for one in row.get("fields") or ():
        write_value(account, person, one["id"], one["value"])
    for name in row.get("tags") or ():
        person.tags.setdefault(int(account.add_tag(name)["id"]), account.number())
    for one in row.get("subscribe") or ():
        _subscribe(account, person, one["listid"])
    for one in row.get("unsubscribe") or ():
        if one["listid"] in account.lists:
            person.lists[one["listid"]] = LEFT
    person.updated = account.world.now()
    account.automations += not is_calm and (is_new or before != (person.lists, person.tags))
    return person


def _subscribe(account: Account, person: Person, number: int) -> None:
    """Never somebody who unsubscribed from that list; the others are as the switch says."""
    status = person.lists.get(number)
    may = status is None or (status != LEFT and account.switch("import_subscribe") == "activate")
    if number in account.lists and may:
        person.lists[number] = ACTIVE


def write_value(account: Account, person: Person, number: int, value: object) -> None:
    """An unknown field, or a date that is none, is ignored; a blank clears."""
    known = account.fields.get(number)
    text = str(value)
    if known is None or (text and known["type"] in {"date", "datetime"} and not _ISO.fullmatch(text)):
        return
    if account.switch("long_text") == "cut":
        text = text.encode()[:255].decode("utf-8", "ignore")
    person.values[number] = text
    if not text:
        del person.values[number]
