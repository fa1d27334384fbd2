"""The emulated Klaviyo as one provider of the sandbox: who may call, how often, and what answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.http import Request, Response
from connectors.pace import Rate
from connectors.sandbox.klaviyo import coupons, engagement, jobs, reads, reports, webhooks
from connectors.sandbox.klaviyo.shapes import MEDIA, Pager, Refused, answer, invalid, problem, throttled
from connectors.sandbox.klaviyo.state import NEVER, SUBSCRIBED, UNSUBSCRIBED, Account
from connectors.sandbox.world import Contact, Job, Windows, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.types import EventKind

DEFAULTS = {
    "visibility": "0",  # UNVERIFIED: seconds that reads stay behind writes
    "lower_case": "yes",  # UNVERIFIED: addresses come back lower-cased
    "any_max": "100",  # UNVERIFIED: values in one any()
    "url_max": "8000",  # UNVERIFIED: bytes of a call's address
    "address_check": "sync",  # sync: a malformed address refuses the whole job; async: it becomes an import error
    "unknown_list": "404",  # UNVERIFIED: the status of an import into a list that is gone (404 or 400)
    "duplicates": "last",  # UNVERIFIED: which of two records of one address wins in a job (last or first)
    "absent_member": "204",  # UNVERIFIED: removing who is not on the list (204, or 400 as for unknown ids)
    "payload": "flat",  # UNVERIFIED: import errors repeat the record's attributes, the record (nested) or nothing (none)
    "events_page": "1000",  # the description's two readings of the largest page (1000 or 200)
    "job_expires": "604800",  # UNVERIFIED: seconds until a finished job is forgotten
    "import_seconds": "3",  # UNVERIFIED: how long an import takes; a thousand profiles add one
    "async_errors": "",  # addresses with this in them fail within the job
    "cloudflare": "0",  # every so many calls meets the HTML challenge in front of the API
    "missing_scopes": "",  # scopes that the key lacks, separated by spaces
    "properties_max": "400",  # UNVERIFIED: the most properties of a profile (0: none)
    "codes_named": "yes",  # UNVERIFIED: a finished job of codes names those that it made
    "codes_repeat": "error",  # UNVERIFIED: a code that is there is an error of the job (error or silent)
    "codes_unique": "account",  # UNVERIFIED: a code may be in one coupon only (account), or in several (coupon)
    "codes_seconds": "2",  # UNVERIFIED: how long a job of codes takes
    "queue_full": "400",  # UNVERIFIED: the status of a job of codes while a hundred wait
    "unknown_coupon": "sync",  # UNVERIFIED: codes of a coupon that is gone: refused (sync), or errors of the job (async)
    "erase_seconds": "60",  # UNVERIFIED: how long a deletion takes
    "report_page": "0",  # UNVERIFIED: campaigns in one page of a report (0: all)
    "conversion_metric": "any",  # UNVERIFIED: whether a report takes any metric as its conversion, or orders only
    "scope_code": "permission_denied",  # UNVERIFIED: the error's code of a missing scope
    "webhook_secret": "",  # the secret_key of a webhook for all e-mail topics; without one nothing is delivered
    "webhook_meta": "full",  # UNVERIFIED: what meta names (full: account and webhook; bare: neither)
    "webhook_profile": "absent",  # UNVERIFIED: whether the person's address comes along (absent or included)
    "names_unique": "no",  # UNVERIFIED: whether a second list of one name is refused
}
_OLDEST = "2024-10-15"  # revisions before it are retired (two years, as of 2026-11)
_REVISION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
_XS, _S = (Rate(1, 1), Rate(15, 60)), (Rate(3, 1), Rate(60, 60))
_M, _REPORT = (Rate(10, 1), Rate(150, 60)), (Rate(1, 1), Rate(2, 60), Rate(225, 86_400))
_L, _XL = (Rate(75, 1), Rate(700, 60)), (Rate(350, 1), Rate(3500, 60))
_FIELDS = ("fields[profile]", "additional-fields[profile]")
_PAGES = ("page[cursor]", "page[size]")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: its address, its windows, the scopes that it asks for and the parameters that it knows."""

    method: str
    pattern: str
    handler: Callable[[Call], Response]
    windows: tuple[Rate, ...]
    scopes: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One call on its way to an operation."""

    account: Account
    options: Mapping[str, str]
    pager: Pager
    request: Request
    query: Mapping[str, str]
    place: tuple[str, ...]  # the identifiers in the path
    base: str  # the API's own address, for links
    path: str

    def document(self) -> dict[str, Any]:
        """The body's document. Raises Refused."""
        try:
            body = json.loads(self.request.body)
        except ValueError:
            raise invalid("The body is not valid JSON.") from None
        if not isinstance(body, dict) or "data" not in body:
            raise invalid("'data' is a required field.", pointer="/data")
        return body


