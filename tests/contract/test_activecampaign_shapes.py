"""What ActiveCampaign's connector sends and its emulation answers, against schemas written by hand.

The provider's own description cannot judge them: most of its bodies and answers are examples in texts, and its licence
forbids a copy. These say what the facts that the connector was written from say, and nothing more is let through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest

from connectors import errors, registry
from connectors.http import LocalPace, Request, Response
from connectors.sandbox import Contact, Sandbox
from connectors.sandbox.lab import SandboxClock
from connectors.types import (
    AddContact,
    AddMember,
    Batch,
    Change,
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

BASE = "http://sandbox.test/activecampaign/api/3"
Schema = dict[str, Any]


def fixed(required: Schema, optional: Schema | None = None) -> Schema:
    """An object with these properties and no others."""
    told = {"type": "object", "additionalProperties": False, "required": [*required]}
    return told | {"properties": required | (optional or {})}


def rows(item: Schema, least: int = 0, most: int | None = None) -> Schema:
    return {"type": "array", "items": item, "minItems": least, **({} if most is None else {"maxItems": most})}


TEXT: Schema = {"type": "string"}
WORD: Schema = {"type": "string", "minLength": 1}
ID: Schema = {"type": "string", "pattern": "^[1-9][0-9]*$"}
COUNT: Schema = {"type": "string", "pattern": "^[0-9]+$"}
NUMBER: Schema = {"type": "integer", "minimum": 1}
TIME: Schema = {"type": "string", "pattern": r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d|0000-00-00)$"}
LISTED = rows(fixed({"listid": NUMBER}), 1)

# what the connector may send: of an import only what these facts name, and of a list only the two that are safe
IMPORTED = fixed(
    {"email": {"type": "string", "pattern": "."}, "exclude_automations": {"const": True}},
    {
        "tags": rows(WORD, 1, 1),
        "fields": rows(fixed({"id": NUMBER, "value": TEXT}), 1),
        "subscribe": LISTED,
        "unsubscribe": LISTED,
    },
)
SENT: dict[tuple[str, str], Schema] = {
    ("POST", "/import/bulk_import"): fixed(
        {"contacts": rows(IMPORTED, 1, 250), "exclude_automations": {"const": True}},
    ),
    ("POST", "/tags"): fixed({"tag": fixed({"tag": WORD, "tagType": {"const": "contact"}})}),
    ("POST", "/fields"): fixed(
        {
            "field": fixed(
                {
                    "title": WORD,
                    "type": {"enum": ["text", "date", "datetime"]},
                    "perstag": {"type": "string", "pattern": "^[A-Z0-9_]+$"},
                }
            )
        }
    ),
    ("POST", "/fieldRels"): fixed({"fieldRel": fixed({"field": NUMBER, "relid": {"const": 0}})}),
    ("POST", "/contactTags"): fixed({"contactTag": fixed({"contact": NUMBER, "tag": NUMBER})}),
}
PAGED = {"limit": {"enum": ["1", "100"]}, "offset": COUNT}
ASKED: dict[str, Schema] = {
    "/users/me": fixed({}),
    "/lists": fixed({}, PAGED),
    "/tags": fixed({}, PAGED),
    "/fields": fixed({}, PAGED),
    "/campaigns": fixed({}, PAGED),
    "/contacts/{id}/contactTags": fixed({}, PAGED),
    "/import/info": fixed({"batchId": WORD}),
    "/contacts": fixed(
        {"limit": {"enum": ["1", "100"]}},
        {
            "orders[id]": {"const": "ASC"},
            "id_greater": COUNT,
            "email": WORD,
            "listid": ID,
            "status": {"enum": ["0", "2", "3"]},
        },
    ),
}

# what the emulation may answer
META = {"meta": fixed({"total": COUNT})}
FIELD = {"id": ID, "title": WORD, "type": WORD, "perstag": WORD}
TAG = {"id": ID, "tag": WORD, "tagType": {"const": "contact"}, "description": TEXT}
JOIN = fixed({"id": ID, "contact": ID, "tag": ID})
FIGURES = (
    "send_amt", "uniqueopens", "opens", "uniquelinkclicks", "subscriberclicks", "hardbounces", "softbounces", "unsubscribes",
)  # fmt: skip
CONTACT = {"id": ID, "email": WORD, "phone": TEXT, "deleted": COUNT, "bounced_date": TIME, "cdate": TIME, "udate": TIME}
LIST = fixed({"id": ID, "name": WORD, "stringid": WORD})
ANSWERED: dict[tuple[str, str, int], Schema] = {
    ("GET", "/users/me", 200): fixed({"user": fixed({"id": ID, "email": WORD}, {"username": TEXT, "firstName": TEXT})}),
    ("GET", "/lists", 200): fixed({"lists": rows(LIST)} | META),
    ("GET", "/tags", 200): fixed({"tags": rows(fixed(TAG), 0, 100)} | META),
    ("POST", "/tags", 201): fixed({"tag": fixed(TAG)}),
    ("GET", "/fields", 200): fixed({"fields": rows(fixed(FIELD), 0, 100)} | META),
    ("POST", "/fields", 201): fixed({"field": fixed(FIELD)}),
    ("POST", "/fieldRels", 201): fixed({"fieldRel": fixed({"id": ID, "field": ID, "relid": COUNT})}),
    ("GET", "/contacts", 200): fixed({"contacts": rows(fixed(CONTACT), 0, 100)} | META),
    ("DELETE", "/contacts/{id}", 200): fixed({}),
    ("GET", "/contacts/{id}/contactTags", 200): fixed({"contactTags": rows(JOIN, 0, 100)}, META),
    ("GET", "/contacts/{id}/contactTags", 404): fixed({"message": WORD}),
    ("POST", "/contactTags", 200): fixed({"contactTag": JOIN}),
    ("DELETE", "/contactTags/{id}", 200): fixed({}),
    ("POST", "/import/bulk_import", 200): fixed(
        {"Success": {"const": 1}, "queued_contacts": NUMBER, "batchId": WORD, "message": WORD}
    ),
    ("POST", "/import/bulk_import", 400): fixed(
        {
            "success": {"const": 0},
            "message": WORD,
            "failureReasons": rows(
                {"anyOf": [WORD, fixed({"contact": {"type": "integer", "minimum": 0}, "failureReason": WORD})]}, 1
            ),
        }
    ),
    ("GET", "/import/info", 200): fixed({"status": WORD, "success": rows(ID), "failure": rows(TEXT)}),
    ("GET", "/campaigns", 200): fixed(
        {"campaigns": rows(fixed({"id": ID, "name": WORD, "sdate": TIME} | dict.fromkeys(FIGURES, COUNT)))} | META
    ),
}


def place(url: str) -> str:
    """The path without the base and with its ids taken out."""
    return re.sub(r"/\d+", "/{id}", urlsplit(url).path.removeprefix(urlsplit(BASE).path))


class Judge:
    """The sandbox behind schemas: every call and every answer is held to one, and an unknown place to none."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.seen: set[tuple[str, str, int]] = set()

    def handle(self, request: Request) -> Response:
        known = (request.method, place(request.url))
        if request.method == "GET":
            jsonschema.validate(dict(parse_qsl(urlsplit(request.url).query)), ASKED[known[1]])
        elif request.method == "POST":
            assert request.headers["content-type"] == "application/json"
            assert len(request.body) <= 400_000
            jsonschema.validate(json.loads(request.body), SENT[known])
        else:
            assert request.body == b""
        assert request.headers["api-token"] == "sandbox-shapes"
        response = self.sandbox.handle(request)
        jsonschema.validate(response.json(), ANSWERED[(*known, response.status)])
        self.seen.add((*known, response.status))
        return response


