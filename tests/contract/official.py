"""The providers' own descriptions judge every call and every answer on the way (openapi-core), amended where they err."""

from __future__ import annotations

import ast
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from traceback import FrameSummary, extract_stack
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import activecampaign
import jsonschema
from amendments import ADDITIONS, AMENDMENTS, Amendment
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from connectors import registry
from connectors.http import Handler, Request, Response

SPECS = Path(__file__).parents[2].parent / "shared" / "specs"
ABSENT = "the official descriptions are not beside the project"
FILES = {
    "mailchimp": ("mailchimp.openapi3.json", "/mailchimp/3.0"),
    "klaviyo": ("klaviyo.json", "/klaviyo"),
    "brevo": ("brevo.json", "/brevo/v3"),
}
BY_HAND = {"activecampaign": (activecampaign.document, "/activecampaign/api/3")}
HOST = "http://sandbox.test"
ELSEWHERE = ("/archives/", "/_files/")  # files that jobs leave at another host: no operations


class Unlike(AssertionError):
    """A call or an answer that the description does not allow."""


class _Call:
    """A request as openapi-core wants to see it; it writes the path's own parameters into `parameters`."""

    host_url = HOST

    def __init__(self, request: Request) -> None:
        parts = urlsplit(request.url)
        self.path, self.method, self.body = parts.path, request.method.lower(), request.body or None
        self.content_type = request.headers.get("content-type", "").partition(";")[0]
        self.query = parse_qsl(parts.query, keep_blank_values=True)
        headers = Headers(dict(request.headers))
        self.parameters = RequestParameters(ImmutableMultiDict(self.query), headers, ImmutableMultiDict(), {})


@dataclass(frozen=True)
class _Answer:
    response: Response

    @property
    def status_code(self) -> int:
        return self.response.status

    @property
    def data(self) -> bytes:
        return self.response.body

    @property
    def headers(self) -> Mapping[str, str]:
        return self.response.headers

    @property
    def content_type(self) -> str:
        return self.response.headers.get("content-type", "").partition(";")[0]


@dataclass
class Description:
    """One provider's description; read once a session, its schemas resolved as they are met."""

    provider: str
    document: dict[str, Any]
    prefix: str
    api: OpenAPI = field(init=False)

    def __post_init__(self) -> None:
        self.document["servers"] = [{"url": HOST + self.prefix}]
        for one in (*self.amendments(), *(one for one in ADDITIONS if one.provider == self.provider)):
            one.apply(self.document)
        _merge(self.document, self.document)
        _close(self.document)
        policy = Config(
            spec_validator_cls=None,  # type: ignore[arg-type]  # None is allowed: the file itself is not validated
            extra_media_type_deserializers={"application/problem+json": json.loads},
        )
        self.api = OpenAPI.from_dict(self.document, config=policy)

    def amendments(self) -> Iterator[Amendment]:
        return (one for one in AMENDMENTS if one.provider == self.provider)

    def operation(self, method: str, path: str) -> tuple[str, Mapping[str, Any]]:
        """The path's template, the most literal one that fits, and its operation."""
        fitting = [
            (template.count("{"), template)
            for template, methods in self.document["paths"].items()
            if method.lower() in methods and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
        ]
        if not fitting:
            raise Unlike(f"{self.provider}'s description has no {method} {path}")
        template = min(fitting)[1]
        return template, self.document["paths"][template][method.lower()]

    def check_request(self, request: Request) -> str:
        """The operation's name; raises Unlike."""
        call = _Call(request)
        template, operation = self.operation(request.method, call.path.removeprefix(self.prefix) or "/")
        name = f"{request.method} {template}"
        known = {self._resolved(one)["name"] for one in operation.get("parameters", ())}
        if strange := sorted({key for key, _ in call.query} - known):
            raise Unlike(f"{name} has no parameter {strange}")
        if request.body and "requestBody" not in operation:
            raise Unlike(f"{name} takes no body")
        self._judge(name, lambda: self.api.validate_request(call))
        self._own(request.method, template, "request", request.body)
        return name

    def check_response(self, request: Request, response: Response) -> None:
        """Raises Unlike."""
        call = _Call(request)
        template, operation = self.operation(request.method, call.path.removeprefix(self.prefix) or "/")
        told = operation["responses"]
        code = next((c for c in (str(response.status), f"{response.status // 100}XX", "default") if c in told), None)
        name = f"{request.method} {template} answers {response.status}"
        if code is None:
            raise Unlike(f"{name}: described are {sorted(told)}")
        if not self._resolved(told[code]).get("content"):
            if response.body:
                raise Unlike(f"{name} with a body: none is described")
            return
        self._judge(name, lambda: self.api.validate_response(call, _Answer(response)))
        self._own(request.method, template, code, response.body)

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        return _at(node["$ref"], self.document) if "$ref" in node else node

    def _judge(self, name: str, check: Any) -> None:
        try:
            check()
        except OpenAPIError as error:
            raise Unlike(f"{name}: {'; '.join(_reasons(error))}") from error

    def _own(self, method: str, template: str, side: str, body: bytes) -> None:
        for one in self.amendments():
            if one.place == (method, template, side):
                try:
                    jsonschema.Draft202012Validator(one.schema).validate(json.loads(body))
                except jsonschema.ValidationError as error:
                    raise Unlike(f"{method} {template} ({side}): {error.json_path}: {error.message}") from error


_OPAQUE = frozenset({"example", "examples", "enum", "default"})


