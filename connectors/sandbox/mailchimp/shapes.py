"""The account's things as the API's JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from connectors.sandbox.mailchimp.store import Audience, Campaign, Member, MergeField, Segment, iso

Json = dict[str, object]


def unique(one: Member) -> str:
    """The id that webhooks and links name a contact by."""
    return hashlib.sha256(one.id.encode()).hexdigest()[:10]


def member(audience: Audience, one: Member) -> Json:
    """A full list member."""
    tags = [audience.segments[place] for place in sorted(one.segments) if place in audience.segments]
    first, last = str(one.merge.get("FNAME", "")), str(one.merge.get("LNAME", ""))
    return {
        "id": one.id,
        "email_address": one.email,
        "unique_email_id": unique(one),
        "contact_id": hashlib.sha256(f"{audience.id}{one.id}".encode()).hexdigest()[:32],
        "full_name": f"{first} {last}".strip(),
        "web_id": one.number,
        "email_type": "html",
        "status": one.status,
        **({"unsubscribe_reason": one.reason} if one.status == "unsubscribed" else {}),
        "consents_to_one_to_one_messaging": one.status == "subscribed",
        "merge_fields": {tag: one.merge.get(tag, "") for tag in audience.fields},
        "stats": {"avg_open_rate": 0, "avg_click_rate": 0},
        "ip_signup": "",
        "timestamp_signup": iso(one.signed_up),
        "ip_opt": "",
        "timestamp_opt": iso(one.signed_up),
        "member_rating": 2,
        "last_changed": iso(one.changed),
        "language": "",
        "vip": False,
        "email_client": "",
        "location": {"latitude": 0, "longitude": 0, "gmtoff": 0, "dstoff": 0, "country_code": "", "timezone": ""},
        "source": "API - Generic",
        "tags_count": len(tags),
        "tags": [{"id": tag.id, "name": tag.name} for tag in tags[:50]],
        "list_id": audience.id,
    }


_NOT_IN_BATCHES = frozenset({"full_name", "web_id", "source", "consents_to_one_to_one_messaging", "unsubscribe_reason"})
_NOT_IN_SEGMENTS = frozenset(
    {"contact_id", "web_id", "source", "tags", "tags_count", "consents_to_one_to_one_messaging", "unsubscribe_reason"}
)


def batched(audience: Audience, one: Member) -> Json:
    """A member as answers to bulk writes show it."""
    return {name: value for name, value in member(audience, one).items() if name not in _NOT_IN_BATCHES}


def listed(audience: Audience, one: Member) -> Json:
    """A member as a segment lists it."""
    return {name: value for name, value in member(audience, one).items() if name not in _NOT_IN_SEGMENTS}


def merge_field(audience: Audience, one: MergeField) -> Json:
    """A merge field."""
    return {
        "merge_id": one.number,
        "tag": one.tag,
        "name": one.name,
        "type": one.type,
        "required": one.required,
        "default_value": one.default,
        "public": one.public,
        "display_order": one.number + 1,
        "options": dict(one.options) or {"size": 25},
        "help_text": "",
        "list_id": audience.id,
    }


def segment(audience: Audience, one: Segment, shown: frozenset[str]) -> Json:
    """A segment; its count is of the members with a shown status."""
    count = sum(one.id in each.segments and each.status in shown for each in audience.members.values())
    return {
        "id": one.id,
        "name": one.name,
        "member_count": count,
        "type": one.type,
        "created_at": iso(one.created),
        "updated_at": iso(one.updated),
        "options": {"match": "all", "conditions": []},
        "list_id": audience.id,
    }


def audience(one: Audience) -> Json:
    """A list."""
    stats = {
        "member_count": one.counted("subscribed"),
        "unsubscribe_count": one.counted("unsubscribed"),
        "cleaned_count": one.counted("cleaned"),
        "campaign_count": 0,
        "merge_field_count": len(one.fields),
        "open_rate": 0,
        "click_rate": 0,
    }
    address = {"company": "Sandbox", "address1": "1 Rue", "city": "Paris", "state": "", "zip": "75001", "country": "FR"}
    defaults = {"from_name": "Sandbox", "from_email": "shop@example.com", "subject": "", "language": "en"}
    return {
        "id": one.id,
        "web_id": 1,
        "name": one.name,
        "contact": address,
        "permission_reminder": "You asked for it.",
        "use_archive_bar": True,
        "campaign_defaults": defaults,
        "notify_on_subscribe": "",
        "notify_on_unsubscribe": "",
        "date_created": iso(one.created),
        "list_rating": 0,
        "email_type_option": False,
        "subscribe_url_short": "",
        "subscribe_url_long": "",
        "beamer_address": "",
        "visibility": "prv",
        "double_optin": one.is_double,
        "has_welcome": False,
        "marketing_permissions": False,
        "modules": [],
        "stats": stats,
    }


def campaign(one: Campaign) -> Json:
    """A sent campaign."""
    return {
        "id": one.id,
        "web_id": one.number,
        "type": "regular",
        "create_time": iso(one.sent_at),
        "status": "sent",
        "emails_sent": len(one.recipients),
        "send_time": iso(one.sent_at),
        "content_type": "html",
        "recipients": {"list_id": one.audience, "list_is_active": True, "recipient_count": len(one.recipients)},
        "settings": {"subject_line": one.subject, "title": one.subject},
    }


def report(one: Campaign) -> Json:
    """A campaign's figures."""
    opens, clicks = one.count("open"), one.count("click")
    machine = sum(act.is_machine for acts in one.acts.values() for act in acts if act.action == "open")
    openers = sum(any(act.action == "open" for act in acts) for acts in one.acts.values())
    clickers = sum(any(act.action == "click" for act in acts) for acts in one.acts.values())
    links = len({(email, act.url) for email, acts in one.acts.items() for act in acts if act.action == "click"})
    sent = max(1, len(one.recipients))
    return {
        "id": one.id,
        "campaign_title": one.subject,
        "type": "regular",
        "list_id": one.audience,
        "list_is_active": True,
        "list_name": "",
        "subject_line": one.subject,
        "preview_text": "",
        "emails_sent": len(one.recipients),
        "abuse_reports": len(one.complaints),
        "unsubscribed": len(one.unsubscribes),
        "send_time": iso(one.sent_at),
        "bounces": {"hard_bounces": one.count("bounce"), "soft_bounces": 0, "syntax_errors": 0},
        "forwards": {"forwards_count": 0, "forwards_opens": 0},
        "opens": {
            "opens_total": opens,
            "proxy_excluded_opens": opens - machine,
            "unique_opens": openers,
            "open_rate": openers / sent,
            **({"last_open": iso(one.last("open"))} if opens else {}),
        },
        "clicks": {
            "clicks_total": clicks,
            "unique_clicks": links,
            "unique_subscriber_clicks": clickers,
            "click_rate": clickers / sent,
            **({"last_click": iso(one.last("click"))} if clicks else {}),
        },
    }


def project(answer: Json, fields: str, excluded: str) -> Json:
    """A partial response: `fields` by dotted names, or everything but `exclude_fields`."""
    if fields:
        return _keep(answer, _tree(fields.split(",")))
    return _drop(answer, _tree(excluded.split(","))) if excluded else answer


_Tree = dict[str, "_Tree"]


def _tree(names: Iterable[str]) -> _Tree:
    root: _Tree = {}
    for name in names:
        place = root
        for part in name.strip().split("."):
            place = place.setdefault(part, {})
    return root


def _keep(answer: object, tree: _Tree) -> Json:
    if not isinstance(answer, Mapping):
        return {}
    return {name: _inner(answer[name], below, _keep) for name, below in tree.items() if name in answer}


def _drop(answer: object, tree: _Tree) -> Json:
    if not isinstance(answer, Mapping):
        return {}
    kept = {name: value for name, value in answer.items() if name not in tree or tree[name]}
    return {name: _inner(value, tree.get(name, {}), _drop) for name, value in kept.items()}


def _inner(value: object, tree: _Tree, action: object) -> object:
    if not tree or not callable(action):
        return value
    return [action(entry, tree) for entry in value] if isinstance(value, list) else action(value, tree)
