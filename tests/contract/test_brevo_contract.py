"""What Brevo's connector sends and its emulation answers, against Brevo's own description.

Where the description is known to be wrong a strict schema stands in for it, with the reason beside it.
"""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest

from connectors import registry
from connectors.brevo import Brevo
from connectors.http import Request, Response
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.lab import SandboxClock
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    Batch,
    Change,
    ClearTraits,
    Consent,
    EventKind,
    Fitted,
    Job,
    Profile,
    RemoveMember,
    SetTraits,
    Suppress,
    Target,
    TargetKind,
    ValueKind,
)

SPECS = Path(__file__).parents[2].parent / "shared" / "specs"
pytestmark = pytest.mark.skipif(not SPECS.is_dir(), reason="the official descriptions are not beside the checkout")

BASE = "http://sandbox.test/brevo/v3"
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
_IMPORT = {
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

# (method, path) → (schema, why the description does not serve)
OWN_REQUESTS: dict[tuple[str, str], tuple[dict[str, Any], str]] = {
    ("POST", "/contacts/import"): (_IMPORT, "the description takes any object, even {'nonsense': 1}"),
    ("POST", "/contacts/lists/{listId}/contacts/add"): (_LISTED, "oneOf without required: every valid body fails"),
    ("POST", "/contacts/lists/{listId}/contacts/remove"): (_LISTED, "oneOf without required: every valid body fails"),
}
OWN_ANSWERS: dict[tuple[str, str], tuple[dict[str, Any], str]] = {
    ("POST", "/contacts/lists/{listId}/contacts/add"): (_CHANGED, "oneOf of arrays: an empty array matches both"),
    ("POST", "/contacts/lists/{listId}/contacts/remove"): (_CHANGED, "oneOf of arrays: an empty array matches both"),
    ("GET", "/couponCollections"): (
        {"type": "object", "required": ["collections"], "properties": {"collections": {"type": "array"}}},
        "described as one collection, shown as a wrapped array",
    ),
    ("GET", "/processes"): (
        {
            "type": "object",
            "required": ["count", "processes"],
            "properties": {"count": {"type": "integer"}, "processes": {"type": "array", "items": _PROCESS}},
        },
        "info.import holds addresses of files, described as integers",
    ),
}


@cache
def _description() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SPECS / "brevo.json").read_text("utf-8"))
    return found


