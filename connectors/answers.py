"""Foreign JSON, read carefully: what must be there is there or the answer is unexpected, never "nothing"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias, TypeVar

from connectors.errors import UnexpectedResponse
from connectors.types import Fitted, Ref

__all__ = [
    "Json", "Row", "figures", "http_date", "inner", "instant", "objects", "oldest", "part", "record", "rows", "scalars",
    "stamp",
]  # fmt: skip

Json: TypeAlias = Mapping[str, Any]
"""One JSON object of a provider's."""

_ID = frozenset({"id"})

K = TypeVar("K")


class Row(dict[str, Any]):
    """An object of an answer: `row["id"]` must be there, or it raises UnexpectedResponse; `row.get("id")` may be."""

    def __missing__(self, name: str) -> Any:  # noqa: ANN401 - JSON of any kind
        raise UnexpectedResponse(f"the answer has no '{name}' where there must be one")


def part(answer: object, *keys: str) -> Any:  # noqa: ANN401 - JSON of any kind
    """What an answer holds under these keys, each within the one before. Raises UnexpectedResponse."""
    found = answer
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            raise UnexpectedResponse(f"the answer has no '{'.'.join(keys)}'")
        found = found[key]
    return found


def inner(answer: object, *keys: str) -> Any:  # noqa: ANN401 - JSON of any kind
    """What an answer may hold under these keys; None where anything on the way is missing, null or no object."""
    found = answer
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def record(answer: object, *names: str) -> Row:
    """An object that holds these, none of them null. Raises UnexpectedResponse."""
    if not isinstance(answer, dict) or any(answer.get(name) is None for name in names):
        raise UnexpectedResponse(f"the answer is no object with {', '.join(names) or 'anything in it'}")
    return Row(answer)


def rows(answer: object, *keys: str, holding: frozenset[str] = _ID) -> list[Row]:
    """The objects of the list under these keys, each of which holds these names. Raises UnexpectedResponse."""
    return [Row(row) for row in objects(answer, *keys, holding=holding)]


def objects(answer: object, *keys: str, holding: frozenset[str] = frozenset()) -> list[Json]:
    """The same as they came, for the long lists of hot paths; what is no list of such objects raises UnexpectedResponse."""
    found = part(answer, *keys)
    if isinstance(found, list) and all(isinstance(row, dict) and holding <= row.keys() for row in found):
        return found
    names = f" with {', '.join(sorted(holding))}" if holding else ""
    raise UnexpectedResponse(f"'{'.'.join(keys)}' is no list of objects{names}")


def instant(text: object) -> datetime | None:
    """An instant of theirs, UTC; one without an offset is UTC. None for what is no date and time."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return _utc(at)


def http_date(text: object) -> datetime | None:
    """The instant that a header names, UTC: "Mon, 23 Nov 2026 09:30:00 GMT". None for what is no date of HTTP."""
    try:
        at = parsedate_to_datetime(str(text))
    except ValueError:
        return None
    return _utc(at)


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def stamp(at: datetime, *, zone: str = "Z", timespec: str = "seconds") -> str:
    """An instant as a provider's filters read it, UTC: 2026-11-23T09:30:00Z; `zone` may be "+00:00"."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec) + zone


def scalars(values: Mapping[Ref, object] | None, *, blank: bool = False) -> dict[Ref, Fitted]:
    """Those of a contact's values that are one plain value; "" is none, but where a provider tells it from nothing."""
    return {
        name: value
        for name, value in (values or {}).items()
        if isinstance(value, str | int | float | bool) and (blank or value != "")
    }


def figures(report: object, table: Mapping[K, Sequence[str]]) -> dict[K, int]:
    """A campaign's own figures by kind of event, or by any other key: the sum of those that the table names, "opens.unique".

    Numbers may come as text. A kind is absent when one of its figures is: what a report does not tell is not zero.
    """
    told = {kind: [_count(inner(report, *name.split("."))) for name in names] for kind, names in table.items()}
    known = {kind: [count for count in counts if count is not None] for kind, counts in told.items()}
    return {kind: sum(counts) for kind, counts in known.items() if len(counts) == len(told[kind])}


def _count(told: object) -> int | None:
    if isinstance(told, int | float) or (isinstance(told, str) and told.isdecimal()):
        return int(told)
    return None


def oldest(
    found: Iterable[Json], name: str = "name", *, age: Callable[[Json], Any] = lambda row: row["id"]
) -> dict[str, Ref]:
    """Ids by name; of several of one name the oldest, as names are unique with few providers."""
    kept: dict[str, Json] = {}
    for row in found:
        if row[name] not in kept or age(row) < age(kept[row[name]]):
            kept[row[name]] = row
    return {title: str(row["id"]) for title, row in kept.items()}
