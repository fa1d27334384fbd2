"""ActiveCampaign's API as its developer pages tell it, by hand: its own description's bodies are mostly examples.

Written from the notes on those pages of 2026-11 alone, not from our connector and not from its emulation. Where the
pages say nothing of a value, nothing is asked of it.
"""

from __future__ import annotations

from typing import Any

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
DIGITS = {"type": "string", "pattern": "^[0-9]+$"}  # ids and counts are texts
TYPES = ["text", "textarea", "date", "datetime", "dropdown", "radio", "checkbox", "listbox", "hidden"]


def _object(required: str = "", *, is_open: bool = False, **properties: Any) -> dict[str, Any]:
    """An object whose required keys are named first; open: others may be there."""
    told = {"type": "object", "properties": properties, "additionalProperties": is_open}
    return told | ({"required": required.split()} if required else {})


def _rows(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _page(key: str, item: dict[str, Any]) -> dict[str, Any]:
    return _object(f"{key} meta", **{key: _rows(item)}, meta=_object("total", is_open=True, total=DIGITS))


def _row(**properties: Any) -> dict[str, Any]:
    return _object("id", is_open=True, id=DIGITS, **properties)


_PROBLEM = _object("title", is_open=True, title=TEXT, code=TEXT)
_ERROR = {
    "oneOf": [
        _object("errors", errors=_rows(_PROBLEM)),
        _object("message", message=TEXT),
        {"type": "object", "additionalProperties": False, "properties": {}, "maxProperties": 0},
    ]
}
_WRONG_IMPORT = _object(
    "success message",
    success={"type": "integer", "enum": [0]},
    message=TEXT,
    failureReasons=_rows({"oneOf": [TEXT, _object("contact failureReason", contact=NUMBER, failureReason=TEXT)]}),
)
_LISTED = _rows(_object("listid", listid=NUMBER))
_IMPORTED = _object(
    "email",
    email=TEXT,
    first_name=TEXT,
    last_name=TEXT,
    phone=TEXT,
    tags=_rows(TEXT),
    fields=_rows(_object("id value", id=NUMBER, value=TEXT)),
    subscribe=_LISTED,
    unsubscribe=_LISTED,
    exclude_automations={"type": "boolean"},
)
_IMPORT = _object(
    "contacts",
    contacts=_rows(_IMPORTED) | {"minItems": 1, "maxItems": 250},
    exclude_automations={"type": "boolean"},
    callback=_object("url", is_open=True, url=TEXT),
)
_QUEUED = _object(
    "Success queued_contacts batchId message", Success=NUMBER, queued_contacts=NUMBER, batchId=TEXT, message=TEXT
)
_COUNTS = "send_amt uniqueopens opens uniquelinkclicks subscriberclicks hardbounces softbounces unsubscribes"
_CAMPAIGN = _object(f"id {_COUNTS}", is_open=True, id=DIGITS, **dict.fromkeys(_COUNTS.split(), DIGITS))
_FIELD = _object("title type", title=TEXT, type={"type": "string", "enum": TYPES}, perstag=TEXT)
_REL = _object("field relid", field=NUMBER, relid=NUMBER)
_JOIN = _row(contact=DIGITS, tag=DIGITS)
_PAGED = ("limit", "offset")
_WHO = ("ids[]", "email", "status", "listid", "id_greater", "orders[id]", "filters[updated_after]")

# method, path, query, body, good answers, and another answer to a mistake than the usual
_TABLE: tuple[tuple[str, str, tuple[str, ...], dict[str, Any] | None, dict[int, Any], dict[str, Any]], ...] = (
    ("get", "/users/me", (), None, {200: _object("user", user=_row(email=TEXT))}, _ERROR),
    ("get", "/lists", _PAGED, None, {200: _page("lists", _row(name=TEXT))}, _ERROR),
    ("get", "/tags", (*_PAGED, "search"), None, {200: _page("tags", _row(tag=TEXT))}, _ERROR),
    ("post", "/tags", (), _object("tag", tag=_object("tag tagType", tag=TEXT, tagType=TEXT, description=TEXT)),
     {201: _object("tag", tag=_row(tag=TEXT))}, _ERROR),
    ("get", "/fields", _PAGED, None, {200: _page("fields", _row(title=TEXT, type=TEXT, perstag=TEXT))}, _ERROR),
    ("post", "/fields", (), _object("field", field=_FIELD), {201: _object("field", field=_row())}, _ERROR),
    ("post", "/fieldRels", (), _object("fieldRel", fieldRel=_REL), {201: _object("fieldRel", fieldRel=_row())}, _ERROR),
    ("get", "/contacts", (*_PAGED, *_WHO), None, {200: _page("contacts", _row(email=TEXT))}, _ERROR),
    ("delete", "/contacts/{id}", (), None, {200: _object()}, _ERROR),
    ("delete", "/contacts/{id}/tags/{tag}", (), None, {200: _object()}, _ERROR),
    ("get", "/contactTags", (*_PAGED, "filters[subscriberid]", "filters[tagid]"), None,
     {200: _object("contactTags", contactTags=_rows(_JOIN), meta=_object(is_open=True, total=DIGITS))}, _ERROR),
    ("delete", "/contactTags/{id}", (), None, {200: _object()}, _ERROR),
    ("post", "/import/bulk_import", (), _IMPORT, {200: _QUEUED}, _WRONG_IMPORT),
    ("get", "/import/info", ("batchId",), None,
     {200: _object("status success failure", status=TEXT, success=_rows(DIGITS), failure=_rows(TEXT))}, _ERROR),
    ("get", "/campaigns", (*_PAGED, "orders[sdate]"), None, {200: _page("campaigns", _CAMPAIGN)}, _ERROR),
)  # fmt: skip


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


def document() -> dict[str, Any]:
    """OpenAPI 3.0."""
    paths: dict[str, Any] = {}
    for method, path, query, body, good, wrong in _TABLE:
        named = [name for name in ("id", "tag") if f"{{{name}}}" in path]
        inside = [{"name": name, "in": "path", "required": True, "schema": DIGITS} for name in named]
        asked = [{"name": name, "in": "query", "schema": TEXT} for name in query]
        answers = {str(status): _json(schema) for status, schema in good.items()} | {"4XX": _json(wrong)}
        told: dict[str, Any] = {"parameters": inside + asked, "responses": answers}
        if body is not None:
            told["requestBody"] = {"required": True, **_json(body)}
        paths.setdefault(path, {})[method] = told
    return {
        "openapi": "3.0.3",
        "info": {"title": "ActiveCampaign", "version": "3"},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "Api-Token"}}},
        "security": [{"key": []}],
    }
