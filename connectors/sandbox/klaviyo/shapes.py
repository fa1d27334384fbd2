"""Klaviyo's JSON:API: errors, resources, pages, filters. Texts as recorded in 2026-11's notes and issue threads."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from connectors.sandbox.world import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.http import Response

MEDIA = "application/vnd.api+json"
_CLAUSE = re.compile(r"([a-z-]+)\(([A-Za-z0-9_.$]+),")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'')
_BARE = re.compile(r"[^,()\[\]\"']+")


class Refused(Exception):
    """The call is refused with these errors; nothing of it was applied."""

    def __init__(self, status: int, *errors: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.errors = errors
        self.headers = dict(headers or {})


def problem(
    status: int, code: str, detail: str, *, title: str = "Invalid input.", pointer: str = "", parameter: str = ""
) -> dict[str, Any]:
    """One entry of `errors`."""
    source = {"parameter": parameter} if parameter else {"pointer": pointer or "/data"}
    told = {"status": status, "code": code, "title": title, "detail": detail, "source": source, "meta": {}}
    return {"id": f"{code}-{status}", **told}


def invalid(detail: str, *, pointer: str = "", parameter: str = "") -> Refused:
    """A 400 with one error."""
    return Refused(400, problem(400, "invalid", detail, pointer=pointer, parameter=parameter))


def missing(kind: str, name: str) -> Refused:
    """A 404 for a resource."""
    title, detail = "Not found.", f"A {kind} with id {name} does not exist."
    return Refused(404, problem(404, "not_found", detail, title=title, pointer="/data/id"))


def throttled(wait: float) -> Refused:
    """A 429; on it Klaviyo sends Retry-After alone, whole seconds."""
    seconds = max(1, math.ceil(wait))
    detail = f"Request was throttled. Expected available in {seconds} second{'s' if seconds > 1 else ''}."
    told = problem(429, "throttled", detail, title="Request was throttled.", pointer="/data/")
    return Refused(429, told, headers={"retry-after": str(seconds)})


def answer(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in Klaviyo's media type."""
    return json_response(status, body, {"content-type": MEDIA, **(headers or {})})


def iso(at: datetime) -> str:
    """An instant as Klaviyo writes it."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def resource(base: str, kind: str, name: str, attributes: Mapping[str, object], **more: object) -> dict[str, Any]:
    """One resource; `base` is the API's address."""
    links = {"self": f"{base}/{kind}s/{name}"}
    return {"type": kind, "id": name, "attributes": dict(attributes), **more, "links": links}


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition of a filter; `value` is a string, a list of strings, an instant or a bare word."""

    operator: str
    name: str
    value: Any


def clauses(text: str, allowed: Mapping[str, Sequence[str]], instants: Sequence[str] = ()) -> list[Clause]:
    """A filter's conditions, joined by commas. Raises Refused: unknown fields, operators, unquoted strings."""
    found = []
    rest = text
    while rest:
        match = _CLAUSE.match(rest)
        if match is None:
            raise invalid(f"Unable to parse filter: {rest[:40]}", parameter="filter")
        operator, name = match[1], match[2]
        if operator not in allowed.get(name, ()):
            raise invalid(f"'{operator}' is not an allowed operator of '{name}'", parameter="filter")
        value, rest = _value(rest[match.end() :], is_instant=name in instants)
        found.append(Clause(operator, name, value))
        rest = rest.removeprefix(",")
    return found


def _value(text: str, *, is_instant: bool) -> tuple[Any, str]:
    if text.startswith("["):
        values = []
        rest = text[1:]
        while not rest.startswith("]"):
            value, rest = _scalar(rest, is_instant=is_instant)
            values.append(value)
            rest = rest.removeprefix(",")
        rest = rest[1:]
        return values, _closed(rest)
    value, rest = _scalar(text, is_instant=is_instant)
    return value, _closed(rest)


def _scalar(text: str, *, is_instant: bool) -> tuple[Any, str]:
    match = _TEXT.match(text)
    if match:
        if is_instant:
            raise invalid("A datetime must not be quoted", parameter="filter")
        inner = match[1] if match[1] is not None else match[2]
        return re.sub(r"\\(.)", r"\1", inner), text[match.end() :]
    bare = _BARE.match(text)
    if not is_instant or bare is None:
        raise invalid(f"A string must be quoted: {text[:20]}", parameter="filter")
    try:
        at = datetime.fromisoformat(bare[0])
    except ValueError:
        raise invalid(f"Not a datetime: {bare[0]}", parameter="filter") from None
    return at.replace(tzinfo=at.tzinfo or UTC), text[bare.end() :]


def _closed(text: str) -> str:
    if not text.startswith(")"):
        raise invalid("A filter's bracket is not closed", parameter="filter")
    return text[1:]


class Pager:
    """Pages over a snapshot of what a query found, so that a reader sees every item once."""

    def __init__(self) -> None:
        self._found: dict[str, Sequence[Any]] = {}

    def page(
        self, found: Sequence[Any], query: Mapping[str, str], sizes: tuple[int, int], url: str
    ) -> tuple[Sequence[Any], dict[str, str]]:
        """The items of one page, and its links; `sizes` are the default and the most. Raises Refused."""
        size = _size(query.get("page[size]"), *sizes)
        name, start, found = self._resume(query["page[cursor]"]) if query.get("page[cursor]") else ("", 0, found)
        stop = start + size
        links = {"self": f"{url}?{urlencode(query, quote_via=quote)}"}
        if stop < len(found):
            name = name or self._keep(found)
            cursor = base64.urlsafe_b64encode(f"{name}:{stop}".encode()).decode()
            links["next"] = f"{url}?{urlencode({**query, 'page[cursor]': cursor}, quote_via=quote)}"
        return found[start:stop], links

    def _keep(self, found: Sequence[Any]) -> str:
        name = str(int(max(self._found, key=int, default="0")) + 1)
        self._found[name] = found
        while len(self._found) > _SNAPSHOTS:
            del self._found[next(iter(self._found))]
        return name

    def _resume(self, cursor: str) -> tuple[str, int, Sequence[Any]]:
        try:
            name, _, start = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
            return name, int(start), self._found[name]
        except (ValueError, KeyError):
            raise invalid("Invalid page cursor", parameter="page[cursor]") from None


_SNAPSHOTS = 64


def _size(text: str | None, default: int, most: int) -> int:
    size = default if text is None else int(text) if text.isdecimal() else 0
    if not 1 <= size <= most:
        raise invalid(f"Page size must be an integer between 1 and {most}.", parameter="page[size]")
    return size
