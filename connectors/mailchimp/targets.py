"""What is written to: the audience, static segments, merge fields, and promo rules as pools of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from connectors import errors
from connectors.http import Http
from connectors.mailchimp import reading, sdk, wire
from connectors.mailchimp.spec import FIELDS, FIELDS_AT_MOST, SPEC, MailchimpSettings
from connectors.types import Ref, Target, TargetKind

_TITLE_BYTES = 100  # of a promo rule


def audience_of(http: Http, wanted: str) -> str:
    """The id of the audience of that id or name. Raises SettingsError."""
    known = {str(entry["id"]): str(entry["name"]) for entry in reading.rows(http, "/lists", "lists", ["id", "name"])}
    found = [wanted] if wanted in known else [ref for ref, name in known.items() if name == wanted]
    if len(found) != 1:
        trouble = "is the name of several audiences: give its id" if found else "does not exist in this account"
        raise errors.SettingsError(f"mailchimp: the audience '{wanted}' {trouble}", key="audience")
    return found[0]


def find(http: Http, audience: str, settings: MailchimpSettings, targets: Sequence[Target]) -> dict[Target, Ref]:
    """The targets that exist: an audience's id, "audience/segment", a merge tag, "store/promo rule".

    Raises SettingsError for a merge field of another type, and when the audience has no room for those that are missing.
    """
    by_kind = {kind: [target for target in targets if target.kind is kind] for kind in TargetKind}
    found: dict[Target, Ref] = dict.fromkeys(by_kind[TargetKind.CONTACTS], audience)
    found |= _segments(http, audience, by_kind[TargetKind.SEGMENT])
    found |= _fields(http, audience, by_kind[TargetKind.FIELD], settings.max_merge_fields)
    return found | _pools(http, audience, settings, by_kind[TargetKind.POOL])


def create(http: Http, audience: str, settings: MailchimpSettings, targets: Sequence[Target]) -> dict[Target, Ref]:
    """The targets, made where they are missing; of an e-commerce store only when its currency is given."""
    found = find(http, audience, settings, targets)
    return found | {target: _create(http, audience, settings, target) for target in targets if target not in found}


def _segments(http: Http, audience: str, targets: Sequence[Target]) -> dict[Target, Ref]:
    names: dict[str, int] = {}
    path = f"/lists/{audience}/segments"
    for entry in reading.rows(http, path, "segments", ["id", "name"], type="static") if targets else ():
        names[entry["name"]] = min(entry["id"], names.get(entry["name"], entry["id"]))
    return {target: f"{audience}/{names[target.title]}" for target in targets if target.title in names}


def _fields(http: Http, audience: str, targets: Sequence[Target], limit: int) -> dict[Target, Ref]:
    if not targets:
        return {}
    path = f"/lists/{audience}/merge-fields"
    present = reading.rows(http, path, "merge_fields", ["tag", "type"])
    types = {str(entry["tag"]): str(entry["type"]) for entry in present}
    for target in targets:
        wanted = _field_type(target)
        if types.get(target.title, wanted) != wanted:
            raise errors.SettingsError(
                f"mailchimp: merge field {target.title} exists with type {types[target.title]}, "
                f"and '{target.name}' needs {wanted}; give the merge tag another name"
            )
    missing = [target for target in targets if target.title not in types]
    room = FIELDS_AT_MOST if len(types) > FIELDS else min(limit, FIELDS_AT_MOST)  # more than 30: it is Premium
    if missing and len(types) + len(missing) > room:
        hint = f"on the Premium plan say max_merge_fields = {FIELDS_AT_MOST}" if room < FIELDS_AT_MOST else "drop some"
        words = f"the audience has {len(types)} merge fields, takes {room} at most, and {len(missing)} more are needed"
        raise errors.SettingsError(f"mailchimp: {words}; {hint}", key="max_merge_fields")
    return {target: target.title for target in targets if target.title in types}


def _pools(http: Http, audience: str, settings: MailchimpSettings, targets: Sequence[Target]) -> dict[Target, Ref]:
    store = _store(http, audience, settings) if targets else None
    refs = {target: f"{store}/{target.title}" for target in targets} if store else {}
    return {target: ref for target, ref in refs.items() if _is_there(http, wire.rule(ref))}


def _is_there(http: Http, path: str) -> bool:
    response = http("GET", path, params={"fields": "id"}, accept=frozenset({HTTPStatus.NOT_FOUND}))
    return response.status != HTTPStatus.NOT_FOUND


def _store(http: Http, audience: str, settings: MailchimpSettings) -> str | None:
    """The id of the store of that id or name, which must belong to the audience. Raises SettingsError."""
    if not settings.store or not settings.store_url:
        words = "discount codes as Mailchimp's own need 'store' and 'store_url', where a code is redeemed"
        raise errors.SettingsError(f"mailchimp: {words}", key="store_url" if settings.store else "store")
    stores = list(reading.rows(http, "/ecommerce/stores", "stores", ["id", "name", "list_id"]))
    found = [entry for key in ("id", "name") for entry in stores if entry.get(key) == settings.store]
    if found and found[0].get("list_id") != audience:
        raise errors.SettingsError(f"mailchimp: the store '{settings.store}' belongs to another audience", key="store")
    return str(found[0]["id"]) if found else None


def _create(http: Http, audience: str, settings: MailchimpSettings, target: Target) -> Ref:
    if target.kind is TargetKind.SEGMENT:
        made = sdk.ask(http, "lists.create_segment", audience, {"name": target.title, "static_segment": []})
        return f"{audience}/{wire.record(made, 'id')['id']}"
    if target.kind is TargetKind.FIELD:
        return _create_field(http, audience, target)
    if target.kind is TargetKind.POOL:
        return _create_pool(http, audience, settings, target)
    raise errors.SettingsError(f"mailchimp: {target.kind.value} '{target.title}' cannot be created")


def _create_field(http: Http, audience: str, target: Target) -> Ref:
    body = {"tag": target.title, "name": target.name[:50], "type": _field_type(target), "public": False}
    made = _made(http, f"/lists/{audience}/merge-fields", body | {"required": False}, f"merge field {target.title}")
    if made.get("tag") != target.title:
        raise errors.UnexpectedResponse(f"mailchimp: merge field {target.title} was created as {made.get('tag')}")
    return target.title


def _create_pool(http: Http, audience: str, settings: MailchimpSettings, target: Target) -> Ref:
    """A promo rule; it names 0.0 where we are not told what the discount is worth: that is the shop's business."""
    title = target.title
    store = _store(http, audience, settings)
    if store is None:
        if not settings.store_currency:
            hint = "connect the shop to Mailchimp, or give 'store_currency' (such as EUR) to have it made"
            raise errors.SettingsError(f"mailchimp: there is no store '{settings.store}'; {hint}", key="store_currency")
        body = {"id": settings.store, "list_id": audience, "name": settings.store}
        body |= {"currency_code": settings.store_currency}
        store = str(_made(http, "/ecommerce/stores", body, f"the store {settings.store}")["id"])
    cut = title.encode()[:_TITLE_BYTES].decode("utf-8", "ignore")
    rule = {"id": title, "title": cut, "description": title, "enabled": True}
    rule |= wire.discount(target.worth)
    path = wire.rule(f"{store}/{title}")
    _made(http, path.rpartition("/")[0], rule, f"the promo rule {title}")
    return f"{store}/{title}"


def _made(http: Http, path: str, body: Mapping[str, object], what: str) -> wire.Json:
    try:
        return wire.record(http("POST", path, json=body).json(), *body.keys() & {"id", "tag"})
    except errors.InvalidRequest as error:
        raise errors.SettingsError(f"mailchimp: {what} was refused: {error}") from None


def _field_type(target: Target) -> str:
    if target.value is None:
        raise errors.SettingsError(f"mailchimp: the field '{target.name}' has no value kind")
    return SPEC.fields[target.value].type