def _schema(node: Any) -> Any:
    """OpenAPI 3.0's schema as JSON Schema: references in place, `nullable` as a type."""
    if isinstance(node, list):
        return [_schema(one) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        found: Any = _description()
        for name in node["$ref"].split("/")[1:]:
            found = found[name]
        return _schema(found)
    made = {key: _schema(value) for key, value in node.items() if key not in {"example", "examples", "format"}}
    if made.pop("nullable", False) is True and "type" in made:
        made["type"] = [made["type"], "null"]
    return made


def _operation(method: str, path: str) -> tuple[str, dict[str, Any]]:
    """The path's template and its operation; the most literal template wins."""
    fitting = []
    for template, operations in _description()["paths"].items():
        pattern = re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            fitting.append((template.count("{"), template, operations[method.lower()]))
    assert fitting, f"{method} {path} is not in the description"
    _, template, operation = min(fitting, key=lambda one: one[0])
    return template, operation


class Recorder:
    """The sandbox, with all that passed."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(only=("brevo",))
        self.passed: list[tuple[Request, Response]] = []

    def handle(self, request: Request) -> Response:
        answer = self.sandbox.handle(request)
        if request.url.startswith(BASE):
            self.passed.append((request, answer))
        return answer


CONTACTS = Target(kind=TargetKind.CONTACTS, name="contacts", title="All")
LOYAL = Target(kind=TargetKind.SEGMENT, name="loyal", title="Loyal")
POOL = Target(kind=TargetKind.POOL, name="codes", title="Soldes")
FIELDS = [Target(kind=TargetKind.FIELD, name=kind, title=f"F_{kind.upper()}", value=kind) for kind in ValueKind]
ADA, BOB, GHOST = Profile("ada+1@shop.test"), Profile("b o b"), Profile("ghost@shop.test")


class Play:
    """Everything that the connector can do, in one account."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.world, self.provider = self.recorder.sandbox.world, self.recorder.sandbox.providers["brevo"]
        keys = {"api_key": "xkeysib-sandbox-contract", "base_url": BASE, "prefix": "x"}
        connector = registry.build("brevo", keys, handler=self.recorder, clock=SandboxClock(self.world))
        assert isinstance(connector, Brevo)
        self.connector = connector
        connector.check()
        self.refs = dict(connector.create([CONTACTS, LOYAL, POOL, *FIELDS]))
        connector.find([CONTACTS, LOYAL, POOL, *FIELDS])
        self.provider.seed(Contact("left@shop.test", "unsubscribed", lists={self.refs[LOYAL]}))

    def carry(self, target: Target, changes: list[Change]) -> None:
        batch = Batch(target, self.refs[target], changes)
        refs = dict.fromkeys(outcome.job for outcome in self.connector.push(batch) if outcome.job)
        jobs = [Job(ref=ref, batch=batch, started_at=self.world.now()) for ref in refs]
        list(self.connector.poll(jobs))
        self.world.finish()
        list(self.connector.poll(jobs))

    def write(self) -> None:
        traits: dict[str, Fitted] = {"F_TEXT": "é", "F_NUMBER": 1.5, "F_DATE": "2018-01-01", "F_BOOLEAN": "no"}
        subscribed = Consent.SUBSCRIBED
        self.carry(
            CONTACTS, [AddContact(id=one.email, profile=one, status=subscribed, traits=traits) for one in (ADA, BOB)]
        )
        self.carry(CONTACTS, [SetTraits(id="1", profile=ADA, traits=traits)])
        self.carry(CONTACTS, [ClearTraits(id="1", profile=ADA, fields=("F_TEXT",))])
        self.carry(LOYAL, [AddMember(id=one.email, profile=one) for one in (ADA, GHOST)])
        self.carry(LOYAL, [AddMember(id=str(n), profile=Profile(f"p{n}@shop.test")) for n in range(1501)])
        campaign = self.provider.mail(self.refs[LOYAL], "Soldes")
        for kind in (EventKind.OPEN, EventKind.CLICK, EventKind.UNSUBSCRIBE, EventKind.BOUNCE):
            self.provider.react(campaign, "p7@shop.test", kind, self.world.now())
        self.carry(LOYAL, [RemoveMember(id=one.email, profile=one) for one in (ADA, GHOST)])
        self.carry(LOYAL, [RemoveMember(id="again", profile=ADA)])
        self.carry(CONTACTS, [Suppress(id="1", profile=ADA)])
        self.provider.seed(Contact("owner@example.com"))
        self.carry(POOL, [AddCode(id=str(n), code=f"SOLDES-{n}") for n in range(3)])
        list(self.connector.push(Batch(LOYAL, "404", [AddMember(id="1", profile=ADA)])))

    def read(self) -> None:
        connector, world, loyal = self.connector, self.world, self.refs[LOYAL]
        list(connector.recall(Batch(CONTACTS, self.refs[CONTACTS], [Suppress(id="1", profile=ADA)]), world.now()))
        list(connector.members(LOYAL, loyal))
        connector.count(LOYAL, loyal)
        connector.traits([ADA, GHOST])
        cursor = None
        for page in connector.suppressions(None, world.now()):
            cursor = page.cursor
        world.advance(86_400)
        list(connector.suppressions(cursor, world.now()))
        for engagement in connector.pull(None, world.now()):
            if not engagement.items:
                world.advance(30)
        connector._reads.processes({1, 99})
        connector.totals(["1", "99"])
        connector.erase(ADA)
        connector.erase(ADA)
        connector.erase(Profile("owner@example.com"))


@pytest.fixture(scope="module")
def traffic() -> list[tuple[Request, Response]]:
    play = Play()
    play.write()
    play.read()
    return play.recorder.passed


def test_every_operation_is_exercised(traffic: list[tuple[Request, Response]]) -> None:
    used = {_operation(request.method, _path(request))[0] for request, _ in traffic}
    assert used == {
        "/account",
        "/contacts",
        "/contacts/attributes",
        "/contacts/attributes/{attributeCategory}/{attributeName}",
        "/contacts/export",
        "/contacts/folders",
        "/contacts/folders/{folderId}/lists",
        "/contacts/import",
        "/contacts/lists",
        "/contacts/lists/{listId}",
        "/contacts/lists/{listId}/contacts",
        "/contacts/lists/{listId}/contacts/add",
        "/contacts/lists/{listId}/contacts/remove",
        "/contacts/{identifier}",
        "/emailCampaigns",
        "/emailCampaigns/{campaignId}",
        "/couponCollections",
        "/couponCollections/{id}",
        "/coupons",
        "/processes",
    }


def test_every_request_satisfies_the_description(traffic: list[tuple[Request, Response]]) -> None:
    for request, _ in traffic:
        template, operation = _operation(request.method, _path(request))
        _check_query(request, operation)
        if request.method in {"GET", "DELETE"}:
            assert not request.body
            continue
        own = OWN_REQUESTS.get((request.method, template))
        described = operation["requestBody"]["content"]["application/json"]["schema"]
        schema = own[0] if own else _closed(_schema(described))
        jsonschema.Draft202012Validator(schema).validate(json.loads(request.body))


def test_every_answer_satisfies_the_description(traffic: list[tuple[Request, Response]]) -> None:
    for request, answer in traffic:
        template, operation = _operation(request.method, _path(request))
        assert str(answer.status) in operation["responses"], f"{request.method} {template} answers {answer.status}"
        own = OWN_ANSWERS.get((request.method, template)) if answer.status < 300 else None
        content = _schema(operation["responses"][str(answer.status)]).get("content") or {}
        if not content:
            assert not answer.body
            continue
        schema = own[0] if own else content["application/json"]["schema"]
        jsonschema.Draft202012Validator(schema).validate(json.loads(answer.body))
        assert answer.headers["x-sib-ratelimit-reset"].isdecimal()


def test_the_newest_client_library_knows_every_call_that_we_make(traffic: list[tuple[Request, Response]]) -> None:
    known = json.loads((SPECS / "brevo-sdk-5.1.0-operations.json").read_text("utf-8"))
    operations = known if isinstance(known, list) else known["operations"]
    by_place = {(one["method"], re.sub(r"\{[^}]+\}", "{}", one["path"].strip("/"))): one for one in operations}
    for request, _ in traffic:
        template, _ = _operation(request.method, _path(request))
        operation = by_place[request.method, re.sub(r"\{[^}]+\}", "{}", template.strip("/"))]
        assert {name for name, _ in parse_qsl(urlsplit(request.url).query)} <= set(operation["query"])
        if request.body and not template.endswith(("/add", "/remove")):  # a union there, not told field by field
            assert set(json.loads(request.body)) <= set(operation["json"])


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("emailBlacklist", False),
        ("smsBlacklist", True),
        ("disableNotification", False),
        ("listIds", []),
        ("nonsense", 1),
        ("jsonBody", [{"email": "a@b.c", "attributes": {"VIP": False}}]),
        ("jsonBody", [{"email": "a@b.c", "attributes": {"lower": "x"}}]),
        ("jsonBody", [{"email": "a@b.c", "attributes": {"EMAIL": "new@b.c"}}]),
    ],
)
def test_the_own_schema_of_an_import_is_strict(change: str, value: object) -> None:
    body: dict[str, Any] = {
        "jsonBody": [{"email": "a@b.c", "attributes": {"CODE": "x"}}],
        "listIds": [1],
        "updateExistingContacts": True,
        "emptyContactsAttributes": False,
        "disableNotification": True,
    }
    jsonschema.Draft202012Validator(_IMPORT).validate(body)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(_IMPORT).validate(body | {change: value})


