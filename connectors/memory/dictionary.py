"""The provider: what would be on the other side of the network, here a dictionary behind a few paths.

It behaves as real ones do: it judges each record, answers by address in an order of its own, takes imports as jobs
that are done only when asked for the second time, and never mails whom it knows to have left.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from connectors.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MAX_BYTES", "MAX_RECORDS", "Dictionary", "Json", "signature"]

Json: TypeAlias = dict[str, Any]
MAX_RECORDS = 200
MAX_BYTES = 64_000
PAGE = 100
SHORT_PAGE = 50  # of lists, fields and pools
_SHELVES = frozenset({"lists", "fields", "pools"})
_EMPTY = ("contacts", "lists", "fields", "pools", "codes", "jobs", "events", "given")


def signature(key: str, moment: str, body: bytes) -> str:
    """What a posted event is signed with: HMAC-SHA-256 of its time (seconds) and its body."""
    return hmac.new(key.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


class Dictionary:
    """One account, kept in a dictionary or in a JSON file; a handler as the network is one. `calls` is what arrived."""

    def __init__(self, store: Json | str, api_key: str) -> None:
        self.calls: list[tuple[Request, Response]] = []
        self._file = Path(store) if isinstance(store, str) else None
        self._key = api_key
        known = json.loads(self._file.read_text("utf-8")) if self._file and self._file.exists() else {}
        self.most = PAGE  # rows in a page
        self.store: Json = store if isinstance(store, dict) else known
        for part in _EMPTY:
            self.store.setdefault(part, {})

    def handle(self, request: Request) -> Response:
        """Answer one call, and keep what it changed."""
        status, body = self._answer(request)
        response = Response(status, {"content-type": "application/json"}, json.dumps(body).encode())
        self.calls.append((request, response))
        if self._file and request.method != "GET":
            draft = self._file.with_suffix(".draft")
            draft.write_text(json.dumps(self.store, ensure_ascii=False), "utf-8")
            draft.replace(self._file)
        return response

    def _answer(self, request: Request) -> tuple[int, Json]:
        if request.headers.get("authorization") != f"Bearer {self._key}":
            return 401, {"error": "unknown key"}
        if len(request.body) > MAX_BYTES:
            return 413, {"error": "too big"}
        parts = urlsplit(request.url)
        body: Json = json.loads(request.body or b"{}")
        if len(body.get("records", ())) > MAX_RECORDS:
            return 400, {"error": "too many records"}
        if request.method == "GET":
            return self._read(parts.path.strip("/").split("/"), dict(parse_qsl(parts.query)))
        return self._write(parts.path.strip("/").split("/"), body)

    def _read(self, path: list[str], query: Mapping[str, str]) -> tuple[int, Json]:
        match path:
            case ["account"]:
                return 200, {"id": "memory", "name": "A dictionary"}
            case ["jobs", ref]:
                return 200, self._job(ref)
            case ["campaigns", name]:
                return self._report(name)
        rows = self._rows(path)
        size = min(self.most, SHORT_PAGE if path[-1] in _SHELVES else PAGE)
        return (404, {"error": "no such path"}) if rows is None else (200, _page(rows, int(query.get("from", 0)), size))

    def _rows(self, path: list[str]) -> list[tuple[str, Json]] | None:
        """What is read page by page; None where there is nothing of that name."""
        match path:
            case ["lists" | "fields" | "pools" as part]:
                return [(ref, {"title": title}) for ref, title in self.store[part].items()]
            case ["events" | "contacts" as part]:
                return [*self.store[part].items()]
            case ["lists", ref] if ref in self.store["lists"]:
                return [(key, contact) for key, contact in self.store["contacts"].items() if ref in contact["lists"]]
        return None

    def _write(self, path: list[str], body: Json) -> tuple[int, Json]:
        answer: tuple[int, Json] = (404, {"error": "no such path"})
        match path:
            case ["lists" | "fields" | "pools" as part]:
                ref = body["ref"] if part == "fields" else self._ref(part)
                self.store[part][ref] = body["title"]
                answer = 201, {"ref": ref}
            case ["import"]:
                ref = self._ref("job")
                self.store["jobs"][ref] = {"records": body["records"], "asked": 0, "results": None}
                answer = 202, {"job": ref}
            case ["contacts"]:
                answer = 200, self._judge(body["records"], self._update)
            case ["members", ref] if ref in self.store["lists"]:
                answer = 200, self._judge(body["records"], lambda record: self._member(ref, record))
            case ["codes", ref] if ref in self.store["pools"]:
                answer = 200, {"results": [self._code(ref, record["code"]) for record in body["records"]]}
            case ["erase"]:
                answer = 200, {"erased": self._erase(body["email"])}
        return answer

    def _ref(self, kind: str) -> str:
        """A new id: never one that was given before, whatever was deleted since."""
        given = self.store["given"]
        given[kind] = given.get(kind, 0) + 1
        return f"{kind}-{given[kind]}"

    def _job(self, ref: str) -> Json:
        job = self.store["jobs"].get(ref)
        if job is None:
            return {"state": "unknown", "results": []}
        job["asked"] += 1
        if job["asked"] > 1 and job["results"] is None:
            job["results"] = self._judge(job.pop("records"), self._create)["results"]
        return {"state": "done" if job["results"] is not None else "running", "results": job["results"] or []}

    @staticmethod
    def _judge(records: list[Json], act: Callable[[Json], Json]) -> Json:
        """One result a record, by address and in our own order."""
        return {"results": [act(record) | {"key": record["email"]} for record in reversed(records)]}

    def _create(self, record: Json) -> Json:
        address, contacts = record["email"], self.store["contacts"]
        if address in contacts:
            return {"error": "erased" if contacts[address]["status"] == "erased" else "exists"}
        name, at, domain = address.partition("@")
        if not (name and at and "." in domain):
            return {"error": "invalid", "words": f"'{address}' is not an address"}
        if unknown := record["fields"].keys() - self.store["fields"].keys():
            return {"error": "unknown_field", "words": f"no field {sorted(unknown)}"}
        ref = self._ref("contact")
        contacts[address] = {"ref": ref, "status": record["status"], "fields": record["fields"], "lists": []}
        return {"ref": ref}

    def _update(self, record: Json) -> Json:
        contact = self._contact(record)
        if contact is None:
            return {"error": "gone"}
        if unknown := record.get("fields", {}).keys() - self.store["fields"].keys():
            return {"error": "unknown_field", "words": f"no field {sorted(unknown)}"}
        contact["fields"] = {
            name: value for name, value in (contact["fields"] | record.get("fields", {})).items() if value is not None
        }
        if record.get("leave") and contact["status"] in {"subscribed", "pending"}:
            contact["status"] = "unsubscribed"
        return {"ref": contact["ref"]}

    def _member(self, ref: str, record: Json) -> Json:
        contact = self._contact(record)
        if contact is None:
            return {"error": "gone" if record["in"] else "absent"}
        if (ref in contact["lists"]) == record["in"]:
            return {"error": "same", "ref": contact["ref"]}
        contact["lists"] = [*contact["lists"], ref] if record["in"] else [x for x in contact["lists"] if x != ref]
        return {"ref": contact["ref"]}

    def _code(self, pool: str, code: str) -> Json:
        """A code is in one pool, once."""
        holder = self.store["codes"].setdefault(code, pool)
        return {"key": code, "error": "taken"} if holder != pool else {"key": code}

    def _erase(self, address: str) -> bool:
        """Only that there was somebody is kept, so that nobody imports them again."""
        contact = self.store["contacts"].get(address)
        if contact is None or contact["status"] == "erased":
            return False
        contact.update(status="erased", fields={}, lists=[])
        events = self.store["events"]
        self.store["events"] = {key: row for key, row in events.items() if row["email"] != address}
        return True

    def _report(self, campaign: str) -> tuple[int, Json]:
        """People by what they did, each once."""
        people: dict[str, set[str]] = {}
        for row in self.store["events"].values():
            if row.get("campaign") == campaign:
                people.setdefault(row["type"], set()).add(row["email"])
        if not people:
            return 404, {"error": "no such campaign"}
        return 200, {"people": {kind: len(found) for kind, found in people.items()}}

    def _contact(self, record: Json) -> Json | None:
        contact: Json | None = self.store["contacts"].get(record["email"])
        return None if contact is None or contact["status"] in {"archived", "erased"} else contact


def _page(rows: list[tuple[str, Json]], start: int, size: int = PAGE) -> Json:
    part = rows[start : start + size]
    return {
        "rows": [row | {"key": row.get("spelled", key)} for key, row in part],  # an address as it was first written
        "next": start + len(part),
        "last": start + size >= len(rows),
        "count": len(rows),
    }
