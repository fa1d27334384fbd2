"""What the connector sends and what the sandbox answers satisfy Mailchimp's own description (3.0.90)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from connectors import registry
from connectors.http import Request, Response
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.lab import SandboxClock
from connectors.types import (
    AddContact,
    AddMember,
    Batch,
    ClearTraits,
    Consent,
    EventKind,
    Job,
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


@dataclass
class Round:
    """A connector over a checked sandbox, and a way to carry changes."""

    sandbox: Sandbox = field(default_factory=lambda: Sandbox(only=("mailchimp",)))

    def __post_init__(self) -> None:
        self.checked = Checked(self.sandbox)
        settings = {"api_key": "sandbox-us1", "audience": "a1b2c3d4e5", "base_url": BASE}
        clock = SandboxClock(self.sandbox.world)
        self.connector: Any = registry.build("mailchimp", settings, handler=self.checked, clock=clock)
        self.provider: Any = self.sandbox.providers["mailchimp"]
        self.connector.check()
        self.refs = self.connector.create([CONTACTS, LOYAL, *FIELDS])
        assert self.connector.find([CONTACTS, LOYAL, *FIELDS]) == self.refs
        self.values = {self.refs[target]: _value(target.value) for target in FIELDS}

    def push(self, target: Target, *changes: Any) -> None:
        batch = Batch(target, self.refs[target], changes)
        jobs = {outcome.job for outcome in self.connector.push(batch) if outcome.job}
        self.sandbox.world.finish()
        list(self.connector.poll([Job(ref=job, batch=batch, started_at=self.now) for job in jobs]))
        list(self.connector.recall(batch, self.now))

    @property
    def now(self) -> datetime:
        return self.sandbox.world.now()


def test_every_write_and_its_answer_satisfy_the_description() -> None:
    it = Round()
    adds = [
        AddContact(id=f"a{number}", profile=profile(number), status=Consent.SUBSCRIBED, traits=it.values)
        for number in range(5)
    ]
    it.push(CONTACTS, *adds, AddContact(id="bad", profile=Profile("no address"), status=Consent.NEVER))
    it.push(CONTACTS, *adds)
    it.push(LOYAL, *(AddMember(id=f"m{number}", profile=profile(number)) for number in range(6)))
    it.push(LOYAL, RemoveMember(id="r", profile=profile(4)), RemoveMember(id="s", profile=profile(5)))
    it.push(CONTACTS, *(SetTraits(id=f"t{number}", profile=profile(number), traits=it.values) for number in (0, 5)))
    it.push(CONTACTS, ClearTraits(id="c", profile=profile(0), fields=tuple(it.values)))
    it.push(CONTACTS, Suppress(id="x", profile=profile(3)))
    assert len(it.checked.met) >= 15, sorted(it.checked.met)


def test_every_read_and_its_answer_satisfy_the_description() -> None:
    it = Round()
    for number, status in enumerate(("subscribed", "subscribed", "unsubscribed", "cleaned", "archived", "pending")):
        it.provider.seed(Contact(PEOPLE[number], status, dict(it.values), {it.refs[LOYAL]}))
    campaign = it.provider.mail(it.refs[LOYAL], "Bonjour")
    for kind in EventKind:
        it.provider.react(campaign, PEOPLE[0], kind, it.now, url="https://shop.example/a")
    it.provider.react(campaign, PEOPLE[1], EventKind.OPEN, it.now, is_machine=True)
    events = list(it.connector.pull(None, it.now))
    assert sum(len(page.items) for page in events) == 8
    it.sandbox.world.advance(60)
    list(it.connector.pull(events[-1].cursor, it.now))
    swept = list(it.connector.suppressions(None, it.now))
    list(it.connector.suppressions(swept[-1].cursor, it.now))
    for target in (LOYAL, CONTACTS):
        list(it.connector.members(target, it.refs[target]))
        it.connector.count(target, it.refs[target])
    assert it.connector.traits([profile(1)]) == {PEOPLE[1]: it.values}
    assert len(it.checked.met) >= 15, sorted(it.checked.met)


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