def test_the_reasons_for_own_schemas_still_hold() -> None:
    """When Brevo mends its description, the schema of our own can go."""
    loose = _body_schema("POST", "/contacts/import")
    assert jsonschema.Draft202012Validator(loose).is_valid({"nonsense": 1})
    for verb in ("add", "remove"):
        union = _body_schema("POST", f"/contacts/lists/{{listId}}/contacts/{verb}")
        assert not jsonschema.Draft202012Validator(union).is_valid({"emails": ["a@b.c"]})
    process = _schema(_description()["paths"]["/processes/{processId}"]["get"]["responses"]["200"])
    told = process["content"]["application/json"]["schema"]["properties"]["info"]["properties"]["import"]
    assert told["properties"]["invalid_emails"]["type"] == ["integer", "null"]


def _body_schema(method: str, template: str) -> Any:
    operation = _description()["paths"][template][method.lower()]
    return _schema(operation["requestBody"]["content"]["application/json"]["schema"])


def _path(request: Request) -> str:
    return urlsplit(request.url).path.removeprefix("/brevo/v3")


def _check_query(request: Request, operation: dict[str, Any]) -> None:
    described = {one["name"]: one["schema"] for one in _schema(operation.get("parameters", [])) if one["in"] == "query"}
    for name, text in parse_qsl(urlsplit(request.url).query, keep_blank_values=True):
        assert name in described, f"{request.method} {_path(request)} has no parameter {name}"
        schema = copy.deepcopy(described[name])
        value: Any = int(text) if schema.get("type") == "integer" else text
        value = {"true": True, "false": False}.get(text, text) if schema.get("type") == "boolean" else value
        jsonschema.Draft202012Validator(schema).validate(value)


def _closed(schema: Any) -> Any:
    """The schema, refusing what it does not name: the description leaves objects open."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _closed(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and made["properties"]:
        made.setdefault("additionalProperties", False)
    return made
