"""What the connector sends and what the sandbox answers satisfy Mailchimp's own description (3.0.90)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from connectors import registry
from connectors.base import cut
from connectors.http import Request, Response
from connectors.sandbox import Sandbox
from connectors.sandbox.lab import SandboxClock
from connectors.types import (
    AddContact,
    AddMember,
    Batch,
    ClearTraits,
    Consent,
    EventKind,
    Job,
    Outcome,
    Profile,
    RemoveMember,
    SetTraits,
    Suppress,
    Target,
    TargetKind,
    ValueKind,
)

DESCRIPTION = Path(__file__).parents[2].parent / "shared" / "specs" / "mailchimp.openapi3.json"
pytestmark = pytest.mark.skipif(
    not DESCRIPTION.exists(), reason="the official description is not beside the repository"
)

BASE = "http://sandbox.test/mailchimp/3.0"
PREFIX = "/mailchimp/3.0"


@cache
def description() -> Mapping[str, Any]:
    return json.loads(DESCRIPTION.read_text())


@cache
def schemas() -> Registry[Any]:
    return Registry().with_resource("urn:mailchimp", Resource(contents=description(), specification=DRAFT4))


def validate(value: object, *path: str) -> None:
    pointer = "/".join(quote(part.replace("~", "~0").replace("/", "~1")) for part in path)
    reference = {"$ref": f"urn:mailchimp#/{pointer}"}
    jsonschema.Draft4Validator(reference, registry=schemas()).validate(value)


def strangers(schema: Mapping[str, Any], value: object, place: str = "") -> Iterator[str]:
    """Keys that the description does not know: it forbids none, so a typing mistake would pass."""
    if "$ref" in schema:
        schema = description()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        for entry in value:
            yield from strangers(schema.get("items", {}), entry, place)
    if isinstance(value, dict) and schema.get("properties"):
        for name, inner in value.items():
            if name not in schema["properties"]:
                yield f"{place}.{name}".lstrip(".")
            else:
                yield from strangers(schema["properties"][name], inner, f"{place}.{name}".lstrip("."))


@dataclass
class Checked:
    """A handler that holds every call through it against the description."""

    inner: Sandbox
    met: set[str] = field(default_factory=set)

    def handle(self, request: Request) -> Response:
        response = self.inner.handle(request)
        parts = urlsplit(request.url)
        if "/archives/" not in parts.path:
            self.check(request, response, parts.path.removeprefix(PREFIX) or "/", dict(parse_qsl(parts.query)))
        return response

    def check(self, request: Request, response: Response, path: str, query: Mapping[str, str]) -> None:
        template, operation = self.operation(request.method, path)
        self.met.add(f"{request.method} {template}")
        known = (
            {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == "query"} if query else {}
        )
        for name, text in query.items():
            assert name in known, f"{request.method} {template} has no parameter {name}"
            assert _fits(known[name], text), f"{name}={text}"
        where = ("paths", template, request.method.lower())
        if request.body:
            body = json.loads(request.body)
            content = ("requestBody", "content", "application/json", "schema")
            validate(body, *where, *content)
            assert not [*strangers(operation["requestBody"]["content"]["application/json"]["schema"], body)]
            for one in body.get("operations", ()):
                self.check_operation(one)
        if response.status == 204:
            assert "204" in operation["responses"]
            assert not response.body
            return
        code = "200" if response.status == 200 else "default"
        kind = "application/json" if code == "200" else "application/problem+json"
        assert response.headers["content-type"].startswith(kind)
        validate(response.json(), *where, "responses", code, "content", kind, "schema")
        schema = operation["responses"][code]["content"][kind]["schema"]
        unknown = {place.rpartition(".")[2] for place in strangers(schema, response.json())}
        assert unknown <= ({"errors"} if code == "default" else set()), f"{request.method} {template}: {unknown}"

    def check_operation(self, one: Mapping[str, Any]) -> None:
        """An operation of a job is a call too."""
        template, operation = self.operation(one["method"], one["path"])
        known = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
        assert set(one.get("params", {})) <= known
        schema = ("requestBody", "content", "application/json", "schema")
        validate(json.loads(one["body"]), "paths", template, one["method"].lower(), *schema)
        self.met.add(f"{one['method']} {template}")

    @staticmethod
    def operation(method: str, path: str) -> tuple[str, Mapping[str, Any]]:
        for template, methods in description()["paths"].items():
            if method.lower() in methods and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                return template, methods[method.lower()]
        raise AssertionError(f"{method} {path} is not in the description")


def _fits(schema: Mapping[str, Any], text: str) -> bool:
    if schema.get("type") == "integer":
        return text.isdecimal() and int(text) <= schema.get("maximum", int(text))
    if schema.get("type") == "boolean":
        return text in {"true", "false"}
    return text in schema.get("enum", [text])


PEOPLE = [f"person.{number}@example.com" for number in range(6)]
CONTACTS = Target(kind=TargetKind.CONTACTS, name="contacts", title="Newsletter")
LOYAL = Target(kind=TargetKind.SEGMENT, name="loyal", title="Clients fidèles")
FIELDS = [
    Target(kind=TargetKind.FIELD, name=kind.value, title=f"T_{kind.value.upper()}"[:10], value=kind)
    for kind in ValueKind
]


def profile(number: int) -> Profile:
    return Profile(PEOPLE[number])


def test_every_call_and_every_answer_satisfies_the_description() -> None:
    sandbox = Sandbox(only=("mailchimp",))
    checked = Checked(sandbox)
    settings = {"api_key": "sandbox-us1", "audience": "a1b2c3d4e5", "base_url": BASE}
    connector: Any = registry.build("mailchimp", settings, handler=checked, clock=SandboxClock(sandbox.world))
    provider: Any = sandbox.providers["mailchimp"]

    connector.check()
    refs = connector.create([CONTACTS, LOYAL, *FIELDS])
    assert connector.find([CONTACTS, LOYAL, *FIELDS]) == refs
    audience, loyal = refs[CONTACTS], refs[LOYAL]
    values = {refs[target]: _value(target.value) for target in FIELDS}

    def push(ref: str, *changes: Any) -> list[Outcome]:
        target = LOYAL if "/" in ref else CONTACTS
        limit = connector.spec.carries[type(changes[0])]
        found = []
        for part in cut(changes, limit):
            batch = Batch(target, ref, part)
            outcomes = list(connector.push(batch))
            jobs = {outcome.job for outcome in outcomes if outcome.job}
            sandbox.world.finish()
            polled = connector.poll([Job(ref=job, batch=batch, started_at=sandbox.world.now()) for job in jobs])
            found += [*(outcome for outcome in outcomes if not outcome.job), *polled]
            list(connector.recall(batch, sandbox.world.now()))
        return found

    adds = [
        AddContact(id=f"a{number}", profile=profile(number), status=Consent.SUBSCRIBED, traits=values)
        for number in range(5)
    ]
    push(audience, *adds, AddContact(id="bad", profile=Profile("no address"), status=Consent.NEVER))
    push(audience, *adds)
    push(loyal, *(AddMember(id=f"m{number}", profile=profile(number)) for number in range(6)))
    push(loyal, RemoveMember(id="r", profile=profile(4)), RemoveMember(id="s", profile=profile(5)))
    push(
        audience,
        SetTraits(id="t", profile=profile(0), traits=values),
        SetTraits(id="u", profile=profile(5), traits=values),
    )
    push(audience, ClearTraits(id="c", profile=profile(0), fields=tuple(values)))
    push(audience, Suppress(id="x", profile=profile(3)))

    campaign = provider.mail(loyal, "Bonjour")
    for kind in EventKind:
        provider.react(campaign, PEOPLE[1], kind, sandbox.world.now(), url="https://shop.example/a")
    provider.react(campaign, PEOPLE[2], EventKind.OPEN, sandbox.world.now(), is_machine=True)
    provider.react(campaign, PEOPLE[2], EventKind.UNSUBSCRIBE, sandbox.world.now())
    events = list(connector.pull(None, sandbox.world.now()))
    assert sum(len(page.items) for page in events) >= 6
    cursor = events[-1].cursor
    sandbox.world.advance(60)
    list(connector.pull(cursor, sandbox.world.now()))
    for since in (None, [*connector.suppressions(None, sandbox.world.now())][-1].cursor):
        list(connector.suppressions(since, sandbox.world.now()))
    list(connector.members(LOYAL, loyal))
    list(connector.members(CONTACTS, audience))
    connector.count(LOYAL, loyal)
    connector.traits([profile(1)])
    assert len(checked.met) >= 21, sorted(checked.met)


def _value(kind: ValueKind | None) -> str | int:
    return {ValueKind.NUMBER: 12, ValueKind.DATE: "2018-01-01", ValueKind.URL: "https://shop.example"}.get(
        kind or ValueKind.TEXT, "été"
    )


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/ping", None),
        ("GET", "/lists/a1b2c3d4e5", None),
        ("GET", "/lists/ghost", None),
        ("GET", "/campaigns", None),
        ("GET", "/lists", None),
        ("GET", "/lists/a1b2c3d4e5/merge-fields", None),
        ("GET", "/lists/a1b2c3d4e5/members", None),
        ("GET", "/batches?count=2000", None),
        ("POST", "/lists/a1b2c3d4e5/members", {"email_address": "new@example.com", "status": "subscribed"}),
        ("POST", "/lists/a1b2c3d4e5/members", {"email_address": "known@example.com", "status": "subscribed"}),
        ("PUT", "/lists/a1b2c3d4e5/members/x", {"email_address": "x@example.com", "status_if_new": "transactional"}),
        ("PATCH", "/lists/a1b2c3d4e5/members/ghost", {"status": "unsubscribed"}),
        ("DELETE", "/lists/a1b2c3d4e5/members/known@example.com", None),
        ("POST", "/lists/a1b2c3d4e5/members/known@example.com/actions/delete-permanent", None),
        ("GET", "/lists/a1b2c3d4e5/segments/1", None),
        ("DELETE", "/lists/a1b2c3d4e5", None),
    ],
)
def test_the_sandbox_answers_as_described(method: str, path: str, body: object) -> None:
    checked = Checked(Sandbox(only=("mailchimp",)))
    headers = {"authorization": "Bearer sandbox-us1", "content-type": "application/json"}
    known = json.dumps({"email_address": "known@example.com", "status": "subscribed"}).encode()
    checked.inner.handle(Request("POST", f"{BASE}/lists/a1b2c3d4e5/members", headers, known))
    request = Request(method, BASE + path, headers, json.dumps(body).encode() if body else b"")
    if "2000" in path:
        assert checked.inner.handle(request).status == 400
        return
    assert checked.handle(request).headers["x-request-id"]