def _parts(node: Any) -> Iterator[Any]:
    """What is within a node; the names of an object's properties are no keywords."""
    if isinstance(node, list):
        yield from node
    elif isinstance(node, dict):
        for name, part in node.items():
            if name == "properties" and isinstance(part, dict):
                yield from part.values()
            elif name not in _OPAQUE:
                yield part


def _merge(node: Any, document: Mapping[str, Any]) -> None:
    """Each `allOf` as the one schema that it means: closed alone, none of its parts would let the others' keys in."""
    if isinstance(node, dict) and isinstance(node.get("allOf"), list):
        for one in node.pop("allOf"):
            _add(node, deepcopy(_at(one["$ref"], document) if "$ref" in one else one), document)
    for part in _parts(node):
        _merge(part, document)


def _add(node: dict[str, Any], other: dict[str, Any], document: Mapping[str, Any]) -> None:
    """Write another schema of the same object into the first; where both speak of a key, they are merged in turn."""
    _merge(other, document)
    properties = node.setdefault("properties", {})
    for name, schema in other.pop("properties", {}).items():
        if name in properties and schema != properties[name]:
            _add(properties[name], schema, document)
        else:
            properties[name] = schema
    node["required"] = sorted({*node.get("required", ()), *other.pop("required", ())})
    if not node["required"]:
        del node["required"]
    node |= other


def _close(node: Any) -> None:
    """Let no object have keys that its schema does not name: the descriptions forbid none, and a typing mistake passes."""
    for part in _parts(node):
        _close(part)
    if isinstance(node, dict) and isinstance(node.get("properties"), dict) and node["properties"]:
        node.setdefault("additionalProperties", False)


def _at(reference: str, document: Mapping[str, Any]) -> Any:
    found: Any = document
    for part in reference.split("/")[1:]:
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def _reasons(error: BaseException) -> Iterator[str]:
    """What a schema says, with its place; else the error's own words, the innermost."""
    schema_errors = list(getattr(error, "schema_errors", ()))
    yield from (f"{one.json_path}: {one.message[:300]}" for one in schema_errors[:5])
    if error.__cause__ is not None:
        yield from _reasons(error.__cause__)
    elif not schema_errors:
        yield str(error)[:300]


@cache
def described(provider: str) -> Description:
    if provider in BY_HAND:
        document, place = BY_HAND[provider]
        return Description(provider, document(), place)
    file, prefix = FILES[provider]
    return Description(provider, json.loads((SPECS / file).read_text("utf-8")), prefix)


class Judge:
    """A handler that lets the description judge every call and every answer on the way.

    `met` are the operations, `wrong` what was said against them, `sites` the lines of the connector that called. An operation of a Mailchimp job is a call like any
    other, and its result in the archive an answer.
    """

    def __init__(self, inner: Handler, provider: str) -> None:
        self.inner = inner
        self.description = described(provider)
        self.met: set[str] = set()
        self.wrong: list[str] = []
        self.sites: set[tuple[str, int]] = set()
        self._queued: dict[str, Request] = {}

    def is_told_by_the_provider(self) -> bool:
        """The answer is the provider's own: no fault was asked for."""
        return True

    def handle(self, request: Request) -> Response:
        self.sites |= {(Path(frame.filename).name, frame.lineno or 0) for frame in self._frames()}
        response = self.inner.handle(request)
        path = urlsplit(request.url).path
        if any(part in path for part in ELSEWHERE):
            if "/archives/" in path and response.status == 200:
                self._check_results(response.body)
            return response
        self._check(request, response if self.is_told_by_the_provider() else None)
        if (request.method, path.rpartition("/")[2]) == ("POST", "batches"):
            for one in json.loads(request.body)["operations"]:
                self._check_operation(request, one)
        return response

    def _frames(self) -> Iterator[FrameSummary]:
        folder = f"/connectors/{self.description.provider}/"
        return (frame for frame in extract_stack() if folder in frame.filename)

    def _check(self, request: Request, response: Response | None = None, *, is_sent: bool = True) -> None:
        try:
            if is_sent:
                self.met.add(self.description.check_request(request))
            if response is not None:
                self.description.check_response(request, response)
        except Unlike as unlike:
            self.wrong.append(str(unlike))

    def _check_operation(self, batch: Request, one: Mapping[str, Any]) -> None:
        query = "&".join(f"{name}={value}" for name, value in one.get("params", {}).items())
        place = f"{HOST}{self.description.prefix}{one['path']}{'?' if query else ''}{query}"
        headers = {**batch.headers, "content-type": "application/json"}
        request = Request(one["method"], place, headers, one.get("body", "").encode())
        self._check(request)
        self._queued[one["operation_id"]] = request

    def _check_results(self, archive: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            for entry in files:
                read = files.extractfile(entry)
                for one in json.load(read) if read else ():
                    kind = "application/json" if one["status_code"] < 400 else "application/problem+json"
                    body = b"" if one["status_code"] == 204 else one["response"].encode()
                    answer = Response(one["status_code"], {"content-type": kind}, body)
                    self._check(self._queued[one["operation_id"]], answer, is_sent=False)


METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


def call_sites(provider: str) -> Iterator[tuple[str, range]]:
    """Where a connector's source calls the provider: a method as the first argument, or its SDK is asked."""
    folder = Path(registry.__file__).parent / provider
    for file in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and (_is_method(node) or ast.unparse(node.func).endswith(".ask")):
                yield file.name, range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _is_method(call: ast.Call) -> bool:
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Constant) and first.value in METHODS
