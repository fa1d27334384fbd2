"""The emulated reads: pages of resources, filtered, sorted and cut to the fields that were asked for."""

from __future__ import annotations

import operator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connectors.sandbox.klaviyo.shapes import Clause, answer, clauses, invalid, iso, missing, resource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from connectors.http import Response
    from connectors.sandbox.klaviyo.provider import Call
    from connectors.sandbox.klaviyo.state import Event, Job, Mailing, Person

ACCOUNT = "SbxK1v"
_RANGE = ("greater-or-equal", "greater-than", "less-or-equal", "less-than")
_SUPPRESSION = "subscriptions.email.marketing.suppression"
_PROFILE_FILTERS: Mapping[str, Sequence[str]] = {
    "id": ("any", "equals"),
    "email": ("any", "equals"),
    "created": ("greater-than", "less-than"),
    "updated": ("greater-than", "less-than"),
    f"{_SUPPRESSION}.reason": ("equals",),
    f"{_SUPPRESSION}.timestamp": _RANGE,
}
_INSTANTS = ("created", "updated", "joined_group_at", "datetime", f"{_SUPPRESSION}.timestamp")


def accounts(call: Call) -> Response:
    """The key's one account."""
    told = {
        "test_account": True,
        "contact_information": {
            "default_sender_name": "Sandbox",
            "default_sender_email": "sandbox@example.com",
            "website_url": None,
            "organization_name": "Sandbox",
            "street_address": {},
        },
        "industry": None,
        "timezone": "Europe/Paris",
        "preferred_currency": "EUR",
        "public_api_key": ACCOUNT,
        "locale": "fr-FR",
    }
    return answer(200, {"data": [resource(call.base, "account", ACCOUNT, told)], "links": _links(call)})


def _links(call: Call) -> dict[str, str]:
    return {"self": call.base + call.path}


def page(call: Call, found: Sequence[Any], default: int, most: int) -> tuple[Sequence[Any], dict[str, str]]:
    """One page of what was found, and its links."""
    return call.pager.page(found, call.query, (default, most), call.base + call.path)


def _holds(clause: Clause, value: Any) -> bool:  # noqa: ANN401 - any field's value
    return value is not None and bool(_OPERATORS[clause.operator](value, clause.value))


def _is_one_of(value: object, wanted: object) -> bool:
    return value in wanted if isinstance(wanted, list) else value == wanted


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": _is_one_of,
    "any": _is_one_of,
    "greater-or-equal": operator.ge,
    "greater-than": operator.gt,
    "less-or-equal": operator.le,
    "less-than": operator.lt,
}


# lists


def list_resource(call: Call, mailing: Mailing, *, counted: bool = False) -> dict[str, Any]:
    """One list."""
    told: dict[str, Any] = {
        "name": mailing.name,
        "created": iso(mailing.created),
        "updated": iso(mailing.created),
        "opt_in_process": mailing.opt_in_process,
    }
    if counted:
        told["profile_count"] = len(call.account.members(mailing))
    return resource(call.base, "list", mailing.id, told)


def lists(call: Call) -> Response:
    """Lists, ten a page."""
    allowed = {"id": ("any", "equals"), "name": ("any", "equals"), "created": ("greater-than",)}
    wanted = clauses(call.query.get("filter", ""), allowed, _INSTANTS)
    found = [
        mailing
        for mailing in call.account.lists.values()
        if all(_holds(clause, getattr(mailing, clause.name)) for clause in wanted)
    ]
    shown, links = page(call, found, 10, 10)
    return answer(200, {"data": [list_resource(call, mailing) for mailing in shown], "links": links})


def _mailing(call: Call) -> Mailing:
    mailing = call.account.lists.get(call.place[0])
    if mailing is None:
        raise missing("list", call.place[0])
    return mailing


def one_list(call: Call) -> Response:
    """One list, counted on demand."""
    counted = "profile_count" in call.query.get("additional-fields[list]", "")
    return answer(200, {"data": list_resource(call, _mailing(call), counted=counted)})


# profiles


