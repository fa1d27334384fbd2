"""Campaigns: who got one, what readers did, the totals and the exports that tell of it."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from connectors.sandbox.brevo.account import Campaign, stamp
from connectors.types import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.brevo.account import Account, Json, Person, Process

__all__ = ["EXPORTS", "campaign_json", "people_of", "react", "run_export", "send"]

_TOLD = timedelta(days=183)  # statistics of older campaigns are not in the list of campaigns
EXPORTS = ("openers", "nonOpeners", "clickers", "nonClickers", "unsubscribed", "hardBounces", "softBounces")
_ACTS: Mapping[EventKind, tuple[str, str | None]] = MappingProxyType(
    {
        EventKind.OPEN: ("openers", None),
        EventKind.CLICK: ("clickers", None),
        EventKind.UNSUBSCRIBE: ("unsubscribed", "unsubscribed"),
        EventKind.COMPLAINT: ("complaints", "complained"),
        EventKind.BOUNCE: ("hardBounces", "cleaned"),
    }
)
_TOLD_AS: Mapping[EventKind, str] = MappingProxyType(
    {
        EventKind.OPEN: "opened",
        EventKind.CLICK: "click",
        EventKind.UNSUBSCRIBE: "unsubscribe",
        EventKind.COMPLAINT: "spam",
        EventKind.BOUNCE: "hard_bounce",
    }
)


def send(account: Account, list_id: int, subject: str) -> Campaign:
    """To everyone in the list who is not on the blocklist."""
    recipients = [person.id for person in account.members(list_id) if not person.blacklisted]
    campaign = Campaign(account.number("campaign"), subject, list_id, account.world.now(), recipients)
    account.campaigns[campaign.id] = campaign
    return campaign


def deliver(
    account: Account, campaign: Campaign, person: Person, kind: EventKind, *, url: str | None, is_machine: bool
) -> None:
    """What a marketing webhook will tell of an act (docs/marketing-webhooks, 2026-11-22)."""
    if kind not in _TOLD_AS:
        return
    name, at = _TOLD_AS[kind], account.world.now()
    account.deliveries.append(
        {
            "id": 1,
            "camp_id": campaign.id,
            "campaign name": campaign.subject,
            "email": person.email,
            "date_sent": f"{campaign.sent:%Y-%m-%d %H:%M:%S}",
            "date_event": f"{at:%Y-%m-%d %H:%M:%S}",
            "event": "proxy_open" if is_machine and kind is EventKind.OPEN else name,
            "tag": "",
            "ts_sent": int(campaign.sent.timestamp()),
            "ts_event": int(at.timestamp()),
            "ts": int(at.timestamp()) + 3600,
        }
        | ({"URL": url or ""} if kind is EventKind.CLICK else {})
    )


def react(
    account: Account, campaign: Campaign, person: Person, kind: EventKind, *, url: str | None, is_machine: bool
) -> None:
    """A reader's act, and what it makes of them."""
    deliver(account, campaign, person, kind, url=url, is_machine=is_machine)
    if kind not in _ACTS:
        return
    action, label = _ACTS[kind]
    acts = campaign.acts.setdefault(action, {})
    acts[person.id] = acts.get(person.id, 0) + 1
    if kind is EventKind.CLICK and person.id not in campaign.acts.get("openers", {}):
        campaign.acts.setdefault("openers", {})[person.id] = 1
    if is_machine:
        campaign.machine.add(person.id)
    if label:
        person.blacklisted, person.label = True, label
        if account.switch("unsubscribe_moves_modified") == "yes":
            person.modified = account.world.now()
        account.changed()


def people_of(account: Account, campaign: Campaign, action: str) -> list[str]:
    """The addresses that an export of this action holds; a contact that was deleted is in none."""
    acts = campaign.acts
    bounced = acts.get("hardBounces", {}).keys() | acts.get("softBounces", {}).keys()
    delivered = [number for number in campaign.recipients if number not in bounced]
    if action in {"nonOpeners", "nonClickers"}:
        done = acts.get("openers" if action == "nonOpeners" else "clickers", {})
        found = [number for number in delivered if number not in done]
    elif action == "unsubscribed":  # blacklisted via any means
        found = [*acts.get("unsubscribed", {}), *acts.get("complaints", {})]
    else:
        found = [*acts.get(action, {})]
    return [account.by_id[number].email for number in found if number in account.by_id]


def run_export(account: Account, body: Json, process: Process) -> None:
    """Write the file of an accepted export."""
    asked = body["customContactFilter"]
    if campaign := account.campaigns.get(asked.get("emailCampaignId", 0)):
        found = people_of(account, campaign, asked["actionForEmailCampaigns"])
    else:
        members = account.members(asked.get("listId", 0))
        keep = {"subscribed": False, "unsubscribed": True}.get(asked.get("actionForContacts", ""))
        found = [person.email for person in members if keep is None or person.blacklisted is keep]
    process.export_url = account.keep_file(found)


def campaign_json(account: Account, campaign: Campaign, *, with_totals: bool, is_alone: bool = False) -> Json:
    """One campaign as the list of campaigns shows it, or alone."""
    mailbox = account.lists.get(campaign.list_id)
    is_told = with_totals and (is_alone or account.world.now() - campaign.sent <= _TOLD)
    return {
        "id": campaign.id,
        "name": campaign.subject,
        "subject": campaign.subject,
        "type": "classic",
        "status": "sent",
        "abTesting": False,
        "testSent": False,
        "header": "[DEFAULT_HEADER]",
        "footer": "[DEFAULT_FOOTER]",
        "htmlContent": "",
        "replyTo": "shop@example.com",
        "sender": {"id": 1, "name": "Shop", "email": "shop@example.com"},
        "scheduledAt": stamp(campaign.sent),
        "sentDate": stamp(campaign.sent),
        "createdAt": stamp(campaign.sent),
        "modifiedAt": stamp(campaign.sent),
        "recipients": {"lists": [campaign.list_id] if mailbox else [], "exclusionLists": []},
        "statistics": {
            "globalStats": _totals(campaign) if is_told else {},
            "campaignStats": [],
            "mirrorClick": 0,
            "remaining": 0,
            "linksStats": {},
            "statsByDomain": {},
            "statsByBrowser": {},
            "statsByDevice": {},
        },
    }


def _totals(campaign: Campaign) -> Json:
    acts = {action: campaign.acts.get(action, {}) for action in (*EXPORTS, "complaints")}
    sent = len(campaign.recipients)
    delivered = sent - len(acts["hardBounces"]) - len(acts["softBounces"])
    opened = len(acts["openers"])
    return {
        "sent": sent,
        "delivered": delivered,
        "uniqueViews": opened,
        "viewed": sum(acts["openers"].values()),
        "trackableViews": opened - len(campaign.machine),
        "trackableViewsRate": 0.0,
        "estimatedViews": opened,
        "uniqueClicks": len(acts["clickers"]),
        "clickers": sum(acts["clickers"].values()),
        "hardBounces": len(acts["hardBounces"]),
        "softBounces": len(acts["softBounces"]),
        "deferred": 0,
        "unsubscriptions": len(acts["unsubscribed"]),
        "complaints": len(acts["complaints"]),
        "appleMppOpens": len(campaign.machine),
        "opensRate": round(100 * opened / delivered, 2) if delivered else 0.0,
        "returnBounce": 0,
    }
