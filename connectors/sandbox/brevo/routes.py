"""The endpoints: one function each, (account, what the path names, query, body) → status and body."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

from connectors.sandbox.brevo import coupons, imports, mailing
from connectors.sandbox.brevo.account import Attribute, Mailbox, Person, Process, stamp
from connectors.sandbox.brevo.call import Answer, Refusal, moment, number, page, required

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.sandbox.brevo.account import Account, Json

__all__ = ["IMPORT_SECONDS", "ROUTES"]

OWNER = "owner@example.com"
IMPORT_SECONDS = 25.0  # for two contacts (pass-culture's measure); an export is as quick
_TYPES: Mapping[str, frozenset[str | None]] = {
    "normal": frozenset({"text", "date", "float", "boolean", "multiple-choice", "user"}),
    "transactional": frozenset({"text", "date", "float", "boolean", "id"}),
    "category": frozenset({"category"}),
    "calculated": frozenset({None}),
    "global": frozenset({None}),
}
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,49}")


def account(at: Account, _path: tuple[str, ...], _query: Mapping[str, str], _body: Json) -> Answer:
    """GET /account."""
    _ = at
    return 200, {
        "organization_id": "5fa2b1c0d9e8f70001234567",
        "user_id": 1234567,
        "enterprise": False,
        "companyName": "Sandbox shop",
        "email": OWNER,
        "firstName": "Ada",
        "lastName": "Martin",
        "address": {"street": "1 rue du Bac", "city": "Paris", "zipCode": "75007", "country": "France"},
        "dateTimePreferences": {"timezone": "Europe/Paris", "timeFormat": "24", "dateFormat": "d/m/Y"},
        "plan": [{"type": "free", "credits": 250, "creditsType": "sendLimit"}],
        "planVerticals": [],
        "marketingAutomation": {"enabled": False},
        "relay": {
            "enabled": True,
            "data": {"port": 587, "relay": "smtp-relay.example.com", "userName": "o@example.com"},
        },
    }


def folders(at: Account, _path: tuple[str, ...], query: Mapping[str, str], _body: Json) -> Answer:
    """GET /contacts/folders."""
    totals = {"totalBlacklisted": 0, "totalSubscribers": 0, "uniqueSubscribers": 0}
    rows = [{"id": number, "name": name} | totals for number, name in at.folders.items()]
    return 200, {"count": len(rows), "folders": page(rows, query, default=10, most=50, newest_first=True)}


def create_folder(at: Account, _path: tuple[str, ...], _query: Mapping[str, str], body: Json) -> Answer:
    """POST /contacts/folders."""
    required(body, "name")
    number = at.number("folder")
    at.folders[number] = str(body["name"])
    return 201, {"id": number}


def _list_json(at: Account, mailbox: Mailbox) -> Json:
    members = at.members(mailbox.id)
    mailable = sum(not person.blacklisted for person in members)
    shown = len(members) if at.switch("unique_subscribers") == "all" else mailable
    return {
        "id": mailbox.id,
        "name": mailbox.name,
        "folderId": mailbox.folder,
        "uniqueSubscribers": shown,
        "totalSubscribers": 0,  # retired, as totalBlacklisted
        "totalBlacklisted": 0,
    }


def lists(at: Account, path: tuple[str, ...], query: Mapping[str, str], _body: Json) -> Answer:
    """GET /contacts/lists and GET /contacts/folders/{id}/lists."""
    if path and int(path[0]) not in at.folders:
        raise Refusal(404, "document_not_found", "Folder ID does not exist")
    found = [mailbox for mailbox in at.lists.values() if not path or mailbox.folder == int(path[0])]
    part = page(found, query, default=10, most=50, newest_first=True)
    rows = [_list_json(at, mailbox) for mailbox in part]
    if path:  # a folder's lists do not name it again
        rows = [{name: value for name, value in row.items() if name != "folderId"} for row in rows]
    return 200, {"count": len(found), "lists": rows}


def create_list(at: Account, _path: tuple[str, ...], _query: Mapping[str, str], body: Json) -> Answer:
    """POST /contacts/lists: names need not be unique."""
    required(body, "name", "folderId")
    if body["folderId"] not in at.folders:
        raise Refusal(400, "invalid_parameter", "Folder ID does not exist")
    mailbox = Mailbox(at.number("list"), str(body["name"]), body["folderId"], at.world.now())
    at.lists[mailbox.id] = mailbox
    return 201, {"id": mailbox.id}


def _mailbox(at: Account, number: str) -> Mailbox:
    if int(number) not in at.lists:
        raise Refusal(404, "document_not_found", "List ID does not exist")
    return at.lists[int(number)]


def one_list(at: Account, path: tuple[str, ...], _query: Mapping[str, str], _body: Json) -> Answer:
    """GET /contacts/lists/{id}."""
    mailbox = _mailbox(at, path[0])
    more = {"dynamicList": False, "createdAt": stamp(mailbox.created), "campaignStats": []}
    return 200, _list_json(at, mailbox) | more


def delete_list(at: Account, path: tuple[str, ...], _query: Mapping[str, str], _body: Json) -> Answer:
    """DELETE /contacts/lists/{id}: its contacts stay."""
    mailbox = _mailbox(at, path[0])
    del at.lists[mailbox.id]
    for person in at.people.values():
        person.lists.discard(mailbox.id)
    at.changed()
    return 204, None


def _contact_json(person: Person) -> Json:
    left = {"listUnsubscribed": sorted(person.unlisted)} if person.unlisted else {}
    return left | {
        "id": person.id,
        "email": person.email,
        "emailBlacklisted": person.blacklisted,
        "smsBlacklisted": person.sms_blacklisted,
        "createdAt": stamp(person.created),
        "modifiedAt": stamp(person.modified),
        "listIds": sorted(person.lists),
        "attributes": dict(person.attributes),
    }


def contacts(at: Account, path: tuple[str, ...], query: Mapping[str, str], _body: Json) -> Answer:
    """GET /contacts and GET /contacts/lists/{id}/contacts: pages of 1,000 and 500 at most."""
    ref = _mailbox(at, path[0]).id if path else number(query, "listIds", 0)
    found = at.members(ref) if ref else at.view("all", lambda _person: True)
    if "modifiedSince" in query:
        since = moment(query["modifiedSince"], "modifiedSince")
        key = ("since", ref, since)
        found = at.view(key, lambda one: one.modified >= since and (not ref or ref in one.lists))
    part = page(found, query, default=50, most=500 if path else 1000, newest_first=True)
    return 200, {"count": len(found), "contacts": [_contact_json(person) for person in part]}


def _person(at: Account, path: tuple[str, ...]) -> Person:
    person = at.find_person(unquote(path[0]))
    if person is None:
        raise Refusal(404, "document_not_found", "Contact does not exist")
    return person


def one_contact(at: Account, path: tuple[str, ...], _query: Mapping[str, str], _body: Json) -> Answer:
    """GET /contacts/{email or id}."""
    return 200, _contact_json(_person(at, path)) | {"statistics": {}}


def create_contact(at: Account, _path: tuple[str, ...], _query: Mapping[str, str], body: Json) -> Answer:
    """POST /contacts."""
    email = str(body.get("email") or "").strip().lower()
    if not imports.is_address(at, email):
        raise Refusal(400, "invalid_parameter", "Invalid email address")
    known = at.people.get(email)
    if known is not None and not body.get("updateEnabled"):
        raise Refusal(400, "duplicate_parameter", "Unable to create contact, email is already associated")
    person = known or at.add_person(email)
    _write(at, person, body)
    return (204, None) if known else (201, {"id": person.id})


def update_contact(at: Account, path: tuple[str, ...], _query: Mapping[str, str], body: Json) -> Answer:
    """PUT /contacts/{email or id}."""
    _write(at, _person(at, path), body)
    return 204, None


def _write(at: Account, person: Person, body: Json) -> None:
    for name, value in (body.get("attributes") or {}).items():
        if value == "":
            person.attributes.pop(name, None)
        else:
            imports.write_attribute(at, person, name, value)
    person.lists |= {number for number in body.get("listIds") or () if number in at.lists}
    person.lists -= set(body.get("unlinkListIds") or ())
    if "emailBlacklisted" in body:  # false subscribes again whoever had left
        person.blacklisted = bool(body["emailBlacklisted"])
        person.label = "unsubscribed" if person.blacklisted else "subscribed"
    person.modified = at.world.now()
    at.changed()


def delete_contact(at: Account, path: tuple[str, ...], _query: Mapping[str, str], _body: Json) -> Answer:
    """DELETE /contacts/{email or id}: the account's owner cannot be deleted."""
    person = _person(at, path)
    if person.email == OWNER:
        raise Refusal(405, "method_not_allowed", "You are not allowed to delete this contact")
    at.drop_person(person)
    return 204, None


