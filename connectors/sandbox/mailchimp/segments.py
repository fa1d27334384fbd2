"""Operations on static segments, which are tags too."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.sandbox.mailchimp import shapes, values
from connectors.sandbox.mailchimp.call import Call
from connectors.sandbox.mailchimp.shapes import Json
from connectors.sandbox.mailchimp.store import Audience, Member, Segment, subscriber
from connectors.sandbox.mailchimp.words import Refusal

_MOST = 500
_FLAGS: Mapping[str, str] = {
    "include_cleaned": "cleaned",
    "include_transactional": "transactional",
    "include_unsubscribed": "unsubscribed",
}


def segments(call: Call) -> Json:
    """GET /lists/{list}/segments."""
    found, wanted, shown = call.account.audience(call.parts["list"]), call.query.get("type"), _shown(call)
    page, total = call.page([one for one in found.segments.values() if wanted in {None, one.type}])
    told = [shapes.segment(found, one, shown) for one in page if isinstance(one, Segment)]
    return {"segments": told, "list_id": found.id, "total_items": total}


def segment(call: Call) -> Json:
    """GET /lists/{list}/segments/{segment}."""
    found, one = _segment(call)
    return shapes.segment(found, one, _shown(call))


def create(call: Call) -> Json:
    """POST /lists/{list}/segments."""
    found, strict = call.account.audience(call.parts["list"]), call.account.says("unknown_keys", "refused")
    keys: Mapping[str, type] = {"name": str, "static_segment": list, "options": dict}
    body = values.checked(call.body, keys, required=("name",), strict=strict)
    name = str(body["name"])
    taken = any(one.name == name for one in found.segments.values())
    if not 0 < len(name) <= 100 or (taken and call.account.says("segment_names", "refused")):  # noqa: PLR2004 - the limit of names
        raise Refusal("segment_name")
    kind = "static" if "static_segment" in body else "saved"
    one = Segment(next(call.account.numbers), name, kind, call.now, call.now)
    found.segments[one.id] = one
    _fill(found, one, body.get("static_segment"))
    return shapes.segment(found, one, frozenset({"subscribed"}))


def replace(call: Call) -> Json:
    """PATCH /lists/{list}/segments/{segment}."""
    found, one = _segment(call)
    strict = call.account.says("unknown_keys", "refused")
    body = values.checked(call.body, {"name": str, "static_segment": list, "options": dict}, strict=strict)
    one.name = str(body.get("name", one.name))
    if "static_segment" in body:
        for member in found.members.values():
            member.segments.discard(one.id)
        _fill(found, one, body["static_segment"])
    return shapes.segment(found, one, frozenset({"subscribed"}))


def remove(call: Call) -> None:
    """DELETE /lists/{list}/segments/{segment}."""
    found, one = _segment(call)
    del found.segments[one.id]
    for member in found.members.values():
        member.segments.discard(one.id)


def move(call: Call) -> Json:
    """POST /lists/{list}/segments/{segment}."""
    found, one = _segment(call)
    if one.type != "static":
        raise Refusal("saved", str(one.id))
    strict = call.account.says("unknown_keys", "refused")
    body = values.checked(call.body, {"members_to_add": list, "members_to_remove": list}, strict=strict)
    adds, removes = _addresses(body, "members_to_add"), _addresses(body, "members_to_remove")
    if max(len(adds), len(removes)) > _MOST:
        raise Refusal("too_many_moves")
    errors: dict[str, list[str]] = {}
    added = [member for email in adds if (member := _moved(call, found, one, email, errors, is_add=True))]
    removed = [member for email in removes if (member := _moved(call, found, one, email, errors, is_add=False))]
    one.updated = call.now
    return {
        "members_added": [shapes.batched(found, member) for member in added],
        "members_removed": [shapes.batched(found, member) for member in removed],
        "errors": [{"email_addresses": emails, "error": text} for text, emails in errors.items()],
        "total_added": len(added),
        "total_removed": len(removed),
        "error_count": sum(map(len, errors.values())),
    }


def members(call: Call) -> Json:
    """GET /lists/{list}/segments/{segment}/members."""
    found, one = _segment(call)
    shown = _shown(call)
    page, total = call.page(
        [each for each in found.members.values() if one.id in each.segments and each.status in shown]
    )
    return {"members": [shapes.listed(found, each) for each in page if isinstance(each, Member)], "total_items": total}


def _shown(call: Call) -> frozenset[str]:
    return frozenset({"subscribed", *(status for flag, status in _FLAGS.items() if call.flag(flag))})


def _segment(call: Call) -> tuple[Audience, Segment]:
    found, number = call.account.audience(call.parts["list"]), call.parts["segment"]
    one = found.segments.get(int(number)) if number.isdecimal() else None
    if one is None:
        raise Refusal("saved", number)
    return found, one


def _addresses(body: Mapping[str, object], key: str) -> list[str]:
    given = body.get(key) or []
    return [str(email) for email in given] if isinstance(given, list) else []


def _fill(audience: Audience, one: Segment, emails: object) -> None:
    """Addresses that are not in the audience are ignored."""
    for email in emails if isinstance(emails, list) else ():
        member = audience.members.get(subscriber(str(email)))
        if member is not None and member.status != "archived":
            member.segments.add(one.id)


def _moved(
    call: Call, audience: Audience, one: Segment, email: str, errors: dict[str, list[str]], *, is_add: bool
) -> Member | None:
    """The member to show as moved; None when it is passed over or an error."""
    account, member = call.account, audience.members.get(subscriber(email))
    is_refused = account.world.faults.refuses("mailchimp", "bad-record", email)
    if member is None or member.status == "archived" or is_refused:
        if is_refused or account.says("absent", "error"):
            errors.setdefault(Refusal("stranger").detail(account.language), []).append(email)
        return None
    was_in = one.id in member.segments
    (member.segments.add if is_add else member.segments.discard)(one.id)
    if was_in is not is_add or account.says("readd", "listed"):
        return member
    if account.says("readd", "error"):
        errors.setdefault(Refusal("already").detail(account.language), []).append(email)
    return None
