"""Coupon collections: codes are taken with a 204, counted later, and never listed."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING

from connectors.sandbox.brevo.account import Collection, stamp
from connectors.sandbox.brevo.call import Answer, Refusal, page, required

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.brevo.account import Account, Json

__all__ = ["collections", "create_collection", "create_coupons", "one_collection"]

MOST = 10_000  # codes in one call
SECONDS = 25.0  # until they are counted; not documented


def _json(one: Collection) -> Json:
    return {
        "id": one.id,
        "name": one.name,
        "defaultCoupon": one.default,
        "createdAt": stamp(one.created),
        "totalCoupons": len(one.codes),
        "remainingCoupons": len(one.codes),
    }


def collections(at: Account, _path: tuple[str, ...], query: Mapping[str, str], _body: Json) -> Answer:
    """GET /couponCollections: no count of all."""
    rows = [_json(one) for one in page([*at.collections.values()], query, default=50, most=100, newest_first=True)]
    return 200, {"collections": rows} if at.switch("coupon_shape") == "object" else rows


def create_collection(at: Account, _path: tuple[str, ...], _query: Mapping[str, str], body: Json) -> Answer:
    """POST /couponCollections: names need not be unique."""
    required(body, "name", "defaultCoupon")
    if at.switch("collection_name") == "word" and " " in str(body["name"]):
        raise Refusal(400, "invalid_parameter", "Collection name should have no white spaces")
    made = Collection(str(uuid.UUID(int=at.world.random.getrandbits(128), version=4)), body["name"], "", at.world.now())
    made.default = body["defaultCoupon"]
    at.collections[made.id] = made
    return 201, {"id": made.id}


def _collection(at: Account, ref: str) -> Collection:
    if ref not in at.collections:
        raise Refusal(404, "document_not_found", "Coupon collection not found")
    return at.collections[ref]


def one_collection(at: Account, path: tuple[str, ...], _query: Mapping[str, str], _body: Json) -> Answer:
    """GET /couponCollections/{id}: its examples show an array of one."""
    told = _json(_collection(at, path[0]))
    return 200, told if at.switch("coupon_shape") == "object" else [told]


def create_coupons(at: Account, _path: tuple[str, ...], _query: Mapping[str, str], body: Json) -> Answer:
    """POST /coupons: 204, and nothing of any code."""
    required(body, "collectionId", "coupons")
    codes, into = body["coupons"], _collection(at, body["collectionId"])
    if not isinstance(codes, list) or not 1 <= len(codes) <= MOST or not all(isinstance(code, str) for code in codes):
        raise Refusal(400, "out_of_range", f"coupons should hold between 1 and {MOST} texts")
    if len(set(codes)) < len(codes):
        raise Refusal(400, "invalid_parameter", "coupons should be unique")
    at.world.later(SECONDS, partial(_count, at, into, codes))
    return 204, None


def _count(at: Account, into: Collection, codes: list[str]) -> None:
    known = set(into.codes) if at.switch("repeated_codes") == "ignored" else set()
    into.codes += [code for code in codes if code not in known]
