"""What is written to: the audience, static segments, merge fields, and promo rules as pools of codes."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.answers import Json, oldest, record
from connectors.errors import InvalidRequest, SettingsError, UnexpectedResponse
from connectors.fitting import there
from connectors.http import Http
from connectors.mailchimp import reading, sdk, wire
from connectors.mailchimp.spec import FIELDS, FIELDS_AT_MOST, SPEC, MailchimpSettings
from connectors.types import Ref, Target, TargetKind, ValueKind

_TITLE_BYTES = 100  # of a promo rule


def audience_of(http: Http, wanted: str) -> Ref:
    """The id of the audience of that id or name. Raises SettingsError."""
    known = {str(entry["id"]): entry["name"] for entry in reading.every(http, "/lists", "lists", ["id", "name"])}
    found = [wanted] if wanted in known else [ref for ref, name in known.items() if name == wanted]
    if len(found) != 1:
        trouble = "is the name of several audiences: give its id" if found else "does not exist in this account"
        raise SettingsError(f"mailchimp: the audience '{wanted}' {trouble}", key="audience")
    return found[0]


def find(http: Http, audience: Ref, settings: MailchimpSettings, targets: Sequence[Target]) -> dict[Target, Ref]:
    """The targets that exist: an audience's id, "audience/segment", a merge tag, "store/promo rule".

    Raises SettingsError for a merge field of another type, and when the audience has no room for those that are missing.
    """
    by_kind = {kind: [target for target in targets if target.kind is kind] for kind in TargetKind}
    found: dict[Target, Ref] = dict.fromkeys(by_kind[TargetKind.CONTACTS], audience)
    if segments := by_kind[TargetKind.SEGMENT]:
        refs = oldest(reading.every(http, f"/lists/{audience}/segments", "segments", ["id", "name"], type="static"))
        found |= {target: f"{audience}/{refs[target.title]}" for target in segments if target.title in refs}
    if fields := by_kind[TargetKind.FIELD]:
        found |= _fields(http, audience, settings.max_merge_fields, fields)
    if pools := by_kind[TargetKind.POOL]:
        store = _store(http, audience, settings)
        rules = {target: f"{store}/{target.title}" for target in pools} if store else {}
        found |= {target: ref for target, ref in rules.items() if http.look(wire.pool(ref), params={"fields": "id"})}
    return found


def _fields(http: Http, audience: Ref, limit: int, targets: Sequence[Target]) -> dict[Target, Ref]:
    present = reading.every(http, f"/lists/{audience}/merge-fields", "merge_fields", ["tag", "type"])
    types = {str(entry["tag"]): str(entry["type"]) for entry in present}
    found = there(targets, types, SPEC.fields)
    missing = len(targets) - len(found)
    room = FIELDS_AT_MOST if len(types) > FIELDS else min(limit, FIELDS_AT_MOST)  # more than 30: it is Premium
    if missing and len(types) + missing > room:
        hint = f"on the Premium plan say max_merge_fields = {FIELDS_AT_MOST}" if room < FIELDS_AT_MOST else "drop some"
        words = f"the audience has {len(types)} merge fields, takes {room} at most, and {missing} more are needed"
        raise SettingsError(f"mailchimp: {words}; {hint}", key="max_merge_fields")
    return found


def _store(http: Http, audience: Ref, settings: MailchimpSettings) -> Ref | None:
    """The id of the store of that id or name, which must belong to the audience. Raises SettingsError."""
    if not settings.store or not settings.store_url:
        words = "discount codes as Mailchimp's own need 'store' and 'store_url', where a code is redeemed"
        raise SettingsError(f"mailchimp: {words}", key="store_url" if settings.store else "store")
    stores = list(reading.every(http, "/ecommerce/stores", "stores", ["id", "name", "list_id"]))
    found = [entry for key in ("id", "name") for entry in stores if entry.get(key) == settings.store]
    if found and found[0].get("list_id") != audience:
        raise SettingsError(f"mailchimp: the store '{settings.store}' belongs to another audience", key="store")
    return str(found[0]["id"]) if found else None


# what is missing
def create(http: Http, audience: Ref, settings: MailchimpSettings, targets: Sequence[Target]) -> dict[Target, Ref]:
    """The targets, made where they are missing; of an e-commerce store only when its currency is given."""
    found = find(http, audience, settings, targets)
    for target in targets:
        if target not in found:
            found[target] = _created(http, audience, settings, target)
    return found


def _created(http: Http, audience: Ref, settings: MailchimpSettings, target: Target) -> Ref:
    if target.kind is TargetKind.POOL:
        return _pool(http, audience, settings, target)
    if target.kind is TargetKind.SEGMENT:
        made = sdk.ask(http, "lists.create_segment", audience, {"name": target.title, "static_segment": []})
        return f"{audience}/{record(made, 'id')['id']}"
    about = {"tag": target.title, "name": target.name[:50], "type": SPEC.fields[target.value or ValueKind.TEXT].type}
    body = {**about, "public": False, "required": False}
    made = _made(http, f"/lists/{audience}/merge-fields", body, f"merge field {target.title}")
    if made["tag"] != target.title:
        raise UnexpectedResponse(f"merge field {target.title} was created as {made['tag']}")
    return target.title


def _pool(http: Http, audience: Ref, settings: MailchimpSettings, target: Target) -> Ref:
    """A promo rule; it names 0.0 where we are not told what the discount is worth: that is the shop's business."""
    store = _store(http, audience, settings)
    if store is None:
        if not settings.store_currency:
            hint = "connect the shop to Mailchimp, or give 'store_currency' (such as EUR) to have it made"
            raise SettingsError(f"mailchimp: there is no store '{settings.store}'; {hint}", key="store_currency")
        about = {"id": settings.store, "name": settings.store, "currency_code": settings.store_currency}
        body = {**about, "list_id": audience}
        store = str(_made(http, "/ecommerce/stores", body, f"the store {settings.store}")["id"])
    cut = target.title.encode()[:_TITLE_BYTES].decode("utf-8", "ignore")
    rule = {"id": target.title, "title": cut, "description": target.title, "enabled": True}
    path = wire.pool(f"{store}/{target.title}").rpartition("/")[0]
    _made(http, path, rule | wire.discount(target.worth), f"the promo rule {target.title}")
    return f"{store}/{target.title}"


def _made(http: Http, path: str, body: Json, what: str) -> Json:
    try:
        return record(http("POST", path, json=body).json(), *body.keys() & {"id", "tag"})
    except InvalidRequest as error:
        raise SettingsError(f"mailchimp: {what} was refused: {error}") from None
