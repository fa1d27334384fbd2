"""Operations on e-commerce stores, promo rules and promo codes."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from connectors.sandbox.mailchimp import values
from connectors.sandbox.mailchimp.call import Call
from connectors.sandbox.mailchimp.shapes import Json
from connectors.sandbox.mailchimp.store import iso
from connectors.sandbox.mailchimp.words import Refusal

_STORE_KEYS: Mapping[str, type] = {
    "id": str, "list_id": str, "name": str, "platform": str, "domain": str, "is_syncing": bool, "email_address": str,
    "currency_code": str, "money_format": str, "primary_locale": str, "timezone": str, "phone": str, "address": dict,
}  # fmt: skip
_RULE_KEYS: Mapping[str, type] = {
    "id": str, "title": str, "description": str, "starts_at": str, "ends_at": str, "amount": float, "type": str,
    "target": str, "enabled": bool, "created_at_foreign": str, "updated_at_foreign": str,
}  # fmt: skip
_CODE_KEYS: Mapping[str, type] = {
    "id": str, "code": str, "redemption_url": str, "usage_count": int, "enabled": bool, "created_at_foreign": str,
    "updated_at_foreign": str,
}  # fmt: skip
_LENGTHS = {"id": 50, "code": 50, "description": 255, "redemption_url": 2000}
_TITLE_BYTES = 100


@dataclass(slots=True)
class Rule:
    """A promo rule and its codes, by their ids."""

    told: Json
    codes: dict[str, Json] = field(default_factory=dict)


@dataclass(slots=True)
class Store:
    """A store of one audience and its promo rules, by their ids."""

    told: Json
    rules: dict[str, Rule] = field(default_factory=dict)


def stores(call: Call) -> Json:
    """GET /ecommerce/stores."""
    page, total = call.page([one.told for one in call.account.stores.values()])
    return {"stores": page, "total_items": total}


def add_store(call: Call) -> Json:
    """POST /ecommerce/stores."""
    body = _checked(call, _STORE_KEYS, ("id", "list_id", "name", "currency_code"))
    call.account.audience(str(body["list_id"]))
    if len(str(body["currency_code"])) != 3:  # noqa: PLR2004 - ISO 4217
        raise _wrong("currency_code", "This value should have exactly 3 characters.")
    _refuse_twice(call.account.stores, body, "store_twice")
    made = {**body, "list_is_active": True, "created_at": iso(call.now), "updated_at": iso(call.now)}
    call.account.stores[str(body["id"])] = Store(made)
    return made


def rules(call: Call) -> Json:
    """GET …/promo-rules."""
    page, total = call.page([one.told for one in _store(call).rules.values()])
    return {"store_id": call.parts["store"], "promo_rules": page, "total_items": total}


def rule(call: Call) -> Json:
    """GET …/promo-rules/{rule}."""
    return _rule(call).told


def add_rule(call: Call) -> Json:
    """POST …/promo-rules; a percentage is between 0 and 1."""
    store = _store(call)
    body = _checked(call, _RULE_KEYS, ("id", "description", "amount", "type", "target"))
    if body["type"] not in {"fixed", "percentage"} or body["target"] not in {"per_item", "total", "shipping"}:
        raise _wrong("type", "Value is not one of the accepted values")
    if body["type"] == "percentage" and not 0 <= float(str(body["amount"])) <= 1:
        raise _wrong("amount", "A percentage is between 0.0 and 1.0")
    if len(str(body.get("title", "")).encode()) > _TITLE_BYTES:
        raise _wrong("title", "This value is too long.")
    _refuse_twice(store.rules, body, "rule_twice")
    store.rules[str(body["id"])] = Rule(body)
    return body


def remove_rule(call: Call) -> None:
    """DELETE …/promo-rules/{rule}: its codes go with it."""
    _rule(call)
    del _store(call).rules[call.parts["rule"]]


def codes(call: Call) -> Json:
    """GET …/promo-codes."""
    page, total = call.page(list(_rule(call).codes.values()))
    return {"store_id": call.parts["store"], "promo_codes": page, "total_items": total}


def add_code(call: Call) -> Json:
    """POST …/promo-codes."""
    found = _rule(call)
    body = _checked(call, _CODE_KEYS, ("id", "code", "redemption_url"))
    is_wide = call.account.says("code_scope", "store")
    for one in _store(call).rules.values() if is_wide else (found,):
        _refuse_twice(one.codes, body, "code_twice")
    made = {**body, "usage_count": body.get("usage_count", 0), "enabled": body.get("enabled", True)}
    found.codes[str(body["id"])] = made
    return made


def _checked(call: Call, keys: Mapping[str, type], required: tuple[str, ...]) -> dict[str, object]:
    strict = call.account.says("unknown_keys", "refused")
    body = dict(values.checked(call.body, keys, required=required, strict=strict))
    for name, most in _LENGTHS.items():
        if not 0 < len(str(body.get(name, "x"))) <= most:
            raise _wrong(name, "This value is too long.")
    return body


def _refuse_twice(
    known: MutableMapping[str, Store] | MutableMapping[str, Rule] | Mapping[str, Json], body: Json, word: str
) -> None:
    if body["id"] in known:
        raise Refusal(word, str(body["id"]))


def _wrong(name: str, words: str) -> Refusal:
    return Refusal("invalid", errors=[{"field": name, "message": words}])


def _store(call: Call) -> Store:
    found = call.account.stores.get(call.parts["store"])
    if found is None:
        raise Refusal("missing")
    return found


def _rule(call: Call) -> Rule:
    found = _store(call).rules.get(call.parts["rule"])
    if found is None:
        raise Refusal("missing")
    return found