def change_list(verb: str, at: Account, path: tuple[str, ...], _query: Mapping[str, str], body: Json) -> Answer:
    """POST /contacts/lists/{id}/contacts/add and …/remove: 150 at most; nothing to do is a 400."""
    mailbox = _mailbox(at, path[0])
    given = [body[name] for name in ("emails", "ids") if isinstance(body.get(name), list)]
    if len(given) != 1 or not given[0]:
        raise Refusal(400, "missing_parameter", "Either emails or ids is required")
    if len(given[0]) > 150:  # noqa: PLR2004 - Brevo's own number
        raise Refusal(400, "out_of_range", "Maximum 150 contacts are allowed")
    if at.switch("bad_address_in_list") == "refuse":
        bad = [one for one in given[0] if isinstance(one, str) and not imports.is_address(at, one)]
        if bad:
            raise Refusal(400, "invalid_parameter", f"Invalid email {bad[0]}")
    success, failure = [], []
    for one in given[0]:
        person = at.find_person(str(one))
        is_refused = at.world.faults.refuses("brevo", "bad-record", str(one))
        if person is None or is_refused or (mailbox.id in person.lists) == (verb == "add"):
            failure.append(one)
            continue
        (person.lists.add if verb == "add" else person.lists.discard)(mailbox.id)
        person.modified = at.world.now()
        success.append(one)
    at.changed()
    if not success:
        tail = "in list" if verb == "add" else "removed from list"
        raise Refusal(400, "invalid_parameter", f"Contact already {tail} and/or does not exist")
    answer = {"success": success, "failure": failure}
    return 201, {"contacts": answer} if at.switch("list_answer") == "nested" else answer


