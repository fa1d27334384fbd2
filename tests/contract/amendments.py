"""Where a provider's description is known to be wrong: what stands in for it, and why. Found on 2026-11-23."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_EMAILS = {"type": "array", "minItems": 1, "maxItems": 150, "items": {"type": "string", "pattern": ".@."}}
_LISTED = {
    "type": "object",
    "additionalProperties": False,
    "required": ["emails"],
    "properties": {"emails": _EMAILS},
}
_CHANGED = {
    "type": "object",
    "additionalProperties": False,
    "required": ["contacts"],
    "properties": {
        "contacts": {
            "type": "object",
            "additionalProperties": False,
            "required": ["success", "failure"],
            "properties": {name: {"type": "array", "items": {"type": "string"}} for name in ("success", "failure")},
        }
    },
}
_URL = {"type": ["string", "null"], "pattern": "^https?://.*[.]csv$"}
IMPORT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["jsonBody", "listIds", "updateExistingContacts", "emptyContactsAttributes", "disableNotification"],
    "properties": {
        "jsonBody": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["email"],
                "properties": {
                    "email": {"type": "string"},
                    "attributes": {
                        "type": "object",
                        "minProperties": 1,
                        "propertyNames": {"pattern": "^[A-Z][A-Z0-9_]{0,49}$", "not": {"enum": ["EMAIL", "SMS"]}},
                        "additionalProperties": {"type": ["string", "number"]},  # never a boolean
                    },
                },
            },
        },
        "listIds": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"type": "integer"}},
        "updateExistingContacts": {"const": True},
        "emptyContactsAttributes": {"type": "boolean"},
        "disableNotification": {"const": True},
        "emailBlacklist": {"const": True},  # false might subscribe again; smsBlacklist is none of ours
    },
}
_PROCESS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "name", "status"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"enum": ["IMPORTUSER", "SEARCH_EXPORT_USERS"]},
        "status": {"enum": ["queued", "in_process", "processing", "completed", "failed", "cancelled"]},
        "info": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "import": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["invalid_emails", "duplicate_email_id"],
                    "properties": dict.fromkeys(
                        [
                            "invalid_emails", "duplicate_contact_id", "duplicate_ext_id", "duplicate_email_id",
                            "duplicate_phone_id", "duplicate_whatsapp_id", "duplicate_landline_number_id",
                        ],
                        _URL,
                    ),
                }
            },
        },
        "export_url": _URL,
        "error": {"type": ["string", "null"]},
        "created_at": {"type": "string"},
        "completed_at": {"type": ["string", "null"]},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Amendment:
    """One body of a description that is judged by another schema (JSON Schema); `side`: "request", or a described status."""

    provider: str
    method: str
    template: str
    side: str
    reason: str
    schema: dict[str, Any]

    @property
    def place(self) -> tuple[str, str, str]:
        return self.method, self.template, self.side

    def apply(self, document: dict[str, Any]) -> None:
        """Let anything through here: our own schema is asked afterwards."""
        operation = document["paths"][self.template][self.method.lower()]
        described = operation["requestBody"] if self.side == "request" else operation["responses"][self.side]
        for content in described["content"].values():
            content["schema"] = {}


@dataclass(frozen=True)
class Addition:
    """Keys that a described object has without being told; `pointer` leads to its schema."""

    provider: str
    pointer: str
    reason: str
    properties: dict[str, Any]

    def apply(self, document: dict[str, Any]) -> None:
        """Let these keys in."""
        found: Any = document
        for part in self.pointer.split("/")[1:]:
            found = found[part.replace("~1", "/")]
        found["properties"] |= self.properties


_PROCESSES = {
    "type": "object",
    "required": ["count", "processes"],
    "properties": {"count": {"type": "integer"}, "processes": {"type": "array", "items": _PROCESS}},
}
_UNION = "oneOf without required: every valid body fails"
_ARRAYS = "oneOf of arrays: an empty array matches both"
_INTEGERS = "info.import holds addresses of files, described as integers"
_ADD, _REMOVE = (f"/contacts/lists/{{listId}}/contacts/{verb}" for verb in ("add", "remove"))
_COLLECTION = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "name", "defaultCoupon", "createdAt", "totalCoupons", "remainingCoupons"],
    "properties": {name: {"type": "string"} for name in ("id", "name", "defaultCoupon", "createdAt", "expirationDate")}
    | {name: {"type": "integer"} for name in ("totalCoupons", "remainingCoupons")}
    | {name: {"type": ["integer", "null"]} for name in ("remainingDaysAlert", "remainingCouponsAlert")},
}
_COLLECTIONS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["collections"],
    "properties": {"collections": {"type": "array", "items": _COLLECTION}},
}
AMENDMENTS = (
    Amendment("brevo", "POST", "/contacts/import", "request", "takes any object, even {'nonsense': 1}", IMPORT),
    Amendment("brevo", "POST", _ADD, "request", _UNION, _LISTED),
    Amendment("brevo", "POST", _REMOVE, "request", _UNION, _LISTED),
    Amendment("brevo", "POST", _ADD, "201", _ARRAYS, _CHANGED),
    Amendment("brevo", "POST", _REMOVE, "201", _ARRAYS, _CHANGED),
    Amendment("brevo", "GET", "/processes/{processId}", "200", _INTEGERS, _PROCESS),
    Amendment("brevo", "GET", "/processes", "200", _INTEGERS, _PROCESSES),
    Amendment("brevo", "GET", "/couponCollections", "200", "one collection, where its example has many", _COLLECTIONS),
)
_ERROR = "/content/application~1vnd.api+json/schema/properties/errors/items"
_RECORDED = "recorded errors have them (klaviyo-api-python 15, klaviyo-api-node 66); the connector does without"
_ADDED = {"status": {"type": "integer"}, "meta": {"type": "object"}}
ADDITIONS = (Addition("klaviyo", f"#/components/responses/ClientError{_ERROR}", _RECORDED, _ADDED),)
