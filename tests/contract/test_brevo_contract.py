"""What is Brevo's own of the contract: its newest client's operations, our schema of an import, and why there is one."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
from amendments import IMPORT
from official import ABSENT, SPECS, Judge, described
from rounds import Round

from connectors.http import Request, Response

pytestmark = pytest.mark.skipif(not SPECS.is_dir(), reason=ABSENT)


class Recorder(Judge):
    """Keeps what passes."""

    def __init__(self, inner: Any, provider: str) -> None:
        super().__init__(inner, provider)
        self.passed: list[Request] = []

    def handle(self, request: Request) -> Response:
        self.passed.append(request)
        return super().handle(request)


def test_the_newest_client_library_knows_every_call_that_we_make() -> None:
    known = json.loads((SPECS / "brevo-sdk-5.1.0-operations.json").read_text("utf-8"))
    operations = known if isinstance(known, list) else known["operations"]
    by_place = {(one["method"], re.sub(r"\{[^}]+\}", "{}", one["path"].strip("/"))): one for one in operations}
    recorder: list[Recorder] = []

    def watched(inner: Any, provider: str) -> Recorder:
        recorder.append(Recorder(inner, provider))
        return recorder[-1]

    Round("brevo", judged_by=watched).all()
    calls = [one for one in recorder[0].passed if "/_files/" not in one.url]
    assert len(calls) > 50
    for request in calls:
        path = urlsplit(request.url).path.removeprefix("/brevo/v3")
        template, _ = described("brevo").operation(request.method, path)
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
    jsonschema.Draft202012Validator(IMPORT).validate(body)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(IMPORT).validate(body | {change: value})


def test_the_reasons_for_own_schemas_still_hold() -> None:
    """When Brevo mends its description, the schema of our own can go."""
    document = json.loads((SPECS / "brevo.json").read_text("utf-8"))

    def body(path: str) -> Any:
        return document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]

    def is_valid(path: str, value: object) -> bool:
        schema = {**body(path), "components": document["components"]}
        return jsonschema.Draft4Validator(schema).is_valid(value)

    assert is_valid("/contacts/import", {"nonsense": 1})
    for verb in ("add", "remove"):
        assert not is_valid(f"/contacts/lists/{{listId}}/contacts/{verb}", {"emails": ["a@b.c"]})
    told = json.dumps(document["paths"]["/processes/{processId}"]["get"]["responses"]["200"])
    for reference in re.findall(r"#/components/schemas/(\w+)", told):
        told += json.dumps(document["components"]["schemas"][reference])
    assert re.search(r'"invalid_emails": \{[^}]*"type": "integer"', told)
    listed = document["paths"]["/couponCollections"]["get"]["responses"]["200"]["content"]["application/json"]
    assert list(listed["examples"]["response"]["value"]) == ["collections"]
    assert listed["schema"] == {"$ref": "#/components/schemas/getCouponCollection"}
