"""What an import does to an account: record by record, silently where Brevo is silent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.sandbox.brevo.account import Account, Json, Person, Process

__all__ = ["is_address", "run_import", "write_attribute"]

_ADDRESS = re.compile(r"[^\s@<>(),;:\"\[\]\\]+@(?:[^\s@.,;]+\.)+[^\s@.,;]{2,}")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_DMY = re.compile(r"(\d{2})[/-](\d{2})[/-](\d{4})")


@dataclass(slots=True)
class _Refused:
    invalid_emails: list[str] = field(default_factory=list)
    duplicate_phone_id: list[str] = field(default_factory=list)


def is_address(account: Account, email: str) -> bool:
    """Brevo accepts the address."""
    local = email.partition("@")[0]
    is_well_formed = _ADDRESS.fullmatch(email) is not None and ".." not in email and not local.endswith(".")
    return is_well_formed and not (account.world.strict_addresses and email.endswith(("@example.com", ".example")))


def run_import(account: Account, body: Json, process: Process) -> None:
    """Carry an accepted import out; what it refused is told in files, what it ignored is not told at all."""
    refused = _Refused()
    lists = {number for number in body.get("listIds") or () if number in account.lists}
    columns = {name for row in body["jsonBody"] for name in row.get("attributes") or ()}
    for row in body["jsonBody"]:
        email = str(row.get("email") or "").strip().lower()
        is_refused = any(account.world.faults.refuses("brevo", fault, email) for fault in ("bad-record", "job-fails"))
        if is_refused or not is_address(account, email):
            refused.invalid_emails.append(str(row.get("email") or ""))
            continue
        attributes = dict(row.get("attributes") or {})
        if account.switch("empty_scope") == "import":
            attributes = dict.fromkeys(columns, "") | attributes
        if _is_taken(account, email, attributes.get("SMS")):
            refused.duplicate_phone_id.append(email)
            continue
        _import_one(account, body, email, attributes, lists)
    account.changed()
    process.info = {"import": _info(account, refused)}


def _import_one(account: Account, body: Json, email: str, attributes: Json, lists: set[int]) -> None:
    person = account.people.get(email)
    is_new = person is None
    person = person or account.add_person(email)
    if is_new or body.get("updateExistingContacts", True):
        for name, value in attributes.items():
            _import_attribute(account, person, name, value, erase=bool(body.get("emptyContactsAttributes")))
        _block(account, person, body)
        person.modified = account.world.now()
    if is_new or body.get("updateExistingContacts", True) or account.switch("existing_join") == "yes":
        person.lists |= lists


def _block(account: Account, person: Person, body: Json) -> None:
    if body.get("emailBlacklist"):
        person.label = person.label if person.blacklisted else "unsubscribed"
        person.blacklisted = True
    elif body.get("emailBlacklist") is False and account.switch("false_blacklist") == "resubscribe":
        person.blacklisted, person.label = False, "subscribed"


def _is_taken(account: Account, email: str, phone: object) -> bool:
    if not phone:
        return False
    return any(other.attributes.get("SMS") == phone and other.email != email for other in account.people.values())


def _import_attribute(account: Account, person: Person, name: str, value: object, *, erase: bool) -> None:
    if name == "EMAIL" or value is False:  # the boolean trap: an import does not write `false`
        return
    if value is None or value == "":
        if erase:
            person.attributes.pop(name, None)
        return
    write_attribute(account, person, name, value)


def write_attribute(account: Account, person: Person, name: str, value: object) -> None:
    """Unknown attributes are dropped and values of another type ignored, both silently."""
    known = account.attributes.get(name)
    if known is None or known.category not in {"normal", "category"}:
        return
    written = _typed(account, known.type, value)
    if written is not None:
        person.attributes[name] = written


def _typed(account: Account, kind: str | None, value: object) -> object:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match kind:
        case "text" if isinstance(value, str) or is_number:
            return value if isinstance(value, str) else str(value)
        case "float" if is_number:
            return value
        case "boolean" if isinstance(value, bool):
            return value
        case "date" if isinstance(value, str):
            return _day(account, value)
        case None if is_number:
            return value
    return None


def _day(account: Account, text: str) -> str | None:
    """ISO in, ISO shown; an account with another date setting shows its own (both forms are taken)."""
    if found := _DMY.fullmatch(text):
        text = "-".join(reversed(found.groups()))
    if not _ISO.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day.isoformat() if account.switch("date_format") == "iso" else day.strftime("%d/%m/%Y")


def _info(account: Account, refused: _Refused) -> Json:
    names = ("contact_id", "ext_id", "email_id", "phone_id", "whatsapp_id", "landline_number_id")
    found: Json = {"invalid_emails": None} | {f"duplicate_{name}": None for name in names}
    told = {"invalid_emails": refused.invalid_emails, "duplicate_phone_id": refused.duplicate_phone_id}
    for name, rows in told.items():
        if rows:
            found[name] = account.keep_file(rows) if account.switch("process_info") == "url" else len(rows)
    return found