def changes(kind: type[Change], field: str) -> Iterator[Change]:
    """Three good ones; of additions, one that is no address."""
    for at in range(3):
        one = Profile(f"p{at}@example.com")
        yield {
            AddContact: lambda n, p: AddContact(id=n, profile=p, status=Consent.SUBSCRIBED, traits={field: "Lyon"}),
            SetTraits: lambda n, p: SetTraits(id=n, profile=p, traits={field: "Été à Noël 🎁"}),
            ClearTraits: lambda n, p: ClearTraits(id=n, profile=p, fields=(field,)),
            AddMember: lambda n, p: AddMember(id=n, profile=p),
            RemoveMember: lambda n, p: RemoveMember(id=n, profile=p),
            Suppress: lambda n, p: Suppress(id=n, profile=p),
        }[kind](f"{kind.__name__}-{at}", one)


def whole_round(judge: Judge) -> None:
    """Everything that the connector does, once."""
    world = judge.sandbox.world
    provider = judge.sandbox.providers["activecampaign"]
    connect = partial(registry.build, handler=judge, clock=SandboxClock(world), pace=LocalPace())
    made: Any = connect("activecampaign", {"api_key": "sandbox-shapes", "base_url": BASE, "list_name": "Newsletter"})
    made.check()
    people = Target(kind=TargetKind.CONTACTS, name="contacts", title="contacts")
    loyal = Target(kind=TargetKind.SEGMENT, name="loyal", title="Clients fidèles & co")
    fields = [Target(kind=TargetKind.FIELD, name=kind, title=kind.upper(), value=kind) for kind in ValueKind]
    refs = made.create([people, loyal, *fields])
    for kind in (AddContact, SetTraits, AddMember, RemoveMember, ClearTraits, Suppress):
        target = loyal if kind in {AddMember, RemoveMember} else people
        batch = Batch(target, refs[target], [*changes(kind, refs[fields[0]])])
        told = list(made.push(batch))
        world.finish()
        for job in {one.job for one in told if one.job}:
            list(made.poll([Job(ref=job, batch=batch, started_at=world.now())]))
        if kind is AddMember:
            campaign = provider.mail(refs[loyal], "Soldes")
            provider.react(campaign, "p0@example.com", EventKind.OPEN, world.now())
            assert made.totals([campaign])
    for at in range(250):
        provider.seed(Contact(f"left{at}@example.com", "unsubscribed"))
    assert sum(len(page.items) for page in made.suppressions(None, world.now())) == 253
    assert len(made.resolve([Profile("left1@example.com"), Profile("left2@example.com")])) == 2
    made.erase(Profile("left1@example.com"))
    bad = AddContact(id="bad", profile=Profile("no.address"), status=Consent.SUBSCRIBED)
    with pytest.raises(errors.InvalidRequest):
        list(made.push(Batch(people, refs[people], [bad])))