_CODE_JOBS = "/coupon-code-bulk-create-jobs"
_IMPORT_JOBS, _SUPPRESS_JOBS = "/profile-bulk-import-jobs", "/profile-suppression-bulk-create-jobs"
ROUTES = (
    Route("GET", "/accounts", reads.accounts, _XS, "accounts:read", ("fields[account]",)),
    Route("GET", "/lists", reads.lists, _L, "lists:read", ("filter", "sort", "fields[list]", *_PAGES)),
    Route("POST", "/lists", jobs.create_list, (*_M, Rate(150, 86_400)), "lists:write", ("fields[list]",)),
    Route("GET", "/lists/([^/]+)", reads.one_list, _L, "lists:read", ("additional-fields[list]", "fields[list]")),
    Route("GET", "/lists/([^/]+)/relationships/profiles", reads.member_ids, _L, "lists:read profiles:read",
          ("filter", "sort", *_PAGES)),
    Route("POST", "/lists/([^/]+)/relationships/profiles", jobs.attach, _M, "lists:write profiles:write"),
    Route("DELETE", "/lists/([^/]+)/relationships/profiles", jobs.detach, _M, "lists:write profiles:write"),
    Route("GET", "/lists/([^/]+)/profiles", reads.members, _L, "lists:read profiles:read",
          ("filter", "sort", *_FIELDS, *_PAGES)),
    Route("GET", "/profiles", reads.profiles, _L, "profiles:read", ("filter", "sort", *_FIELDS, *_PAGES)),
    Route("GET", "/profiles/([^/]+)", reads.one_profile, _L, "profiles:read", _FIELDS),
    Route("POST", _IMPORT_JOBS, jobs.import_profiles, _M, "lists:write profiles:write"),
    Route("GET", _IMPORT_JOBS, reads.import_jobs, _M, "lists:read profiles:read", ("filter", "sort", *_PAGES)),
    Route("GET", f"{_IMPORT_JOBS}/([^/]+)", reads.one_job, _M, "lists:read profiles:read", ("include",)),
    Route("GET", f"{_IMPORT_JOBS}/([^/]+)/import-errors", reads.import_errors, _M, "profiles:read", _PAGES),
    Route("POST", _SUPPRESS_JOBS, jobs.suppress, _L, "profiles:write subscriptions:write"),
    Route("GET", f"{_SUPPRESS_JOBS}/([^/]+)", reads.one_job, _L, "subscriptions:read"),
    Route("POST", "/profile-subscription-bulk-create-jobs", jobs.subscribe, _L,
          "lists:write profiles:write subscriptions:write"),
    Route("POST", "/profile-subscription-bulk-delete-jobs", jobs.unsubscribe, _L,
          "lists:write profiles:write subscriptions:write"),
    Route("POST", "/data-privacy-deletion-jobs", jobs.erase, _S, "data-privacy:write"),
    Route("POST", "/coupons", coupons.create, _S, "coupons:write", ("fields[coupon]",)),
    Route("GET", "/coupons/([^/]+)", coupons.one, _L, "coupons:read", ("fields[coupon]",)),
    Route("POST", _CODE_JOBS, coupons.fill, _L, "coupon-codes:write"),
    Route("GET", _CODE_JOBS, coupons.jobs, _L, "coupon-codes:read", ("filter", "page[cursor]")),
    Route("GET", f"{_CODE_JOBS}/([^/]+)", reads.one_job, _L, "coupon-codes:read", ("include",)),
    Route("GET", "/coupon-codes/([^/]+)", coupons.one_code, _XL, "coupon-codes:read"),
    Route("POST", "/campaign-values-reports", reports.campaigns, _REPORT, "campaigns:read", ("page_cursor",)),
    Route("GET", "/metrics", reads.metrics, _M, "metrics:read", ("filter", "page[cursor]", "fields[metric]")),
    Route("GET", "/events", reads.events, _XL, "events:read",
          ("filter", "sort", "include", "fields[event]", "fields[profile]", "fields[metric]", *_PAGES)),
)  # fmt: skip


