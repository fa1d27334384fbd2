"""The emulated account: routes, credentials, and the truth behind the API."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from connectors.http import Request, Response
from connectors.sandbox.mailchimp import commerce, contacts, reports, segments, shapes, webhooks
from connectors.sandbox.mailchimp.call import DEFAULTS, Account, Call
from connectors.sandbox.mailchimp.jobs import Jobs
from connectors.sandbox.mailchimp.shapes import Json
from connectors.sandbox.mailchimp.store import Act, Audience, Campaign, Leaving, Member, MergeField, Segment, subscriber
from connectors.sandbox.mailchimp.words import Refusal
from connectors.sandbox.world import Contact, Job, World, json_response
from connectors.types import EventKind

if TYPE_CHECKING:
    from connectors.types import Fitted

Action = Callable[[Call], "Json | None"]

_PARTIAL = frozenset({"fields", "exclude_fields"})
_PAGED = _PARTIAL | {"count", "offset"}
_MEMBER_FILTERS = frozenset(
    {"email_type", "status", "since_timestamp_opt", "before_timestamp_opt", "since_last_changed", "before_last_changed",
     "unique_email_id", "vip_only", "interest_category_id", "interest_ids", "interest_match", "sort_field", "sort_dir",
     "since_last_campaign", "unsubscribed_since"}
)  # fmt: skip
_SHOWN = frozenset({"include_cleaned", "include_transactional", "include_unsubscribed"})
_SENT = frozenset({"type", "before_send_time", "since_send_time"})
_SKIP = frozenset({"skip_merge_validation"})
_DATES = frozenset({"since_created_at", "before_created_at", "since_updated_at", "before_updated_at"})
_LISTS = frozenset(
    {"before_date_created", "since_date_created", "email", "sort_field", "sort_dir", "include_total_contacts"}
)
_CAMPAIGNS = frozenset({"status", "list_id", "sort_field", "sort_dir", "before_create_time", "since_create_time"})

# method, path, documented query parameters, operation
_ROUTES: tuple[tuple[str, str, frozenset[str], Action], ...] = (
    ("GET", "/", _PARTIAL, contacts.root),
    ("GET", "/ping", frozenset(), contacts.ping),
    ("GET", "/lists", _PAGED | _LISTS, contacts.audiences),
    ("GET", "/lists/{list}", _PARTIAL | {"include_total_contacts"}, contacts.audience),
    ("POST", "/lists/{list}", _SKIP | {"skip_duplicate_check"}, contacts.batch),
    ("GET", "/lists/{list}/merge-fields", _PAGED | {"type", "required"}, contacts.fields),
    ("POST", "/lists/{list}/merge-fields", frozenset(), contacts.add_field),
    ("GET", "/lists/{list}/members", _PAGED | _MEMBER_FILTERS, contacts.members),
    ("POST", "/lists/{list}/members", _SKIP, contacts.create),
    ("GET", "/lists/{list}/members/{member}", _PARTIAL, contacts.member),
    ("PUT", "/lists/{list}/members/{member}", _SKIP, contacts.upsert),
    ("PATCH", "/lists/{list}/members/{member}", _SKIP, contacts.update),
    ("DELETE", "/lists/{list}/members/{member}", frozenset(), contacts.archive),
    ("POST", "/lists/{list}/members/{member}/actions/delete-permanent", frozenset(), contacts.erase),
    ("GET", "/lists/{list}/abuse-reports", _PAGED, reports.abuse),
    ("GET", "/lists/{list}/segments", _PAGED | _SHOWN | _DATES | {"type"}, segments.segments),
    ("POST", "/lists/{list}/segments", frozenset(), segments.create),
    ("GET", "/lists/{list}/segments/{segment}", _PARTIAL | _SHOWN, segments.segment),
    ("POST", "/lists/{list}/segments/{segment}", frozenset(), segments.move),
    ("PATCH", "/lists/{list}/segments/{segment}", frozenset(), segments.replace),
    ("DELETE", "/lists/{list}/segments/{segment}", frozenset(), segments.remove),
    ("GET", "/lists/{list}/segments/{segment}/members", _PAGED | _SHOWN, segments.members),
    ("GET", "/lists/{list}/webhooks", frozenset(), webhooks.webhooks),
    ("POST", "/lists/{list}/webhooks", frozenset(), webhooks.add),
    ("DELETE", "/lists/{list}/webhooks/{webhook}", frozenset(), webhooks.remove),
    ("GET", "/ecommerce/stores", _PAGED, commerce.stores),
    ("POST", "/ecommerce/stores", frozenset(), commerce.add_store),
    ("GET", "/ecommerce/stores/{store}/promo-rules", _PAGED, commerce.rules),
    ("POST", "/ecommerce/stores/{store}/promo-rules", frozenset(), commerce.add_rule),
    ("GET", "/ecommerce/stores/{store}/promo-rules/{rule}", _PARTIAL, commerce.rule),
    ("DELETE", "/ecommerce/stores/{store}/promo-rules/{rule}", frozenset(), commerce.remove_rule),
    ("GET", "/ecommerce/stores/{store}/promo-rules/{rule}/promo-codes", _PAGED, commerce.codes),
    ("POST", "/ecommerce/stores/{store}/promo-rules/{rule}/promo-codes", frozenset(), commerce.add_code),
    ("GET", "/campaigns", _PAGED | _SENT | _CAMPAIGNS, reports.campaigns),
    ("GET", "/reports", _PAGED | _SENT, reports.reports),
    ("GET", "/reports/{campaign}", _PARTIAL, reports.report),
    ("GET", "/reports/{campaign}/sent-to", _PAGED, reports.sent_to),
    ("GET", "/reports/{campaign}/email-activity", _PAGED | {"since"}, reports.email_activity),
    ("GET", "/reports/{campaign}/open-details", _PAGED | {"since", "sort_field", "sort_dir"}, reports.open_details),
    ("GET", "/reports/{campaign}/unsubscribed", _PAGED, reports.unsubscribed),
    ("GET", "/reports/{campaign}/abuse-reports", _PARTIAL, reports.complaints),
)  # fmt: skip

_DEFAULT_FIELDS = (("FNAME", "First Name", "text"), ("LNAME", "Last Name", "text"), ("ADDRESS", "Address", "address"),
                   ("PHONE", "Phone Number", "phone"))  # fmt: skip
_STATUS = {"suppressed": "unsubscribed", "complained": "unsubscribed", "never": "transactional"}
_LEFT = frozenset({"unsubscribed", "cleaned", "complained", "suppressed"})


class MailchimpSandbox:
    """One account with one audience, "Newsletter"; `lists` and `mail` name a segment as "audience/segment"."""

    prefix = "/mailchimp/3.0"
    name = "mailchimp"

    def __init__(self, world: World, options: Mapping[str, str]) -> None:
        self.account = Account(world, {**DEFAULTS, **options})
        self.add_audience("a1b2c3d4e5", "Newsletter")
        self._jobs = Jobs(self.account, self.run, self.prefix)
        jobs: tuple[tuple[str, str, frozenset[str], Action], ...] = (
            ("GET", "/batches", _PAGED, self._jobs.jobs),
            ("POST", "/batches", frozenset(), self._jobs.submit),
            ("GET", "/batches/{batch}", _PARTIAL, self._jobs.job),
            ("DELETE", "/batches/{batch}", frozenset(), self._jobs.remove),
        )
        self._routes = [(method, _pattern(path), known, action) for method, path, known, action in (*_ROUTES, *jobs)]

    def add_audience(self, ref: str, name: str) -> Audience:
        """An audience with the merge fields that every new one has."""
        made = Audience(ref, name, self.account.world.now(), is_double=self.account.says("double_optin", "yes"))
        made.fields = {
            tag: MergeField(place, tag, title, kind) for place, (tag, title, kind) in enumerate(_DEFAULT_FIELDS, 1)
        }
        self.account.audiences[ref] = made
        return made

    @property
    def audience(self) -> Audience:
        """The first audience."""
        return next(iter(self.account.audiences.values()))

    # the API
    def handle(self, request: Request, path: str, query: Mapping[str, str]) -> Response:
        """Answer one call; every answer of the API names its request."""
        if request.method == "GET" and path.startswith("/archives/"):
            return self._jobs.archive(request, query, path.removeprefix("/archives/"))
        headers = {"x-request-id": f"{self.account.world.random.getrandbits(128):032x}"}
        refusal = _unauthorized(request)
        status, answer = (
            _refused(refusal, self.account) if refusal else self.run(request.method, path, query, request.body)
        )
        if status == 204:  # noqa: PLR2004 - HTTP's own number
            return json_response(status, None, headers)
        kind = "application/json" if status < 400 else "application/problem+json"  # noqa: PLR2004 - HTTP's own number
        return json_response(status, answer, {**headers, "content-type": f"{kind}; charset=utf-8"})

    def run(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Json]:
        """Carry out one operation, alone or of a /batches job: its status and its answer."""
        parts = urlsplit(path)
        asked = {**dict(parse_qsl(parts.query)), **query}
        try:
            call, action = self._call(method, f"/{parts.path.strip('/')}", asked, body)
            answer = action(call)
        except Refusal as refusal:
            return _refused(refusal, self.account)
        if answer is None:
            return 204, {}
        return 200, shapes.project(answer, asked.get("fields", ""), asked.get("exclude_fields", ""))

    def _call(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> tuple[Call, Action]:
        found = [(route, match) for route in self._routes if (match := route[1].fullmatch(path))]
        if not found:
            raise Refusal("missing")
        for (wanted, _, known, action), match in found:
            if wanted == method:
                strange = sorted(set(query) - known)
                if strange or query.keys() >= _PARTIAL:
                    raise Refusal("param", strange[0] if strange else "exclude_fields")
                parts = {name: unquote(value) for name, value in match.groupdict().items()}
                return Call(self.account, parts, query, _parsed(body)), action
        raise Refusal("method")

    # the truth behind it
    def contacts(self) -> dict[str, Contact]:
        """Everyone in the first audience, by normal address."""
        audience = self.audience
        return {one.email.lower(): _contact(audience, one) for one in audience.members.values()}

    def lists(self) -> dict[str, str]:
        """Static segments: "audience/segment" → name."""
        return {
            f"{audience.id}/{one.id}": one.name
            for audience in self.account.audiences.values()
            for one in audience.segments.values()
            if one.type == "static"
        }

    def fields(self) -> dict[str, str]:
        """Merge fields of the first audience: tag → type."""
        return {tag: one.type for tag, one in self.audience.fields.items()}

    def codes(self) -> dict[str, list[str]]:
        """Promo codes: "store/rule" → codes."""
        return {
            f"{store}/{rule}": [str(code["code"]) for code in one.codes.values()]
            for store, at in self.account.stores.items()
            for rule, one in at.rules.items()
        }

    def jobs(self) -> list[Job]:
        """Batches."""
        return self._jobs.shown()

    def seed(self, contact: Contact) -> None:
        """Put a contact in a state; who left did so themselves, and a complaint is in the abuse reports."""
        audience, now = self.audience, self._now()
        for tag in contact.fields:
            audience.fields.setdefault(tag, MergeField(len(audience.fields) + 1, tag, tag, "text"))
        one = Member(contact.email, _STATUS.get(contact.status, contact.status), now, now, next(self.account.numbers))
        one.merge = dict(contact.fields)
        one.segments = {self._segment(ref)[1].id for ref in contact.lists}
        one.is_locked, one.is_complaint = contact.status in _LEFT, contact.status == "complained"
        audience.members[one.id] = one
        if one.is_complaint:
            audience.complaints.append(Leaving(next(self.account.numbers), one.email, now))

    def drop(self, list_ref: str) -> None:
        """A static segment is deleted by hand: its people stay."""
        audience, segment = self._segment(list_ref)
        del audience.segments[segment.id]
        for member in audience.members.values():
            member.segments.discard(segment.id)

    def mail(self, list_ref: str, subject: str) -> str:
        """Send a campaign to the subscribed of an audience or of a segment; returns its id."""
        audience, segment = self.account.audience(list_ref.partition("/")[0]), None
        if "/" in list_ref:
            audience, segment = self._segment(list_ref)
        people = [
            one.email
            for one in audience.members.values()
            if one.status == "subscribed" and (segment is None or segment.id in one.segments)
        ]
        number = next(self.account.numbers)
        ref = f"{self.account.world.random.getrandbits(40):010x}"
        self.account.campaigns[ref] = Campaign(ref, number, audience.id, subject, self._now(), people)
        return ref

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
        """A recipient's act: a click, open or bounce is in the activity; who leaves cannot be brought back."""
        sent = self.account.campaigns[campaign]
        one = self.account.audiences[sent.audience].members[subscriber(email)]
        when = at.replace(microsecond=0)
        left = Leaving(next(self.account.numbers), one.email, when)
        if kind in _ACTIONS:
            told = self.account.world.faults.dated("mailchimp", when)
            sent.acts.setdefault(one.email, []).append(Act(_ACTIONS[kind], told, url or "", is_machine))
        if kind is EventKind.UNSUBSCRIBE:
            left.reason = "None given"
            sent.unsubscribes.append(left)
        if kind is EventKind.COMPLAINT:
            left.reason = sent.id
            sent.complaints.append(left)
            self.account.audiences[sent.audience].complaints.append(left)
            one.is_complaint = True
        if kind in _CONSEQUENCES and one.status != "archived":
            one.status, one.is_locked, one.changed, one.reason = _CONSEQUENCES[kind], True, when, left.reason
            word, about = _DELIVERED[kind]
            data = {"id": shapes.unique(one), "email": one.email, "email_type": "html", "campaign_id": sent.id, **about}
            webhooks.deliver(self.account, sent.audience, word, {**data, "merges": {"EMAIL": one.email}})

    def _segment(self, ref: str) -> tuple[Audience, Segment]:
        audience, _, segment = ref.partition("/")
        found = self.account.audience(audience)
        return found, found.segments[int(segment)]

    def _now(self) -> datetime:
        return self.account.world.now().replace(microsecond=0)


