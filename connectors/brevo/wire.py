"""Pure functions: our changes as Brevo's JSON; Brevo's processes, contacts and files as our words."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

from connectors.errors import UnexpectedResponse
from connectors.http import mask
from connectors.types import (
    AddContact, Change, ClearTraits, ContactChange, Fitted, Left, Reason, Ref, SetTraits, Suppress, Suppression, normal,
)  # fmt: skip

__all__ = [
    "FILES", "NO_CHANGE", "NO_LIST", "Import", "Json", "export_rows", "import_body", "imports", "instant", "is_done",
    "is_fast", "is_person", "may_be", "moment", "named", "part", "succeeded", "suppression", "totals", "words",
]  # fmt: skip

Json: TypeAlias = dict[str, Any]

# The files of a finished import that name the records it refused (`GET /processes/{id}`, info.import).
FILES: Mapping[str, Reason] = {
    "invalid_emails": Reason.INVALID_ADDRESS,
    "duplicate_contact_id": Reason.OTHER,
    "duplicate_ext_id": Reason.OTHER,
    "duplicate_email_id": Reason.OTHER,
    "duplicate_phone_id": Reason.INVALID_VALUE,
    "duplicate_whatsapp_id": Reason.INVALID_VALUE,
    "duplicate_landline_number_id": Reason.INVALID_VALUE,
}
NO_CHANGE = re.compile(r"already (in|removed from) list and/or does not exist", re.IGNORECASE)
NO_LIST = re.compile(r"\blists?\b.*(not exist|not found|invalid|unknown)", re.IGNORECASE)

# What an import says beside its records, by kind of change. `emailBlacklist: false` and `smsBlacklist` are never
# sent: their effect on someone who has left is not documented (2026-11-22).
_SWITCHES: Mapping[type[Change], Json] = {
    ClearTraits: {"emptyContactsAttributes": True},
    Suppress: {"emailBlacklist": True},
}
_SYNTHETIC = "@mailin-sms.com"  # Brevo's made-up address of a contact that has only a phone
_SLOWEST_FAST = 600  # calls: the largest hourly window of the slow family, any plan (api-limits, 2026-08)


class Import(NamedTuple):
    """What one POST /contacts/import carries: changes by address (one address may have several)."""

    switches: Json
    changes: Mapping[str, Sequence[ContactChange]]


def imports(changes: Iterable[ContactChange]) -> Iterator[Import]:
    """The changes of one kind as imports: one, or one a set of fields when fields are emptied.

    With `emptyContactsAttributes`, a blank counts for a column: whether that is each record's own or any record's
    of the same import is not documented (2026-11-22), so records of one such import have the same columns.
    """
    groups: dict[tuple[type[Change], tuple[Ref, ...]], dict[str, list[ContactChange]]] = {}
    found: dict[str, list[ContactChange]] = {}
    before: tuple[type[Change], tuple[Ref, ...]] | None = None
    for change in changes:
        kind = type(change), tuple(sorted(change.fields)) if isinstance(change, ClearTraits) else ()
        if kind != before:
            found, before = groups.setdefault(kind, {}), kind
        found.setdefault(change.profile.email, []).append(change)
    return (Import(_SWITCHES.get(kind, {}), group) for (kind, _), group in groups.items())


def import_body(part: Import, list_ref: Ref) -> Json:
    """The body of POST /contacts/import; a list is obligatory there."""
    return {
        "listIds": [int(list_ref)],
        "updateExistingContacts": True,
        "emptyContactsAttributes": False,
        "disableNotification": True,  # else the account's owner gets a mail an import
        **part.switches,
        "jsonBody": [_record(email, same) for email, same in part.changes.items()],
    }


def _record(email: str, changes: Sequence[ContactChange]) -> Json:
    attributes: dict[Ref, Fitted] = {}
    for change in changes:
        attributes.update(_attributes(change))
    return {"email": email, "attributes": attributes} if attributes else {"email": email}


def _attributes(change: ContactChange) -> Mapping[Ref, Fitted]:
    if isinstance(change, (AddContact, SetTraits)):
        return change.traits
    return dict.fromkeys(change.fields, "") if isinstance(change, ClearTraits) else {}


def is_done(change: ContactChange, contact: Json | None) -> bool:
    """A contact of the list, as read back, shows that the change took effect."""
    if contact is None or (isinstance(change, Suppress) and contact.get("emailBlacklisted") is not True):
        return False
    held = {name: value for name, value in (contact.get("attributes") or {}).items() if value is not None}
    return all(held.get(name, "") == value for name, value in _attributes(change).items())


def part(answer: object, key: str) -> Any:  # noqa: ANN401 - JSON of any kind, as Response.json
    """What an answer holds under a key. Raises UnexpectedResponse: a shape that is unknown is never "nothing"."""
    if not isinstance(answer, dict) or key not in answer:
        raise UnexpectedResponse(f"brevo: an answer without '{key}'")
    return answer[key]


def may_be(process: Json, since: datetime) -> bool:
    """An import that began since then, as far as is told (`created_at` may be null)."""
    began = process.get("created_at")
    return process.get("name") == "IMPORTUSER" and (not began or instant(began) >= since)


def succeeded(answer: Json | None) -> set[str]:
    """Whom an add or a remove changed; the description nests the answer, its examples do not (2026-11-22)."""
    about = (answer or {}).get("contacts") or answer or {}
    return {normal(str(email)) for email in about.get("success") or ()}


def words(body: object) -> str:
    """What a refusal says, without addresses."""
    return mask(str((body.get("message") if isinstance(body, dict) else body) or ""))[:200]


def totals(campaign: Json) -> Json:
    """The figures of a campaign, where it tells any."""
    return (campaign.get("statistics") or {}).get("globalStats") or {}


def named(text: str, among: Collection[str]) -> set[str]:
    """Those addresses that occur in a file; its columns and delimiter are not documented (2026-11-22)."""
    return {cell for row in _cells(text) for cell in map(_address, row) if cell in among}


def export_rows(text: str) -> list[tuple[str, list[str]]]:
    """The people of an exported file, with their rows: columns and a heading are not documented, addresses show."""
    found = ((next((cell for cell in row if "@" in cell), ""), row) for row in _cells(text))
    return [(email, row) for cell, row in found if is_person(email := _address(cell))]


def _address(cell: str) -> str:
    return normal(cell.strip().strip('"'))


def _cells(text: str) -> list[list[str]]:
    lines = text.removeprefix("\ufeff").splitlines()
    delimiter = max(";,\t", key=lines[0].count) if lines else ";"
    return [row for row in csv.reader(lines, delimiter=delimiter) if row]


def suppression(contact: Json, ours: Collection[int]) -> Suppression | None:
    """Why a contact may not be mailed, if so: on the blocklist, or out of a list of ours by their own wish.

    The blocklist tells neither the reason nor the time: taken as the person's own act, without a time.
    """
    left = contact.get("emailBlacklisted") or not set(contact.get("listUnsubscribed") or ()).isdisjoint(ours)
    if not left or not is_person(email := normal(contact.get("email") or "")):
        return None
    return Suppression(email=email, left=Left.UNSUBSCRIBED, ref=str(contact["id"]))


def is_person(email: str) -> bool:
    """A real address: contacts with only a phone have none, or one that Brevo made up."""
    return "@" in email and not email.endswith(_SYNTHETIC)


def is_fast(headers: Mapping[str, str]) -> bool:
    """The answer's own headers say that the call was not counted in the slow family (100 an hour)."""
    limit, reset = headers.get("x-sib-ratelimit-limit", ""), headers.get("x-sib-ratelimit-reset", "")
    return limit.isdecimal() and (int(limit) > _SLOWEST_FAST or reset in {"0", "1"})


def instant(text: str) -> datetime:
    """Brevo's date-times, with any offset, as UTC. Raises UnexpectedResponse."""
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise UnexpectedResponse(f"not a date-time: {text!r}") from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def moment(at: datetime) -> str:
    """An instant as Brevo's filters take it."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