def profile_resource(call: Call, person: Person, joined: datetime | None = None) -> dict[str, Any]:
    """One profile, with the fields that were asked for."""
    email = person.email.lower() if call.options["lower_case"] == "yes" else person.email
    told: dict[str, Any] = {
        "email": email,
        "phone_number": None,
        "external_id": None,
        "first_name": None,
        "last_name": None,
        **person.standard,
        "created": iso(person.created),
        "updated": iso(person.updated),
        "last_event_date": None,
        "location": person.standard.get("location") or {},
        "properties": dict(person.properties),
    }
    if joined is not None:
        told["joined_group_at"] = iso(joined)
    fields = call.query.get("fields[profile]")
    if fields:
        told = {name: value for name, value in told.items() if name in fields.split(",")}
    if "subscriptions" in call.query.get("additional-fields[profile]", ""):
        told["subscriptions"] = {"email": {"marketing": _marketing(person)}}
    return resource(call.base, "profile", person.id, told)


def _marketing(person: Person) -> dict[str, Any]:
    return {
        "can_receive_email_marketing": person.is_mailable,
        "consent": person.consent,
        "consent_timestamp": iso(person.consent_at) if person.consent_at else None,
        "last_updated": iso(person.updated),
        "method": None,
        "method_detail": "",
        "custom_method_detail": None,
        "double_optin": False,
        "suppression": [{"reason": reason, "timestamp": iso(at)} for reason, at in person.suppression.items()],
        "list_suppressions": [],
    }


def profiles(call: Call) -> Response:
    """Profiles of the account."""
    wanted = clauses(call.query.get("filter", ""), _PROFILE_FILTERS, _INSTANTS)
    found = call.account.visible(by_email=_named(call, wanted))
    found = [person for person in found if all(_person_holds(clause, person) for clause in wanted)]
    if call.query.get("sort") == f"{_SUPPRESSION}.timestamp":
        found.sort(key=lambda person: (min(person.suppression.values()), person.id))
    elif call.query.get("sort") not in {None, "created", "id"}:
        raise invalid("Not a sortable field.", parameter="sort")
    shown, links = page(call, found, 20, 100)
    return answer(200, {"data": [profile_resource(call, person) for person in shown], "links": links})


def _named(call: Call, wanted: Sequence[Clause]) -> list[str] | None:
    """The addresses that a filter names: looked up, not searched for."""
    named = [clause for clause in wanted if clause.name == "email"]
    if not named:
        return None
    emails = named[0].value if isinstance(named[0].value, list) else [named[0].value]
    if len(emails) > int(call.options["any_max"]):
        raise invalid(f"A maximum of {call.options['any_max']} values is allowed.", parameter="filter")
    return emails


def _person_holds(clause: Clause, person: Person) -> bool:
    if clause.name == "email":
        return True  # looked up
    if clause.name.endswith("suppression.reason"):
        return clause.value in person.suppression
    if clause.name.endswith("suppression.timestamp"):
        return any(_holds(clause, at) for at in person.suppression.values())
    return _holds(clause, getattr(person, clause.name))


def one_profile(call: Call) -> Response:
    """One profile by id."""
    person = call.account.people.get(call.place[0])
    if person is None:
        raise missing("profile", call.place[0])
    return answer(200, {"data": profile_resource(call, person)})


def _listed(call: Call) -> Sequence[tuple[Person, datetime]]:
    wanted = clauses(call.query.get("filter", ""), {"email": ("any", "equals"), "joined_group_at": _RANGE}, _INSTANTS)
    found = call.account.members(_mailing(call))
    emails = _named(call, wanted)
    if emails is not None:
        named = {email.lower() for email in emails}
        found = [(person, at) for person, at in found if person.email.lower() in named]
    for clause in wanted:
        if clause.name == "joined_group_at":
            found = [(person, at) for person, at in found if _holds(clause, at)]
    return found


def members(call: Call) -> Response:
    """Profiles of a list."""
    shown, links = page(call, _listed(call), 20, 100)
    return answer(200, {"data": [profile_resource(call, person, at) for person, at in shown], "links": links})


def member_ids(call: Call) -> Response:
    """Ids of a list's profiles."""
    shown, links = page(call, _listed(call), 20, 100)
    return answer(200, {"data": [{"type": "profile", "id": person.id} for person, _ in shown], "links": links})


# jobs


def job_resource(call: Call, job: Job) -> dict[str, Any]:
    """One job of any kind."""
    total = len(job.records) or job.done + job.skipped + len(job.errors)
    expiry = timedelta(seconds=float(call.options["job_expires"]))
    related: dict[str, Any] = {}
    told: dict[str, Any] = {
        "status": job.status,
        "created_at": iso(job.created),
        "total_count": total,
        "completed_count": job.done,
        "completed_at": iso(job.completed) if job.completed else None,
    }
    if job.kind == "profile-bulk-import-job":
        told |= {"failed_count": len(job.errors), "started_at": iso(job.started) if job.started else None}
        told["expires_at"] = iso(job.completed + expiry) if job.completed else None
    elif job.kind == "coupon-code-bulk-create-job":
        told |= {"failed_count": len(job.errors), "errors": list(job.errors)}
        told["expires_at"] = iso(job.completed + expiry) if job.completed else None
        if call.options["codes_named"] == "yes":
            made = [{"type": "coupon-code", "id": name} for name in job.made]
            related = {"relationships": {"coupon-codes": {"data": made}}}
    else:
        told["skipped_count"] = job.skipped
    return resource(call.base, job.kind, job.id, told, **related)