_ACTIONS = {EventKind.OPEN: "open", EventKind.CLICK: "click", EventKind.BOUNCE: "bounce"}
_CONSEQUENCES = {
    EventKind.UNSUBSCRIBE: "unsubscribed",
    EventKind.COMPLAINT: "unsubscribed",
    EventKind.BOUNCE: "cleaned",
}

_DELIVERED: Mapping[EventKind, tuple[str, Mapping[str, str]]] = {
    EventKind.UNSUBSCRIBE: ("unsubscribe", {"action": "unsub", "reason": "manual"}),
    EventKind.COMPLAINT: ("unsubscribe", {"action": "unsub", "reason": "abuse"}),
    EventKind.BOUNCE: ("cleaned", {"reason": "hard"}),
}


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


def _parsed(body: bytes) -> object:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        raise Refusal("json") from None


def _refused(refusal: Refusal, account: Account) -> tuple[int, Json]:
    instance = f"{account.world.random.getrandbits(128):032x}"
    return refusal.status, refusal.body(account.language, instance)


def _unauthorized(request: Request) -> Refusal | None:
    """A key of this data centre, by Basic (any user) or as a bearer."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not token:
        return Refusal("no_key")
    try:
        key = base64.b64decode(token).decode().partition(":")[2] if scheme.lower() == "basic" else token
    except ValueError:
        key = ""
    return None if re.fullmatch(r"[^\s-]\S*-us1", key) else Refusal("key")


def _contact(audience: Audience, one: Member) -> Contact:
    fields: dict[str, Fitted] = {tag: value for tag, value in one.merge.items() if value != ""}
    status = "complained" if one.is_complaint else one.status
    refs = {f"{audience.id}/{segment}" for segment in one.segments}
    return Contact(one.email.lower(), status, fields, refs, one.id, mailable=one.status == "subscribed")
