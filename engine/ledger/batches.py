"""Changes on their way as the ledger keeps them: one row a provider's call, its changes packed by the column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, repeat
from types import MappingProxyType
from typing import Any

import orjson

from engine.ledger.outcomes import Sending

__all__ = ["converted", "pack", "unpack"]

_NONE: frozenset[str] = frozenset()
_NO_FIELDS: Mapping[str, str] = MappingProxyType({})
_SHARED = ("destination", "kind", "target", "state", "job", "plan", "started_at")
_LARGEST = 10_000  # changes in a row that is made of older ones
_SEPARATOR = "\x1f"


def pack(changes: Sequence[Sending]) -> bytes:
    """What differs from change to change (one at least), as JSON: a list a column; a column that says nothing is left out."""
    told = dict(zip(Sending._fields, zip(*changes, strict=True), strict=True))
    hashes, ids = told["content_hash"], told["change_id"]
    columns: dict[str, Sequence[Any]] = {"hash": hashes, "customer": told["customer_id"], "address": told["address"]}
    length = len(ids[0])
    if [digest[:length] for digest in hashes] == list(ids):  # as a rule
        columns["length"] = [length]
    else:
        columns["id"] = ids
    if any(told["fields"]):
        columns["fields"] = [_plain(fields) for fields in told["fields"]]
    if any(told["status"]):
        columns["status"] = told["status"]
    if any(told["defaults"]):
        columns["defaults"] = [sorted(names) for names in told["defaults"]]
    return orjson.dumps(columns)


def _plain(fields: Mapping[str, str]) -> dict[str, str]:
    return fields if type(fields) is dict else dict(fields)


def unpack(row: Mapping[str, Any]) -> list[Sending]:
    """The changes of a row."""
    columns = orjson.loads(row["changes"])
    hashes = columns["hash"]
    ids = columns.get("id") or [digest[: columns["length"][0]] for digest in hashes]
    kind, target, about = row["kind"], row["target"], (row["job"], row["started_at"], row["plan"])
    is_pending = row["state"] == "pending"
    return [
        Sending(key, digest, kind, target, customer, address, fields, defaults, status, *about, is_pending)
        for key, digest, customer, address, fields, defaults, status in zip(
            ids,
            hashes,
            columns["customer"],
            columns["address"],
            columns.get("fields") or repeat(_NO_FIELDS, len(hashes)),
            map(frozenset, columns["defaults"]) if "defaults" in columns else repeat(_NONE, len(hashes)),
            columns.get("status") or repeat(None, len(hashes)),
            strict=True,
        )
    ]


def converted(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of this table from those of schema version 2's `sending`, which held one change each; sorted by _SHARED."""
    for shared, same in groupby(rows, key=lambda row: tuple(row[name] for name in _SHARED)):
        about = dict(zip(_SHARED, shared, strict=True))
        found = [_old(row) for row in same]
        for start in range(0, len(found), _LARGEST):
            yield {**about, "changes": pack(found[start : start + _LARGEST])}


def _old(row: Mapping[str, Any]) -> Sending:
    status, defaults, fields = _old_payload(row["payload"])
    return Sending(
        change_id=row["change_id"],
        content_hash=row["content_hash"],
        kind=row["kind"],
        target=row["target"],
        customer_id=row["customer_id"],
        address=row["address"],
        fields=fields,
        defaults=defaults,
        status=status,
    )


def _old_payload(payload: str) -> tuple[str | None, frozenset[str], dict[str, str]]:
    """Status, defaults, then names and JSON scalars in turn; as JSON in version 1."""
    if payload.startswith("{"):
        found = json.loads(payload)
        return found["status"], frozenset(found["defaults"]), found["fields"]
    status, defaults, *cells = payload.split(_SEPARATOR)
    named = frozenset(defaults.split(",")) if defaults else _NONE
    return status or None, named, dict(zip(cells[::2], cells[1::2], strict=True))