@pytest.mark.parametrize("reading", ["there", "missing"])
def test_a_whole_round_is_as_the_facts_have_it(reading: str) -> None:
    judge = Judge(Sandbox(only=("activecampaign",), options={"contact_tags": reading}))
    whole_round(judge)
    left_out = {("GET", "/contacts/{id}/contactTags", 404), ("POST", "/contactTags", 200)}
    expected = ANSWERED.keys() - (left_out if reading == "there" else {("GET", "/contacts/{id}/contactTags", 200)})
    assert judge.seen == expected


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/import/bulk_import", {"contacts": [], "exclude_automations": True}),
        ("/import/bulk_import", {"contacts": [{"email": "a@b.fr", "exclude_automations": True}]}),
        ("/import/bulk_import", {"contacts": [{"email": "a@b.fr", "exclude_automations": True, "fields": [{"id": "6", "value": "x"}]}], "exclude_automations": True}),
        ("/contactTags", {"contactTag": {"contact": "1", "tag": 2}}),
        ("/fields", {"field": {"title": "X", "type": "number", "perstag": "X"}}),
    ],
)  # fmt: skip
def test_the_schemas_refuse_what_is_wrong(path: str, body: Schema) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, SENT["POST", path])


def test_there_is_no_schema_for_a_call_that_could_subscribe_somebody_again() -> None:
    assert {path for _, path in SENT}.isdisjoint({"/contactLists", "/contact/sync", "/contacts"})
