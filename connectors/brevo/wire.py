"""Pure functions: our changes as Brevo's JSON; Brevo's processes, contacts and files as our words."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from connectors import types
from connectors.answers import Json, inner, instant, stamp
from connectors.errors import InvalidRequest
from connectors.outcomes import values
from connectors.types import ContactChange, Fitted, Left, Reason, Ref, normal

REFUSED = re.compile("invalid_|duplicate_")  # files of a finished import, and whom they name (`GET /processes/{id}`)
NO_CHANGE = re.compile(r"already (in|removed from) list and/or does not exist", re.IGNORECASE)
NO_LIST = re.compile(r"\blists?\b.*(not exist|not found|invalid|unknown)", re.IGNORECASE)

# What an import says beside its records, by kind of change. `emailBlacklist: false` and `smsBlacklist` are never
# sent: their effect on someone who has left is not documented (2026-11-22).
_SWITCHES: Mapping[type[types.Change], Json] = {
    types.ClearTraits: {"emptyContactsAttributes": True},
    types.Suppress: {"emailBlacklist": True},
}
_SYNTHETIC = "@mailin-sms.com"  # Brevo's made-up address of a contact that has only a phone
_SLOWEST_FAST = 600  # calls: the largest hourly window of the slow family, any plan (api-limits, 2026-08)

moment = partial(stamp, timespec="milliseconds")  # as Brevo's filters take it


def imports(changes: Sequence[ContactChange]) -> Collection[Sequence[ContactChange]]:
    """The changes of one kind, import by import: all of them, or those that empty the same fields.

    With `emptyContactsAttributes`, a blank counts for a column: whether that is each record's own or any record's
    of the same import is not documented (2026-11-22), so records of one such import have the same columns.
    """
    if changes and not isinstance(changes[0], types.ClearTraits):
        return [changes]
    groups: dict[frozenset[Ref], list[ContactChange]] = {}
    for change in changes:
        groups.setdefault(frozenset(values(change)), []).append(change)
    return groups.values()


def import_body(changes: Sequence[ContactChange], list_ref: Ref) -> Json:
    """The body of POST /contacts/import; a list is obligatory there. An address may come twice, as one record."""
    written: dict[str, Mapping[Ref, Fitted]] = {}
    for change in changes:
        email, new = change.profile.email, values(change)
        written[email] = {**written[email], **new} if email in written else new
    return {
        "listIds": [int(list_ref)],
        "updateExistingContacts": True,
        "emptyContactsAttributes": False,
        "disableNotification": True,  # else the account's owner gets a mail an import
        **_SWITCHES.get(type(changes[0]), {}),
        "jsonBody": [
            {"email": email, "attributes": {**held}} if held else {"email": email} for email, held in written.items()
        ],
    }


def refused(name: str) -> Reason:
    """Why the records in a file of refusals were refused, by its name."""
    return Reason.INVALID_ADDRESS if name == "invalid_emails" else Reason.OTHER


def says(error: InvalidRequest, words: re.Pattern[str]) -> bool:
    """Whether a refusal says so."""
    return bool(words.search(str(inner(error.body, "message"))))


def may_be(process: Json, since: datetime) -> bool:
    """An import that began since then, as far as is told (`created_at` may be null)."""
    return process.get("name") == "IMPORTUSER" and (instant(process.get("created_at")) or since) >= since


def succeeded(answer: object) -> set[str]:
    """Whom an add or a remove changed; the description nests the answer, its examples do not (2026-11-22)."""
    about = inner(answer, "contacts") or answer
    return {normal(str(email)) for email in inner(about, "success") or ()}


def named(text: str, among: Collection[str]) -> set[str]:
    """Those addresses that occur in a file; its columns and delimiter are not documented (2026-11-22)."""
    return {cell for row in _cells(text) for cell in map(_bare, row) if cell in among}


def export_rows(text: str) -> list[tuple[str, list[str]]]:
    """The people of an exported file, with their rows: columns and a heading are not documented, addresses show."""
    found = ((next((cell for cell in row if "@" in cell), ""), row) for row in _cells(text))
    return [(email, row) for cell, row in found if is_person(email := _bare(cell))]


def _bare(cell: str) -> str:
    return normal(cell.strip().strip('"'))


def _cells(text: str) -> list[list[str]]:
    lines = text.removeprefix("\ufeff").splitlines()
    delimiter = max(";,\t", key=lines[0].count) if lines else ";"
    return [row for row in csv.reader(lines, delimiter=delimiter) if row]


def address(contact: Json) -> str:
    """A contact's address; empty for one without."""
    return normal(contact.get("email") or "")


def is_person(email: str) -> bool:
    """A real address: contacts with only a phone have none, or one that Brevo made up."""
    return "@" in email and not email.endswith(_SYNTHETIC)


def suppression(contact: Json, ours: Collection[int]) -> types.Suppression | None:
    """Why a contact may not be mailed, if so: on the blocklist, or out of a list of ours by their own wish.

    The blocklist tells neither the reason nor the time: taken as the person's own act, without a time.
    """
    left = contact.get("emailBlacklisted") or not set(contact.get("listUnsubscribed") or ()).isdisjoint(ours)
    if not left or not is_person(email := address(contact)):
        return None
    return types.Suppression(email=email, left=Left.UNSUBSCRIBED, ref=str(contact["id"]))


def is_fast(headers: Mapping[str, str]) -> bool:
    """The answer's own headers say that the call was not counted in the slow family (100 an hour)."""
    limit, reset = headers.get("x-sib-ratelimit-limit", ""), headers.get("x-sib-ratelimit-reset", "")
    return limit.isdecimal() and (int(limit) > _SLOWEST_FAST or reset in {"0", "1"})