class KlaviyoSandbox:
    """One emulated account; `options` are the switches of DEFAULTS."""

    prefix = "/klaviyo/api"
    name = "klaviyo"

    def __init__(self, world: World, options: Mapping[str, str]) -> None:
        self._world = world
        self._options = DEFAULTS | {key: value for key, value in options.items() if key in DEFAULTS}
        self._account = Account(world, lag=float(self._options["visibility"]))
        self._pager = Pager()
        families = {f"{route.method} {route.pattern}": route.windows for route in ROUTES}
        self._windows = Windows(world, {**families, "count": _XS})
        self._calls = 0
        engagement.open_account(self._account)

    def handle(self, request: Request, path: str, query: Mapping[str, str]) -> Response:
        """Answer one call as Klaviyo would."""
        self._calls += 1
        every = int(self._options["cloudflare"])
        if every and self._calls % every == 0:
            return Response(403, {"content-type": "text/html; charset=UTF-8", "cf-ray": "8c0"}, _CHALLENGE)
        try:
            return self._serve(request, path, query)
        except Refused as refused:
            return answer(refused.status, {"errors": list(refused.errors)}, refused.headers)

    def _serve(self, request: Request, path: str, query: Mapping[str, str]) -> Response:
        self._admit(request)
        route, place = _route(request.method, path)
        self._check_scope(route)
        if request.body and request.headers.get("content-type", "").partition(";")[0] not in {
            MEDIA,
            "application/json",
        }:
            raise Refused(415, problem(415, "unsupported_media_type", f"Content-Type must be {MEDIA}."))
        family = "count" if "profile_count" in query.get("additional-fields[list]", "") else None
        family = family or f"{route.method} {route.pattern}"
        wait = self._windows.take(family)
        if wait > 0:
            raise throttled(wait)
        unknown = sorted(set(query) - set(route.parameters))
        if unknown:
            raise invalid(f"'{unknown[0]}' is not a valid parameter of this endpoint.", parameter=unknown[0])
        base = self._world.base_url + self.prefix
        call = Call(self._account, self._options, self._pager, request, query, place, base, path)
        response = route.handler(call)
        return Response(response.status, {**response.headers, **self._quota(family)}, response.body)

    def _admit(self, request: Request) -> None:
        if len(request.url) > int(self._options["url_max"]):
            raise Refused(414, problem(414, "invalid", "Request-URI Too Long"))
        key = request.headers.get("authorization", "").removeprefix("Klaviyo-API-Key ")
        if not key.startswith("pk_sandbox"):
            told = "Incorrect authentication credentials."
            raise Refused(401, problem(401, "not_authenticated", told, title=told, pointer="/data/"))
        revision = request.headers.get("revision", "")
        if not _REVISION.fullmatch(revision):
            raise invalid("The 'revision' header is required (YYYY-MM-DD).", pointer="/data/")
        if revision < _OLDEST:
            raise Refused(410, problem(410, "revision_retired", f"Revision {revision} is retired."))

    def _check_scope(self, route: Route) -> None:
        lacking = set(route.scopes.split()) & set(self._options["missing_scopes"].split())
        if lacking:
            told = f"The API key is missing a required scope: {min(lacking)}"
            raise Refused(
                403, problem(403, self._options["scope_code"], told, title="Permission denied.", pointer="/data/")
            )

    def _quota(self, family: str) -> dict[str, str]:
        state = self._windows.remaining(family)
        if state is None:
            return {}
        rate, left, reset = state
        return {
            "ratelimit-limit": str(rate.calls),
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(reset),
        }

    # the truth behind the API

    def contacts(self) -> dict[str, Contact]:
        """Everyone, by normal address, whatever reads show by now."""
        listed: dict[str, set[str]] = {}
        for mailing in self._account.lists.values():
            for ref in mailing.joined:
                listed.setdefault(ref, set()).add(mailing.id)
        return {
            person.email.lower(): Contact(
                person.email.lower(),
                _status(person.consent, person.suppression),
                {
                    key: value
                    for key, value in {**person.standard, **person.properties}.items()
                    if isinstance(value, str | int | float | bool)
                },
                listed.get(person.id, set()),
                person.id,
                person.is_mailable,
            )
            for person in self._account.people.values()
        }

    def lists(self) -> dict[str, str]:
        """Lists by id."""
        return {mailing.id: mailing.name for mailing in self._account.lists.values()}

    def fields(self) -> dict[str, str]:
        """Klaviyo has no schema: the properties in use, by the type of a value."""
        used = (pair for person in self._account.people.values() for pair in person.properties.items())
        return {name: type(value).__name__ for name, value in used}

    def jobs(self) -> list[Job]:
        """Jobs of every kind."""
        return [
            Job(one.id, one.kind, one.created, one.status, len(one.records) or one.done, one.done, len(one.errors))
            for one in self._account.jobs.values()
        ]

    def seed(self, contact: Contact) -> None:
        """Put a profile in a state; those that Klaviyo does not have become the nearest that mails no more."""
        person = self._account.upsert(contact.email, ref=contact.ref)
        person.properties |= contact.fields
        person.suppression.clear()
        person.consent = {"subscribed": SUBSCRIBED, "unsubscribed": UNSUBSCRIBED}.get(contact.status, NEVER)
        reason = _REASONS.get(contact.status)
        if reason:
            self._account.suppress(person, reason)
        person.created = past = min(person.created, self._world.now() - _LONG_AGO)
        for ref in contact.lists:
            self._account.lists[ref].joined[person.id] = past

    def codes(self) -> dict[str, list[str]]:
        """What each coupon holds."""
        return {coupon.id: list(coupon.codes) for coupon in self._account.coupons.values()}

    def posted(self) -> list[tuple[dict[str, str], bytes]]:
        """Every delivery to the webhook so far: lower-cased headers, and the body."""
        return list(self._account.deliveries)

    def drop(self, list_ref: str) -> None:
        """A list is deleted by hand: its people stay."""
        del self._account.lists[list_ref]

    def mail(self, list_ref: str, subject: str) -> str:
        """Send a campaign to a list's mailable members."""
        return engagement.mail(self._account, list_ref, subject)

    def react(
        self,
        campaign: str,
        email: str,
        kind: EventKind,
        at: datetime,
        *,
        url: str | None = None,
        is_machine: bool = False,
    ) -> None:
        """A reader's act."""
        event = engagement.react(self._account, campaign, email, engagement.Act(kind, at, url, is_machine))
        if self._options["webhook_secret"]:
            webhooks.deliver(self._account, event, self._options)