def import_jobs(call: Call) -> Response:
    """The account's imports."""
    wanted = clauses(call.query.get("filter", ""), {"status": ("any", "equals")})
    found = [
        job
        for job in call.account.jobs.values()
        if job.kind == "profile-bulk-import-job"
        and _is_remembered(call, job)
        and all(_holds(clause, job.status) for clause in wanted)
    ]
    found.sort(key=lambda job: job.created, reverse=call.query.get("sort") == "-created_at")
    shown, links = page(call, found, 20, 100)
    return answer(200, {"data": [job_resource(call, job) for job in shown], "links": links})


def _is_remembered(call: Call, job: Job) -> bool:
    expiry = timedelta(seconds=float(call.options["job_expires"]))
    return job.completed is None or job.completed + expiry > call.account.world.now()


def _job(call: Call) -> Job:
    job = call.account.jobs.get(call.place[0])
    if job is None or not call.path.startswith(f"/{job.kind}s/") or not _is_remembered(call, job):
        raise missing("job", call.place[0])
    return job


def one_job(call: Call) -> Response:
    """One job, while it is remembered."""
    return answer(200, {"data": job_resource(call, _job(call))})


def import_errors(call: Call) -> Response:
    """What failed within an import, in no order that means anything."""
    shown, links = page(call, list(reversed(_job(call).errors)), 20, 100)
    return answer(200, {"data": list(shown), "links": links})


# engagement


def metrics(call: Call) -> Response:
    """Metrics, Klaviyo's own and others of the same names."""
    from connectors.sandbox.klaviyo.engagement import METRICS

    wanted = clauses(
        call.query.get("filter", ""), {"integration.name": ("equals",), "integration.category": ("equals",)}
    )
    found = []
    for ref, (name, integration) in METRICS.items():
        if all(_holds(clause, integration) for clause in wanted if clause.name == "integration.name"):
            told = {"object": "integration", "id": f"int-{integration}", "name": integration, "category": "Internal"}
            dated = {"created": "2015-01-01T00:00:00+00:00", "updated": "2015-01-01T00:00:00+00:00"}
            found.append(resource(call.base, "metric", ref, {"name": name, **dated, "integration": told}))
    shown, links = page(call, found, 200, 200)
    return answer(200, {"data": list(shown), "links": links})


def events(call: Call) -> Response:
    """Events of one metric, the oldest first on demand, with their profiles."""
    allowed = {"metric_id": ("equals",), "profile_id": ("equals",), "datetime": _RANGE}
    wanted = clauses(call.query.get("filter", ""), allowed, _INSTANTS)
    metric = next((clause.value for clause in wanted if clause.name == "metric_id"), None)
    known = call.account.events
    found = [event for ref in ([metric] if metric else list(known)) for event in known.get(ref, ())]
    ranges = [clause for clause in wanted if clause.name == "datetime"]
    found = [event for event in found if all(_holds(clause, event.at) for clause in ranges)]
    found.sort(key=lambda event: event.at, reverse=call.query.get("sort", "").startswith("-"))
    shown, links = page(call, found, 200, int(call.options["events_page"]))
    body: dict[str, Any] = {"data": [_event_resource(call, event) for event in shown], "links": links}
    if "profile" in call.query.get("include", ""):
        people = {event.person: call.account.people[event.person] for event in shown}
        body["included"] = [profile_resource(call, person) for person in people.values()]
    return answer(200, body)


def _event_resource(call: Call, event: Event) -> dict[str, Any]:
    told = {
        "timestamp": int(event.at.timestamp()),
        "datetime": iso(event.at),
        "uuid": event.id,
        "event_properties": event.properties,
    }
    owners = {"profile": ("profile", event.person), "metric": ("metric", event.metric)}
    related = {name: {"data": {"type": kind, "id": ref}} for name, (kind, ref) in owners.items()}
    return resource(call.base, "event", event.id, told, relationships=related)
