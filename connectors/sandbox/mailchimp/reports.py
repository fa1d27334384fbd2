"""Operations on sent campaigns and what readers did with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from connectors.sandbox.mailchimp import shapes
from connectors.sandbox.mailchimp.call import Call
from connectors.sandbox.mailchimp.shapes import Json
from connectors.sandbox.mailchimp.store import Act, Audience, Campaign, Leaving, iso, subscriber
from connectors.sandbox.mailchimp.words import Refusal

_MOST_ACTS = 100  # of one member in email-activity


def campaigns(call: Call) -> Json:
    """GET /campaigns."""
    if call.query.get("status") not in {None, "sent"}:
        return {"campaigns": [], "total_items": 0}
    page, total = call.page([shapes.campaign(one) for one in _sent(call) if _is_wanted(call, one)])
    return {"campaigns": page, "total_items": total}


def reports(call: Call) -> Json:
    """GET /reports."""
    page, total = call.page([shapes.report(one) for one in _sent(call)])
    return {"reports": page, "total_items": total}


def report(call: Call) -> Json:
    """GET /reports/{campaign}."""
    return shapes.report(_campaign(call))


def sent_to(call: Call) -> Json:
    """GET /reports/{campaign}/sent-to."""
    one = _campaign(call)
    page, total = call.page(one.recipients)
    return {
        "sent_to": [_recipient(call, one, str(email)) for email in page],
        "campaign_id": one.id,
        "total_items": total,
    }


def email_activity(call: Call) -> Json:
    """GET /reports/{campaign}/email-activity."""
    one, since = _campaign(call), call.instant("since")
    acting = {
        email: [act for act in one.acts.get(email, ()) if since is None or act.at >= since] for email in one.recipients
    }
    page, total = call.page([email for email, acts in acting.items() if acts or since is None])
    told = [
        _who(call, one, str(email)) | {"activity": [_act(act) for act in acting[str(email)][:_MOST_ACTS]]}
        for email in page
    ]
    return {"emails": told, "campaign_id": one.id, "total_items": total}


def open_details(call: Call) -> Json:
    """GET /reports/{campaign}/open-details."""
    one, since = _campaign(call), call.instant("since")
    opens = {
        email: [act for act in acts if act.action == "open" and (since is None or act.at >= since)]
        for email, acts in one.acts.items()
    }
    page, total = call.page([email for email, acts in opens.items() if acts])
    every = [act for acts in opens.values() for act in acts]
    return {
        "members": [_opener(call, one, str(email), opens[str(email)]) for email in page],
        "campaign_id": one.id,
        "total_opens": len(every),
        "total_proxy_excluded_opens": sum(not act.is_machine for act in every),
        "total_items": total,
    }


def unsubscribed(call: Call) -> Json:
    """GET /reports/{campaign}/unsubscribed."""
    one = _campaign(call)
    page, total = call.page(one.unsubscribes)
    told = [
        _who(call, one, left.email)
        | _fields(call, one, left.email)
        | {"timestamp": iso(left.at), "reason": left.reason}
        for left in cast("Sequence[Leaving]", page)
    ]
    return {"unsubscribes": told, "campaign_id": one.id, "total_items": total}


def complaints(call: Call) -> Json:
    """GET /reports/{campaign}/abuse-reports."""
    one = _campaign(call)
    told = [
        _who(call, one, left.email) | _fields(call, one, left.email) | {"id": left.id, "date": iso(left.at)}
        for left in one.complaints
    ]
    return {"abuse_reports": told, "campaign_id": one.id, "total_items": len(told)}


def abuse(call: Call) -> Json:
    """GET /lists/{list}/abuse-reports."""
    found = call.account.audience(call.parts["list"])
    page, total = call.page(found.complaints)
    told = [_abuse(found, left) for left in cast("Sequence[Leaving]", page)]
    return {"abuse_reports": told, "list_id": found.id, "total_items": total}


def _abuse(audience: Audience, left: Leaving) -> Json:
    member = audience.members.get(subscriber(left.email))
    return {
        "id": left.id,
        "campaign_id": left.reason,
        "list_id": audience.id,
        "email_id": subscriber(left.email),
        "email_address": left.email,
        "merge_fields": dict(member.merge) if member else {},
        "vip": False,
        "date": iso(left.at),
    }


def _sent(call: Call) -> list[Campaign]:
    since, until = call.instant("since_send_time"), call.instant("before_send_time")
    chosen = [
        one
        for one in call.account.campaigns.values()
        if (since is None or one.sent_at >= since) and (until is None or one.sent_at < until)
    ]
    return sorted(chosen, key=lambda one: one.sent_at, reverse=call.query.get("sort_dir") != "ASC")


def _is_wanted(call: Call, one: Campaign) -> bool:
    return call.query.get("list_id") in {None, one.audience} and call.query.get("type") in {None, "regular"}


def _campaign(call: Call) -> Campaign:
    one = call.account.campaigns.get(call.parts["campaign"])
    if one is None:
        raise Refusal("missing")
    return one


def _who(call: Call, one: Campaign, email: str) -> Json:
    _ = call
    return {
        "campaign_id": one.id,
        "list_id": one.audience,
        "list_is_active": True,
        "email_id": subscriber(email),
        "email_address": email,
    }


def _fields(call: Call, one: Campaign, email: str) -> Json:
    member = call.account.audiences[one.audience].members.get(subscriber(email))
    return {"merge_fields": dict(member.merge) if member else {}, "vip": False}


def _recipient(call: Call, one: Campaign, email: str) -> Json:
    acts = one.acts.get(email, [])
    opens = [act.at for act in acts if act.action == "open"]
    is_hard = any(act.action == "bounce" for act in acts)
    return (
        _who(call, one, email)
        | _fields(call, one, email)
        | {"status": "hard" if is_hard else "sent", "open_count": len(opens), "gmt_offset": 0}
        | ({"last_open": iso(max(opens))} if opens else {})
    )


def _act(act: Act) -> Json:
    told: Json = {"action": act.action, "timestamp": iso(act.at), "ip": "192.0.2.1"}
    return told | {"click": {"url": act.url}, "bounce": {"type": "hard"}}.get(act.action, {})


def _opener(call: Call, one: Campaign, email: str, opens: Sequence[Act]) -> Json:
    return (
        _who(call, one, email)
        | _fields(call, one, email)
        | {
            "contact_status": "subscribed",
            "opens_count": len(opens),
            "proxy_excluded_opens_count": sum(not act.is_machine for act in opens),
            "opens": [{"timestamp": iso(act.at), "is_proxy_open": act.is_machine} for act in opens],
        }
    )
