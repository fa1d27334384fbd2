"""Campaign figures as Klaviyo's reports give them: people, by message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.klaviyo.engagement import METRICS
from connectors.sandbox.klaviyo.jobs import job_data
from connectors.sandbox.klaviyo.shapes import answer, clauses, invalid

if TYPE_CHECKING:
    from connectors.http import Response
    from connectors.sandbox.klaviyo.provider import Call

_PEOPLE = {
    "recipients": "Received Email",
    "opens_unique": "Opened Email",
    "clicks_unique": "Clicked Email",
    "bounced": "Bounced Email",
    "spam_complaints": "Marked Email as Spam",
    "unsubscribe_uniques": "Unsubscribed from Email Marketing",
}
_KNOWN = {*_PEOPLE, "delivered", "conversions", "conversion_value", "open_rate", "click_rate", "unsubscribes", "opens"}
_KEYS = {"last_12_months", "last_30_days", "last_365_days", "last_7_days", "last_90_days", "this_year", "today"}


def campaigns(call: Call) -> Response:
    """Figures of every campaign that was sent to somebody, by campaign, message and channel."""
    told = job_data(call, "campaign-values-report")["attributes"]
    _check(call, told)
    rows = [_row(call, campaign, message, told["statistics"]) for campaign, message in call.account.messages.items()]
    size = int(call.options["report_page"]) or len(rows) or 1
    start = int(call.query.get("page_cursor", "0"))
    url = call.base + call.path
    links = {"self": url} | ({"next": f"{url}?page_cursor={start + size}"} if start + size < len(rows) else {})
    body = {"type": "campaign-values-report", "attributes": {"results": rows[start : start + size]}}
    return answer(200, {"data": body, "links": links})


def _check(call: Call, told: dict[str, Any]) -> None:
    unknown = sorted(set(told.get("statistics") or ("",)) - _KNOWN)
    if unknown:
        raise invalid(f"'{unknown[0]}' is not a statistic.", pointer="/data/attributes/statistics")
    if (told.get("timeframe") or {}).get("key") not in _KEYS:
        raise invalid("'timeframe' is a required field.", pointer="/data/attributes/timeframe")
    name = METRICS.get(str(told.get("conversion_metric_id")), ("", ""))[0]
    if not name or (call.options["conversion_metric"] == "orders" and name != "Placed Order"):
        raise invalid("Not a metric of conversions.", pointer="/data/attributes/conversion_metric_id")
    clauses(told.get("filter") or "", {"send_channel": ("equals",), "campaign_id": ("equals", "contains-any")})


def _row(call: Call, campaign: str, message: str, statistics: list[str]) -> dict[str, Any]:
    people: dict[str, int] = {}
    for statistic, name in _PEOPLE.items():
        metric = next(ref for ref, (known, owner) in METRICS.items() if (known, owner) == (name, "Klaviyo"))
        events = call.account.events[metric]
        people[statistic] = len({event.person for event in events if event.properties["$message"] == message})
    people["delivered"] = people["recipients"] - people["bounced"]
    groupings = {"campaign_id": campaign, "campaign_message_id": message, "send_channel": "email"}
    return {"groupings": groupings, "statistics": {name: float(people.get(name, 0)) for name in statistics}}
