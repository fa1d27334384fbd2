"""Klaviyo's own description judges both sides: what the connector sends, and what the emulation answers."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest

from connectors import errors, registry
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.lab import SandboxClock
from connectors.types import (
    AddCode,
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
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.http import Request, Response

DESCRIPTION = Path(__file__).parents[2].parent / "shared" / "specs" / "klaviyo.json"
MEDIA = "application/vnd.api+json"
LIST = Target(kind=TargetKind.SEGMENT, name="s", title="Clients fidèles")
POOL = Target(kind=TargetKind.POOL, name="p", title="Merci !")
ALL = Target(kind=TargetKind.CONTACTS, name="c", title="c")
USED = {
    "GET /api/accounts", "GET /api/lists", "POST /api/lists", "GET /api/lists/{id}", "GET /api/lists/{id}/profiles",
    "GET /api/lists/{id}/relationships/profiles",
    "DELETE /api/lists/{id}/relationships/profiles", "GET /api/profiles", "POST /api/profile-bulk-import-jobs",
    "GET /api/profile-bulk-import-jobs", "GET /api/profile-bulk-import-jobs/{job_id}",
    "GET /api/profile-bulk-import-jobs/{id}/import-errors", "POST /api/profile-suppression-bulk-create-jobs",
    "GET /api/profile-suppression-bulk-create-jobs/{job_id}", "GET /api/metrics", "GET /api/events",
    "GET /api/coupons/{id}", "POST /api/coupons", "POST /api/coupon-code-bulk-create-jobs",
    "GET /api/coupon-code-bulk-create-jobs/{job_id}", "GET /api/coupon-codes/{id}",
    "POST /api/data-privacy-deletion-jobs", "POST /api/campaign-values-reports",
}  # fmt: skip

pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason="the official description is not beside the project")


@cache
def _described(*, is_strict: bool) -> dict[str, Any]:
    """The description as JSON Schema; strict: an object's unknown fields are errors (for what we send)."""
    return _translated(json.loads(DESCRIPTION.read_text()), is_strict)


def _translated(part: Any, is_strict: bool) -> Any:  # noqa: FBT001 - any JSON, walked down
    if isinstance(part, list):
        return [_translated(item, is_strict) for item in part]
    if not isinstance(part, dict):
        return part
    found = {key: _translated(value, is_strict) for key, value in part.items()}
    if is_strict and isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found.setdefault("additionalProperties", False)
    if found.pop("nullable", False) is True:
        return {"anyOf": [found, {"type": "null"}]}
    return found


def _operation(method: str, path: str) -> tuple[str, dict[str, Any]]:
    for pattern, operations in _described(is_strict=False)["paths"].items():
        if method.lower() in operations and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            return f"{method} {pattern}", operations[method.lower()]
    pytest.fail(f"the description has no {method} {path}")


def _check(schema: dict[str, Any], body: object, *, is_strict: bool = False) -> None:
    document = {**schema, "components": _described(is_strict=is_strict)["components"]}
    jsonschema.Draft202012Validator(document).validate(body)


def _check_request(request: Request, operation: dict[str, Any]) -> None:
    known = {parameter["name"]: parameter for parameter in operation.get("parameters", ())}
    assert request.headers["revision"] == known["revision"]["schema"]["default"]
    assert request.headers["accept"] == MEDIA
    for name, text in parse_qsl(urlsplit(request.url).query):
        schema = known[name]["schema"]
        value = text.split(",") if schema["type"] == "array" else int(text) if schema["type"] == "integer" else text
        _check(schema, value)
    if "requestBody" in operation:
        assert request.headers["content-type"] == MEDIA
        _check(operation["requestBody"]["content"][MEDIA]["schema"], json.loads(request.body), is_strict=True)
    else:
        assert not request.body