def attributes(at: Account, _path: tuple[str, ...], _query: Mapping[str, str], _body: Json) -> Answer:
    """GET /contacts/attributes."""
    rows = []
    for one in at.attributes.values():
        row: Json = {"name": one.name, "category": one.category}
        row |= {"type": one.type} if one.type else {}
        row |= {"enumeration": list(one.enumeration)} if one.enumeration else {}
        rows.append(row)
    return 200, {"attributes": rows}


def create_attribute(at: Account, path: tuple[str, ...], _query: Mapping[str, str], body: Json) -> Answer:
    """POST /contacts/attributes/{category}/{name}: the type never changes afterwards."""
    category, name = path[0], unquote(path[1])
    if category not in _TYPES or body.get("type") not in _TYPES[category]:
        raise Refusal(400, "invalid_parameter", "Attribute type is not valid for this category")
    if not _NAME.fullmatch(name):
        raise Refusal(400, "invalid_parameter", "Attribute name is not valid")
    if name in at.attributes:
        raise Refusal(400, "duplicate_parameter", "Attribute name already exists")
    at.attributes[name] = Attribute(name, category, body.get("type"), tuple(body.get("enumeration") or ()))
    return 201, None


def import_contacts(at: Account, _path: tuple[str, ...], _query: Mapping[str, str], body: Json) -> Answer:
    """POST /contacts/import: a list is obligatory; 202 says nothing of any record."""
    if not isinstance(body.get("jsonBody"), list) or not body["jsonBody"]:
        raise Refusal(400, "missing_parameter", "fileUrl, fileBody or jsonBody is required")
    if not body.get("listIds") and not body.get("newList"):
        raise Refusal(400, "missing_parameter", "listIds or newList is required")
    if any(not isinstance(number, int) for number in body.get("listIds") or ()):
        raise Refusal(400, "invalid_parameter", "listIds should be integers")
    unknown = [number for number in body.get("listIds") or () if number not in at.lists]
    if unknown and at.switch("unknown_list") != "ignored":
        is_missing = at.switch("unknown_list") == "404"
        raise Refusal(
            404 if is_missing else 400,
            "document_not_found" if is_missing else "invalid_parameter",
            "List ID does not exist",
        )
    at.notifications += not body.get("disableNotification", False)
    process = at.begin("IMPORTUSER", partial(imports.run_import, at, body), IMPORT_SECONDS)
    return 202, {"processId": process.id}


def export_contacts(at: Account, _path: tuple[str, ...], _query: Mapping[str, str], body: Json) -> Answer:
    """POST /contacts/export."""
    asked = body.get("customContactFilter")
    if not isinstance(asked, dict):
        raise Refusal(400, "missing_parameter", "customContactFilter is missing")
    action = asked.get("actionForEmailCampaigns")
    if action is not None:
        if action not in mailing.EXPORTS:
            raise Refusal(400, "invalid_parameter", "Invalid actionForEmailCampaigns")
        if asked.get("emailCampaignId") not in at.campaigns:
            raise Refusal(400, "invalid_parameter", "Campaign ID does not exist")
    elif asked.get("listId") not in at.lists:
        raise Refusal(400, "missing_parameter", "listId or segmentId is required")
    at.notifications += not body.get("disableNotification", False)
    process = at.begin("SEARCH_EXPORT_USERS", partial(mailing.run_export, at, body), IMPORT_SECONDS)
    return 202, {"processId": process.id}


