"""The endpoints: one function each, (account, what the path names, query, body) → status and body."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from connectors.sandbox.activecampaign.account import stamp
from connectors.types import normal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.sandbox.activecampaign.account import Account, Campaign, Json, Person

__all__ = ["ROUTES"]

Answer: TypeAlias = "tuple[int, Any]"
Query: TypeAlias = "Mapping[str, str]"
_TYPES = frozenset(["text", "textarea", "date", "datetime", "dropdown", "radio", "checkbox", "listbox", "hidden"])
_NAME = re.compile(r"[A-Z0-9_]{1,50}")


def _problem(status: int, title: str, code: str) -> Answer:
    return status, {"errors": [{"title": title, "detail": "", "code": code, "source": {"pointer": "/data"}}]}


def _missing(kind: str) -> Answer:
    return 404, {"message": f"No Result found for {kind}"}


def _listed(key: str, rows: Sequence[Json], query: Query) -> Answer:
    """One page: 20 rows unless asked, never more than 100, without a word; the total is a text."""
    start, size = int(query.get("offset", 0)), min(int(query.get("limit", 20)), 100)
    return 200, {key: list(rows[start : start + size]), "meta": {"total": str(len(rows))}}


def me(_at: Account, _path: tuple[str, ...], _query: Query, _body: Json) -> Answer:
    """GET /users/me."""
    return 200, {"user": {"id": "1", "email": "owner@example.com", "username": "admin", "firstName": "Ada"}}


def lists(at: Account, _path: tuple[str, ...], query: Query, _body: Json) -> Answer:
    """GET /lists."""
    return _listed("lists", [*at.lists.values()], query)


def create_list(at: Account, _path: tuple[str, ...], _query: Query, body: Json) -> Answer:
    """POST /lists: four values are required."""
    about = body.get("list") or {}
    if not all(about.get(name) for name in ("name", "stringid", "sender_url", "sender_reminder")):
        return _problem(422, "A required value is missing.", "field_missing")
    return 201, {"list": at.add_list(about["name"], about["stringid"])}


def tags(at: Account, _path: tuple[str, ...], query: Query, _body: Json) -> Answer:
    """GET /tags."""
    found = [row for row in at.tags.values() if query.get("search", "").lower() in row["tag"].lower()]
    return _listed("tags", found, query)


def create_tag(at: Account, _path: tuple[str, ...], _query: Query, body: Json) -> Answer:
    """POST /tags."""
    about = body.get("tag") or {}
    if not about.get("tag") or about.get("tagType") != "contact":
        return _problem(422, "A required value is missing.", "field_missing")
    if any(row["tag"] == about["tag"] for row in at.tags.values()):
        return _problem(422, "The tag already exists.", "duplicate")
    return 201, {"tag": at.add_tag(about["tag"])}


def fields(at: Account, _path: tuple[str, ...], query: Query, _body: Json) -> Answer:
    """GET /fields."""
    return _listed("fields", [*at.fields.values()], query)


def create_field(at: Account, _path: tuple[str, ...], _query: Query, body: Json) -> Answer:
    """POST /fields: it is shown nowhere before a fieldRel."""
    about = body.get("field") or {}
    if not about.get("title") or about.get("type") not in _TYPES or not _NAME.fullmatch(about.get("perstag") or ""):
        return _problem(422, "A value is missing or wrong.", "field_invalid")
    if any(row["perstag"] == about["perstag"] for row in at.fields.values()):
        return _problem(422, "The personalization tag already exists.", "duplicate")
    row = {"id": str(at.number())} | {name: about[name] for name in ("title", "type", "perstag")}
    at.fields[int(row["id"])] = row
    return 201, {"field": row}


def relate_field(at: Account, _path: tuple[str, ...], _query: Query, body: Json) -> Answer:
    """POST /fieldRels: relid 0 is all lists."""
    about = body.get("fieldRel") or {}
    if about.get("field") not in at.fields or about.get("relid") not in {0, *at.lists}:
        return _problem(422, "The field or the list does not exist.", "related_missing")
    at.related.add(about["field"])
    return 201, {"fieldRel": {"id": str(at.number()), "field": str(about["field"]), "relid": str(about["relid"])}}


def _contact(person: Person) -> Json:
    times = {"cdate": stamp(person.created), "udate": stamp(person.updated)}
    return {
        "id": str(person.id),
        "email": person.email,
        "phone": "",
        "deleted": "0",
        "bounced_date": "0000-00-00",
        **times,
    }


def contacts(at: Account, _path: tuple[str, ...], query: Query, _body: Json) -> Answer:
    """GET /contacts: by ids, address, list and status; by growing id after one."""
    found = [person for person in at.people.values() if person.id > int(query.get("id_greater", 0))]
    if "ids[]" in query and at.switch("ids_filter") == "obeyed":
        found = [person for person in found if str(person.id) in query["ids[]"].split(",")]
    if "email" in query and at.switch("email_filter") == "obeyed":
        found = [person for person in found if person.email == normal(query["email"])]
    if "status" in query:
        listed = int(query["listid"]) if "listid" in query and at.switch("list_filter") == "obeyed" else None
        found = [person for person in found if _has(person, query["status"], listed)]
    return _listed("contacts", [_contact(person) for person in found], query)


def _has(person: Person, status: str, listed: int | None) -> bool:
    states = person.lists.values() if listed is None else (person.lists.get(listed),)
    return status in states


def delete_contact(at: Account, path: tuple[str, ...], _query: Query, _body: Json) -> Answer:
    """DELETE /contacts/{id}."""
    person = at.people.get(int(path[0]))
    if person is None:
        return _missing("Subscriber")
    at.drop_person(person)
    return 200, {}


def _join(person: Person, tag: int) -> Json:
    return {"id": str(person.tags[tag]), "contact": str(person.id), "tag": str(tag)}


def contact_tags(at: Account, _path: tuple[str, ...], query: Query, _body: Json) -> Answer:
    """GET /contactTags: of a contact, of a tag, or of both."""
    joins = [_join(person, tag) for person in at.people.values() for tag in person.tags]
    for name, key in (("filters[subscriberid]", "contact"), ("filters[tagid]", "tag")):
        if name in query and at.switch("join_filters") == "obeyed":
            joins = [join for join in joins if join[key] == query[name]]
    status, told = _listed("contactTags", joins, query)
    if at.switch("join_total") == "missing":
        del told["meta"]
    return status, told


def untag(at: Account, path: tuple[str, ...], _query: Query, _body: Json) -> Answer:
    """DELETE /contacts/{id}/tags/{tag}."""
    person, tag = at.people.get(int(path[0])), int(path[1])
    if at.switch("tag_path") == "missing" or person is None or tag not in person.tags:
        return _missing("Subscriber or Tag")
    del person.tags[tag]
    return 200, {}


def remove_tag(at: Account, path: tuple[str, ...], _query: Query, _body: Json) -> Answer:
    """DELETE /contactTags/{id}."""
    for person in at.people.values():
        for tag, join in person.tags.items():
            if join == int(path[0]):
                del person.tags[tag]
                return 200, {}
    return _missing("ContactTag")


def import_info(at: Account, _path: tuple[str, ...], query: Query, _body: Json) -> Answer:
    """GET /import/info?batchId=."""
    job = at.imports.get(query.get("batchId", ""))
    if job is None:
        return _missing("batch")
    status = "completed" if job.is_done else at.switch("unfinished")
    return 200, {"status": status, "success": job.success, "failure": job.failure}


def _campaign(one: Campaign) -> Json:
    people = {kind: str(len(set(ids))) for kind, ids in one.acts.items()}
    counts = {
        "send_amt": str(len(one.recipients)),
        "uniqueopens": people.get("open", "0"),
        "opens": str(len(one.acts.get("open", ()))),
        "uniquelinkclicks": people.get("click", "0"),
        "subscriberclicks": people.get("click", "0"),
        "hardbounces": people.get("bounce", "0"),
        "softbounces": "0",
        "unsubscribes": people.get("unsubscribe", "0"),
    }
    return {"id": str(one.id), "name": one.name, "sdate": stamp(one.sent), **counts}


def campaigns(at: Account, _path: tuple[str, ...], query: Query, _body: Json) -> Answer:
    """GET /campaigns."""
    found = sorted(at.campaigns.values(), key=lambda one: one.id, reverse=query.get("orders[sdate]") == "DESC")
    return _listed("campaigns", [_campaign(one) for one in found], query)


def create_webhook(at: Account, _path: tuple[str, ...], _query: Query, body: Json) -> Answer:
    """POST /webhooks: https only."""
    about = body.get("webhook") or {}
    if not str(about.get("url")).startswith("https://") or not about.get("events"):
        return _problem(422, "A webhook needs an https address and events.", "field_invalid")
    row = {"id": str(at.number()), **about}
    at.webhooks.append(row)
    return 201, {"webhook": row}


_Endpoint: TypeAlias = "Callable[[Account, tuple[str, ...], Query, Json], Answer]"
_TABLE: tuple[tuple[str, str, _Endpoint], ...] = (
    ("GET", r"/users/me", me),
    ("GET", r"/lists", lists),
    ("POST", r"/lists", create_list),
    ("GET", r"/tags", tags),
    ("POST", r"/tags", create_tag),
    ("GET", r"/fields", fields),
    ("POST", r"/fields", create_field),
    ("POST", r"/fieldRels", relate_field),
    ("GET", r"/contacts", contacts),
    ("DELETE", r"/contacts/(\d+)", delete_contact),
    ("DELETE", r"/contacts/(\d+)/tags/(\d+)", untag),
    ("GET", r"/contactTags", contact_tags),
    ("DELETE", r"/contactTags/(\d+)", remove_tag),
    ("GET", r"/import/info", import_info),
    ("GET", r"/campaigns", campaigns),
    ("POST", r"/webhooks", create_webhook),
)
ROUTES = tuple((method, re.compile(pattern), endpoint) for method, pattern, endpoint in _TABLE)