def _check_response(response: Response, operation: dict[str, Any]) -> None:
    told = operation["responses"]
    answer = told.get(str(response.status)) or told[f"{response.status // 100}XX"]
    if "$ref" in answer:
        answer = _described(is_strict=False)["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    if "content" not in answer:
        assert not response.body
        return
    assert response.headers["content-type"] == MEDIA
    _check(answer["content"][MEDIA]["schema"], response.json())


class Judge:
    """A handler that lets the description judge every call and every answer on the way."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.seen: set[str] = set()

    def handle(self, request: Request) -> Response:
        response = self.sandbox.handle(request)
        name, operation = _operation(request.method, urlsplit(request.url).path.removeprefix("/klaviyo"))
        self.seen.add(name)
        _check_request(request, operation)
        _check_response(response, operation)
        return response


def _everything(connector: Any, sandbox: Sandbox) -> Iterator[object]:
    """Each ability once, with answers of every status that it may meet."""
    world, provider = sandbox.world, sandbox.providers["klaviyo"]
    yield connector.check()
    ref = connector.create([LIST])[LIST]
    people = [Profile(f"person.{number}@example.com") for number in range(120)]
    adds = [
        AddContact(id=f"a{number}", profile=profile, status=Consent.SUBSCRIBED, traits={"t": "é", "n": 1.5, "b": True})
        for number, profile in enumerate([*people, *(Profile(f"refused.{n}@example.com") for n in range(120))])
    ]
    batches = [
        Batch(ALL, "", adds),
        Batch(ALL, "", [SetTraits(id="s", profile=people[0], traits={"t": "x"})]),
        Batch(ALL, "", [ClearTraits(id="k", profile=people[0], fields=("t", "n"))]),
        Batch(LIST, ref, [AddMember(id=f"m{number}", profile=profile) for number, profile in enumerate(people)]),
        Batch(ALL, "", [Suppress(id="u", profile=people[1])]),
        Batch(ALL, "", [Suppress(id="v", profile=people[1])]),
    ]
    jobs = []
    for batch in batches:
        outcomes = list(connector.push(batch))
        jobs.append(Job(ref=outcomes[0].job or "", batch=batch, started_at=world.now()))
        yield list(connector.poll(jobs[-1:]))
        world.finish()
    yield list(connector.poll(jobs))
    yield list(connector.poll([Job(ref="01ABSENT", batch=batches[1], started_at=world.now())]))
    yield from (list(connector.recall(batch, world.now())) for batch in batches)
    campaign = provider.mail(ref, "Soldes")
    for kind in EventKind:
        provider.react(campaign, people[2].email, kind, world.now(), url="https://shop.example")
    yield list(connector.pull(None, world.now()))
    yield list(connector.pull(list(connector.pull(None, world.now()))[-1].cursor, world.now()))
    yield list(connector.suppressions(None, world.now()))
    yield list(connector.members(LIST, ref)), connector.count(LIST, ref), list(connector.members(ALL, ""))
    for number in range(1_001):
        provider.seed(Contact(f"many.{number}@example.com", lists={ref}))
    yield connector.count(LIST, ref)
    yield connector.resolve(people), connector.traits(people)
    yield list(connector.push(Batch(LIST, ref, [RemoveMember(id="r", profile=Profile(people[0].email, "01OLD"))])))
    yield list(connector.push(Batch(LIST, "absent", [RemoveMember(id="r", profile=people[0])])))
    pool = connector.create([POOL])[POOL]
    yield connector.find([POOL])
    codes = Batch(
        POOL, pool, [AddCode(id=f"k{n}", code=f"CODE{n}", expires=world.now() if n else None) for n in range(3)]
    )
    for _ in range(2):
        outcomes = list(connector.push(codes))
        job = Job(ref=outcomes[0].job or "", batch=codes, started_at=world.now())
        yield list(connector.poll([job]))
        world.finish()
        yield list(connector.poll([job]))
    yield list(connector.recall(codes, world.now()))
    world.advance(60)
    yield connector.totals([campaign])
    yield connector.erase(people[3]), connector.erase(Profile("nobody@example.com"))
    with pytest.raises(errors.InvalidRequest):
        list(connector.push(Batch(ALL, "", [AddContact(id="x", profile=Profile("no"), status=Consent.SUBSCRIBED)])))


SWITCHES = {
    "documented": {},
    "worst": {"events_page": "200", "payload": "nested", "absent_member": "400", "lower_case": "no", "visibility": "5"},
}


@pytest.mark.parametrize("reading", SWITCHES)
def test_requests_and_answers_satisfy_the_official_description(reading: str) -> None:
    sandbox = Sandbox(only=("klaviyo",), options={**SWITCHES[reading], "async_errors": "refused"})
    judge = Judge(sandbox)
    options = {"api_key": "pk_sandbox_judge", "base_url": "http://sandbox.test/klaviyo/api"}
    connector = registry.build("klaviyo", options, handler=judge, clock=SandboxClock(sandbox.world))
    for _result in _everything(connector, sandbox):
        pass
    assert judge.seen == USED


def test_the_declared_windows_are_the_descriptions_or_narrower() -> None:
    spec = registry.load("klaviyo").spec
    families = {
        "accounts": "GET /api/accounts", "lists": "GET /api/lists", "list-create": "POST /api/lists",
        "list-profiles": "GET /api/lists/{id}/profiles", "list-remove": "DELETE /api/lists/{id}/relationships/profiles",
        "list-members": "GET /api/lists/{id}/relationships/profiles",
        "import": "POST /api/profile-bulk-import-jobs", "import-job": "GET /api/profile-bulk-import-jobs/{job_id}",
        "import-jobs": "GET /api/profile-bulk-import-jobs", "profiles": "GET /api/profiles",
        "import-errors": "GET /api/profile-bulk-import-jobs/{id}/import-errors",
        "suppress": "POST /api/profile-suppression-bulk-create-jobs", "metrics": "GET /api/metrics",
        "suppress-job": "GET /api/profile-suppression-bulk-create-jobs/{job_id}", "events": "GET /api/events",
        "erase": "POST /api/data-privacy-deletion-jobs", "report": "POST /api/campaign-values-reports",
        "coupons": "GET /api/coupons/{id}", "coupon-create": "POST /api/coupons", "code": "GET /api/coupon-codes/{id}",
        "codes": "POST /api/coupon-code-bulk-create-jobs", "codes-jobs": "GET /api/coupon-code-bulk-create-jobs",
        "codes-job": "GET /api/coupon-code-bulk-create-jobs/{job_id}",
    }  # fmt: skip
    assert spec.rates.keys() - families.keys() == {"list-count"}  # a tier of its own: profile_count, 1/s and 15/m
    for family, name in families.items():
        method, path = name.split()
        told = _described(is_strict=False)["paths"][path][method.lower()]["x-klaviyo-ratelimit"]
        allowed = {{"s": 1, "m": 60, "d": 86_400}[text[-1]]: int(text.split("/")[0]) for text in told.values()}
        ours = {rate.seconds: rate.calls for rate in spec.rates[family]}
        assert ours.keys() == allowed.keys()
        assert all(ours[seconds] <= calls for seconds, calls in allowed.items())