def _process_json(at: Account, process: Process) -> Json:
    row: Json = {"id": process.id, "name": process.name, "status": process.status}
    row |= {"info": process.info} if process.info else {}
    row |= {"export_url": process.export_url} if process.export_url else {}
    row |= {"error": process.error} if process.error else {}
    if at.switch("process_times") == "yes":
        row["created_at"] = stamp(process.created)
        row["completed_at"] = stamp(process.completed) if process.completed else None
    return row


def processes(at: Account, _path: tuple[str, ...], query: Mapping[str, str], _body: Json) -> Answer:
    """GET /processes."""
    part = page([*at.processes.values()], query, default=10, most=50, newest_first=True)
    return 200, {"count": len(at.processes), "processes": [_process_json(at, process) for process in part]}


def one_process(at: Account, path: tuple[str, ...], _query: Mapping[str, str], _body: Json) -> Answer:
    """GET /processes/{id}."""
    if int(path[0]) not in at.processes:
        raise Refusal(404, "document_not_found", "Process ID does not exist")
    return 200, _process_json(at, at.processes[int(path[0])])


def campaigns(at: Account, _path: tuple[str, ...], query: Mapping[str, str], _body: Json) -> Answer:
    """GET /emailCampaigns: both dates or none, and only of those sent."""
    found = [*at.campaigns.values()]
    if ("startDate" in query) != ("endDate" in query):
        raise Refusal(400, "missing_parameter", "startDate and endDate are required together")
    if query.get("status", "sent") != "sent" or query.get("type", "classic") != "classic":
        found = []
    if "startDate" in query:
        since, until = moment(query["startDate"], "startDate"), moment(query["endDate"], "endDate")
        found = [campaign for campaign in found if since <= campaign.sent <= until]
    part = page(found, query, default=50, most=100, newest_first=True)
    told = query.get("statistics") == "globalStats"
    return 200, {
        "count": len(found),
        "campaigns": [mailing.campaign_json(at, campaign, with_totals=told) for campaign in part],
    }


def one_campaign(at: Account, path: tuple[str, ...], query: Mapping[str, str], _body: Json) -> Answer:
    """GET /emailCampaigns/{id}: also of old ones, its statistics are told when asked for."""
    if int(path[0]) not in at.campaigns:
        raise Refusal(404, "document_not_found", "Campaign ID does not exist")
    campaign, told = at.campaigns[int(path[0])], query.get("statistics") == "globalStats"
    return 200, mailing.campaign_json(at, campaign, with_totals=told, is_alone=True)


_Endpoint: TypeAlias = "Callable[[Account, tuple[str, ...], Mapping[str, str], Json], Answer]"
_TABLE: tuple[tuple[str, str, _Endpoint], ...] = (
    ("GET", r"/account", account),
    ("GET", r"/contacts/folders", folders),
    ("POST", r"/contacts/folders", create_folder),
    ("GET", r"/contacts/folders/(\d+)/lists", lists),
    ("GET", r"/contacts/lists", lists),
    ("POST", r"/contacts/lists", create_list),
    ("GET", r"/contacts/lists/(\d+)", one_list),
    ("DELETE", r"/contacts/lists/(\d+)", delete_list),
    ("GET", r"/contacts/lists/(\d+)/contacts", contacts),
    ("POST", r"/contacts/lists/(\d+)/contacts/add", partial(change_list, "add")),
    ("POST", r"/contacts/lists/(\d+)/contacts/remove", partial(change_list, "remove")),
    ("GET", r"/contacts/attributes", attributes),
    ("POST", r"/contacts/attributes/([^/]+)/([^/]+)", create_attribute),
    ("POST", r"/contacts/import", import_contacts),
    ("POST", r"/contacts/export", export_contacts),
    ("GET", r"/contacts", contacts),
    ("POST", r"/contacts", create_contact),
    ("GET", r"/contacts/([^/]+)", one_contact),
    ("PUT", r"/contacts/([^/]+)", update_contact),
    ("DELETE", r"/contacts/([^/]+)", delete_contact),
    ("GET", r"/processes", processes),
    ("GET", r"/processes/(\d+)", one_process),
    ("GET", r"/emailCampaigns", campaigns),
    ("GET", r"/emailCampaigns/(\d+)", one_campaign),
    ("GET", r"/couponCollections", coupons.collections),
    ("POST", r"/couponCollections", coupons.create_collection),
    ("GET", r"/couponCollections/([^/]+)", coupons.one_collection),
    ("POST", r"/coupons", coupons.create_coupons),
)
ROUTES = tuple((method, re.compile(pattern), endpoint) for method, pattern, endpoint in _TABLE)
