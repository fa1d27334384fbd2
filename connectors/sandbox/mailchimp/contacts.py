"""Operations on audiences, merge fields and members."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.sandbox.mailchimp import shapes, values
from connectors.sandbox.mailchimp.call import Account, Call
from connectors.sandbox.mailchimp.shapes import Json
from connectors.sandbox.mailchimp.store import Audience, Member, MergeField, subscriber
from connectors.sandbox.mailchimp.words import Refusal
from connectors.types import Fitted

_TYPES = frozenset(
    {"text", "number", "address", "phone", "date", "url", "imageurl", "radio", "dropdown", "birthday", "zip"}
)
_MOST_MEMBERS = 500
_TAG_LENGTH = 10
_FIELD_KEYS: Mapping[str, type] = {
    "tag": str, "name": str, "type": str, "required": bool, "default_value": str, "public": bool, "options": dict,
    "help_text": str,
}  # fmt: skip


def root(call: Call) -> Json:
    """GET /."""
    total = sum(audience.counted("subscribed") for audience in call.account.audiences.values())
    return {
        "account_id": "5a0db0x000000000000000001",
        "login_id": "1",
        "account_name": "Sandbox",
        "email": "owner@example.com",
        "first_name": "",
        "last_name": "",
        "username": "sandbox",
        "role": "owner",
        "pricing_plan_type": "monthly",
        "account_timezone": "Europe/Paris",
        "total_subscribers": total,
    }


def ping(_: Call) -> Json:
    """GET /ping."""
    return {"health_status": "Everything's Chimpy!"}


def audiences(call: Call) -> Json:
    """GET /lists."""
    page, total = call.page([shapes.audience(one) for one in call.account.audiences.values()])
    return {"lists": page, "total_items": total, "constraints": {"may_create": True, "max_instances": 5}}


def audience(call: Call) -> Json:
    """GET /lists/{list}."""
    return shapes.audience(call.account.audience(call.parts["list"]))


# merge fields
def fields(call: Call) -> Json:
    """GET /lists/{list}/merge-fields."""
    found = call.account.audience(call.parts["list"])
    wanted = call.query.get("type")
    page, total = call.page(
        [shapes.merge_field(found, one) for one in found.fields.values() if wanted in {None, one.type}]
    )
    return {"merge_fields": page, "list_id": found.id, "total_items": total}


def add_field(call: Call) -> Json:
    """POST /lists/{list}/merge-fields."""
    found, account = call.account.audience(call.parts["list"]), call.account
    strict = account.says("unknown_keys", "refused")
    body = values.checked(call.body, _FIELD_KEYS, required=("name", "type"), strict=strict)
    limit = int(account.options.get("field_limit", "30"))
    tag = str(body.get("tag", f"MMERGE{len(found.fields) + 1}"))
    if body["type"] not in _TYPES:
        raise Refusal("invalid", errors=[{"field": "type", "message": "Value is not one of the accepted values"}])
    if not (0 < len(tag) <= _TAG_LENGTH and tag.replace("_", "").isalnum() and tag.isascii() and tag == tag.upper()):
        raise Refusal("tag", errors=[{"field": "tag", "message": "This value is too long."}])
    if tag in found.fields:
        raise Refusal("tag_twice", tag)
    if len(found.fields) >= limit:
        raise Refusal("fields_full", str(limit))
    options = body.get("options")
    made = MergeField(
        len(found.fields) + 1,
        tag,
        str(body["name"]),
        str(body["type"]),
        required=bool(body.get("required")),
        public=bool(body.get("public")),
        options=options if isinstance(options, dict) else {},
    )
    found.fields[tag] = made
    return shapes.merge_field(found, made)


# members
def members(call: Call) -> Json:
    """GET /lists/{list}/members."""
    found, wanted = call.account.audience(call.parts["list"]), call.query.get("status")
    if wanted and wanted not in values.STATUSES | {"archived"}:
        raise Refusal("param", "status")
    if "unsubscribed_since" in call.query and wanted != "unsubscribed":
        raise Refusal("param", "unsubscribed_since")
    since, until = call.instant("since_last_changed"), call.instant("before_last_changed")
    everyone = found.members.values() if call.account.says("list_archived", "yes") else found.present()
    chosen = [
        one
        for one in (found.members.values() if wanted else everyone)
        if (not wanted or one.status == wanted)
        and (since is None or one.changed >= since)
        and (until is None or one.changed < until)
    ]
    if call.query.get("sort_field") == "last_changed":
        chosen.sort(key=lambda one: one.changed, reverse=call.query.get("sort_dir") == "DESC")
    page, total = call.page(chosen)
    shown = [shapes.member(found, one) for one in page if isinstance(one, Member)]
    return {"members": shown, "list_id": found.id, "total_items": total}


def member(call: Call) -> Json:
    """GET /lists/{list}/members/{member}."""
    found = call.account.audience(call.parts["list"])
    return shapes.member(found, call.account.member(found, call.parts["member"]))


def update(call: Call) -> Json:
    """PATCH /lists/{list}/members/{member}."""
    found = call.account.audience(call.parts["list"])
    one = call.account.member(found, call.parts["member"])
    if one.status == "archived" and call.account.says("patch_archived", "missing"):
        raise Refusal("missing")
    body = values.checked(call.body, values.MEMBER_KEYS, strict=call.account.says("unknown_keys", "refused"))
    _write(call, found, one, body)
    return shapes.member(found, one)


def upsert(call: Call) -> Json:
    """PUT /lists/{list}/members/{member}."""
    found, strict = call.account.audience(call.parts["list"]), call.account.says("unknown_keys", "refused")
    keys = {**values.MEMBER_KEYS, "status_if_new": str}
    body = dict(values.checked(call.body, keys, required=("email_address",), strict=strict))
    first = body.pop("status_if_new", None)
    one = found.members.get(subscriber(str(body["email_address"])))
    if one is None or one.status == "archived":
        return shapes.member(found, _create(call, found, {"status": first, **body}))
    _write(call, found, one, body)
    return shapes.member(found, one)


def create(call: Call) -> Json:
    """POST /lists/{list}/members."""
    found, strict = call.account.audience(call.parts["list"]), call.account.says("unknown_keys", "refused")
    body = values.checked(call.body, values.MEMBER_KEYS, required=("email_address", "status"), strict=strict)
    _refuse_existing(call.account, found, str(body["email_address"]))
    return shapes.member(found, _create(call, found, body))


def archive(call: Call) -> None:
    """DELETE /lists/{list}/members/{member}."""
    found = call.account.audience(call.parts["list"])
    one = call.account.member(found, call.parts["member"])
    if one.status == "archived":
        raise Refusal("removed")
    one.status, one.changed = "archived", call.now


def erase(call: Call) -> None:
    """POST /lists/{list}/members/{member}/actions/delete-permanent."""
    found = call.account.audience(call.parts["list"])
    one = call.account.member(found, call.parts["member"])
    del found.members[one.id]
    found.forgotten.add(one.id)


def batch(call: Call) -> Json:
    """POST /lists/{list}."""
    found, strict = call.account.audience(call.parts["list"]), call.account.says("unknown_keys", "refused")
    keys = {"members": list, "sync_tags": bool, "update_existing": bool}
    body = values.checked(call.body, keys, required=("members",), strict=strict)
    entries = body["members"]
    if not isinstance(entries, list) or len(entries) > _MOST_MEMBERS:
        raise Refusal("too_many_members")
    for place, entry in enumerate(entries):  # one record of the wrong shape refuses the call
        where = f"members.item:{place}"
        values.checked(entry, values.MEMBER_KEYS, required=("email_address", "status"), strict=strict, place=where)
        values.status(entry, where)
    answer = _Batch(call, found, updates=bool(body.get("update_existing")))
    for entry in entries:
        answer.take(entry)
    return answer.json()


class _Batch:
    """One batch add: what was created, updated and refused."""

    def __init__(self, call: Call, audience: Audience, *, updates: bool) -> None:
        self._call, self._audience, self._updates = call, audience, updates
        self._ignores = call.flag("skip_duplicate_check")
        self._seen: set[str] = set()
        self._new: list[Json] = []
        self._updated: list[Json] = []
        self._errors: list[Json] = []

    def take(self, entry: Mapping[str, object]) -> None:
        """One record."""
        email = str(entry["email_address"]).strip()
        ref = subscriber(email)
        try:
            if ref in self._seen:
                if self._ignores:
                    return
                raise Refusal("twice", email)
            self._seen.add(ref)
            if self._call.account.world.faults.refuses("mailchimp", "bad-record", email):
                raise Refusal("fake", email)
            self._carry(entry, self._audience.members.get(ref))
        except Refusal as refusal:
            self._errors.append(self._error(email, refusal))

    def _carry(self, entry: Mapping[str, object], one: Member | None) -> None:
        account = self._call.account
        if one is None or (one.status == "archived" and (self._updates or account.says("archived_add", "revives"))):
            made = _create(self._call, self._audience, entry)
            self._new.append(shapes.batched(self._audience, made))
        elif self._updates:
            _write(self._call, self._audience, one, entry)
            self._updated.append(shapes.batched(self._audience, one))
        elif one.is_locked and account.says("left_add", "generic"):
            raise Refusal("compliance", one.email)
        elif not (one.is_locked and account.says("left_add", "silent")):
            raise Refusal("exists", one.email)

    def _error(self, email: str, refusal: Refusal) -> Json:
        language = self._call.account.language
        first = refusal.errors[0] if refusal.errors else {"field": "", "message": ""}
        return {
            "email_address": email,
            "error": refusal.detail(language),
            "error_code": "ERROR_CONTACT_EXISTS" if refusal.name == "exists" else "ERROR_GENERIC",
            "field": first["field"],
            "field_message": first["message"],
        }

    def json(self) -> Json:
        """The answer."""
        return {
            "new_members": self._new,
            "updated_members": self._updated,
            "errors": self._errors,
            "total_created": len(self._new),
            "total_updated": len(self._updated),
            "error_count": len(self._errors),
        }


def _refuse_existing(account: Account, audience: Audience, email: str) -> None:
    one = audience.members.get(subscriber(email))
    if one is not None and not (one.status == "archived" and account.says("archived_add", "revives")):
        raise Refusal("exists", email)


def _create(call: Call, audience: Audience, body: Mapping[str, object]) -> Member:
    account, now = call.account, call.now
    email = values.address(str(body["email_address"]), strict=account.world.strict_addresses)
    ref = subscriber(email)
    if ref in audience.forgotten:
        raise Refusal("forgotten", email)
    status, old = values.status(body), audience.members.get(ref)
    if old is not None and old.is_locked and status in {"subscribed", "transactional"}:
        raise Refusal("compliance", email)
    kept = _merge(call, audience, body)
    if not call.flag("skip_merge_validation"):
        values.missing(audience, kept, account.language)
    one = Member(email, status, now, now, next(account.numbers), kept)
    if old is not None:
        one.segments, one.is_locked = old.segments, old.is_locked
    audience.members[ref] = one
    return one


def _write(call: Call, audience: Audience, one: Member, body: Mapping[str, object]) -> None:
    """Everything is checked before anything changes."""
    status = values.status(body) if "status" in body else one.status
    if one.is_locked and status not in {one.status, "unsubscribed", "cleaned", "pending"}:
        raise Refusal("compliance", one.email)
    kept = _merge(call, audience, body)
    if kept and not call.flag("skip_merge_validation"):
        values.missing(audience, {**one.merge, **kept}, call.account.language)
    changed = {**one.merge, **kept}
    if (status, changed) != (one.status, one.merge):
        one.changed = call.now
    one.status, one.merge = status, changed


def _merge(call: Call, audience: Audience, body: Mapping[str, object]) -> dict[str, Fitted]:
    given = body.get("merge_fields")
    trims, clears = call.account.says("trims", "yes"), call.account.says("clears", "all")
    known = given if isinstance(given, dict) else {}
    return values.merge(audience, known, language=call.account.language, trims=trims, clears=clears)