_LONG_AGO = timedelta(days=1)
_CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
_REASONS = {
    "unsubscribed": "UNSUBSCRIBE",
    "cleaned": "HARD_BOUNCE",
    "complained": "SPAM_COMPLAINT",
    "suppressed": "USER_SUPPRESSED",
    "archived": "USER_SUPPRESSED",
    "pending": "USER_SUPPRESSED",
    "transactional": "USER_SUPPRESSED",
}
_STATUSES = {
    "SPAM_COMPLAINT": "complained",
    "UNSUBSCRIBE": "unsubscribed",
    "HARD_BOUNCE": "cleaned",
    "INVALID_EMAIL": "cleaned",
    "USER_SUPPRESSED": "suppressed",
}


def _status(consent: str, suppression: Mapping[str, datetime]) -> str:
    reasons = (status for reason, status in _STATUSES.items() if reason in suppression)
    return next(reasons, "subscribed" if consent == SUBSCRIBED else "never")


def _route(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    known = False
    for route in ROUTES:
        match = re.fullmatch(route.pattern, path)
        known = known or match is not None
        if match and route.method == method:
            return route, match.groups()
    told = "Method not allowed." if known else "Resource not found."
    status = 405 if known else 404
    raise Refused(status, problem(status, "method_not_allowed" if known else "not_found", told, title=told))
